//! `augtrial compare`: the answers and a table that fits the screen; with `--full` every statistic.

use clap::Args;

use super::CliError;
use super::args::{Global, STUDY_HELP};
use super::compare_full::{every_statistic, full};
use super::compare_json::Document;
use super::gaps::gaps;
use super::output::{json, line, paragraph};
use super::screen::{self, STRONG, styled};
use super::study_name::open_study;
use super::table::{table, table_within};
use augtrial_base::text::terminal;
use augtrial_base::words::plural;
use augtrial_compare::{ArmTuning, Comparison, ContrastResult, Judged, Scale, Scope, Scoped, Tuning};
use augtrial_plan::Plan;
use augtrial_plan::dataset::{Dataset, Protocol};
use augtrial_report::{AuditRecord, BannerFact, answers, banner};
use augtrial_study::{AuditComparison, audited_comparison_of, evaluations_of, tuning_of};

#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    #[arg(default_value = "latest", help = STUDY_HELP)]
    pub(super) study: String,
    /// Show every statistic of every contrast, image by image too, and what was not varied.
    #[arg(long)]
    pub(super) full: bool,
    /// Print one JSON object instead of tables; docs/compare.schema.json describes it.
    #[arg(long)]
    pub(super) json: bool,
    /// Print the JSON schema of `--json`.
    #[arg(long, conflicts_with = "json")]
    pub(super) schema: bool,
    #[command(flatten)]
    pub(super) given: super::given::GivenArgs,
}

/// What stands where there is no value.
pub(super) const NONE: &str = "-";

pub(super) fn compare(args: &CompareArgs, global: &Global) -> Result<(), CliError> {
    if args.schema {
        return line(format_args!("{:#}", Document::schema()));
    }
    if let Some(file) = &args.given.results {
        return super::given::compare(file, &args.given, args.full);
    }
    let (registry, plan) = open_study(&args.study, global)?;
    let AuditComparison { comparison, audit } = audited_comparison_of(&plan, &registry)?;
    if args.json {
        let tuning = tuning_of(&plan, &registry)?;
        let evaluations = evaluations_of(&plan, &registry)?;
        return json(&Document::new(&plan, &comparison, &evaluations, audit.as_ref(), tuning.as_ref()));
    }
    heading(&plan, &comparison)?;
    brief(&plan, &comparison)?;
    line("")?;
    if args.full {
        full(&plan, &comparison, &evaluations_of(&plan, &registry)?)?;
        return audit.as_ref().map_or(Ok(()), |audit| audited(audit, &comparison));
    }
    line(arms(&comparison, false))?;
    if let Some(tuning) = tuning_of(&plan, &registry)? {
        tuned(&tuning)?;
    }
    if let Some(audit) = &audit {
        audited(audit, &comparison)?;
    }
    paragraph("\nEvery statistic, and what was not varied: augtrial compare --full")
}

/// The answer to each contrast, the verdicts in a table that fits a screen, and what is missing.
pub(super) fn brief(plan: &Plan, comparison: &Comparison) -> Result<(), CliError> {
    line(brief_within(&facts(plan, comparison), plan.study.protocol, comparison, screen::columns()))
}

/// The same of results that no plan of ours made, with what must be known of them.
pub(super) fn of_given(facts: &[BannerFact], comparison: &Comparison, full: bool) -> Result<(), CliError> {
    line(brief_within(facts, Protocol::LeakFree, comparison, screen::columns()))?;
    line("")?;
    if full { every_statistic(comparison) } else { line(arms(comparison, false)) }
}

fn facts(plan: &Plan, comparison: &Comparison) -> Vec<BannerFact> {
    banner(comparison, matches!(plan.dataset, Dataset::Synthetic(_)), plan.study.protocol)
}

