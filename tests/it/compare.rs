//! Comparing, planning seeds, extending a study, and checking its report, from the command line.

use std::fs;

use serde_json::Value;

use crate::lab::{Lab, TINY};

/// Two arms, three seeds: as few as are judged.
fn three_seeds() -> String {
    TINY.replace("seeds = [1, 2]", "seeds = [1, 2, 3]")
}

/// Two arms, three seeds, run to the end.
fn finished() -> Lab {
    let lab = Lab::new(&three_seeds());
    lab.run(&["run", "experiment.toml", "-q"]);
    lab
}

/// The folder of the one plan's report, below the lab's.
fn report_folder(lab: &Lab) -> String {
    let entries = fs::read_dir(lab.path("reports/tiny")).unwrap().map(Result::unwrap);
    let folders: Vec<_> = entries.filter(|entry| entry.path().is_dir()).collect();
    assert_eq!(folders.len(), 1);
    format!("reports/tiny/{}", folders[0].file_name().to_str().unwrap())
}

fn json(lab: &Lab, study: &str) -> Value {
    serde_json::from_str(&lab.run(&["compare", study, "--json"])).unwrap()
}

#[test]
fn a_study_is_compared_by_name_file_or_digest_and_as_json() {
    let lab = finished();
    let text = lab.run(&["compare", "--full"]);
    assert!(text.starts_with("study tiny, plan "), "{text}");
    assert!(
        text.find("flipped against control").unwrap() < text.find("mean %").unwrap(),
        "the answer comes first: {text}"
    );
    for part in ["Synthetic data", "flipped - control", "Holm p, new images", "McNemar", "3/3", "Not varied"] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    let document = json(&lab, "tiny");
    assert_eq!((&document["version"], &document["study"]), (&Value::from(2), &Value::from("tiny")));
    let plan = document["plan"].as_str().unwrap();
    for name in ["latest", "experiment.toml", &plan[..8]] {
        assert_eq!(lab.run(&["compare", name, "--full"]), text, "{name}");
    }
    let contrast = &document["contrasts"][0];
    let of = |arm: &str, seed: usize| {
        let arms = document["arms"].as_array().unwrap();
        arms.iter().find(|a| a["name"] == arm).unwrap()["values"][seed]["value"].as_f64().unwrap()
    };
    let difference = (0..3).map(|seed| of("flipped", seed) - of("control", seed)).sum::<f64>() / 3.0;
    let (narrow, wide) = (&contrast["test_set"]["interval"], &contrast["new_images"]["interval"]);
    assert!(wide[0].as_f64() <= narrow[0].as_f64() && wide[1].as_f64() >= narrow[1].as_f64(), "{contrast}");
    assert_eq!(contrast["scope"], "new-images");
    assert!((contrast["statistics"]["difference"].as_f64().unwrap() - difference).abs() < 1e-12);
    assert!(document["changed_after_looking"].is_null());
    let report = fs::read_to_string(lab.path("reports/tiny/report.md")).unwrap();
    assert!(report.replace('\\', "").contains(contrast["answer"].as_str().unwrap()), "the report says the same");
    let schema: Value = serde_json::from_str(&lab.run(&["compare", "--schema"])).unwrap();
    let described = schema["properties"].as_object().unwrap();
    assert!(document.as_object().unwrap().keys().all(|key| described.contains_key(key)));
}

#[test]
fn what_is_missing_is_marked_and_too_little_is_refused() {
    let lab = Lab::new(TINY);
    lab.run(&["run", "experiment.toml", "-q", "--arm", "control"]);
    let text = lab.run(&["compare", "tiny"]);
    assert!(text.contains("no answer, since 0 of 2 planned pairs are complete"), "{text}");
    assert!(text.contains("not run yet: seeds 1-2 of flipped"), "{text}");
    let document = json(&lab, "tiny");
    assert_eq!(document["contrasts"][0]["verdict"], "refused");
    assert!(document["contrasts"][0]["statistics"].is_null());
    let seeds = lab.run(&["seeds", "tiny"]);
    assert!(
        seeds.contains("2 planned trials have no result yet") && seeds.contains("augtrial run experiment.toml\n"),
        "{seeds}"
    );
}

