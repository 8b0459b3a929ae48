//! What holds for every image, every parameter and every draw.

use image::RgbImage;
use proptest::prelude::*;

use super::*;
use augtrial_base::seed::{Purpose, Stream, StudySeed};

fn stream(seed: u64) -> Stream {
    StudySeed(seed).stream(Purpose::Gallery, 0)
}

fn noise_image(width: u32, height: u32, seed: u64) -> RgbImage {
    let mut rng = stream(seed);
    let bytes = (0..width * height * 3).map(|_| rng.random()).collect();
    RgbImage::from_raw(width, height, bytes).unwrap()
}

prop_compose! {
    fn any_image()(width in 1u32..24, height in 1u32..24, seed: u64) -> RgbImage {
        noise_image(width, height, seed)
    }
}

/// Every row of the table, and some with other parameters, all of which change a large noisy image.
fn every_transform() -> Vec<Transform> {
    let mut all = Transform::examples();
    all.extend([
        Transform::Rotation(Rotation { degrees: 180.0, fill: Fill::Edge }),
        Transform::RandomCrop(RandomCrop { padding_px: 30, fill: Fill::Edge }),
        Transform::Shift(Shift { x: 1.0, y: 0.5, fill: Fill::Edge }),
        Transform::SaltAndPepper(SaltAndPepper { block_px: 2, ..SaltAndPepper::default() }),
        Transform::RandomErasing(RandomErasing { value: EraseValue::Constant([1, 2, 3]), ..RandomErasing::default() }),
    ]);
    all
}

