//! Arms: what each group of a study trains on.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::balance::Balance;
use super::copies::Copies;
pub use super::editors::{
    Edit, EditChecks, EditorPrecision, FeatureReuse, Fit, FolderEdits, Ip2p, NoiseRng, NullEditor, OnMissing,
};
use super::extra::Extra;
use super::gate::Gate;
use super::replace::Replace;
pub use super::scheduler::Scheduler;
use super::select::Select;
use super::transform::{Features, Mix, Transform};
use super::tune::Training;
use augtrial_base::digest::Digest;

/// What an arm is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// What treatments are compared with.
    Control,
    #[default]
    Treatment,
}

/// `[[arm]]`: one group of the study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// Lower-case letters, digits and hyphens. Decides no random number.
    pub name: String,
    #[serde(default)]
    pub role: Role,
    /// How often each original stands in the training set: the control for growth by mere repetition.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub repeat: u32,
    /// Offline steps: each adds `copies` transformed copies of every original, made once and kept.
    #[serde(default, rename = "offline", skip_serializing_if = "Vec::is_empty")]
    pub offline: Vec<OfflineStep>,
    /// An offline step made by an editor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit: Option<Edit>,
    /// Which originals the steps and the edit make copies of; of all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select: Option<Select>,
    /// Share of every class's originals that `select` takes, between 0 and 1, rounded to whole images and at least one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
    /// Which of the derived images are trained on; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// Further labelled images, which have no source in the data set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Extra>,
    /// Derived images stand in for originals, instead of adding to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace: Option<Replace>,
    /// Online transforms, drawn anew for every sample in every pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub online: Vec<Transform>,
    /// Mixing of whole batches, after the online transforms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mix: Option<Mix>,
    /// Samples made of features, where the head alone is trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Features>,
    /// What is done about classes of different sizes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<Balance>,
    /// How this arm is trained where it is not as `[classifier]` says: what was found for it. `[tune]` writes it.
    #[serde(default, skip_serializing_if = "Training::is_none")]
    pub training: Training,
    /// Images of each class in this arm that somebody declared; tables show where what was made differs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub declared: BTreeMap<String, u64>,
}

pub(super) fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_one(value: &u32) -> bool {
    *value == 1
}

/// `[[arm.offline]]`: `copies` images from every original, each by all of `apply` in turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OfflineStep {
    #[serde(default)]
    pub copies: Copies,
    pub apply: Vec<Transform>,
}

impl OfflineStep {
    /// Digest of the transforms alone: asking for more copies does not change the copies that were there before.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of_value("offline-step-v1", &self.apply)
    }
}

impl Arm {
    /// Training images per original, without extra images: repeats, transformed copies and edits, unless those stand in for originals.
    #[must_use]
    pub fn growth(&self) -> u32 {
        if self.replace.is_some() {
            return self.repeat;
        }
        let copies: u32 = self.offline.iter().map(|step| step.copies.get()).sum();
        self.repeat + copies + self.edit.as_ref().map_or(0, Edit::copies)
    }

    /// Training images of each class, without extra images, where it has so many originals of each, and makes copies of the `chosen`
    /// ones among them.
    #[must_use]
    pub fn counts(&self, originals: &[u64], chosen: &[u64]) -> Vec<u64> {
        let times = |counts: &[u64], factor: u32| -> Vec<u64> {
            counts.iter().map(|count| count.saturating_mul(factor.into())).collect()
        };
        let (repeated, made) = (times(originals, self.repeat), times(chosen, self.growth() - self.repeat));
        match self.balance {
            None => repeated.iter().zip(&made).map(|(repeated, made)| repeated.saturating_add(*made)).collect(),
            Some(balance) => balance.counts(&repeated, &made),
        }
    }

    /// Digest of everything that decides what this arm trains on, given the data and the seeds. Neither the name nor the
    /// role counts, nor how it is trained, nor what somebody declared.
    #[must_use]
    pub fn recipe_digest(&self) -> Digest {
        let Self {
            name: _,
            role: _,
            declared: _,
            training: _,
            repeat,
            offline,
            edit,
            select,
            fraction,
            gate,
            extra,
            replace,
            online,
            mix,
            features,
            balance,
        } = self;
        let recipe = (repeat, offline, edit, online, mix);
        match ((replace, extra), ((select, fraction, gate), (features, balance))) {
            // As it was before there were rules, extra images, selections, gates, features and balance.
            ((None, None), ((None, None, None), (None, None))) => Digest::of_value("recipe-v1", &recipe),
            (further, ((None, None, None), (None, None))) => Digest::of_value("recipe-v2", &(recipe, further)),
            (further, chosen) => Digest::of_value("recipe-v3", &(recipe, further, chosen)),
        }
    }
}
