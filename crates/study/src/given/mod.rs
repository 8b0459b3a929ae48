//! Results that were made elsewhere: from a table of runs, or of predictions, to a comparison and a report.

mod by_image;
mod by_run;
mod columns;
mod error;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use augtrial_base::digest::Digest;
use augtrial_base::seed::StudySeed;
use augtrial_compare::{ArmResults, Comparison, Conduct, Metric, Scale, StudyResults, compare};
use augtrial_plan::arm::Role;
use augtrial_plan::dataset::Protocol;
use augtrial_plan::file::{Contrast, PrimaryMetric, Study};
use augtrial_report::{Given, StudyView, write_report};
use augtrial_tables::Table;

use crate::StudyError;
use by_image::by_image;
use by_run::by_run;
use columns::Columns;
pub use error::GivenError;

/// How a table is to be read, and what it is to be judged by.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenOptions {
    /// The arm that the others are compared with; the one whose `role` or name says so if absent.
    pub control: Option<String>,
    /// Columns of the arm's name, the seed and the metric, where their names do not say so.
    pub arm_column: Option<String>,
    pub seed_column: Option<String>,
    pub metric_column: Option<String>,
    /// Which metric it is; by the column's name if absent.
    pub metric: Option<PrimaryMetric>,
    /// Whether shares are percent: those in the table, and `delta`.
    pub percent: bool,
    pub alpha: f64,
    /// Margin of equivalence, in what `percent` says; one point if absent.
    pub delta: Option<f64>,
}

/// Margin of equivalence on the scale of the metric, if none is said.
const DEFAULT_MARGIN: f64 = 0.01;
/// Percent in a share.
const PERCENT: f64 = 100.0;

impl Default for GivenOptions {
    fn default() -> Self {
        let (control, arm_column, seed_column, metric_column, metric) = (None, None, None, None, None);
        Self { control, arm_column, seed_column, metric_column, metric, percent: false, alpha: 0.05, delta: None }
    }
}

/// Results as they were given.
#[derive(Clone, Debug)]
pub struct GivenResults {
    pub comparison: Comparison,
    results: StudyResults,
    given: Given,
}

/// The arms of a table, and what is said of it.
struct Tabulated {
    arms: Vec<ArmResults>,
    images: Vec<augtrial_compare::TestImage>,
    metric: PrimaryMetric,
    /// What was read, for people.
    facts: Vec<String>,
}

/// Reads the results in a table and compares them.
///
/// # Errors
/// [`StudyError::Given`]: the file is no table, lacks a column, or says something twice or wrongly.
pub fn read_results(path: &Path, options: &GivenOptions) -> Result<GivenResults, StudyError> {
    let table = Table::read(path).map_err(GivenError::from)?;
    let digest = Digest::of_file(path).map_err(|source| StudyError::Read { path: path.to_owned(), source })?;
    let columns = Columns::find(&table, options)?;
    let Tabulated { arms, images, metric, facts } =
        if columns.is_by_image() { by_image(&table, &columns, options)? } else { by_run(&table, &columns, options)? };
    let results = results(path, options, arms, images, metric)?;
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let given = Given { file, digest: digest.to_string(), facts };
    Ok(GivenResults { comparison: compare(&results), results, given })
}

impl GivenResults {
    /// What a reader must know of where they come from.
    #[must_use]
    pub fn given(&self) -> &Given {
        &self.given
    }

    /// The name of what they are of: that of the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.results.study.name
    }

    /// Writes the report into `folder`, and says where it is.
    ///
    /// # Errors
    /// Whatever writing gives.
    pub fn write_report(&self, folder: &Path) -> Result<PathBuf, StudyError> {
        write_report(&StudyView::of_given(&self.results, &self.given), folder, &|| false)?;
        Ok(folder.join("report.md"))
    }
}

fn results(
    path: &Path,
    options: &GivenOptions,
    mut arms: Vec<ArmResults>,
    images: Vec<augtrial_compare::TestImage>,
    metric: PrimaryMetric,
) -> Result<StudyResults, GivenError> {
    let control = control(&arms, options)?;
    let seeds: BTreeSet<u64> = arms
        .iter()
        .flat_map(|arm| arm.runs.iter().map(|run| run.seed).chain(arm.excluded.iter().map(|excluded| excluded.seed)))
        .collect();
    for arm in &mut arms {
        arm.role = if arm.name == control { Role::Control } else { Role::Treatment };
        let known: BTreeSet<u64> =
            arm.runs.iter().map(|run| run.seed).chain(arm.excluded.iter().map(|excluded| excluded.seed)).collect();
        let reason = "the table has no row for it".to_owned();
        arm.excluded
            .extend(seeds.difference(&known).map(|&seed| augtrial_compare::Excluded { seed, reason: reason.clone() }));
        arm.runs.sort_by_key(|run| run.seed);
        arm.excluded.sort_by_key(|excluded| excluded.seed);
    }
    let others = arms.iter().filter(|arm| arm.name != control);
    let contrasts = others.map(|arm| Contrast { treatment: arm.name.clone(), control: control.clone() }).collect();
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let study = Study {
        name,
        title: None,
        question: None,
        seed: StudySeed(1),
        seeds: seeds.into_iter().collect(),
        protocol: Protocol::LeakFree,
        redraw: Vec::new(),
        primary_metric: metric,
        alpha: options.alpha,
        delta: margin(options, Metric::of(metric))?,
    };
    Ok(StudyResults { study, contrasts, arms, conduct: Conduct::default(), images })
}

/// The margin on the scale of the metric.
fn margin(options: &GivenOptions, metric: &Metric) -> Result<f64, GivenError> {
    let Some(delta) = options.delta else { return Ok(DEFAULT_MARGIN) };
    if metric.scale != Scale::Percent {
        return Ok(delta);
    }
    let (margin, most, advice) = if options.percent {
        (delta / PERCENT, PERCENT, "1 for one percentage point")
    } else {
        (delta, 1.0, "0.01 for one percentage point, or say `--percent` too if the table is percent")
    };
    if margin < 1.0 { Ok(margin) } else { Err(GivenError::Margin { delta, title: metric.title, most, advice }) }
}

/// Names that a control goes by.
const CONTROLS: [&str; 4] = ["control", "baseline", "base", "none"];

/// The arm that the others are compared with.
fn control(arms: &[ArmResults], options: &GivenOptions) -> Result<String, GivenError> {
    let names = || arms.iter().map(|arm| arm.name.as_str());
    if let Some(wanted) = &options.control {
        return names().find(|name| name == wanted).map(str::to_owned).ok_or_else(|| GivenError::NoSuchArm {
            name: wanted.clone(),
            arms: names().collect::<Vec<_>>().join(", "),
        });
    }
    let by_role = || arms.iter().filter(|arm| arm.role == Role::Control).map(|arm| arm.name.as_str());
    let by_name = || names().filter(|name| CONTROLS.contains(&name.to_lowercase().as_str()));
    let only = |mut found: Box<dyn Iterator<Item = &str> + '_>| match (found.next(), found.next()) {
        (Some(name), None) => Some(name.to_owned()),
        _ => None,
    };
    only(Box::new(by_role()))
        .or_else(|| only(Box::new(by_name())))
        .ok_or_else(|| GivenError::WhichControl { arms: names().collect::<Vec<_>>().join(", ") })
}
