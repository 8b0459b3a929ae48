//! Arms of edited images, from the experiment file to the lineage; `augtrial edit` and `augtrial model`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use crate::interruption::{any_line, kill_when};
use crate::lab::{Lab, TINY, text};
use crate::study::recorded;

/// A real bundle with tiny networks of random weights.
const BUNDLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/torch/fixtures/ip2p/bundle");

/// Three arms: nothing, transforms, edits.
fn three_arms(options: &str) -> String {
    let one_seed = TINY.replace("seeds = [1, 2]", "seeds = [1]");
    format!(
        "{one_seed}\n[[arm]]\nname = \"edited\"\n[arm.edit.ip2p]\nbundle = \"{BUNDLE}\"\nsteps = 2\n{options}\n\
         [arm.edit.ip2p.instructions]\n\"*\" = [\"make it rust\", \"make it shine\"]\nglass = [\"crack it\"]\n"
    )
}

/// Lines of the manifest of the only set made by an editor.
fn edits(lab: &Lab) -> Vec<serde_json::Value> {
    let manifests = lab.sets().into_iter().filter(|(name, _)| name.ends_with("manifest.jsonl"));
    let mut edited = manifests.map(|(_, bytes)| text(&bytes)).filter(|lines| lines.contains("\"instruction\""));
    let lines = edited.next().expect("a set of edits");
    assert!(edited.next().is_none(), "one set of edits");
    lines.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn is_png(name: &str) -> bool {
    std::path::Path::new(name).extension().is_some_and(|ending| ending == "png")
}

fn count<'a>(values: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    counts
}

#[test]
fn a_study_of_three_arms_edits_trains_and_records_what_was_asked() {
    let lab = Lab::new(&three_arms("copies = 3"));
    let plan = lab.run(&["plan", "experiment.toml"]);
    assert!(plan.contains("Set of edited: ") && plan.contains("to be made"), "{plan}");
    let ran = lab.run(&["run", "experiment.toml", "-q"]);
    assert!(ran.contains("3 trials trained"), "{ran}");

    let edits = edits(&lab);
    let instructions = count(edits.iter().map(|edit| edit["lineage"]["edit"]["instruction"].as_str().unwrap()));
    assert_eq!(instructions.keys().copied().collect::<Vec<_>>(), ["crack it", "make it rust", "make it shine"]);
    for edit in &edits {
        assert!(edit["lineage"]["tool"].as_str().unwrap().contains("bundle "), "the bundle's digest is recorded");
        assert!(edit["lineage"]["edit"]["change_levels"].as_f64().unwrap() > 0.5);
    }
    let report = std::fs::read_to_string(lab.path("reports/tiny/report.md")).unwrap();
    assert!(report.contains("edited"), "{report}");

    let before = (recorded(&lab), lab.sets());
    let again = lab.run(&["run", "experiment.toml", "-q"]);
    assert!(again.contains("0 trials trained, 3 reused"), "{again}");
    assert_eq!((recorded(&lab), lab.sets()), before);
    assert!(lab.run(&["plan", "experiment.toml"]).contains("made before"));
}

#[test]
fn edits_that_fail_their_checks_are_retried_left_out_or_stop_the_study() {
    // The tiny networks change every picture, but none by so much.
    let checks = "checks = { min_change_levels = 200 }\n";
    let dropped = Lab::new(&three_arms(checks));
    dropped.run(&["run", "experiment.toml", "-q", "--arm", "edited"]);
    let lines = edits(&dropped);
    assert!(lines.iter().all(|line| line["missing"]["reason"] == "unchanged"), "{:?}", lines[0]);
    let table = dropped.run(&["runs", "query", "select count(test_top1) as finished from runs where arm = 'edited'"]);
    assert!(table.contains('1'), "trained on the originals that are left: {table}");

    let retried = Lab::new(&three_arms(&format!("{checks}on_missing = \"retry\"")));
    retried.run(&["run", "experiment.toml", "-q", "--arm", "edited"]);
    assert!(edits(&retried).iter().all(|line| line["lineage"]["edit"]["attempt"] == 2), "three attempts each");

    let failed = Lab::new(&three_arms(&format!("{checks}on_missing = \"fail\"")));
    let errors = failed.fail(3, &["run", "experiment.toml", "-q", "--arm", "edited"]);
    assert!(errors.contains("failed its checks") && errors.contains("on_missing"), "{errors}");
}

