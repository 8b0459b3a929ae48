//! Pictures in and out: fitting to sides that the networks take, and the way between bytes and `[-1, 1]`.
//!
//! Numbers are those of diffusers' `VaeImageProcessor`. So is the memory layout: images lie as `[B, H, W, 3]` and are viewed as
//! `[B, 3, H, W]`; convolutions round differently on the other layout (1.7e-4 in the latents of the tiny fixture).

use image::RgbImage;
use image::imageops;
use tch::{Kind, Tensor};

use super::lanczos::{Axis, resize};
use augtrial_augment::edit::Size;
use augtrial_plan::arm::Fit;

/// Longer side of the original repository's pictures, px.
const ORIGINAL_RESOLUTION_PX: f64 = 512.0;

/// A picture whose sides the networks take, and how to undo what was done to it.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// What is edited.
    pub image: RgbImage,
    /// The part of the edited picture that is the result, from the upper left: what padding added is cut off.
    crop_px: (u32, u32),
    /// Size of a source that was larger than what the model was trained for: the result is brought back to it.
    source_px: Option<(u32, u32)>,
}

impl Fitted {
    /// Fits `source` to sides that are multiples of `multiple_px`; if it does not fit within `working_px`, it is first
    /// reduced until it does, its aspect kept.
    #[must_use]
    pub fn new(source: &RgbImage, fit: Fit, multiple_px: u32, working_px: Option<Size>) -> Self {
        let (width, height) = source.dimensions();
        if let Some((to_width, to_height)) = working_px.and_then(|size| reduced_size(width, height, size)) {
            let reduced = resize(source, Axis::whole(width, to_width), Axis::whole(height, to_height));
            return Self { source_px: Some((width, height)), ..Self::new(&reduced, fit, multiple_px, None) };
        }
        let whole = |image: RgbImage| Self { crop_px: image.dimensions(), image, source_px: None };
        match fit {
            Fit::Pad => {
                let image = pad(source, width.next_multiple_of(multiple_px), height.next_multiple_of(multiple_px));
                Self { image, crop_px: (width, height), source_px: None }
            }
            Fit::Resize => {
                let down = |side: u32| (side / multiple_px).max(1) * multiple_px;
                whole(resize(source, Axis::whole(width, down(width)), Axis::whole(height, down(height))))
            }
            Fit::Original => {
                let (to_width, to_height) = original_size(width, height, multiple_px);
                let [x, y] = centered(width, height, to_width, to_height);
                whole(resize(source, x, y))
            }
        }
    }

    /// The result's part of an edited picture, as large as it was edited.
    #[must_use]
    pub fn restore(&self, edited: RgbImage) -> RgbImage {
        let (width, height) = self.crop_px;
        if edited.dimensions() == (width, height) {
            return edited;
        }
        imageops::crop_imm(&edited, 0, 0, width, height).to_image()
    }

    /// A restored result as large as its source, if that had to be reduced.
    #[must_use]
    pub fn enlarge(&self, restored: RgbImage) -> RgbImage {
        let Some((width, height)) = self.source_px else { return restored };
        let (from_width, from_height) = restored.dimensions();
        resize(&restored, Axis::whole(from_width, width), Axis::whole(from_height, height))
    }

    /// The part of [`Self::image`] that the result shows.
    #[must_use]
    pub fn visible(&self) -> RgbImage {
        self.restore(self.image.clone())
    }
}

/// The largest size of the same aspect that fits within `working`; `None` if `width` x `height` does already.
fn reduced_size(width: u32, height: u32, working: Size) -> Option<(u32, u32)> {
    let factor = f64::min(
        f64::from(working.width) / f64::from(width.max(1)),
        f64::from(working.height) / f64::from(height.max(1)),
    );
    let reduced = |side: u32, most: u32| ((f64::from(side) * factor).round() as u32).clamp(1, most);
    (factor < 1.0).then(|| (reduced(width, working.width), reduced(height, working.height)))
}

