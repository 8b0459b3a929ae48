//! What the finished runs say: arms summarised, contrasts paired by seed, corrected as a family, and judged.

mod arm;
mod contrast;
mod examples;
mod extension;
mod input;
mod planning;
mod verdict;

pub use arm::{ArmSummary, Missing, SeedValue, Summary};
pub use contrast::{Comparison, ContrastResult, Effect, Pair, Reach, compare};
pub use examples::{ExampleComparison, SeedMcNemar};
pub use extension::{Extension, PlannedAlone};
pub use input::{ArmResults, Conduct, Excluded, Looked, Mismatch, RunResult, StudyResults};
pub use planning::{SeedNeed, SeedPlan, plan_seeds};
pub use verdict::{Direction, Refusal, Verdict};

/// A statistic, or why it has no value.
pub type Measured<T> = Result<T, crate::stats::Degenerate>;

#[cfg(test)]
mod tests;
