//! Every operation against torchvision 0.28 v2 on uint8 tensors: 200 random images with 200 random sets of parameters each,
//! and the strengths and tables of every policy (`fixtures/parity/make_parity.py`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use image::RgbImage;
use serde::Deserialize;

use super::*;
use crate::policy::{Operation, Space, Step};
use augtrial_base::digest::Digest;

#[derive(Deserialize)]
struct Fixture {
    operations: Vec<Compared>,
    spaces: Vec<Scale>,
    auto_augment: BTreeMap<String, Vec<Vec<Step>>>,
    timm: Vec<(Operation, bool, f64, bool, f64)>,
}

#[derive(Deserialize)]
struct Compared {
    name: String,
    /// Every byte must agree; then the result is the start of a digest.
    exact: bool,
    /// Seed of the image, parameters, result.
    cases: Vec<(u64, Vec<f64>, String)>,
}

#[derive(Deserialize)]
struct Scale {
    policy: String,
    operation: Operation,
    signed: bool,
    width: u32,
    height: u32,
    strengths: Vec<f64>,
}

/// How far a result may be from the other library's, where that computes with fused operations or powers of its own: the
/// largest difference of a channel and the mean one.
const BOUNDS: [(&str, u8, f64); 10] = [
    ("grayscale", 0, 0.0),
    ("contrast", 0, 0.0),
    ("color", 1, 0.002),
    ("hue", 0, 0.0),
    ("gamma", 1, 0.01),
    ("affine_bilinear", 1, 0.001),
    ("perspective_bilinear", 1, 0.001),
    ("elastic", 1, 0.001),
    ("motion_blur", 1, 0.004),
    ("clahe", 6, 0.002),
];

/// The transforms whose kernels and strengths are compared here.
pub(crate) const ROWS: [&str; 26] = [
    "affine",
    "shear",
    "perspective",
    "elastic",
    "posterize",
    "solarize",
    "invert",
    "autocontrast",
    "equalize",
    "grayscale",
    "sharpness",
    "gamma",
    "channel_shuffle",
    "photometric_distort",
    "trivial_augment_wide",
    "rand_augment",
    "timm_rand_augment",
    "auto_augment",
    "aug_mix",
    "motion_blur",
    "jpeg",
    "grid_mask",
    "rgb_shift",
    "downscale",
    "clahe",
    "d4",
];

fn fixture() -> Fixture {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/parity/parity.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// `SplitMix64` (Steele et al. 2014): numbers that the script makes alike.
fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    let start = seed.wrapping_mul(0x632B_E59B_D9B4_E019);
    (1_u64..).map(move |index| {
        let state = start.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    })
}

/// The image of a seed, as `make_image` of the script.
fn image(seed: u64, small: Option<(u32, u32)>) -> RgbImage {
    let mut numbers = numbers(seed);
    let mut side = || 3 + (numbers.next().unwrap() % 38) as u32;
    let drawn = (side(), side());
    let (width, height) = small.unwrap_or(drawn);
    RgbImage::from_fn(width, height, |x, y| {
        let noise: [u8; 3] = std::array::from_fn(|_| numbers.next().unwrap() as u8);
        image::Rgb(match seed % 4 {
            1 => noise.map(|value| 100 + value % 40),
            2 => [(x * 255 / (width - 1).max(1)) as u8, (y * 255 / (height - 1).max(1)) as u8, noise[2]],
            3 => [noise[0] & 0xC0, 77, noise[2] & 0xC0],
            _ => noise,
        })
    })
}

const FILL: Fill = Fill::Constant([10, 200, 90]);
const BLACK: Fill = Fill::Constant([0; 3]);

/// What we make of the case.
fn run(name: &str, mut image: RgbImage, given: &[f64]) -> RgbImage {
    let near = Sampling::new(Interpolation::Nearest, &FILL);
    let smooth = Sampling::new(Interpolation::Bilinear, &FILL);
    match name {
        "posterize" => posterize(&mut image, given[0] as u32),
        "solarize" => solarize(&mut image, given[0]),
        "autocontrast" => autocontrast(&mut image),
        "equalize" => equalize(&mut image),
        "invert" => invert(&mut image),
        "grayscale" => grayscale(&mut image),
        "sharpness" => return adjust_sharpness(image, given[0]),
        "brightness" => adjust_brightness(&mut image, given[0]),
        "contrast" => adjust_contrast(&mut image, given[0]),
        "color" => adjust_saturation(&mut image, given[0]),
        "hue" => adjust_hue(&mut image, given[0]),
        "gamma" => adjust_gamma(&mut image, given[0]),
        "channel_shuffle" => permute_channels(&mut image, std::array::from_fn(|index| given[index] as usize)),
        "shear_x" => return Operation::ShearX.apply(image, given[0], near),
        "shear_y" => {
            return Operation::ShearY.apply(image, given[0], Sampling::of_policy(Interpolation::Nearest, &BLACK));
        }
        "translate_x" => return Operation::TranslateX.apply(image, given[0], near),
        "translate_y" => return Operation::TranslateY.apply(image, given[0], smooth),
        "rotate" => return Operation::Rotate.apply(image, given[0], near),
        "affine" => return affine(image, near, &motion(given)),
        "affine_bilinear" => return affine(image, smooth, &motion(given)),
        "perspective" => return perspective(image, near, corners(given)),
        "perspective_bilinear" => {
            return perspective(image, Sampling::of_policy(Interpolation::Bilinear, &BLACK), corners(given));
        }
        "motion_blur" => return motion_blur(image, given[0] as u32, given[1], given[2]),
        "jpeg" => return jpeg(image, given[0] as u8),
        "grid_mask" => {
            let [period, bar, left, top] = std::array::from_fn(|index| given[index] as u32);
            grid_mask(&mut image, period, bar, [left, top], [10, 200, 90]);
        }
        "rgb_shift" => shift_rgb(&mut image, std::array::from_fn(|channel| given[channel] as i16)),
        "downscale" => return downscale(image, given[0]),
        "clahe" => clahe(&mut image, given[0], [given[1] as u32, given[2] as u32]),
        "d4" => return d4(image, given[0] as usize),
        "elastic" => {
            let field: Vec<f32> = numbers(given[0] as u64)
                .take(2 * image.pixels().len())
                .map(|number| (number & 0xFFFF) as f32 / 65536.0 - 0.5)
                .collect();
            let (across, down) = field.split_at(field.len() / 2);
            return displace(image, smooth, across, down);
        }
        "aug_mix" => {
            let mut mixture = Mixture::new(&image, given[0] as f32);
            let rest = (1.0 - given[0]) as f32;
            for (share, operation) in given[1..].iter().zip([Operation::Invert, Operation::Equalize]) {
                mixture.add(&operation.apply(image.clone(), 0.0, near), *share as f32 * rest);
            }
            return mixture.finish(image);
        }
        other => panic!("`{other}` has no kernel"),
    }
    image
}

