//! Every operation on disk of a small study, failed or killed once: a rerun ends with the bits of an undisturbed study and
//! with everything that a finished run must have.
//!
//! `AUGTRIAL_FAULT` (`base::disk::fault`) counts the operations of all processes of a study in one file, a line each.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::lab::{Lab, TINY, text};
use crate::study::recorded;

/// One arm with a set, one trial.
fn one_trial() -> String {
    TINY.replace("seeds = [1, 2]", "seeds = [1]")
        .replace("[[arm]]\nname = \"control\"\nrole = \"control\"\n", "")
        .replace("name = \"flipped\"", "name = \"flipped\"\nrole = \"control\"")
}

const RUN: [&str; 5] = ["run", "experiment.toml", "-q", "--checkpoint-every", "1epoch"];

/// What a study is after a fault and a rerun: its results and its sets.
type State = (String, Vec<(String, Vec<u8>)>);

fn counter(lab: &Lab) -> PathBuf {
    lab.path("operations")
}

/// Runs the study once with a fault at operation `number`, and says how it ended.
fn disturbed(lab: &Lab, number: usize, kind: &str) -> String {
    let fault = format!("{number}:{kind}:{}", counter(lab).display());
    let output = lab.command(&RUN).env("AUGTRIAL_FAULT", fault).output().unwrap();
    let errors = text(&output.stderr);
    assert!(!errors.contains("panicked"), "operation {number}, {kind}: {errors}");
    match output.status.code() {
        Some(0) => "finished".to_owned(),
        Some(code) => format!("exit {code}"),
        None => "killed".to_owned(),
    }
}

/// The operations of an undisturbed study, and what it makes.
fn undisturbed() -> (Vec<String>, State) {
    let lab = Lab::new(&one_trial());
    assert_eq!(disturbed(&lab, 0, "count"), "finished");
    let operations = std::fs::read_to_string(counter(&lab)).unwrap().lines().map(str::to_owned).collect();
    (operations, (recorded(&lab), lab.sets()))
}

const KINDS: [&str; 3] = ["enospc", "eio", "kill"];

/// How often each operation ended how: by its name, then by the fault, then by the end of the study that met it.
type Outcomes = BTreeMap<String, BTreeMap<(&'static str, String), u32>>;

/// An operation without what differs from one file of its kind to the next: `rename 3.png` and `rename 17.png` are one row.
fn row_of(operation: &str) -> String {
    let mut row = String::new();
    for character in operation.chars() {
        let number = character.is_ascii_digit();
        if !number || !row.ends_with('N') {
            row.push(if number { 'N' } else { character });
        }
    }
    row
}

/// The table as lines: an operation, how often it is done, and for each fault how the study that met it ended.
fn lines_of(outcomes: &Outcomes) -> String {
    let ends = |ends: &BTreeMap<(&'static str, String), u32>, kind: &str| {
        let of_kind = ends.iter().filter(|((fault, _), _)| *fault == kind);
        of_kind.map(|((_, end), count)| format!("{count} {end}")).collect::<Vec<_>>().join(", ")
    };
    let mut lines = vec![format!("operation | {} | every rerun", KINDS.join(" | "))];
    for (operation, found) in outcomes {
        let cells = KINDS.map(|kind| ends(found, kind)).join(" | ");
        lines.push(format!("{operation} | {cells} | same bits, record and report verify"));
    }
    lines.join("\n")
}

/// After a fault, the same command without one must end in the same state, with a record that verifies and a report.
fn faults_at(numbers: impl Iterator<Item = usize>, operations: &[String], expected: &State) -> Outcomes {
    let mut table = Outcomes::new();
    for number in numbers {
        for kind in KINDS {
            let lab = Lab::new(&one_trial());
            let first = disturbed(&lab, number, kind);
            let again = lab.output(&["run", "experiment.toml", "-q", "--checkpoint-every", "1epoch", "--retry-failed"]);
            let what = format!("operation {number} ({}), {kind}: {first}", operations[number - 1]);
            assert!(again.status.success(), "{what}; then {}", text(&again.stderr));
            assert_eq!(&(recorded(&lab), lab.sets()), expected, "{what}");
            lab.run(&["runs", "verify"]);
            lab.run(&["report", "tiny", "--verify"]);
            println!("{what}; rerun: same bits, record and report verify");
            *table.entry(row_of(&operations[number - 1])).or_default().entry((kind, first)).or_default() += 1;
        }
    }
    table
}

#[test]
fn a_fault_at_some_operations_costs_no_more_than_a_rerun() {
    let (operations, expected) = undisturbed();
    assert!(operations.len() > 50, "{operations:?}");
    // Three that differ from one operation count to the next; the long form takes all.
    let some = [operations.len() / 5, operations.len() / 2, operations.len() - 3];
    let table = faults_at(some.into_iter(), &operations, &expected);
    assert_eq!(table.values().flat_map(BTreeMap::values).sum::<u32>(), 9, "{}", lines_of(&table));
}

#[test]
#[ignore = "needs an hour: `make test-long`"]
fn a_fault_at_every_operation_costs_no_more_than_a_rerun() {
    let (operations, expected) = undisturbed();
    let table = faults_at(1..=operations.len(), &operations, &expected);
    println!("{} operations\n{}", operations.len(), lines_of(&table));
}
