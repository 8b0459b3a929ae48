//! `augtrial reference`: every table of what an experiment file may name, as a page. It is `docs/reference.md`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::CliError;
use super::output::line;
use super::pictures::pictures;
use augtrial_base::catalog::{Parameter, Row};
use augtrial_plan::dataset::Dataset;
use augtrial_plan::editors::Edit;
use augtrial_plan::scheduler::Scheduler;
use augtrial_plan::transform::{Features, Mix, Transform};

/// One table.
pub(super) struct Section {
    pub(super) title: &'static str,
    /// Where its names stand in an experiment file.
    pub(super) place: &'static str,
    pub(super) rows: &'static [Row],
}

/// Transforms of one image, mixing of batches, and samples made of features.
pub(super) const RECIPES: [Section; 3] = [
    Section {
        title: "Transforms",
        place: "In `apply` of `[[arm.offline]]` (made once and kept), in `online` of an arm or in `classifier.transforms` (drawn \
                anew for every sample), each as `{ NAME = { PARAMETER = VALUE } }`; `{ NAME = {} }` takes the defaults.",
        rows: Transform::ROWS,
    },
    Section {
        title: "Mixing",
        place: "In `mix` of an arm, as `mix = { NAME = { PARAMETER = VALUE } }`: whole batches, after the online transforms.",
        rows: Mix::ROWS,
    },
    Section {
        title: "Features",
        place: "In `features` of an arm, as `features = { NAME = { PARAMETER = VALUE } }`, where the head alone is trained \
                (`freeze = \"all-but-head\"`): samples made of the features of the training part.",
        rows: Features::ROWS,
    },
];

/// The other tables.
const OTHERS: [Section; 3] = [
    Section { title: "Editors", place: "In an arm, as `[arm.edit.NAME]`.", rows: Edit::ROWS },
    Section {
        title: "Sampling methods",
        place: "In `scheduler` of `[arm.edit.ip2p]`, and `--scheduler` of `augtrial edit`.",
        rows: Scheduler::ROWS,
    },
    Section { title: "Data sources", place: "`[dataset.NAME]`.", rows: Dataset::ROWS },
];

/// Tables of the file whose keys are all there is to them: title, where they stand, and their name in the schema.
const KEYS: [(&str, &str, &str); 2] = [
    ("Gates", "`[arm.gate]`, or `gate = { KEY = VALUE }` of an arm that makes images (docs/gates.md).", "Gate"),
    ("Cross-fitting", "`[cross_fit]` (docs/gates.md).", "CrossFit"),
];

#[derive(Debug, Args)]
pub(super) struct ReferenceArgs {
    /// Write the page of every transform with a picture into this folder instead.
    #[arg(long, value_name = "DOCS")]
    pictures: Option<PathBuf>,
}

pub(super) fn reference(args: &ReferenceArgs) -> Result<(), CliError> {
    match &args.pictures {
        Some(docs) => pictures(docs),
        None => line(page().trim_end()),
    }
}

fn page() -> String {
    let mut page = "# Reference\n\nWhat an experiment file may name. This page is made of the program's own tables by \
                    `augtrial reference > docs/reference.md`; a test\nfails if it is stale. `augtrial transforms NAME` shows \
                    one entry, `augtrial check` says where a file breaks a bound.\n"
        .to_owned();
    for Section { title, place, rows } in RECIPES.iter().chain(&OTHERS) {
        write!(page, "\n## {title}\n\n{place}\n").expect("a string takes all");
        for row in *rows {
            entry(&mut page, row);
        }
    }
    let schema = augtrial_plan::schema();
    for (title, place, name) in KEYS {
        let table = &schema["$defs"][name];
        let about = markdown(table["description"].as_str().unwrap_or_default());
        write!(page, "\n## {title}\n\n{place}\n\n{about}\n\n| key | value | meaning |\n|---|---|---|\n")
            .expect("a string takes all");
        for (key, property) in table["properties"].as_object().into_iter().flatten() {
            let meaning = markdown(property["description"].as_str().unwrap_or_default());
            if !meaning.contains(WRITTEN) {
                writeln!(page, "| `{key}` | {} | {meaning} |", value_of(property)).expect("a string takes all");
            }
        }
    }
    page
}