fn brief_within(facts: &[BannerFact], protocol: Protocol, comparison: &Comparison, columns: Option<usize>) -> String {
    let mut parts: Vec<String> = facts.iter().map(|fact| screen::warning_within(&fact.text(), columns)).collect();
    parts.push(String::new());
    for answer in answers(comparison, protocol) {
        parts.push(screen::paragraph_within(&answer, "", columns) + "\n");
    }
    if !comparison.contrasts.is_empty() {
        parts.push(verdicts(comparison, columns).to_string());
        parts.push(screen::paragraph_within(&caption(comparison), "", columns) + "\n");
    }
    parts.extend(gaps(comparison).iter().map(|gap| screen::paragraph_within(gap, "  ", columns)));
    parts.join("\n").trim_end().to_owned()
}

fn heading(plan: &Plan, comparison: &Comparison) -> Result<(), CliError> {
    let design = format!(
        "plan {}: {}, {}, {} at alpha {}, margin {}{}",
        plan.digest().short(),
        plural(comparison.arms.len(), "arm"),
        plural(comparison.seeds.len(), "seed"),
        plural(comparison.contrasts.len(), "contrast"),
        comparison.alpha,
        comparison.measure().scale.spread(comparison.delta),
        comparison.measure().scale.after(),
    );
    paragraph(format_args!("{}, {design}", styled(STRONG, format_args!("study {}", plan.study.name))))
}

/// One row per contrast: what holds in the widest scope that is known.
fn verdicts(comparison: &Comparison, columns: Option<usize>) -> comfy_table::Table {
    let complete = comparison.contrasts.iter().all(|result| result.missing.is_empty());
    let scale = comparison.measure().scale;
    let scopes = scopes(comparison);
    let mut header = vec!["contrast", "difference", "interval", "verdict"];
    if !complete {
        header.insert(1, "pairs");
    }
    if scopes.len() > 1 {
        header.push("holds");
    }
    let row = |result: &ContrastResult| {
        let headline = result.judged().map(Judged::headline);
        let mut cells = vec![name(result)];
        if !complete {
            cells.push(format!("{}/{}", result.pairs.len(), comparison.seeds.len()));
        }
        cells.push(difference(result, scale));
        cells.push(interval(headline.map(|(_, scoped)| scoped), scale));
        cells.push(headline.map_or_else(|| result.word().to_owned(), |(_, scoped)| verdict(result, Some(scoped))));
        if scopes.len() > 1 {
            cells.push(headline.map_or_else(|| NONE.to_owned(), |(scope, _)| scope.phrase(comparison.images)));
        }
        cells
    };
    table_within(&header, &comparison.contrasts.iter().map(row).collect::<Vec<_>>(), columns)
}

/// Every scope that a headline speaks of.
fn scopes(comparison: &Comparison) -> Vec<Scope> {
    let mut scopes: Vec<Scope> =
        comparison.contrasts.iter().filter_map(|result| Some(result.judged()?.headline().0)).collect();
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}

/// What the numbers of the table are.
fn caption(comparison: &Comparison) -> String {
    let level = 100.0 * (1.0 - comparison.alpha);
    let scope = match scopes(comparison).as_slice() {
        [one] => format!(" {}", one.phrase(comparison.images)),
        _ => String::new(),
    };
    let unit = in_unit(comparison.measure().scale);
    format!("Treatment less control, paired by seed{unit}, with {level:.0} % intervals{scope}.")
}

/// The unit of differences, behind a comma.
fn in_unit(scale: Scale) -> String {
    let unit = scale.difference_unit();
    if unit.is_empty() { String::new() } else { format!(", in {unit}") }
}

