//! What runs were made by, told for a report: programs, switches, machines, devices and commands.

use std::path::Path;

use augtrial_base::words::plural;
use augtrial_registry::Provenance;
use augtrial_report::Fact;

/// What runs were made by. Where they differ in something, every value is told with the number of its runs: a study may go on
/// with another program or on another machine.
pub(super) fn makings<'a>(runs: impl IntoIterator<Item = &'a Provenance>) -> Vec<Fact> {
    let mut count = 0;
    let mut told: Vec<(String, Vec<(String, usize)>)> = Vec::new();
    let mut commands: Vec<String> = Vec::new();
    for run in runs {
        count += 1;
        for (label, value) in of_one(run) {
            let place = told.iter().position(|(known, _)| *known == label).unwrap_or_else(|| {
                told.push((label, Vec::new()));
                told.len() - 1
            });
            let values = &mut told[place].1;
            match values.iter_mut().find(|(known, _)| *known == value) {
                Some((_, runs)) => *runs += 1,
                None => values.push((value, 1)),
            }
        }
        let command = shown_command(&run.command_line);
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    let mut facts: Vec<Fact> = told
        .into_iter()
        .map(|(label, values)| Fact {
            label,
            value: match &values[..] {
                [(only, runs)] if *runs == count => only.clone(),
                all => {
                    let silent = count - all.iter().map(|(_, runs)| runs).sum::<usize>();
                    let silent = (silent > 0).then(|| ("none".to_owned(), silent));
                    let each =
                        all.iter().chain(&silent).map(|(value, runs)| format!("{value} ({})", plural(*runs, "run")));
                    each.collect::<Vec<_>>().join("; ")
                }
            },
        })
        .collect();
    let alone = commands.len() == 1;
    facts.extend(commands.into_iter().enumerate().map(|(index, value)| Fact {
        label: if alone { "command".to_owned() } else { format!("command {}", index + 1) },
        value,
    }));
    facts
}

/// In the order in which it is told.
fn of_one(run: &Provenance) -> Vec<(String, String)> {
    let Provenance {
        augtrial_version,
        git,
        backend,
        host: _,
        os,
        cpu_model,
        instruction_set,
        logical_cores,
        threads,
        jobs: _,
        device,
        determinism,
        command_line: _,
        experiment: _,
        overrides,
    } = run;
    let mut told = vec![("augtrial".to_owned(), augtrial_version.clone())];
    if let Some(git) = git {
        let changes = if git.dirty.is_some() { ", with local changes" } else { "" };
        told.push(("commit".to_owned(), format!("{}{changes}", git.commit)));
    }
    told.extend(backend.iter().chain(determinism).map(|(name, value)| (name.clone(), value.clone())));
    told.push(("machine".to_owned(), format!("{cpu_model}, {logical_cores} logical cores, {instruction_set}, {os}")));
    told.push(("device".to_owned(), format!("{device}, {}", plural(*threads as usize, "thread"))));
    if !overrides.is_empty() {
        let all = overrides.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        told.push(("overrides".to_owned(), all));
    }
    told
}

/// The command line, with the program's name and not its place on the machine.
fn shown_command(command_line: &[String]) -> String {
    let Some((program, arguments)) = command_line.split_first() else { return String::new() };
    let name = Path::new(program).file_name().map_or(program.clone(), |name| name.to_string_lossy().into_owned());
    [vec![name], arguments.to_vec()].concat().join(" ")
}

#[cfg(test)]
mod tests {
    use augtrial_registry::Making;

    use super::*;

    fn provenance() -> Provenance {
        Provenance::collect(
            Making { threads: 1, device: "cpu".to_owned(), ..Making::default() },
            Path::new("/nonexistent"),
        )
    }

    fn value<'a>(facts: &'a [Fact], label: &str) -> Option<&'a str> {
        facts.iter().find(|fact| fact.label == label).map(|fact| fact.value.as_str())
    }

    #[test]
    fn what_all_runs_share_is_told_once_and_what_they_differ_in_with_how_many() {
        let one = provenance();
        let other =
            Provenance { device: "cuda:0".to_owned(), command_line: vec!["/a/augtrial".to_owned()], ..one.clone() };
        let facts = makings([&one, &other, &one]);
        assert_eq!(value(&facts, "device"), Some("cpu, 1 thread (2 runs); cuda:0, 1 thread (1 run)"));
        assert_eq!(value(&facts, "augtrial"), Some(one.augtrial_version.as_str()));
        assert_eq!(value(&facts, "command 2"), Some("augtrial"));
        assert_eq!(value(&facts, "command"), None);
        assert_eq!(value(&makings([&other]), "command"), Some("augtrial"));
    }

    #[test]
    fn what_only_some_runs_say_is_told_with_how_many() {
        let silent = provenance();
        let said = Provenance { backend: [("network".to_owned(), "n".to_owned())].into(), ..silent.clone() };
        assert_eq!(value(&makings([&silent, &said]), "network"), Some("n (1 run); none (1 run)"));
        assert!(makings([]).is_empty());
    }
}
