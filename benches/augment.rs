//! Time of each transform per image, at the working size of a small study and at 224 x 224 px.

use std::hint::black_box;

use augtrial_augment::{Batch, Mixer, augmenter};
use augtrial_base::seed::{Purpose, StudySeed};
use augtrial_plan::transform::{ColorJitter, HorizontalFlip, Mix, RandomErasing, Transform, VerticalFlip};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use image::RgbImage;

const SIZES_PX: [(u32, u32); 2] = [(96, 72), (224, 224)];

/// Every row of the table, and those that do less than all of their work with their own example.
fn transforms() -> Vec<Transform> {
    let mut all = Transform::examples();
    all.extend([
        Transform::HorizontalFlip(HorizontalFlip { p: 1.0 }),
        Transform::VerticalFlip(VerticalFlip { p: 1.0 }),
        Transform::ColorJitter(ColorJitter { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.0 }),
        Transform::RandomErasing(RandomErasing { p: 1.0, ..RandomErasing::default() }),
    ]);
    all
}

fn single_images(criterion: &mut Criterion) {
    for (width, height) in SIZES_PX {
        let image = RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, (x * y) as u8]));
        let mut group = criterion.benchmark_group(format!("{width}x{height}"));
        group.throughput(Throughput::Bytes(image.as_raw().len() as u64));
        for (index, transform) in transforms().iter().enumerate() {
            let augmenter = augmenter(transform);
            let mut rng = StudySeed(1).stream(Purpose::Gallery, 0);
            group.bench_function(BenchmarkId::new(transform.name(), index), |bencher| {
                let apply = |image| augmenter.apply(black_box(image), &mut rng);
                bencher.iter_batched(|| image.clone(), apply, BatchSize::SmallInput);
            });
        }
    }
}

fn batches(criterion: &mut Criterion) {
    const LEN: usize = 64;
    const CLASSES: usize = 6;
    let (width_px, height_px) = (96, 72);
    let mut images = vec![0.5; LEN * 3 * width_px * height_px];
    let mut targets = vec![1.0 / CLASSES as f32; LEN * CLASSES];
    let mut group = criterion.benchmark_group("batch of 64 at 96x72");
    for mix in Mix::examples() {
        let mixer = Mixer::new(&mix);
        let mut rng = StudySeed(1).stream(Purpose::Gallery, 0);
        group.bench_function(mix.name(), |bencher| {
            bencher.iter(|| {
                let mut batch = Batch { images: &mut images, targets: &mut targets, len: LEN, width_px, height_px };
                mixer.apply(black_box(&mut batch), &mut rng);
            });
        });
    }
}

criterion_group!(benches, single_images, batches);
criterion_main!(benches);
