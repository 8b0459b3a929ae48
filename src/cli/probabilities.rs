//! Probabilities from elsewhere, as a CSV table of one row per image, and the labels that they doubt.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::CliError;
use augtrial_audit::{LabelIssue, label_issues};
use augtrial_base::disk;
use augtrial_data::manifest::Manifest;

/// A table of millions of images has less.
const MOST_BYTES: u64 = 2 << 30;
/// The column of the images.
const PATH: &str = "path";

/// The labels in doubt of the images that the table names.
pub(super) fn doubts(file: &Path, manifest: &Manifest) -> Result<Vec<LabelIssue>, CliError> {
    let bytes = disk::read_regular(file, MOST_BYTES)
        .map_err(|error| CliError::Arguments(format!("cannot read the probabilities {}: {error}", file.display())))?;
    parse(&bytes, manifest).map_err(|problem| {
        CliError::Arguments(format!(
            "{}: {problem}; the table needs a column `path` and one of probabilities for each class",
            file.display()
        ))
    })
}

fn parse(bytes: &[u8], manifest: &Manifest) -> Result<Vec<LabelIssue>, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    let column =
        |name: &str| header.iter().position(|column| column == name).ok_or(format!("there is no column `{name}`"));
    let path = column(PATH)?;
    let columns = manifest.classes.iter().map(|class| column(class)).collect::<Result<Vec<_>, _>>()?;
    let images: BTreeMap<&str, usize> =
        manifest.images.iter().enumerate().map(|(position, image)| (image.path.as_str(), position)).collect();
    let (mut positions, mut rows, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        let name = record.get(path).unwrap_or_default();
        let &position = images.get(name).ok_or(format!("line {line}: `{name}` is not in the data set"))?;
        if !seen.insert(position) {
            return Err(format!("line {line}: `{name}` is there twice"));
        }
        let value = |&column: &usize| {
            let text = record.get(column).unwrap_or_default();
            text.parse::<f64>().map_err(|_| format!("line {line}: `{text}` is no probability"))
        };
        rows.push(columns.iter().map(value).collect::<Result<Vec<f64>, _>>()?);
        positions.push(position);
    }
    let labels: Vec<u32> = positions.iter().map(|&position| manifest.images[position].class).collect();
    let issues = label_issues(&labels, &rows, manifest.classes.len()).map_err(|error| error.to_string())?;
    Ok(issues.into_iter().map(|issue| LabelIssue { index: positions[issue.index], ..issue }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use augtrial_base::digest::Digest;
    use augtrial_data::manifest::ImageRecord;

    fn manifest() -> Manifest {
        let image = |index: u32| ImageRecord {
            path: format!("{index}.png"),
            class: index % 2,
            digest: Digest::of_bytes(&index.to_le_bytes()),
            width_px: 1,
            height_px: 1,
            group: None,
            split: None,
        };
        Manifest {
            classes: vec!["a".to_owned(), "b".to_owned()],
            images: (0..10).map(image).collect(),
            quarantined: Vec::new(),
            ignored: Vec::new(),
            synthetic: false,
        }
    }

    #[test]
    fn doubts_are_about_the_images_that_the_table_names_in_any_order() {
        let mut table = "b,path,a\n".to_owned();
        // Image 4 is of class a, and everything speaks for b.
        for index in [7, 3, 4, 1, 2, 6, 8] {
            let b = if index % 2 == 1 || index == 4 { 0.95 } else { 0.05 };
            table += &[b.to_string(), format!("{index}.png"), (1.0 - b).to_string()].join(",");
            table.push('\n');
        }
        let found = parse(table.as_bytes(), &manifest()).unwrap();
        assert_eq!(found.iter().map(|issue| (issue.index, issue.suggested)).collect::<Vec<_>>(), [(4, 1)]);
    }

    #[test]
    fn what_is_wrong_with_a_table_is_said_with_its_line() {
        for (table, expected) in [
            ("path,a\n", "there is no column `b`"),
            ("path,a,b\n0.png,1,0\nx.png,1,0\n", "line 3: `x.png` is not in the data set"),
            ("path,a,b\n0.png,1,0\n0.png,1,0\n", "line 3: `0.png` is there twice"),
            ("path,a,b\n0.png,1,many\n", "line 2: `many` is no probability"),
            ("path,a,b\n0.png,1,2\n", "image 0 has the probability 2, which is not between 0 and 1"),
        ] {
            assert_eq!(parse(table.as_bytes(), &manifest()).unwrap_err(), expected);
        }
    }
}
