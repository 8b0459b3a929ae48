//! The figures of a report, each as PNG and SVG.

mod axis;
mod canvas;
mod confusion;
mod contact_sheet;
mod contrasts;
mod curves;
mod dots;
mod flow;
mod recall;
mod style;
mod theme;

pub(super) use self::style::{COLOURS, font_faces};
pub(super) use self::theme::themed;
use plotters::prelude::*;
use rayon::prelude::*;

pub use self::contact_sheet::{Cell, contact_sheet};

use self::canvas::{Canvas, FigureError};
use super::curves::{Measure, XAxis};
use super::format::{ReportError, ReportFile, ReportFormat};
use super::view::StudyView;

/// Renders `figures/*.png` and `figures/*.svg`.
#[derive(Clone, Copy, Debug)]
pub struct Figures;

/// One figure: what it is called and what it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Figure {
    /// File name without extension.
    pub name: String,
    /// For the text beside it.
    pub caption: String,
    /// Size in logical px.
    pub size: (u32, u32),
    content: Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Curves(Measure, XAxis),
    Dots,
    Forest,
    Slopes,
    Flow,
    Recall,
    /// Index of the arm.
    Confusion(usize),
    /// Index of the contrast.
    ConfusionDifference(usize),
}

/// The figures that this view has data for, in the order shown.
pub(super) fn figures(view: &StudyView) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut add = |name: &str, caption: String, size: (u32, u32), content: Content| {
        figures.push(Figure { name: name.to_owned(), caption: caption + view.mark, size, content });
    };
    let metric = &view.metric;
    add(
        "flow",
        "Images on their way through the study, and each arm's runs.".to_owned(),
        flow::size(view),
        Content::Flow,
    );
    let legend = style::legend_height_px(view.arms.iter().map(|arm| arm.name.as_str()), style::WIDTH_PX);
    if view.comparison.arms.iter().any(|arm| !arm.values.is_empty()) {
        let rows = view.arms.len() as u32;
        let caption = format!("{metric} on the test part: every seed, and the mean with its t interval.");
        add("seeds", caption, (style::WIDTH_PX, 110 + 52 * rows), Content::Dots);
    }
    if view.comparison.contrasts.iter().any(|contrast| contrast.effect.is_some()) {
        let rows = view.comparison.contrasts.len() as u32;
        let caption = "Mean paired differences with their t intervals; the band is the margin of equivalence.";
        add("differences", caption.to_owned(), (style::WIDTH_PX, 130 + 52 * rows), Content::Forest);
        let caption = format!("{metric} of every pair: one line per seed, the mean in bold.");
        add("pairs", caption, contrasts::slopes_size(view), Content::Slopes);
    }
    if view.arms.iter().any(|arm| !arm.curves.is_empty()) {
        for (measure, what) in [(Measure::Top1, "accuracy"), (Measure::LossNats, "loss")] {
            for (axis, by) in [(XAxis::Epoch, "epoch"), (XAxis::Updates, "updates")] {
                let by_words = if axis == XAxis::Epoch { "epoch" } else { "optimiser updates" };
                let caption = format!(
                    "{} by {by_words}, validation and training part: mean over seeds, its t interval, and every seed.",
                    if measure == Measure::Top1 { "Top-1 accuracy" } else { "Loss" }
                );
                add(
                    &format!("{what}-by-{by}"),
                    caption,
                    (style::WIDTH_PX, 410 + legend),
                    Content::Curves(measure, axis),
                );
            }
        }
    }
    if view.arms.iter().any(|arm| !arm.recalls.is_empty()) {
        let caption = "Recall of each class on the test part, mean over seeds with its interval.";
        add("recall", caption.to_owned(), recall::size(view), Content::Recall);
    }
    for (index, arm) in view.arms.iter().enumerate() {
        if let Some(confusion) = &arm.confusion {
            let caption =
                format!("Predictions of {} on the test part, all seeds, in percent of the true class.", arm.name);
            let name = format!("confusion-{}", arm.name);
            add(&name, caption, confusion::size(&view.data.classes, confusion), Content::Confusion(index));
        }
    }
    for (index, contrast) in view.comparison.contrasts.iter().map(|contrast| &contrast.contrast).enumerate() {
        if let Some((treatment, _)) = confusion::both(view, contrast) {
            let (treated, control) = (&contrast.treatment, &contrast.control);
            let caption = format!(
                "Predictions of {treated} less those of {control}, in points of the true class: gains on the diagonal \
                 are recall."
            );
            let size = confusion::size(&view.data.classes, treatment);
            add(&format!("confusions-{treated}-less-{control}"), caption, size, Content::ConfusionDifference(index));
        }
    }
    figures
}

impl Figure {
    fn draw<DB: DrawingBackend>(&self, view: &StudyView, canvas: &Canvas<'_, DB>) -> Result<(), FigureError> {
        match self.content {
            Content::Curves(measure, axis) => curves::draw(view, measure, axis, canvas),
            Content::Dots => dots::draw(view, canvas),
            Content::Forest => contrasts::draw_forest(view, canvas),
            Content::Slopes => contrasts::draw_slopes(view, canvas),
            Content::Flow => flow::draw(view, canvas),
            Content::Recall => recall::draw(view, canvas),
            Content::Confusion(arm) => confusion::draw(view, arm, canvas),
            Content::ConfusionDifference(contrast) => confusion::draw_difference(view, contrast, canvas),
        }
    }

    /// Whether it shows training curves.
    pub fn is_curves(&self) -> bool {
        matches!(self.content, Content::Curves(..))
    }

    /// The figure as an SVG element, without a font of its own.
    pub fn svg(&self, view: &StudyView) -> Result<String, ReportError> {
        canvas::svg(self.size, |canvas| self.draw(view, canvas)).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &FigureError) -> ReportError {
        ReportError::Figure { figure: self.name.clone(), reason: error.to_string() }
    }
}

impl ReportFormat for Figures {
    fn name(&self) -> &'static str {
        "figures"
    }

    fn files(&self, view: &StudyView) -> Result<Vec<ReportFile>, ReportError> {
        // Each figure is drawn alone, and all are put in their order again.
        let drawn = figures(view).into_par_iter().map(|figure| {
            let png =
                canvas::png(figure.size, |canvas| figure.draw(view, canvas)).map_err(|error| figure.failed(&error))?;
            let svg = theme::with_fonts(&figure.svg(view)?);
            let file = |ending, bytes| ReportFile { path: format!("figures/{}.{ending}", figure.name), bytes };
            Ok([file("png", png), file("svg", svg.into_bytes())])
        });
        Ok(drawn.collect::<Result<Vec<_>, ReportError>>()?.into_iter().flatten().collect())
    }
}
