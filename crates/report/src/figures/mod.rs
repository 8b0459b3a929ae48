//! The figures of a report: each as PNG and SVG, as wide as a page, and as PDF, as wide as a column of a paper.

mod axis;
mod canvas;
mod confusion;
mod contact_sheet;
mod contrasts;
mod coverage;
mod curves;
mod design;
mod doses;
mod dots;
mod drawings;
mod flow;
mod latin;
mod learning;
mod matrices;
mod output;
mod recall;
mod slopes;
mod style;
mod theme;
mod tuning;

pub use self::contact_sheet::{SheetPicture, contact_sheet};
pub(super) use self::curves::same_updates;
pub(super) use self::design::{DesignFigure, design_figures};
pub(super) use self::drawings::Drawing;
pub use self::drawings::Drawings;
pub(super) use self::latin::transliterated;
use self::style::Width;
pub(super) use self::style::font_faces;
pub(super) use self::theme::themed;

use self::canvas::{Canvas, FigureError};
use super::curves::{Measure, XAxis};
use super::format::{ReportError, ReportFile, ReportFormat};
use super::view::StudyView;

/// Renders `figures/*.png`, `figures/*.svg` and `figures/*.pdf`.
#[derive(Clone, Copy, Debug)]
pub struct Figures;

/// One figure: what it is called and what it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Figure {
    /// File name without extension.
    pub name: String,
    /// For the text beside it.
    pub caption: String,
    /// Heights for a page and for a column, and the widths where they are not the usual ones; logical px.
    page: (u32, u32),
    column: (u32, u32),
    content: Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Curves(Measure, XAxis),
    Dots,
    Forest,
    Slopes,
    Coverage,
    Doses,
    Flow,
    Tuning,
    Recall,
    /// All arms, small.
    Confusions,
    /// Index of the arm.
    Confusion(usize),
    /// Index of the contrast.
    ConfusionDifference(usize),
}

/// Collects figures with their sizes.
struct List<'a> {
    view: &'a StudyView,
    figures: Vec<Figure>,
}

impl List<'_> {
    fn add(&mut self, name: &str, caption: String, size: impl Fn(Width) -> (u32, u32), content: Content) {
        let (page, column) = (size(Width::Page), size(Width::Column));
        self.figures.push(Figure { name: name.to_owned(), caption: caption + self.view.mark, page, column, content });
    }
}

/// The figures that this view has data for, in the order shown.
pub(super) fn figures(view: &StudyView) -> Vec<Figure> {
    let mut list = List { view, figures: Vec::new() };
    let metric = &view.metric;
    if !view.data.classes.is_empty() {
        let caption = "Images on their way through the study, and each arm's runs.";
        list.add("flow", caption.to_owned(), |width| flow::size(view, width), Content::Flow);
    }
    if view.comparison.arms.iter().any(|arm| !arm.values.is_empty()) {
        let caption = format!("{metric} on the test part: every seed, and the mean with its t interval.");
        list.add("seeds", caption, |width| dots::size(view, width), Content::Dots);
    }
    if view.comparison.contrasts.iter().any(|contrast| contrast.judged().is_some()) {
        let caption = "Mean paired differences and their verdicts. Thick: the interval on this test set. Thin: the interval for \
                       new images like these. The band is the margin of equivalence.";
        list.add("differences", caption.to_owned(), |width| contrasts::size(view, width), Content::Forest);
        let caption = format!("{metric} of every pair: one line per seed, the mean in bold.");
        list.add("pairs", caption, |width| slopes::size(view, width), Content::Slopes);
    }
    if view.families.iter().any(|family| doses::measured(view, family).len() > 1) {
        let caption = format!(
            "{metric} on the test part against the copies that are made of every original: every seed, and the mean with its t \
             interval. Arms of one line differ in nothing else."
        );
        list.add("doses", caption, |width| doses::size(view, width), Content::Doses);
    }
    if let Some(tuning) = &view.tuning {
        let caption = format!(
            "Tuning curves: the expected best {} of so many tries, the mean over all subsets of the tries that were made.",
            tuning.measure()
        );
        list.add("tuning", caption, |width| tuning::size(view, width), Content::Tuning);
    }
    add_curves(&mut list);
    if view.arms.iter().any(|arm| !arm.recalls.is_empty()) {
        let shown = confusion::of_all(recall::classes(view).len(), view.data.classes.len(), "hardest");
        let caption = format!(
            "Recall of each class on the test part, mean over seeds with its interval, arms in the order of the legend{shown}."
        );
        list.add("recall", caption, |width| recall::size(view, width), Content::Recall);
    }
    add_confusions(&mut list);
    if !coverage::points(view).is_empty() {
        let caption = "Coverage of the real images beside the difference from the control, one dot per arm. Dashed: the coverage of \
                       real images by real images.";
        list.add("coverage", caption.to_owned(), coverage::size, Content::Coverage);
    }
    list.figures
}

