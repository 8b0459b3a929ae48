//! `augtrial explain`: a design's cells, effects, and where a published difference comes from.

use clap::Args;

use super::CliError;
use super::args::{Experiment, Global, Json};
use super::output::{json, line, paragraph};
use super::screen::{STRONG, link, styled};
use super::seed_grammar::shown;
use super::session::overrides;
use super::table::table;
use augtrial_base::clock::Clock;
use augtrial_base::digest::Digest;
use augtrial_base::numbers::{NONE, count, p_value};
use augtrial_base::words::plural;
use augtrial_compare::{
    DesignComparison, DesignContrast, FactorEffect, LearningSlice, Measured, Scale, Tested, compare_design,
};
use augtrial_plan::Override;
use augtrial_plan::dataset::Dataset;
use augtrial_plan::design::Design;
use augtrial_registry::Registry;
use augtrial_report::{DesignHeading, design_answers, design_limits, write_design_report};
use augtrial_study::{StudyError, design_makings, design_results};

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    #[command(flatten)]
    experiment: Experiment,
    #[command(flatten)]
    json: Json,
}

pub(super) fn explain(args: &ExplainArgs, global: &Global) -> Result<(), CliError> {
    let file = &args.experiment.file;
    let changes = overrides(&args.experiment)?;
    let design = Design::load(file, &changes)?.ok_or_else(|| {
        CliError::Arguments(format!(
            "{} declares no factors, so there is nothing to explain: `augtrial compare` compares its arms",
            file.display()
        ))
    })?;
    let plan = &design.cells[design.reference].plan;
    let registry = Registry::open(&global.runs, Clock::System)?;
    let (results, runs) = design_results(&design, &registry)?;
    if results.cells.iter().all(|cell| cell.arms.iter().all(|(_, values)| values.is_empty())) {
        return Err(CliError::Arguments(format!(
            "no cell of the design {} has a result with {}: run it, or give the `--seeds` and `--set` that it was run with",
            design.name,
            shown(&plan.study.seeds)
        )));
    }
    let comparison = compare_design(&results);
    if args.json.json {
        return json(&comparison);
    }
    paragraph(format_args!(
        "{}: {}, {}, {}",
        styled(STRONG, format_args!("design {}", design.name)),
        plural(design.factors.len(), "factor"),
        plural(design.cells.len(), "cell"),
        plural(comparison.seeds.len(), "seed"),
    ))?;
    for answer in design_answers(&comparison) {
        paragraph(format_args!("\n{answer}"))?;
    }
    for slice in comparison.learning.iter().flat_map(|learning| &learning.slices) {
        curves(&comparison, slice)?;
    }
    for contrast in &comparison.contrasts {
        cells(&comparison, contrast)?;
        effects(contrast, comparison.measure().scale)?;
    }
    line("\nWhat holds of every number here:")?;
    design_limits(&comparison).iter().try_for_each(|limit| paragraph(format_args!("- {limit}")))?;
    let heading = DesignHeading {
        name: &design.name,
        title: design.title.as_deref().unwrap_or(&design.name),
        question: design.question.as_deref(),
        synthetic: matches!(plan.dataset, Dataset::Synthetic(_)),
    };
    let folder = global.reports.join(&design.name).join(folder_name(&design, &changes));
    let provenance = design_makings(&runs, &registry)?;
    let page = write_design_report(&comparison, heading, &provenance, &folder).map_err(StudyError::from)?;
    line(format_args!("\npage: {}", link(&page)))
}

/// What the page's folder is called: some of the seeds, or a variant, do not replace the page of the file as it stands.
fn folder_name(design: &Design, changes: &[Override]) -> String {
    if changes.is_empty() {
        return "explained".to_owned();
    }
    let plans: Vec<Digest> = design.cells.iter().map(|cell| cell.plan.digest()).collect();
    format!("explained-{}", Digest::of_value("explained", &plans).short())
}

