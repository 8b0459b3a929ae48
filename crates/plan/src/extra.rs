//! `[arm.extra]`: labelled images that one arm trains on beside the training part: more photographs, or generated ones. They have
//! no source in the data set.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dataset::Protocol;
use super::design::Mistake;
use super::file::ExperimentFile;

/// `[arm.extra.<kind>]`: where an arm's additional images come from, with the classes of the data set. What is, or looks like, an
/// image of the validation or test part is withheld (docs/designs.md).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Extra {
    /// A folder with one folder of images per class.
    Folder(ExtraFolder),
    /// A CSV file with columns `path` and `class`.
    Csv(ExtraCsv),
}

/// `[arm.extra.folder]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtraFolder {
    /// The folder that holds the class folders, relative to the experiment file. A class may be missing.
    pub path: String,
}

/// `[arm.extra.csv]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtraCsv {
    /// The CSV file, relative to the experiment file. Fields may also be separated by semicolons or tabs.
    pub file: String,
    /// The folder that its paths are relative to; the CSV file's own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
}

impl Extra {
    /// The folder or file, as typed.
    #[must_use]
    pub fn place(&self) -> &str {
        match self {
            Self::Folder(folder) => &folder.path,
            Self::Csv(csv) => &csv.file,
        }
    }
}

/// Everything about extra images that makes no sense.
pub(super) fn mistakes(file: &ExperimentFile) -> Vec<Mistake> {
    let mut found = Vec::new();
    for (index, _) in file.arms.iter().enumerate().filter(|(_, arm)| arm.extra.is_some()) {
        let mut report = |message: &str, help: &str| {
            let (path, message) = (format!("arm[{index}].extra"), message.to_owned());
            found.push(Mistake { path, message, help: Some(help.to_owned()) });
        };
        if file.study.protocol == Protocol::AsPublished {
            report(
                "under the as-published protocol nothing says which images are of the test part before arms differ",
                "leave [arm.extra] out, or use the leak-free protocol",
            );
        }
        if file.classifier.command.is_some() {
            report(
                "a command is given images of the data set and of sets alone",
                "leave [arm.extra] out, or let augtrial train",
            );
        }
    }
    found
}