proptest! {
    #[test]
    fn every_transform_keeps_the_size_and_obeys_its_stream(image in any_image(), seed: u64) {
        for transform in every_transform() {
            let augmenter = augmenter(&transform);
            let once = augmenter.apply(image.clone(), &mut stream(seed));
            prop_assert_eq!(once.dimensions(), image.dimensions(), "{}", transform.name());
            prop_assert_eq!(&augmenter.apply(image.clone(), &mut stream(seed)), &once, "{}", transform.name());
        }
    }

    #[test]
    fn a_flip_undoes_itself(image in any_image()) {
        for flip in [flip_horizontally, flip_vertically] {
            let mut flipped = image.clone();
            flip(&mut flipped);
            flip(&mut flipped);
            prop_assert_eq!(&flipped, &image);
        }
    }

    #[test]
    fn flips_and_turns_move_pixels_and_lose_none(image in any_image(), turns in 0u8..4) {
        let sorted = |image: &RgbImage| {
            let mut pixels: Vec<_> = image.pixels().map(|pixel| pixel.0).collect();
            pixels.sort_unstable();
            pixels
        };
        let mut flipped = image.clone();
        flip_horizontally(&mut flipped);
        flip_vertically(&mut flipped);
        prop_assert_eq!(&flipped, &quarter_turns(image.clone(), 2));
        prop_assert_eq!(sorted(&quarter_turns(image.clone(), turns)), sorted(&image));
        let back = quarter_turns(quarter_turns(image.clone(), turns), (4 - turns) % 4);
        prop_assert_eq!(back, image);
    }

    #[test]
    fn a_crop_that_is_drawn_lies_in_the_image(
        width in 1u32..60, height in 1u32..60, least in 0.01f64..1.0, flat in 0.1f64..1.0, seed: u64,
    ) {
        let of = RandomResizedCrop { scale: [least, 1.0], ratio: [flat, 1.0 / flat], ..RandomResizedCrop::default() };
        let rect = draw_crop(&of, width, height, &mut stream(seed));
        prop_assert!(rect.width_px > 0 && rect.height_px > 0 && rect.is_within(width, height), "{:?}", rect);
    }

    #[test]
    fn a_window_far_outside_shows_the_fill_alone(image in any_image(), far in 24i64..i64::MAX / 2) {
        let color = [7, 8, 9];
        for (left, top) in [(far, 0), (-far, 0), (0, far), (0, -far), (i64::MIN + 1, i64::MAX)] {
            let shown = window(&image, left, top, &Fill::Constant(color));
            prop_assert!(shown.pixels().all(|pixel| pixel.0 == color));
            let shown = window(&image, left, top, &Fill::Edge);
            prop_assert!(shown.pixels().all(|pixel| image.pixels().any(|own| own == pixel)));
        }
    }

    #[test]
    fn neutral_factors_leave_the_image_alone(image in any_image()) {
        let mut same = image.clone();
        adjust_brightness(&mut same, 1.0);
        adjust_contrast(&mut same, 1.0);
        adjust_saturation(&mut same, 1.0);
        adjust_hue(&mut same, 0.0);
        scale_hsv(&mut same, [1.0; 3]);
        scale_lab(&mut same, [1.0; 3]);
        add_noise(&mut same, 0.0, || 1.0);
        prop_assert_eq!(&same, &image);
        prop_assert_eq!(&rotate(image.clone(), 0.0, &Fill::default()), &image);
        prop_assert_eq!(&window(&image, 0, 0, &Fill::default()), &image);
    }

    #[test]
    fn every_mixed_image_has_shares_of_classes_that_sum_to_one_and_obeys_its_stream(
        len in 1usize..6, width in 1usize..7, height in 1usize..7, seed: u64,
    ) {
        let own = [Each::Batch, Each::Element].map(|each| Mix::AnyOf(AnyOf { each, ..AnyOf::default() }));
        let pairs = [Pairs::CrossClass, Pairs::SameClass];
        let paired = pairs.map(|pairs| Mix::Cutmix(Cutmix { each: Each::Element, pairs, ..Cutmix::default() }));
        for mix in Mix::examples().into_iter().chain(own).chain(paired) {
            let made = || {
                let mut rng = stream(seed);
                let mut images: Vec<f32> = (0..len * 3 * width * height).map(|_| rng.random()).collect();
                let mut targets: Vec<f32> = (0..len).flat_map(|i| if i % 2 == 0 { [1.0, 0.0] } else { [0.0, 1.0] }).collect();
                let mut batch = Batch { images: &mut images, targets: &mut targets, len, width_px: width, height_px: height };
                let hidden = Mixer::new(&mix).apply(&mut batch, &mut rng);
                (images, targets, hidden)
            };
            let (images, targets, hidden) = made();
            prop_assert!(images.iter().all(|value| (-1e-6..=1.0 + 1e-6).contains(value)), "{}", mix.name());
            prop_assert!(targets.chunks_exact(2).all(|t| (t[0] + t[1] - 1.0).abs() < 1e-5), "{} {targets:?}", mix.name());
            prop_assert_eq!(made(), (images, targets, hidden), "{}", mix.name());
        }
    }

    #[test]
    fn a_mixed_batch_keeps_its_mass(len in 1usize..6, width in 1usize..7, height in 1usize..7, alpha in 0.05f64..4.0, seed: u64) {
        for mix in [
            Mix::Mixup(Mixup { alpha, ..Mixup::default() }),
            Mix::Cutmix(Cutmix { alpha, ..Cutmix::default() }),
        ] {
            let mut rng = stream(seed);
            let mut images: Vec<f32> = (0..len * 3 * width * height).map(|_| rng.random()).collect();
            let mut targets: Vec<f32> = (0..len * 2).map(|i| if i % 4 == 0 || i % 4 == 3 { 1.0 } else { 0.0 }).collect();
            let total = |values: &[f32]| values.iter().map(|&v| f64::from(v)).sum::<f64>();
            let before = (total(&images), total(&targets));
            let mut batch = Batch { images: &mut images, targets: &mut targets, len, width_px: width, height_px: height };
            Mixer::new(&mix).apply(&mut batch, &mut rng);
            // A permutation moves whole images, so sums over the batch stay, for targets exactly one per image.
            prop_assert!((total(&images) - before.0).abs() < 1e-3);
            prop_assert!((total(&targets) - before.1).abs() < 1e-5);
            prop_assert!(targets.chunks_exact(2).all(|t| (t[0] + t[1] - 1.0).abs() < 1e-6));
        }
    }
}

#[test]
fn every_transform_changes_with_its_stream() {
    let mut image = noise_image(48, 36, 1);
    // Not of the whole range, so that stretching it changes it.
    image.iter_mut().for_each(|byte| *byte = 20 + *byte / 2);
    for transform in every_transform() {
        let augmenter = augmenter(&transform);
        let results: std::collections::BTreeSet<Vec<u8>> =
            (0..24).map(|seed| augmenter.apply(image.clone(), &mut stream(seed)).into_raw()).collect();
        assert!(results.len() > 1, "{}", transform.name());
    }
}

