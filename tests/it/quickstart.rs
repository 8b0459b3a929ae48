//! What the program carries: a first study without the repository.

use std::fs;
use std::path::Path;

use crate::lab::{Lab, TINY};

/// The experiment that quickstart writes.
const EXPERIMENT: &str = "first/experiments/quickstart.toml";

#[test]
fn quickstart_writes_a_study_that_is_whole_and_says_what_to_type() {
    let lab = Lab::new(TINY);
    let told = lab.run(&["quickstart", "first", "--write-only"]);
    assert!(told.contains("Wrote 9 files") && told.contains(&format!("augtrial run  {EXPERIMENT}")), "{told}");
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in ["experiments/quickstart.toml", "models/editor-small/manifest.json", "models/editor-small/unet.pt"] {
        let (written, original) = (lab.path("first").join(file), repository.join(file));
        assert!(fs::read(written).unwrap() == fs::read(original).unwrap(), "{file}");
    }
    let schema = fs::read_to_string(lab.path("first/experiments/experiment.schema.json")).unwrap();
    assert!(schema == lab.run(&["check", "--schema"]), "the schema is the program's");
    lab.run(&["check", EXPERIMENT]);
    lab.run(&["model", "verify", "first/models/editor-small"]);
    // Every arm, the edited one too, at a size that a test can afford.
    let small = ["--set", "dataset.synthetic.images=72", "--set", "classifier.budget.updates=2", "--seeds", "1"];
    let told = lab.run(&[&["run", EXPERIMENT, "-q"][..], &small].concat());
    assert!(told.contains("3 trials trained, 0 reused, 0 failed"), "{told}");
}

#[test]
fn quickstart_writes_again_what_is_the_same_and_nothing_over_what_was_changed() {
    let lab = Lab::new(TINY);
    lab.run(&["quickstart", "first", "--write-only"]);
    fs::remove_file(lab.path("first/models/editor-small/unet.pt")).unwrap();
    lab.run(&["quickstart", "first", "--write-only"]);
    assert!(lab.path("first/models/editor-small/unet.pt").is_file());
    let changed = fs::read_to_string(lab.path(EXPERIMENT)).unwrap().replace("seeds = [1, 2, 3]", "seeds = [4]");
    lab.write(EXPERIMENT, &changed);
    let refused = lab.fail(2, &["quickstart", "first"]);
    assert!(refused.contains(EXPERIMENT) && refused.contains("name another folder"), "{refused}");
    assert_eq!(fs::read_to_string(lab.path(EXPERIMENT)).unwrap(), changed);
    let meant = lab.fail(2, &["run", "quickstart.toml"]);
    assert!(meant.contains("`augtrial quickstart` writes one"), "{meant}");
}
