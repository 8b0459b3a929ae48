//! Tests of the partition by source.

use super::*;
use crate::split::tests::{manifest, plain};

fn given(validation_from_train: f64) -> SplitRule {
    SplitRule::Given(Given { validation_from_train, ..Given::default() })
}

/// Assigns parts to the images of a manifest, in order.
fn assign_parts(manifest: &mut Manifest, parts: &[Split]) {
    assert_eq!(manifest.images.len(), parts.len());
    for (image, &part) in manifest.images.iter_mut().zip(parts) {
        image.split = Some(part);
    }
}

fn paths(images: &[ImageRecord]) -> Vec<&str> {
    images.iter().map(|image| image.path.as_str()).collect()
}

use Split::{Test, Train, Validation};

#[test]
fn a_given_split_is_taken_as_it_is() {
    let mut manifest = plain(&[3, 3]);
    assign_parts(&mut manifest, &[Train, Test, Validation, Validation, Train, Test]);
    let partition = Partition::new(&manifest, given(0.5), StudySeed(1)).unwrap();
    assert_eq!(paths(&partition.train.sources()), ["00000.png", "00004.png"]);
    assert_eq!(paths(partition.validation.images()), ["00002.png", "00003.png"]);
    assert_eq!(paths(partition.test.images()), ["00001.png", "00005.png"]);
    assert_eq!(partition.withheld, []);
}

#[test]
fn a_missing_validation_part_is_made_of_the_training_part() {
    let mut manifest = plain(&[20, 40]);
    let parts: Vec<Split> = (0..60).map(|i| if i % 10 == 0 { Test } else { Train }).collect();
    assign_parts(&mut manifest, &parts);
    let partition = Partition::new(&manifest, given(0.25), StudySeed(1)).unwrap();
    let of_class = |images: &[ImageRecord], class| images.iter().filter(|image| image.class == class).count();
    // 18 and 36 training images; 4.5 and 9 become validation.
    assert_eq!([0, 1].map(|class| of_class(partition.validation.images(), class)), [4, 9]);
    assert_eq!([0, 1].map(|class| of_class(&partition.train.sources(), class)), [14, 27]);
    assert!(partition.test.images().iter().all(|image| image.split == Some(Test)));
    assert_eq!(partition.test.images().len(), 6);
}

#[test]
fn twins_in_two_given_parts_are_withheld_from_the_earlier_one() {
    // Contents 1 and 2 are twice there, across parts and classes.
    let mut manifest =
        manifest(&[(0, 1, None), (0, 2, None), (0, 3, None), (1, 1, None), (1, 2, None), (1, 6, None), (0, 7, None)]);
    assign_parts(&mut manifest, &[Train, Train, Train, Test, Validation, Train, Validation]);
    let partition = Partition::new(&manifest, given(0.5), StudySeed(1)).unwrap();
    assert_eq!(paths(&partition.train.sources()), ["00002.png", "00005.png"]);
    assert_eq!(paths(partition.validation.images()), ["00004.png", "00006.png"]);
    assert_eq!(paths(partition.test.images()), ["00003.png"]);
    let withheld = |path: &str, twin: &str, twin_split| Withheld {
        path: path.to_owned(),
        split: Train,
        twin: twin.to_owned(),
        twin_split,
        identical: true,
    };
    assert_eq!(
        partition.withheld,
        [withheld("00000.png", "00003.png", Test), withheld("00001.png", "00004.png", Validation)]
    );
}

/// Images that look alike, by path.
fn alike(sets: &[&[&str]]) -> Bonds {
    let owned = |set: &&[&str]| set.iter().map(|path| (*path).to_owned()).collect();
    Bonds::new(sets.iter().map(owned), [])
}

