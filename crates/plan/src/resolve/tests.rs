//! Tests of reading experiment files: what is completed, what is refused, and where the error stands.

use super::*;
use crate::MOST_SEEDS;
use crate::classifier::{Classifier, Freeze};
use crate::dataset::Dataset;
use crate::editors::Edit;
use crate::scheduler::Scheduler;
use crate::transform::{Features, Mix, Transform};

const MINIMAL: &str = r#"
[study]
name = "tiny"
seeds = [1, 2]
[dataset.synthetic]
[classifier]
budget = { epochs = 1 }
[[arm]]
name = "control"
role = "control"
[[arm]]
name = "flip"
online = [{ horizontal_flip = {} }]
"#;

fn parse(text: &str) -> Result<Plan, PlanError> {
    Plan::parse("tiny.toml", text, PathBuf::new(), &[])
}

#[test]
fn a_minimal_file_is_completed() {
    let plan = parse(MINIMAL).unwrap();
    assert_eq!(plan.contrasts, [Contrast { treatment: "flip".into(), control: "control".into() }]);
    assert_eq!(plan.split, SplitRule::Stratified(Stratified::default()));
    assert_eq!(plan.trials().count(), 4);
}

/// A folder with these files, and a minimal experiment whose data set is `dataset`.
fn parse_with(files: &[(&str, &str)], dataset: &str) -> Result<Plan, PlanError> {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let text = MINIMAL.replace("[dataset.synthetic]", dataset);
    Plan::parse("tiny.toml", &text, folder.path().to_owned(), &[])
}

#[test]
fn a_division_that_the_data_set_prescribes_is_the_default() {
    let given = SplitRule::Given(Given::default());
    let csv = "[dataset.csv]\nfile = \"list.csv\"";
    let split = |text: &str| parse_with(&[("list.csv", text)], csv).unwrap().split;
    assert_eq!(split("path,class,split\na.png,a,train\n"), given);
    assert_eq!(split("Path;Class;Split\na.png;a;test\n"), given);
    assert_eq!(split("path,class,split\na.png,a,\n"), SplitRule::default());
    assert_eq!(split("path,class\na.png,a\n"), SplitRule::default());
    let folder = "[dataset.folder]\npath = \"data\"";
    let parts = [("data/train/a/1.png", ""), ("data/test/a/2.png", "")];
    assert_eq!(parse_with(&parts, folder).unwrap().split, given);
    assert_eq!(parse_with(&[("data/a/1.png", "")], folder).unwrap().split, SplitRule::default());
    // What is typed counts.
    let typed = format!("{folder}\n[split.stratified]\ntest = 0.3");
    assert!(matches!(parse_with(&parts, &typed).unwrap().split, SplitRule::Stratified(s) if s.test == 0.3));
}

#[test]
fn a_prescribed_division_and_the_as_published_protocol_exclude_each_other() {
    let text = "[dataset.csv]\nfile = \"list.csv\"";
    let rows = [("list.csv", "path,class,split\na.png,a,train\n")];
    let as_published = |dataset: &str| {
        let text = MINIMAL.replace("[dataset.synthetic]", dataset);
        let text = text.replace("seeds = [1, 2]", "seeds = [1, 2]\nprotocol = \"as-published\"");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(rows[0].0), rows[0].1).unwrap();
        Plan::parse("tiny.toml", &text, folder.path().to_owned(), &[])
    };
    let error = as_published(text).unwrap_err().to_string();
    assert!(error.contains("the as-published protocol divides files after augmentation"), "{error}");
    assert!(as_published(&format!("{text}\n[split.stratified]")).is_ok());
}

#[test]
fn classes_that_repeat_or_lead_out_of_the_root_are_refused_in_their_place() {
    let index = |classes: &str| {
        let dataset = format!("[dataset.index]\npath = \"x\"\nclasses = {classes}\ntrain = \"a\"\ntest = \"b\"");
        parse_with(&[], &dataset).unwrap_err().to_string()
    };
    for (classes, expected) in [
        ("[\"a\", \"b\", \"a\"]", "`classes` has `a` twice"),
        ("[\"a\", \"../outside/x\"]", "class `../outside/x` leads out of the folder of the images"),
        ("[\"a\", \"/etc\"]", "class `/etc` leads out of the folder of the images"),
        ("[\"a\", \"b\\u001B[31m\"]", "cannot be a class: it has the character \\u{1b}"),
    ] {
        let error = index(classes);
        assert!(error.contains(expected) && error.contains("tiny.toml:7:11"), "{expected} not in {error}");
    }
}

