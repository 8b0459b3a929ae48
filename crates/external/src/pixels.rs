//! Decoded pixels for a trainer that wants them from augtrial: the same bytes, and for training the same online transforms
//! drawn from the same streams, that augtrial's own trainer sees.

use std::io::{self, Write};
use std::path::Path;

use image::RgbImage;

use augtrial_augment::Augmenter as _;
use augtrial_base::disk::{self, Durability};
use augtrial_base::events::Split;
use augtrial_base::seed::Purpose;
use augtrial_data::pixels::PixelStore;
use augtrial_data::samples::Sample;
use augtrial_trial::TrialSpec;

/// Replaces `path` by the pixels of a part in its recorded order, RGB, `[N, H, W, 3]`. Training images are transformed as in
/// pass `pass` if `transformed`.
///
/// # Errors
/// Whatever writing gives.
pub fn write(spec: &TrialSpec<'_>, part: Split, pass: u64, transformed: bool, path: &Path) -> io::Result<()> {
    let (samples, store) = of_part(spec, part);
    disk::replace_with(path, Durability::Later, |out| {
        samples.iter().enumerate().try_for_each(|(position, sample)| {
            let rgb = store.rgb(sample.pixels).map_err(io::Error::other)?;
            if part == Split::Train && transformed {
                write_transformed(spec, store, rgb.into_owned(), (position, pass), out)
            } else {
                out.write_all(&rgb)
            }
        })
    })
}

/// The samples of a part, and their pixels.
pub fn of_part<'a>(spec: &TrialSpec<'a>, part: Split) -> (&'a [Sample], &'a PixelStore) {
    match part {
        Split::Train => (spec.training.samples(), spec.training.pixels()),
        Split::Validation => (spec.validation.samples(), spec.validation.pixels()),
        Split::Test => (spec.test.samples(), spec.test.pixels()),
    }
}

fn write_transformed(
    spec: &TrialSpec<'_>,
    store: &PixelStore,
    rgb: Vec<u8>,
    (position, pass): (usize, u64),
    out: &mut dyn Write,
) -> io::Result<()> {
    let (width_px, height_px) = (store.width_px(), store.height_px());
    let image = RgbImage::from_raw(width_px, height_px, rgb).expect("three bytes a pixel");
    let purpose = Purpose::Online { recipe: spec.recipe, seed: spec.seed, pass };
    let image = spec.transforms.apply(image, &mut spec.study_seed.stream(purpose, position as u64));
    if image.dimensions() != (width_px, height_px) {
        return Err(io::Error::other("an online transform changed the size of an image"));
    }
    out.write_all(image.as_raw())
}
