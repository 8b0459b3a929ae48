//! The figures of a view as drawn, each by itself: one that fails, or was not reached, is named with the reason and loses
//! nothing else.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rayon::prelude::*;

use super::canvas::{self, FigureError};
use super::style::Width;
use super::{Figure, figures, latin, output};
use crate::view::StudyView;

/// What became of every figure.
#[derive(Clone, Debug)]
pub struct Drawings {
    by_name: BTreeMap<String, Drawing>,
    /// Of those that are not in the list.
    absent: Drawing,
}

/// What became of one figure.
#[derive(Clone, Debug)]
pub(crate) enum Drawing {
    Drawn(Box<Drawn>),
    /// With the reason.
    Missing(String),
}

/// A figure in every form.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drawn {
    /// For a page, and for a column or a phone; SVG elements without a font of their own.
    pub svg: String,
    pub column_svg: String,
    /// Files: as wide as a page, and as wide as a column.
    pub png: Vec<u8>,
    pub pdf: Vec<u8>,
}

impl Drawings {
    /// No figure yet: for the answer, which is written before the first one is drawn.
    #[must_use]
    pub fn none() -> Self {
        let absent =
            Drawing::Missing("not drawn yet: the report was interrupted, and `augtrial report` completes it".into());
        Self { by_name: BTreeMap::new(), absent }
    }

    /// Every figure as if it were drawn, without content: for a page that only names them.
    #[must_use]
    pub fn named(view: &StudyView) -> Self {
        let named = |figure: Figure| (figure.name, Drawing::Drawn(Box::default()));
        Self { by_name: figures(view).into_iter().map(named).collect(), ..Self::none() }
    }

    /// Draws every figure, several at once, until `stop` says that it is enough.
    #[must_use]
    pub fn draw(view: &StudyView, stop: &(dyn Fn() -> bool + Sync)) -> Self {
        let in_latin = latin::in_latin(view);
        // The same figures in the same order: only names differ.
        let twins = figures(&in_latin);
        let drawn = figures(view).into_par_iter().zip(twins).map(|(figure, twin)| {
            let drawing = if stop() {
                Drawing::Missing(
                    "not drawn, since the program was asked to stop: `augtrial report` draws it".to_owned(),
                )
            } else {
                draw(|| render((&figure, view), (&twin, &in_latin)))
            };
            (figure.name, drawing)
        });
        Self { by_name: drawn.collect(), ..Self::none() }
    }

    /// Names and reasons of the figures that could not be drawn.
    pub fn missing(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_name.iter().filter_map(|(name, drawing)| match drawing {
            Drawing::Drawn(_) => None,
            Drawing::Missing(reason) => Some((name.as_str(), reason.as_str())),
        })
    }

    pub(crate) fn of(&self, figure: &Figure) -> &Drawing {
        self.by_name.get(&figure.name).unwrap_or(&self.absent)
    }
}

/// A bug in drawing costs one figure and not the study's report.
fn draw(render: impl FnOnce() -> Result<Drawn, FigureError>) -> Drawing {
    match catch_unwind(AssertUnwindSafe(render)) {
        Ok(Ok(drawn)) => Drawing::Drawn(Box::new(drawn)),
        Ok(Err(error)) => Drawing::Missing(format!("cannot be drawn: {error}")),
        Err(_) => Drawing::Missing("cannot be drawn: drawing it broke off; please report this".to_owned()),
    }
}

/// A figure with its names as they are written, and the files of its twin with names in Latin letters.
fn render(
    (figure, view): (&Figure, &StudyView),
    (twin, in_latin): (&Figure, &StudyView),
) -> Result<Drawn, FigureError> {
    let svg = |figure: &Figure, view: &StudyView, width: Width| {
        canvas::svg(figure.size(width), |canvas| figure.draw(view, canvas))
    };
    let (page, column) = (svg(figure, view, Width::Page)?, svg(figure, view, Width::Column)?);
    let (png, pdf) = if std::ptr::eq(view, in_latin) {
        (output::png(&page)?, output::pdf(&column)?)
    } else {
        (output::png(&svg(twin, in_latin, Width::Page)?)?, output::pdf(&svg(twin, in_latin, Width::Column)?)?)
    };
    Ok(Drawn { svg: page, column_svg: column, png, pdf })
}