#[test]
fn null_editors_are_the_same_step_without_the_instruction() {
    for (null, instructed) in [("vae-round-trip", 0), ("empty-instruction", 0), ("shuffled-instructions", 3)] {
        let experiment = three_arms(&format!("null = \"{null}\""));
        // Something for the classes to borrow from one another.
        let experiment = experiment + "metal = [\"polish it\"]\n";
        let lab = Lab::new(&experiment);
        lab.run(&["run", "experiment.toml", "-q", "--arm", "edited"]);
        let edits = edits(&lab);
        let kinds = count(edits.iter().map(|edit| edit["lineage"]["edit"]["instruction"].as_str().unwrap()));
        assert!(kinds.keys().filter(|kind| !kind.is_empty()).count() >= instructed, "{null}: {kinds:?}");
        assert_eq!(kinds.contains_key(""), instructed == 0, "{null}: {kinds:?}");
    }
}

#[test]
fn edits_killed_half_way_are_continued_to_the_same_bytes() {
    let experiment = three_arms("copies = 6");
    let run = ["run", "experiment.toml", "-q", "--arm", "edited"];
    let whole = Lab::new(&experiment);
    whole.run(&run);

    let killed = Lab::new(&experiment);
    let mut child = killed.command(&run).spawn().unwrap();
    let sets = killed.path("runs/sets");
    assert!(kill_when(&mut child, || any_line(&sets, "done.jsonl", "instruction")), "killed in the middle");
    killed.run(&run);
    assert_eq!(killed.sets(), whole.sets());
    assert_eq!(recorded(&killed), recorded(&whole));
}

/// A study on a folder of pictures, and a table of edits for some of them.
fn on_folder() -> (Lab, String) {
    let lab = Lab::new("");
    lab.run(&["dataset", "render", "data", "--images", "72", "--size", "32x32", "-q"]);
    let experiment = TINY.replace("seeds = [1, 2]", "seeds = [1]").replace(
        "[dataset.synthetic]\nimages = 72\nwidth_px = 32\nheight_px = 32",
        "[dataset.folder]\npath = \"data\"",
    );
    let mut table = "source,instruction,file\n".to_owned();
    let pictures: Vec<_> = lab.tree("data").into_iter().filter(|(name, _)| is_png(name)).collect();
    for (index, (name, _)) in pictures.iter().enumerate().filter(|(index, _)| index % 3 != 0) {
        let mut picture = image::open(lab.path("data").join(name)).unwrap().to_rgb8();
        image::imageops::colorops::invert(&mut picture);
        std::fs::create_dir_all(lab.path("elsewhere/made")).unwrap();
        picture.save(lab.path(&format!("elsewhere/made/{index}.png"))).unwrap();
        writeln!(table, "{name},\"invert it, all\",made/{index}.png").unwrap();
    }
    lab.write("elsewhere/edits.csv", &table);
    let edited = "\n[[arm]]\nname = \"edited\"\n[arm.edit.folder]\ntable = \"elsewhere/edits.csv\"\n";
    lab.write("experiment.toml", experiment + edited);
    (lab, table)
}

#[test]
fn edits_made_elsewhere_enter_with_their_instructions_and_gaps_are_counted() {
    let (lab, _) = on_folder();
    lab.run(&["run", "experiment.toml", "-q"]);
    let edits = edits(&lab);
    let (missing, made): (Vec<_>, Vec<_>) = edits.iter().partition(|edit| !edit["missing"].is_null());
    assert!(!missing.is_empty() && made.len() > missing.len());
    assert!(missing.iter().all(|edit| edit["missing"]["reason"] == "absent"));
    assert!(made.iter().all(|edit| edit["lineage"]["edit"]["instruction"] == "invert it, all"));
    let report = std::fs::read_to_string(lab.path("reports/tiny/report.md")).unwrap();
    assert!(report.contains("absent"), "the report says why images are missing");
}

#[test]
fn a_wrong_table_of_edits_is_refused_with_its_line() {
    let (lab, table) = on_folder();
    let second = table.lines().nth(1).unwrap();
    let name = second.split(',').next().unwrap();
    let cases = [
        (table.replacen(name, &name.replace(".png", ".pgn"), 1), "line 2: there is no image"),
        (table.replacen("made/1.png", "../made/1.png", 1), "leads out of the table's folder"),
        (table.replacen("made/1.png", "made/none.png", 1), "line 2: cannot read"),
        (format!("{table}{second}\n"), "more than `copies = 1`"),
        (table.replacen("instruction", "instructions", 1), "cannot read the table of edits"),
    ];
    for (table, expected) in cases {
        lab.write("elsewhere/edits.csv", table);
        let errors = lab.fail(3, &["run", "experiment.toml", "-q", "--arm", "edited"]);
        assert!(errors.contains(expected), "{expected}:\n{errors}");
    }
}

