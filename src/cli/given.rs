//! `augtrial compare --results`: results that were made elsewhere.

use std::path::{Path, PathBuf};

use clap::Args;

use super::CliError;
use super::output::{line, paragraph, warning};
use super::screen::{STRONG, styled};
use augtrial_base::text::terminal;
use augtrial_base::words::plural;
use augtrial_compare::METRICS;
use augtrial_plan::dataset::Protocol;
use augtrial_plan::file::PrimaryMetric;
use augtrial_report::banner;
use augtrial_study::{GivenOptions, read_results};

/// Results from a table.
#[derive(Debug, Args)]
pub(super) struct GivenArgs {
    /// Compare results that were made elsewhere: a table (csv, parquet, jsonl) with a row for each run (arm, seed, metric) or
    /// for each prediction (arm, seed, image, label, predicted). docs/results-from-elsewhere.md tells more.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["study", "json", "schema"])]
    pub(super) results: Option<PathBuf>,
    /// The arm that the others are compared with.
    #[arg(long, value_name = "NAME", requires = "results")]
    control: Option<String>,
    /// Column of the arm's name.
    #[arg(long, value_name = "COLUMN", requires = "results")]
    arm_column: Option<String>,
    /// Column of the seed.
    #[arg(long, value_name = "COLUMN", requires = "results")]
    seed_column: Option<String>,
    /// Column of the metric on the test part.
    #[arg(long, value_name = "COLUMN", requires = "results")]
    metric_column: Option<String>,
    /// Which metric it is, if the column's name does not say: a `primary_metric` of experiment files, such as `top1`.
    #[arg(long, value_name = "NAME", requires = "results", value_parser = metric)]
    metric: Option<PrimaryMetric>,
    /// Shares are percent: those in the metric's column, and `--delta`.
    #[arg(long, requires = "results")]
    percent: bool,
    /// Level of significance of all contrasts together.
    #[arg(long, default_value_t = 0.05, requires = "results")]
    alpha: f64,
    /// Margin of equivalence on the scale of the metric, of shares in percent with `--percent`; 0 for none. If absent: 0.01,
    /// which is one percentage point of a share, with and without `--percent`.
    #[arg(long, requires = "results")]
    delta: Option<f64>,
    /// Write a report into this folder.
    #[arg(long, value_name = "DIR", requires = "results")]
    report: Option<PathBuf>,
}

impl GivenArgs {
    fn options(&self) -> GivenOptions {
        GivenOptions {
            control: self.control.clone(),
            arm_column: self.arm_column.clone(),
            seed_column: self.seed_column.clone(),
            metric_column: self.metric_column.clone(),
            metric: self.metric,
            percent: self.percent,
            alpha: self.alpha,
            delta: self.delta,
        }
    }
}

/// Prints what the table says.
pub(super) fn compare(file: &Path, args: &GivenArgs, full: bool) -> Result<(), CliError> {
    if !(args.alpha > 0.0 && args.alpha < 1.0 && args.delta.is_none_or(|delta| delta >= 0.0 && delta.is_finite())) {
        return Err(CliError::Arguments(
            "`--alpha` must lie between 0 and 1, and `--delta` be a number from 0".to_owned(),
        ));
    }
    let given = read_results(file, &args.options())?;
    let comparison = &given.comparison;
    let scale = comparison.measure().scale;
    paragraph(format_args!(
        "{}: {}, {}, {} at alpha {}, margin {}{}",
        styled(STRONG, format_args!("results {}", terminal(given.name()))),
        plural(comparison.arms.len(), "arm"),
        plural(comparison.seeds.len(), "seed"),
        plural(comparison.contrasts.len(), "contrast"),
        comparison.alpha,
        scale.spread(comparison.delta),
        scale.after(),
    ))?;
    if let Some((read, others)) = given.given().facts.split_first() {
        paragraph(format_args!("Read: {read}."))?;
        others.iter().try_for_each(|fact| warning(format_args!("{fact}.")))?;
    }
    let facts = [vec![given.given().banner()], banner(comparison, false, Protocol::LeakFree)].concat();
    super::compare::of_given(&facts, comparison, full)?;
    line("\nNot known, so that no interval covers it:")?;
    given.given().limits(comparison).iter().try_for_each(|limit| paragraph(format_args!("- {limit}")))?;
    match &args.report {
        Some(folder) => line(format_args!("\nreport: {}", given.write_report(folder)?.display())),
        None => Ok(()),
    }
}

/// A metric by its name in experiment files.
fn metric(text: &str) -> Result<PrimaryMetric, String> {
    serde_json::from_value(text.replace('_', "-").into()).map_err(|_| {
        let known: Vec<String> = METRICS.iter().map(|metric| metric.key.replace('_', "-")).collect();
        format!("`{text}` is no metric: expected one of {}", known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::compare::CompareArgs;
    use super::GivenOptions;

    #[derive(clap::Parser)]
    struct Program {
        #[command(flatten)]
        args: CompareArgs,
    }

    fn options(words: &[&str]) -> GivenOptions {
        let words = [&["compare", "--results", "results.csv"][..], words].concat();
        Program::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).args.given.options()
    }

    #[test]
    fn a_margin_is_as_it_was_typed_and_absent_if_it_was_not() {
        // The default is a share: it must not be divided as a margin in percent is.
        assert_eq!(options(&["--percent"]), GivenOptions { percent: true, ..GivenOptions::default() });
        assert_eq!(options(&["--delta", "0.02"]), GivenOptions { delta: Some(0.02), ..GivenOptions::default() });
    }
}
