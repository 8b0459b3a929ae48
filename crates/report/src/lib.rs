//! Reports: one plain view of a study, and renderers that turn it into files.
//!
//! [`StudyView::new`] decides what is said; the formats in [`FORMATS`] decide only how it looks. A format never computes a
//! statistic, and none reads a clock: the same view gives the same bytes.

mod audit;
mod command;
mod conduct;
mod convergence;
mod curves;
mod design;
mod document;
mod figures;
mod format;
mod gallery;
mod given;
mod html;
mod markdown;
mod methods;
mod quality;
mod recall;
mod record;
mod references;
mod sentences;
mod tables;
mod terms;
mod tuning;
mod verify;
mod view;

pub use audit::AuditRecord;
pub use conduct::{answers, banner, seed_list};
pub use convergence::{Convergence, SeedConvergence};
pub use curves::{Curve, CurvePoint, Measure, SeedLine, XAxis};
pub use design::{DesignHeading, design_answers, design_limits, write_design_report};
pub use figures::{Drawings, Figures, SheetPicture, contact_sheet};
pub use format::{FORMATS, ReportError, ReportFile, ReportFormat, write_report};
pub use gallery::{Derived, GallerySource};
pub use given::Given;
pub use html::Html;
pub use markdown::Markdown;
pub use quality::{LookedAt, QualityLook, QualityRecord, QualityView};
pub use recall::ClassRecall;
pub use record::{ArmRecord, ExampleRecord, Fact, PartRecord, Picture, ReportedRun, StudyRecord};
pub use sentences::{limits, scopes};
pub use tables::Tables;
pub use verify::{Verification, verify_report};
pub use view::{ArmFlow, ArmView, BannerFact, Budget, ClassCounts, ClassRow, Confusion, DataView, StudyView};
