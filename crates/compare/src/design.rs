//! A design, compared: the mean of every arm in every cell, a contrast's difference in every cell, what each factor and each pair of
//! factors does to that difference, and how the difference between two cells divides among the factors.
//!
//! Everything is computed for each seed by itself and then over seeds. Where all seeds share one division of the data, all of it
//! speaks of training noise on these test images (the narrower scope); where each has its own, the corrected resampled t test
//! (Nadeau and Bengio 2003) takes the place of the paired one. p values are Holm-adjusted over the cells, and over the effects, as
//! families of their own.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Measured;
use super::learning::{Learning, learning};
use super::metrics::Metric;
use augtrial_plan::file::{Contrast, PrimaryMetric};
use augtrial_stats::{self as stats, Degenerate, Estimate, Factorial, MOST_SHARES, Switch};

/// What a design's comparison is made from: plain data, wherever runs are recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct DesignResults {
    pub metric: PrimaryMetric,
    pub alpha: f64,
    /// As declared.
    pub seeds: Vec<u64>,
    pub factors: Vec<FactorLevels>,
    /// In the order of the levels, the last factor changing fastest.
    pub cells: Vec<CellResults>,
    /// Whether every combination of levels is there.
    pub full: bool,
    pub contrasts: Vec<Contrast>,
    /// Index of the cell as it should be.
    pub reference: usize,
    /// Index of the cell as published.
    pub published: Option<usize>,
    /// Index of the factor that sets how many images are trained on.
    pub dose: Option<usize>,
}

/// A factor's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FactorLevels {
    pub name: String,
    pub title: String,
    pub levels: Vec<String>,
}

/// What was measured in one cell.
#[derive(Clone, Debug, PartialEq)]
pub struct CellResults {
    pub name: String,
    /// Index of the level of each factor.
    pub levels: Vec<usize>,
    /// The metric of each arm by seed, in the order of the experiment file.
    pub arms: Vec<(String, BTreeMap<u64, f64>)>,
    /// Real images of its training part; absent if it was not run.
    pub images: Option<u64>,
    /// Test images over training images where every seed has a division of its own.
    pub test_share: Option<f64>,
    /// Contrasts, by index, and seeds whose two runs were made on different divisions of the data: no pairs.
    pub unpaired: BTreeSet<(usize, u64)>,
    /// Fewest test images of an arm, where every arm has test images of its own, as under the as-published protocol.
    pub tested_apart: Option<u64>,
}

/// A design, compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DesignComparison {
    pub metric: PrimaryMetric,
    pub alpha: f64,
    pub seeds: Vec<u64>,
    pub factors: Vec<FactorLevels>,
    pub cells: Vec<CellSummary>,
    pub contrasts: Vec<DesignContrast>,
    /// Whether every seed has a division of the data of its own.
    pub redrawn: bool,
    /// Pairs that are left out, since their runs were made on different divisions of the data.
    pub unpaired: usize,
    /// Of a design with cells whose arms are tested on images of their own, drawn once for all seeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tested_apart: Option<TestedApart>,
    /// Of a design that varies how many images are trained on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning: Option<Learning>,
}

/// What the luck of the draw of test images may do where arms are tested on images of their own: intervals over seeds leave it out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TestedApart {
    /// Fewest test images of an arm.
    pub images: u64,
    /// Largest standard error of an arm's Top-1 accuracy over draws of that many images, sqrt(p (1 - p) / n); absent for other
    /// metrics, and before there are results.
    pub standard_error: Option<f64>,
}

/// One cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CellSummary {
    pub name: String,
    pub levels: Vec<String>,
    pub arms: Vec<ArmMean>,
}

/// The mean of an arm in a cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmMean {
    pub arm: String,
    /// Seeds with a result.
    pub n: usize,
    /// Of every seed with a result, in the order of the seeds.
    pub runs: Vec<CellRun>,
    /// Over seeds, with its t interval; without one where there are too few.
    pub mean: Measured<f64>,
    pub interval: Measured<Estimate>,
}

/// The metric of one seed's run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CellRun {
    pub seed: u64,
    pub value: f64,
}

/// One contrast in all cells.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DesignContrast {
    pub contrast: Contrast,
    /// In the order of the cells.
    pub gains: Vec<Gain>,
    /// Seeds that are complete in every cell: what effects and shares rest on.
    pub complete: Vec<u64>,
    /// Main effects and interactions of two factors; none unless the design is full.
    pub effects: Vec<FactorEffect>,
    /// Absent if the file names no published cell.
    pub attribution: Option<Result<Attribution, NotAttributed>>,
}