/// Repeats the last column to the right and the last row below.
fn pad(source: &RgbImage, width: u32, height: u32) -> RgbImage {
    let (last_x, last_y) = (source.width() - 1, source.height() - 1);
    RgbImage::from_fn(width, height, |x, y| *source.get_pixel(x.min(last_x), y.min(last_y)))
}

/// `edit_cli.py`: the longer side to about 512, both rounded down to a multiple, the shorter side up before.
fn original_size(width: u32, height: u32, multiple_px: u32) -> (u32, u32) {
    let (multiple, shorter) = (f64::from(multiple_px), f64::from(width.min(height)));
    let to_longer = ORIGINAL_RESOLUTION_PX / f64::from(width.max(height));
    let factor = (shorter * to_longer / multiple).ceil() * multiple / shorter;
    let fitted = |side: u32| ((f64::from(side) * factor / multiple).floor().max(1.0) * multiple) as u32;
    (fitted(width), fitted(height))
}

/// PIL's `ImageOps.fit`: the largest centered part of the wanted aspect, as `[x, y]`.
fn centered(width: u32, height: u32, to_width: u32, to_height: u32) -> [Axis; 2] {
    let (whole_width, whole_height) = (f64::from(width), f64::from(height));
    let aspect = f64::from(to_width) / f64::from(to_height);
    let (part_width, part_height) = if whole_width / whole_height >= aspect {
        (aspect * whole_height, whole_height)
    } else {
        (whole_width, whole_width / aspect)
    };
    let axis = |whole: f64, part: f64, to_px| {
        let start = (whole - part) * 0.5;
        Axis { start: start as f32, end: (start + part) as f32, to_px }
    };
    [axis(whole_width, part_width, to_width), axis(whole_height, part_height, to_height)]
}

/// Pictures of one size as `f32 [B, 3, H, W]` in `[-1, 1]`, channels last in memory.
pub fn to_tensor(images: &[&RgbImage]) -> Tensor {
    let stacked: Vec<Tensor> = images
        .iter()
        .map(|image| Tensor::from_slice(image.as_raw()).view([image.height().into(), image.width().into(), 3]))
        .collect();
    let unit = Tensor::stack(&stacked, 0).to_kind(Kind::Float) / 255.0;
    (unit * 2.0 - 1.0).permute([0, 3, 1, 2])
}

/// How a real number becomes a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// diffusers: to the nearest, half to even.
    Nearest,
    /// The original repository: down.
    Down,
}