/// What the descriptions of keys say that people do not type.
const WRITTEN: &str = "Written by the program";

/// What a key of the schema takes.
fn value_of(property: &serde_json::Value) -> String {
    let whole = property.to_string();
    if whole.contains("#/$defs/Bounds") {
        return "`{ least = NUMBER, most = NUMBER }`".to_owned();
    }
    let kinds: Vec<&str> = ["boolean", "integer", "number", "string"]
        .into_iter()
        .filter(|kind| whole.contains(&format!("\"{kind}\"")))
        .collect();
    format!("`{}`", kinds.join(" or "))
}

fn entry(page: &mut String, row: &Row) {
    let mut lines = vec![format!("\n### `{}`\n", row.name)];
    lines.push(markdown(&[row.help(), row.details()].join(" ")).trim_end().to_owned());
    let parameters = row.parameters();
    if !parameters.is_empty() {
        lines.push("\n| parameter | value | default | unit | bounds | meaning |\n|---|---|---|---|---|---|".to_owned());
        let of = |parameter| format!("| {} |", cells(parameter).map(|cell| cell.replace('|', "\\|")).join(" | "));
        lines.extend(parameters.iter().map(of));
    }
    let cited = row.works.iter().map(|work| format!("{} [{}]", work.text(), work.key));
    let source = (!row.source.is_empty()).then(|| format!("{}.", row.source));
    let sources: Vec<_> = source.into_iter().chain(cited).collect();
    if !sources.is_empty() {
        lines.push(format!("\nSource: {}", sources.join(" ")));
    }
    page.extend(lines.into_iter().map(|line| line + "\n"));
}

/// Name, kind of value, default, unit, bounds and meaning, as Markdown.
fn cells(parameter: &Parameter) -> [String; 6] {
    let Parameter { name, help, kind, default, required, unit, bounds } = parameter;
    [
        format!("`{name}`"),
        format!("`{kind}`"),
        match default {
            Some(default) => format!("`{default}`"),
            None if *required => "required".to_owned(),
            None => String::new(),
        },
        unit.clone(),
        bounds.clone(),
        markdown(help),
    ]
}

/// Stars outside code would make what stands between them italic, as in L*a*b*.
fn markdown(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let escape = |(index, part): (usize, &str)| if index % 2 == 0 { part.replace('*', "\\*") } else { part.to_owned() };
    parts.map(escape).collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_page_in_docs_is_the_one_of_the_tables() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference.md");
        let written = fs::read_to_string(file).unwrap_or_default();
        assert!(written == page(), "the page is stale; run: augtrial reference > docs/reference.md");
    }

    #[test]
    fn every_row_of_every_table_has_an_entry_with_its_bounds_and_works() {
        let page = page();
        let sections = RECIPES.iter().chain(&OTHERS);
        for (section, row) in sections.flat_map(|section| section.rows.iter().map(move |row| (section, row))) {
            let text = page.split(&format!("\n## {}\n", section.title)).nth(1).expect("every table has a section");
            let text = text.split("\n## ").next().expect("a split gives one part at least");
            let entry = text.split(&format!("\n### `{}`\n", row.name)).nth(1).unwrap_or_else(|| panic!("{}", row.name));
            let entry = entry.split("\n### ").next().expect("a split gives one part at least");
            assert!(!row.help().is_empty() && entry.contains(&markdown(&row.help())), "{}: {entry}", row.name);
            assert!(row.works.iter().all(|work| entry.contains(work.title)), "{}", row.name);
            assert!((row.limits)().iter().all(|limit| entry.contains(&limit.bounds)), "{}", row.name);
        }
    }
}
