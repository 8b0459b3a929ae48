//! `augtrial replay`.

use std::path::PathBuf;

use clap::Args;

use super::CliError;
use super::args::Global;
use super::output::{json, line};
use super::session::{Signals, command_line, progress, workspace};
use super::table::table;
use augtrial_plan::classifier::Kernels;
use augtrial_study::{
    Check, Context, Grade, GradedAt, Replay, ReplayOptions, Surrounding, recorded_kernels, replay as rerun,
};
use augtrial_trial::Engine;

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// The run: `latest`, or a unique prefix of its id.
    pub(super) run: String,
    /// Threads of the trial instead of the recorded number; other numbers give other bits.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(super) threads: Option<u32>,
    /// Stop after so many epochs and compare those: a quick check.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) epochs: Option<u32>,
    /// Folder that relative paths of the recorded plan start from; the recorded experiment file's if absent.
    #[arg(long, value_name = "DIR")]
    pub(super) base: Option<PathBuf>,
    /// Print one JSON object: the grade, the surroundings, and every quantity that was compared.
    #[arg(long)]
    pub(super) json: bool,
}

/// Digits of a digest that are shown.
const SHORT_DIGEST_DIGITS: usize = 12;
/// What stands where nothing was recorded.
const NONE: &str = "-";

/// `engine` gives an engine that computes with the recorded kernels, or makes this process one that has it.
pub(super) fn replay(
    args: &ReplayArgs,
    global: &Global,
    engine: impl FnOnce(Kernels) -> Result<&'static dyn Engine, CliError>,
) -> Result<(), CliError> {
    let signals = Signals::default();
    signals.listen()?;
    let (workspace, progress) = (workspace(global), progress(global));
    let command_line = command_line();
    let mut context =
        Context { command_line: &command_line, ..Context::new(&workspace, &progress, &signals.stop, &signals.save) };
    context.engine = Some(engine(recorded_kernels(&args.run, &context)?)?);
    let options = ReplayOptions { threads: args.threads, epochs: args.epochs, base: args.base.clone() };
    let replay = rerun(&args.run, &options, &context)?;
    if args.json {
        json(&replay)?;
    } else {
        show(&replay)?;
    }
    match (replay.grade, replay.first_beyond()) {
        (Grade::Different, Some(check)) => Err(CliError::ReplayDiffers {
            run: replay.run.to_string(),
            place: check.place.to_string(),
            quantity: check.quantity,
        }),
        _ => Ok(()),
    }
}

/// What was rerun, how its surroundings differ, the quantities that matter, and the verdict.
fn show(replay: &Replay) -> Result<(), CliError> {
    let Replay { run, study, arm, seed, attempt, recorded_epochs, replayed_epochs, threads, .. } = replay;
    line(format_args!("run {run}: {study}, {arm}, seed {seed}, attempt {attempt}"))?;
    line(format_args!("replayed: {replayed_epochs} of {recorded_epochs} epochs, threads: {threads}"))?;
    if !replay.surroundings.is_empty() {
        let cell = |value: &Option<String>| value.clone().unwrap_or_else(|| NONE.to_owned());
        let row =
            |one: &Surrounding| vec![one.field.clone(), cell(&one.recorded), cell(&one.now), one.meaning.to_owned()];
        let rows: Vec<_> = replay.surroundings.iter().map(row).collect();
        line(table(&["surroundings", "recorded", "now", "meaning"], &rows))?;
    }
    let [unequal, beyond] = [replay.first_unequal(), replay.first_beyond()];
    let told = |check: &&Check| [unequal, beyond].contains(&Some(*check)) || is_result(replay, check);
    let row = |check: &Check| {
        let nearness = if check.equal {
            "equal"
        } else if check.close {
            "other bits"
        } else {
            "different"
        };
        let place = check.place.to_string();
        vec![place, check.quantity.to_owned(), short(&check.recorded), short(&check.replayed), nearness.to_owned()]
    };
    let rows: Vec<_> = replay.checks.iter().filter(told).map(row).collect();
    line(table(&["when", "quantity", "recorded", "replayed", ""], &rows))?;
    for reason in &replay.another_trial {
        line(format_args!("cannot be the same trial: {reason}"))?;
    }
    line(verdict(replay))
}

/// Whether a quantity is told beside the first that differs: data that differ, and what the last replayed epoch and the end
/// gave. What no rounding can change is told only if it differs.
fn is_result(replay: &Replay, check: &Check) -> bool {
    match check.place {
        GradedAt::Data => !check.equal,
        GradedAt::Epoch(epoch) => epoch == replay.replayed_epochs && (check.trained || !check.equal),
        GradedAt::End => check.trained || !check.equal,
    }
}

/// A digest by its beginning; anything else as it is.
fn short(value: &str) -> String {
    let is_digest = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_digest { value[..SHORT_DIGEST_DIGITS].to_owned() } else { value.to_owned() }
}

/// The grade, where it comes from, and what explains it.
fn verdict(replay: &Replay) -> String {
    let place =
        |check: Option<&Check>| check.map_or(String::new(), |check| format!("{}, in: {}", check.place, check.quantity));
    let [unequal, beyond] = [replay.first_unequal(), replay.first_beyond()].map(place);
    let whole = replay.checks.iter().any(|check| check.place == GradedAt::End);
    let part = if whole { "" } else { " as far as it was replayed" };
    let why = match (replay.grade, replay.another_trial.is_empty(), replay.bits_may_differ()) {
        (Grade::Identical, ..) | (_, false, _) => "",
        (_, _, true) => {
            "\nThe surroundings above explain other bits, and training amplifies them; the same surroundings give the same bits."
        }
        (_, _, false) => {
            "\nNothing that is recorded explains it: the same threads, kernels and versions give the same bits. The record was \
             changed, or the program or the machine is not what it says."
        }
    };
    match replay.grade {
        Grade::Identical => format!("identical{part}: {} quantities are equal to the bit", replay.checks.len()),
        Grade::Close => {
            format!("numerically close{part}: bits first differ {unequal}\nTolerance: {}.{why}", replay.tolerance)
        }
        Grade::Different if unequal == beyond => format!("different: first {beyond}{why}"),
        Grade::Different => {
            let tolerance = replay.tolerance;
            format!("different: first {beyond} (bits first differ {unequal})\nTolerance: {tolerance}.{why}")
        }
    }
}
