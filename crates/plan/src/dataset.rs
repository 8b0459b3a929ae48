//! The data sections: where images come from, how they are read, and how they are divided.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use augtrial_base::catalog::{Limit, Row, schema};

/// `[dataset.<kind>]`: where the images come from. Relative paths are relative to the experiment file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dataset {
    /// A folder with one folder of images per class; folders `train`, `val` and `test` above them prescribe the parts.
    Folder(Folder),
    /// Class folders, with index files that name the images of each part.
    Index(Index),
    /// A CSV file with columns `path`, `class` and, if wanted, `split` and `group`.
    Csv(Csv),
    /// Parquet files with a column of images and one of labels, as Hugging Face's `datasets` writes them.
    Parquet(Parquet),
    /// Rendered by augtrial itself. Not photographs.
    Synthetic(Synthetic),
}

impl Dataset {
    /// One row each, in the order of the variants.
    pub const ROWS: &[Row] = &[
        Self::described("folder", "", Vec::new),
        Self::described("index", "TrashNet's layout (github.com/garythung/trashnet)", Vec::new),
        Self::described("csv", "", Vec::new),
        Self::described("parquet", "Hugging Face `datasets`, features `Image` and `ClassLabel`", Vec::new),
        Self::described("synthetic", "", || Synthetic::default().limits()),
    ];

    const fn described(name: &'static str, source: &'static str, limits: fn() -> Vec<Limit>) -> Row {
        Row { name, source, works: &[], schema: schema::<Self>, limits }
    }

    /// The name used in experiment files.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Folder(_) => "folder",
            Self::Index(_) => "index",
            Self::Csv(_) => "csv",
            Self::Parquet(_) => "parquet",
            Self::Synthetic(_) => "synthetic",
        }
    }
}

/// `[dataset.folder]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Folder {
    /// The folder that holds the class folders, or folders `train`, `val` and `test` that hold them.
    pub path: String,
    /// The classes, in the order of their indices; the folders' names in alphabetical order if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
}

/// `[dataset.index]`: TrashNet's layout. A line is `<file name> <label>`; the image is `<path>/<class>/<file name>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// The folder that holds the class folders.
    pub path: String,
    /// The classes, in the order of the labels.
    pub classes: Vec<String>,
    /// The label of the first class.
    #[serde(default = "default_first_label")]
    pub first_label: u32,
    /// Index file of the training part.
    pub train: String,
    /// Index file of the validation part; made from the training part if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<String>,
    /// Index file of the test part.
    pub test: String,
}

fn default_first_label() -> u32 {
    1
}

/// `[dataset.csv]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Csv {
    /// The CSV file. Fields may also be separated by semicolons or tabs.
    pub file: String,
    /// The folder that its paths are relative to; the CSV file's own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// The classes, in the order of their indices; alphabetical if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
}

/// `[dataset.parquet]`: shards whose images are extracted once. Names of shards give the parts (`train-00000-of-00004.parquet`,
/// `test/0000.parquet`), or a column does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parquet {
    /// A file, or a folder with files that end in `.parquet`, also in folders below it.
    pub path: String,
    /// The column of images: structs with `bytes`, or bytes; each is a whole JPEG, PNG, WebP or BMP file.
    #[serde(default = "default_image_column")]
    pub image: String,
    /// The column of labels: names, or numbers from 0.
    #[serde(default = "default_label_column")]
    pub label: String,
    /// The column that names the part of every image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// The classes, in the order of the numbers; those that the file's metadata name if absent, or the names that occur.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
}

fn default_image_column() -> String {
    "image".to_owned()
}

fn default_label_column() -> String {
    "label".to_owned()
}

/// `[dataset.synthetic]`: rendered recyclables in TrashNet's six classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Synthetic {
    /// Number of images, over all classes.
    pub images: u32,
    /// Width of an image, px.
    pub width_px: u32,
    /// Height of an image, px.
    pub height_px: u32,
    /// Seed of the scenes; apart from the study's seed, so that one data set can serve several studies.
    pub seed: u64,
}

impl Default for Synthetic {
    fn default() -> Self {
        Self { images: 600, width_px: 64, height_px: 48, seed: 1 }
    }
}

impl Synthetic {
    /// The limits of the parameters, and what is wrong with those at hand.
    #[must_use]
    pub fn limits(&self) -> Vec<Limit> {
        vec![
            Limit::number("images", self.images, 60.0, 1e6),
            Limit::number("width_px", self.width_px, 8.0, MAX_SIDE_PX).unit("px"),
            Limit::number("height_px", self.height_px, 8.0, MAX_SIDE_PX).unit("px"),
        ]
    }
}

