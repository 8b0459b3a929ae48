//! A network from a file, from the experiment file to the report, a replay, and what is refused.

use std::fs;
use std::path::Path;

use crate::lab::{Lab, TINY, text};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/torch/fixtures/networks");

fn lab(network: &str) -> Lab {
    let experiment = TINY
        .replace("architecture = \"resnet20\"\n", "")
        .replace("batch_size = 16", &format!("batch_size = 16\nnetwork = {{ torchscript = \"nets/{network}\" }}"))
        .replace(
            "[classifier.optimizer.sgd]",
            "[classifier.input]\nwidth_px = 48\nheight_px = 48\n\n[classifier.optimizer.sgd]",
        );
    let lab = Lab::new(&experiment);
    for name in ["network.pt", "manifest.json"] {
        lab.write(&format!("nets/{network}/{name}"), fs::read(Path::new(FIXTURES).join(network).join(name)).unwrap());
    }
    lab
}

fn failure(lab: &Lab) -> String {
    lab.fail(3, &["run", "experiment.toml", "-q"])
}

#[test]
fn a_network_from_a_file_is_trained_reported_and_replayed_to_the_bit() {
    let lab = lab("vit_dropout");
    lab.run(&["run", "experiment.toml", "-q", "--arm", "control"]);
    // Without the marks that keep Markdown from reading a name as markup.
    let report = fs::read_to_string(lab.path("reports/tiny/report.md")).unwrap().replace('\\', "");
    assert!(report.contains("trained the network models.py:vit_dropout (by models.py (SHA-256"), "{report}");
    let trials = lab.tree("runs/trials");
    let provenance = trials.iter().find(|(name, _)| name.ends_with("/provenance.json")).unwrap();
    assert!(text(&provenance.1).contains("\"network\": \"models.py:vit_dropout by "), "{}", text(&provenance.1));
    let told = lab.run(&["replay", "latest", "-q"]);
    assert!(told.contains("\nidentical: "), "{told}");
    lab.run(&["run", "experiment.toml", "-q", "--arm", "control"]);
    assert_eq!(lab.tree("runs/trials").len(), trials.len(), "nothing was left to do");
}

#[test]
fn a_network_that_was_changed_or_does_not_fit_the_plan_is_refused_before_the_first_trial() {
    let lab = lab("vit_dropout");
    let module = fs::read(lab.path("nets/vit_dropout/network.pt")).unwrap();
    let mut changed = module.clone();
    changed[2000] ^= 1;
    lab.write("nets/vit_dropout/network.pt", &changed);
    let said = failure(&lab);
    assert!(said.contains("it was changed or damaged, and nothing of it was run"), "{said}");
    lab.write("nets/vit_dropout/network.pt", &module);

    let experiment = fs::read_to_string(lab.path("experiment.toml")).unwrap();
    lab.write("experiment.toml", experiment.replace("width_px = 48", "width_px = 56"));
    let said = failure(&lab);
    assert!(said.contains("takes 48x48 px only, and the plan gives it 56x48 px"), "{said}");

    lab.write(
        "experiment.toml",
        experiment
            .replace("architecture = \"resnet20\"\n", "")
            .replace("batch_size = 16", "batch_size = 16\nfreeze = \"all-but-head\""),
    );
    let said = failure(&lab);
    assert!(said.contains("its weights are random and would stay random"), "{said}");

    fs::remove_dir_all(lab.path("nets")).unwrap();
    let said = failure(&lab);
    assert!(said.contains("must name a folder that tools/export_classifier.py wrote (docs/networks.md)"), "{said}");
    assert!(!lab.path("runs/trials").exists() || lab.tree("runs/trials").is_empty());
}
