//! What a search may try, and what it refuses.

use std::path::PathBuf;

use super::*;

const STUDY: &str = r#"
[study]
name = "s"
seeds = [1, 2, 3]
[dataset.synthetic]
images = 60
[classifier.budget]
epochs = 1
[[arm]]
name = "control"
role = "control"
[[arm]]
name = "rand"
online = [{ rand_augment = { operations = 2 } }]
"#;

fn parse(tune: &str) -> Result<Plan, PlanError> {
    Plan::parse("s.toml", &format!("{STUDY}{tune}"), PathBuf::new(), &[])
}

fn plan(tune: &str) -> Plan {
    parse(tune).unwrap_or_else(|error| panic!("{error}"))
}

const RATES: &str = "[tune]\nseeds = [101]\n[tune.values]\n\"classifier.optimizer.sgd.learning_rate\" = [0.01, 0.02]\n\
                     \"arm[1].online[0].rand_augment.operations\" = [1, 2]\n";

fn rate(plan: &Plan, arm: usize) -> f64 {
    match plan.classifier_of(&plan.arms[arm]).optimizer {
        Optimizer::Sgd(sgd) => sgd.learning_rate,
        Optimizer::Adamw(adamw) => adamw.learning_rate,
    }
}

#[test]
fn lists_are_tried_in_all_combinations_by_every_arm_in_a_study_of_its_own() {
    let plan = plan(RATES);
    assert_eq!(plan.tries().len(), 4);
    let search = plan.tries_plan().unwrap().unwrap();
    assert_eq!((search.study.name.as_str(), search.study.seeds.as_slice()), ("s--tries", &[101][..]));
    assert_eq!((search.arms.len(), search.contrasts.len()), (8, 0));
    assert_eq!(search.arms[7].name, "rand--try-4");
    // Keys come in the order of the alphabet, the last one changes fastest.
    assert_eq!([0, 2, 4, 6].map(|arm| rate(&search, arm)), [0.01, 0.02, 0.01, 0.02]);
    assert_eq!(search.arms[1].training, Training::default(), "0.01 is the default: nothing differs");
    assert_ne!(search.arms[1].online, search.arms[5].online);
    assert_eq!(Plan::parse("again", &search.to_toml(), PathBuf::new(), &[]).unwrap(), search);
}

#[test]
fn the_search_does_not_depend_on_how_the_study_is_judged() {
    let one = plan(RATES).tries_plan().unwrap().unwrap();
    let text =
        format!("{STUDY}{RATES}").replace("seeds = [1, 2, 3]", "seeds = [1, 2, 3, 4]\nalpha = 0.01\ntitle = \"T\"");
    let other = Plan::parse("s.toml", &text, PathBuf::new(), &[]).unwrap().tries_plan().unwrap().unwrap();
    assert_eq!(one.digest(), other.digest());
}

#[test]
fn what_was_chosen_is_in_the_plan_and_is_read_back() {
    let plan = plan(RATES);
    let chosen = [("control".to_owned(), 2), ("rand".to_owned(), 3)].into();
    let tuned = plan.tuned(&chosen).unwrap();
    assert_eq!([rate(&tuned, 0), rate(&tuned, 1), rate(&plan, 1)], [0.02, 0.01, 0.01]);
    assert_eq!(tuned.arms[1].online, plan.arms[1].online, "two are what the file has");
    let text = tuned.to_toml();
    assert!(text.contains("[arm.training.optimizer.sgd]") && text.contains("stage = \"tuned\""), "{text}");
    let again = Plan::parse("again", &text, PathBuf::new(), &[]).unwrap();
    assert_eq!(again.digest(), tuned.digest());
    assert!(again.tries_plan().unwrap().is_none(), "nothing is searched twice");
    assert!(plan.tuned(&[("control".to_owned(), 2)].into()).unwrap_err().to_string().contains("arm `rand`"));
}

