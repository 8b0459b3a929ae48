//! The learning curves of a design that varies how many real images are trained on, and what an augmentation is worth in such
//! images: for every seed, the control's curve is fitted, and the number of real images at which it has the treatment's value is
//! compared with the number that the treatment had. Ratios are averaged on the log scale over seeds, with a t interval.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Measured;
use super::design::{CellResults, DesignResults};
use super::metrics::{Better, Metric};
use augtrial_plan::file::Contrast;
use augtrial_stats::{self as stats, Degenerate, Estimate, LearningCurve, Reach};

/// The curves of a design.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Learning {
    /// Name of the factor that sets how many images are trained on.
    pub factor: String,
    /// One for each combination of the other factors' levels that has at least two sizes.
    pub slices: Vec<LearningSlice>,
}

/// The curves at fixed levels of the other factors.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LearningSlice {
    /// Name and level of every other factor.
    pub others: Vec<(String, String)>,
    /// In the order of the experiment file.
    pub arms: Vec<ArmLearning>,
    /// One for each contrast.
    pub worths: Vec<ContrastWorth>,
}

/// One arm against the number of real training images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmLearning {
    pub arm: String,
    /// From few images to many.
    pub points: Vec<LearningPoint>,
}

/// One arm at one number of images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LearningPoint {
    pub level: String,
    /// Real images of the training part.
    pub images: u64,
    /// Seeds with a result.
    pub n: usize,
    pub mean: Measured<f64>,
    pub interval: Measured<Estimate>,
}

/// What a treatment is worth in real images for its control.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContrastWorth {
    pub contrast: Contrast,
    /// The control's curve of every seed that has two sizes or more.
    pub curves: Vec<SeedCurve>,
    /// From few images to many.
    pub worths: Vec<Worth>,
}

/// How the control's curve of a seed was made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeedCurve {
    pub seed: u64,
    /// `a`, `b` and `c` of a - b n^-c, of the metric, or of its negative where lower is better; absent where no such curve fits
    /// and the points are joined.
    pub power: Option<[f64; 3]>,
    #[serde(skip)]
    curve: LearningCurve,
}

/// What the treatment is worth at one number of images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Worth {
    pub images: u64,
    /// Of every seed with a curve and a value of the treatment.
    pub seeds: Vec<SeedWorth>,
    /// Seeds whose number lies outside the sizes that the control was measured at.
    pub beyond: usize,
    /// Equivalent real images over real images: 1.2 is 20 % more. Mean and t interval over seeds on the log scale.
    pub ratio: Result<Estimate, NoWorth>,
}

/// What the treatment is worth for one seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeedWorth {
    pub seed: u64,
    /// Real images at which the control's curve has the treatment's value.
    pub equivalent: Equivalent,
}

/// A number of real images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Equivalent {
    Within(f64),
    /// Extrapolated beyond the sizes that were measured.
    Beyond(f64),
    /// The control's curve says of no number that it is so bad.
    Below,
    /// The control's curve says of no number that it is so good.
    Above,
}

/// Why there is no worth.
#[derive(Clone, Debug, PartialEq, thiserror::Error, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoWorth {
    #[error("in {above} of {seeds} seeds the control's curve reaches the treatment's value at no number of images")]
    Endless { above: usize, seeds: usize },
    #[error("in {below} of {seeds} seeds the treatment is worse than the control's curve anywhere")]
    Bottomless { below: usize, seeds: usize },
    #[error("{0}")]
    Degenerate(Degenerate),
}

impl SeedCurve {
    /// The metric at `images` real training images.
    #[must_use]
    pub fn at(&self, images: f64, better: Better) -> f64 {
        sign(better) * self.curve.at(images)
    }
}

fn sign(better: Better) -> f64 {
    if better == Better::Higher { 1.0 } else { -1.0 }
}

/// The curves of a design; nothing where no factor says how many images are trained on.
pub(super) fn learning(input: &DesignResults) -> Option<Learning> {
    let dose = input.dose?;
    let mut slices: BTreeMap<Vec<usize>, Vec<(&CellResults, u64)>> = BTreeMap::new();
    for cell in &input.cells {
        let Some(images) = cell.images else { continue };
        let mut others = cell.levels.clone();
        others.remove(dose);
        slices.entry(others).or_default().push((cell, images));
    }
    let others = || input.factors.iter().enumerate().filter(|(index, _)| *index != dose).map(|(_, factor)| factor);
    let slices = slices.into_iter().filter_map(|(levels, mut cells)| {
        cells.sort_by_key(|(_, images)| *images);
        let named = others().zip(levels).map(|(factor, level)| (factor.name.clone(), factor.levels[level].clone()));
        (cells.first()?.1 < cells.last()?.1).then(|| slice(input, dose, named.collect(), &cells))
    });
    let slices: Vec<LearningSlice> = slices.collect();
    (!slices.is_empty()).then(|| Learning { factor: input.factors[dose].name.clone(), slices })
}

