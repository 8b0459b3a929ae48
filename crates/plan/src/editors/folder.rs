//! `[arm.edit.folder]`: edits that were made elsewhere, by whatever tool.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EditChecks, OnMissing};
use crate::copies::Copies;
use augtrial_base::catalog::Limit;

/// `[arm.edit.folder]`: edits that were made elsewhere, by whatever tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FolderEdits {
    /// CSV with the columns `source` (an image's path in the data set), `instruction` and `file` (path of the edited picture
    /// below the table's folder), relative to the experiment file.
    pub table: String,
    /// Edits of each original; those that the table does not have are missing, and counted.
    #[serde(default)]
    pub copies: Copies,
    /// Whether the table may have more edits of an image than `copies`, of which the first count; else that is an error. Arms of a
    /// list of copies may.
    // Left out where it says nothing, so that older sets keep their steps.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub surplus: bool,
    #[serde(default)]
    pub checks: EditChecks,
    #[serde(default)]
    pub on_missing: OnMissing,
}

impl FolderEdits {
    /// The defaults, with a table.
    #[must_use]
    pub fn of_table(table: &str) -> Self {
        Self {
            table: table.to_owned(),
            copies: Copies::default(),
            surplus: false,
            checks: EditChecks::default(),
            on_missing: OnMissing::default(),
        }
    }

    /// The limits of the parameters, and what is wrong with those at hand.
    #[must_use]
    pub fn limits(&self) -> Vec<Limit> {
        let message = || "edits made elsewhere cannot be tried again".to_owned();
        let mut limits = vec![
            Limit::number("copies", self.copies.extreme(), 1.0, 1000.0),
            Limit::rule("on_missing", "not \"retry\"", self.on_missing != OnMissing::Retry, message)
                .help("use \"drop\" or \"fail\""),
        ];
        limits.extend(self.checks.limits());
        limits
    }
}
