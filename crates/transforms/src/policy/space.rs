//! How strong each operation of a policy is: torchvision's `_AUGMENTATION_SPACE`, in its single-precision steps.

use rand::RngExt as _;

use super::Operation;
use crate::draw::up_to;
use crate::kernels::linspace;
use augtrial_base::seed::Stream;

/// The operations of a policy and their strongest magnitudes. The weakest are those that change nothing.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    pub(crate) operations: &'static [Operation],
    /// Slope.
    pub(crate) shear: f64,
    pub(crate) translate: Translate,
    pub(crate) degrees: f64,
    /// Distance of the factor from 1, of brightness, color, contrast and sharpness.
    pub(crate) enhance: f64,
    pub(crate) posterize: Posterize,
}

/// The longest translation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Translate {
    /// In pixels, whatever the size of the image.
    Pixels(f64),
    /// Of the side.
    Share(f64),
    /// Of the side, by division: the last digits differ.
    Part(f64),
}

/// Bits that are kept, from the weakest magnitude on: `from - index / ((bins - 1) / less)`, rounded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Posterize {
    pub(crate) from: f32,
    pub(crate) less: f64,
}

impl Space {
    /// The magnitude of an operation: number `index` of `bins`, from weak to strong; 0 if it has none.
    pub(crate) fn magnitude(&self, of: Operation, index: usize, bins: usize, (width, height): (u32, u32)) -> f64 {
        let evenly = |first: f64, last: f64| f64::from(linspace(first as f32, last as f32, bins, index));
        match of {
            Operation::Identity | Operation::AutoContrast | Operation::Equalize | Operation::Invert
            // Of timm alone, which has no table of strengths.
            | Operation::SolarizeAdd => 0.0,
            Operation::ShearX | Operation::ShearY => evenly(0.0, self.shear),
            Operation::TranslateX => evenly(0.0, self.translate.longest(width)),
            Operation::TranslateY => evenly(0.0, self.translate.longest(height)),
            Operation::Rotate => evenly(0.0, self.degrees),
            Operation::Brightness | Operation::Color | Operation::Contrast | Operation::Sharpness => {
                evenly(0.0, self.enhance)
            }
            Operation::Posterize => {
                let Posterize { from, less } = self.posterize;
                f64::from((from - index as f32 / ((bins - 1) as f64 / less) as f32).round_ties_even())
            }
            Operation::Solarize => evenly(1.0, 0.0),
        }
    }

    /// One of the operations, each equally likely.
    pub(crate) fn draw(&self, rng: &mut Stream) -> Operation {
        self.operations[up_to(self.operations.len() as u32 - 1, rng) as usize]
    }
}

impl Translate {
    fn longest(self, side: u32) -> f64 {
        let side = f64::from(side);
        match self {
            Self::Pixels(pixels) => pixels,
            Self::Share(share) => share * side,
            Self::Part(parts) => side / parts,
        }
    }
}

/// The magnitude with the sign that is drawn, if the operation has one.
pub(crate) fn signed(of: Operation, magnitude: f64, rng: &mut Stream) -> f64 {
    if of.is_signed() && rng.random::<f64>() <= 0.5 { -magnitude } else { magnitude }
}

/// The fourteen operations of `RandAugment` and `TrivialAugmentWide`, in torchvision's order.
pub(crate) const FOURTEEN: &[Operation] = &[
    Operation::Identity,
    Operation::ShearX,
    Operation::ShearY,
    Operation::TranslateX,
    Operation::TranslateY,
    Operation::Rotate,
    Operation::Brightness,
    Operation::Color,
    Operation::Contrast,
    Operation::Sharpness,
    Operation::Posterize,
    Operation::Solarize,
    Operation::AutoContrast,
    Operation::Equalize,
];
