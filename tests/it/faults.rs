//! Every operation on disk of a small study, failed or killed once: a rerun ends with the bits of an undisturbed study and
//! with everything that a finished run must have.
//!
//! `AUGTRIAL_FAULT` (`base::disk::fault`) counts the operations of all processes of a command in one file, a line each. A study
//! is disturbed in three stages, each from a copy of what the stage before it left, so that every operation can be tried.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::lab::{Lab, TINY, text};
use crate::study::recorded;

/// One arm with a set, one trial, most images in the test part.
fn one_trial() -> String {
    TINY.replace("seeds = [1, 2]", "seeds = [1]")
        .replace("test = 0.2", "test = 0.6")
        .replace("[[arm]]\nname = \"control\"\nrole = \"control\"\n", "")
        .replace("name = \"flipped\"", "name = \"flipped\"\nrole = \"control\"")
}

const SHOW: &[&str] = &["show", "experiment.toml", "--output", "sheet.png"];
const RUN: &[&str] = &["run", "experiment.toml", "-q", "--checkpoint-every", "1epoch", "--retry-failed"];
const KINDS: [&str; 3] = ["enospc", "eio", "kill"];

/// Files by name, and what the registry says.
type State = (Vec<(String, Vec<u8>)>, String);

/// A part of a study whose operations are disturbed.
struct Stage {
    name: &'static str,
    command: &'static [&'static str],
    /// What the stages before it left.
    before: Lab,
    /// The operations of the undisturbed command that belong to this stage.
    operations: Vec<String>,
    /// What the command must leave.
    state: fn(&Lab) -> State,
    expected: State,
}

/// Whether a kill left this unfinished: it is never read, and removed when it is older.
fn is_leftover(name: &str) -> bool {
    name.split('/').any(|part| part.starts_with(".new-"))
}

/// Images that are rendered, decoded and shown.
fn data(lab: &Lab) -> State {
    let images = lab.tree("runs/cache").into_iter().chain(lab.tree("runs/synthetic"));
    let images = images.filter(|(name, _)| !is_leftover(name));
    (images.chain([("sheet.png".to_owned(), std::fs::read(lab.path("sheet.png")).unwrap())]).collect(), String::new())
}

/// Sets and results. The record verifies, and the report is there and is what the registry gives.
fn finished(lab: &Lab) -> State {
    lab.run(&["runs", "verify"]);
    lab.run(&["report", "tiny", "--verify"]);
    (lab.sets().into_iter().filter(|(name, _)| !is_leftover(name)).collect(), recorded(lab))
}

impl Stage {
    /// Runs the command undisturbed in a copy of `before`; `cut` says after which operation the stage ends, if not at the end.
    fn new(
        name: &'static str,
        command: &'static [&'static str],
        before: &Lab,
        state: fn(&Lab) -> State,
        cut: &str,
    ) -> Self {
        let lab = copy_of(before);
        let (end, errors) = disturbed(&lab, command, "0", "count");
        assert_eq!(end, "finished", "{errors}");
        let mut operations: Vec<String> =
            std::fs::read_to_string(counter(&lab)).unwrap().lines().map(str::to_owned).collect();
        if let Some(last) = operations.iter().position(|operation| operation == cut) {
            operations.truncate(last + 1);
        }
        Self { name, command, before: copy_of(before), operations, state, expected: state(&lab) }
    }

    /// All stages of the study.
    fn all() -> [Self; 3] {
        let empty = Lab::new(&one_trial());
        let data = Self::new("data", SHOW, &empty, data, "");
        let rendered = copy_of(&empty);
        rendered.run(SHOW);
        let trial = Self::new("trial", RUN, &rendered, finished, "remove checkpoint.safetensors");
        let trained = copy_of(&rendered);
        assert_eq!(disturbed(&trained, RUN, "create tiny", "kill").0, "killed");
        assert!(!trained.path("reports/tiny").exists(), "the trial has ended, and no report was begun");
        let report = Self::new("report", RUN, &trained, finished, "");
        [data, trial, report]
    }

    /// Disturbs operation `number`, runs the same command again, and says how the disturbed one ended. What the second leaves
    /// must be what an undisturbed one leaves.
    fn disturb(&self, number: usize, kind: &'static str) -> String {
        let lab = copy_of(&self.before);
        let (first, errors) = disturbed(&lab, self.command, &number.to_string(), kind);
        let what = format!("{}: operation {number} ({}), {kind}: {first}", self.name, self.operations[number - 1]);
        assert!(!errors.contains("panicked"), "{what}; {errors}");
        let again = lab.output(self.command);
        assert!(again.status.success(), "{what}; then {}", text(&again.stderr));
        assert!((self.state)(&lab) == self.expected, "{what}; the rerun left something else");
        first
    }
}

fn counter(lab: &Lab) -> PathBuf {
    lab.path("operations")
}

