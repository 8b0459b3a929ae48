//! What stands where in a report: sections of blocks, written once and rendered as Markdown and as HTML.

use super::convergence;
use super::figures::{Figure, figures};
use super::gallery;
use super::numbers::count;
use super::sentences;
use super::tables::{self, Table};
use super::view::{DataView, StudyView};
use crate::data::manifest::LeftOut;

/// Left-out files that are listed one by one; more are only counted.
const MAX_LISTED: usize = 20;

/// A section under a heading.
pub(super) struct Section {
    /// For links to it.
    pub id: &'static str,
    pub title: &'static str,
    pub blocks: Vec<Block>,
}

/// A part of a section.
pub(super) enum Block {
    Heading(&'static str),
    Text(String),
    /// The sentence that matters, one per contrast.
    Answers(Vec<String>),
    List(Vec<String>),
    Table(Table),
    Figure(Figure),
    /// Figures of the training curves; a page with a program in it shows them as one that can be asked.
    Curves(Vec<Figure>),
    /// The view's gallery.
    Gallery,
    /// To be copied: a name for it, and the text.
    Code(&'static str, String),
}

/// The whole report, in order.
pub(super) fn sections(view: &StudyView) -> Vec<Section> {
    let figures = Shelf(figures(view));
    let mut sections = vec![
        answer(view, &figures),
        Section { id: "flow", title: "Flow of images", blocks: flow(view, &figures) },
        Section { id: "classes", title: "Classes", blocks: classes(view) },
        Section { id: "training", title: "Training", blocks: training(view, &figures) },
        Section { id: "results", title: "Results", blocks: results(view, &figures) },
        Section { id: "predictions", title: "Predictions", blocks: predictions(view, &figures) },
        Section { id: "gallery", title: "Derived images", blocks: derived(view) },
        Section { id: "budget", title: "Budget", blocks: budget(view) },
        Section { id: "methods", title: "Methods", blocks: methods(view) },
        Section { id: "provenance", title: "Provenance", blocks: provenance(view) },
    ];
    sections.retain(|section| !section.blocks.is_empty());
    sections
}

/// The figures that there are.
struct Shelf(Vec<Figure>);

impl Shelf {
    fn named(&self, names: &[&str]) -> impl Iterator<Item = Block> {
        self.matching(|figure| names.contains(&figure.name.as_str())).map(Block::Figure)
    }

    fn matching(&self, wanted: impl Fn(&Figure) -> bool) -> impl Iterator<Item = Figure> {
        self.0.iter().filter(|figure| wanted(figure)).cloned().collect::<Vec<_>>().into_iter()
    }
}

fn answer(view: &StudyView, figures: &Shelf) -> Section {
    let mut blocks = vec![Block::Answers(view.answers.clone())];
    blocks.extend(figures.named(&["differences"]));
    Section { id: "answer", title: "Answer", blocks }
}

fn flow(view: &StudyView, figures: &Shelf) -> Vec<Block> {
    let data = &view.data;
    let mut blocks: Vec<Block> = figures.named(&["flow"]).collect();
    blocks.push(Block::Text(read(data)));
    blocks.push(Block::Table(tables::flow(view)));
    left_out("Quarantined:", &data.quarantined, &mut blocks);
    left_out("Withheld, so that no content is in two parts:", &data.withheld, &mut blocks);
    left_out("Contradicting labels of byte-identical files:", &data.contradicting, &mut blocks);
    let arms = view.comparison.arms.iter();
    let missing = arms.flat_map(|arm| {
        arm.missing.iter().map(|missing| format!("{}, seed {}: {}", arm.name, missing.seed, missing.reason))
    });
    let missing: Vec<String> = missing.collect();
    if !missing.is_empty() {
        blocks.push(Block::Text("Trials without a result:".to_owned()));
        blocks.push(Block::List(missing));
    }
    blocks
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

fn left_out(title: &str, files: &[LeftOut], blocks: &mut Vec<Block>) {
    if files.is_empty() {
        return;
    }
    let listed = files.iter().take(MAX_LISTED);
    let mut lines: Vec<String> = listed.map(|file| format!("{}: {}", file.path, file.reason)).collect();
    if files.len() > MAX_LISTED {
        lines.push(format!("and {} more", files.len() - MAX_LISTED));
    }
    blocks.push(Block::Text(title.to_owned()));
    blocks.push(Block::List(lines));
}

fn classes(view: &StudyView) -> Vec<Block> {
    vec![Block::Table(tables::data(view)), Block::Table(tables::training_sets_by_arm(view))]
}

fn training(view: &StudyView, figures: &Shelf) -> Vec<Block> {
    let curves: Vec<Figure> = figures.matching(Figure::is_curves).collect();
    if curves.is_empty() {
        return Vec::new();
    }
    vec![
        Block::Curves(curves),
        Block::Heading("Convergence"),
        Block::Text(convergence::RULE.to_owned()),
        Block::Table(tables::convergence(view)),
    ]
}

fn results(view: &StudyView, figures: &Shelf) -> Vec<Block> {
    let mut blocks = vec![Block::Table(tables::arms(view))];
    blocks.extend(figures.named(&["seeds"]));
    blocks.push(Block::Heading("Contrasts"));
    blocks.push(Block::Table(tables::primary_contrasts(view)));
    blocks.push(Block::Text(LEGEND.to_owned()));
    blocks.extend(figures.named(&["pairs"]));
    blocks.push(Block::Table(tables::statistics(view)));
    blocks.extend(sentences::friedman(&view.comparison).map(Block::Text));
    let by_image = [tables::examples(view), tables::mcnemar(view)];
    if by_image.iter().any(|table| !table.rows.is_empty()) {
        blocks.push(Block::Heading("Image by image"));
        blocks.extend(by_image.into_iter().map(Block::Table));
    }
    blocks
}

const LEGEND: &str = "Differences and their intervals are in percentage points, treatment less control, paired by seed. \
                      Sign-flip and signed-rank p values are exact; TOST p is of a difference as large as the margin.";

fn predictions(view: &StudyView, figures: &Shelf) -> Vec<Block> {
    let mut blocks: Vec<Block> = figures.named(&["recall"]).collect();
    let recall = tables::recall(view);
    if !recall.rows.is_empty() {
        blocks.push(Block::Table(recall));
    }
    let confusions: Vec<Figure> = figures.matching(|figure| figure.name.starts_with("confusion")).collect();
    if !confusions.is_empty() {
        blocks.push(Block::Heading("Confusions"));
        blocks.extend(confusions.into_iter().map(Block::Figure));
    }
    blocks
}

fn derived(view: &StudyView) -> Vec<Block> {
    if view.gallery.is_empty() {
        return Vec::new();
    }
    vec![Block::Text(gallery::CHOICE.to_owned()), Block::Gallery]
}

fn budget(view: &StudyView) -> Vec<Block> {
    vec![Block::Table(tables::budget(view))]
}

fn methods(view: &StudyView) -> Vec<Block> {
    let mut blocks: Vec<Block> = view.methods.iter().cloned().map(Block::Text).collect();
    if !view.references.is_empty() {
        blocks.push(Block::Heading("References"));
        blocks.push(Block::List(view.references.iter().map(super::references::Reference::text).collect()));
        let entries: Vec<String> = view.references.iter().map(super::references::Reference::bibtex).collect();
        blocks.push(Block::Code("BibTeX", entries.join("\n")));
    }
    blocks
}

fn provenance(view: &StudyView) -> Vec<Block> {
    let facts = view.provenance.iter().map(|fact| format!("{}: {}", fact.label, fact.value));
    vec![Block::List(facts.collect())]
}
