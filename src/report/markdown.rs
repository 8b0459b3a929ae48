//! `report.md`: the whole report as a page that a code forge renders, with relative links to the figures.

use std::collections::BTreeMap;

use super::document::{self, Block};
use super::figures::Figure;
use super::format::{ReportError, ReportFile, ReportFormat};
use super::gallery::Source;
use super::numbers::NONE;
use super::record::Picture;
use super::references::Reference;
use super::tables::Table;
use super::view::StudyView;

/// Renders `report.md`, the pictures of its gallery and `references.bib`.
#[derive(Clone, Copy, Debug)]
pub struct Markdown;

impl ReportFormat for Markdown {
    fn name(&self) -> &'static str {
        "markdown"
    }

    fn files(&self, view: &StudyView) -> Result<Vec<ReportFile>, ReportError> {
        let mut files = BTreeMap::from([("report.md".to_owned(), render(view).into_bytes())]);
        for source in &view.gallery {
            let results = source.derived.iter().filter_map(|derived| derived.result.as_ref().ok());
            files.extend(results.chain([&source.picture]).map(|picture| (picture_path(picture), picture.png.clone())));
        }
        let entries: Vec<String> = view.references.iter().map(Reference::bibtex).collect();
        if !entries.is_empty() {
            files.insert("references.bib".to_owned(), entries.join("\n").into_bytes());
        }
        Ok(files.into_iter().map(|(path, bytes)| ReportFile { path, bytes }).collect())
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
    for section in document::sections(view) {
        page.block(&format!("## {}", section.title));
        for block in &section.blocks {
            page.put(block, view);
        }
    }
    page.0.truncate(page.0.trim_end().len());
    page.0 + "\n"
}

fn list(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| format!("- {line}")).collect::<Vec<_>>().join("\n")
}

/// Where a picture of the gallery is.
fn picture_path(picture: &Picture) -> String {
    format!("gallery/{}.png", picture.digest.short())
}

pub(super) fn capitalised(text: &str) -> String {
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

    fn put(&mut self, block: &Block, view: &StudyView) {
        match block {
            Block::Heading(title) => self.block(&format!("### {title}")),
            Block::Text(text) => self.block(&escape(text)),
            Block::Answers(answers) => {
                self.block(&list(answers.iter().map(|answer| escape(&capitalised(answer)))));
            }
            Block::List(lines) => self.block(&list(lines.iter().map(|line| escape(line)))),
            Block::Table(table) if table.rows.is_empty() => {}
            Block::Table(table) => {
                self.block(&format!("**{}**", escape(&table.caption)));
                self.table(table);
            }
            Block::Figure(figure) => self.figure(figure),
            Block::Curves(figures) => figures.iter().for_each(|figure| self.figure(figure)),
            Block::Gallery => self.gallery(&view.gallery),
            Block::Code(name, text) => {
                self.block(&format!(
                    "<details><summary>{name}</summary>\n\n```\n{}\n```\n\n</details>",
                    text.trim_end()
                ));
            }
        }
    }

    fn table(&mut self, table: &Table) {
        let cells = |cells: &mut dyn Iterator<Item = String>| format!("| {} |", cells.collect::<Vec<_>>().join(" | "));
        let mut lines = vec![cells(&mut table.columns.iter().map(|column| escape(&column.title)))];
        lines.push(cells(
            &mut table.columns.iter().map(|column| if column.is_text() { ":--" } else { "--:" }.to_owned()),
        ));
        for row in &table.rows {
            let shown =
                row.iter().map(|cell| if cell.shown.is_empty() { NONE.to_owned() } else { escape(&cell.shown) });
            lines.push(cells(&mut shown.into_iter()));
        }
        self.block(&lines.join("\n"));
    }

    fn figure(&mut self, figure: &Figure) {
        let caption = escape(&figure.caption);
        self.block(&format!("![{caption}](figures/{}.png)", figure.name));
        self.block(&format!("*{caption}* ([SVG](figures/{}.svg))", figure.name));
    }

    /// One row per derived image, the source in the first of its rows.
    fn gallery(&mut self, sources: &[Source]) {
        let mut lines = vec!["| Source | Arm | Asked | Result |".to_owned(), "| :-- | :-- | :-- | :-- |".to_owned()];
        for source in sources {
            for (index, derived) in source.derived.iter().enumerate() {
                let first =
                    format!("![{}]({}) {}", escape(&source.path), picture_path(&source.picture), escape(&source.path));
                let result = match &derived.result {
                    Ok(picture) => {
                        let alt = escape(&format!("{} of {}", derived.arm, source.path));
                        format!("![{alt}]({}) {}", picture_path(picture), escape(&derived.note()))
                    }
                    Err(reason) => format!("**missing:** {} ({})", escape(reason), escape(&derived.note())),
                };
                let source = if index == 0 { first } else { String::new() };
                lines.push(format!("| {source} | {} | {} | {result} |", escape(&derived.arm), escape(&derived.asked)));
            }
        }
        self.block(&lines.join("\n"));
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