#[test]
fn seeds_are_planned_added_and_marked_as_an_extension() {
    let lab = finished();
    let before = json(&lab, "tiny");
    let text = lab.run(&["seeds", "tiny", "--effect", "0.2"]);
    for part in ["power 0.8", "20.00 points (asked for)", "pairs needed", "fewer than 6 seeds"] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    // The study has three seeds, which find no difference of this size: the command adds to the file's.
    assert!(text.contains("augtrial run experiment.toml --seeds +") || text.contains("no feasible number"), "{text}");

    lab.run(&["run", "experiment.toml", "-q", "--seeds", "+2"]);
    let again = lab.run(&["run", "experiment.toml", "-q", "--seeds", "+2"]);
    assert!(again.contains("0 trials trained, 10 reused"), "the same command adds no more: {again}");
    let after = json(&lab, "tiny");
    let changed = &after["changed_after_looking"];
    assert_eq!((&changed["planned"], &changed["added"]), (&Value::from(vec![1, 2, 3]), &Value::from(vec![4, 5])));
    let (alone, first) = (&changed["planned_alone"][0], &before["contrasts"][0]);
    assert_eq!(alone["difference"], first["statistics"]["difference"], "the planned seeds alone say what they said");
    for scope in ["test_set", "new_images"] {
        assert_eq!(alone[scope], first[scope], "{scope}");
    }
    assert_eq!(alone["verdict"], first["verdict"]);
    let report = fs::read_to_string(lab.path("reports/tiny/report.md")).unwrap();
    for part in ["**Changed after looking.**", "alpha is no longer exact", "The planned seeds alone (1-3)"] {
        assert!(report.contains(part), "{part}:\n{report}");
    }
    assert!(lab.run(&["compare", "tiny"]).contains("warning: Changed after looking."));
    assert!(json(&lab, "experiment.toml")["changed_after_looking"].is_null(), "the planned study is none");
    // Its record holds 1-5, the file 1-3: the command names every seed.
    let next = lab.run(&["seeds", "tiny", "--effect", "0.01", "--power", "0.5"]);
    assert!(next.contains("--seeds 1-") || next.contains("no feasible number"), "{next}");
}

#[test]
fn running_the_files_seeds_in_parts_is_no_extension() {
    let lab = Lab::new(&TINY.replace("seeds = [1, 2]", "seeds = [1, 2, 3]").replace("updates = 6", "updates = 2"));
    lab.run(&["run", "experiment.toml", "-q", "--seeds", "1-2"]);
    let part = json(&lab, "tiny");
    assert_eq!(part["changed_after_looking"]["dropped"], Value::from(vec![3]), "a part alone is marked");
    lab.run(&["run", "experiment.toml", "-q"]);
    assert!(json(&lab, "tiny")["changed_after_looking"].is_null());
}

#[test]
fn a_report_is_verified_file_by_file_and_nothing_is_written() {
    let lab = finished();
    assert!(lab.run(&["report", "--verify"]).starts_with("ok: "));
    let whole = lab.tree("reports/tiny");
    let folder = report_folder(&lab);
    let page = lab.path(&format!("{folder}/report.md"));
    let text = fs::read_to_string(&page).unwrap();
    fs::write(&page, text.replace("control", "contro1")).unwrap();
    fs::remove_file(lab.path(&format!("{folder}/tables/arms.csv"))).unwrap();
    lab.write(&format!("{folder}/figures/mine.png"), b"mine");
    let spoilt = lab.tree("reports/tiny");
    let output = lab.output(&["report", "tiny", "--verify"]);
    assert_eq!(output.status.code(), Some(3));
    let (found, errors) = (crate::lab::text(&output.stdout), crate::lab::text(&output.stderr));
    assert_eq!(found, "differs: report.md\nmissing: tables/arms.csv\nextra: figures/mine.png\n");
    assert!(errors.contains("1 files differ, 1 are missing, 1 are extra"), "{errors}");
    assert_eq!(lab.tree("reports/tiny"), spoilt, "verifying writes nothing");
    lab.run(&["report", "tiny"]);
    assert_eq!(lab.tree("reports/tiny"), whole, "the registry alone gives the same bytes");
    lab.run(&["report", "tiny", "--verify"]);

    // Data that may not be passed on.
    let pictures = |lab: &Lab| lab.tree("reports/tiny").iter().filter(|(name, _)| name.contains("/gallery/")).count();
    assert!(pictures(&lab) > 0);
    lab.run(&["report", "tiny", "--without-pictures"]);
    assert_eq!(pictures(&lab), 0);
    lab.run(&["report", "tiny", "--verify", "--without-pictures"]);
    lab.run(&["report", "tiny"]);

    // A record that was changed by hand is another result, and the report does not match it any more.
    let run = fs::read_dir(lab.path("runs/trials")).unwrap().next().unwrap().unwrap().path();
    let events = fs::read_to_string(run.join("events.jsonl")).unwrap();
    let tampered = events.replacen("\"loss_nats\":", "\"loss_nats\":1", 1);
    assert_ne!(tampered, events);
    fs::write(run.join("events.jsonl"), tampered).unwrap();
    lab.fail(3, &["report", "tiny", "--verify"]);
}

