//! What a person sees at 80 columns, from the first command to the answer, without reading a page of documentation.

use serde_json::Value;

use crate::lab::{Lab, TINY, text, tiny_resnet18};

/// Standard output as a screen of 80 columns shows it; what varies is redacted.
fn screen(lab: &Lab, arguments: &[&str]) -> String {
    let output = lab.command(arguments).env("COLUMNS", "80").output().unwrap();
    let shown = text(&output.stdout);
    let long: Vec<_> = shown.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(long.is_empty(), "{arguments:?}: {long:#?}");
    assert!(!shown.contains('\u{1b}'), "a pipe gets no colors: {shown}");
    shown.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// What is said, wherever its lines break.
fn words(screen: &str) -> String {
    screen.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A folder of rendered photos in six classes.
fn with_photos() -> Lab {
    let lab = Lab::new(TINY);
    lab.run(&["dataset", "render", "photos", "--images", "480", "--size", "64x48", "-q"]);
    lab
}

#[test]
fn a_newcomer_gets_from_a_folder_of_photos_to_a_plan() {
    let lab = with_photos();
    let told = words(&screen(&lab, &["init", "my-study.toml", "--data", "photos"]));
    for part in ["480 images of 6 classes", "7 seeds", "augtrial plan my-study.toml"] {
        assert!(told.contains(part), "{part}:\n{told}");
    }
    let written = std::fs::read_to_string(lab.path("my-study.toml")).unwrap();
    assert!(written.contains("path = \"photos\"") && written.contains("width_px = 64"), "{written}");
    assert!(screen(&lab, &["check", "my-study.toml"]).contains("ok, "));
    let plan = screen(&lab, &["plan", "my-study.toml", "-q"]);
    for part in ["seeds 1-7 of every arm", "training left", "smallest reachable p"] {
        assert!(plan.contains(part), "{part}:\n{plan}");
    }
    assert!(!plan.contains("will fail") && !plan.contains("warning"), "the proposal is sound:\n{plan}");
    let json: Value = serde_json::from_str(&lab.run(&["plan", "my-study.toml", "-q", "--json"])).unwrap();
    assert_eq!(json["classes"].as_array().unwrap().len(), 6);
}

#[test]
fn init_refuses_what_is_not_there_and_reads_folders_of_parts() {
    let lab = Lab::new(TINY);
    let gone = lab.fail(3, &["init", "a.toml", "--data", "nowhere"]);
    assert!(gone.contains("nowhere is not there") && !lab.path("a.toml").exists(), "{gone}");
    let weights = lab.fail(2, &["init", "a.toml", "--pretrained", "none.safetensors"]);
    assert!(weights.contains("docs/pretrained.md"), "{weights}");
    lab.run(&["dataset", "render", "parts/train", "--images", "120", "--size", "32x32", "-q"]);
    lab.run(&["dataset", "render", "parts/test", "--images", "60", "--size", "32x32", "--seed", "2", "-q"]);
    let told = words(&screen(&lab, &["init", "a.toml", "--data", "parts"]));
    assert!(told.contains("the parts that the folders prescribe (60 test images)"), "{told}");
    assert!(std::fs::read_to_string(lab.path("a.toml")).unwrap().contains("[split.given]"));
    assert!(lab.run(&["check", "a.toml"]).contains("ok, "));
}

#[test]
fn check_and_plan_foresee_what_would_fail_later() {
    let lab = with_photos();
    let study = tiny_resnet18().replace(
        "[dataset.synthetic]\nimages = 72\nwidth_px = 32\nheight_px = 32",
        "[dataset.folder]\npath = \"photos\"",
    );
    lab.write("gone.toml", study.replace("\"photos\"", "\"phtos\""));
    lab.fail(3, &["check", "gone.toml"]);
    let output = lab.output(&["check", "gone.toml"]);
    assert!(text(&output.stdout).contains("will fail: the data set: cannot read phtos"), "{}", text(&output.stdout));

    lab.write("weights.toml", study.replace("device = \"cpu\"", "device = \"cpu\"\npretrained = \"w.safetensors\""));
    let json = text(&lab.output(&["check", "weights.toml", "--json"]).stdout);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json[0]["ok"], &json[0]["foreseen"][0]["docs"]),
        (&false.into(), &"docs/pretrained.md".into()),
        "{json}"
    );
    lab.write("w.safetensors", b"not weights");
    let misfit = text(&lab.output(&["check", "weights.toml"]).stdout);
    assert!(misfit.contains("will fail: cannot read the pretrained weights"), "{misfit}");

    // One image more than a batch.
    lab.write("whole.toml", &study);
    let whole: Value = serde_json::from_str(&lab.run(&["plan", "whole.toml", "-q", "--json"])).unwrap();
    let images = whole["arms"][0]["training_images"].as_u64().unwrap();
    lab.write("alone.toml", study.replace("batch_size = 16", &format!("batch_size = {}", images - 1)));
    let alone = screen(&lab, &["plan", "alone.toml", "-q"]);
    assert!(alone.contains(&format!("will fail: arm `control`: {images} images in batches of")), "{alone}");
    lab.fail(3, &["check", "gone.toml", "weights.toml"]);

    lab.write("gpu.toml", study.replace("device = \"cpu\"", "device = \"cuda:9\""));
    lab.fail(3, &["check", "gpu.toml"]);
    for command in [&["check", "gpu.toml"][..], &["plan", "gpu.toml", "-q"]] {
        let told = words(&text(&lab.output(command).stdout));
        assert!(told.contains("will fail: device `cuda:9` is not available"), "{told}");
    }
}

