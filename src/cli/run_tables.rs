//! Runs as tables for people: a list, one run, and how two differ.

use augtrial_base::events::{Cost, EpochMetrics, Split};
use augtrial_base::numbers::decimal;
use augtrial_registry::{Difference, IndexValue, MetricPair, RunDiff, RunRecord, RunSummary, Status, Table};

/// Decimals of shares and losses.
const METRIC_DECIMALS: i32 = 4;
/// Decimals of seconds.
const SECS_DECIMALS: i32 = 1;

/// A list of runs.
pub(super) fn list(runs: &[RunSummary]) -> Table {
    let mut table = Table::new(&[
        "run",
        "study",
        "arm",
        "seed",
        "attempt",
        "status",
        "counts",
        "epochs",
        "validation_top1",
        "test_top1",
        "elapsed_secs",
        "created_at",
    ]);
    for run in runs {
        let epochs = run.total_epochs.map_or_else(|| run.epochs.to_string(), |n| format!("{}/{n}", run.epochs));
        table.push(vec![
            run.run.to_string().into(),
            run.study.as_str().into(),
            run.arm.as_str().into(),
            run.seed.into(),
            run.attempt.into(),
            run.status.name().into(),
            run.counts.into(),
            epochs.into(),
            rounded(run.validation_top1, METRIC_DECIMALS),
            rounded(run.test.as_ref().map(|test| test.top1), METRIC_DECIMALS),
            rounded(run.elapsed_secs, SECS_DECIMALS),
            run.created_at.as_str().into(),
        ]);
    }
    table
}

/// The same in the columns that fit a screen: runs by the beginnings of their ids that name them.
pub(super) fn brief(runs: &[RunSummary]) -> Table {
    let several = runs.iter().any(|run| run.study != runs[0].study);
    let mut columns = vec!["run", "arm", "seed", "status", "epochs", "validation", "test", "begun"];
    if several {
        columns.insert(1, "study");
    }
    let digits = naming_digits(runs);
    let mut table = Table::new(&columns);
    for run in runs {
        let epochs = run.total_epochs.map_or_else(|| run.epochs.to_string(), |n| format!("{}/{n}", run.epochs));
        let share = |share: Option<f64>| share.map_or_else(|| "-".to_owned(), |share| decimal(100.0 * share, 2));
        let mut row: Vec<IndexValue> = vec![
            run.run.to_string()[..digits].to_owned().into(),
            run.arm.as_str().into(),
            run.seed.into(),
            run.status.name().into(),
            epochs.into(),
            share(run.validation_top1).into(),
            share(run.test.as_ref().map(|test| test.top1)).into(),
            // To the minute, without the year: 01-31 12:00.
            run.created_at.get(5..16).unwrap_or(&run.created_at).replace('T', " ").into(),
        ];
        if several {
            row.insert(1, run.study.as_str().into());
        }
        table.push(row);
    }
    table
}

/// Digits of an id that tell every run from the others.
fn naming_digits(runs: &[RunSummary]) -> usize {
    /// Enough for most registries, and easy to read.
    const LEAST: usize = 6;
    let ids: Vec<String> = runs.iter().map(|run| run.run.to_string()).collect();
    let most = ids.first().map_or(LEAST, String::len);
    let distinct = |digits: usize| {
        ids.iter().map(|id| &id[..digits]).collect::<std::collections::BTreeSet<_>>().len() == ids.len()
    };
    (LEAST..most).find(|digits| distinct(*digits)).unwrap_or(most)
}

/// One run: what it is, its curves, what it cost, where it was made.
pub(super) fn record(record: &RunRecord) -> Vec<(&'static str, Table)> {
    let costs = record.state.cost.as_ref().map(|cost| ("cost", costs(cost)));
    let [run, epochs, environment] =
        [("run", facts(record)), ("epochs", curves(&record.epochs)), ("environment", environment(record))];
    [Some(run), Some(epochs), costs, Some(environment)].into_iter().flatten().collect()
}

/// How two runs differ; sections without a difference have no rows.
pub(super) fn diff(diff: &RunDiff) -> Vec<(&'static str, Table)> {
    let (a, b) = (diff.a.to_string(), diff.b.to_string());
    let fields = |differences: &[Difference]| {
        let mut table = Table::new(&["field", &a, &b]);
        for Difference { path, a, b } in differences {
            table.push(vec![path.as_str().into(), a.clone().into(), b.clone().into()]);
        }
        table
    };
    let mut metrics = Table::new(&["metric", &a, &b, "difference"]);
    for MetricPair { metric, a, b } in &diff.metrics {
        let difference: IndexValue = a.zip(*b).map(|(a, b)| b - a).into();
        metrics.push(vec![(*metric).into(), (*a).into(), (*b).into(), difference]);
    }
    vec![
        ("trial", fields(&diff.trial)),
        ("plan", fields(&diff.plan)),
        ("environment", fields(&diff.environment)),
        ("metrics", metrics),
    ]
}

