//! `report.md`: the whole report as a page that a code forge renders, with relative links to the figures.

use std::collections::BTreeMap;

use super::document::{self, Block};
use super::figures::{Drawing, Drawings, Figure};
use super::format::{ReportError, ReportFile, ReportFormat};
use super::gallery::GallerySource;
use super::quality::QualityLook;
use super::record::Picture;
use super::tables::Table;
use super::view::StudyView;
use augtrial_base::numbers::NONE;
use augtrial_base::text::markdown as escape;
use augtrial_base::work::Work;

/// Renders `report.md`, the pictures of its gallery and `references.bib`.
#[derive(Clone, Copy, Debug)]
pub struct Markdown;

impl ReportFormat for Markdown {
    fn name(&self) -> &'static str {
        "markdown"
    }

    fn files(&self, view: &StudyView, drawings: &Drawings) -> Result<Vec<ReportFile>, ReportError> {
        let mut files = BTreeMap::from([("report.md".to_owned(), render(view, drawings, "").into_bytes())]);
        for source in &view.gallery {
            let results = source.derived.iter().filter_map(|derived| derived.result.as_ref().ok());
            files.extend(results.chain([&source.picture]).map(|picture| (picture_path(picture), picture.png.clone())));
        }
        for picture in view.quality.iter().flat_map(super::quality::QualityView::pictures) {
            files.insert(picture_path(picture), picture.png.clone());
        }
        let entries: Vec<String> = view.references.iter().map(Work::bibtex).collect();
        if !entries.is_empty() {
            files.insert("references.bib".to_owned(), entries.join("\n").into_bytes());
        }
        Ok(files.into_iter().map(|(path, bytes)| ReportFile { path, bytes }).collect())
    }
}

/// The page, for a reader who stands `above` the report's folder (empty, or a path that ends in `/`).
#[must_use]
pub(super) fn render(view: &StudyView, drawings: &Drawings, above: &str) -> String {
    let mut page = Page { text: String::new(), above, drawings };
    page.block(&format!("# {}", escape(&view.title)));
    if let Some(question) = &view.question {
        page.block(&format!("*{}*", escape(question)));
    }
    for fact in &view.banner {
        let text = fact.text();
        let (head, rest) = text.split_once(". ").unwrap_or((&text, ""));
        page.block(&format!("> **{}.** {}", escape(head), escape(rest)));
    }
    for section in document::sections(view) {
        page.block(&format!("## {}", section.title));
        for block in &section.blocks {
            page.put(block, view);
        }
    }
    page.text.truncate(page.text.trim_end().len());
    page.text + "\n"
}

fn list(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| format!("- {line}")).collect::<Vec<_>>().join("\n")
}

pub(crate) fn term_lines(terms: &[(String, String)]) -> String {
    list(terms.iter().map(|(term, meaning)| format!("**{}**: {}", escape(term), escape(meaning))))
}

/// Where a picture of the gallery is.
fn picture_path(picture: &Picture) -> String {
    format!("gallery/{}.png", picture.digest.short())
}

pub(super) fn capitalized(text: &str) -> String {
    // A name keeps its spelling; only the metric, a word of ours, may open a sentence in lower case.
    if text.starts_with("balanced ") { text.replacen('b', "B", 1) } else { text.to_owned() }
}

/// A table as lines of Markdown.
pub(super) fn table_lines(table: &Table) -> String {
    let cells = |cells: &mut dyn Iterator<Item = String>| format!("| {} |", cells.collect::<Vec<_>>().join(" | "));
    let mut lines = vec![cells(&mut table.columns.iter().map(|column| escape(&column.title)))];
    lines.push(cells(&mut table.columns.iter().map(|column| if column.is_text() { ":--" } else { "--:" }.to_owned())));
    for row in &table.rows {
        let shown = row.iter().map(|cell| if cell.shown.is_empty() { NONE.to_owned() } else { escape(&cell.shown) });
        lines.push(cells(&mut shown.into_iter()));
    }
    lines.join("\n")
}

struct Page<'a> {
    text: String,
    above: &'a str,
    drawings: &'a Drawings,
}

impl Page<'_> {
    fn block(&mut self, text: &str) {
        if !text.is_empty() {
            self.text.push_str(text);
            self.text.push_str("\n\n");
        }
    }

    fn put(&mut self, block: &Block, view: &StudyView) {
        match block {
            Block::Heading(title) => self.block(&format!("### {title}")),
            Block::Text(text) => self.block(&escape(text)),
            Block::Answers(answers) => {
                self.block(&list(answers.iter().map(|answer| escape(&capitalized(answer)))));
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
            Block::Look(look) => self.look(look),
            Block::Terms(terms) => self.block(&term_lines(terms)),
            Block::Fold(title, blocks) => {
                self.block(&format!("<details><summary>{}</summary>", augtrial_base::text::html(title)));
                for block in blocks {
                    self.put(block, view);
                }
                self.block("</details>");
            }
            Block::Code(name, text) => {
                self.block(&format!(
                    "<details><summary>{name}</summary>\n\n```\n{}\n```\n\n</details>",
                    text.trim_end()
                ));
            }
        }
    }

    fn table(&mut self, table: &Table) {
        self.block(&table_lines(table));
    }

    fn figure(&mut self, figure: &Figure) {
        let caption = escape(&figure.caption);
        if let Drawing::Missing(reason) = self.drawings.of(figure) {
            return self.block(&format!("**Missing figure:** *{caption}* {}", escape(reason)));
        }
        let path = format!("{}figures/{}", self.above, figure.name);
        self.block(&format!("![{caption}]({path}.png)"));
        self.block(&format!("*{caption}* ([SVG]({path}.svg), [PDF]({path}.pdf))"));
    }

    /// One row per derived image.
    fn look(&mut self, look: &QualityLook) {
        let image = |picture: &Picture, alt: &str| format!("![{alt}]({}{})", self.above, picture_path(picture));
        let mut lines = vec!["| Source | Derived | |".to_owned(), "| :-- | :-- | :-- |".to_owned()];
        for shown in &look.shown {
            let (source, derived) = (image(&shown.source, "source"), image(&shown.derived, "derived"));
            lines.push(format!("| {source} | {derived} | {} |", escape(&shown.caption)));
        }
        self.block(&lines.join("\n"));
    }

    /// One row per derived image, the source in the first of its rows.
    fn gallery(&mut self, sources: &[GallerySource]) {
        let above = self.above;
        let mut lines = vec!["| Source | Arm | Asked | Result |".to_owned(), "| :-- | :-- | :-- | :-- |".to_owned()];
        for source in sources {
            for (index, derived) in source.derived.iter().enumerate() {
                let first = format!("![{0}]({above}{1}) {0}", escape(&source.path), picture_path(&source.picture));
                let result = match &derived.result {
                    Ok(picture) => {
                        let alt = escape(&format!("{} of {}", derived.arm, source.path));
                        format!("![{alt}]({above}{}) {}", picture_path(picture), escape(&derived.note()))
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
