//! From stored bytes to the network's input: size, then normalization.
//!
//! Sizes follow torchvision's `Resize` (antialiased bilinear) and `CenterCrop`; means and deviations are those of ImageNet,
//! which every torchvision classifier uses, pretrained or not, unless the network has its own.

use augtrial_imaging::resize::Scaler;

use crate::TrainError;
pub use augtrial_plan::networks::Normalization;

pub const CHANNELS: usize = 3;

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

    /// How evaluation images of size `stored` reach `input`: cut from the center if `eval_resize_px` is given, else whole.
    ///
    /// # Errors
    /// [`TrainError::CropBeyondImage`].
    pub fn for_evaluation(
        stored: InputSize,
        eval_resize_px: Option<u32>,
        input: InputSize,
    ) -> Result<Self, TrainError> {
        eval_resize_px.map_or(Ok(Self::whole(input)), |shorter_px| Self::center_crop(stored, shorter_px, input))
    }

    /// torchvision's `Resize(shorter_px)` and `CenterCrop(input)` for images of size `source`.
    ///
    /// # Errors
    /// [`TrainError::CropBeyondImage`] if the resized image is smaller than the input (torchvision would pad with black).
    pub fn center_crop(source: InputSize, shorter_px: u32, input: InputSize) -> Result<Self, TrainError> {
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
        // As Python's `round`: halves go to the even neighbor.
        let margin = |outer: u32, inner: u32| (f64::from(outer - inner) / 2.0).round_ties_even() as u32;
        Ok(Self {
            resized,
            left_px: margin(resized.width_px, input.width_px),
            top_px: margin(resized.height_px, input.height_px),
            input,
        })
    }
}

/// Fits and normalizes images, one at a time; holds the buffers that this needs.
pub struct Preprocessor {
    fit: Fit,
    scaler: Scaler,
    /// `(byte / 255 - mean) / deviation` for every channel and byte.
    normalized: [[f32; 256]; CHANNELS],
}

impl Preprocessor {
    /// A preprocessor for one way of fitting.
    #[must_use]
    pub fn new(fit: Fit, Normalization { mean, deviation }: Normalization) -> Self {
        let of_channel = |channel: usize| {
            std::array::from_fn(|byte| {
                (byte as f32 / 255.0 - mean[channel]) / deviation[channel] //
            })
        };
        Self {
            fit,
            scaler: Scaler::new(fit.resized.width_px, fit.resized.height_px).expect("an input has pixels"),
            normalized: std::array::from_fn(of_channel),
        }
    }

    /// Writes an image `[H, W, 3]` of size `size` into `out`, `[H, W, 3]` at the input size: the layout that training reads.
    ///
    /// # Panics
    /// If a slice does not match its size.
    pub fn write(&mut self, size: InputSize, rgb: &[u8], out: &mut [f32]) {
        assert_eq!(rgb.len(), size.values(), "an image has three bytes a pixel");
        assert_eq!(out.len(), self.fit.input.values(), "the place of an image has the input's size");
        if size == self.fit.resized {
            normalize(&self.normalized, self.fit, rgb, out);
            return;
        }
        let resized = self.scaler.scale(size.width_px, size.height_px, rgb).expect("an image has pixels");
        normalize(&self.normalized, self.fit, resized, out);
    }
}

/// Cuts the input out of an image of the fit's resized size and normalizes it, `[H, W, 3]` to `[H, W, 3]`.
fn normalize(table: &[[f32; 256]; CHANNELS], fit: Fit, rgb: &[u8], out: &mut [f32]) {
    let row_values = fit.input.width_px as usize * CHANNELS;
    let stored_row_values = fit.resized.width_px as usize * CHANNELS;
    let first = fit.top_px as usize * stored_row_values + fit.left_px as usize * CHANNELS;
    for (row, stored) in out.chunks_exact_mut(row_values).zip(rgb[first..].chunks(stored_row_values)) {
        let pixels = row.as_chunks_mut::<CHANNELS>().0.iter_mut();
        for (pixel, &[red, green, blue]) in pixels.zip(stored.as_chunks::<CHANNELS>().0) {
            *pixel = [table[0][usize::from(red)], table[1][usize::from(green)], table[2][usize::from(blue)]];
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
    fn every_channel_of_a_pixel_is_normalized_by_its_own_numbers() {
        let mut out = [0.0; 6];
        let own = Normalization { mean: [0.25, 0.5, 0.75], deviation: [0.5, 0.25, 0.125] };
        for normalization in [Normalization::IMAGENET, own] {
            let mut preprocessor = Preprocessor::new(Fit::whole(size(2, 1)), normalization);
            preprocessor.write(size(2, 1), &[255, 0, 51, 0, 255, 102], &mut out);
            let Normalization { mean, deviation } = normalization;
            let expected = |byte: f32, channel: usize| (byte / 255.0 - mean[channel]) / deviation[channel];
            let expected = [(255, 0), (0, 1), (51, 2), (0, 0), (255, 1), (102, 2)].map(|(b, c)| expected(b as f32, c));
            assert_eq!(out, expected);
        }
    }

    /// Sizes and margins as torchvision 0.28 gives them for `Resize(s)`, `CenterCrop((h, w))`.
    #[test]
    fn the_geometry_is_torchvisions() {
        let fit = |source, shorter, input| Fit::center_crop(source, shorter, input).unwrap();
        let same = fit(size(100, 75), 64, size(64, 64));
        assert_eq!((same.resized, same.left_px, same.top_px), (size(85, 64), 10, 0)); // 85.33 truncated; 10.5 to even
        let tall = fit(size(75, 101), 64, size(63, 61));
        assert_eq!((tall.resized, tall.left_px, tall.top_px), (size(64, 86), 0, 12)); // 0.5 to even; 12.5 to even
        let error = Fit::center_crop(size(100, 75), 60, size(64, 64)).unwrap_err();
        assert!(error.to_string().contains("80x60"), "{error}");
    }

    #[test]
    fn the_center_of_a_larger_image_is_cut_out() {
        let mut rgb = vec![0; 4 * 2 * 3];
        for (x, y) in [(1, 0), (2, 0), (1, 1), (2, 1)] {
            rgb[(y * 4 + x) * 3..][..3].fill(255);
        }
        let mut out = vec![0.0; 2 * 2 * 3];
        let fit = Fit::center_crop(size(4, 2), 2, size(2, 2)).unwrap();
        Preprocessor::new(fit, Normalization::IMAGENET).write(size(4, 2), &rgb, &mut out);
        assert!(out.iter().all(|&value| value > 2.0), "{out:?}");
    }

    #[test]
    fn a_uniform_image_stays_uniform_when_resized() {
        let mut out = vec![0.0; size(5, 3).values()];
        let normalization @ Normalization { mean, deviation } = Normalization::IMAGENET;
        Preprocessor::new(Fit::whole(size(5, 3)), normalization).write(size(8, 8), &[77; 8 * 8 * 3], &mut out);
        let expected = |channel: usize| (77.0 / 255.0 - mean[channel]) / deviation[channel];
        assert!(out.chunks(3).all(|pixel| (0..3).all(|channel| pixel[channel] == expected(channel))));
    }
}