/// Longest side of a rendered image, px.
const MAX_SIDE_PX: f64 = 8192.0;

/// What happens to a file that should be an image and cannot be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnUndecodable {
    /// It is listed with the reason, counted, and left out.
    #[default]
    Quarantine,
    /// The study stops.
    Fail,
}

/// `[ingest]`: how images are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ingest {
    /// Working width, px: every image is resized to it before any transform.
    pub width_px: u32,
    /// Working height, px.
    pub height_px: u32,
    /// A file whose header promises more pixels than this is not decoded. At most 4294967296.
    pub max_pixels: u64,
    /// Decoded pixels that a study keeps on disk, in GB (1e9 bytes): those of the first images that fit. The others are decoded
    /// whenever they are read, to the same bytes. Without it, all are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_gb: Option<f64>,
    pub on_undecodable: OnUndecodable,
    /// Images of each class that somebody declared; tables show where what was read differs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub declared: BTreeMap<String, u64>,
}

impl Default for Ingest {
    fn default() -> Self {
        Self {
            width_px: 512,
            height_px: 384,
            max_pixels: 64_000_000,
            cache_gb: None,
            on_undecodable: OnUndecodable::default(),
            declared: BTreeMap::new(),
        }
    }
}

/// `[split.<kind>]`: how sources are divided. Images of one group, and byte-identical images, stay together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SplitRule {
    /// Drawn from the study seed, class by class.
    Stratified(Stratified),
    /// Cross-validation: every seed tests on another fold.
    Folds(Folds),
    /// As the data set says: by its index files, its `split` column, its shards' names, or its folders `train`, `val` and `test`.
    Given(Given),
}

impl SplitRule {
    /// Whether images that look alike must not be in two parts.
    #[must_use]
    pub fn minds_near_duplicates(self) -> bool {
        match self {
            Self::Stratified(split) => split.group_near_duplicates,
            Self::Given(given) => given.withhold_near_duplicates,
            Self::Folds(folds) => folds.group_near_duplicates,
        }
    }
}

impl Default for SplitRule {
    fn default() -> Self {
        Self::Stratified(Stratified::default())
    }
}

/// `[split.stratified]`: the share of every class that goes to each part.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Stratified {
    pub validation: f64,
    pub test: f64,
    /// Whether images that look alike (docs/audit.md) stay in one part, as byte-identical ones do in any case.
    // Left out where it says nothing, so that older plans keep their digests.
    #[serde(skip_serializing_if = "is_false")]
    pub group_near_duplicates: bool,
}

impl Default for Stratified {
    fn default() -> Self {
        Self { validation: 0.13, test: 0.17, group_near_duplicates: false }
    }
}

/// `[split.folds]`: seeds 1 to k test on the k folds of one division, seeds k + 1 to 2 k on those of a second, and so on. Every
/// image of a division is tested once.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Folds {
    /// Number of folds.
    pub k: u32,
    /// Share of the other folds that becomes validation, class by class.
    pub validation: f64,
    /// Whether images that look alike (docs/audit.md) stay in one fold, as byte-identical ones do in any case.
    #[serde(skip_serializing_if = "is_false")]
    pub group_near_duplicates: bool,
}

impl Default for Folds {
    fn default() -> Self {
        Self { k: 5, validation: 0.15, group_near_duplicates: false }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !value
}

/// `[split.given]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Given {
    /// Share of the training part that becomes validation, class by class, where the data set gives none.
    pub validation_from_train: f64,
    /// Whether images of training that look like one of validation or test (docs/audit.md) are withheld, and images of
    /// validation that look like one of test, as byte-identical ones are in any case.
    #[serde(skip_serializing_if = "is_false")]
    pub withhold_near_duplicates: bool,
}

impl Default for Given {
    fn default() -> Self {
        Self { validation_from_train: 0.15, withhold_near_duplicates: false }
    }
}

/// Whether sources are divided before or after they are augmented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Split by source, then augment the training part only.
    #[default]
    LeakFree,
    /// Augment everything, then split file by file, as many published studies did. Test images have siblings in
    /// training; results are inflated, and marked wherever they show.
    AsPublished,
}

impl Protocol {
    /// The name used in experiment files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LeakFree => "leak-free",
            Self::AsPublished => "as-published",
        }
    }
}