#[test]
fn random_values_are_seeded_and_lie_in_their_range() {
    let random = "[tune]\nseeds = [101]\ntries = 50\n[tune.values]\n\"classifier.optimizer.sgd.learning_rate\" = { log_uniform = [0.001, 0.1] }\n\
                  \"classifier.label_smoothing\" = { uniform = [0.0, 0.2] }\n\"classifier.optimizer.sgd.nesterov\" = [true, false]\n";
    let tries = plan(random).tries();
    assert_eq!(tries, plan(random).tries());
    let numbers = |key: &str| tries.iter().map(|one| one.values[key].as_f64().unwrap()).collect::<Vec<_>>();
    let rates = numbers("classifier.optimizer.sgd.learning_rate");
    assert!(rates.iter().all(|rate| (0.001..=0.1).contains(rate)), "{rates:?}");
    let below = rates.iter().filter(|rate| **rate < 0.01).count();
    assert!((15..=35).contains(&below), "half of a log scale lies below its middle: {below} of 50");
    assert!(numbers("classifier.label_smoothing").iter().all(|value| (0.0..=0.2).contains(value)));
    let other = random.replace("[tune]", "[tune]\n");
    assert_eq!(plan(&other).tries(), tries);
    let text = format!("{STUDY}{random}").replace("seeds = [1, 2, 3]", "seeds = [1, 2, 3]\nseed = 7");
    assert_ne!(Plan::parse("s.toml", &text, PathBuf::new(), &[]).unwrap().tries(), tries, "the study's seed decides");
}

#[test]
fn a_plan_without_tuning_is_written_as_it_was_before_there_was_any() {
    let text = plan("").to_toml();
    assert!(!text.contains("tune") && !text.contains("training"), "{text}");
}

#[test]
fn what_makes_no_sense_is_said_at_its_place_with_advice() {
    let rate = "\"classifier.optimizer.sgd.learning_rate\"";
    for (tune, place, expected) in [
        (format!("seeds = [2]\n[tune.values]\n{rate} = [0.1]"), "s.toml:16:9", "seed 2 is a seed of the study too"),
        (format!("seeds = []\n[tune.values]\n{rate} = [0.1]"), "s.toml:16:9", "`seeds` must have 1 to"),
        ("seeds = [9]\n[tune.values]".to_owned(), "s.toml:17", "nothing is tried"),
        (format!("seeds = [9]\n[tune.values]\n{rate} = []"), "s.toml:18:44", "the list has no value"),
        (format!("seeds = [9]\n[tune.values]\n{rate} = [1, 1]"), "s.toml:18:44", "a value twice"),
        (
            format!("seeds = [9]\n[tune.values]\n{rate} = {{ uniform = [2, 1] }}"),
            "s.toml:18",
            "must be below the second",
        ),
        (format!("seeds = [9]\n[tune.values]\n{rate} = {{ log_uniform = [0, 1] }}"), "s.toml:18", "must be above 0"),
        (
            format!("seeds = [9]\n[tune.values]\n{rate} = {{ uniform = [0.1, 1] }}"),
            "s.toml:15",
            "a range needs `tries`",
        ),
        (format!("seeds = [9]\ntries = 0\n[tune.values]\n{rate} = [0.1]"), "s.toml:17", "`tries` must lie between"),
        ("seeds = [9]\n[tune.values]\n\"classifier.budget.epochs\" = [1]".to_owned(), "s.toml:18", "cannot be tuned"),
        ("seeds = [9]\n[tune.values]\n\"study.alpha\" = [0.1]".to_owned(), "s.toml:18", "cannot be tuned"),
        ("seeds = [9]\n[tune.values]\n\"arm[1].name\" = [\"x\"]".to_owned(), "s.toml:18", "cannot be tuned"),
        (
            format!("seeds = [9]\n[tune.values]\n{rate} = [0.1, -1.0]"),
            "s.toml:18:44",
            "-1.0 cannot be tried: `learning_rate` must be",
        ),
        (
            "seeds = [9]\n[tune.values]\n\"arm[7].repeat\" = [1]".to_owned(),
            "s.toml:18",
            "1 cannot be tried: cannot apply --set `arm[7].repeat=1`: there is no `arm[7]`",
        ),
        (
            format!("seeds = [9]\nchosen = {{ rand = 1 }}\n[tune.values]\n{rate} = [0.1]"),
            "s.toml:17",
            "written by the program",
        ),
    ] {
        let error = parse(&format!("[tune]\n{tune}\n")).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(place), "{place}: {expected} not in {error}");
    }
    let folds = format!("{STUDY}{RATES}").replace("[dataset.synthetic]", "redraw = [\"split\"]\n[dataset.synthetic]");
    let error = Plan::parse("s.toml", &folds, PathBuf::new(), &[]).unwrap_err().to_string();
    assert!(error.contains("divides its data anew for every seed cannot be tuned"), "{error}");
}
