//! `augtrial plan --json`: what a run would do, for programs.

use serde_json::{Value, json};

use augtrial_plan::Plan;
use augtrial_study::{ArmPreview, Preview, SetPreview, TimeBasis, TrialPreview};

/// The whole preview; times in seconds, sizes in bytes.
pub(super) fn document(plan: &Plan, preview: &Preview) -> Value {
    let basis = match preview.time_basis {
        TimeBasis::Same(_) => "past runs of this kind",
        TimeBasis::Similar(_) => "past runs, scaled",
        TimeBasis::Operations => "operations",
        TimeBasis::Nothing => "nothing",
    };
    let (width_px, height_px) = plan.input_px();
    json!({
        "study": plan.study.name,
        "plan": plan.digest().to_string(),
        "input_px": { "width": width_px, "height": height_px },
        "classes": preview.classes.rows,
        "parts": preview.parts.as_ref().map(|[train, validation, test]| {
            json!({ "train": train, "validation": validation, "test": test })
        }),
        "unused_training_images": preview.unused,
        "arms": preview.arms.iter().map(arm).collect::<Vec<_>>(),
        "trials": preview.trials.iter().map(trial).collect::<Vec<_>>(),
        "search": preview.search.map(|search| json!({
            "tries": search.tries,
            "seeds": search.seeds,
            "trials": search.trials,
            "left": search.left,
            "training_left_secs": search.time.as_secs_f64(),
        })),
        "cross_fit": preview.cross_fit.map(|fit| json!({
            "folds": fit.folds,
            "left": fit.left,
            "training_left_secs": fit.time.as_secs_f64(),
        })),
        "sequential": plan.sequential,
        "training_left_secs": preview.time.as_secs_f64(),
        "time_is_from": basis,
        "jobs": preview.choice.crew.jobs,
        "threads": preview.choice.crew.threads,
        "disk_bytes": preview.disk_bytes,
        "decoded": preview.decoded.map(|decoded| json!({
            "originals": decoded.originals,
            "originals_kept": decoded.originals_kept,
            "derived": decoded.derived,
            "derived_kept": decoded.derived_kept,
            "kept_bytes": decoded.kept_bytes,
        })),
        "warnings": preview.choice.warning.iter().chain(&preview.warnings).collect::<Vec<_>>(),
        "foreseen": preview.foreseen,
        "smallest_reachable_p": augtrial_stats::smallest_reachable_p(plan.study.seeds.len(), plan.contrasts.len()),
    })
}

fn arm(arm: &ArmPreview) -> Value {
    let set = |SetPreview { digest, problem, images, cached }: &SetPreview| {
        let digest = digest.map(|digest| digest.to_string());
        json!({ "digest": digest, "problem": problem, "images": images, "made": cached })
    };
    json!({
        "name": arm.name,
        "role": arm.role,
        "training_images": arm.counts.iter().sum::<u64>(),
        "by_class": arm.counts,
        "epochs": arm.epochs,
        "updates": arm.updates,
        "samples_seen": arm.samples,
        "sets": arm.sets.iter().map(set).collect::<Vec<_>>(),
    })
}

fn trial(trial: &TrialPreview) -> Value {
    json!({
        "arm": trial.arm,
        "seed": trial.seed,
        "standing": trial.standing.word(),
        "run": trial.standing.run().map(|run| run.to_string()),
    })
}
