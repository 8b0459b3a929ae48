//! The statistics of a comparison, as pure functions: nothing here knows of arms, runs or files.
//!
//! Distributions come from `statrs`. Every function that can meet input without an answer (too few values, no variance,
//! a value that is not finite) returns [`Degenerate`], which says why; none returns NaN. Reference values: scipy and
//! statsmodels, see `tests/fixtures/stats/make_fixture.py`.

mod agreement;
mod bootstrap;
mod classification;
mod crossed;
mod describe;
mod effect;
mod exact;
mod factorial;
mod family;
mod learning;
mod paired;
mod power;
mod proportion;
mod sequential;
mod tuning;

pub use agreement::{Friedman, friedman, pearson_r};
pub use bootstrap::crossed_bootstrap;
pub use classification::{
    Answer, CALIBRATION_BINS, LEAST_PROBABILITY, accuracy, balanced_accuracy, brier, calibration_error, log_loss,
    macro_f1, worst_recall,
};
pub use crossed::{Crossed, crossed};
pub use describe::{interquartile_mean, mean, mean_interval, median, sd, sd_interval, standard_error};
pub use effect::{a12, cohen_dz, hedges_gz, paired_wins};
pub use exact::{MAX_SIGN_FLIP_PAIRS, exact_floor, sampled_sign_flip_p, sign_flip_p, wilcoxon_p};
pub use factorial::{Factorial, MOST_SHARES, Switch, shapley};
pub use family::{holm, pairs_to_reach, smallest_reachable_p};
pub use learning::{Joined, LearningCurve, PowerLaw, Reach, learning_curve};
pub use paired::{PairedT, corrected_t, corrected_tost_p, differences, paired_t, tost_p};
pub use power::{minimum_detectable_dz, noether_n, normal_quantile, power_of_paired_t, sample_size};
pub use proportion::{McNemar, mcnemar, wilson_interval};
pub use sequential::{MOST_LOOKS, Spending, look_adjusted_p, nominal_levels};
pub use tuning::expected_best;

use serde::{Deserialize, Serialize};

/// A number with its uncertainty: an estimate never travels without its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    pub point: f64,
    /// Lower and upper bound.
    pub interval: (f64, f64),
    /// Confidence level of the interval, e.g. 0.95.
    pub level: f64,
}

/// Why a statistic has no value for some input. Takes the place of NaN.
#[derive(Clone, Debug, PartialEq, thiserror::Error, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Degenerate {
    #[error("needs at least {need} {}, there {}", if *need == 1 { "value" } else { "values" }, if *have == 1 { "is 1".to_owned() } else { format!("are {have}") })]
    TooFew { have: usize, need: usize },
    #[error("exact for at most {limit} values, there are {have}")]
    TooMany { have: usize, limit: usize },
    #[error("every value is the same, so there is no variance to judge by")]
    ZeroVariance,
    #[error("value {index} is not a finite number")]
    NotFinite { index: usize },
    #[error("paired lists differ in length: {left} and {right}")]
    Unpaired { left: usize, right: usize },
    #[error("{name} = {value} lies outside its range")]
    OutOfRange { name: &'static str, value: f64 },
    #[error("no sample size up to {limit} reaches the power asked for")]
    OutOfReach { limit: u64 },
    #[error("no difference that the metric can have is large enough")]
    NoSuchDifference,
    #[error("not defined where the split is redrawn: runs of different seeds share images")]
    Redrawn,
}

/// Magnitude beyond which squares and sums of values leave the range of a double.
const MAX_MAGNITUDE: f64 = 1e100;

/// Refuses lists that are too short, or hold a value that is not finite or too large to be squared.
fn check(values: &[f64], need: usize) -> Result<(), Degenerate> {
    if let Some(index) = values.iter().position(|value| !value.is_finite()) {
        return Err(Degenerate::NotFinite { index });
    }
    if let Some(&value) = values.iter().find(|value| value.abs() > MAX_MAGNITUDE) {
        return Err(Degenerate::OutOfRange { name: "value", value });
    }
    if values.len() < need { Err(Degenerate::TooFew { have: values.len(), need }) } else { Ok(()) }
}

/// Refuses a probability outside the open interval (0, 1).
fn check_probability(name: &'static str, value: f64) -> Result<(), Degenerate> {
    if value > 0.0 && value < 1.0 { Ok(()) } else { Err(Degenerate::OutOfRange { name, value }) }
}
