//! `parts.csv`: which images were training, validation and test of a study, with their digests.

use super::StudyError;
use super::arms::ReadyArm;
use super::data::Division;
use super::prepared::Prepared;
use augtrial_base::events::Split;
use augtrial_base::text;
use augtrial_data::manifest::ImageRecord;
use augtrial_data::samples::Sample;
use augtrial_registry::Registry;

const HEADER: [&str; 5] = ["part", "class", "path", "image", "derived"];

/// Writes the parts of a study beside its sheet. Divided by source, the arms share them, and a derived image belongs to the
/// part of its source; redrawn for every seed, there is a `parts-seed-SEED.csv` for each. Under the as-published protocol every arm has its own, derived images included: `parts-ARM.csv`.
pub(super) fn keep(prepared: &Prepared<'_>, arms: &[ReadyArm<'_>], registry: &Registry) -> Result<(), StudyError> {
    let write = |name: &str, rows: Vec<Row<'_>>| {
        let (study, plan) = (&prepared.plan.study.name, prepared.plan.digest());
        registry.write_study_file(study, &plan, name, &table(&prepared.data.manifest.classes, rows)).map(drop)
    };
    match &prepared.data.division {
        Division::BySource(partition) => {
            let mut rows: Vec<Row<'_>> =
                partition.train.sources().iter().map(|image| Row::of_image(Split::Train, image)).collect();
            rows.extend(partition.validation.images().iter().map(|image| Row::of_image(Split::Validation, image)));
            rows.extend(partition.test.images().iter().map(|image| Row::of_image(Split::Test, image)));
            write(&name_of(prepared), rows)?;
        }
        Division::AsPublished(..) => {
            for ready in arms {
                let parts = [
                    (Split::Train, ready.training.samples()),
                    (Split::Validation, ready.validation.samples()),
                    (Split::Test, ready.test.samples()),
                ];
                let rows = parts
                    .into_iter()
                    .flat_map(|(split, samples)| samples.iter().map(move |sample| Row::of_sample(split, sample)));
                write(&format!("parts-{}.csv", ready.arm.name), rows.collect())?;
            }
        }
    }
    Ok(())
}

/// The file of a draw: named by its first seed where every seed has a division of its own.
fn name_of(prepared: &Prepared<'_>) -> String {
    if prepared.plan.redraws_split() { format!("parts-seed-{}.csv", prepared.seeds[0]) } else { "parts.csv".to_owned() }
}

/// One image in its part.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Row<'a> {
    split: Split,
    class: u32,
    path: &'a str,
    image: String,
    derived: bool,
}

impl<'a> Row<'a> {
    fn of_image(split: Split, image: &'a ImageRecord) -> Self {
        Self { split, class: image.class, path: &image.path, image: image.digest.to_string(), derived: false }
    }

    fn of_sample(split: Split, sample: &'a Sample) -> Self {
        let Sample { label, path, image, derived, .. } = sample;
        Self { split, class: *label, path, image: image.to_string(), derived: *derived }
    }
}

/// The rows as CSV, sorted. A repeated training image is there once.
fn table(classes: &[String], mut rows: Vec<Row<'_>>) -> Vec<u8> {
    rows.sort_unstable();
    rows.dedup();
    let mut out = csv::Writer::from_writer(Vec::new());
    let mut write = |record: [&str; 5]| out.write_record(record).expect("memory takes every byte");
    write(HEADER);
    for Row { split, class, path, image, derived } in &rows {
        let (class, path) = (text::csv(&classes[*class as usize]), text::csv(path));
        write([split.name(), &class, &path, image, if *derived { "true" } else { "false" }]);
    }
    out.into_inner().expect("memory takes every byte")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_spreadsheet_would_compute_are_text() {
        let row = Row { split: Split::Train, class: 0, path: "=1+1/a.png", image: "00".to_owned(), derived: false };
        let table = String::from_utf8(table(&["=1+1".to_owned()], vec![row])).unwrap();
        assert_eq!(table, "part,class,path,image,derived\ntrain,'=1+1,'=1+1/a.png,00,false\n");
    }
}
