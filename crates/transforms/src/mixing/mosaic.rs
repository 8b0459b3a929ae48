//! `mosaic` (Bochkovskiy et al. 2020), for classification. Reference of the reduction: torch's `interpolate` with `mode="bilinear"`
//! and `antialias=True` on float tensors (`fixtures/mixing/make_mixing.py`); of the draw of the center: albumentations 2.0.8
//! `Mosaic`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mixer::{Batch, BatchMixer, HiddenMix};
use super::quarters::{PARTS, assemble, partners, quarters, rows_of};
use crate::draw::{chance, round, uniform};
use crate::kernels::Reduction;
use crate::{Described, Range};
use augtrial_base::catalog::{Limit, Work};
use augtrial_base::seed::Stream;

/// Four whole images, each reduced to a quarter, become one; labels are mixed by the areas.
///
/// Quarters have other proportions than the images, which are squeezed to fill them. The first quarter shows the image itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Mosaic {
    /// Where the quarters meet, as a share of each side; drawn uniformly, once a batch.
    pub center: Range,
    /// Probability that a batch is mixed at all.
    pub p: f64,
}

impl Default for Mosaic {
    fn default() -> Self {
        Self { center: [0.3, 0.7], p: 1.0 }
    }
}

impl Described for Mosaic {
    const SOURCE: &str = "Bochkovskiy et al. 2020, section 3.3; albumentations `Mosaic`";
    const WORKS: &[Work] = &[Work {
        key: "bochkovskiy2020",
        kind: "misc",
        authors: "Bochkovskiy, Alexey and Wang, Chien-Yao and Liao, Hong-Yuan Mark",
        title: "YOLOv4: Optimal Speed and Accuracy of Object Detection",
        venue: "arXiv:2004.10934",
        year: 2020,
    }];

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::interval("center", self.center, 0.0, 1.0).unit("of the side"), Limit::number("p", self.p, 0.0, 1.0)]
    }
}

impl BatchMixer for Mosaic {
    fn mix(&self, batch: &mut Batch<'_>, rng: &mut Stream) -> Option<HiddenMix> {
        if !chance(self.p, rng) {
            return None;
        }
        let center = self.center(batch.width_px as u32, batch.height_px as u32, rng);
        let partners = partners((0..batch.len).collect(), rng);
        mosaic(batch, center, &partners);
        None
    }
}

impl Mosaic {
    /// Where the quarters meet: column and row.
    pub(super) fn center(&self, width_px: u32, height_px: u32, rng: &mut Stream) -> [u32; 2] {
        [width_px, height_px].map(|side| round(uniform(self.center, rng) * f64::from(side)) as u32)
    }
}

/// Quarter `q` of image `i` shows the whole of image `partners[q][i]`, reduced. The quarters meet at `center` (column, row).
///
/// # Panics
/// If the slices do not fit the shape, the center lies outside the image, or the partners are not of the batch.
pub fn mosaic(batch: &mut Batch<'_>, [x, y]: [u32; 2], partners: &[Vec<usize>; PARTS]) {
    let (width, height, channels) = (batch.width_px, batch.height_px, batch.channels());
    let quarters = quarters(x, y, width as u32, height as u32);
    let mut reductions =
        quarters.map(|to| Reduction::new([width, height, channels], [to.width_px as usize, to.height_px as usize]));
    assemble(batch, quarters, partners, |quarter, source, item| {
        let reduced = reductions[quarter].run(source);
        let columns = quarters[quarter].width_px as usize * channels;
        rows_of(item, width, channels, quarters[quarter], |row, values| {
            values.copy_from_slice(&reduced[row * columns..][..columns]);
        });
    });
}
