//! `random_erasing` (Zhong et al. 2020, algorithm 1). Reference: torchvision v2 `RandomErasing`.

use image::RgbImage;
use rand::Rng as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::{ATTEMPTS, chance, log_uniform, round, uniform, up_to};
use crate::kernels::{erase, erase_with};
use crate::raster::Rect;
use crate::{Augmenter, Described, Range, trace};
use augtrial_base::catalog::{Limit, Work};
use augtrial_base::seed::Stream;

/// What `random_erasing` writes into its rectangle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EraseValue {
    /// One RGB color, `{ constant = [0, 0, 0] }`.
    Constant([u8; 3]),
    /// Every channel of every pixel drawn uniformly from 0 to 255.
    #[default]
    Random,
}

/// Replaces a random rectangle with probability `p`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RandomErasing {
    /// Probability.
    pub p: f64,
    /// Share of the area, drawn uniformly.
    pub scale: Range,
    /// Height over width, drawn log-uniformly.
    pub ratio: Range,
    /// What the rectangle shows.
    pub value: EraseValue,
}

impl Default for RandomErasing {
    fn default() -> Self {
        Self { p: 0.5, scale: [0.02, 0.33], ratio: [0.3, 3.3], value: EraseValue::default() }
    }
}

impl Described for RandomErasing {
    const SOURCE: &str = "torchvision `RandomErasing`; Zhong et al. 2020, algorithm 1";
    const WORKS: &[Work] = &[Work {
        key: "zhong2020",
        kind: "inproceedings",
        authors: "Zhong, Zhun and Zheng, Liang and Kang, Guoliang and Li, Shaozi and Yang, Yi",
        title: "Random Erasing Data Augmentation",
        venue: "AAAI Conference on Artificial Intelligence",
        year: 2020,
    }];

    fn limits(&self) -> Vec<Limit> {
        vec![
            Limit::number("p", self.p, 0.0, 1.0),
            Limit::interval("scale", self.scale, 1e-4, 1.0),
            Limit::interval("ratio", self.ratio, 1e-2, 1e2),
        ]
    }
}

impl Augmenter for RandomErasing {
    fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
        if !chance(self.p, rng) {
            return image;
        }
        let Some(rect) = draw_rectangle(self, image.width(), image.height(), rng) else { return image };
        trace::note(|| format!("erase {}", rect.text()));
        match self.value {
            EraseValue::Constant(color) => erase(&mut image, rect, color),
            EraseValue::Random => {
                let mut content = vec![[0; 3]; rect.width_px as usize * rect.height_px as usize];
                rng.fill_bytes(content.as_flattened_mut());
                erase_with(&mut image, rect, &content);
            }
        }
        image
    }
}

/// Draws as torchvision's `RandomErasing.make_params`; nothing if ten attempts give no rectangle smaller than the image.
fn draw_rectangle(of: &RandomErasing, width_px: u32, height_px: u32, rng: &mut Stream) -> Option<Rect> {
    for _ in 0..ATTEMPTS {
        let area = f64::from(width_px) * f64::from(height_px) * uniform(of.scale, rng);
        let ratio = log_uniform(of.ratio, rng);
        let (height, width) = (round((area * ratio).sqrt()), round((area / ratio).sqrt()));
        if height < f64::from(height_px) && width < f64::from(width_px) {
            let (height, width) = (height as u32, width as u32);
            let top_px = up_to(height_px - height, rng);
            let left_px = up_to(width_px - width, rng);
            return Some(Rect { left_px, top_px, width_px: width, height_px: height });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use augtrial_base::seed::{Purpose, StudySeed};

    #[test]
    fn an_erased_rectangle_has_the_asked_area_and_shape_and_is_smaller_than_the_image() {
        let of = RandomErasing { scale: [0.1, 0.3], ratio: [0.5, 2.0], ..RandomErasing::default() };
        for index in 0..500 {
            let mut rng = StudySeed(1).stream(Purpose::Gallery, index);
            let rect = draw_rectangle(&of, 200, 100, &mut rng).expect("many rectangles fit");
            let (width, height) = (f64::from(rect.width_px), f64::from(rect.height_px));
            assert!(rect.is_within(200, 100) && rect.width_px < 200 && rect.height_px < 100);
            assert!((0.097..0.303).contains(&(width * height / 20_000.0)), "{rect:?}");
            assert!((0.48..2.06).contains(&(height / width)), "{rect:?}");
        }
        let whole = RandomErasing { scale: [1.0, 1.0], ratio: [0.5, 0.5], ..of };
        assert_eq!(draw_rectangle(&whole, 200, 100, &mut StudySeed(1).stream(Purpose::Gallery, 0)), None);
    }
}
