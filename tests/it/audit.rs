//! The audit of an experiment with networks: labels that the control doubts, what stands apart, and images of arms.

use crate::lab::{Lab, TINY};

#[test]
fn labels_are_doubted_by_networks_of_the_control_that_were_not_trained_on_them() {
    let study = TINY.replace("images = 72", "images = 144").replace("updates = 6", "updates = 40");
    let lab = Lab::new(&study);
    let first = lab.run(&["audit", "experiment.toml", "--label-issues", "3", "-q"]);
    assert!(first.contains("144 images in 6 classes"), "{first}");
    let runs = lab.tree("runs/trials").len();
    assert_eq!(lab.run(&["audit", "experiment.toml", "--label-issues", "3", "-q"]), first);
    assert_eq!(lab.tree("runs/trials").len(), runs, "what is trained is not trained again");
    let listed = lab.run(&["runs", "list", "--study", "tiny--labels"]);
    assert!(listed.contains("control") && !listed.contains("flipped"), "{listed}");
    let findings = std::fs::read_to_string(lab.path("reports/audit/tiny/findings.csv")).unwrap();
    assert!(
        findings.lines().filter(|line| line.starts_with("label,")).count() > 0,
        "40 updates confuse some:\n{findings}"
    );

    let error = lab.fail(2, &["audit", "experiment.toml", "--label-issues", "1"]);
    assert!(error.contains("the number of folds must lie between 2 and 50, not 1"), "{error}");
    let error = lab.fail(2, &["audit", "experiment.toml", "--features", "control"]);
    assert!(error.contains("an audit looks with a network that knows nothing of the study"), "{error}");
}

#[test]
fn a_folder_is_judged_by_networks_of_the_study_that_would_be_proposed_for_it() {
    let lab = Lab::new(TINY);
    lab.run(&["dataset", "render", "photos", "--images", "180", "--size", "32x32", "-q"]);
    let looked = lab.run(&["audit", "photos", "--label-issues", "2", "-q"]);
    assert!(looked.contains("180 images in 6 classes") && looked.contains("labels in doubt: "), "{looked}");
    let weights = &lab.weights()[0];
    let network =
        ["audit", "photos", "--features", "resnet20", "--weights", weights.to_str().unwrap(), "--threads", "1", "-q"];
    assert!(lab.run(&network).contains("180 images in 6 classes"));
    let findings = std::fs::read_to_string(lab.path("reports/audit/photos/findings.csv")).unwrap();
    assert!(!findings.contains("train"), "a folder has no parts:\n{findings}");
    lab.write("empty/a/1.png", b"no picture");
    let error = lab.fail(3, &["audit", "empty", "--label-issues", "3"]);
    assert!(error.contains("empty"), "{error}");
}

#[test]
fn images_of_arms_are_looked_at_where_they_are_made_and_a_network_says_what_stands_apart() {
    // Copies that are all but their sources.
    let lab = Lab::new(
        &TINY
            .replace("{ horizontal_flip = { p = 1.0 } }, { gaussian_noise = {} }", "{ horizontal_flip = { p = 0.0 } }"),
    );
    let before = lab.run(&["audit", "experiment.toml", "-q"]);
    assert!(before.contains("images of flipped are not looked at: `augtrial run` makes them"), "{before}");
    lab.run(&["run", "experiment.toml", "-q"]);
    let after = lab.run(&["audit", "experiment.toml", "-q"]);
    assert!(after.contains("images of arms: ") && after.contains("nearly its source"), "{after}");
    let arms = std::fs::read_to_string(lab.path("reports/audit/tiny/arms.csv")).unwrap();
    assert!(arms.lines().count() > 20 && arms.contains("nearly its source,flipped,"), "{arms}");
    let page = std::fs::read_to_string(lab.path("reports/audit/tiny/index.html")).unwrap();
    assert!(page.contains("nearly its source") && !page.contains(lab.path("").to_str().unwrap()));

    let weights = &lab.weights()[0];
    let looked = [
        "audit",
        "experiment.toml",
        "--features",
        "resnet20",
        "--weights",
        weights.to_str().unwrap(),
        "--threads",
        "1",
        "-q",
    ];
    assert!(lab.run(&looked).contains("72 images in 6 classes"));
    let json = std::fs::read_to_string(lab.path("reports/audit/tiny/findings.json")).unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["findings"]["near"].is_array());
}

#[test]
fn what_a_study_lacks_to_be_run_keeps_nobody_from_auditing_its_data() {
    let lab = Lab::new(&TINY.replace("batch_size = 16", "batch_size = 16\npretrained = \"nowhere.safetensors\""));
    let told = lab.run(&["audit", "experiment.toml", "-q"]);
    assert!(told.contains("72 images in 6 classes") && told.contains("images of arms are not looked at: "), "{told}");
    lab.write("experiment.toml", format!("{TINY}\n[[arm]]\nname = \"more\"\n[arm.extra.folder]\npath = \"nowhere\"\n"));
    let told = lab.run(&["audit", "experiment.toml", "-q"]);
    assert!(told.contains("images of arms are not looked at: cannot read the extra images of arm `more`"), "{told}");
}

#[test]
fn extra_images_that_the_data_set_has_or_that_are_odd_are_asked_about() {
    let lab = Lab::new(TINY);
    lab.run(&["audit", "experiment.toml", "-q"]); // renders the data set
    let rendered = std::fs::read_dir(lab.path("runs/synthetic")).unwrap().map(|entry| entry.unwrap().path());
    let data = rendered.into_iter().find(|path| path.is_dir()).unwrap();
    let class = std::fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    let name = class.file_name().unwrap().to_str().unwrap().to_owned();
    let twin = std::fs::read_dir(&class).unwrap().next().unwrap().unwrap().path();
    lab.write(&format!("more/{name}/twin.png"), std::fs::read(twin).unwrap());
    let dark = image::RgbImage::from_pixel(32, 32, image::Rgb([2, 2, 2]));
    dark.save(lab.path(&format!("more/{name}/dark.png"))).unwrap();
    lab.write("experiment.toml", format!("{TINY}\n[[arm]]\nname = \"more\"\n[arm.extra.folder]\npath = \"more\"\n"));
    let told = lab.run(&["audit", "experiment.toml", "-q"]);
    assert!(told.contains("1 extra image that the data set has") && told.contains("1 dark"), "{told}");
}