fn slice(
    input: &DesignResults,
    dose: usize,
    others: Vec<(String, String)>,
    cells: &[(&CellResults, u64)],
) -> LearningSlice {
    let point = |arm: &str, (cell, images): &(&CellResults, u64)| {
        let values: Vec<f64> = input.seeds.iter().filter_map(|&seed| value(cell, arm, seed)).collect();
        LearningPoint {
            level: input.factors[dose].levels[cell.levels[dose]].clone(),
            images: *images,
            n: values.len(),
            mean: stats::mean(&values),
            interval: stats::mean_interval(&values, 1.0 - input.alpha),
        }
    };
    let arm = |(arm, _): &(String, BTreeMap<u64, f64>)| ArmLearning {
        arm: arm.clone(),
        points: cells.iter().map(|cell| point(arm, cell)).collect(),
    };
    LearningSlice {
        others,
        arms: cells[0].0.arms.iter().map(arm).collect(),
        worths: input.contrasts.iter().map(|contrast| worth_of(input, contrast, cells)).collect(),
    }
}

fn value(cell: &CellResults, arm: &str, seed: u64) -> Option<f64> {
    cell.arms.iter().find(|(name, _)| name == arm)?.1.get(&seed).copied()
}

fn worth_of(input: &DesignResults, contrast: &Contrast, cells: &[(&CellResults, u64)]) -> ContrastWorth {
    let sign = sign(Metric::of(input.metric).better);
    let curve = |&seed: &u64| {
        let points = cells
            .iter()
            .filter_map(|(cell, images)| Some((*images as f64, sign * value(cell, &contrast.control, seed)?)));
        let (sizes, values): (Vec<f64>, Vec<f64>) = points.unzip();
        let curve = stats::learning_curve(&sizes, &values).ok()?;
        let power = match &curve {
            LearningCurve::Power(law) => Some([law.a, law.b, law.c]),
            LearningCurve::Joined(_) => None,
        };
        Some(SeedCurve { seed, power, curve })
    };
    let curves: Vec<SeedCurve> = input.seeds.iter().filter_map(curve).collect();
    let worth = |(cell, images): &(&CellResults, u64)| {
        let of_seed = |of: &SeedCurve| {
            let equivalent = match of.curve.reach(sign * value(cell, &contrast.treatment, of.seed)?) {
                Reach::Within(n) => Equivalent::Within(n),
                Reach::Beyond(n) => Equivalent::Beyond(n),
                Reach::Below => Equivalent::Below,
                Reach::Above => Equivalent::Above,
            };
            Some(SeedWorth { seed: of.seed, equivalent })
        };
        worth(*images, curves.iter().filter_map(of_seed).collect(), 1.0 - input.alpha)
    };
    ContrastWorth { contrast: contrast.clone(), worths: cells.iter().map(worth).collect(), curves }
}

fn worth(images: u64, seeds: Vec<SeedWorth>, level: f64) -> Worth {
    let count = |wanted: fn(&Equivalent) -> bool| seeds.iter().filter(|seed| wanted(&seed.equivalent)).count();
    let above = count(|equivalent| matches!(equivalent, Equivalent::Above));
    let below = count(|equivalent| matches!(equivalent, Equivalent::Below));
    let logarithm = |seed: &SeedWorth| match seed.equivalent {
        Equivalent::Within(n) | Equivalent::Beyond(n) => Some((n / images as f64).ln()),
        Equivalent::Below | Equivalent::Above => None,
    };
    let ratio = if above > 0 {
        Err(NoWorth::Endless { above, seeds: seeds.len() })
    } else if below > 0 {
        Err(NoWorth::Bottomless { below, seeds: seeds.len() })
    } else {
        let logarithms: Vec<f64> = seeds.iter().filter_map(logarithm).collect();
        let mean = stats::mean_interval(&logarithms, level).map_err(NoWorth::Degenerate);
        mean.map(|mean| Estimate {
            point: mean.point.exp(),
            interval: (mean.interval.0.exp(), mean.interval.1.exp()),
            level: mean.level,
        })
    };
    Worth { images, beyond: count(|e| !matches!(e, Equivalent::Within(_))), seeds, ratio }
}

#[cfg(test)]
mod tests;