/// One row per arm.
pub(super) fn arms(comparison: &Comparison, full: bool) -> comfy_table::Table {
    let scale = comparison.measure().scale;
    let mean = if scale.unit().is_empty() { "mean".to_owned() } else { format!("mean {}", scale.unit()) };
    let mut header = vec!["arm", "seeds", mean.as_str(), "interval"];
    if full {
        header.extend(["sd", "median", "IQM", "min", "max"]);
    }
    let row = |arm: &augtrial_compare::ArmSummary| {
        let summary = arm.summary.as_ref().ok();
        let of = |value: Option<f64>| value.map_or_else(|| NONE.to_owned(), |value| scale.spread(value));
        let interval = arm.mean.as_ref().map_or_else(
            |_| NONE.to_owned(),
            |mean| format!("{} to {}", scale.spread(mean.interval.0), scale.spread(mean.interval.1)),
        );
        let mut cells = vec![
            arm.name.clone(),
            format!("{}/{}", arm.values.len(), comparison.seeds.len()),
            of(summary.map(|s| s.mean)),
            interval,
        ];
        if full {
            cells.extend([
                of(arm.sd.as_ref().ok().copied()),
                of(summary.map(|s| s.median)),
                of(summary.map(|s| s.interquartile_mean)),
                of(summary.map(|s| s.min)),
                of(summary.map(|s| s.max)),
            ]);
        }
        cells
    };
    table(&header, &comparison.arms.iter().map(row).collect::<Vec<_>>())
}

pub(super) fn name(result: &ContrastResult) -> String {
    format!("{} - {}", result.contrast.treatment, result.contrast.control)
}

pub(super) fn difference(result: &ContrastResult, scale: Scale) -> String {
    result.mean_difference().map_or_else(|| NONE.to_owned(), |difference| scale.difference(difference))
}

/// The verdict of one scope, marked while pairs are missing.
pub(super) fn verdict(result: &ContrastResult, scoped: Option<&Scoped>) -> String {
    let word = scoped.map_or("not known", |scoped| scoped.verdict.word());
    if result.missing.is_empty() { word.to_owned() } else { format!("{word} (provisional)") }
}

/// The interval of one scope; equal ends are no interval.
pub(super) fn interval(scoped: Option<&Scoped>, scale: Scale) -> String {
    match scoped.map(|scoped| scoped.difference.interval) {
        None => NONE.to_owned(),
        Some((low, high)) if low < high => scale.interval((low, high)),
        Some(_) => "no spread".to_owned(),
    }
}

/// What was searched before the study, and what was chosen.
fn tuned(tuning: &Tuning) -> Result<(), CliError> {
    let (tries, seeds) = (tuning.tries.len(), plural(tuning.seeds.len(), "seed"));
    paragraph(format_args!(
        "\nTuned before the study: {tries} tries of every arm on {seeds}, chosen by {}.",
        tuning.measure()
    ))?;
    let row = |arm: &ArmTuning| {
        let best = arm.best().map_or_else(|| NONE.to_owned(), |best| tuning.shown(best));
        vec![arm.arm.clone(), arm.chosen.to_string(), terminal(&tuning.chosen_values(arm)), best]
    };
    line(table(&["arm", "try", "values", "validation"], &tuning.arms.iter().map(row).collect::<Vec<_>>()))
}

/// What was found of the data, and each contrast without the test images in doubt.
fn audited(audit: &AuditRecord, comparison: &Comparison) -> Result<(), CliError> {
    line("\nAudit of the data (docs/audit.md).")?;
    audit.sentences().iter().try_for_each(|sentence| paragraph(terminal(sentence)))?;
    let mut rows = Vec::new();
    for (index, all) in comparison.contrasts.iter().enumerate() {
        let parts = audit.subsets.iter().filter(|subset| subset.left_out > 0);
        let parts = parts.filter_map(|part| Some((part, part.contrasts.as_ref().ok()?.get(index)?)));
        let parts: Vec<_> = parts.map(|(part, c)| (format!("without {}", part.without), part.images, c)).collect();
        if !parts.is_empty() {
            let scale = comparison.measure().scale;
            let all = [("all".to_owned(), comparison.images, all)].into_iter().chain(parts);
            rows.extend(all.map(|(which, images, result)| audited_row(which, images, result, scale)));
        }
    }
    if rows.is_empty() {
        return line("No test image has a twin in training or a label in doubt.");
    }
    line(table(
        &["contrast", "test images", "n", "difference", "this test set", "verdict", "new images", "verdict"],
        &rows,
    ))
}