/// One row per number of real images: every arm's mean.
fn curves(comparison: &DesignComparison, slice: &LearningSlice) -> Result<(), CliError> {
    let measure = comparison.measure();
    let others: Vec<String> = slice.others.iter().map(|(factor, level)| format!(", {factor} {level}")).collect();
    let others = others.concat();
    paragraph(format_args!("\n{} by the number of real training images{others}", measure.title))?;
    let mut header = vec!["real images"];
    header.extend(slice.arms.iter().map(|arm| arm.arm.as_str()));
    let Some(first) = slice.arms.first() else { return Ok(()) };
    let row = |(index, point): (usize, &augtrial_compare::LearningPoint)| {
        let mean = |arm: &augtrial_compare::ArmLearning| {
            arm.points[index].mean.as_ref().map_or_else(|_| NONE.to_owned(), |mean| measure.scale.value(*mean))
        };
        std::iter::once(count(point.images)).chain(slice.arms.iter().map(mean)).collect()
    };
    let rows: Vec<Vec<String>> = first.points.iter().enumerate().map(row).collect();
    line(table(&header, &rows))
}

/// One row per cell: its levels, both means, and the gain.
fn cells(comparison: &DesignComparison, contrast: &DesignContrast) -> Result<(), CliError> {
    let (treatment, control) = (&contrast.contrast.treatment, &contrast.contrast.control);
    let scale = comparison.measure().scale;
    let title = comparison.measure().title;
    paragraph(format_args!(
        "\n{title}: {treatment} less {control} in every cell{}, Holm's p over the cells",
        unit(scale)
    ))?;
    let mut header: Vec<&str> = comparison.factors.iter().map(|factor| factor.name.as_str()).collect();
    header.extend([control.as_str(), treatment.as_str(), "gain", "interval", "p", "pairs"]);
    let row = |(cell, gain): (&augtrial_compare::CellSummary, &augtrial_compare::Gain)| {
        let mean = |name: &str| {
            let found = cell.arms.iter().find(|arm| arm.arm == name).and_then(|arm| arm.mean.as_ref().ok().copied());
            found.map_or_else(|| NONE.to_owned(), |value| scale.spread(value))
        };
        let mut row = cell.levels.clone();
        row.extend([mean(control), mean(treatment)]);
        row.extend(of_test(&gain.mean, &gain.tested, scale));
        row.push(gain.pairs.to_string());
        row
    };
    let rows: Vec<Vec<String>> = comparison.cells.iter().zip(&contrast.gains).map(row).collect();
    line(table(&header, &rows))
}

fn effects(contrast: &DesignContrast, scale: Scale) -> Result<(), CliError> {
    if contrast.effects.is_empty() {
        return Ok(());
    }
    paragraph(
        "\nWhat each factor, and two together, do to that gain, averaged over the other factors; Holm's p over these rows",
    )?;
    let row = |effect: &FactorEffect| {
        let name = effect.switches.iter().map(|switch| format!("{}: {} to {}", switch.factor, switch.from, switch.to));
        let mut row = vec![name.collect::<Vec<_>>().join(" and ")];
        row.extend(of_test(&effect.mean, &effect.tested, scale));
        row
    };
    let rows: Vec<Vec<String>> = contrast.effects.iter().map(row).collect();
    line(table(&["effect", "difference", "interval", "p"], &rows))
}

/// The unit of differences, for a heading.
fn unit(scale: Scale) -> String {
    let unit = scale.difference_unit();
    if unit.is_empty() { String::new() } else { format!(", in {unit}") }
}

/// Mean, interval and adjusted p; without a test, the mean alone.
fn of_test(mean: &Measured<f64>, tested: &Measured<Tested>, scale: Scale) -> [String; 3] {
    match (tested, mean) {
        (Ok(Tested { difference, holm_p, .. }), _) => {
            [scale.difference(difference.point), scale.interval(difference.interval), p_value(*holm_p)]
        }
        (Err(_), Ok(mean)) => [scale.difference(*mean), NONE.to_owned(), NONE.to_owned()],
        (Err(_), Err(_)) => [NONE; 3].map(str::to_owned),
    }
}