#[test]
fn a_run_ends_with_the_answer_and_the_page_and_tables_are_there_as_json() {
    let lab = Lab::new(&TINY.replace("seeds = [1, 2]", "seeds = [1, 2, 3]").replace("updates = 6", "updates = 2"));
    let told = screen(&lab, &["run", "experiment.toml", "-q"]);
    for part in ["6 trials trained", "flipped against control", "verdict", "page: reports/tiny/"] {
        assert!(told.contains(part), "{part}:\n{told}");
    }
    assert!(told.trim_end().ends_with("report.html"), "{told}");
    screen(&lab, &["compare"]);
    let list = screen(&lab, &["runs", "list", "--arm", "control", "--seeds", "2-3", "--status", "finished"]);
    assert_eq!(list.lines().count(), 3, "a header and two runs:\n{list}");
    let unknown = lab.fail(2, &["runs", "list", "--arm", "controll"]);
    assert!(unknown.contains("did you mean `control`?"), "{unknown}");
    let status = lab.fail(2, &["runs", "list", "--status", "lost"]);
    assert!(status.contains("`interrupted`"), "{status}");
    for arguments in [
        &["runs", "list", "--json"][..],
        &["runs", "show", "latest", "--json"],
        &["runs", "diff", "latest~1", "latest", "--json"],
        &["runs", "query", "select arm, seed from runs", "--json"],
        &["runs", "verify", "--json"],
        &["run", "experiment.toml", "-q", "--json"],
        &["seeds", "--json"],
        &["dataset", "stat", "experiment.toml", "-q", "--json"],
        &["transforms", "--json"],
        &["transforms", "cutout", "--json"],
        &["doctor", "--json"],
    ] {
        let shown = lab.run(arguments);
        let value =
            serde_json::from_str::<Value>(&shown).unwrap_or_else(|error| panic!("{arguments:?}: {error}\n{shown}"));
        assert!(value.is_object() || value.is_array(), "{arguments:?}");
    }
    let rows: Value = serde_json::from_str(&lab.run(&["runs", "list", "-n", "1", "--json"])).unwrap();
    assert_eq!(rows[0]["status"], "finished");
}

#[test]
fn colors_follow_the_option_and_the_environment() {
    let lab = Lab::new(TINY);
    let colored = |arguments: &[&str], variable: Option<(&str, &str)>| {
        let mut command = lab.command(arguments);
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").envs(variable);
        text(&command.output().unwrap().stdout).contains('\u{1b}')
    };
    assert!(!colored(&["check", "experiment.toml"], None), "a pipe");
    assert!(colored(&["check", "experiment.toml", "--color", "always"], None));
    assert!(colored(&["check", "experiment.toml"], Some(("CLICOLOR_FORCE", "1"))));
    assert!(!colored(&["check", "experiment.toml", "--color", "never"], Some(("CLICOLOR_FORCE", "1"))));
    assert!(colored(&["run", "--help", "--color=always"], None), "help too");
    assert!(!colored(&["run", "--help"], Some(("NO_COLOR", "1"))));
}