/// Treatment less control in one cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gain {
    pub cell: String,
    /// Complete pairs.
    pub pairs: usize,
    /// Of the pairs' differences.
    pub mean: Measured<f64>,
    pub tested: Measured<Tested>,
}

/// A mean over seeds, tested against nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Tested {
    pub difference: Estimate,
    /// Of the paired t test, two-sided.
    pub p: f64,
    /// Adjusted over the family.
    pub holm_p: f64,
}

/// What one factor, or two together, do to the contrast's difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FactorEffect {
    /// Each factor with the level that it is switched from and to.
    pub switches: Vec<SwitchNames>,
    /// Over seeds.
    pub mean: Measured<f64>,
    pub tested: Measured<Tested>,
}

/// A switched factor in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SwitchNames {
    pub factor: String,
    pub from: String,
    pub to: String,
}

/// How the difference of a contrast's gain between the published and the reference cell divides among the factors.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attribution {
    /// Seeds that it rests on.
    pub seeds: usize,
    /// The gain as published.
    pub published: Estimate,
    /// The gain as it should be.
    pub reference: Estimate,
    /// The former less the latter: the sum of the shares, for every seed.
    pub difference: Estimate,
    /// In the order of the factors; only those that the two cells differ in.
    pub shares: Vec<Share>,
}

/// One factor's share.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Share {
    pub switch: SwitchNames,
    pub share: Estimate,
}

/// Why a difference is not divided.
#[derive(Clone, Debug, PartialEq, thiserror::Error, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotAttributed {
    #[error(
        "the design has no cell for every combination of the factors that the two cells differ in: use kind = \"full\""
    )]
    MissingCells,
    #[error("the two cells do not differ")]
    SameCell,
    #[error("they differ in {have} factors, and {MOST_SHARES} can be told apart at most")]
    TooManyFactors { have: usize },
    #[error("of seeds that are complete in every cell, it {0}")]
    Degenerate(Degenerate),
}

impl DesignComparison {
    /// The row of the metric.
    #[must_use]
    pub fn measure(&self) -> &'static Metric {
        Metric::of(self.metric)
    }
}

/// Compares the cells of a design.
#[must_use]
pub fn compare_design(input: &DesignResults) -> DesignComparison {
    let names = |cell: &CellResults| {
        input.factors.iter().zip(&cell.levels).map(|(factor, &level)| factor.levels[level].clone()).collect()
    };
    let summary = |cell: &CellResults| CellSummary {
        name: cell.name.clone(),
        levels: names(cell),
        arms: cell.arms.iter().map(|(arm, values)| arm_mean(arm, values, input)).collect(),
    };
    DesignComparison {
        metric: input.metric,
        alpha: input.alpha,
        seeds: input.seeds.clone(),
        factors: input.factors.clone(),
        cells: input.cells.iter().map(summary).collect(),
        contrasts: (0..input.contrasts.len()).map(|contrast| in_all_cells(contrast, input)).collect(),
        redrawn: input.cells.iter().any(|cell| cell.test_share.is_some()),
        unpaired: input.cells.iter().map(|cell| cell.unpaired.len()).sum(),
        tested_apart: tested_apart(input),
        learning: learning(input),
    }
}

fn tested_apart(input: &DesignResults) -> Option<TestedApart> {
    // Where every seed has a division of its own, the draw varies with the seed.
    let apart = input.cells.iter().filter(|cell| cell.test_share.is_none());
    let apart: Vec<(&CellResults, u64)> = apart.filter_map(|cell| Some((cell, cell.tested_apart?))).collect();
    let images = apart.iter().map(|(_, images)| *images).min()?;
    let arms = apart.iter().flat_map(|(cell, images)| cell.arms.iter().map(|(_, values)| (values, *images)));
    let errors = arms.filter_map(|(values, images)| {
        let p = stats::mean(&values.values().copied().collect::<Vec<_>>()).ok()?;
        Some((p * (1.0 - p) / images as f64).sqrt())
    });
    let standard_error = errors.max_by(f64::total_cmp).filter(|_| input.metric == PrimaryMetric::Top1);
    Some(TestedApart { images, standard_error })
}