#[test]
fn the_bound_of_pixels_is_itself_bounded() {
    let error = parse(&MINIMAL.replace("[classifier]", "[ingest]\nmax_pixels = 9223372036854775807\n[classifier]"));
    assert!(error.unwrap_err().to_string().contains("`max_pixels` must lie between 1 and 4294967296"));
}

#[test]
fn a_budget_without_end_is_refused_with_its_bounds() {
    for (budget, bounds) in [
        ("updates = 9223372036854775807", "`updates` must lie between 1 and 1000000000"),
        ("epochs = 4294967295", "`epochs` must lie between 1 and"),
    ] {
        let error = parse(&MINIMAL.replace("epochs = 1", budget)).unwrap_err();
        assert!(error.to_string().contains(bounds), "{error}");
    }
}

#[test]
fn the_written_plan_is_read_back_as_the_same_plan() {
    let plan = parse(MINIMAL).unwrap();
    let again = parse(&plan.to_toml()).unwrap();
    assert_eq!(plan, again);
    assert_eq!(plan.digest(), again.digest());
}

#[test]
fn a_study_has_a_name_of_its_own_and_a_bounded_number_of_seeds() {
    let PlanError::Invalid(found) = parse(&MINIMAL.replace("\"tiny\"", "\"latest\"")).unwrap_err() else { panic!() };
    assert_eq!(found.items()[0].message, "a study cannot be called `latest`");
    let seeds: Vec<u64> = (0..=MOST_SEEDS as u64).collect();
    let PlanError::Invalid(found) = parse(&MINIMAL.replace("[1, 2]", &format!("{seeds:?}"))).unwrap_err() else {
        panic!()
    };
    assert_eq!(found.items()[0].message, "`seeds` may have 10000 seeds at most");
}

#[cfg(target_os = "linux")]
#[test]
fn only_regular_files_of_bounded_size_are_read() {
    let device = Plan::load(Path::new("/dev/zero"), &[]).unwrap_err();
    assert!(matches!(device, PlanError::NotAFile { .. }), "{device}");
    let folder = std::env::temp_dir();
    assert!(matches!(Plan::load(&folder, &[]), Err(PlanError::NotAFile { .. })));
    let large = folder.join(format!("augtrial-large-{}.toml", std::process::id()));
    std::fs::File::create(&large).unwrap().set_len(MOST_BYTES + 1).unwrap();
    let error = Plan::load(&large, &[]).unwrap_err();
    std::fs::remove_file(&large).unwrap();
    assert!(matches!(error, PlanError::TooLarge { .. }), "{error}");
}

#[test]
fn renaming_an_arm_does_not_change_its_recipe() {
    let plan = parse(MINIMAL).unwrap();
    let renamed = parse(&MINIMAL.replace("\"flip\"", "\"mirror\"")).unwrap();
    assert_eq!(plan.arms[1].recipe_digest(), renamed.arms[1].recipe_digest());
    assert_ne!(plan.arms[0].recipe_digest(), plan.arms[1].recipe_digest());
}

fn with_classifier(lines: &str) -> String {
    MINIMAL.replace("budget = { epochs = 1 }", &format!("budget = {{ epochs = 1 }}\n{lines}"))
}

#[test]
fn a_network_is_from_the_table_or_from_a_file_and_never_both() {
    let plan = |text: &str| Plan::parse("x", text, PathBuf::new(), &[]);
    assert_eq!(plan(MINIMAL).unwrap().classifier.architecture.unwrap().name(), "resnet18");
    let custom = MINIMAL.replace("budget =", "network = { torchscript = \"nets/a\" }\nbudget =");
    let read = plan(&custom).unwrap();
    let Classifier { architecture, network, .. } = &read.classifier;
    assert_eq!((*architecture, network.as_ref().unwrap().folder()), (None, "nets/a"));
    assert_eq!(plan(&read.to_toml()).unwrap().digest(), read.digest(), "a plan reads what it writes");
    assert!(read.network_file().unwrap_err().to_string().contains("nets/a"));
    let both = custom.replace("budget =", "architecture = \"resnet18\"\nbudget =");
    let error = plan(&both).unwrap_err().to_string();
    assert!(error.contains("`network` and `architecture` name two networks"), "{error}");
}

