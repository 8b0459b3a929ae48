//! `photometric_distort`: the colors of SSD (Liu et al. 2016). Reference: torchvision v2 `RandomPhotometricDistort`.

use image::RgbImage;
use rand::seq::SliceRandom as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::channel_shuffle::permute_channels;
use super::color_jitter::{adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation};
use crate::draw::{chance, uniform};
use crate::{Augmenter, Described, Range, trace};
use augtrial_base::catalog::{Limit, Work};
use augtrial_base::seed::Stream;

/// Brightness, contrast, saturation, hue and the order of the channels, each with probability `p`; contrast before or after
/// saturation and hue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PhotometricDistort {
    /// Factor.
    pub brightness: Range,
    /// Factor.
    pub contrast: Range,
    /// Factor.
    pub saturation: Range,
    /// Shift, turns.
    pub hue: Range,
    /// Probability of each.
    pub p: f64,
}

impl Default for PhotometricDistort {
    fn default() -> Self {
        Self { brightness: [0.875, 1.125], contrast: [0.5, 1.5], saturation: [0.5, 1.5], hue: [-0.05, 0.05], p: 0.5 }
    }
}

impl Described for PhotometricDistort {
    const SOURCE: &str = "torchvision `RandomPhotometricDistort`";
    const WORKS: &[Work] = &[Work {
        key: "liu2016",
        kind: "inproceedings",
        authors: "Liu, Wei and Anguelov, Dragomir and Erhan, Dumitru and Szegedy, Christian and Reed, Scott and Fu, \
                  Cheng-Yang and Berg, Alexander C.",
        title: "SSD: Single Shot MultiBox Detector",
        venue: "European Conference on Computer Vision",
        year: 2016,
    }];

    fn limits(&self) -> Vec<Limit> {
        vec![
            Limit::interval("brightness", self.brightness, 0.0, 10.0),
            Limit::interval("contrast", self.contrast, 0.0, 10.0),
            Limit::interval("saturation", self.saturation, 0.0, 10.0),
            Limit::interval("hue", self.hue, -0.5, 0.5).unit("turns"),
            Limit::number("p", self.p, 0.0, 1.0),
        ]
    }
}

impl Augmenter for PhotometricDistort {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        let mut drawn = |range: Range| chance(self.p, rng).then(|| uniform(range, rng));
        let [brightness, contrast, saturation, hue] =
            [self.brightness, self.contrast, self.saturation, self.hue].map(&mut drawn);
        let contrast_first = chance(0.5, rng);
        let mut order = [0, 1, 2];
        if chance(self.p, rng) {
            order.shuffle(rng);
        }
        trace::note(|| {
            let text = |name: &str, value: Option<f64>| value.map(|value| format!("{name} {value:.2}"));
            let named = [("brightness", brightness), ("contrast", contrast), ("saturation", saturation), ("hue", hue)];
            let texts: Vec<_> = named.into_iter().filter_map(|(name, value)| text(name, value)).collect();
            format!("distort {}", texts.join(", "))
        });
        if let Some(factor) = brightness {
            adjust_brightness(&mut image, factor);
        }
        if let Some(factor) = contrast.filter(|_| contrast_first) {
            adjust_contrast(&mut image, factor);
        }
        if let Some(factor) = saturation {
            adjust_saturation(&mut image, factor);
        }
        if let Some(turns) = hue {
            adjust_hue(&mut image, turns);
        }
        if let Some(factor) = contrast.filter(|_| !contrast_first) {
            adjust_contrast(&mut image, factor);
        }
        permute_channels(&mut image, order);
        image
    }
}