/// A number rounded for people; exact values are in the record.
fn rounded(value: impl Into<Option<f64>>, decimals: i32) -> IndexValue {
    let scale = 10_f64.powi(decimals);
    value.into().map_or(IndexValue::Null, |value| IndexValue::Real((value * scale).round() / scale))
}

fn facts(record: &RunRecord) -> Table {
    let RunRecord { header, state, .. } = record;
    let mut table = Table::new(&["field", "value"]);
    let mut fact = |field: &str, value: IndexValue| table.push(vec![field.into(), value]);
    fact("run", header.run.to_string().into());
    fact("study", header.study.as_str().into());
    fact("arm", header.arm.as_str().into());
    fact("seed", header.seed.into());
    fact("attempt", header.attempt.into());
    fact("status", record.status.name().into());
    if let Status::Failed { reason } = &record.status {
        fact("reason", reason.as_str().into());
    }
    fact("counts", record.counts.into());
    fact("protocol", header.protocol.name().into());
    fact("synthetic", header.synthetic.into());
    fact("created_at", header.created_at.as_str().into());
    fact("resumes", state.resumes.into());
    fact("training_samples", state.training_samples.into());
    fact("total_updates", state.total_updates.into());
    fact("epochs", state.epochs.into());
    fact("total_epochs", state.total_epochs.into());
    fact("selected_epoch", state.selected_epoch.into());
    fact("validation_top1", rounded(state.validation_top1, METRIC_DECIMALS));
    fact("test_top1", rounded(state.test.as_ref().map(|test| test.top1), METRIC_DECIMALS));
    fact("test_loss_nats", rounded(state.test.as_ref().map(|test| test.loss_nats), METRIC_DECIMALS));
    fact("test_samples", state.test.as_ref().map(|test| test.samples).into());
    fact("test_openings", state.test_openings.into());
    fact("elapsed_secs", rounded(state.elapsed_secs, SECS_DECIMALS));
    fact("trial_key", header.trial_key.to_string().into());
    fact("plan", header.plan.to_string().into());
    fact("weights", state.weights.map(|weights| weights.to_string()).into());
    table
}

/// One row per epoch: train and validation beside each other.
fn curves(epochs: &[EpochMetrics]) -> Table {
    let mut table = Table::new(&[
        "epoch",
        "train_loss_nats",
        "train_top1",
        "validation_loss_nats",
        "validation_top1",
        "learning_rate",
        "updates",
    ]);
    let last = epochs.iter().map(|metrics| metrics.epoch).max().unwrap_or(0);
    for epoch in 1..=last {
        let part = |split| epochs.iter().find(|m| m.epoch == epoch && m.split == split);
        let (train, validation) = (part(Split::Train), part(Split::Validation));
        let loss = |m: Option<&EpochMetrics>| rounded(m.map(|m| m.loss_nats), METRIC_DECIMALS);
        let top1 = |m: Option<&EpochMetrics>| rounded(m.map(|m| m.top1), METRIC_DECIMALS);
        let either = train.or(validation);
        table.push(vec![
            epoch.into(),
            loss(train),
            top1(train),
            loss(validation),
            top1(validation),
            either.map(|m| m.learning_rate).into(),
            either.map(|m| m.updates).into(),
        ]);
    }
    table
}

fn environment(record: &RunRecord) -> Table {
    let mut table = Table::new(&["field", "value"]);
    for (field, value) in record.provenance.leaves() {
        table.push(vec![field.into(), value.into()]);
    }
    table
}