#[test]
fn freezing_needs_pretrained_weights_and_a_rate_is_above_zero() {
    let text = with_classifier("freeze = \"all-but-head\"\nhead_learning_rate = 0.0");
    let PlanError::Invalid(found) = parse(&text).unwrap_err() else { panic!("invalid") };
    let messages: Vec<_> = found.items().iter().map(|item| item.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "`freeze` needs `pretrained`: random weights would stay random",
            "`head_learning_rate` must be a number above 0, not 0",
        ]
    );
    let text = with_classifier("pretrained = \"w.safetensors\"\nfreeze = \"stem\"\nhead_learning_rate = 0.1");
    let classifier = parse(&text).unwrap().classifier;
    assert_eq!((classifier.freeze, classifier.head_rate()), (Freeze::Stem, 0.1));
}

#[test]
fn pinned_weights_have_a_file_and_a_whole_digest() {
    let PlanError::Invalid(found) = parse(&with_classifier("weights_digest = \"12ab\"")).unwrap_err() else {
        panic!("invalid")
    };
    let messages: Vec<_> = found.items().iter().map(|item| item.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "`weights_digest` must have 64 hexadecimal digits",
            "`weights_digest` needs `pretrained`: there is no file to compare",
        ]
    );
    let digest = "0a".repeat(32);
    let text = with_classifier(&format!("pretrained = \"w.safetensors\"\nweights_digest = \"{digest}\""));
    assert_eq!(parse(&text).unwrap().classifier.weights_digest, Some(digest));
}

#[test]
fn a_plan_that_freezes_nothing_is_written_as_it_was_before_one_could() {
    let text = parse(&with_classifier("freeze = \"none\"")).unwrap().to_toml();
    for absent in ["freeze", "head_learning_rate", "weights_digest"] {
        assert!(!text.contains(absent), "{absent}: {text}");
    }
}

#[test]
fn every_misshapen_place_is_reported_at_once() {
    let text = MINIMAL
        .replace("seeds", "sedes")
        .replace("epochs = 1", "epoch = 1")
        .replace("horizontal_flip = {}", "horizontal_flip = { p = \"x\" }")
        .replace("role = \"control\"", "role = \"controll\"");
    let PlanError::Invalid(found) = parse(&text).unwrap_err() else { panic!("invalid") };
    let messages: Vec<_> = found.items().iter().map(|item| item.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "`study` needs `seeds`",
            "unknown key `sedes` in `study`",
            "unknown key `epoch` in `budget`",
            "`role` cannot be `controll`",
            "`p` must be a number, not a string",
        ]
    );
}

/// The schema is what files are checked against, so that a row is missing or one too many if the two differ.
#[test]
fn the_schema_and_the_tables_have_the_same_names() {
    let schema = schema();
    let names = |table: &str| -> Vec<String> {
        let variants = schema["$defs"][table]["oneOf"].as_array().expect("an enum with several variants").iter();
        let of = |variant: &serde_json::Value| match variant["properties"].as_object() {
            Some(properties) => properties.keys().cloned().collect::<Vec<_>>(),
            None => vec![variant["const"].as_str().expect("a name").to_owned()],
        };
        variants.flat_map(of).collect()
    };
    for (table, rows) in [
        ("Transform", Transform::ROWS),
        ("Mix", Mix::ROWS),
        ("Features", Features::ROWS),
        ("Edit", Edit::ROWS),
        ("Scheduler", Scheduler::ROWS),
        ("Dataset", Dataset::ROWS),
    ] {
        assert_eq!(names(table), rows.iter().map(|row| row.name).collect::<Vec<_>>(), "{table}");
    }
}

#[test]
fn every_limit_is_about_a_parameter_that_exists_and_every_number_of_an_editor_has_one() {
    for row in Edit::ROWS.iter().chain(Scheduler::ROWS).chain(Dataset::ROWS) {
        assert!(!row.help().is_empty(), "{}", row.name);
        for parameter in row.parameters() {
            let number = matches!(parameter.kind.as_str(), "number" | "integer" | "[number, number]");
            let any = ["seed", "first_label"].contains(&parameter.name.as_str());
            assert!(any || !number || !parameter.bounds.is_empty(), "{}.{}", row.name, parameter.name);
        }
    }
}

