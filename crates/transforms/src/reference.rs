//! The kernels against the numbers of torchvision and scikit-image (`fixtures/transforms/make_fixture.py`).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use image::RgbImage;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Fixture {
    input: Case,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    #[serde(flatten)]
    operation: Operation,
    width_px: u32,
    height_px: u32,
    rgb: String,
}

#[derive(Deserialize, Debug)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Operation {
    Input,
    HorizontalFlip,
    VerticalFlip,
    QuarterTurns { turns: u8 },
    Rotate { degrees: f64, fill: [u8; 3] },
    ResizedCrop { left: u32, top: u32, width: u32, height: u32, to: (u32, u32) },
    Window { left: i64, top: i64, fill: Fill },
    Brightness { factor: f64 },
    Contrast { factor: f64 },
    Saturation { factor: f64 },
    Hue { turns: f64 },
    HsvScale { factors: [f64; 3] },
    LabScale { factors: [f64; 3] },
    Blur { kernel_px: u32, sigma: f64 },
    Noise { sigma: f64, field: Vec<f32> },
    Erase { left: u32, top: u32, width: u32, height: u32, color: [u8; 3] },
    Cutout { x: u32, y: u32, side: u32 },
}

impl Case {
    fn image(&self) -> RgbImage {
        let digit = |byte: u8| (byte as char).to_digit(16).expect("hexadecimal") as u8;
        let bytes = self.rgb.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect();
        RgbImage::from_raw(self.width_px, self.height_px, bytes).expect("three bytes a pixel")
    }
}

impl Operation {
    fn run(&self, mut image: RgbImage) -> RgbImage {
        let (width_px, height_px) = image.dimensions();
        match self {
            Self::Input => {}
            Self::HorizontalFlip => flip_horizontally(&mut image),
            Self::VerticalFlip => flip_vertically(&mut image),
            Self::QuarterTurns { turns } => return quarter_turns(image, *turns),
            Self::Rotate { degrees, fill } => return rotate(image, *degrees, &Fill::Constant(*fill)),
            Self::ResizedCrop { left, top, width, height, to } => {
                return resized_crop(image, rect(*left, *top, *width, *height), to.0, to.1);
            }
            Self::Window { left, top, fill } => return window(&image, *left, *top, fill),
            Self::Brightness { factor } => adjust_brightness(&mut image, *factor),
            Self::Contrast { factor } => adjust_contrast(&mut image, *factor),
            Self::Saturation { factor } => adjust_saturation(&mut image, *factor),
            Self::Hue { turns } => adjust_hue(&mut image, *turns),
            Self::HsvScale { factors } => scale_hsv(&mut image, *factors),
            Self::LabScale { factors } => scale_lab(&mut image, *factors),
            Self::Blur { kernel_px, sigma } => gaussian_blur(&mut image, *kernel_px, *sigma),
            Self::Noise { sigma, field } => {
                let mut field = field.iter().copied();
                add_noise(&mut image, *sigma, || field.next().expect("one value per channel"));
            }
            Self::Erase { left, top, width, height, color } => {
                erase(&mut image, rect(*left, *top, *width, *height), *color);
            }
            Self::Cutout { x, y, side } => erase(&mut image, hole(*x, *y, *side, width_px, height_px), [0; 3]),
        }
        image
    }

    /// The transforms whose kernel this is.
    fn rows(&self) -> &'static [&'static str] {
        match self {
            Self::Input => &[],
            Self::HorizontalFlip => &["horizontal_flip"],
            Self::VerticalFlip => &["vertical_flip"],
            Self::QuarterTurns { .. } => &["quarter_turns"],
            Self::Rotate { .. } => &["rotation"],
            Self::ResizedCrop { .. } => &["random_resized_crop"],
            Self::Window { .. } => &["random_crop", "shift"],
            Self::Brightness { .. } | Self::Contrast { .. } | Self::Saturation { .. } | Self::Hue { .. } => {
                &["color_jitter"]
            }
            Self::HsvScale { .. } => &["hsv_scale"],
            Self::LabScale { .. } => &["lab_scale"],
            Self::Blur { .. } => &["gaussian_blur"],
            Self::Noise { .. } => &["gaussian_noise"],
            Self::Erase { .. } => &["random_erasing"],
            Self::Cutout { .. } => &["cutout"],
        }
    }

    fn tolerance(&self) -> Tolerance {
        match self {
            // Pixels are moved, or computed in the same single-precision steps.
            Self::Input
            | Self::HorizontalFlip
            | Self::VerticalFlip
            | Self::QuarterTurns { .. }
            | Self::Window { .. }
            | Self::Brightness { .. }
            | Self::Noise { .. }
            | Self::Erase { .. }
            | Self::Cutout { .. } => Tolerance { largest: 0, share: 0.0 },
            // Ties and near-ties: rounding or truncation of a sum that torch forms in another order or with fused
            // operations.
            Self::Rotate { .. }
            | Self::Contrast { .. }
            | Self::Saturation { .. }
            | Self::Hue { .. }
            | Self::Blur { .. } => Tolerance { largest: 1, share: 0.02 },
            // scikit-image computes in double precision, and factors such as 0.7 put every tenth value on a tie.
            Self::HsvScale { .. } | Self::LabScale { .. } => Tolerance { largest: 1, share: 0.04 },
            // Fixed-point weights are rounded unlike Pillow's. The share is that of the fixture's picture: on other pictures up
            // to a quarter of the channels differ (24.5 % were seen), by one level as here.
            Self::ResizedCrop { .. } => Tolerance { largest: 1, share: 0.1 },
        }
    }
}