/// Accuracy and loss by epoch, and by updates where arms differ in them.
fn add_curves(list: &mut List<'_>) {
    let view = list.view;
    if view.arms.iter().all(|arm| arm.curves.is_empty()) {
        return;
    }
    let axes: &[XAxis] = if curves::same_updates(view) { &[XAxis::Epoch] } else { &[XAxis::Epoch, XAxis::Updates] };
    for (measure, what) in [(Measure::Top1, "accuracy"), (Measure::LossNats, "loss")] {
        for &axis in axes {
            let (by, words) = if axis == XAxis::Epoch { ("epoch", "epoch") } else { ("updates", "optimizer updates") };
            let name = format!("{what}-by-{by}");
            let title = if measure == Measure::Top1 { "Top-1 accuracy" } else { "Loss" };
            let caption =
                format!("{title} by {words}, validation and training part: {}.", curves::what_is_shown(view, measure));
            list.add(&name, caption, |width| curves::size(view, width), Content::Curves(measure, axis));
        }
    }
}

/// Of many classes the most confused, the same in every matrix.
fn add_confusions(list: &mut List<'_>) {
    let view = list.view;
    let classes = confusion::classes(view);
    let shown = confusion::of_all(classes.len(), view.data.classes.len(), "most confused");
    let with = view.arms.iter().filter(|arm| arm.confusion.is_some()).count();
    if with > 1 {
        let caption = format!(
            "Predictions of every arm on the test part, all seeds, in percent of the true class; a row is a true class, a column \
             a predicted one{shown}."
        );
        list.add("confusions", caption, |width| matrices::size(view, &classes, width), Content::Confusions);
    }
    for (index, arm) in view.arms.iter().enumerate().filter(|(_, arm)| arm.confusion.is_some()) {
        let caption =
            format!("Predictions of {} on the test part, all seeds, in percent of the true class{shown}.", arm.name);
        let size = |width| confusion::size(view, &classes, width);
        list.add(&format!("confusion-{}", arm.name), caption, size, Content::Confusion(index));
    }
    for (index, contrast) in view.comparison.contrasts.iter().map(|contrast| &contrast.contrast).enumerate() {
        if confusion::both(view, contrast).is_some() {
            let (treated, control) = (&contrast.treatment, &contrast.control);
            let caption = format!(
                "Predictions of {treated} less those of {control}, in points of the true class: gains on the diagonal \
                 are recall{shown}."
            );
            let size = |width| confusion::size(view, &classes, width);
            let name = format!("confusions-{treated}-less-{control}");
            list.add(&name, caption, size, Content::ConfusionDifference(index));
        }
    }
}

/// The classes that the figure of recalls shows, in order.
pub(super) fn recall_classes(view: &StudyView) -> Vec<usize> {
    recall::classes(view)
}

/// Where the axis of losses ends, in nats, if it does before the highest.
pub(super) fn curves_cut(view: &StudyView) -> Option<f64> {
    curves::cut(view, Measure::LossNats).map(|cut| cut.end)
}

impl Figure {
    /// Logical px.
    fn size(&self, width: Width) -> (u32, u32) {
        if width == Width::Page { self.page } else { self.column }
    }

    fn draw(&self, view: &StudyView, canvas: &Canvas<'_>) -> Result<(), FigureError> {
        match self.content {
            Content::Curves(measure, axis) => curves::draw(view, measure, axis, canvas),
            Content::Dots => dots::draw(view, canvas),
            Content::Forest => contrasts::draw(view, canvas),
            Content::Slopes => slopes::draw(view, canvas),
            Content::Coverage => coverage::draw(view, canvas),
            Content::Doses => doses::draw(view, canvas),
            Content::Flow => flow::draw(view, canvas),
            Content::Tuning => tuning::draw(view, canvas),
            Content::Recall => recall::draw(view, canvas),
            Content::Confusions => matrices::draw(view, canvas),
            Content::Confusion(arm) => confusion::draw(view, arm, canvas),
            Content::ConfusionDifference(contrast) => confusion::draw_difference(view, contrast, canvas),
        }
    }

    /// Whether it shows training curves.
    pub fn is_curves(&self) -> bool {
        matches!(self.content, Content::Curves(..))
    }

    /// Whether it shows one of several confusion matrices that another figure shows together.
    pub fn is_single_confusion(&self) -> bool {
        matches!(self.content, Content::Confusion(_) | Content::ConfusionDifference(_))
    }
}

impl ReportFormat for Figures {
    fn name(&self) -> &'static str {
        "figures"
    }

    fn files(&self, view: &StudyView, drawings: &Drawings) -> Result<Vec<ReportFile>, ReportError> {
        let mut files = Vec::new();
        for figure in figures(view) {
            let Drawing::Drawn(drawn) = drawings.of(&figure) else { continue };
            let mut file = |ending, bytes| {
                files.push(ReportFile { path: format!("figures/{}.{ending}", figure.name), bytes });
            };
            file("png", drawn.png.clone());
            file("svg", theme::with_fonts(&drawn.svg).into_bytes());
            file("pdf", drawn.pdf.clone());
        }
        Ok(files)
    }
}
