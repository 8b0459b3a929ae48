//! Bringing an MLflow server up to date, so that an export can be made again, or continued, at any time.
//!
//! A run is found by its tag, and its mark, written last, tells whether all of this payload arrived. If not, what is
//! there already is asked for, and only the rest is sent: servers differ in whether a value logged twice is kept twice.

use std::collections::{BTreeMap, BTreeSet};

use super::client::{Client, ServerRun};
use super::payload::{EXPORTED_TAG, Metric, Pair, Payload, RUN_TAG};
use crate::ExportError;
use augtrial_registry::{Registry, RunSummary};

/// Metrics in one call (`MAX_METRICS_PER_BATCH`); they stay well below its limit of 1 MB.
pub(super) const METRICS_PER_CALL: usize = 1000;
/// Parameters, or tags, in one call (`MAX_PARAMS_TAGS_PER_BATCH`).
pub(super) const PAIRS_PER_CALL: usize = 100;

/// What became of the runs of one study.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Synced {
    pub study: String,
    pub created: usize,
    /// There already, and completed or brought up to date.
    pub updated: usize,
    pub unchanged: usize,
}

/// Exports the runs to the MLflow server at `uri`: an experiment for each study, by name.
///
/// # Errors
/// If the server cannot be reached or refuses a call; what arrived stays, and the next export continues.
pub fn export_mlflow(registry: &Registry, runs: &[RunSummary], uri: &str) -> Result<Vec<Synced>, ExportError> {
    let client = Client::new(uri)?;
    let studies: BTreeSet<&str> = runs.iter().map(|run| run.study.as_str()).collect();
    studies
        .into_iter()
        .map(|study| {
            let mut of_study: Vec<_> = runs.iter().filter(|run| run.study == study).collect();
            of_study
                .sort_by(|a, b| (&a.created_at, &a.arm, a.seed, a.run).cmp(&(&b.created_at, &b.arm, b.seed, b.run)));
            export_study(registry, study, &of_study, &client)
        })
        .collect()
}

fn export_study(
    registry: &Registry,
    study: &str,
    runs: &[&RunSummary],
    client: &Client,
) -> Result<Synced, ExportError> {
    let mut synced = Synced { study: study.to_owned(), ..Synced::default() };
    let experiment = client.experiment(study, &note(registry, runs)?)?;
    // Runs without the tag are somebody else's. Of several with the same tag, one is kept up to date, always the same.
    let mut there: BTreeMap<String, ServerRun> = BTreeMap::new();
    let filter = format!("tags.`{RUN_TAG}` LIKE '%'");
    for run in client.runs(&experiment, &filter)? {
        if let Some(id) = tag(&run, RUN_TAG).map(str::to_owned) {
            let first = there.remove(&id).filter(|other| other.info.run_id < run.info.run_id).unwrap_or(run);
            there.insert(id, first);
        }
    }
    for run in runs {
        let payload = Payload::new(&registry.show(&run.run.to_string())?, &registry.events(run.run)?)?;
        match there.get(&payload.run) {
            Some(known) if tag(known, EXPORTED_TAG) == Some(&payload.mark().value) => synced.unchanged += 1,
            Some(known) => {
                complete(client, known, &payload)?;
                synced.updated += 1;
            }
            None => {
                create(client, &experiment, &payload)?;
                synced.created += 1;
            }
        }
    }
    Ok(synced)
}

/// Title and question of the newest plan, as the experiment's description.
fn note(registry: &Registry, runs: &[&RunSummary]) -> Result<String, ExportError> {
    let Some(newest) = runs.last() else { return Ok(String::new()) };
    let leaves = registry.show(&newest.run.to_string())?.plan_leaves();
    let parts = ["study.title", "study.question"].iter().filter_map(|path| leaves.get(*path).cloned());
    Ok(parts.collect::<Vec<_>>().join("\n\n"))
}

fn tag<'a>(run: &'a ServerRun, key: &str) -> Option<&'a str> {
    run.data.tags.iter().find(|tag| tag.key == key).map(|tag| tag.value.as_str())
}

fn create(client: &Client, experiment: &str, payload: &Payload) -> Result<(), ExportError> {
    // The tag comes into being with the run: however early this breaks off, the run is found again.
    let run = client.create_run(experiment, &payload.name, payload.start_ms, &[Pair::new(RUN_TAG, &payload.run)])?;
    send(client, &run, payload, &payload.params, &payload.metrics)
}