#[test]
fn probabilities_of_zero_and_one_are_certain() {
    let image = noise_image(9, 7, 1);
    let changed = |p: f64, seed: u64| {
        [Transform::HorizontalFlip(HorizontalFlip { p }), Transform::VerticalFlip(VerticalFlip { p })]
            .map(|flip| augmenter(&flip).apply(image.clone(), &mut stream(seed)) != image)
    };
    for seed in 0..50 {
        assert_eq!(changed(0.0, seed), [false; 2]);
        assert_eq!(changed(1.0, seed), [true; 2]);
    }
}

#[test]
fn a_batch_is_mixed_with_the_asked_probability() {
    let mixed = (0..1000).filter(|&seed| {
        let (mut images, mut targets) = ([1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        let mut batch = Batch { images: &mut images, targets: &mut targets, len: 4, width_px: 1, height_px: 1 };
        Mixer::new(&Mix::Mixup(Mixup { p: 0.3, ..Mixup::default() })).apply(&mut batch, &mut stream(seed));
        images != [1.0, 2.0, 3.0, 4.0]
    });
    // One of 24 permutations moves nothing; four standard errors of a share of 1000.
    let share = mixed.count() as f64 / 1000.0;
    assert!((share - 0.3 * 23.0 / 24.0).abs() < 0.058, "{share}");
}

#[test]
fn mixup_by_hand_with_two_cycles() {
    let (mut images, mut targets) = ([1.0, 2.0, 4.0, 8.0, 16.0], [1.0, 0.0, 0.0, 0.0, 0.0]);
    let mut batch = Batch { images: &mut images, targets: &mut targets, len: 5, width_px: 1, height_px: 1 };
    mixup(&mut batch, &Pair::all(&[2, 1, 4, 3, 0], 0.75));
    assert_eq!(images, [1.75, 2.0, 7.0, 8.0, 12.25]);
    assert_eq!(targets, [0.75, 0.0, 0.0, 0.0, 0.25]);
}

#[test]
fn a_pipeline_applies_its_transforms_in_order() {
    let image = noise_image(8, 6, 3);
    let flip = || Transform::HorizontalFlip(HorizontalFlip { p: 1.0 });
    let crop = || Transform::RandomCrop(RandomCrop { padding_px: 2, fill: Fill::default() });
    let apply = |transforms: &[Transform]| Pipeline::new(transforms).apply(image.clone(), &mut stream(5));
    assert!(Pipeline::new(&[]).is_empty());
    assert_eq!(apply(&[]), image);
    assert_eq!(apply(&[flip(), flip()]), image);

    let mut rng = stream(5);
    let by_hand = augmenter(&crop()).apply(augmenter(&flip()).apply(image.clone(), &mut rng), &mut rng);
    assert_eq!(apply(&[flip(), crop()]), by_hand);
    assert_ne!(apply(&[crop(), flip()]), by_hand);
}

/// A number without a limit would reach a kernel whatever it is.
#[test]
fn every_number_has_a_limit_and_every_default_and_example_keeps_it() {
    for row in Transform::ROWS.iter().chain(Mix::ROWS) {
        for parameter in row.parameters() {
            let free =
                parameter.bounds.is_empty() && ["number", "integer"].iter().any(|kind| parameter.kind.contains(kind));
            assert!(!free || parameter.kind.contains("constant"), "{}.{} has no limit", row.name, parameter.name);
            assert!(!parameter.help.is_empty(), "{}.{} has no doc comment", row.name, parameter.name);
            let unit = parameter.name.ends_with("_px").then_some("px");
            assert!(unit.is_none_or(|unit| parameter.unit == unit), "{}.{} is in px", row.name, parameter.name);
        }
        assert!((row.limits)().iter().all(|limit| limit.faults.is_empty()), "{}", row.name);
        assert!(!row.help().is_empty(), "{} has no doc comment", row.name);
    }
    let examples = Transform::examples();
    assert!(examples.iter().flat_map(Transform::limits).all(|limit| limit.faults.is_empty()));
    assert!(Mix::examples().iter().flat_map(Mix::limits).all(|limit| limit.faults.is_empty()));
}
