//! `jpeg`: the traces of compression. Reference of the draw: torchvision v2 `JPEG`. Encoder and decoder are those of the
//! crates `image` and `zune-jpeg`, with whole chroma (4:4:4); libjpeg's tables, but not its rounding.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageFormat, RgbImage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::draw::up_to;
use crate::{Augmenter, Described, trace};
use augtrial_base::catalog::Limit;
use augtrial_base::seed::Stream;

/// What encodes and decodes: other versions make other pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum JpegCodec {
    /// The crates `image` 0.25 and `zune-jpeg` 0.5.
    #[default]
    #[serde(rename = "image-0.25")]
    Image025,
}

/// Encodes as JPEG with a random quality, and decodes again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Jpeg {
    /// Lowest and highest quality, each as likely as those between.
    pub quality: [u32; 2],
    /// Encoder and decoder. It counts in the digests of what is made, so that another version never passes for this one.
    pub codec: JpegCodec,
}

impl Default for Jpeg {
    fn default() -> Self {
        Self { quality: [50, 100], codec: JpegCodec::default() }
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
        jpeg(&image, quality as u8)
    }
}

/// Encodes and decodes.
///
/// # Panics
/// If a side is longer than the 65535 px that a JPEG file can have.
#[must_use]
pub fn jpeg(image: &RgbImage, quality: u8) -> RgbImage {
    let mut file = Vec::with_capacity(image.as_raw().len() / 2);
    JpegEncoder::new_with_quality(&mut file, quality)
        .encode(image.as_raw(), image.width(), image.height(), ExtendedColorType::Rgb8)
        .expect("memory takes every byte, and working sizes are below 65536 px");
    image::load_from_memory_with_format(&file, ImageFormat::Jpeg).expect("what was encoded can be decoded").into_rgb8()
}
