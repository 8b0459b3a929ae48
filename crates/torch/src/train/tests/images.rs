//! Small images with something to learn, and augmentations that use their streams.

use std::path::Path;
use std::sync::Arc;

use image::RgbImage;
use rand::RngExt as _;

use augtrial_augment::{Augmenter, Mixer, Pipeline};
use augtrial_base::digest::Digest;
use augtrial_base::seed::{Purpose, Stream, StudySeed};
use augtrial_data::cache::Picture;
use augtrial_data::pixels::{PixelBlock, PixelStore};
use augtrial_data::samples::Sample;
use augtrial_plan::transform::{Mix, Mixup};

pub const SIDE_PX: u32 = 40;
pub const CLASSES: usize = 4;

/// `count` images of four classes: a bright quarter on noise, which quarter is the class.
pub fn samples(part: &str, count: usize) -> (Vec<Sample>, PixelStore) {
    let mut bytes = Vec::new();
    let mut samples = Vec::new();
    let stream_seed = part.bytes().fold(0, |seed, byte| seed * 31 + u64::from(byte));
    for index in 0..count {
        let label = index % CLASSES;
        let mut rng = StudySeed(stream_seed).stream(Purpose::Render, index as u64);
        let half = SIDE_PX / 2;
        let image = RgbImage::from_fn(SIDE_PX, SIDE_PX, |x, y| {
            let quarter = (u32::from(x >= half) + 2 * u32::from(y >= half)) as usize;
            let bright = if quarter == label { 110 } else { 0 };
            image::Rgb(std::array::from_fn(|_| rng.random_range(0..140) + bright))
        });
        let digest = Digest::of_bytes(image.as_raw());
        bytes.extend_from_slice(image.as_raw());
        samples.push(Sample {
            pixels: index,
            label: label as u32,
            image: digest,
            source: digest,
            path: format!("{part}/{index}.png"),
            derived: false,
        });
    }
    let mut store = PixelStore::new(SIDE_PX, SIDE_PX);
    store.push(Arc::new(PixelBlock::from_memory(SIDE_PX, SIDE_PX, bytes)));
    (samples, store)
}

/// The same images, of which all but the first `kept` are files in `folder` that are decoded whenever they are read.
pub fn partly_in_files(folder: &Path, part: &str, count: usize, kept: usize) -> (Vec<Sample>, PixelStore) {
    let (samples, whole) = samples(part, count);
    let rgb = |index| whole.rgb(index).unwrap().into_owned();
    let picture = |index| {
        let file = folder.join(format!("{part}-{index}.png"));
        RgbImage::from_raw(SIDE_PX, SIDE_PX, rgb(index)).unwrap().save(&file).unwrap();
        Picture { digest: Digest::of_file(&file).unwrap(), file }
    };
    let rest: Vec<Picture> = (kept..count).map(picture).collect();
    let block = PixelBlock::from_memory(SIDE_PX, SIDE_PX, (0..kept).flat_map(rgb).collect());
    let mut store = PixelStore::new(SIDE_PX, SIDE_PX);
    store.push(Arc::new(block.followed_by(&rest, 1_000_000)));
    (samples, store)
}

/// A pipeline of one transform that is in no table.
pub fn pipeline(augmenter: impl Augmenter + 'static) -> Pipeline {
    Pipeline::of([Box::new(augmenter) as Box<dyn Augmenter>])
}

/// Nothing to apply.
pub fn unchanged() -> Pipeline {
    Pipeline::new(&[])
}

/// Brightness by a random amount: uses the stream, so that a wrong stream shows.
pub fn jitter() -> Pipeline {
    struct Jitter;
    impl Augmenter for Jitter {
        fn apply(&self, mut image: RgbImage, rng: &mut Stream) -> RgbImage {
            let shift = rng.random_range(0..40);
            image.iter_mut().for_each(|value| *value = value.saturating_add(shift));
            image
        }
    }
    pipeline(Jitter)
}

/// `MixUp` of every batch.
pub fn partners() -> Mixer {
    Mixer::new(&Mix::Mixup(Mixup::default()))
}
