//! Batches: functions of the update alone, in a shuffled order that is pinned.

use image::RgbImage;

use super::images::{CLASSES, SIDE_PX, jitter, partners, pipeline, samples, unchanged};
use crate::train::batches::{HostBatch, Input, Targets, TrainingBatches};
use augtrial_augment::{Augmenter, Mixer, Pipeline};
use augtrial_base::digest::Digest;
use augtrial_base::seed::{Stream, StudySeed};
use augtrial_data::samples::TrainingSet;
use augtrial_plan::classifier::Budget;
use augtrial_trial::preprocess::{InputSize, Normalization};
use augtrial_trial::timetable::Timetable;

const SAMPLES: usize = 10;
const INPUT: InputSize = InputSize { width_px: SIDE_PX, height_px: SIDE_PX };

fn set() -> TrainingSet {
    let (samples, store) = samples("train", SAMPLES);
    TrainingSet::for_tests(samples, store)
}

fn batches<'a>(set: &'a TrainingSet, transforms: &'a Pipeline, mix: Option<&'a Mixer>) -> TrainingBatches<'a> {
    TrainingBatches {
        set,
        timetable: Timetable::new(Budget::Epochs(4), 4, SAMPLES, SAMPLES),
        input: INPUT,
        normalization: Normalization::IMAGENET,
        classes: CLASSES,
        transforms,
        mix,
        study_seed: StudySeed(5),
        seed: 3,
        recipe: Digest::of_bytes(b"recipe"),
        features: None,
    }
}

/// Which samples a batch shows, found by their pixels; only for unchanged images.
fn positions(set: &TrainingSet, batch: &HostBatch) -> Vec<usize> {
    let unchanged = unchanged();
    let plain = TrainingBatches {
        timetable: Timetable::new(Budget::Epochs(1), 1, SAMPLES, SAMPLES),
        ..batches(set, &unchanged, None)
    };
    let mut assemble = plain.assembler();
    let singles: Vec<HostBatch> = (0..SAMPLES as u64).map(&mut assemble).collect::<Result<_, _>>().unwrap();
    let by_brightness =
        |image: &[f32]| singles.iter().position(|single| single.pixels == image).expect("a known image");
    batch.pixels.chunks(INPUT.values()).map(by_brightness).collect()
}

#[test]
fn every_pass_is_another_permutation() {
    let (set, unchanged) = (set(), unchanged());
    let source = batches(&set, &unchanged, None);
    let mut assemble = source.assembler();
    let passes: Vec<Vec<usize>> = (0..4_u64)
        .map(|pass| (pass * 3..pass * 3 + 3).flat_map(|update| positions(&set, &assemble(update).unwrap())).collect())
        .collect();
    for (index, pass) in passes.iter().enumerate() {
        let mut sorted = pass.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..SAMPLES).collect::<Vec<_>>());
        assert!(!passes[..index].contains(pass), "pass {index} repeats another");
    }
}

/// Recorded once: a change here changes every trial ever recorded.
#[test]
fn the_order_and_the_transforms_are_pinned() {
    let (set, jitter) = (set(), jitter());
    let source = batches(&set, &jitter, None);
    let batch = source.assembler()(4).unwrap();
    assert_eq!(batch.labels(), [1, 2, 3, 1]);
    // Recorded when a batch was written as planes, `[N, 3, H, W]`.
    let planes: Vec<f32> = Vec::try_from(batch.images().unwrap().contiguous().flatten(0, -1)).unwrap();
    let bytes: Vec<u8> = planes.iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(Digest::of_bytes(&bytes).short(), "eae859eb14b8");
}

#[test]
fn a_batch_depends_on_its_update_alone() {
    let (set, jitter, mixer) = (set(), jitter(), partners());
    let source = batches(&set, &jitter, Some(&mixer));
    let mut forwards = source.assembler();
    let in_order: Vec<HostBatch> = (0..12).map(&mut forwards).collect::<Result<_, _>>().unwrap();
    let mut backwards = source.assembler();
    for update in (0..12).rev() {
        assert_eq!(backwards(update).unwrap(), in_order[update as usize], "update {update}");
    }
}

#[test]
fn targets_are_soft_only_when_batches_are_mixed() {
    let set = set();
    let plain = batches(&set, &unchanged(), None).assembler()(0).unwrap();
    assert!(matches!(&plain.targets, Targets::Labels(labels) if labels.len() == 4));
    let mixed = batches(&set, &unchanged(), Some(&partners())).assembler()(0).unwrap();
    let Targets::Soft { shares, classes } = mixed.targets else { panic!("mixed targets are soft") };
    assert_eq!((shares.len(), classes), (16, CLASSES));
    assert!(shares.chunks(CLASSES).all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-6));
}

#[test]
fn images_that_a_transform_resized_come_back_to_the_input_size() {
    struct Crop;
    impl Augmenter for Crop {
        fn apply(&self, image: RgbImage, _rng: &mut Stream) -> RgbImage {
            image::imageops::crop_imm(&image, 3, 5, 20, 11).to_image()
        }
    }
    let set = set();
    let batch = batches(&set, &pipeline(Crop), None).assembler()(2).unwrap();
    assert_eq!((batch.samples(), batch.pixels.len()), (2, 2 * INPUT.values()));
}

#[test]
fn an_upload_is_channels_last_and_keeps_every_value() {
    let set = set();
    let batch = batches(&set, &unchanged(), None).assembler()(1).unwrap();
    let (input, targets) = batch.stage(tch::Device::Cpu).unwrap().upload(tch::Device::Cpu).unwrap();
    let Input::Images(images) = input else { panic!("without a table, batches are of images") };
    assert_eq!(images.size(), [4, 3, 40, 40]);
    assert_eq!(images.stride(), [4800, 1, 120, 3]);
    let values: Vec<f32> = Vec::try_from(images.permute([0, 2, 3, 1]).contiguous().flatten(0, -1)).unwrap();
    assert_eq!(values, batch.pixels);
    let labels: Vec<i64> = Vec::try_from(targets).unwrap();
    assert_eq!(Targets::Labels(labels), batch.targets);
}
