//! What stands where in a report: sections of blocks, written once and rendered as Markdown and as HTML.

use super::audit;
use super::convergence;
use super::figures::{self, Figure};
use super::gallery;
use super::quality::{self, QualityLook};
use super::sentences;
use super::tables::{self, Table};
use super::terms;
use super::tuning;
use super::view::{DataView, StudyView};
use augtrial_base::numbers::count;
use augtrial_base::work::Work;
use augtrial_data::manifest::LeftOut;

/// Rows of a table that a reader takes in; longer ones are folded.
const MAX_OPEN_ROWS: usize = 12;

/// Contrasts whose pairs are shown before they are folded.
const MAX_OPEN_PANELS: usize = 3;

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
    /// Derived images beside their sources.
    Look(QualityLook),
    /// To be copied: a name for it, and the text.
    Code(&'static str, String),
    /// Terms and what they mean.
    Terms(Vec<(String, String)>),
    /// What is not the answer: closed until somebody opens it, but on paper always open.
    Fold(String, Vec<Block>),
}

/// The whole report, in order.
pub(super) fn sections(view: &StudyView) -> Vec<Section> {
    let figures = Shelf(figures::figures(view));
    let mut sections = vec![
        answer(view, &figures),
        Section { id: "flow", title: "Flow of images", blocks: flow(view, &figures) },
        Section { id: "classes", title: "Classes", blocks: classes(view) },
        Section {
            id: "tuning",
            title: "Tuning",
            blocks: tuning::blocks(view, figures.matching(|figure| figure.name == "tuning")),
        },
        Section { id: "training", title: "Training", blocks: training(view, &figures) },
        Section { id: "results", title: "Results", blocks: results(view, &figures) },
        Section { id: "audit", title: "Audit of the data", blocks: audit::blocks(view) },
        Section { id: "quality", title: "Quality of the sets", blocks: set_quality(view, &figures) },
        Section { id: "predictions", title: "Predictions", blocks: predictions(view, &figures) },
        Section { id: "gallery", title: "Derived images", blocks: derived(view) },
        Section { id: "budget", title: "Budget", blocks: budget(view) },
        Section { id: "methods", title: "Methods", blocks: methods(view) },
        Section { id: "provenance", title: "Provenance", blocks: provenance(view) },
    ];
    // Of results that were given, there is nothing but the results.
    let without_data = ["flow", "classes", "budget"];
    let shown = |section: &Section| !(is_given(view) && without_data.contains(&section.id));
    sections.retain(|section| !section.blocks.is_empty() && shown(section));
    sections
}

/// Whether results were given without data.
fn is_given(view: &StudyView) -> bool {
    view.data.classes.is_empty()
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
    blocks.push(Block::Heading("Limits"));
    let why = if is_given(view) { "Not known of these results" } else { "Not varied in this study" };
    blocks.push(Block::Text(format!("{why}, so that no interval covers it:")));
    blocks.push(Block::List(view.limits.clone()));
    Section { id: "answer", title: "Answer", blocks }
}