#[test]
fn each_plan_keeps_its_report_and_the_newest_finished_one_is_the_study_s() {
    let lab = finished();
    let first = lab.tree(&report_folder(&lab));
    let shown = fs::read(lab.path("reports/tiny/report.html")).unwrap();
    // Another plan of the same name, of which one arm is run: it has a report, and replaces nothing.
    lab.run(&["run", "experiment.toml", "-q", "--arm", "control", "--set", "classifier.budget={ updates = 2 }"]);
    let folders =
        fs::read_dir(lab.path("reports/tiny")).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir());
    assert_eq!(folders.count(), 2);
    assert_eq!(fs::read(lab.path("reports/tiny/report.html")).unwrap(), shown, "what is not finished is not shown");
    // Finished, it is the study's newest, and the other plan's folder is as it was.
    lab.run(&["run", "experiment.toml", "-q", "--set", "classifier.budget={ updates = 2 }"]);
    assert_ne!(fs::read(lab.path("reports/tiny/report.html")).unwrap(), shown);
    let all = lab.tree("reports/tiny");
    for (name, bytes) in first {
        assert!(all.iter().any(|(other, found)| other.ends_with(&name) && *found == bytes), "{name}");
    }
    // The text above the folders links into one of them.
    let page = fs::read_to_string(lab.path("reports/tiny/report.md")).unwrap();
    for link in page.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
        assert!(lab.path("reports/tiny").join(link).exists(), "{link}");
    }
}

#[test]
fn misuse_is_said_with_what_to_do() {
    let lab = Lab::new(TINY);
    for command in ["compare", "seeds", "report"] {
        assert!(lab.fail(5, &[command]).contains("there are no runs yet"), "{command}");
        let not_run = lab.fail(2, &[command, "experiment.toml"]);
        assert!(not_run.contains("run it first with `augtrial run`"), "{not_run}");
    }
    lab.run(&["run", "experiment.toml", "-q", "--seeds", "1", "--set", "classifier.budget={ updates = 1 }"]);
    assert!(lab.fail(2, &["compare", "tinny"]).contains("nearest: tiny"));
    for wrong in [["--power", "1.5"], ["--effect", "-0.1"], ["--effect", "0"]] {
        let error = lab.fail(2, &["seeds", "tiny", &format!("{}={}", wrong[0], wrong[1])]);
        assert!(error.contains("lies outside its range"), "{error}");
    }
    // One pair has no spread to plan by.
    assert!(lab.run(&["seeds", "tiny"]).contains("needs at least 2 values, there is 1"));
    assert!(lab.run(&["compare", "tiny"]).contains("1 of 1 planned pairs are complete"));
    fs::remove_dir_all(lab.path("reports")).unwrap();
    assert!(lab.fail(3, &["report", "tiny", "--verify"]).contains("there is no report in"));
}

#[test]
fn a_hundred_runs_are_listed_compared_and_reported_without_a_wait() {
    // A shortened form of benches/registry.rs; the limits leave room for a busy machine.
    let lab = Lab::new(TINY);
    crate::large::write(&lab.path("runs"), crate::large::Shape { arms: 5, seeds: 20, epochs: 100, test_images: 100 });
    lab.run(&["runs", "reindex"]);
    for (arguments, limit_secs) in [(&["runs", "list"][..], 5), (&["compare", "large"], 10), (&["report", "large"], 60)]
    {
        let start = std::time::Instant::now();
        lab.run(arguments);
        let elapsed = start.elapsed();
        assert!(elapsed.as_secs() < limit_secs, "{arguments:?} took {elapsed:?}");
    }
    // The comparison comes from the index, the report from the folders: they say the same.
    let report = fs::read_to_string(lab.path("reports/large/report.md")).unwrap().replace('\\', "");
    for contrast in json(&lab, "large")["contrasts"].as_array().unwrap() {
        assert!(report.contains(contrast["answer"].as_str().unwrap()), "{contrast}");
        assert_eq!(contrast["pairs"].as_array().unwrap().len(), 20);
    }
}
