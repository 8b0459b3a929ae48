//! Processes that write to one registry at the same time, some of which are killed.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::testing::*;
use super::{Filter, Registry, RunFolders, RunGuard, RunId, StatusKind};
use augtrial_base::events::RunEvent;

const WRITERS: usize = 8;
const TRIALS: u64 = 3;
/// Where the writers write.
const RUNS: &str = "AUGTRIAL_TEST_RUNS";
/// Which of them a process is.
const NUMBER: &str = "AUGTRIAL_TEST_WRITER";

/// Says on standard output that something is recorded.
fn acknowledge(run: RunId, what: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "ack {run} {what}").and_then(|()| out.flush()).unwrap();
}

fn record(guard: &mut RunGuard, event: &RunEvent) {
    guard.record(event).unwrap();
    acknowledge(guard.run(), "event");
}

#[test]
#[ignore = "a process that the test below starts, and may kill"]
fn one_writer() {
    let number: u64 = std::env::var(NUMBER).unwrap().parse().unwrap();
    let folders = RunFolders::open(&PathBuf::from(std::env::var(RUNS).unwrap()), clock(0)).unwrap();
    let plan = plan("demo");
    for trial in 0..TRIALS {
        let mut guard = begin_in(&folders, &plan, 0, number * TRIALS + trial);
        let run = guard.run();
        acknowledge(run, "begun");
        let [selected, opened, tested, finished] = end_events();
        let epochs = (1..=EPOCHS).flat_map(epoch_events);
        for event in start_events().into_iter().chain(epochs).chain([selected, opened, tested]) {
            record(&mut guard, &event);
        }
        guard.write_predictions(&predictions()).unwrap();
        record(&mut guard, &finished);
        guard.finish().unwrap();
        acknowledge(run, "finished");
    }
}

/// What a writer acknowledged of its runs.
#[derive(Default)]
struct Acknowledged {
    events: usize,
    finished: bool,
}

fn start(runs: &Path, number: usize) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "writers::one_writer", "--ignored", "--nocapture", "--test-threads", "1"]);
    command.env(RUNS, runs).env(NUMBER, number.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Hears a writer until it ends, and kills it after so many acknowledgements.
fn hear(mut writer: Child, kill_after: Option<usize>) -> BTreeMap<RunId, Acknowledged> {
    let mut heard: BTreeMap<RunId, Acknowledged> = BTreeMap::new();
    let mut count = 0;
    let lines = BufReader::new(writer.stdout.take().unwrap()).lines().map_while(Result::ok);
    // The harness writes its own words, before the first of them without a line's end.
    let words = lines.filter_map(|line| Some(line.split_once("ack ")?.1.to_owned()));
    for line in words {
        let (run, what) = line.split_once(' ').unwrap();
        let acknowledged = heard.entry(run.parse().unwrap()).or_default();
        acknowledged.events += usize::from(what == "event");
        acknowledged.finished |= what == "finished";
        count += 1;
        if kill_after == Some(count) {
            writer.kill().unwrap();
        }
    }
    // On a busy machine even a writer that is to be killed may come to its end before.
    assert!(writer.wait().unwrap().success() || kill_after.is_some());
    heard
}

#[test]
fn eight_processes_lose_nothing_that_was_acknowledged_though_four_are_killed() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path();
    let heard: BTreeMap<RunId, Acknowledged> = std::thread::scope(|scope| {
        let hear_one = |number: usize| {
            let writer = start(runs, number);
            // In the first trial of one, in the second of another.
            let kill_after = number.is_multiple_of(2).then_some(3 + 5 * number);
            scope.spawn(move || hear(writer, kill_after))
        };
        let listeners: Vec<_> = (0..WRITERS).map(hear_one).collect();
        // Somebody leads meanwhile, and looks at folders that are being written.
        let registry = open(runs);
        while !listeners.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            registry.catch_up().unwrap();
            assert_eq!(registry.set_aside().unwrap(), []);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        listeners.into_iter().flat_map(|listener| listener.join().unwrap()).collect()
    });
    let registry = open(runs);
    let finished = heard.values().filter(|acknowledged| acknowledged.finished).count();
    assert!(finished >= WRITERS / 2 * TRIALS as usize, "those who were let live wrote all");
    for (&run, acknowledged) in &heard {
        let recorded = registry.events(run).unwrap().len();
        assert!(recorded >= acknowledged.events, "{run}: {recorded} of {} events", acknowledged.events);
        let status = registry.show(&run.to_string()).unwrap().status.name();
        assert!(status == "finished" || (!acknowledged.finished && status == "interrupted"), "{run} is {status}");
    }
    let lost = registry.list(&Filter { status: Some(StatusKind::Interrupted), ..Filter::default() }).unwrap();
    assert!(!lost.is_empty(), "somebody was killed at work");
    for run in lost {
        resume(&registry, run.run).unwrap().fail("enough").unwrap();
    }
    let live = registry.dump().unwrap();
    drop(registry);
    Registry::reindex(runs).unwrap();
    assert_eq!(open(runs).dump().unwrap(), live);
}
