//! How many real images are trained on, and what an augmentation is worth in such images.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::lab::{Lab, TINY};

const SIZES: &str = r#"
[[factor]]
name = "size"
levels = [
    { name = "quarter", set = { "train.fraction" = 0.25 } },
    { name = "half", set = { "train.fraction" = 0.5 } },
    { name = "all" },
]
"#;

fn study() -> String {
    TINY.replace("updates = 6", "updates = 3").replace("images = 72", "images = 120")
}

/// Paths of a part of a cell's study, from its `parts.csv`.
fn part(lab: &Lab, study: &str, part: &str) -> BTreeSet<String> {
    let files = lab.tree(&format!("runs/studies/{study}"));
    let (_, bytes) = files.iter().find(|(name, _)| name.ends_with("parts.csv")).expect("the study has its parts");
    let text = String::from_utf8(bytes.clone()).unwrap();
    let rows = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    rows.filter(|row| row[0] == part).map(|row| row[2].to_owned()).collect()
}

#[test]
fn a_learning_curve_is_planned_run_and_told_on_nested_training_parts() {
    let lab = Lab::new(&format!("{}{SIZES}", study()));
    let plan = lab.run(&["plan", "experiment.toml"]);
    assert!(plan.contains("3 of 3 cells") && plan.contains("12 trials in all, 12 distinct"), "{plan}");
    let done = lab.run(&["run", "experiment.toml", "-q"]);
    assert!(done.contains("12 trials trained, 0 reused, 0 failed"), "{done}");

    let train = |cell: &str| part(&lab, &format!("tiny--{cell}"), "train");
    let (quarter, half, all) = (train("quarter"), train("half"), train("all"));
    assert!(quarter.is_subset(&half) && half.is_subset(&all));
    assert!(quarter.len() < half.len() && half.len() < all.len());
    for other in ["validation", "test"] {
        assert_eq!(part(&lab, "tiny--quarter", other), part(&lab, "tiny--all", other));
    }

    let json: Value = serde_json::from_str(&lab.run(&["explain", "experiment.toml", "--json"])).unwrap();
    let slice = &json["learning"]["slices"][0];
    let images =
        |value: &Value| value.as_array().unwrap().iter().map(|p| p["images"].as_u64().unwrap()).collect::<Vec<_>>();
    let sizes = [&quarter, &half, &all].map(|part| part.len() as u64);
    for arm in [0, 1] {
        assert_eq!(images(&slice["arms"][arm]["points"]), sizes);
    }
    let worth = &slice["worths"][0];
    assert_eq!(images(&worth["worths"]), sizes);
    assert_eq!(worth["curves"].as_array().unwrap().len(), 2, "one curve for each seed");

    let told = lab.run(&["explain", "experiment.toml"]);
    for expected in ["real training images", "real images, ", "share one draw of the smaller training parts"] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    let page = String::from_utf8(std::fs::read(lab.path("reports/tiny/explained/report.md")).unwrap()).unwrap();
    assert!(page.contains("(figures/learning.png)"), "{page}");
    for file in ["figures/learning.svg", "tables/learning.csv", "tables/worth.parquet"] {
        assert!(lab.path("reports/tiny/explained").join(file).is_file(), "{file}");
    }

    // A cell tells what it was cut to, in its plan, its record and its report.
    let cell = lab.run(&["plan", "experiment.toml", "--set", "train.fraction=0.25", "--cell", "all", "--json"]);
    assert!(cell.contains("\"distinct\": 4"), "{cell}");
    let reports = lab.tree("reports/tiny--quarter");
    let (_, report) = reports.iter().find(|(name, _)| name.ends_with("report.md")).unwrap();
    let report = String::from_utf8(report.clone()).unwrap();
    assert!(report.contains("The training part was cut to 25 % of every class"), "{report}");
    assert!(report.contains(&format!("{} of {} images, drawn by study seed 1", quarter.len(), all.len())), "{report}");

    // What is derived follows its sources: the smaller study made no image of one that it does not train on.
    let of_quarter = lab.tree("runs/sets").into_iter().filter(|(name, _)| name.ends_with("manifest.jsonl"));
    let smallest =
        of_quarter.map(|(_, text)| text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count());
    assert!(smallest.min().unwrap() <= quarter.len() + 1, "a line for each image, and perhaps a header");
}

#[test]
fn the_whole_training_part_is_the_same_trial_and_too_many_images_are_refused_with_the_class() {
    let lab = Lab::new(&study());
    lab.run(&["run", "experiment.toml", "-q", "--arm", "control"]);
    let whole = lab.run(&["run", "experiment.toml", "-q", "--arm", "control", "--set", "train.fraction=1.0"]);
    assert!(whole.contains("2 reused") || whole.contains("0 trials trained"), "{whole}");
    let shown = lab.run(&["plan", "experiment.toml", "--set", "train.images_per_class=2"]);
    assert!(shown.contains("Trained on 2 images of every class, drawn by the study's seed"), "{shown}");
    let error = lab.fail(3, &["plan", "experiment.toml", "--set", "train.images_per_class=1000"]);
    assert!(error.contains("for `train.images_per_class = 1000`: `"), "{error}");
    let error = lab.fail(2, &["check", "experiment.toml", "--set", "train.fraction=1.5"]);
    assert!(error.contains("`fraction` must be above 0 and at most 1, not 1.5"), "{error}");
}

