//! Batches: functions of the update alone, in a shuffled order that is pinned.

use image::RgbImage;

use super::images::{CLASSES, Jitter, Neighbours, SIDE_PX, samples};
use crate::data::samples::TrainingSet;
use crate::digest::Digest;
use crate::plan::classifier::Budget;
use crate::seed::{Stream, StudySeed};
use crate::train::batches::{BatchMix, HostBatch, SampleTransform, Targets, TrainingBatches, Unchanged};
use crate::train::preprocess::InputSize;
use crate::train::timetable::Timetable;

const SAMPLES: usize = 10;
const INPUT: InputSize = InputSize { width_px: SIDE_PX, height_px: SIDE_PX };

fn set() -> TrainingSet {
    let (samples, store) = samples("train", SAMPLES);
    TrainingSet::for_tests(samples, store)
}

fn batches<'a>(
    set: &'a TrainingSet,
    transforms: &'a dyn SampleTransform,
    mix: Option<&'a dyn BatchMix>,
) -> TrainingBatches<'a> {
    TrainingBatches {
        set,
        timetable: Timetable::new(Budget::Epochs(4), 4, SAMPLES, SAMPLES),
        input: INPUT,
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
    let plain = TrainingBatches {
        timetable: Timetable::new(Budget::Epochs(1), 1, SAMPLES, SAMPLES),
        ..batches(set, &Unchanged, None)
    };
    let mut assemble = plain.assembler();
    let singles: Vec<HostBatch> = (0..SAMPLES as u64).map(&mut assemble).collect();
    let by_brightness =
        |image: &[f32]| singles.iter().position(|single| single.pixels == image).expect("a known image");
    batch.pixels.chunks(INPUT.values()).map(by_brightness).collect()
}

#[test]
fn every_pass_is_another_permutation() {
    let set = set();
    let source = batches(&set, &Unchanged, None);
    let mut assemble = source.assembler();
    let passes: Vec<Vec<usize>> = (0..4_u64)
        .map(|pass| (pass * 3..pass * 3 + 3).flat_map(|update| positions(&set, &assemble(update))).collect())
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
    let set = set();
    let source = batches(&set, &Jitter, None);
    let batch = source.assembler()(4);
    assert_eq!(batch.labels(), [1, 2, 3, 1]);
    let bytes: Vec<u8> = batch.pixels.iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(Digest::of_bytes(&bytes).short(), "eae859eb14b8");
}

#[test]
fn a_batch_depends_on_its_update_alone() {
    let set = set();
    let source = batches(&set, &Jitter, Some(&Neighbours));
    let mut forwards = source.assembler();
    let in_order: Vec<HostBatch> = (0..12).map(&mut forwards).collect();
    let mut backwards = source.assembler();
    for update in (0..12).rev() {
        assert_eq!(backwards(update), in_order[update as usize], "update {update}");
    }
}

#[test]
fn targets_are_soft_only_when_batches_are_mixed() {
    let set = set();
    let plain = batches(&set, &Unchanged, None).assembler()(0);
    assert!(matches!(&plain.targets, Targets::Labels(labels) if labels.len() == 4));
    let mixed = batches(&set, &Unchanged, Some(&Neighbours)).assembler()(0);
    let Targets::Soft { shares, classes } = mixed.targets else { panic!("mixed targets are soft") };
    assert_eq!((shares.len(), classes), (16, CLASSES));
    assert!(shares.chunks(CLASSES).all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-6));
}

#[test]
fn images_that_a_transform_resized_come_back_to_the_input_size() {
    struct Crop;
    impl SampleTransform for Crop {
        fn apply(&self, image: RgbImage, _rng: &mut Stream) -> RgbImage {
            image::imageops::crop_imm(&image, 3, 5, 20, 11).to_image()
        }
    }
    let set = set();
    let batch = batches(&set, &Crop, None).assembler()(2);
    assert_eq!((batch.samples(), batch.pixels.len()), (2, 2 * INPUT.values()));
}

#[test]
fn an_upload_is_channels_last_and_keeps_every_value() {
    let set = set();
    let batch = batches(&set, &Unchanged, None).assembler()(1);
    let (images, targets) = batch.stage(tch::Device::Cpu).unwrap().upload(tch::Device::Cpu).unwrap();
    assert_eq!(images.size(), [4, 3, 40, 40]);
    assert_eq!(images.stride(), [4800, 1, 120, 3]);
    let values: Vec<f32> = Vec::try_from(images.contiguous().flatten(0, -1)).unwrap();
    assert_eq!(values, batch.pixels);
    let labels: Vec<i64> = Vec::try_from(targets).unwrap();
    assert_eq!(Targets::Labels(labels), batch.targets);
}
