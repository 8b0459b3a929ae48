//! Tests of shares and of the assignment of units to parts.

use proptest::prelude::*;

use super::*;
use crate::parts::Partition;
use augtrial_plan::dataset::Given;

/// A manifest of `(class, content, group)`; equal contents are byte-identical images.
pub(crate) fn manifest(images: &[(u32, u32, Option<u32>)]) -> Manifest {
    let classes = images.iter().map(|image| image.0 + 1).max().unwrap_or(0);
    let record = |(i, &(class, content, group)): (usize, &(u32, u32, Option<u32>))| ImageRecord {
        path: format!("{i:05}.png"),
        class,
        digest: Digest::of_bytes(&content.to_le_bytes()),
        width_px: 1,
        height_px: 1,
        group: group.map(|group| format!("g{group}")),
        split: None,
    };
    Manifest {
        classes: (0..classes).map(|class| format!("c{class}")).collect(),
        images: images.iter().enumerate().map(record).collect(),
        quarantined: Vec::new(),
        ignored: Vec::new(),
        synthetic: false,
    }
}

/// `counts[c]` images of class `c`, all different, without groups.
pub(crate) fn plain(counts: &[u32]) -> Manifest {
    let images = counts.iter().enumerate().flat_map(|(class, &count)| (0..count).map(move |i| (class as u32, i)));
    manifest(&images.map(|(class, i)| (class, class * 100_000 + i, None)).collect::<Vec<_>>())
}

fn stratified(validation: f64, test: f64) -> SplitRule {
    SplitRule::Stratified(Stratified { validation, test, ..Stratified::default() })
}

/// Path and class of the images of each part.
fn parts(partition: &Partition) -> [Vec<(&str, u32, Digest)>; 3] {
    let sources = [*partition.train.sources(), partition.validation.images(), partition.test.images()];
    sources.map(|images| images.iter().map(|i| (i.path.as_str(), i.class, i.digest)).collect())
}

fn count(images: &[(&str, u32, Digest)], class: u32) -> usize {
    images.iter().filter(|image| image.1 == class).count()
}

#[test]
fn sizes_are_the_largest_remainders_of_the_shares() {
    let sizes = |n, shares| part_sizes(n, Shares(shares));
    assert_eq!(sizes(100, [0.7, 0.13, 0.17]), [70, 13, 17]);
    assert_eq!(sizes(10, [0.7, 0.15, 0.15]), [7, 2, 1]);
    assert_eq!(sizes(403, [0.7, 0.13, 0.17]), [282, 52, 69]);
    assert_eq!(sizes(10, [0.1, 0.6, 0.3]), [1, 6, 3]);
    assert_eq!(sizes(3, [0.7, 0.13, 0.17]), [1, 1, 1]);
    assert_eq!(sizes(4, [0.7, 0.13, 0.17]), [2, 1, 1]);
    assert_eq!(sizes(5, [0.85, 0.15, 0.0]), [4, 1, 0]);
}

