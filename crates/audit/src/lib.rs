//! What is odd about a data set, and what follows from it: duplicates and what looks alike, labels that contradict each other or
//! that a model doubts, odd pictures; a page to look at them, and the decisions that people make about them.
//!
//! [`Survey::of`] measures and compares, [`Findings::of`] says what is left to ask after the decisions, and [`write_audit`]
//! writes it down. A finding is a question: nothing is deleted because of it.

mod arms;
mod decided;
mod findings;
mod gray;
mod groups;
mod hash;
mod kinds;
mod labels;
mod near;
mod odd;
mod page;
mod resample;
mod seen;
mod signature;
mod store;
mod survey;
mod tables;
mod thumbnail;
mod write;

pub use arms::{ArmFinding, ArmQuestion, Look, looks, nearer_to_test};
pub use decided::{Decided, Stale};
pub use findings::{Findings, Near, Odd, Same};
pub use hash::{DifferenceHash, HASH_BITS};
pub use labels::{LabelError, LabelIssue, argmax, label_issues};
pub use near::TooManyPairs;
pub use odd::{Oddity, Scores};
pub use seen::{Alike, FeatureError, LEAST_COSINE, Outlier, PictureFeatures};
pub use signature::{MeasureError, Signature};
pub use survey::{NearPair, Reach, Site, Survey, SurveyError};
pub use write::{Subject, WriteError, write_audit};

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