fn complete(client: &Client, known: &ServerRun, payload: &Payload) -> Result<(), ExportError> {
    let run = &known.info.run_id;
    // Parameters cannot be changed once they are set.
    let set: BTreeSet<&str> = known.data.params.iter().map(|param| param.key.as_str()).collect();
    let params: Vec<Pair> = payload.params.iter().filter(|param| !set.contains(param.key.as_str())).cloned().collect();
    let mut logged: BTreeMap<&str, BTreeSet<(i64, u64)>> = BTreeMap::new();
    for key in payload.metrics.iter().map(|metric| metric.key).collect::<BTreeSet<_>>() {
        let history = client.history(run, key)?;
        logged.insert(key, history.into_iter().map(|point| (point.step, point.value.to_bits())).collect());
    }
    let is_new = |metric: &&Metric| !logged[metric.key].contains(&(i64::from(metric.step), metric.value.to_bits()));
    let metrics: Vec<Metric> = payload.metrics.iter().filter(is_new).cloned().collect();
    send(client, run, payload, &params, &metrics)
}

fn send(client: &Client, run: &str, payload: &Payload, params: &[Pair], metrics: &[Metric]) -> Result<(), ExportError> {
    params.chunks(PAIRS_PER_CALL).try_for_each(|chunk| client.log_batch(run, "params", &chunk))?;
    payload.tags.chunks(PAIRS_PER_CALL).try_for_each(|chunk| client.log_batch(run, "tags", &chunk))?;
    metrics.chunks(METRICS_PER_CALL).try_for_each(|chunk| client.log_batch(run, "metrics", &chunk))?;
    client.update_run(run, payload.status, payload.end_ms)?;
    client.set_tag(run, &payload.mark())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::fake::FakeServer;
    use super::*;
    use augtrial_registry::testing::*;

    fn export(registry: &Registry, server: &FakeServer) -> Result<Vec<Synced>, ExportError> {
        export_mlflow(registry, &registry.runs_of(None).unwrap(), &server.uri())
    }

    fn synced(created: usize, updated: usize, unchanged: usize) -> Vec<Synced> {
        vec![Synced { study: "demo".to_owned(), created, updated, unchanged }]
    }

    fn three(runs: &Path) -> Registry {
        three_runs(runs);
        open(runs)
    }

    #[test]
    fn a_run_arrives_with_parameters_tags_times_status_and_every_value() {
        let runs = tempfile::tempdir().unwrap();
        let (registry, server) = (three(runs.path()), FakeServer::start());
        assert_eq!(export(&registry, &server).unwrap(), synced(3, 0, 0));
        let found = server.runs();
        let statuses: Vec<_> = found.iter().map(|run| (run.name.as_str(), run.status.as_str())).collect();
        assert_eq!(statuses, [("plain, seed 1", "FINISHED"), ("flips, seed 1", "FAILED"), ("plain, seed 2", "KILLED")]);
        let finished = &found[0];
        assert_eq!((finished.start_ms, finished.end_ms), (1_769_860_801_000, Some(1_769_860_800_000)));
        assert_eq!(finished.params["arm"], "plain");
        assert_eq!(finished.params["classifier.batch_size"], "32");
        assert_eq!(finished.params["arm.role"], "control");
        assert!(!finished.params.keys().any(|key| key.contains("flips")), "no other arm's: {:?}", finished.params);
        assert!(found[1].params.keys().any(|key| key.starts_with("arm.online.0.horizontal_flip")));
        assert_eq!(found[1].tags["augtrial.failure"], "out of memory");
        assert_eq!(finished.tags["augtrial.counts"], "true");
        // Six series of three epochs, and three results.
        assert_eq!(finished.metrics.len(), 6 * EPOCHS as usize + 3);
        let of = |key: &str| -> Vec<_> {
            finished.metrics.iter().filter(|m| m.0 == key).map(|m| (m.1, m.2, m.3 - 1_769_860_800_000)).collect()
        };
        assert_eq!(of("loss_nats/validation"), [(1, 1.0 / 3.0, 200), (2, 0.25, 400), (3, 0.2, 600)]);
        assert_eq!(of("top1/test"), [(2, 2.0 / 3.0, 0)]);
    }

    #[test]
    fn a_second_export_only_looks() {
        let runs = tempfile::tempdir().unwrap();
        let (registry, server) = (three(runs.path()), FakeServer::start());
        export(&registry, &server).unwrap();
        let (before, calls) = (server.runs(), server.writes());
        assert_eq!(export(&registry, &server).unwrap(), synced(0, 0, 3));
        assert_eq!(server.runs(), before);
        assert_eq!(server.writes(), calls, "nothing is written again");
    }

    #[test]
    fn an_export_broken_off_at_any_call_is_completed_without_a_value_twice() {
        let runs = tempfile::tempdir().unwrap();
        let registry = three(runs.path());
        let whole = FakeServer::start();
        export(&registry, &whole).unwrap();
        let calls = whole.writes();
        assert!(calls > 15, "{calls}");
        for fail_at in 0..calls {
            let server = FakeServer::start();
            server.fail_at_write(fail_at);
            let error = export(&registry, &server).unwrap_err();
            assert!(error.to_string().contains("INTERNAL_ERROR: on purpose"), "{error}");
            let again = export(&registry, &server).unwrap();
            assert_eq!(again[0].created + again[0].updated + again[0].unchanged, 3, "{fail_at}");
            assert_eq!(server.runs(), whole.runs(), "broken off at {fail_at}");
        }
    }

    #[test]
    fn a_run_that_went_on_is_brought_up_to_date() {
        let runs = tempfile::tempdir().unwrap();
        let (registry, server) = (open(runs.path()), FakeServer::start());
        let mut guard = begin(&registry, &plan("demo"), 0, 1);
        record_all(&mut guard, &start_events());
        train(&mut guard, 1, 2);
        assert_eq!(export(&registry, &server).unwrap(), synced(1, 0, 0));
        assert_eq!((server.runs()[0].status.as_str(), server.runs()[0].end_ms), ("RUNNING", None));
        assert_eq!(server.runs()[0].metrics.len(), 6 * 2);
        train(&mut guard, 3, EPOCHS);
        let [selected, opened, tested, finished] = end_events();
        record_all(&mut guard, &[selected, opened, tested]);
        guard.write_predictions(&predictions()).unwrap();
        record_all(&mut guard, &[finished]);
        guard.finish().unwrap();
        assert_eq!(export(&registry, &server).unwrap(), synced(0, 1, 0));
        assert_eq!(server.runs()[0].status, "FINISHED");
        assert_eq!(server.runs()[0].metrics.len(), 6 * EPOCHS as usize + 3);
    }

    #[test]
    fn many_values_go_in_calls_that_the_server_takes_and_many_runs_come_in_pages() {
        let runs = tempfile::tempdir().unwrap();
        let (registry, server) = (open(runs.path()), FakeServer::start());
        let plan = plan("demo");
        let mut guard = begin(&registry, &plan, 0, 1);
        record_all(&mut guard, &start_events());
        let epochs = 400;
        train(&mut guard, 1, epochs);
        drop(guard);
        for seed in 2..=5 {
            begin(&registry, &plan, 0, seed).fail("on purpose").unwrap();
        }
        // The fake server refuses more than MLflow's limits, and gives two runs to a page.
        assert_eq!(export(&registry, &server).unwrap(), synced(5, 0, 0));
        assert_eq!(server.runs()[0].metrics.len(), 6 * epochs as usize);
        assert_eq!(export(&registry, &server).unwrap(), synced(0, 0, 5));
    }

    #[test]
    fn what_is_wrong_with_the_server_is_said() {
        let runs = tempfile::tempdir().unwrap();
        let registry = three(runs.path());
        let found = registry.runs_of(None).unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = export_mlflow(&registry, &found, &format!("http://{free}")).unwrap_err();
        assert!(matches!(error, ExportError::NoServer { .. }), "{error:?}");
        let server = FakeServer::start();
        let error = export_mlflow(&registry, &found, &format!("{}/elsewhere", server.uri())).unwrap_err();
        assert!(matches!(error, ExportError::NotMlflow { status: 404, .. }), "{error:?}");
        server.delete_experiment("demo");
        let error = export(&registry, &server).unwrap_err();
        assert!(matches!(&error, ExportError::DeletedExperiment { name, .. } if name == "demo"), "{error:?}");
    }
}