/// Transforms that no other library has, and those that only choose among others: tested beside their code, by hand.
const OWN: [&str; 6] = ["salt_and_pepper", "coarse_dropout", "one_of", "some_of", "apply", "random_order"];

/// How far a kernel may be from its reference.
struct Tolerance {
    /// Largest difference of any channel, of 255.
    largest: u8,
    /// Largest share of channels that differ at all: many off by one would be another formula.
    share: f64,
}

fn rect(left_px: u32, top_px: u32, width_px: u32, height_px: u32) -> Rect {
    Rect { left_px, top_px, width_px, height_px }
}

fn read<T: for<'de> Deserialize<'de>>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/transforms").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn kernels_agree_with_torchvision_and_scikit_image() {
    let fixture: Fixture = read("transforms.json");
    let input = fixture.input.image();
    assert!(fixture.cases.len() > 80, "the fixture covers every kernel");
    let named: BTreeSet<&str> = fixture.cases.iter().flat_map(|case| case.operation.rows()).copied().collect();
    let rows: BTreeSet<&str> = Transform::ROWS.iter().map(|row| row.name).collect();
    let elsewhere: BTreeSet<&str> = OWN.into_iter().chain(crate::parity::ROWS).collect();
    assert_eq!(named, &rows - &elsewhere, "a transform has cases in the fixture, or is this program's own");
    let mut wrong = Vec::new();
    for case in &fixture.cases {
        let (expected, made) = (case.image(), case.operation.run(input.clone()));
        assert_eq!(made.dimensions(), expected.dimensions(), "{:?}", case.operation);
        let differences: Vec<u8> = made.iter().zip(expected.iter()).map(|(a, b)| a.abs_diff(*b)).collect();
        let largest = *differences.iter().max().unwrap();
        let share = differences.iter().filter(|&&d| d > 0).count() as f64 / differences.len() as f64;
        let tolerance = case.operation.tolerance();
        if largest > tolerance.largest || share > tolerance.share {
            let name: String = format!("{:?}", case.operation).chars().take(90).collect();
            wrong.push(format!("{name}: off by {largest}, {:.1} % of channels differ", share * 100.0));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[derive(Deserialize)]
struct MixFixture {
    len: usize,
    width_px: usize,
    height_px: usize,
    images: Vec<f32>,
    targets: Vec<f32>,
    mixup: Mixed,
    cutmix: Mixed,
}

#[derive(Deserialize)]
struct Mixed {
    lambda: f64,
    #[serde(default)]
    x: usize,
    #[serde(default)]
    y: usize,
    images: Vec<f32>,
    targets: Vec<f32>,
}

impl MixFixture {
    /// The batch after `mix` with torchvision's partners: a roll by one. Images are torchvision's, `[N, C, H, W]`.
    fn mixed(&self, mix: impl Fn(&mut Batch<'_>, &[usize])) -> (Vec<f32>, Vec<f32>) {
        let area = self.width_px * self.height_px;
        let channels = self.images.len() / (self.len * area);
        let (mut images, mut targets) = (transposed(&self.images, channels, area), self.targets.clone());
        let partners: Vec<usize> = (0..self.len).map(|i| (i + self.len - 1) % self.len).collect();
        let mut batch = Batch {
            images: &mut images,
            targets: &mut targets,
            len: self.len,
            width_px: self.width_px,
            height_px: self.height_px,
        };
        mix(&mut batch, &partners);
        (transposed(&images, area, channels), targets)
    }
}

/// Matrices `[N, rows, columns]` as `[N, columns, rows]`.
fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let of_item = |item: &[f32]| -> Vec<f32> {
        (0..columns * rows).map(|index| item[index % rows * columns + index / rows]).collect()
    };
    values.chunks_exact(rows * columns).flat_map(of_item).collect()
}

fn assert_close(made: &[f32], expected: &[f32]) {
    assert_eq!(made.len(), expected.len());
    // A fused multiply-add in torch saves one rounding: half a unit in the last place of a value below 1.
    assert!(made.iter().zip(expected).all(|(a, b)| (a - b).abs() <= f32::EPSILON), "{made:?}\n{expected:?}");
}

#[test]
fn mixup_agrees_with_torchvision() {
    let fixture: MixFixture = read("mix.json");
    let (images, targets) = fixture.mixed(|batch, partners| mixup(batch, &Pair::all(partners, fixture.mixup.lambda)));
    assert_close(&images, &fixture.mixup.images);
    assert_close(&targets, &fixture.mixup.targets);
}

#[test]
fn cutmix_agrees_with_torchvision() {
    let fixture: MixFixture = read("mix.json");
    let Mixed { lambda, x, y, images: expected, targets: expected_targets } = &fixture.cutmix;
    let cut = CutBox::new(*lambda, *x, *y, fixture.width_px, fixture.height_px);
    let (images, targets) =
        fixture.mixed(|batch, partners| cutmix(batch, &Pair::all(partners, *lambda), &vec![cut; fixture.len]));
    assert_eq!(&images, expected);
    assert_close(&targets, expected_targets);
}