#[test]
fn a_broken_limit_is_reported_at_its_parameter() {
    let arm = "[[arm]]\nname = \"edited\"\n[arm.edit.ip2p]\nbundle = \"b\"\nsteps = 0\nchecks = { min_change_levels = 300.0 }\n";
    let text = MINIMAL.replace("horizontal_flip = {}", "cutout = { holes = 0 }") + arm;
    let PlanError::Invalid(found) = parse(&text).unwrap_err() else { panic!("invalid") };
    let shown: Vec<_> = found.items().iter().map(|item| (&text[item.span.clone().unwrap()], &*item.message)).collect();
    assert_eq!(
        shown[..3],
        [
            ("0", "`holes` must lie between 1 and 1000, not 0"),
            (arm.split_at(arm.find("[arm.edit").unwrap()).1.lines().next().unwrap(), "`instructions` is empty"),
            ("0", "`steps` must lie between 1 and 1000, not 0"),
        ]
    );
    assert_eq!(shown[3], ("300.0", "`min_change_levels` must lie between 0 and 255, not 300"));
    assert_eq!(found.items()[1].help.as_deref(), Some("name some for each class, or for all with the key \"*\""));
}

#[test]
fn a_broken_limit_in_a_branch_of_a_branch_is_reported_at_its_parameter() {
    let inner = "apply = { p = 1.0, of = [{ cutout = { holes = 0 } }] }";
    let outer = format!("one_of = {{ of = [{{ invert = {{}} }}, {{ {inner} }}], weights = [1.0] }}");
    let text = MINIMAL.replace("horizontal_flip = {}", &outer);
    let PlanError::Invalid(found) = parse(&text).unwrap_err() else { panic!("invalid") };
    let shown: Vec<_> = found.items().iter().map(|item| (&text[item.span.clone().unwrap()], &*item.message)).collect();
    assert_eq!(
        shown,
        [
            ("0", "`holes` must lie between 1 and 1000, not 0"),
            ("[1.0]", "`weights` needs one number for each of the 2 transforms, not 1"),
        ]
    );
    let misshapen = MINIMAL.replace("horizontal_flip = {}", "one_of = { of = [{ cutot = {} }] }");
    let PlanError::Invalid(found) = parse(&misshapen).unwrap_err() else { panic!("invalid") };
    assert!(found.items()[0].help.as_deref().unwrap().starts_with("did you mean `cutout`?"));
    let PlanError::Invalid(found) = parse(&MINIMAL.replace("horizontal_flip = {}", "some_of = { n = 1 }")).unwrap_err()
    else {
        panic!("invalid")
    };
    assert_eq!(found.items()[0].message, "`some_of` needs `of`");
}

#[test]
fn a_plan_doubts_lengths_that_suit_larger_images() {
    let small = "[ingest]\nwidth_px = 96\nheight_px = 72\n[classifier]";
    let text = MINIMAL.replace("horizontal_flip = {}", "trivial_augment_wide = {}").replace("[classifier]", small);
    let plan = parse(&text).unwrap();
    let doubts = plan.doubts();
    assert_eq!(doubts.len(), 1, "{doubts:?}");
    assert!(doubts[0].starts_with("arm flip: `trivial_augment_wide` translates by up to 32 px, which is 44 %"));
    assert!(parse(MINIMAL).unwrap().doubts().is_empty());
}

#[test]
fn an_unknown_transform_is_told_where_all_are_described() {
    let help = |name: &str| {
        let PlanError::Invalid(found) = parse(&MINIMAL.replace("horizontal_flip", name)).unwrap_err() else {
            panic!("invalid")
        };
        found.items()[0].help.clone().unwrap()
    };
    assert_eq!(help("cutot"), "did you mean `cutout`? `augtrial transforms` describes all that exist");
    let unlike = help("thin_plate_spline");
    assert!(unlike.starts_with("expected one of `horizontal_flip`") && unlike.ends_with("describes all that exist"));
}