#[test]
fn a_class_with_fewer_sources_than_parts_is_an_error() {
    let error = Partition::new(&plain(&[9, 2]), stratified(0.2, 0.2), StudySeed(1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "class `c1` has 2 independent sources (groups and identical images count once) for 3 parts: \
         add images, or remove the class"
    );
    let one_group =
        manifest(&[(0, 1, None), (0, 2, None), (0, 3, None), (1, 4, Some(1)), (1, 5, Some(1)), (1, 6, Some(1))]);
    let error = Partition::new(&one_group, stratified(0.2, 0.2), StudySeed(1)).unwrap_err();
    assert_eq!(error, SplitError::ClassTooSmall { class: "c1".to_owned(), units: 1, parts: 3 });
}

#[test]
fn large_groups_leave_no_part_empty() {
    let images: Vec<_> = (0..15).map(|i| (0, i, Some(i / 5))).chain((0..3).map(|i| (1, 100 + i, None))).collect();
    let partition = Partition::new(&manifest(&images), stratified(0.13, 0.17), StudySeed(3)).unwrap();
    assert_eq!(parts(&partition).map(|images| count(&images, 0)), [5, 5, 5]);
}

#[test]
fn a_class_that_exists_only_inside_one_mixed_group_is_an_error() {
    let mut images: Vec<_> = (0..20).map(|i| (0, i, if i < 5 { Some(0) } else { None })).collect();
    images.extend((0..4).map(|i| (1, 100 + i, Some(0))));
    let error = Partition::new(&manifest(&images), stratified(0.2, 0.2), StudySeed(1)).unwrap_err();
    assert!(matches!(error, SplitError::ClassTooSmall { ref class, units: 1, .. } if class == "c1"), "{error}");
}

#[test]
fn groups_that_hold_several_classes_evenly_are_divided() {
    let images: Vec<_> = (0..40).map(|i| (i % 2, i, Some(i / 2))).collect();
    let partition = Partition::new(&manifest(&images), stratified(0.2, 0.2), StudySeed(1)).unwrap();
    for class in 0..2 {
        assert_eq!(parts(&partition).map(|images| count(&images, class)), [12, 4, 4], "class {class}");
    }
    let two_groups: Vec<_> = (0..8).map(|i| (i % 2, i, Some(i / 4))).collect();
    let error = Partition::new(&manifest(&two_groups), stratified(0.2, 0.2), StudySeed(1)).unwrap_err();
    assert_eq!(error, SplitError::ClassTooSmall { class: "c0".to_owned(), units: 2, parts: 3 });
}

#[test]
fn a_class_whose_every_image_is_another_classs_too_is_an_error_that_says_so() {
    let images: Vec<_> = (0..20).map(|i| (0, i, None)).chain((0..5).map(|i| (1, i, None))).collect();
    let mut manifest = manifest(&images);
    let error = Partition::new(&manifest, stratified(0.2, 0.2), StudySeed(1)).unwrap_err();
    assert_eq!(error, SplitError::ClassOfTwins { class: "c1".to_owned(), other: "c0".to_owned() });
    for image in &mut manifest.images {
        image.split = Some(Split::Train);
    }
    let error = Partition::new(&manifest, SplitRule::Given(Given::default()), StudySeed(1)).unwrap_err().to_string();
    assert!(error.starts_with("every image of class `c1` is byte-identical to one of class `c0`"), "{error}");
}

/// Recorded once: a change here changes every study that was split by an earlier version.
#[test]
fn the_draw_is_pinned() {
    let partition = Partition::new(&plain(&[10, 10]), stratified(0.2, 0.2), StudySeed(1)).unwrap();
    let test: Vec<&str> = partition.test.images().iter().map(|image| image.path.as_str()).collect();
    assert_eq!(test, ["00005.png", "00007.png", "00010.png", "00014.png"]);
}

#[test]
fn every_study_seed_draws_another_split() {
    let of = |seed| Partition::new(&plain(&[30, 30]), stratified(0.2, 0.2), StudySeed(seed)).unwrap().test.digest();
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
}

/// With the streams of the classes apart, one class's images do not move when another class grows.
#[test]
fn a_class_is_drawn_without_regard_to_the_others() {
    let of = |counts: &[u32]| {
        let manifest = plain(counts);
        let partition = Partition::new(&manifest, stratified(0.2, 0.2), StudySeed(1)).unwrap();
        parts(&partition)[2].iter().filter(|image| image.1 == 0).map(|image| image.2).collect::<Vec<_>>()
    };
    assert_eq!(of(&[30, 20]), of(&[30, 25]));
}

#[test]
fn shares_of_a_given_split_are_the_data_sets_own() {
    let mut manifest = plain(&[10, 10]);
    let rule = SplitRule::Given(Given { validation_from_train: 0.25, ..Given::default() });
    let unassigned = SplitError::NotAssigned { first: "00000.png".to_owned(), missing: 20, images: 20 };
    assert_eq!(Shares::of(rule, &manifest), Err(unassigned));
    for (i, image) in manifest.images.iter_mut().enumerate() {
        image.split = Some(if i % 5 == 0 { Split::Test } else { Split::Train });
    }
    let shares = Shares::of(rule, &manifest).unwrap();
    assert!(
        Split::ALL
            .iter()
            .zip([0.6, 0.2, 0.2])
            .all(|(&part, share): (_, f64)| (shares.part(part) - share).abs() < 1e-12)
    );
}

prop_compose! {
    /// Up to four classes of 3 to 60 images, some of equal content, some grouped, also across classes.
    fn arbitrary_images()(sizes in prop::collection::vec(3_u32..60, 1..4))
        (images in sizes.iter().enumerate().flat_map(|(class, &n)| (0..n).map(move |_| class as u32)).map(|class| {
            (Just(class), 0_u32..400, prop::option::weighted(0.3, 0_u32..40))
        }).collect::<Vec<_>>()) -> Vec<(u32, u32, Option<u32>)> { images }
}

proptest! {
    #[test]
    fn a_split_is_a_partition_and_no_unit_straddles(images in arbitrary_images(), seed in 0_u64..50) {
        let manifest = manifest(&images);
        // Chance may make a class too small or a group too wide for three parts; that is refused, and tested above.
        let Ok(partition) = Partition::new(&manifest, stratified(0.2, 0.2), StudySeed(seed)) else { return Ok(()) };
        let parts = parts(&partition);
        let mut paths: Vec<&str> = parts.iter().flatten().map(|image| image.0).collect();
        paths.sort_unstable();
        prop_assert_eq!(paths, manifest.images.iter().map(|image| image.path.as_str()).collect::<Vec<_>>());
        let part_of = |path: &str| parts.iter().position(|part| part.iter().any(|image| image.0 == path));
        for a in &manifest.images {
            for b in &manifest.images {
                if a.digest == b.digest || (a.group.is_some() && a.group == b.group) {
                    prop_assert_eq!(part_of(&a.path), part_of(&b.path), "{} and {}", &a.path, &b.path);
                }
            }
        }
        for class in 0..manifest.classes.len() as u32 {
            prop_assert!(parts.iter().all(|part| count(part, class) > 0), "class {class} is in every part");
        }
    }

    #[test]
    fn counts_are_within_one_of_the_shares(
        sizes in prop::collection::vec(10_u32..200, 2..5), validation in 0.1..0.4_f64, test in 0.1..0.4_f64, seed in 0_u64..50,
    ) {
        let manifest = plain(&sizes);
        let partition = Partition::new(&manifest, stratified(validation, test), StudySeed(seed)).unwrap();
        let parts = parts(&partition);
        for (class, &n) in sizes.iter().enumerate() {
            for (part, share) in parts.iter().zip([1.0 - validation - test, validation, test]) {
                let off = count(part, class as u32) as f64 - share * f64::from(n);
                prop_assert!(off.abs() < 1.0 + 1e-6, "class {class}: off by {off}");
            }
        }
    }

    #[test]
    fn the_order_and_the_names_of_the_images_decide_nothing(
        (images, shuffled) in arbitrary_images().prop_flat_map(|images| (Just(images.clone()), Just(images).prop_shuffle())),
    ) {
        let split = |images: &[(u32, u32, Option<u32>)]| {
            let manifest = manifest(images);
            Partition::new(&manifest, stratified(0.2, 0.2), StudySeed(7)).map(|partition| {
                parts(&partition).map(|part| {
                    let mut content: Vec<_> = part.into_iter().map(|(_, class, digest)| (digest, class)).collect();
                    content.sort_unstable();
                    content
                })
            })
        };
        prop_assert_eq!(split(&images), split(&shuffled));
    }
}