#[test]
fn a_bundle_that_is_not_there_is_told_by_plan_and_run() {
    let lab = Lab::new(&three_arms("").replace(BUNDLE, "models/none"));
    let plan = lab.run(&["plan", "experiment.toml"]);
    assert!(
        plan.contains("cannot be made") && plan.contains("will fail: arm `edited`: cannot use the editor: cannot read"),
        "{plan}"
    );
    let errors = lab.fail(3, &["run", "experiment.toml", "-q"]);
    assert!(errors.contains("models/none") && errors.contains("export_ip2p.py"), "{errors}");
    let lab = Lab::new(&three_arms("").replace("glass =", "glas ="));
    let errors = lab.fail(2, &["run", "experiment.toml", "-q"]);
    assert!(errors.contains("did you mean `glass`?"), "{errors}");
}

fn picture(lab: &Lab) -> PathBuf {
    lab.run(&["dataset", "render", "pictures", "--images", "6", "--size", "64x48", "-q"]);
    let (name, _) = lab.tree("pictures").into_iter().find(|(name, _)| is_png(name)).unwrap();
    lab.path("pictures").join(name)
}

#[test]
fn edit_makes_a_grid_with_its_settings_inside_and_a_contact_sheet() {
    let lab = Lab::new("");
    let picture = picture(&lab);
    let image = picture.to_str().unwrap();
    let mut command =
        vec!["edit", image, "make it rust — slowly", "--model", BUNDLE, "--steps", "2", "--threads", "1", "-q"];
    command.extend(["--text-guidance", "5,7.5", "--image-guidance", "1.2,1.5", "--seeds", "0-1"]);
    let said = lab.run(&command);
    let made: Vec<String> = lab.tree("edits").into_iter().map(|(name, _)| name).collect();
    assert_eq!(made.len(), 9, "{said}");
    let file = std::io::BufReader::new(std::fs::File::open(lab.path("edits/seed1-t7.5-i1.2.png")).unwrap());
    let reader = png::Decoder::new(file).read_info().unwrap();
    assert_eq!((reader.info().width, reader.info().height), (64, 48));
    let texts = &reader.info().utf8_text;
    let settings = texts.iter().find(|text| text.keyword == "augtrial").unwrap().get_text().unwrap();
    let settings: serde_json::Value = serde_json::from_str(&settings).unwrap();
    assert_eq!(settings["instruction"], "make it rust — slowly");
    assert_eq!((&settings["seed"], &settings["text_guidance"]), (&1.into(), &7.5.into()));

    // The same again is refused, by force it gives the same bytes.
    let before = lab.tree("edits");
    assert!(lab.fail(2, &command).contains("--force"));
    command.push("--force");
    lab.run(&command);
    assert_eq!(lab.tree("edits"), before);
}

#[test]
fn model_shows_and_checks_a_bundle() {
    let lab = Lab::new("");
    let shown = lab.run(&["model", "inspect", BUNDLE]);
    assert!(shown.contains("CC0-1.0") && shown.contains("vae_encoder"), "{shown}");
    let json: serde_json::Value = serde_json::from_str(&lab.run(&["model", "inspect", BUNDLE, "--json"])).unwrap();
    assert_eq!(json["manifest"]["latent"]["channels"], 4);
    let verified = lab.run(&["model", "verify", BUNDLE]);
    assert!(verified.contains("ok: bundle "), "{verified}");

    for entry in std::fs::read_dir(BUNDLE).unwrap().flatten() {
        lab.write(&format!("bundle/{}", entry.file_name().to_str().unwrap()), std::fs::read(entry.path()).unwrap());
    }
    let mut unet = std::fs::read(lab.path("bundle/unet.pt")).unwrap();
    let middle = unet.len() / 2;
    unet[middle] ^= 1;
    lab.write("bundle/unet.pt", unet);
    let errors = lab.fail(3, &["model", "verify", "bundle"]);
    assert!(errors.contains("nothing of it was run"), "{errors}");
    assert!(lab.fail(3, &["model", "inspect", "none"]).contains("tools/export_ip2p.py"));
}
