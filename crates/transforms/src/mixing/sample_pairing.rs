//! `sample_pairing` (Inoue 2018). Reference: the paper, section 3; done anew in `fixtures/mixing/make_mixing.py`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mixer::{Batch, BatchMixer, HiddenMix, Pair, Pairs, blend};
use crate::Described;
use crate::draw::chance;
use augtrial_base::catalog::{Limit, Work};
use augtrial_base::seed::Stream;

/// Weight of each of the two images.
const HALF: f64 = 0.5;

/// The mean of each image and another of the batch, with the label of the first.
///
/// The paper mixes for eight of ten epochs and ends without mixing; here, `p` is the share of batches that are mixed, throughout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SamplePairing {
    /// Probability that a batch is mixed at all.
    pub p: f64,
    /// Which images are mixed with one another.
    #[serde(skip_serializing_if = "Pairs::is_any")]
    pub pairs: Pairs,
}

impl Default for SamplePairing {
    fn default() -> Self {
        Self { p: 0.8, pairs: Pairs::Any }
    }
}

impl Described for SamplePairing {
    const SOURCE: &str = "Inoue 2018, section 3";
    const WORKS: &[Work] = &[Work {
        key: "inoue2018",
        kind: "misc",
        authors: "Inoue, Hiroshi",
        title: "Data Augmentation by Pairing Samples for Images Classification",
        venue: "arXiv:1801.02929",
        year: 2018,
    }];

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::number("p", self.p, 0.0, 1.0)]
    }

    fn example() -> Self {
        Self { p: 1.0, ..Self::default() }
    }
}

impl BatchMixer for SamplePairing {
    fn mix(&self, batch: &mut Batch<'_>, rng: &mut Stream) -> Option<HiddenMix> {
        if chance(self.p, rng) {
            let partners: Vec<Option<usize>> = self.pairs.draw(batch, rng);
            let own = |(image, partner): (usize, Option<usize>)| partner.unwrap_or(image);
            sample_pairing(batch, &partners.into_iter().enumerate().map(own).collect::<Vec<_>>());
        }
        None
    }
}

/// Image `i` becomes the mean of itself and image `partners[i]`; targets stay.
///
/// # Panics
/// If the slices do not fit the shape, or there is not one partner for each image.
pub fn sample_pairing(batch: &mut Batch<'_>, partners: &[usize]) {
    batch.check();
    assert_eq!(partners.len(), batch.len, "one partner for each image");
    blend(batch.images, &Pair::all(partners, HALF));
}
