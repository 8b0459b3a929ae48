//! `ricap` (Takahashi et al. 2018). Reference: the authors' code (github.com/jackryo/ricap), done anew in
//! `fixtures/mixing/make_mixing.py`.

use rand::RngExt as _;
use rand_distr::Beta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mixer::{Batch, BatchMixer, HiddenMix, permutation};
use super::quarters::{PARTS, assemble, partners, quarters, rows_of};
use crate::Described;
use crate::draw::{chance, round, up_to};
use crate::raster::Rect;
use augtrial_base::catalog::{Limit, Work};
use augtrial_base::seed::Stream;

/// Crops of four images of the batch are stitched to one; labels are mixed by their areas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ricap {
    /// The point where the crops meet is drawn from Beta(beta, beta) of each side, once a batch. Below 1 it is mostly near an edge,
    /// and one crop takes most of the image.
    pub beta: f64,
    /// Probability that a batch is mixed at all.
    pub p: f64,
}

impl Default for Ricap {
    fn default() -> Self {
        Self { beta: 0.3, p: 1.0 }
    }
}

impl Described for Ricap {
    const SOURCE: &str = "Takahashi et al. 2018, and the authors' code (github.com/jackryo/ricap)";
    const WORKS: &[Work] = &[Work {
        key: "takahashi2018",
        kind: "inproceedings",
        authors: "Takahashi, Ryo and Matsubara, Takashi and Uehara, Kuniaki",
        title: "RICAP: Random Image Cropping and Patching Data Augmentation for Deep CNNs",
        venue: "Asian Conference on Machine Learning",
        year: 2018,
    }];

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::positive("beta", self.beta), Limit::number("p", self.p, 0.0, 1.0)]
    }
}

impl BatchMixer for Ricap {
    fn mix(&self, batch: &mut Batch<'_>, rng: &mut Stream) -> Option<HiddenMix> {
        if !chance(self.p, rng) {
            return None;
        }
        let (width, height) = (batch.width_px as u32, batch.height_px as u32);
        let [x, y] = self.center(width, height, rng);
        let first = permutation(batch.len, rng);
        let partners = partners(first, rng);
        let corners = quarters(x, y, width, height)
            .map(|quarter| [up_to(width - quarter.width_px, rng), up_to(height - quarter.height_px, rng)]);
        ricap(batch, [x, y], &partners, corners);
        None
    }
}

impl Ricap {
    /// Where the crops meet: column and row.
    ///
    /// # Panics
    /// If beta is not a positive number.
    pub(super) fn center(&self, width_px: u32, height_px: u32, rng: &mut Stream) -> [u32; 2] {
        let law = Beta::new(self.beta, self.beta).expect("beta of a mix is positive");
        [width_px, height_px].map(|side| round(f64::from(side) * rng.sample(law)) as u32)
    }
}

/// Stitches crops: quarter `q` of image `i` shows image `partners[q][i]` from its corner `corners[q]` (column, row) on. The
/// quarters meet at `center` (column, row).
///
/// # Panics
/// If the slices do not fit the shape, a crop reaches beyond its image, or the partners are not of the batch.
pub fn ricap(batch: &mut Batch<'_>, [x, y]: [u32; 2], partners: &[Vec<usize>; PARTS], corners: [[u32; 2]; PARTS]) {
    let (width, height, channels) = (batch.width_px, batch.height_px, batch.channels());
    let quarters = quarters(x, y, width as u32, height as u32);
    for (quarter, [left_px, top_px]) in quarters.iter().zip(corners) {
        let crop = Rect { left_px, top_px, ..*quarter };
        assert!(crop.is_within(width as u32, height as u32), "a crop is inside its image");
    }
    assemble(batch, quarters, partners, |quarter, source, item| {
        let [left, top] = corners[quarter].map(|place| place as usize);
        rows_of(item, width, channels, quarters[quarter], |row, values| {
            let start = ((top + row) * width + left) * channels;
            values.copy_from_slice(&source[start..][..values.len()]);
        });
    });
}
