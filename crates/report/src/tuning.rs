//! How the study was tuned, in words.

use super::document::Block;
use super::figures::Figure;
use super::references::Citations;
use super::tables;
use super::view::StudyView;
use augtrial_base::words::plural;
use augtrial_compare::Tuning;
use augtrial_plan::Plan;

/// Rows of the table of tries that stand open.
const MAX_OPEN_TRIES: usize = 12;

/// For the methods: what was searched, and by what it was chosen.
pub(super) fn methods(plan: &Plan, tuning: &Tuning, cited: &Citations) -> String {
    let keys: Vec<&str> =
        tuning.tries.first().map(|one| one.values.keys().map(String::as_str).collect()).unwrap_or_default();
    let tries = tuning.tries.len();
    let drawn = match plan.tune.as_ref().and_then(|tune| tune.tries) {
        Some(_) => format!("{tries} sets of values were drawn at random, the same for every arm"),
        None => format!("every arm was tried with all {tries} combinations of the declared values"),
    };
    let failed: usize = tuning.arms.iter().map(augtrial_compare::ArmTuning::failed).sum();
    let failed = match failed {
        0 => String::new(),
        n => format!(" {} failed; in the curve they count as the arm's worst.", plural(n, "try")),
    };
    format!(
        "Before the study, {} tuned with equal effort for every arm: {drawn}, on {} that the study does not use. For each arm \
         the try with the best {}, the mean over these seeds, was chosen; the test part was not looked at. Where the values of \
         an arm differ from those above, those chosen hold.{failed} The tuning curve is the expected best of k tries by the unbiased \
         estimator ({}); the estimator of {} draws with replacement and is biased.",
        was(&keys),
        plural(tuning.seeds.len(), "seed"),
        tuning.measure(),
        cited.cite("tang2020"),
        cited.cite("dodge2019"),
    )
}

fn was(keys: &[&str]) -> String {
    let named: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
    format!("{} {}", named.join(", "), if keys.len() == 1 { "was" } else { "were" })
}

/// The part of the report about tuning; nothing where nothing was tuned.
pub(super) fn blocks(view: &StudyView, figures: impl Iterator<Item = Figure>) -> Vec<Block> {
    let Some(tuning) = &view.tuning else { return Vec::new() };
    let chosen = |arm: &augtrial_compare::ArmTuning| {
        let best = arm.best().map_or_else(String::new, |best| format!(", {} {}", tuning.measure(), tuning.shown(best)));
        let edge = tuning.at_the_edge(arm).into_iter().map(|(key, edge)| {
            let beyond = if edge == "largest" { "larger" } else { "smaller" };
            format!("; `{key}` is the {edge} that was tried, and a {beyond} one may be better")
        });
        format!("{}: try {} ({}){best}{}", arm.arm, arm.chosen, tuning.chosen_values(arm), edge.collect::<String>())
    };
    let mut blocks = vec![
        Block::Text(format!(
            "Every arm had {}, chosen by {} on {} of their own. The test part was not looked at.",
            plural(tuning.tries.len(), "try"),
            tuning.measure(),
            plural(tuning.seeds.len(), "seed"),
        )),
        Block::List(tuning.arms.iter().map(chosen).collect()),
    ];
    blocks.extend(figures.map(Block::Figure));
    let table = tables::tuning(view);
    if table.rows.len() <= MAX_OPEN_TRIES {
        blocks.push(Block::Table(table));
    } else {
        blocks.push(Block::Fold(table.caption.clone(), vec![Block::Table(table)]));
    }
    blocks
}