fn arm_mean(arm: &str, values: &BTreeMap<u64, f64>, input: &DesignResults) -> ArmMean {
    let of_seed = |&seed: &u64| values.get(&seed).map(|&value| CellRun { seed, value });
    let runs: Vec<CellRun> = input.seeds.iter().filter_map(of_seed).collect();
    let values: Vec<f64> = runs.iter().map(|run| run.value).collect();
    ArmMean {
        arm: arm.to_owned(),
        n: runs.len(),
        runs,
        mean: stats::mean(&values),
        interval: stats::mean_interval(&values, 1.0 - input.alpha),
    }
}

/// Treatment less control of each complete pair, by seed.
fn differences(cell: &CellResults, index: usize, input: &DesignResults) -> BTreeMap<u64, f64> {
    let contrast = &input.contrasts[index];
    let of = |name: &str| cell.arms.iter().find(|(arm, _)| arm == name).map(|(_, values)| values);
    let (Some(treatment), Some(control)) = (of(&contrast.treatment), of(&contrast.control)) else {
        return BTreeMap::new();
    };
    let difference = |seed: &u64| Some((*seed, treatment.get(seed)? - control.get(seed)?));
    let pairs = input.seeds.iter().filter(|seed| !cell.unpaired.contains(&(index, **seed)));
    pairs.filter_map(difference).collect()
}

fn in_all_cells(index: usize, input: &DesignResults) -> DesignContrast {
    let by_cell: Vec<BTreeMap<u64, f64>> = input.cells.iter().map(|cell| differences(cell, index, input)).collect();
    let everywhere = |seed: &&u64| by_cell.iter().all(|cell| cell.contains_key(seed));
    let complete: Vec<u64> = input.seeds.iter().filter(everywhere).copied().collect();
    let family = input
        .cells
        .iter()
        .zip(&by_cell)
        .map(|(cell, values)| Seeds { values: values.values().copied().collect(), test_share: cell.test_share });
    let family: Vec<Seeds> = family.collect();
    let gain = |((cell, seeds), tested): ((&CellResults, &Seeds), Measured<Tested>)| Gain {
        cell: cell.name.clone(),
        pairs: seeds.values.len(),
        mean: stats::mean(&seeds.values),
        tested,
    };
    let gains = input.cells.iter().zip(&family).zip(tested(&family, 1.0 - input.alpha)).map(gain).collect();
    DesignContrast {
        contrast: input.contrasts[index].clone(),
        gains,
        effects: effects(input, &by_cell, &complete),
        attribution: input.published.map(|published| attribute(input, &by_cell, &complete, published)),
        complete,
    }
}

/// A value of every seed, and the test images over the training images where each has a division of its own.
struct Seeds {
    values: Vec<f64>,
    test_share: Option<f64>,
}

impl Seeds {
    /// Of what is computed from several cells: the largest of their shares, which gives the widest interval.
    fn of_cells(values: Vec<f64>, input: &DesignResults) -> Self {
        Self { values, test_share: input.cells.iter().filter_map(|cell| cell.test_share).reduce(f64::max) }
    }

    fn t(&self, level: f64) -> Measured<stats::PairedT> {
        match self.test_share {
            Some(share) => stats::corrected_t(&self.values, share, level),
            None => stats::paired_t(&self.values, level),
        }
    }

    /// The mean with its interval, which has no width without spread.
    fn estimate(&self, level: f64) -> Measured<Estimate> {
        match self.t(level) {
            Err(Degenerate::ZeroVariance) => stats::mean_interval(&self.values, level),
            tested => tested.map(|t| t.difference),
        }
    }
}

/// Tests each list of values, and adjusts over all that can be tested.
fn tested(family: &[Seeds], level: f64) -> Vec<Measured<Tested>> {
    let tests: Vec<Measured<stats::PairedT>> = family.iter().map(|seeds| seeds.t(level)).collect();
    // What cannot be tested stays in the family with p = 1: not finishing a cell makes no other one look better.
    let p_values: Vec<f64> = tests.iter().map(|test| test.as_ref().map_or(1.0, |t| t.p)).collect();
    let adjusted = stats::holm(&p_values).unwrap_or(p_values);
    let with = |(test, holm_p): (Measured<stats::PairedT>, f64)| {
        test.map(|t| Tested { difference: t.difference, p: t.p, holm_p })
    };
    tests.into_iter().zip(adjusted).map(with).collect()
}