#[test]
fn images_that_look_alike_are_drawn_into_one_part_and_nothing_else_changes() {
    let manifest = plain(&[30, 30]);
    let rule = SplitRule::default();
    let plain = Partition::new(&manifest, rule, StudySeed(3)).unwrap();
    let parts =
        |partition: &Partition| [partition.train.digest(), partition.validation.digest(), partition.test.digest()];
    let unasked = Partition::bonded(&manifest, rule, None, StudySeed(3), &Bonds::default()).unwrap();
    assert_eq!(parts(&plain), parts(&unasked));
    let sets: [&[&str]; 2] = [&["00000.png", "00001.png", "00045.png"], &["00007.png", "00031.png"]];
    for seed in 0..20 {
        let bonded = Partition::bonded(&manifest, rule, None, StudySeed(seed), &alike(&sets)).unwrap();
        let sources = bonded.train.sources();
        let everywhere = [&sources[..], bonded.validation.images(), bonded.test.images()].map(paths);
        for set in sets {
            assert!(everywhere.iter().any(|part| set.iter().all(|path| part.contains(path))), "seed {seed}, {set:?}");
        }
        assert_eq!(everywhere.iter().map(Vec::len).sum::<usize>(), 60);
    }
}

#[test]
fn training_images_that_look_like_one_of_test_are_withheld_and_told() {
    let mut manifest = plain(&[4, 4]);
    assign_parts(&mut manifest, &[Train, Train, Validation, Test, Train, Train, Validation, Test]);
    let bonds = alike(&[&["00000.png", "00003.png"], &["00002.png", "00007.png"], &["00004.png", "00005.png"]]);
    let partition = Partition::bonded(&manifest, given(0.5), None, StudySeed(1), &bonds).unwrap();
    assert_eq!(paths(&partition.train.sources()), ["00001.png", "00004.png", "00005.png"]);
    assert_eq!(paths(partition.test.images()), ["00003.png", "00007.png"], "test images are never taken away");
    let told: Vec<_> = partition.withheld.iter().map(|w| (&*w.path, &*w.twin, w.identical)).collect();
    assert_eq!(told, [("00000.png", "00003.png", false), ("00002.png", "00007.png", false)]);
}

#[test]
fn an_image_that_is_excluded_is_not_trained_on_and_stays_in_test() {
    let mut manifest = plain(&[3, 3]);
    assign_parts(&mut manifest, &[Train, Train, Test, Validation, Train, Test]);
    let exclude = |paths: &[&str]| Bonds::new([], paths.iter().map(|path| ((*path).to_owned(), "blurred".to_owned())));
    let divided = |bonds: &Bonds| Partition::bonded(&manifest, given(0.5), None, StudySeed(1), bonds);
    let partition = divided(&exclude(&["00000.png", "00002.png"])).unwrap();
    assert_eq!(paths(&partition.train.sources()), ["00001.png", "00004.png"]);
    assert_eq!(paths(partition.test.images()), ["00002.png", "00005.png"]);
    let told: Vec<_> = partition.excluded.iter().map(|left| (&*left.path, &*left.reason)).collect();
    assert_eq!(told, [("00000.png", "blurred")]);
    let error = divided(&exclude(&["00004.png"])).unwrap_err();
    assert!(matches!(error, SplitError::ClassTooSmall { ref class, .. } if class == "c1"), "{error}");
}

#[test]
fn a_given_split_that_breaks_a_group_is_an_error() {
    let mut manifest = manifest(&[(0, 1, Some(1)), (0, 2, Some(1)), (1, 3, None), (1, 4, None)]);
    assign_parts(&mut manifest, &[Train, Test, Train, Test]);
    assert_eq!(
        Partition::new(&manifest, given(0.5), StudySeed(1)).unwrap_err().to_string(),
        "group `g1` is in two parts: 00000.png is in train, 00001.png in test; a group must stay in one part"
    );
}

#[test]
fn an_incomplete_given_split_is_an_error() {
    let mut manifest = plain(&[4, 4]);
    let error = |manifest: &Manifest| Partition::new(manifest, given(0.5), StudySeed(1)).unwrap_err();
    assert_eq!(error(&manifest), SplitError::NotAssigned { first: "00000.png".to_owned(), missing: 8, images: 8 });
    assign_parts(&mut manifest, &[Train; 8]);
    assert_eq!(error(&manifest), SplitError::PartMissing(Test));
    assign_parts(&mut manifest, &[Train, Train, Train, Validation, Test, Test, Test, Test]);
    assert!(matches!(error(&manifest), SplitError::ClassTooSmall { ref class, .. } if class == "c1"));
}

