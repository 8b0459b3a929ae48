//! `[[evaluation]]`: further labeled images that every arm is judged on after the test part, with the weights that were selected.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::transform::Transform;

/// A further set to be judged on. It selects nothing, and the verdict does not rest on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Lower-case letters, digits and hyphens; names the set in reports and in run folders.
    pub name: String,
    /// Where its images come from.
    pub from: EvaluationSource,
}

/// `from = { ... }` of an evaluation set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvaluationSource {
    /// Another folder with the same classes: another camera, another place. An image that is also in the data set is left out.
    Folder(EvaluationFolder),
    /// The test part, each image changed once by transforms.
    Corrupted(Corrupted),
}

/// A folder with one folder of images for each class of the data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluationFolder {
    /// Relative to the experiment file.
    pub path: String,
}

/// Transforms of the test part's images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Corrupted {
    /// In this order.
    pub apply: Vec<Transform>,
}
