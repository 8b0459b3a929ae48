//! Tests of the partition by source.

use super::*;
use crate::data::split::tests::{manifest, plain};

fn given(validation_from_train: f64) -> SplitRule {
    SplitRule::Given(Given { validation_from_train })
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
    };
    assert_eq!(
        partition.withheld,
        [withheld("00000.png", "00003.png", Test), withheld("00001.png", "00004.png", Validation)]
    );
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
    assert_eq!(error(&manifest), SplitError::NotAssigned("00000.png".to_owned()));
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
