//! The ready experiments and the schema beside them.

use std::fs;
use std::path::{Path, PathBuf};

use augtrial::plan::{Plan, schema};

fn experiments() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|ending| ending == "toml")).collect();
    files.sort();
    files
}

#[test]
fn every_ready_experiment_is_a_plan_and_stays_one_when_written_out() {
    let files = experiments();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        let plan = Plan::load(&file, &[]).unwrap_or_else(|error| panic!("{error}"));
        let written = plan.to_toml();
        let again = Plan::parse("plan.toml", &written, plan.base.clone(), &[]).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(plan, again, "{}", file.display());
        assert_eq!(
            file.file_stem().unwrap().to_str(),
            Some(plan.study.name.as_str()),
            "a study is named like its file"
        );
    }
}

#[test]
fn the_schema_beside_the_experiments_is_the_one_of_the_code() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/experiment.schema.json");
    let written = fs::read_to_string(file).unwrap();
    let fresh = format!("{:#}\n", schema());
    assert!(written == fresh, "run: augtrial check --schema > experiments/experiment.schema.json");
}
