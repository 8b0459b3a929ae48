//! `augtrial check`: the file, and whether what it names is there. Trains nothing, and opens few pictures.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::CliError;
use super::args::{Experiment, Global, Json};
use super::foreseen::tell_all;
use super::output::{self, line, tell};
use super::screen::{self, ERROR, FAINT, GOOD, styled};
use super::session::Session;
use augtrial_base::words::plural;
use augtrial_plan::dataset::Dataset;
use augtrial_plan::{Override, Plan, PlanError, schema};
use augtrial_study::{Foreseen, foresee};

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Experiment files.
    #[arg(required_unless_present = "schema")]
    pub(super) files: Vec<PathBuf>,
    /// Change a value before checking.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) set: Vec<Override>,
    /// Print the JSON schema of experiment files, for editors.
    #[arg(long)]
    pub(super) schema: bool,
    #[command(flatten)]
    pub(super) json: Json,
}

pub(super) fn check(args: &CheckArgs, global: &Global) -> Result<(), CliError> {
    if args.schema {
        return line(format_args!("{:#}", schema()));
    }
    let mut failed: Option<CliError> = None;
    let mut told = Vec::new();
    for file in &args.files {
        let experiment = Experiment { set: args.set.clone(), ..Experiment::unchanged(file) };
        let error = match Session::open(&experiment, global) {
            Ok(session) => {
                let foreseen = foresee(&session.plan, session.context().worker);
                let fails = foreseen.iter().filter(|one| one.fails).count();
                told.push(described(file, &session.plan, &foreseen));
                if !args.json.json {
                    line(verdict(file, &session.plan, fails))?;
                    tell_all(&foreseen)?;
                    hint(&session.plan).map_or(Ok(()), line)?;
                }
                (fails > 0).then(|| CliError::Foreseen { file: file.clone(), fails })
            }
            Err(error) => {
                told.push(json!({ "file": file.to_string_lossy(), "ok": false, "errors": errors(&error) }));
                Some(error)
            }
        };
        // Every file is checked; all errors but the last are shown here, and the last by `main`.
        if let Some(error) = error
            && let Some(earlier) = failed.replace(error)
        {
            tell(format_args!("{} {}\n", styled(ERROR, "error:"), earlier.shown()));
        }
    }
    if args.json.json {
        output::json(&told)?;
    }
    failed.map_or(Ok(()), Err)
}

fn verdict(file: &std::path::Path, plan: &Plan, fails: usize) -> String {
    let design = format!("{} x {}", plural(plan.arms.len(), "arm"), plural(plan.study.seeds.len(), "seed"));
    let word = if fails == 0 { styled(GOOD, "ok") } else { styled(ERROR, "well-formed, and cannot run") };
    format!("{}: {word}, {design}", file.display())
}

/// What would make a study better and is no fault of it. Rendered images are for trying things out: nothing is said there.
fn hint(plan: &Plan) -> Option<String> {
    let by_hand = plan.arms.iter().any(|arm| !arm.training.is_none());
    let photographs = !matches!(plan.dataset, Dataset::Synthetic(_));
    (photographs && !plan.contrasts.is_empty() && plan.tune.is_none() && !by_hand).then(|| {
        let text = "hint: nothing says that the learning rate suits every arm; [tune] searches it, with the same number of tries for each \
                    (docs/designs.md, Equal tuning)";
        screen::paragraph(&styled(FAINT, text), "  ")
    })
}

fn described(file: &std::path::Path, plan: &Plan, foreseen: &[Foreseen]) -> Value {
    json!({
        "file": file.to_string_lossy(),
        "ok": foreseen.iter().all(|one| !one.fails),
        "study": plan.study.name,
        "plan": plan.digest().to_string(),
        "arms": plan.arms.iter().map(|arm| &arm.name).collect::<Vec<_>>(),
        "seeds": plan.study.seeds,
        "foreseen": foreseen,
    })
}

/// What is wrong, item by item where it is the text of the file.
fn errors(error: &CliError) -> Vec<Value> {
    match error {
        CliError::Plan(PlanError::Invalid(diagnostics)) => {
            let item = |item: &augtrial_base::diagnostic::Diagnostic| {
                let span = item.span.as_ref().map(|span| json!([span.start, span.end]));
                json!({ "message": item.message, "bytes": span, "help": item.help })
            };
            diagnostics.items().iter().map(item).collect()
        }
        other => vec![json!({ "message": augtrial_base::words::chain(other) })],
    }
}
