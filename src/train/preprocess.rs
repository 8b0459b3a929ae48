//! From stored bytes to the network's input: size, then normalisation.
//!
//! Sizes follow torchvision's `Resize` (antialiased bilinear) and `CenterCrop`; means and deviations are those of ImageNet
//! that every torchvision classifier uses, pretrained or not.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::error::TrainError;

pub(super) const CHANNELS: usize = 3;
/// Per channel, R G B, of values in 0 to 1 (torchvision, `ImageClassification` presets).
const IMAGENET_MEAN: [f32; CHANNELS] = [0.485, 0.456, 0.406];
const IMAGENET_DEVIATION: [f32; CHANNELS] = [0.229, 0.224, 0.225];

/// Size of the network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputSize {
    pub width_px: u32,
    pub height_px: u32,
}

/// How an image reaches the input size: resized to `resized`, then cut out from `left_px`, `top_px`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    resized: InputSize,
    left_px: u32,
    top_px: u32,
    input: InputSize,
}

impl InputSize {
    /// f32 values of one image.
    #[must_use]
    pub fn values(self) -> usize {
        CHANNELS * self.width_px as usize * self.height_px as usize
    }
}

impl Fit {
    /// The whole image, resized to the input size; the aspect ratio may change.
    #[must_use]
    pub fn whole(input: InputSize) -> Self {
        Self { resized: input, left_px: 0, top_px: 0, input }
    }

    /// torchvision's `Resize(shorter_px)` and `CenterCrop(input)` for images of size `source`.
    ///
    /// # Errors
    /// [`TrainError::CropBeyondImage`] if the resized image is smaller than the input (torchvision would pad with black).
    pub fn centre_crop(source: InputSize, shorter_px: u32, input: InputSize) -> Result<Self, TrainError> {
        let (width, height) = (u64::from(source.width_px), u64::from(source.height_px));
        let shorter = width.min(height);
        // As torchvision: the longer side is truncated, not rounded.
        let scale = |side: u64| (u64::from(shorter_px) * side / shorter) as u32;
        let resized = InputSize { width_px: scale(width), height_px: scale(height) };
        if resized.width_px < input.width_px || resized.height_px < input.height_px {
            return Err(TrainError::CropBeyondImage {
                eval_resize_px: shorter_px,
                resized_width_px: resized.width_px,
                resized_height_px: resized.height_px,
                width_px: input.width_px,
                height_px: input.height_px,
            });
        }
        // As Python's `round`: halves go to the even neighbour.
        let margin = |outer: u32, inner: u32| (f64::from(outer - inner) / 2.0).round_ties_even() as u32;
        Ok(Self {
            resized,
            left_px: margin(resized.width_px, input.width_px),
            top_px: margin(resized.height_px, input.height_px),
            input,
        })
    }
}

/// Fits and normalises images, one at a time; holds the buffers that this needs.
pub struct Preprocessor {
    fit: Fit,
    resizer: Resizer,
    options: ResizeOptions,
    resized: Image<'static>,
    /// `(byte / 255 - mean) / deviation` for every channel and byte.
    normalised: [[f32; 256]; CHANNELS],
}

impl Preprocessor {
    /// A preprocessor for one way of fitting.
    #[must_use]
    pub fn new(fit: Fit) -> Self {
        let of_channel = |channel: usize| {
            std::array::from_fn(|byte| {
                (byte as f32 / 255.0 - IMAGENET_MEAN[channel]) / IMAGENET_DEVIATION[channel] //
            })
        };
        Self {
            fit,
            resizer: Resizer::new(),
            options: ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)),
            resized: Image::new(fit.resized.width_px, fit.resized.height_px, PixelType::U8x3),
            normalised: std::array::from_fn(of_channel),
        }
    }

    /// Writes an image `[H, W, 3]` of size `size` into `out`, `[3, H, W]` at the input size.
    ///
    /// # Panics
    /// If a slice does not match its size.
    pub fn write(&mut self, size: InputSize, rgb: &[u8], out: &mut [f32]) {
        assert_eq!(rgb.len(), size.values(), "an image has three bytes a pixel");
        assert_eq!(out.len(), self.fit.input.values(), "the place of an image has the input's size");
        if size == self.fit.resized {
            normalise(&self.normalised, self.fit, rgb, out);
            return;
        }
        let source = ImageRef::new(size.width_px, size.height_px, rgb, PixelType::U8x3).expect("three bytes a pixel");
        self.resizer.resize(&source, &mut self.resized, &self.options).expect("equal pixel types, sizes above zero");
        normalise(&self.normalised, self.fit, self.resized.buffer(), out);
    }
}