fn audited_row(which: String, images: usize, result: &ContrastResult, scale: Scale) -> Vec<String> {
    let judged = result.judged();
    let here = judged.and_then(|j| j.here.as_ref().ok());
    let beyond = judged.and_then(|j| j.beyond.as_ref().ok());
    vec![
        name(result),
        which,
        images.to_string(),
        difference(result, scale),
        interval(here, scale),
        verdict(result, here),
        interval(beyond, scale),
        verdict(result, beyond),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use augtrial_compare::{ArmResults, Conduct, Excluded, RunResult, StudyResults, TestImage, compare};

    /// Three arms on four seeds and sixty test images; the last arm lacks two seeds, and its name is long.
    fn comparison() -> (Plan, Comparison) {
        let text = "[study]\nname = \"demo\"\nseeds = [1, 2, 3, 4, 5]\ndelta = 0.02\n[dataset.folder]\npath = \"photos\"\n\
                    [classifier.budget]\nepochs = 1\n[[arm]]\nname = \"control\"\nrole = \"control\"\n\
                    [[arm]]\nname = \"traditional\"\n[[arm]]\nname = \"edited-with-a-name-that-is-rather-long-for-a-table\"\n";
        let plan = Plan::parse("demo", text, std::path::PathBuf::new(), &[]).unwrap();
        let images = 60_u64;
        // Which images an arm gets right: the same easy ones for all, and a few that vary with the seed.
        let run = |arm: u64, seed: u64| {
            let correct: Vec<bool> =
                (0..images).map(|image| image * 7 % 60 < 36 + 5 * arm + (seed * (3 + arm)) % 4).collect();
            let value = correct.iter().filter(|right| **right).count() as f64 / images as f64;
            RunResult { seed, value, run: format!("{arm}-{seed}"), correct, answers: Vec::new() }
        };
        let arms = plan.arms.iter().zip(0_u64..).map(|(arm, index)| ArmResults {
            name: arm.name.clone(),
            role: arm.role,
            runs: (1..=if index == 2 { 3 } else { 5 }).map(|seed| run(index, seed)).collect(),
            excluded: (4..=if index == 2 { 5 } else { 3 })
                .map(|seed| Excluded { seed, reason: "not run yet".to_owned() })
                .collect(),
            planned_images: 100,
            missing_images: 0,
        });
        let results = StudyResults {
            study: plan.study.clone(),
            contrasts: plan.contrasts.clone(),
            arms: arms.collect(),
            conduct: Conduct::default(),
            images: (0..60).map(|image| TestImage { label: image % 3, cluster: image }).collect(),
        };
        let comparison = compare(&results);
        (plan, comparison)
    }

    #[test]
    fn the_brief_answer_fits_eighty_columns_and_groups_what_is_missing() {
        let (plan, comparison) = comparison();
        let shown = console::strip_ansi_codes(&brief_within(
            &facts(&plan, &comparison),
            plan.study.protocol,
            &comparison,
            Some(80),
        ))
        .into_owned();
        let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
        let long: Vec<_> = lines.iter().filter(|line| console::measure_text_width(line) > 80).collect();
        assert!(long.is_empty(), "{long:#?}");
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn words_have_colors_that_can_be_taken_out_and_a_file_has_no_width() {
        let (plan, comparison) = comparison();
        let shown = brief_within(&facts(&plan, &comparison), plan.study.protocol, &comparison, None);
        assert!(shown.contains('\u{1b}'), "styled, for the stream to decide");
        let plain = console::strip_ansi_codes(&shown).into_owned();
        assert!(!plain.contains('\u{1b}') && plain.contains("not run yet: seeds 4-5 of edited-with"), "{plain}");
        let answer = &answers(&comparison, plan.study.protocol)[0];
        assert!(plain.contains(answer.as_str()), "one line per paragraph");
    }
}