/// Pictures of `f32 [B, 3, H, W]`, about `[-1, 1]`; `None` for one that has a value that is no number.
#[must_use]
pub fn from_tensor(images: &Tensor, rounding: Rounding) -> Vec<Option<RgbImage>> {
    let unit = (images * 0.5 + 0.5).clamp(0.0, 1.0).permute([0, 2, 3, 1]);
    let levels = unit * 255.0;
    let levels = match rounding {
        Rounding::Nearest => levels.round(),
        Rounding::Down => levels.floor(),
    };
    let (count, height, width, _) = levels.size4().expect("a batch of pictures");
    let one = |index: i64| {
        let levels = levels.get(index);
        if levels.isfinite().all().int64_value(&[]) == 0 {
            return None;
        }
        let bytes: Vec<u8> = Vec::try_from(levels.to_kind(Kind::Uint8).contiguous().view([-1])).expect("1-D bytes");
        RgbImage::from_raw(width as u32, height as u32, bytes)
    };
    (0..count).map(one).collect()
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn fixture(name: &str) -> String {
        format!("{}/fixtures/ip2p/{name}", env!("CARGO_MANIFEST_DIR"))
    }

    fn open(name: &str) -> RgbImage {
        image::open(fixture(name)).unwrap().into_rgb8()
    }

    fn tensor(file: &str, name: &str) -> Tensor {
        let tensors = Tensor::read_safetensors(fixture(file)).unwrap();
        tensors.into_iter().find(|(found, _)| found == name).unwrap().1
    }

    #[test]
    fn preprocessing_is_the_references() {
        let image = to_tensor(&[&open("source_128x96.png")]);
        assert_eq!(image, tensor("common.safetensors", "image"));
        assert_eq!(image.stride(), [36_864, 1, 384, 3]);
    }

    #[test]
    fn resizing_is_the_references_to_the_byte() {
        let fitted = Fitted::new(&open("source_101x77.png"), Fit::Resize, 8, None);
        assert_eq!(to_tensor(&[&fitted.image]), tensor("resize_101x77.safetensors", "image"));
    }

    #[test]
    fn centred_parts_are_cut_and_resampled_as_pil_does() {
        let source = open("source_101x77.png");
        for (width, height) in [(64, 64), (128, 128), (101, 64)] {
            let [x, y] = centered(101, 77, width, height);
            let expected = tensor("resize_101x77.safetensors", &format!("fit_{width}x{height}"));
            let expected: Vec<u8> = Vec::try_from(expected.view([-1])).unwrap();
            assert_eq!(resize(&source, x, y).into_raw(), expected, "{width}x{height}");
        }
    }

    #[test]
    fn padding_repeats_the_edge_and_is_cut_off_again() {
        let source = open("source_101x77.png");
        let fitted = Fitted::new(&source, Fit::Pad, 64, None);
        assert_eq!(fitted.image.dimensions(), (128, 128));
        assert_eq!(fitted.image.get_pixel(127, 127), source.get_pixel(100, 76));
        assert_eq!(fitted.visible(), source);
    }

    #[test]
    fn the_original_fit_keeps_512_by_384_and_crops_the_rest() {
        assert_eq!(original_size(512, 384, 64), (512, 384));
        assert_eq!(original_size(1024, 768, 64), (512, 384));
        assert_eq!(original_size(640, 360, 64), (512, 320));
        let fitted = Fitted::new(&RgbImage::from_pixel(40, 30, Rgb([9, 8, 7])), Fit::Original, 64, None);
        assert_eq!(fitted.image.dimensions(), (512, 384));
        assert_eq!(fitted.image.get_pixel(0, 383), &Rgb([9, 8, 7]));
    }

    #[test]
    fn a_larger_picture_is_edited_within_the_working_size_and_comes_back_as_large_as_it_was() {
        let working = Size { width: 128, height: 96 };
        assert_eq!(reduced_size(512, 384, working), Some((128, 96)));
        assert_eq!(reduced_size(600, 300, working), Some((128, 64)));
        assert_eq!(reduced_size(384, 512, working), Some((72, 96)));
        assert_eq!(reduced_size(9000, 2, working), Some((128, 1)));
        assert_eq!(reduced_size(128, 96, working), None);
        assert_eq!(reduced_size(40, 30, working), None);
        let source = imageops::resize(&open("source_128x96.png"), 300, 201, imageops::FilterType::Triangle);
        let fitted = Fitted::new(&source, Fit::Pad, 16, Some(working));
        assert_eq!(fitted.image.dimensions(), (128, 96));
        assert_eq!(fitted.visible().dimensions(), (128, 86));
        let result = fitted.enlarge(fitted.visible());
        assert_eq!(result.dimensions(), (300, 201));
        let change: f64 = result.as_raw().iter().zip(source.as_raw()).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
        assert!(change / (result.as_raw().len() as f64) < 4.0);
        let small = open("source_101x77.png");
        let fitted = Fitted::new(&small, Fit::Pad, 16, Some(working));
        assert_eq!(fitted.enlarge(fitted.visible()), small);
    }

    #[test]
    fn bytes_survive_the_way_there_and_back_and_no_number_is_no_picture() {
        let source = open("source_128x96.png");
        let image = to_tensor(&[&source]);
        assert_eq!(from_tensor(&image, Rounding::Nearest), [Some(source)]);
        assert_eq!(from_tensor(&(image * f64::NAN), Rounding::Nearest), [None]);
    }
}