/// Where the time of a run went, each part with its share, and how fast it was.
fn costs(cost: &Cost) -> Table {
    let mut table = Table::new(&["part", "secs", "share"]);
    let total = cost.total_secs();
    let parts = [
        ("waiting for data", cost.data_secs),
        ("forward", cost.forward_secs),
        ("backward", cost.backward_secs),
        ("optimizer", cost.optimizer_secs),
        ("evaluation", cost.evaluation_secs),
        ("checkpoints", cost.checkpoint_secs),
        ("total", total),
    ];
    for (part, secs) in parts {
        let share = (total > 0.0).then(|| secs / total);
        table.push(vec![part.into(), rounded(secs, SECS_DECIMALS), rounded(share, METRIC_DECIMALS)]);
    }
    let mut rate = |what: &str, value: Option<f64>| {
        table.push(vec![what.into(), rounded(value, SECS_DECIMALS), IndexValue::Null]);
    };
    rate("training, images/s", cost.images_per_sec());
    rate("evaluation, images/s", cost.evaluated_per_sec());
    rate("peak memory, MB", cost.peak_memory_bytes.map(|bytes| bytes as f64 / 1e6));
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use augtrial_base::digest::Digest;
    use augtrial_base::events::TestResult;
    use augtrial_plan::arm::Role;
    use augtrial_plan::dataset::Protocol;

    fn run(status: Status, epochs: u32, test: Option<f64>) -> RunSummary {
        let digest = Digest::of_bytes(b"");
        RunSummary {
            run: "00000000000000ff".parse().unwrap(),
            study: "demo".to_owned(),
            arm: "plain".to_owned(),
            role: Role::Control,
            seed: 1,
            attempt: 1,
            trial_key: digest,
            plan: digest,
            split: digest,
            protocol: Protocol::LeakFree,
            synthetic: true,
            created_at: "2026-01-31T12:00:01.000Z".to_owned(),
            host: "bench".to_owned(),
            device: "cpu".to_owned(),
            counts: status == Status::Finished,
            status,
            epochs,
            total_epochs: (epochs > 0).then_some(3),
            selected_epoch: None,
            validation_top1: (epochs > 0).then_some(0.75),
            test: test.map(|top1| TestResult { loss_nats: 0.5, top1, samples: 2 }),
            test_openings: 0,
            elapsed_secs: f64::from(epochs) * 0.2,
            ended_at: None,
        }
    }

    #[test]
    fn the_list_as_a_table_is_what_people_see() {
        let table = list(&[run(Status::Interrupted, 0, None), run(Status::Finished, 3, Some(2.0 / 3.0))]);
        let line = |cells: Vec<String>| cells.join(" | ");
        let mut lines = vec![line(table.columns.clone())];
        lines.extend(table.rows.iter().map(|row| line(row.iter().map(IndexValue::to_string).collect())));
        insta::assert_snapshot!(lines.join("\n"), @r"
        run | study | arm | seed | attempt | status | counts | epochs | validation_top1 | test_top1 | elapsed_secs | created_at
        00000000000000ff | demo | plain | 1 | 1 | interrupted | no | 0 |  |  | 0 | 2026-01-31T12:00:01.000Z
        00000000000000ff | demo | plain | 1 | 1 | finished | yes | 3/3 | 0.75 | 0.6667 | 0.6 | 2026-01-31T12:00:01.000Z
        ");
    }

    #[test]
    fn the_brief_list_fits_a_screen_and_shows_as_much_of_an_id_as_names_the_run() {
        let table = brief(&[run(Status::Interrupted, 0, None), run(Status::Finished, 3, Some(2.0 / 3.0))]);
        let shown = crate::cli::table::table_of(&table).to_string();
        let plain = console::strip_ansi_codes(&shown).lines().map(str::trim).collect::<Vec<_>>().join("\n");
        insta::assert_snapshot!(plain, @r"
        run               arm    seed  status       epochs  validation   test  begun
        00000000000000ff  plain     1  interrupted       0           -      -  01-31 12:00
        00000000000000ff  plain     1  finished        3/3       75.00  66.67  01-31 12:00
        ");
    }

    #[test]
    fn curves_have_an_epoch_a_row_and_a_difference_names_both_runs() {
        let metrics = |split| EpochMetrics {
            epoch: 1,
            split,
            loss_nats: 0.123_46,
            top1: 0.8,
            learning_rate: 0.01,
            samples: 40,
            updates: 5,
            elapsed_secs: 0.1,
        };
        let rows = curves(&[Split::Train, Split::Validation].map(metrics)).rows;
        let shown: Vec<_> = rows[0].iter().map(IndexValue::to_string).collect();
        assert_eq!(shown, ["1", "0.1235", "0.8", "0.1235", "0.8", "0.01", "5"]);
        let pair = MetricPair { metric: "test_top1", a: Some(0.5), b: Some(0.75) };
        let (a, b) = ("00000000000000aa".parse().unwrap(), "00000000000000bb".parse().unwrap());
        let tables = diff(&RunDiff { a, b, trial: vec![], plan: vec![], environment: vec![], metrics: vec![pair] });
        assert_eq!(
            tables.iter().map(|(title, _)| *title).collect::<Vec<_>>(),
            ["trial", "plan", "environment", "metrics"]
        );
        let metrics = &tables[3].1;
        assert_eq!(metrics.columns, ["metric", "00000000000000aa", "00000000000000bb", "difference"]);
        assert_eq!(metrics.rows[0][3], IndexValue::Real(0.25));
    }
}