/// Cuts the input out of an image of the fit's resized size and normalises it, `[H, W, 3]` to `[3, H, W]`.
fn normalise(table: &[[f32; 256]; CHANNELS], fit: Fit, rgb: &[u8], out: &mut [f32]) {
    let (width, height) = (fit.input.width_px as usize, fit.input.height_px as usize);
    let row_bytes = fit.resized.width_px as usize * CHANNELS;
    for (channel, plane) in out.chunks_exact_mut(width * height).enumerate() {
        for (y, row) in plane.chunks_exact_mut(width).enumerate() {
            let start = (y + fit.top_px as usize) * row_bytes + fit.left_px as usize * CHANNELS;
            let source = rgb[start..][..width * CHANNELS].iter().skip(channel).step_by(CHANNELS);
            for (value, &byte) in row.iter_mut().zip(source) {
                *value = table[channel][usize::from(byte)];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(width_px: u32, height_px: u32) -> InputSize {
        InputSize { width_px, height_px }
    }

    #[test]
    fn channels_are_separated_and_normalised() {
        let mut out = [0.0; 6];
        Preprocessor::new(Fit::whole(size(2, 1))).write(size(2, 1), &[255, 0, 51, 0, 255, 102], &mut out);
        let expected =
            |byte: f32, channel: usize| (byte / 255.0 - IMAGENET_MEAN[channel]) / IMAGENET_DEVIATION[channel];
        let expected = [(255, 0), (0, 0), (0, 1), (255, 1), (51, 2), (102, 2)].map(|(b, c)| expected(b as f32, c));
        assert_eq!(out, expected);
    }

    /// Sizes and margins as torchvision 0.28 gives them for `Resize(s)`, `CenterCrop((h, w))`.
    #[test]
    fn the_geometry_is_torchvisions() {
        let fit = |source, shorter, input| Fit::centre_crop(source, shorter, input).unwrap();
        let same = fit(size(100, 75), 64, size(64, 64));
        assert_eq!((same.resized, same.left_px, same.top_px), (size(85, 64), 10, 0)); // 85.33 truncated; 10.5 to even
        let tall = fit(size(75, 101), 64, size(63, 61));
        assert_eq!((tall.resized, tall.left_px, tall.top_px), (size(64, 86), 0, 12)); // 0.5 to even; 12.5 to even
        let error = Fit::centre_crop(size(100, 75), 60, size(64, 64)).unwrap_err();
        assert!(error.to_string().contains("80x60"), "{error}");
    }

    #[test]
    fn the_centre_of_a_larger_image_is_cut_out() {
        let mut rgb = vec![0; 4 * 2 * 3];
        for (x, y) in [(1, 0), (2, 0), (1, 1), (2, 1)] {
            rgb[(y * 4 + x) * 3..][..3].fill(255);
        }
        let mut out = vec![0.0; 2 * 2 * 3];
        let fit = Fit::centre_crop(size(4, 2), 2, size(2, 2)).unwrap();
        Preprocessor::new(fit).write(size(4, 2), &rgb, &mut out);
        assert!(out.iter().all(|&value| value > 2.0), "{out:?}");
    }

    #[test]
    fn a_uniform_image_stays_uniform_when_resized() {
        let mut out = vec![0.0; size(5, 3).values()];
        Preprocessor::new(Fit::whole(size(5, 3))).write(size(8, 8), &[77; 8 * 8 * 3], &mut out);
        let expected = |channel| (77.0 / 255.0 - IMAGENET_MEAN[channel]) / IMAGENET_DEVIATION[channel];
        assert!(out.chunks(15).enumerate().all(|(channel, plane)| plane.iter().all(|&v| v == expected(channel))));
    }
}
