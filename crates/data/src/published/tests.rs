//! Tests of the as-published protocol.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::audit::LeakAudit;
use crate::pixels::PixelBlock;
use crate::split::tests::plain;
use augtrial_plan::dataset::{SplitRule, Stratified};

fn consent() -> AsPublished {
    AsPublished::from_protocol(Protocol::AsPublished).unwrap()
}

/// 200 originals with two derived images each, divided 60 : 20 : 20.
fn divided(seed: u64, repeat: u32) -> MixedSets {
    let manifest = plain(&[100, 100]);
    let mut pixels = PixelStore::new(1, 1);
    pixels.push(Arc::new(PixelBlock::from_memory(1, 1, vec![0; 3 * 600])));
    let originals = PixelIndex::new(0, manifest.images.iter().map(|image| image.digest));
    let sources = everything(&manifest, consent());
    let derived = (0..2).flat_map(|copy| sources.iter().map(move |source| (copy, source))).enumerate();
    let derived = derived.map(|(i, (copy, source))| {
        let path = format!("{copy}-{}", source.path);
        let image = Digest::of_bytes(path.as_bytes());
        Derived { source: source.digest, class: source.class, image, path, pixels: 200 + i }
    });
    let mixture = Mixture { manifest: &manifest, derived: derived.collect(), pixels, originals: &originals, repeat };
    let rule = SplitRule::Stratified(Stratified { validation: 0.2, test: 0.2, ..Stratified::default() });
    split_mixed(mixture, Shares::of(rule, &manifest).unwrap(), StudySeed(seed), consent()).unwrap()
}

#[test]
fn only_the_as_published_protocol_consents() {
    assert!(AsPublished::from_protocol(Protocol::LeakFree).is_none());
    assert!(AsPublished::from_protocol(Protocol::AsPublished).is_some());
}

#[test]
fn files_are_divided_whatever_their_source() {
    let sets = divided(1, 1);
    let samples = [sets.train.samples(), sets.validation.samples(), sets.test.samples()];
    for (part, size) in samples.iter().zip([180, 60, 60]) {
        for label in 0..2 {
            assert_eq!(part.iter().filter(|sample| sample.label == label).count(), size);
        }
        assert!(part.iter().any(|sample| sample.derived) && part.iter().any(|sample| !sample.derived));
    }
    let mut files: BTreeMap<usize, u32> = BTreeMap::new();
    for sample in samples.into_iter().flatten() {
        *files.entry(sample.pixels).or_default() += 1;
    }
    assert_eq!(files.len(), 600);
    assert!(files.values().all(|&count| count == 1), "every file is in one part, once");
}

/// A test image has two siblings, each in training with probability 0.6: one at least with 1 - 0.4² = 0.84.
#[test]
fn the_audit_finds_the_siblings_that_chance_predicts() {
    let sets = divided(1, 1);
    let audit = LeakAudit::of(&sets.train, &sets.test);
    assert_eq!(audit.images, 120);
    assert!((0.74..0.94).contains(&(audit.with_sibling as f64 / 120.0)), "{audit:?}");
    assert!(!audit.is_clean());
}

#[test]
fn repeats_stay_in_training() {
    let (once, twice) = (divided(1, 1), divided(1, 2));
    let real = once.train.samples().iter().filter(|sample| !sample.derived).count();
    assert_eq!(twice.train.samples().len(), once.train.samples().len() + real);
    assert_eq!(twice.test.samples(), once.test.samples());
    assert_eq!(twice.train.originals(), once.train.originals());
}

#[test]
fn the_study_seed_decides_the_division() {
    assert_eq!(divided(1, 1).test.samples(), divided(1, 1).test.samples());
    assert_ne!(divided(1, 1).test.samples(), divided(2, 1).test.samples());
}
