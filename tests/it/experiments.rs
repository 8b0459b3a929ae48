//! The ready experiments and the schema beside them.

use std::fs;
use std::path::{Path, PathBuf};

use augtrial_plan::arm::{Edit, EditorPrecision};
use augtrial_plan::classifier::Precision;
use augtrial_plan::design::Design;
use augtrial_plan::train::Dose;
use augtrial_plan::{Plan, schema};

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
fn only_experiments_that_are_named_for_bf16_ask_for_it() {
    for file in experiments() {
        let plan = Plan::load(&file, &[]).unwrap();
        let edits = plan.arms.iter().filter_map(|arm| match &arm.edit {
            Some(Edit::Ip2p(ip2p)) => Some(ip2p.precision),
            _ => None,
        });
        let asks =
            plan.classifier.precision == Precision::Bf16 || edits.into_iter().any(|edit| edit == EditorPrecision::Bf16);
        let named = plan.study.name.contains("bf16");
        assert!(!asks || named, "{}: bf16 takes ten times as long on processors without its units", file.display());
    }
}

#[test]
fn the_schema_beside_the_experiments_is_the_one_of_the_code() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/experiment.schema.json");
    let written = fs::read_to_string(file).unwrap();
    let fresh = format!("{:#}\n", schema());
    assert!(written == fresh, "run: augtrial check --schema > experiments/experiment.schema.json");
}

#[test]
fn the_learning_curve_is_a_design_of_nested_sizes_by_arms() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/learning-curve.toml");
    let design = Design::load(&file, &[]).unwrap_or_else(|error| panic!("{error}")).expect("it has a factor");
    assert_eq!(design.dose(), Some(0));
    let doses = design.cells.iter().map(|cell| cell.plan.train.dose()).collect::<Vec<_>>();
    let shares = [0.0625, 0.125, 0.25, 0.5].map(|share| Some(Dose::Fraction(share)));
    assert_eq!(doses, [&shares[..], &[None]].concat());
    assert!(design.cells.iter().all(|cell| cell.plan.trials().count() == 6));
}
