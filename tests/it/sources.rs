//! Data sets from elsewhere: Parquet shards.

use crate::lab::{Lab, TINY};
use crate::study::recorded;

#[test]
fn a_study_of_parquet_shards_runs_and_the_same_images_as_files_give_the_same_bits() {
    let shards = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/data/fixtures/parquet/hub");
    let data = |section: &str| {
        let without = TINY.replace("[dataset.synthetic]\nimages = 72\nwidth_px = 32\nheight_px = 32", section);
        without.replace("[split.stratified]\nvalidation = 0.2\ntest = 0.2", "[split.given]")
    };
    let lab = Lab::new(&data(&format!("[dataset.parquet]\npath = \"{shards}\"")));
    let done = lab.run(&["run", "experiment.toml", "-q"]);
    assert!(done.contains("4 trials trained"), "{done}");
    let plan = lab.run(&["plan", "experiment.toml"]);
    assert!(plan.contains("training left: none") && plan.contains("paper, brown"), "{plan}");
    // The extracted files are a data set like any other.
    let extracted = std::fs::read_dir(lab.path("runs/parquet")).unwrap().map(|entry| entry.unwrap().path());
    let folder = extracted.into_iter().find(|path| path.is_dir()).unwrap();
    let table = folder.join("images.csv").display().to_string();
    let files = Lab::new(&data(&format!("[dataset.csv]\nfile = \"{table}\"\nclasses = [\"glass\", \"paper, brown\"]")));
    files.run(&["run", "experiment.toml", "-q"]);
    assert_eq!(recorded(&files), recorded(&lab));
    let error = lab.fail(3, &["check", "experiment.toml", "--set", "dataset.parquet.label=\"labels\""]);
    assert!(error.contains("write `label = \"label\"`"), "{error}");
}
