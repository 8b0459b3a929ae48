//! The quality of a study's sets, from a run to the page, the tables, the cache and the report.

use serde_json::Value;

use crate::lab::{Lab, TINY};

/// Three folds, so that every image was held out of a network of the control.
fn folds() -> String {
    TINY.replace("seeds = [1, 2]", "seeds = [1, 2, 3]")
        .replace("[split.stratified]\nvalidation = 0.2\ntest = 0.2", "[split.folds]\nk = 3")
        .replace("images = 72", "images = 144")
}

fn row<'d>(document: &'d Value, subject: &Value) -> &'d Value {
    let rows = document["rows"].as_array().unwrap();
    rows.iter().find(|row| row["subject"] == *subject && row["part"] == "all").unwrap()
}

#[test]
fn sets_are_measured_by_networks_that_were_not_trained_on_them() {
    let lab = Lab::new(&folds());
    lab.run(&["run", "experiment.toml", "-q"]);
    let json = lab.run(&["quality", "tiny", "--k", "2", "--permutations", "99", "--threads", "1", "--json", "-q"]);
    let document: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["cross_fitted"], true);
    let arm = row(&document, &serde_json::json!({ "arm": "flipped" }));
    let keys =
        ["kernel_distance", "kernel_p", "coverage", "vendi_images", "affinity", "diversity", "agreement", "confidence"];
    for key in keys.into_iter().chain(["change_levels", "change_ssim", "change_features", "gain"]) {
        assert!(arm["values"][key].as_f64().is_some_and(f64::is_finite), "{key}: {arm}");
    }
    assert!(row(&document, &"floor".into())["values"]["coverage"].as_f64().is_some());
    assert!(row(&document, &"ceiling".into())["values"]["kernel_distance"].as_f64().is_some());

    // What networks saw is kept: the second time is the same, to the bit, and nothing is looked at again.
    let seen = || lab.tree("runs/quality");
    let before = seen();
    assert!(before.len() >= 4, "two networks or more, each of real and derived images: {}", before.len());
    let again = lab.run(&["quality", "tiny", "--k", "2", "--permutations", "99", "--threads", "1", "--json", "-q"]);
    assert_eq!((again, seen()), (json, before));

    for file in ["index.html", "quality.json", "quality.csv", "quality.parquet", "images.csv", "images.parquet"] {
        assert!(lab.path("reports/quality/tiny").join(file).is_file(), "{file}");
    }
    let images = std::fs::read_to_string(lab.path("reports/quality/tiny/images.csv")).unwrap();
    assert_eq!(images.lines().count() as u64, 1 + arm["images"].as_u64().unwrap());

    lab.run(&["report", "tiny"]);
    let report = std::fs::read_to_string(lab.path("reports/tiny/report.md")).unwrap();
    for part in [
        "## Quality of the sets",
        "figures/coverage.png",
        "floor: real, other half",
        "a random draw",
        "Naeem, Muhammad Ferjad",
    ] {
        assert!(report.contains(part), "{part}:\n{report}");
    }
    lab.run(&["report", "tiny", "--verify"]);
}

#[test]
fn a_study_of_one_division_is_told_what_it_can_do_and_what_has_no_set_is_named() {
    let lab = Lab::new(TINY);
    assert!(lab.fail(2, &["quality", "experiment.toml"]).contains("no record under this plan"), "before it is run");
    lab.run(&["run", "experiment.toml", "-q"]);
    let error = lab.fail(2, &["quality", "tiny"]);
    assert!(
        error.contains("all seeds share one division") && error.contains("--features efficientnet-lite0"),
        "{error}"
    );
    let error = lab.fail(2, &["quality", "tiny", "--features", "efficientnet-lite0"]);
    assert!(error.contains("augtrial weights fetch efficientnet-lite0"), "{error}");
    // Any weights of the network will do: here those of a run, whose head is for other classes.
    let weights = &lab.weights()[0];
    let text = lab.run(&[
        "quality",
        "tiny",
        "--features",
        "resnet20",
        "--weights",
        weights.to_str().unwrap(),
        "--k",
        "2",
        "-q",
    ]);
    for part in ["Coverage", "floor", "ceiling", "judged by no network", "page: "] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    std::fs::remove_dir_all(lab.path("runs/sets")).unwrap();
    let error = lab.fail(3, &["quality", "tiny", "--features", "resnet20", "--weights", weights.to_str().unwrap()]);
    assert!(error.contains("`augtrial run` makes it"), "{error}");
}

/// Edits by a real bundle with tiny networks, and a network from a file that looks at them.
#[test]
fn edits_are_measured_by_instruction_and_a_network_from_a_file_looks() {
    const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/torch/fixtures");
    let edited = format!(
        "{}\n[[arm]]\nname = \"edited\"\n[arm.edit.ip2p]\nbundle = \"{FIXTURES}/ip2p/bundle\"\nsteps = 2\n\
         [arm.edit.ip2p.instructions]\n\"*\" = [\"make it rust\", \"make it shine\"]\n",
        TINY.replace("seeds = [1, 2]", "seeds = [1]")
    );
    let lab = Lab::new(&edited);
    lab.run(&["run", "experiment.toml", "-q"]);
    let network = format!("{FIXTURES}/networks/vit");
    let json = lab.run(&["quality", "tiny", "--features", &network, "--k", "2", "--permutations", "0", "--json", "-q"]);
    let document: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["cross_fitted"], false);
    assert!(document["features"].as_str().unwrap().starts_with("models.py:vit"), "{}", document["features"]);
    let rows = document["rows"].as_array().unwrap();
    let part = |of: &str| {
        let wanted = serde_json::json!({ "instruction": of });
        let found = rows.iter().find(|row| row["part"] == wanted);
        found.unwrap_or_else(|| {
            panic!("no row of `{of}`: {:?}", rows.iter().map(|row| &row["part"]).collect::<Vec<_>>())
        })
    };
    let whole = row(&document, &serde_json::json!({ "arm": "edited" }));
    let images = |row: &Value| row["images"].as_u64().unwrap();
    assert_eq!(images(part("make it rust")) + images(part("make it shine")), images(whole));
    for row in [whole, part("make it rust")] {
        assert!(row["values"]["kernel_distance"].as_f64().is_some(), "{row}");
        assert!(row["values"]["change_ssim"].as_f64().is_some_and(|ssim| ssim < 1.0), "{row}");
        assert_eq!(row["missing"]["kernel_p"], "no permutation was asked for");
        let reason = row["missing"]["agreement"].as_str().unwrap();
        assert!(reason.contains("judged by no network, since all seeds share one division"), "{reason}");
    }
    let reason = whole["missing"]["affinity"].as_str().unwrap();
    assert!(reason.starts_with("its edits are of training images"), "{reason}");
    let page = std::fs::read_to_string(lab.path("reports/quality/tiny/index.html")).unwrap();
    assert!(page.contains("<h2>Instructions</h2>") && page.contains("make it shine"));
}
