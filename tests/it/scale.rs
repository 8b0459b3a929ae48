//! What commands cost on a registry of 10,000 runs of 100 epochs, and on a design of 5,000 trials, as a user waits for them: the
//! process and all. `make test-scale` runs them; docs/data.md has the numbers.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::lab::{Lab, text};
use crate::large::{self, Shape};
use augtrial_plan::design::Design;

/// Seconds that a command takes, the least of three, or of one that changes something.
fn secs(lab: &Lab, arguments: &[&str], times: usize) -> f64 {
    let once = || {
        let start = Instant::now();
        let output = lab.command(arguments).stdout(Stdio::piped()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        start.elapsed()
    };
    let least = (0..times).map(|_| once()).min().unwrap_or(Duration::MAX).as_secs_f64();
    println!("{}: {least:.2} s", arguments.join(" "));
    least
}

#[test]
#[ignore = "measures, and writes 10,000 runs: `make test-scale`"]
fn commands_on_ten_thousand_runs_of_a_hundred_epochs_stay_within_their_bounds() {
    let lab = Lab::new("");
    let shape = Shape { arms: 10, seeds: 10, epochs: 100, test_images: 200 };
    let start = Instant::now();
    for study in 0..100 {
        large::write_plan(&lab.path("runs"), &large::plan(&format!("study-{study}"), shape), shape);
    }
    println!("written in {:.0} s", start.elapsed().as_secs_f64());
    let bounds = [
        (&["runs", "reindex"][..], 1, 60.0),
        (&["runs", "list", "-n", "50"], 3, 0.5),
        (&["runs", "list"], 3, 0.5),
        (&["compare", "study-7"], 3, 1.0),
        (&["report", "study-7"], 1, 10.0),
    ];
    let missed: Vec<&[&str]> =
        bounds.into_iter().filter(|(of, times, bound)| secs(&lab, of, *times) >= *bound).map(|(of, ..)| of).collect();
    let index = fs::metadata(lab.path("runs/registry.sqlite")).unwrap().len();
    println!("index: {:.0} MB", index as f64 / 1e6);
    // The page of one study costs as much where it is alone.
    let alone = Lab::new("");
    large::write_plan(&alone.path("runs"), &large::plan("study-7", shape), shape);
    alone.run(&["runs", "reindex"]);
    secs(&alone, &["compare", "study-7"], 3);
    secs(&alone, &["report", "study-7"], 1);
    assert!(missed.is_empty(), "over their bounds: {missed:?}");
}

/// Three factors of five levels, two arms, twenty seeds: 125 cells and 5,000 trials.
fn design() -> String {
    let seeds: Vec<u64> = (1..=20).collect();
    let factor = |name: &str, key: &str, values: [&str; 5]| {
        let level = |(number, value): (usize, &&str)| {
            format!("{{ name = \"{name}-{number}\", set = {{ \"{key}\" = {value} }} }}")
        };
        let levels: Vec<String> = values.iter().enumerate().map(level).collect();
        format!("[[factor]]\nname = \"{name}\"\nlevels = [{}]\n", levels.join(", "))
    };
    [
        format!(
            "[study]\nname = \"wide\"\nseeds = {seeds:?}\n[dataset.synthetic]\nimages = 60\nwidth_px = 32\nheight_px = 32\n\
             [ingest]\nwidth_px = 32\nheight_px = 32\n[classifier]\nbatch_size = 16\nbudget = {{ epochs = 10 }}\n\
             [classifier.optimizer.sgd]\nlearning_rate = 0.01\n[[arm]]\nname = \"control\"\nrole = \"control\"\n\
             [[arm]]\nname = \"flipped\"\nonline = [{{ horizontal_flip = {{}} }}]\n\
             [design]\npublished = {{ rate = \"rate-4\", smoothing = \"smoothing-4\", decay = \"decay-4\" }}\n"
        ),
        factor("rate", "classifier.optimizer.sgd.learning_rate", ["0.001", "0.003", "0.01", "0.03", "0.1"]),
        factor("smoothing", "classifier.label_smoothing", ["0.0", "0.05", "0.1", "0.15", "0.2"]),
        factor("decay", "classifier.optimizer.sgd.weight_decay", ["0.0", "1e-5", "1e-4", "5e-4", "1e-3"]),
    ]
    .concat()
}

#[test]
#[ignore = "measures, and writes 5,000 runs: `make test-scale`"]
fn a_design_of_five_thousand_trials_is_planned_and_explained_within_its_bounds() {
    let lab = Lab::new(&design());
    let design = Design::load(&lab.path("experiment.toml"), &[]).unwrap().unwrap();
    assert_eq!(design.cells.len(), 125);
    let plan = ["plan", "experiment.toml", "-q"];
    secs(&lab, &plan, 1); // renders the images
    let empty = secs(&lab, &plan, 3);
    let shape = Shape { arms: 2, seeds: 20, epochs: 10, test_images: 60 };
    let start = Instant::now();
    for cell in &design.cells {
        large::write_plan(&lab.path("runs"), &cell.plan, shape);
    }
    println!("written in {:.0} s", start.elapsed().as_secs_f64());
    secs(&lab, &["runs", "reindex"], 1);
    let planned = secs(&lab, &plan, 3);
    let explained = secs(&lab, &["explain", "experiment.toml", "-q"], 3);
    let pages = lab.tree("reports/wide/explained");
    let (name, page) = pages.iter().find(|(name, _)| name.contains(".html")).unwrap();
    println!("{name}: {:.2} MB", page.len() as f64 / 1e6);
    assert!(page.len() < 5_000_000);
    assert!(empty < 2.0 && planned < 2.0 && explained < 5.0, "plan {empty} {planned}, explain {explained}");
}
