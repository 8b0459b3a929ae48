//! The table of editors: one file and one row each, and what all of them share.

mod folder;
mod ip2p;

pub use folder::FolderEdits;
pub use ip2p::{EditorPrecision, FeatureReuse, Fit, Ip2p, NoiseRng, NullEditor};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::copies::Copies;
use augtrial_base::catalog::{Limit, Row, schema};

/// `[arm.edit.<engine>]`: copies made by an image editor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Edit {
    /// Edits by `InstructPix2Pix`, a diffusion model that follows an instruction.
    Ip2p(Ip2p),
    /// Edits that were made elsewhere, by whatever tool.
    Folder(FolderEdits),
}

/// What happens when an edit fails its checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnMissing {
    /// Up to two more attempts with other noise; then the image is left out.
    Retry,
    /// The image is left out, and the reason recorded.
    #[default]
    Drop,
    /// The study stops.
    Fail,
}

/// `[arm.edit.ip2p.checks]`: which edits count as missing. Levels are those of an 8-bit channel.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EditChecks {
    /// An edit whose every channel deviates by less (standard deviation) is flat: black, for instance.
    pub min_spread_levels: f64,
    /// An edit that differs by less from its source (mean over pixels and channels) is unchanged.
    pub min_change_levels: f64,
}

impl Default for EditChecks {
    fn default() -> Self {
        Self { min_spread_levels: 2.0, min_change_levels: 0.5 }
    }
}

impl EditChecks {
    fn limits(&self) -> [Limit; 2] {
        [("checks.min_spread_levels", self.min_spread_levels), ("checks.min_change_levels", self.min_change_levels)]
            .map(|(key, levels)| Limit::number(key, levels, 0.0, 255.0).unit("levels"))
    }
}

impl Edit {
    /// One row each, in the order of the variants.
    pub const ROWS: &[Row] = &[
        Row {
            name: "ip2p",
            source: ip2p::SOURCE,
            works: ip2p::WORKS,
            schema: schema::<Self>,
            limits: || Ip2p::of_bundle("").limits(),
        },
        Row {
            name: "folder",
            source: "",
            works: &[],
            schema: schema::<Self>,
            limits: || FolderEdits::of_table("").limits(),
        },
    ];

    /// The name used in experiment files.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ip2p(_) => "ip2p",
            Self::Folder(_) => "folder",
        }
    }

    /// Its row of the table.
    #[must_use]
    pub fn row(&self) -> &'static Row {
        Self::ROWS.iter().find(|row| row.name == self.name()).expect("every editor has a row")
    }

    /// The limits of the parameters, and what is wrong with those at hand.
    #[must_use]
    pub fn limits(&self) -> Vec<Limit> {
        match self {
            Self::Ip2p(ip2p) => ip2p.limits(),
            Self::Folder(folder) => folder.limits(),
        }
    }

    /// Number of images made from every original.
    #[must_use]
    pub fn copies(&self) -> u32 {
        match self {
            Self::Ip2p(ip2p) => ip2p.copies.get(),
            Self::Folder(folder) => folder.copies.get(),
        }
    }

    /// As typed.
    pub(crate) fn typed_copies(&self) -> &Copies {
        match self {
            Self::Ip2p(ip2p) => &ip2p.copies,
            Self::Folder(folder) => &folder.copies,
        }
    }

    /// One of a family by their numbers of copies: all of them share what the editor's table has.
    pub(crate) fn set_copies(&mut self, copies: u32) {
        match self {
            Self::Ip2p(ip2p) => ip2p.copies = Copies::one(copies),
            Self::Folder(folder) => (folder.copies, folder.surplus) = (Copies::one(copies), true),
        }
    }
}