/// Main effects and interactions of two factors, each level against that of the reference.
fn effects(input: &DesignResults, by_cell: &[BTreeMap<u64, f64>], complete: &[u64]) -> Vec<FactorEffect> {
    if !input.full {
        return Vec::new();
    }
    let factorial = Factorial::new(input.factors.iter().map(|factor| factor.levels.len()).collect());
    let reference = &input.cells[input.reference].levels;
    let switches: Vec<Vec<Switch>> = (0..input.factors.len())
        .map(|factor| {
            let others = (0..input.factors[factor].levels.len()).filter(|&level| level != reference[factor]);
            others.map(|to| Switch { factor, from: reference[factor], to }).collect()
        })
        .collect();
    let mut wanted: Vec<Vec<Switch>> = switches.iter().flatten().map(|&switch| vec![switch]).collect();
    for (index, first) in switches.iter().enumerate() {
        for second in &switches[index + 1..] {
            wanted.extend(first.iter().flat_map(|&a| second.iter().map(move |&b| vec![a, b])));
        }
    }
    let value =
        |weights: &[f64], seed: u64| weights.iter().zip(by_cell).map(|(weight, cell)| weight * cell[&seed]).sum();
    let family = wanted.iter().map(|switches| {
        let weights = factorial.weights(switches);
        Seeds::of_cells(complete.iter().map(|&seed| value(&weights, seed)).collect(), input)
    });
    let family: Vec<Seeds> = family.collect();
    let named = |((switches, seeds), tested): ((Vec<Switch>, &Seeds), Measured<Tested>)| FactorEffect {
        switches: switches.into_iter().map(|switch| named(input, switch)).collect(),
        mean: stats::mean(&seeds.values),
        tested,
    };
    let tested = tested(&family, 1.0 - input.alpha);
    wanted.into_iter().zip(&family).zip(tested).map(named).collect()
}

fn named(input: &DesignResults, switch: Switch) -> SwitchNames {
    let factor = &input.factors[switch.factor];
    SwitchNames {
        factor: factor.name.clone(),
        from: factor.levels[switch.from].clone(),
        to: factor.levels[switch.to].clone(),
    }
}

fn attribute(
    input: &DesignResults,
    by_cell: &[BTreeMap<u64, f64>],
    complete: &[u64],
    published: usize,
) -> Result<Attribution, NotAttributed> {
    let (from, to) = (&input.cells[input.reference].levels, &input.cells[published].levels);
    let switches: Vec<Switch> = (0..from.len())
        .filter(|&factor| from[factor] != to[factor])
        .map(|factor| Switch { factor, from: from[factor], to: to[factor] })
        .collect();
    match switches.len() {
        0 => return Err(NotAttributed::SameCell),
        have if have > MOST_SHARES => return Err(NotAttributed::TooManyFactors { have }),
        _ => {}
    }
    // The cell of each set of switched factors.
    let cell_of = |set: u32| {
        let mut levels = from.clone();
        for (bit, switch) in switches.iter().enumerate().filter(|(bit, _)| set >> bit & 1 == 1) {
            debug_assert!(bit < MOST_SHARES);
            levels[switch.factor] = switch.to;
        }
        input.cells.iter().position(|cell| cell.levels == levels)
    };
    let cells: Vec<usize> =
        (0..1_u32 << switches.len()).map(cell_of).collect::<Option<_>>().ok_or(NotAttributed::MissingCells)?;
    let of_seed = |seed: &u64| stats::shapley(switches.len(), |set| by_cell[cells[set as usize]][seed]);
    let shares: Vec<Vec<f64>> = complete.iter().map(of_seed).collect();
    let estimate = |values: Vec<f64>| {
        Seeds::of_cells(values, input).estimate(1.0 - input.alpha).map_err(NotAttributed::Degenerate)
    };
    let gain = |cell: usize| -> Vec<f64> { complete.iter().map(|seed| by_cell[cell][seed]).collect() };
    let share = |(index, &switch): (usize, &Switch)| {
        let share = estimate(shares.iter().map(|shares| shares[index]).collect())?;
        Ok(Share { switch: named(input, switch), share })
    };
    Ok(Attribution {
        seeds: complete.len(),
        published: estimate(gain(published))?,
        reference: estimate(gain(input.reference))?,
        difference: estimate(gain(published).iter().zip(gain(input.reference)).map(|(p, r)| p - r).collect())?,
        shares: switches.iter().enumerate().map(share).collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests;