fn flow(view: &StudyView, figures: &Shelf) -> Vec<Block> {
    let data = &view.data;
    let mut blocks: Vec<Block> = figures.named(&["flow"]).collect();
    blocks.push(Block::Text(read(data)));
    blocks.push(Block::Table(tables::flow(view)));
    let gated = tables::gated(view);
    if !gated.rows.is_empty() {
        blocks.push(Block::Table(gated));
    }
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

pub(super) fn left_out(title: &str, files: &[LeftOut], blocks: &mut Vec<Block>) {
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
    let mut blocks = vec![open_if_short(tables::data_on_page(view)), open_if_short(tables::training_sets_by_arm(view))];
    let named = figures::transliterated(&view.data.classes);
    if !named.is_empty() {
        let mut names: Vec<String> =
            named.iter().take(MAX_LISTED).map(|(class, latin)| format!("{class} as {latin}")).collect();
        if named.len() > MAX_LISTED {
            names.push(format!("and {} more", named.len() - MAX_LISTED));
        }
        let text = "In PNG and PDF files of the figures, these classes are written in Latin letters:";
        blocks.push(Block::Text(format!("{text} {}.", names.join("; "))));
    }
    blocks
}

/// A table as it is, or folded under its caption if it is long.
fn open_if_short(table: Table) -> Block {
    let rows = table.rows.len() - usize::from(table.total && !table.rows.is_empty());
    if rows <= MAX_OPEN_ROWS { Block::Table(table) } else { folded(&table.caption.clone(), table) }
}

fn folded(title: &str, table: Table) -> Block {
    Block::Fold(title.to_owned(), vec![Block::Table(table)])
}

fn training(view: &StudyView, figures: &Shelf) -> Vec<Block> {
    let curves: Vec<Figure> = figures.matching(Figure::is_curves).collect();
    if curves.is_empty() {
        return Vec::new();
    }
    let convergence = vec![Block::Text(convergence::RULE.to_owned()), Block::Table(tables::convergence(view))];
    vec![Block::Curves(curves), Block::Fold("Convergence".to_owned(), convergence)]
}

fn results(view: &StudyView, figures: &Shelf) -> Vec<Block> {
    let mut blocks = vec![Block::Table(tables::arms(view))];
    blocks.extend(figures.named(&["seeds", "doses"]));
    let contrasts = tables::contrasts_on_page(view);
    if !contrasts.rows.is_empty() {
        blocks.push(Block::Heading("Contrasts"));
        blocks.push(Block::Table(contrasts));
        blocks.push(Block::Text(legend(view)));
    }
    let pairs: Vec<Block> = figures.named(&["pairs"]).collect();
    if view.comparison.contrasts.len() > MAX_OPEN_PANELS && !pairs.is_empty() {
        blocks.push(Block::Fold("Every pair".to_owned(), pairs));
    } else {
        blocks.extend(pairs);
    }
    blocks.extend(sentences::friedman(&view.comparison).map(Block::Text));
    let more =
        [("All statistics of the contrasts", tables::statistics(view)), ("Image by image", tables::examples(view))];
    let more = more.into_iter().filter(|(_, table)| !table.rows.is_empty());
    blocks.extend(more.map(|(title, table)| folded(title, table)));
    blocks.extend(other_metrics(view));
    blocks.push(Block::Fold("Terms".to_owned(), vec![Block::Terms(terms::terms())]));
    blocks
}

/// The other metrics, folded, and the evaluation sets, which the study declared and are part of its answer.
fn other_metrics(view: &StudyView) -> Vec<Block> {
    let mut blocks = Vec::new();
    let by_metric = [tables::metrics_by_arm(view), tables::metric_contrasts(view)];
    if by_metric.iter().any(|table| !table.rows.is_empty()) {
        let mut inner = vec![Block::Text(OTHER_METRICS.to_owned())];
        inner.extend(by_metric.into_iter().map(Block::Table));
        blocks.push(Block::Fold("Other metrics".to_owned(), inner));
    }
    if !view.evaluations.is_empty() {
        blocks.push(Block::Heading("Evaluation sets"));
        blocks.push(Block::Text(EVALUATIONS.to_owned()));
        blocks.extend([tables::evaluations(view), tables::evaluation_contrasts(view)].map(Block::Table));
    }
    blocks
}

const EVALUATIONS: &str = "Further sets that every run was judged on after its test part, with the same weights. They select nothing, and \
                           the verdict does not rest on them.";

const OTHER_METRICS: &str = "The verdict rests on the primary metric alone, the first column. The others describe: look at many and one will \
                             differ by chance. Differences of shares are in percentage points.";

/// What the columns of the contrasts' table are.
fn legend(view: &StudyView) -> String {
    let unit = match view.comparison.measure().scale.difference_unit() {
        "" => " are".to_owned(),
        unit => format!(" are in {unit},"),
    };
    format!(
        "Differences and their intervals{unit} treatment less control, paired by seed. {} TOST p is of a difference as large as \
         the margin.",
        sentences::scopes(&view.comparison),
    )
}

fn set_quality(view: &StudyView, figures: &Shelf) -> Vec<Block> {
    quality::blocks(view, figures.matching(|figure| figure.name == "coverage"))
}

fn predictions(view: &StudyView, figures: &Shelf) -> Vec<Block> {
    let mut blocks: Vec<Block> = figures.named(&["recall"]).collect();
    let recall = tables::recall_on_page(view);
    if !recall.rows.is_empty() {
        blocks.push(folded("Recall by class, as a table", recall));
    }
    let single: Vec<Block> = figures.matching(Figure::is_single_confusion).map(Block::Figure).collect();
    if single.is_empty() {
        return blocks;
    }
    blocks.push(Block::Heading("Confusions"));
    blocks.extend(figures.named(&["confusions"]));
    let confused = tables::confused(view);
    if !confused.rows.is_empty() {
        blocks.push(Block::Table(confused));
    }
    if single.len() == 1 {
        blocks.extend(single);
    } else {
        blocks.push(Block::Fold("Each arm's matrix, and the differences".to_owned(), single));
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
        blocks.push(Block::List(view.references.iter().map(Work::text).collect()));
        let entries: Vec<String> = view.references.iter().map(Work::bibtex).collect();
        blocks.push(Block::Code("BibTeX", entries.join("\n")));
    }
    blocks
}

fn provenance(view: &StudyView) -> Vec<Block> {
    let facts = view.provenance.iter().map(|fact| (fact.label.clone(), fact.value.clone()));
    vec![Block::Terms(facts.collect())]
}
