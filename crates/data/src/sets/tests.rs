//! Tests of leak-free training and evaluation sets.

use std::sync::Arc;

use super::*;
use crate::audit::LeakAudit;
use crate::parts::Partition;
use crate::pixels::PixelBlock;
use crate::split::tests::plain;
use augtrial_base::events::Split;
use augtrial_base::seed::StudySeed;
use augtrial_plan::dataset::SplitRule;
use augtrial_plan::replace::ReplaceScope;

/// A partition of 20 images, and a store with their pixels and room for as many derived ones.
fn data() -> (Partition, PixelStore, PixelIndex) {
    let manifest = plain(&[10, 10]);
    let partition = Partition::new(&manifest, SplitRule::default(), StudySeed(1)).unwrap();
    let mut pixels = PixelStore::new(1, 1);
    let index = PixelIndex::new(5, manifest.images.iter().map(|image| image.digest));
    pixels.push(Arc::new(PixelBlock::from_memory(1, 1, vec![0; 3 * (5 + 20 + 20)])));
    (partition, pixels, index)
}

fn derived_of(source: &ImageRecord, pixels: usize) -> Derived {
    let image = Digest::of_bytes(format!("derived from {}", source.path).as_bytes());
    Derived { source: source.digest, class: source.class, image, path: format!("d-{}", source.path), pixels }
}

#[test]
fn a_training_set_lists_originals_and_then_derived_images() {
    let (partition, pixels, index) = data();
    let sources = partition.train.sources();
    let derived = sources.iter().enumerate().map(|(i, source)| derived_of(source, 25 + i));
    let set = TrainingSet::leak_free(&partition.train, pixels, &index, 2, derived).unwrap();
    let n = sources.len();
    assert_eq!((set.samples().len(), set.originals()), (3 * n, n));
    for (i, source) in sources.iter().enumerate() {
        let position: usize = source.path[..5].parse().unwrap();
        for sample in [&set.samples()[i], &set.samples()[n + i]] {
            assert_eq!((sample.image, sample.source, sample.label), (source.digest, source.digest, source.class));
            assert_eq!((sample.pixels, sample.derived), (5 + position, false));
        }
        let sample = &set.samples()[2 * n + i];
        assert_eq!((sample.source, sample.pixels, sample.derived), (source.digest, 25 + i, true));
    }
}

#[test]
fn an_image_derived_from_an_evaluation_source_is_refused() {
    let (partition, pixels, index) = data();
    for part in [&partition.validation, &partition.test] {
        let source = &part.images()[0];
        let set = TrainingSet::leak_free(&partition.train, pixels.clone(), &index, 1, [derived_of(source, 30)]);
        assert_eq!(
            set.unwrap_err(),
            SetError::Leak { path: format!("d-{}", source.path), source_digest: source.digest }
        );
    }
}

#[test]
fn images_without_pixels_are_refused() {
    let (partition, pixels, index) = data();
    let source = &partition.train.sources()[0];
    let set = TrainingSet::leak_free(&partition.train, pixels.clone(), &index, 1, [derived_of(source, 45)]);
    assert!(matches!(set.unwrap_err(), SetError::NoPixels { .. }));
    let none = PixelIndex::default();
    assert!(matches!(
        EvaluationSet::of_originals(&partition.test, pixels.clone(), &none).unwrap_err(),
        SetError::NoPixels { .. }
    ));
    let beyond = PixelIndex::new(pixels.len(), partition.test.images().iter().map(|image| image.digest));
    assert!(EvaluationSet::of_originals(&partition.test, pixels, &beyond).is_err());
}

#[test]
fn a_leak_free_set_has_no_sibling_in_evaluation() {
    let (partition, pixels, index) = data();
    let derived: Vec<Derived> = partition.train.sources().iter().map(|source| derived_of(source, 25)).collect();
    let train = TrainingSet::leak_free(&partition.train, pixels.clone(), &index, 1, derived).unwrap();
    for part in [&partition.validation, &partition.test] {
        let set = EvaluationSet::of_originals(part, pixels.clone(), &index).unwrap();
        let audit = LeakAudit::of(&train, &set);
        assert!(audit.is_clean(), "{audit:?}");
        assert_eq!((audit.split, audit.images), (part.split(), part.images().len()));
    }
    assert_eq!(partition.test.split(), Split::Test);
}

#[test]
fn images_that_stand_in_for_originals_add_nothing_to_the_set_and_must_not_leak_either() {
    let (partition, pixels, index) = data();
    let rule = Replace { p: 0.5, scope: ReplaceScope::SameSource };
    let sources = partition.train.sources();
    let derived = || sources.iter().map(|source| derived_of(source, 25));
    let set = TrainingSet::replacing(&partition.train, pixels.clone(), &index, 2, derived(), rule).unwrap();
    let plain = TrainingSet::leak_free(&partition.train, pixels.clone(), &index, 2, []).unwrap();
    assert_eq!((set.samples(), set.originals()), (plain.samples(), plain.originals()));
    assert_eq!(set.stand_ins().unwrap().images().len(), sources.len());
    assert_ne!(set.digest(), plain.digest());
    let leaking = derived_of(&partition.test.images()[0], 30);
    let refused = TrainingSet::replacing(&partition.train, pixels, &index, 1, [leaking], rule);
    assert!(matches!(refused, Err(SetError::Leak { .. })));
}

#[test]
fn extra_images_stand_behind_the_others_and_must_not_be_what_the_arm_is_judged_by() {
    let (partition, pixels, index) = data();
    let judged = [&partition.validation, &partition.test];
    let extra =
        |digest| Sample { pixels: 30, label: 1, image: digest, source: digest, path: "x.png".into(), derived: false };
    let set = || TrainingSet::leak_free(&partition.train, pixels.clone(), &index, 1, []).unwrap();
    let with = set().with_extra(vec![extra(Digest::of_bytes(b"new"))], judged).unwrap();
    assert_eq!(with.samples().len(), set().samples().len() + 1);
    assert_eq!((with.samples().last().unwrap().label, with.originals()), (1, set().originals()));
    for part in judged {
        let refused = set().with_extra(vec![extra(part.images()[0].digest)], judged);
        assert_eq!(refused.unwrap_err(), SetError::Judged { path: "x.png".into() });
    }
}
