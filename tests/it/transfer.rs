//! Transfer learning from one study's weights to another's head.

use crate::lab::{Lab, TINY, text};

#[test]
fn a_head_is_trained_on_the_frozen_weights_of_an_earlier_run() {
    let lab = Lab::new(TINY);
    lab.run(&["run", "experiment.toml", "-q", "--seeds", "1", "--arm", "control"]);
    let weights = std::fs::read(&lab.weights()[0]).unwrap();
    lab.write("start.safetensors", &weights);

    let transfer = TINY.replace("\"tiny\"", "\"transfer\"").replace(
        "batch_size = 16",
        "batch_size = 16\npretrained = \"start.safetensors\"\nfreeze = \"all-but-head\"\nhead_learning_rate = 0.05",
    );
    lab.write("transfer.toml", &transfer);
    let output = lab.output(&["run", "transfer.toml", "--seeds", "1"]);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("all but the head is frozen; features computed once").count(), 2, "{said}");
    assert!(said.contains("of 0 training"), "`flipped` has an online transform: {said}");

    // What was frozen is as it was, and the head is not.
    let changed: Vec<Vec<String>> = lab
        .weights()
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .filter(|bytes| *bytes != weights)
        .map(|bytes| changed_tensors(&weights, &bytes))
        .collect();
    assert_eq!(changed, [["fc.bias", "fc.weight"], ["fc.bias", "fc.weight"]]);
    let report = std::fs::read_to_string(lab.path("reports/transfer/report.md")).unwrap();
    assert!(report.contains("all but the linear head stayed frozen"), "{report}");
    assert!(report.contains("the head at learning rate 0.05"), "{report}");
}

/// Names of the tensors that two files of weights do not agree on, sorted.
fn changed_tensors(a: &[u8], b: &[u8]) -> Vec<String> {
    let [a, b] = [a, b].map(|bytes| safetensors::SafeTensors::deserialize(bytes).unwrap());
    let mut names: Vec<String> = a.names().into_iter().map(ToString::to_string).collect();
    names.retain(|name| a.tensor(name).unwrap().data() != b.tensor(name).unwrap().data());
    names.sort();
    names
}
