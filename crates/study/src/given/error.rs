//! Why a table holds no results that can be compared.

use augtrial_tables::ReadError;

/// Why a table cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum GivenError {
    #[error("cannot read the results")]
    Table(#[from] ReadError),
    #[error("the table has no row")]
    Empty,
    #[error("no column is {what}: name it with `{option} COLUMN`; the columns are {columns}")]
    NoColumn { what: &'static str, option: &'static str, columns: String },
    #[error("there is no column `{name}`: the columns are {columns}")]
    Unknown { name: String, columns: String },
    #[error("column `{column}` is not read, since its type is {kind}: store it as text or as numbers")]
    Type { column: String, kind: &'static str },
    #[error("the columns {found} could all be the metric: name one with `--metric-column COLUMN`")]
    WhichMetric { found: String },
    #[error("column `{column}` does not say which metric it is: say `--metric`, one of {known}")]
    UnknownMetric { column: String, known: String },
    #[error("row {row}: `{column}` holds `{value}`, which is {needs}")]
    Cell { row: usize, column: String, value: String, needs: &'static str },
    #[error("row {row}: `{column}` holds {value}, and {title} lies between {low} and {high}{advice}")]
    OutOfRange {
        row: usize,
        column: String,
        value: f64,
        title: &'static str,
        low: f64,
        high: f64,
        advice: &'static str,
    },
    #[error("row {row} {problem}")]
    Probabilities { row: usize, problem: String },
    #[error(
        "{title} needs the probability of every class: columns `p_0`, `p_1` and so on, and classes that are their numbers{why}"
    )]
    NoProbabilities { title: &'static str, why: String },
    #[error("`--delta {delta}` is no margin for {title}, which lies between 0 and {most}: write {advice}")]
    Margin { delta: f64, title: &'static str, most: f64, advice: &'static str },
    #[error("arm `{arm}`, seed {seed}: {title} has no value")]
    NoValue { arm: String, seed: u64, title: &'static str },
    #[error(
        "rows {first} and {second} are both of arm `{arm}`, seed {seed}: keep the run that counts, and give every repetition \
         a seed of its own"
    )]
    TwoRuns { first: usize, second: usize, arm: String, seed: u64 },
    #[error("rows {first} and {second} both predict image `{image}` in arm `{arm}`, seed {seed}")]
    TwoPredictions { first: usize, second: usize, image: String, arm: String, seed: u64 },
    #[error("row {row}: image `{image}` has the label `{label}`, and another row gives it `{other}`")]
    TwoLabels { row: usize, image: String, label: String, other: String },
    #[error(
        "arm `{arm}`, seed {seed} lacks a prediction for image `{image}`, which another run has: all runs must be tested on the \
         same images"
    )]
    MissingImage { arm: String, seed: u64, image: String },
    #[error("which arm is the control? Say `--control NAME`; the arms are {arms}")]
    WhichControl { arms: String },
    #[error("there is no arm `{name}`: the arms are {arms}")]
    NoSuchArm { name: String, arms: String },
}