#[test]
fn the_digest_of_a_part_covers_paths_classes_and_contents() {
    let mut manifest = plain(&[3, 3]);
    let parts = [Train, Test, Validation, Validation, Train, Test];
    assign_parts(&mut manifest, &parts);
    let digests = |manifest: &Manifest| {
        let partition = Partition::new(manifest, given(0.5), StudySeed(1)).unwrap();
        [partition.train.digest(), partition.validation.digest(), partition.test.digest()]
    };
    let before = digests(&manifest);
    manifest.images[0].digest = Digest::of_bytes(b"edited");
    manifest.images[1].path = "00001.bmp".to_owned();
    let after = digests(&manifest);
    assert_ne!(before[0], after[0]);
    assert_eq!(before[1], after[1]);
    assert_ne!(before[2], after[2]);
}

fn cut(partition: &Partition, manifest: &Manifest, dose: Dose, seed: u64) -> Result<Partition, SplitError> {
    partition.clone().cut(&manifest.classes, dose, StudySeed(seed))
}

#[test]
fn a_cut_training_part_is_nested_class_by_class_and_leaves_the_other_parts_alone() {
    let manifest = plain(&[40, 60]);
    let whole = Partition::new(&manifest, SplitRule::default(), StudySeed(1)).unwrap();
    let taken = |dose, seed| {
        let cut = cut(&whole, &manifest, dose, seed).unwrap();
        assert_eq!((cut.validation.digest(), cut.test.digest()), (whole.validation.digest(), whole.test.digest()));
        assert_eq!(cut.unused + cut.train.sources().len(), whole.train.sources().len());
        assert!(cut.train.sources().is_sorted_by_key(|image| &image.path));
        assert!(cut.train.sources().iter().all(|image| cut.train.contains(image.digest)));
        paths(&cut.train.sources()).into_iter().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let of_class = |paths: &BTreeSet<String>, class| {
        manifest.images.iter().filter(|image| image.class == class && paths.contains(&image.path)).count()
    };
    let doses = [1, 5, 10, 20].map(|n| taken(Dose::Images(n), 1));
    for (smaller, larger) in doses.iter().zip(&doses[1..]) {
        assert!(smaller.is_subset(larger));
    }
    assert_eq!([0, 1].map(|class| of_class(&doses[2], class)), [10, 10]);
    let half = taken(Dose::Fraction(0.5), 1);
    assert_eq!([0, 1].map(|class| of_class(&half, class)), [14, 21], "of 28 and 42");
    assert!(doses[2].is_subset(&half), "whichever way it is said");
    assert_ne!(taken(Dose::Images(5), 2), doses[1], "the seed is obeyed");
    let all = cut(&whole, &manifest, Dose::Fraction(1.0), 1).unwrap();
    assert_eq!((all.train.digest(), all.unused), (whole.train.digest(), 0), "all of it is the part as it was");
    let image = whole.train.sources().iter().find(|image| !doses[0].contains(&image.path)).unwrap();
    assert!(!cut(&whole, &manifest, Dose::Images(1), 1).unwrap().train.contains(image.digest));
}

#[test]
fn a_class_that_has_too_few_images_is_named_with_what_it_has() {
    let manifest = plain(&[20, 60]);
    let whole = Partition::new(&manifest, SplitRule::default(), StudySeed(1)).unwrap();
    let error = cut(&whole, &manifest, Dose::Images(30), 1).unwrap_err().to_string();
    let have = whole.train.sources().iter().filter(|image| image.class == 0).count();
    let expected = format!(
        "one class has too few training images for `train.images_per_class = 30`: `{}` has {have}; ask for at most {have}, or \
         take a share with `train.fraction`",
        manifest.classes[0]
    );
    assert_eq!(error, expected);
    assert!(cut(&whole, &manifest, Dose::Images(have as u32), 1).is_ok());
}
