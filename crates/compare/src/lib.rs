//! What the finished runs say: arms summarized, contrasts paired by seed, corrected as a family, and judged in two scopes: on
//! this test set, and for new images like these.
//!
//! [`compare`] is one pass: pairs, then what each contrast measures by itself, then the judgment of the family. [`STATISTICS`]
//! is the one list of what is shown of a contrast, [`METRICS`] that of what arms are measured by.

mod arm;
mod contrast;
mod design;
mod effect;
mod examples;
mod extension;
mod input;
mod learning;
mod look;
mod metrics;
mod others;
mod planning;
mod sanity;
mod scope;
mod statistics;
mod subset;
mod tuning;
mod verdict;

pub use arm::{ArmSummary, Missing, SeedValue, Summary};
pub use contrast::{Comparison, ContrastResult, Judged, Outcome, Pair, Reach, compare};
pub use design::{
    ArmMean, Attribution, CellResults, CellRun, CellSummary, DesignComparison, DesignContrast, DesignResults,
    FactorEffect, FactorLevels, Gain, NotAttributed, Share, SwitchNames, Tested, TestedApart, compare_design,
};
pub use effect::{Effect, SIGN_FLIP_DRAWS, SignFlip};
pub use examples::{ExampleComparison, SeedMcNemar};
pub use extension::Extension;
pub use input::{ArmResults, Conduct, Excluded, Looked, Mismatch, RunResult, StudyResults, TestImage};
pub use learning::{
    ArmLearning, ContrastWorth, Equivalent, Learning, LearningPoint, LearningSlice, NoWorth, SeedCurve, SeedWorth,
    Worth,
};
pub use look::Look;
pub use metrics::{Better, ByImage, METRICS, Metric, Scale, metrics_table};
pub use others::OtherMetric;
pub use planning::{ImageNeed, SeedNeed, SeedPlan, plan_seeds};
pub use sanity::{Warning, is_at_chance};
pub use statistics::{Form, STATISTICS, Statistic, markdown_table};
pub use subset::{OnSubset, TestSubset, on_subsets};
pub use tuning::{ArmTuning, Tuning};
pub use verdict::{Direction, MIN_PAIRS, Refusal, Scope, Scoped, Unscoped, Verdict};

/// A statistic, or why it has no value.
pub type Measured<T> = Result<T, augtrial_stats::Degenerate>;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
