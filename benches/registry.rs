//! Time of the commands that read, on a registry of 1,000 runs of 100 epochs, as a user waits for them: the process and all.
//!
//! Bounds, above loading the program: `runs list` 0.2 s, `compare` 1 s, a full report 10 s. Run it with `cargo bench --profile dev --bench registry` to
//! time the profile that `make build` builds.

#[path = "../tests/it/large.rs"]
mod large;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

const SHAPE: large::Shape = large::Shape { arms: 10, seeds: 100, epochs: 100, test_images: 200 };

fn augtrial(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_augtrial"));
    let status = command.current_dir(folder).args(arguments).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{arguments:?}");
}

fn commands(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    large::write(&folder.path().join("runs"), SHAPE);
    augtrial(folder.path(), &["runs", "reindex"]);
    let mut group = criterion.benchmark_group("1000 runs x 100 epochs");
    group.sample_size(10).warm_up_time(Duration::from_secs(1));
    // The first only loads the program, LibTorch with it: what every command begins with, and no bound holds for.
    for arguments in [&["completions", "bash"][..], &["runs", "list"], &["compare", "large"], &["report", "large"]] {
        group.bench_function(arguments.join(" "), |bencher| bencher.iter(|| augtrial(folder.path(), arguments)));
    }
    group.finish();
}

criterion_group!(benches, commands);
criterion_main!(benches);
