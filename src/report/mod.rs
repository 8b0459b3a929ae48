//! Reports: one plain view of a study, and renderers that turn it into files.
//!
//! [`StudyView::new`] decides what is said; the formats in [`FORMATS`] decide only how it looks. A format never computes a
//! statistic, and none reads a clock: the same view gives the same bytes.

mod conduct;
mod convergence;
mod curves;
mod document;
mod figures;
mod format;
mod gallery;
mod html;
mod markdown;
mod numbers;
mod recall;
mod record;
mod references;
mod sentences;
mod tables;
mod verify;
mod view;

pub use conduct::{answers, banner, seed_list};
pub use convergence::{Convergence, SeedConvergence};
pub use curves::{Curve, CurvePoint, Measure, SeedLine, XAxis};
pub use figures::{Cell, Figures, contact_sheet};
pub use format::{FORMATS, ReportError, ReportFile, ReportFormat, write_report};
pub use gallery::{Derived, Source};
pub use html::Html;
pub use markdown::Markdown;
pub use recall::ClassRecall;
pub use record::{ArmRecord, ExampleRecord, Fact, PartRecord, Picture, RunRecord, StudyRecord};
pub use references::Reference;
pub use tables::Tables;
pub use verify::{Verification, verify_report};
pub use view::{
    ArmFlow, ArmView, BannerFact, Budget, ClassRow, ClassTable, Confusion, DataView, PartColumn, StudyView,
};
