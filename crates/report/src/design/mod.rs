//! The report of a design: what the treatment gains in every cell, what the factors do to it, and where a published gain comes from.

mod learning;
mod page;
mod sentences;

use std::path::{Path, PathBuf};

pub(crate) use learning::place;
pub use sentences::{design_answers, design_limits};

use crate::figures::{DesignFigure, design_figures};
use crate::format::{self, ReportError, ReportFile};
use crate::record::Fact;
use crate::tables::{self, Table};
use crate::view::shown_fact;
use augtrial_base::text;
use augtrial_compare::DesignComparison;
use augtrial_tables::Format;

/// What a design is about.
#[derive(Clone, Copy, Debug)]
pub struct DesignHeading<'a> {
    pub name: &'a str,
    pub title: &'a str,
    pub question: Option<&'a str>,
    /// Whether images are rendered.
    pub synthetic: bool,
}

/// Everything that a page shows.
struct DesignView<'a> {
    heading: DesignHeading<'a>,
    answers: Vec<String>,
    limits: Vec<String>,
    figures: Vec<DesignFigure>,
    tables: Vec<Table>,
    /// Labels and values.
    provenance: Vec<(String, String)>,
}

/// Writes `report.html`, `report.md`, figures and tables of a design into `folder`, whole or not at all, and says where the page
/// is. `provenance` tells what its runs were made by.
///
/// # Errors
/// If a figure or table cannot be made, a file cannot be written, or `folder` holds something that is not a report.
pub fn write_design_report(
    comparison: &DesignComparison,
    heading: DesignHeading<'_>,
    provenance: &[Fact],
    folder: &Path,
) -> Result<PathBuf, ReportError> {
    format::refuse_others(folder)?;
    let (title, question) = (text::reason(heading.title), heading.question.map(text::reason));
    let heading = DesignHeading { title: &title, question: question.as_deref(), ..heading };
    let figures = design_figures(comparison)?;
    let view = DesignView {
        heading,
        answers: design_answers(comparison),
        limits: design_limits(comparison),
        figures,
        tables: vec![
            tables::design::cells(comparison),
            tables::design::effects(comparison),
            tables::design::shares(comparison),
            tables::learning::curves(comparison),
            tables::learning::worths(comparison),
        ],
        provenance: provenance.iter().map(shown_fact).map(|Fact { label, value }| (label, value)).collect(),
    };
    let mut files = vec![
        ReportFile { path: "report.md".to_owned(), bytes: page::markdown(&view).into_bytes() },
        ReportFile { path: "report.html".to_owned(), bytes: page::html(&view).into_bytes() },
    ];
    for figure in &view.figures {
        let file = |(ending, bytes): &(&str, Vec<u8>)| ReportFile {
            path: format!("figures/{}.{ending}", figure.name),
            bytes: bytes.clone(),
        };
        files.extend(figure.files.iter().map(file));
    }
    let runs = tables::design::runs(comparison);
    for table in view.tables.iter().chain([&runs]).filter(|table| !table.rows.is_empty()) {
        for (ending, format) in [("csv", Format::Csv), ("parquet", Format::Parquet)] {
            let bytes = table.encoded(format)?;
            files.push(ReportFile { path: format!("tables/{}.{ending}", table.name), bytes });
        }
    }
    format::put(&files, folder)?;
    Ok(folder.join("report.html"))
}