/// A family of arms by their copies, and an arm whose copies stand in for originals.
#[test]
fn a_list_of_copies_is_run_as_arms_and_drawn_and_what_stands_in_for_originals_is_replayed_to_the_bit() {
    let study = study().replace("seeds = [1, 2]", "seeds = [1]").replace("copies = 1", "copies = [1, 2]");
    let replacing = "[[arm]]\nname = \"replaced\"\nreplace = { p = 0.5 }\n[[arm.offline]]\n\
                     apply = [{ horizontal_flip = { p = 1.0 } }, { gaussian_noise = {} }]\n";
    let lab = Lab::new(&format!("{study}\n{replacing}"));
    let plan: Value = serde_json::from_str(&lab.run(&["plan", "experiment.toml", "--json"])).unwrap();
    let images: Vec<(&str, u64)> = plan["arms"]
        .as_array()
        .unwrap()
        .iter()
        .map(|arm| (arm["name"].as_str().unwrap(), arm["training_images"].as_u64().unwrap()))
        .collect();
    let originals = images[0].1;
    assert_eq!(images[1..], [("flipped-x1", 2 * originals), ("flipped-x2", 3 * originals), ("replaced", originals)]);

    lab.run(&["run", "experiment.toml", "-q"]);
    let runs: Value = serde_json::from_str(&lab.run(&["runs", "list", "--arm", "replaced", "--json"])).unwrap();
    let run = runs.as_array().map_or_else(|| runs["runs"][0].clone(), |runs| runs[0].clone());
    let run = run["run"].as_str().unwrap_or_else(|| panic!("{runs}")).to_owned();
    let replayed = lab.run(&["replay", &run]);
    assert!(replayed.contains("\nidentical: "), "{replayed}");

    let reports = lab.tree("reports/tiny");
    assert!(reports.iter().any(|(name, _)| name.ends_with("figures/doses.svg")));
    let (_, report) = reports.iter().find(|(name, _)| name.ends_with("report.md")).unwrap();
    let report = String::from_utf8(report.clone()).unwrap();
    assert!(report.contains("in replaced, an image made of the same original with probability 0.5"), "{report}");
}

/// Copies a rendered image of a class into the folder of an arm's extra images.
fn give(lab: &Lab, from: &str, to: &str) {
    let rendered = lab.tree("runs/synthetic");
    let (_, bytes) = rendered.iter().find(|(name, _)| name.ends_with(from)).unwrap_or_else(|| panic!("{from}"));
    lab.write(to, bytes);
}

#[test]
fn extra_images_are_trained_on_and_what_is_or_looks_like_a_test_image_is_withheld() {
    let extra = "[[arm]]\nname = \"more\"\n[arm.extra.folder]\npath = \"more\"\n";
    let lab = Lab::new(&study().replace("seeds = [1, 2]", "seeds = [1]"));
    lab.run(&["run", "experiment.toml", "-q", "--arm", "control"]);
    let test = part(&lab, "tiny", "test");
    let train = part(&lab, "tiny", "train");
    let (tested, trained) = (test.first().unwrap(), train.first().unwrap());
    let class_of = |path: &str| path.split('/').next().unwrap().to_owned();
    // Of other scenes than the study's; one image byte for byte of the test part, and one of the training part.
    give(&lab, tested, &format!("more/{}/leak.png", class_of(tested)));
    give(&lab, trained, &format!("more/{}/known.png", class_of(trained)));
    // The same test image in other bytes: its pixels, stored anew.
    let leak = image::open(lab.path(&format!("more/{}/leak.png", class_of(tested)))).unwrap();
    leak.save(lab.path(&format!("more/{}/near.bmp", class_of(tested)))).unwrap();
    lab.write("experiment.toml", format!("{}\n{extra}", study().replace("seeds = [1, 2]", "seeds = [1]")));

    let plan: Value = serde_json::from_str(&lab.run(&["plan", "experiment.toml", "--json"])).unwrap();
    let images = |arm: usize| plan["arms"][arm]["training_images"].as_u64().unwrap();
    assert_eq!(images(2), images(0) + 1, "two of the three are withheld");
    let done = lab.run(&["run", "experiment.toml", "-q", "--arm", "more"]);
    assert!(!done.is_empty());
    let says = "Further labelled images that are not of the data set were added to the training part of more";
    let reports = lab.tree("reports/tiny");
    let mut pages = reports.iter().filter(|(name, _)| name.ends_with("report.md"));
    assert!(pages.any(|(_, page)| String::from_utf8_lossy(page).contains(says)), "of the newer plan");

    // Another image is another trial, and a class that the data set does not have is an error.
    let stood = lab.run(&["run", "experiment.toml", "-q", "--arm", "more"]);
    assert!(stood.contains("1 reused") || stood.contains("0 trials trained"), "{stood}");
    lab.write("more/nothing/1.png", b"x");
    let error = lab.fail(3, &["plan", "experiment.toml"]);
    assert!(error.contains("cannot read the extra images of arm `more`") && error.contains("nothing"), "{error}");
}
