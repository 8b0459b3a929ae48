//! `jpeg`: the traces of compression. Reference: torchvision v2 `JPEG`, which is libjpeg-turbo. Exact.

use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::up_to;
use crate::kernels::jpeg;
use crate::{Augmenter, Described, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// Encodes as JPEG with a random quality, and decodes again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Jpeg {
    /// Lowest and highest quality, each as likely as those between.
    pub quality: [u32; 2],
}

impl Default for Jpeg {
    fn default() -> Self {
        Self { quality: [50, 100] }
    }
}

impl Described for Jpeg {
    const SOURCE: &str = "torchvision `JPEG`";

    fn limits(&self) -> Vec<Limit> {
        let [low, high] = self.quality;
        let fits = (1..=high).contains(&low) && high <= 100;
        vec![Limit::rule("quality", "1 to 100, in order", fits, || {
            format!("`quality` must be two numbers from 1 to 100, in order, not [{low}, {high}]")
        })]
    }
}

impl Augmenter for Jpeg {
    fn apply(&self, image: RgbImage, rng: &mut Stream) -> RgbImage {
        let [low, high] = self.quality;
        let quality = low + up_to(high - low, rng);
        trace::note(|| format!("JPEG quality {quality}"));
        jpeg(image, quality as u8)
    }
}