/// The same folder elsewhere, with the times of its files; its operations are counted from one.
fn copy_of(lab: &Lab) -> Lab {
    let copy = Lab::new("");
    let from = lab.path(".");
    let copied = Command::new("cp").arg("-a").arg(from).arg(copy.path(".")).status().unwrap();
    assert!(copied.success());
    if counter(&copy).exists() {
        std::fs::remove_file(counter(&copy)).unwrap();
    }
    copy
}

/// Runs a command once with a fault at the operation of this number or name, and says how it ended and what it wrote. A busy
/// machine may do an operation more or less: where the end matters, the name is what tells.
fn disturbed(lab: &Lab, command: &[&str], which: &str, kind: &str) -> (String, String) {
    let fault = format!("{which}:{kind}:{}", counter(lab).display());
    let Output { status, stderr, .. } = lab.command(command).env("AUGTRIAL_FAULT", fault).output().unwrap();
    let end = match status.code() {
        Some(0) => "finished".to_owned(),
        Some(code) => format!("exit {code}"),
        None => "killed".to_owned(),
    };
    (end, text(&stderr))
}

/// How often each operation ended how: by stage and name, then by the fault and the end of the command that met it.
type Outcomes = BTreeMap<String, BTreeMap<(&'static str, String), u32>>;

/// An operation without what differs from one file of its kind to the next: pictures, tables and records are rows each.
fn row_of(stage: &str, operation: &str) -> String {
    let (action, file) = operation.split_once(' ').unwrap_or((operation, ""));
    let (stem, ending) = file.rsplit_once('.').unwrap_or((file, ""));
    let many = ["png", "svg", "pdf", "csv", "tex", "parquet", "rgb8"].contains(&ending);
    let digest = stem.len() >= 12 && stem.chars().all(|character| character.is_ascii_hexdigit());
    match (many, digest) {
        (true, _) => format!("{stage}: {action} *.{ending}"),
        (false, true) => format!("{stage}: {action} DIGEST {ending}"),
        (false, false) => {
            format!("{stage}: {action} {}", file.trim_matches(|character: char| character.is_ascii_digit()))
        }
    }
}

/// The table as lines: an operation, how often it is done, and for each fault how the command that met it ended.
fn lines_of(outcomes: &Outcomes) -> String {
    let ends = |ends: &BTreeMap<(&'static str, String), u32>, kind: &str| {
        let of_kind = ends.iter().filter(|((fault, _), _)| *fault == kind);
        of_kind.map(|((_, end), count)| format!("{count} {end}")).collect::<Vec<_>>().join(", ")
    };
    let mut lines =
        vec![format!("| operation | {} | the rerun |", KINDS.join(" | ")), "|---|---|---|---|---|".to_owned()];
    for (operation, found) in outcomes {
        let cells = KINDS.map(|kind| ends(found, kind)).join(" | ");
        lines.push(format!("| {operation} | {cells} | same bits |"));
    }
    lines.join("\n")
}

/// Disturbs the named operations of a stage in every way, on two threads.
fn faults_at(stage: &Stage, numbers: &[usize]) -> Outcomes {
    let (next, table) = (AtomicUsize::new(0), Mutex::new(Outcomes::new()));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(&number) = numbers.get(next.fetch_add(1, Ordering::Relaxed)) {
                    for kind in KINDS {
                        let end = stage.disturb(number, kind);
                        let row = row_of(stage.name, &stage.operations[number - 1]);
                        *table.lock().unwrap().entry(row).or_default().entry((kind, end)).or_default() += 1;
                    }
                }
            });
        }
    });
    table.into_inner().unwrap()
}

#[test]
fn a_fault_at_some_operations_costs_no_more_than_a_rerun() {
    for stage in Stage::all() {
        let count = stage.operations.len();
        assert!(count > 50, "{}: {:?}", stage.name, stage.operations);
        // One in the middle of a stage; the long form takes all.
        let table = faults_at(&stage, &[count / 2]);
        assert_eq!(table.values().flat_map(BTreeMap::values).sum::<u32>(), 3, "{}", lines_of(&table));
    }
}

/// Disturbs every operation of the stage of this name, and prints the table.
fn at_every_operation_of(name: &str) {
    let stage = Stage::all().into_iter().find(|stage| stage.name == name).unwrap();
    let all: Vec<usize> = (1..=stage.operations.len()).collect();
    println!("{}: {} operations\n{}", stage.name, all.len(), lines_of(&faults_at(&stage, &all)));
}

#[test]
#[ignore = "takes minutes: `make test-long`"]
fn a_fault_at_every_operation_of_rendering_and_decoding_costs_no_more_than_a_rerun() {
    at_every_operation_of("data");
}

#[test]
#[ignore = "takes a quarter of an hour: `make test-long`"]
fn a_fault_at_every_operation_of_a_trial_costs_no_more_than_a_rerun() {
    at_every_operation_of("trial");
}

#[test]
#[ignore = "takes half an hour: `make test-long`"]
fn a_fault_at_every_operation_of_a_report_costs_no_more_than_a_rerun() {
    at_every_operation_of("report");
}