fn motion(given: &[f64]) -> Motion {
    let &[degrees, right, down, scale, x, y] = given else { panic!("six numbers") };
    Motion { degrees, translate: [right, down], scale, shear: [x, y], ..Motion::NONE }
}

fn corners(given: &[f64]) -> Corners {
    std::array::from_fn(|corner| [given[2 * corner] as u32, given[2 * corner + 1] as u32])
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).expect("hexadecimal") as u8;
    hexadecimal.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

#[test]
fn two_hundred_random_cases_of_every_operation_agree_with_torchvision() {
    let operations = fixture().operations;
    assert_eq!(operations.len(), 31);
    let mut wrong = Vec::new();
    for Compared { name, exact, cases } in &operations {
        assert_eq!(cases.len(), 200, "{name}");
        let (mut largest, mut total, mut all) = (0, 0, 0);
        for (seed, given, expected) in cases {
            let small = if name == "clahe" { (13, 10) } else { (6, 5) };
            let made = run(name, image(*seed, (!exact).then_some(small)), given);
            if *exact {
                let digest = Digest::of_bytes(made.as_raw()).to_string();
                if !digest.starts_with(expected) {
                    wrong.push(format!("{name}: another result of image {seed} with {given:?}"));
                }
                continue;
            }
            let expected = bytes(expected);
            assert_eq!(made.len(), expected.len(), "{name}");
            let differences = made.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b));
            largest = differences.clone().max().unwrap_or(0).max(largest);
            total += differences.map(usize::from).sum::<usize>();
            all += expected.len();
        }
        if !exact {
            let (_, most, bound) = BOUNDS.iter().find(|(of, ..)| of == name).expect("what is not exact has a bound");
            let mean = total as f64 / f64::from(all as u32);
            if largest > *most || mean > *bound {
                wrong.push(format!("{name}: off by {largest}, {mean:.5} in the mean"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn strengths_of_every_policy_are_those_of_torchvision() {
    let space_of = |policy: &str| -> Space {
        match policy {
            "rand_augment" => crate::transforms::rand_augment::SPACE.clone(),
            "trivial_augment_wide" => TrivialAugmentWide::default().space(),
            "aug_mix" => AugMix::default().space(),
            other => panic!("`{other}` is no policy"),
        }
    };
    let mut seen: BTreeMap<String, BTreeSet<Operation>> = BTreeMap::new();
    for of in fixture().spaces {
        let space = space_of(&of.policy);
        let made: Vec<f64> = (0..of.strengths.len())
            .map(|index| space.magnitude(of.operation, index, of.strengths.len(), (of.width, of.height)))
            .collect();
        assert_eq!(made, of.strengths, "{:?} of {} at {}x{}", of.operation, of.policy, of.width, of.height);
        assert_eq!(of.operation.is_signed(), of.signed, "{:?}", of.operation);
        seen.entry(of.policy).or_default().insert(of.operation);
    }
    for (policy, operations) in seen {
        assert_eq!(operations, space_of(&policy).operations.iter().copied().collect(), "{policy}");
    }
}

#[test]
fn the_tables_of_auto_augment_are_those_of_torchvision() {
    let tables = fixture().auto_augment;
    assert_eq!(tables.len(), 3);
    for (name, found_on) in [("imagenet", FoundOn::ImageNet), ("cifar10", FoundOn::Cifar10), ("svhn", FoundOn::Svhn)] {
        let lines: Vec<Vec<_>> = found_on.lines().iter().map(|line| line.to_vec()).collect();
        assert_eq!(lines, tables[name], "{name}");
    }
}

#[test]
fn arguments_of_timms_operations_are_those_of_timm() {
    let cases = fixture().timm;
    assert_eq!(cases.len(), 2 * 15 * 6 * 2);
    for (operation, increasing, magnitude, negate, expected) in cases {
        let made = TimmRandAugment { increasing, ..Default::default() }.argument(operation, magnitude, negate);
        // timm hands over factors and thresholds of 255.
        let made = match operation {
            Operation::Color | Operation::Contrast | Operation::Brightness | Operation::Sharpness => made + 1.0,
            Operation::Solarize => made * 255.0,
            _ => made,
        };
        // Bits below 0 keep nothing, as 0 does.
        let expected = if operation == Operation::Posterize { expected.max(0.0) } else { expected };
        assert!((made - expected).abs() < 1e-12, "{operation:?} {increasing} {magnitude} {negate}: {made}, {expected}");
    }
}
