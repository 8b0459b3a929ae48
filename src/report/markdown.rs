//! `report.md`: the whole report as a page that a code forge renders, with relative links to the figures.

use std::fmt::Write as _;

use super::figures::{Figure, figures};
use super::format::{ReportError, ReportFile, ReportFormat};
use super::numbers::{NONE, count};
use super::tables::{self, Table};
use super::view::{DataView, StudyView};
use crate::data::manifest::LeftOut;

/// Renders `report.md`.
#[derive(Clone, Copy, Debug)]
pub struct Markdown;

/// Left-out files that are listed one by one; more are only counted.
const MAX_LISTED: usize = 20;

impl ReportFormat for Markdown {
    fn name(&self) -> &'static str {
        "markdown"
    }

    fn files(&self, view: &StudyView) -> Result<Vec<ReportFile>, ReportError> {
        Ok(vec![ReportFile { path: "report.md".to_owned(), bytes: render(view).into_bytes() }])
    }
}

/// The page.
#[must_use]
pub(super) fn render(view: &StudyView) -> String {
    let mut page = Page(String::new());
    page.block(&format!("# {}", escape(&view.title)));
    if let Some(question) = &view.question {
        page.block(&format!("*{}*", escape(question)));
    }
    for fact in &view.banner {
        let text = fact.text();
        let (head, rest) = text.split_once(". ").unwrap_or((&text, ""));
        page.block(&format!("> **{head}.** {rest}"));
    }
    let figures = figures(view);
    page.block("## Answer");
    page.block(&list(view.answers.iter().map(|answer| escape(&capitalised(answer)))));
    page.figures(&figures, &["differences"]);
    page.block("## Results");
    page.table(&tables::arms(view));
    page.figures(&figures, &["seeds", "pairs"]);
    missing(view, &mut page);
    page.block("## Contrasts");
    page.table(&tables::primary_contrasts(view));
    page.block(LEGEND);
    page.table(&tables::statistics(view));
    page.table_if_any(&tables::examples(view));
    data(view, &mut page);
    page.block("## Training");
    page.figures(&figures, &["accuracy-by-epoch", "loss-by-epoch", "accuracy-by-updates", "loss-by-updates"]);
    page.table(&tables::budget(view));
    let confusions: Vec<&str> =
        figures.iter().map(|figure| figure.name.as_str()).filter(|name| name.starts_with("confusion-")).collect();
    if !confusions.is_empty() {
        page.block("## Predictions");
        page.figures(&figures, &confusions);
    }
    page.block("## Methods");
    view.methods.iter().for_each(|paragraph| page.block(&escape(paragraph)));
    page.block("## Provenance");
    let facts = view.provenance.iter();
    page.block(&list(facts.map(|fact| format!("{}: {}", escape(&fact.label), escape(&fact.value)))));
    page.0.truncate(page.0.trim_end().len());
    page.0 + "\n"
}

const LEGEND: &str = "Differences and their intervals are in percentage points, treatment less control, paired by seed. \
                      Sign-flip and signed-rank p values are exact; TOST p is of a difference as large as the margin.";

fn missing(view: &StudyView, page: &mut Page) {
    let arms = view.comparison.arms.iter();
    let lines = arms.flat_map(|arm| {
        arm.missing
            .iter()
            .map(|missing| format!("{}, seed {}: {}", escape(&arm.name), missing.seed, escape(&missing.reason)))
    });
    let lines = list(lines);
    if !lines.is_empty() {
        page.block("Trials without a result:");
        page.block(&lines);
    }
}

fn data(view: &StudyView, page: &mut Page) {
    let data = &view.data;
    page.block("## Data");
    page.table(&tables::data(view));
    page.block(&read(data));
    left_out("Quarantined", &data.quarantined, page);
    left_out("Withheld, so that no content is in two parts", &data.withheld, page);
    left_out("Contradicting labels of byte-identical files", &data.contradicting, page);
    page.block("### Training sets");
    page.table(&tables::training_sets(view));
    page.table(&tables::flow(view));
}

fn read(data: &DataView) -> String {
    format!(
        "Read: {} images in {} classes. Quarantined: {}. Ignored: {}. Byte-identical duplicates: {}.",
        count(data.read.total.count),
        data.classes.len(),
        data.quarantined.len(),
        data.ignored.len(),
        count(data.duplicates),
    )
}

fn left_out(title: &str, files: &[LeftOut], page: &mut Page) {
    if files.is_empty() {
        return;
    }
    let listed = files.iter().take(MAX_LISTED);
    let mut lines = list(listed.map(|file| format!("{}: {}", escape(&file.path), escape(&file.reason))));
    if files.len() > MAX_LISTED {
        let _ = write!(lines, "\n- and {} more", files.len() - MAX_LISTED);
    }
    page.block(&format!("{title}:"));
    page.block(&lines);
}

fn list(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| format!("- {line}")).collect::<Vec<_>>().join("\n")
}

fn capitalised(text: &str) -> String {
    // A name keeps its spelling; only the metric, a word of ours, may open a sentence in lower case.
    if text.starts_with("balanced ") { text.replacen('b', "B", 1) } else { text.to_owned() }
}

/// Text as itself: names and reasons come from users and files.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' => escaped.extend(['\\', character]),
            '\n' | '\r' => escaped.push(' '),
            _ => escaped.push(character),
        }
    }
    escaped
}

struct Page(String);

impl Page {
    fn block(&mut self, text: &str) {
        if !text.is_empty() {
            self.0.push_str(text);
            self.0.push_str("\n\n");
        }
    }

    fn table(&mut self, table: &Table) {
        let cells = |cells: &mut dyn Iterator<Item = String>| format!("| {} |", cells.collect::<Vec<_>>().join(" | "));
        let mut lines = vec![cells(&mut table.columns.iter().map(|column| escape(&column.title)))];
        lines.push(cells(&mut table.columns.iter().map(|column| if column.text { ":--" } else { "--:" }.to_owned())));
        for row in &table.rows {
            let shown =
                row.iter().map(|cell| if cell.shown.is_empty() { NONE.to_owned() } else { escape(&cell.shown) });
            lines.push(cells(&mut shown.into_iter()));
        }
        self.block(&lines.join("\n"));
    }

    fn table_if_any(&mut self, table: &Table) {
        if !table.rows.is_empty() {
            self.block(&escape(&table.caption));
            self.table(table);
        }
    }

    fn figures(&mut self, figures: &[Figure], names: &[&str]) {
        for figure in figures.iter().filter(|figure| names.contains(&figure.name.as_str())) {
            let caption = escape(&figure.caption);
            self.block(&format!("![{caption}](figures/{}.png)", figure.name));
            self.block(&format!("*{caption}* ([SVG](figures/{}.svg))", figure.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_change_the_page() {
        assert_eq!(escape("a|b <script> *x*\n# y"), "a\\|b \\<script\\> \\*x\\* \\# y");
    }
}
