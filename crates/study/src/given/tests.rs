//! Tables as augtrial, MLflow, Weights & Biases and people write them, right and wrong.

use std::path::PathBuf;

use augtrial_base::words::chain;
use augtrial_compare::{ArmResults, Conduct, Excluded, RunResult, StudyResults, TestImage, Verdict, compare};
use augtrial_plan::arm::Role;
use augtrial_plan::file::PrimaryMetric;

use super::{GivenOptions, GivenResults, read_results};

struct File(tempfile::TempDir, &'static str);

impl File {
    fn new(name: &'static str, text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), text).unwrap();
        Self(folder, name)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join(self.1)
    }

    fn read(&self, options: &GivenOptions) -> GivenResults {
        read_results(&self.path(), options).unwrap_or_else(|error| panic!("{}", chain(&error)))
    }

    fn problem(&self, options: &GivenOptions) -> String {
        chain(&read_results(&self.path(), options).expect_err("it is refused"))
    }
}

fn csv(text: &str) -> File {
    File::new("results.csv", text)
}

fn plain() -> GivenOptions {
    GivenOptions::default()
}

/// Five seeds of a control and of an arm that is eight points better.
fn better() -> String {
    let rows = (1..=5).flat_map(|seed| {
        let noise = f64::from(seed) * 0.002;
        [format!("control,{seed},{}", 0.70 + noise), format!("flips,{seed},{}", 0.78 + 1.5 * noise)]
    });
    format!("arm,seed,top1\n{}\n", rows.collect::<Vec<_>>().join("\n"))
}

#[test]
fn a_table_of_runs_gives_the_verdict_that_the_same_runs_give_here() {
    let given = csv(&better()).read(&plain());
    let arm = |name: &str, role, value: fn(f64) -> f64| ArmResults {
        name: name.to_owned(),
        role,
        runs: (1..=5)
            .map(|seed| RunResult {
                seed,
                value: value(seed as f64 * 0.002),
                run: format!("{seed}"),
                correct: Vec::new(),
                answers: Vec::new(),
            })
            .collect(),
        excluded: Vec::new(),
        planned_images: 0,
        missing_images: 0,
    };
    let made = StudyResults {
        arms: vec![
            arm("control", Role::Control, |noise| 0.70 + noise),
            arm("flips", Role::Treatment, |noise| 0.78 + 1.5 * noise),
        ],
        ..given.results.clone()
    };
    let (ours, theirs) = (compare(&made), &given.comparison);
    assert_eq!(ours.contrasts[0].outcome, theirs.contrasts[0].outcome);
    let judged = theirs.contrasts[0].judged().unwrap();
    assert!(matches!(judged.here.as_ref().unwrap().verdict, Verdict::Different { .. }));
    assert_eq!(given.results.conduct, Conduct::default());
}

#[test]
fn percent_is_understood_when_it_is_said_and_asked_for_when_it_is_not() {
    let percent = "arm,seed,accuracy\ncontrol,1,70.5\nflips,1,78\n";
    let problem = csv(percent).problem(&plain());
    assert!(
        problem.contains("row 1: `accuracy` holds 70.5, and Top-1 accuracy lies between 0 and 1")
            && problem.contains("say `--percent`"),
        "{problem}"
    );
    let given = csv(percent).read(&GivenOptions { percent: true, ..plain() });
    assert_eq!(given.comparison.arms[0].values[0].value, 0.705);
}

#[test]
fn a_margin_is_percent_where_values_are_and_below_the_whole() {
    let margin = |text: &str, percent: bool, delta: Option<f64>| {
        csv(text).read(&GivenOptions { percent, delta, ..plain() }).comparison.delta
    };
    let percent = "arm,seed,accuracy\ncontrol,1,70.5\nflips,1,78\n";
    assert_eq!((margin(percent, true, Some(1.0)), margin(percent, true, None)), (0.01, 0.01));
    assert_eq!((margin(&better(), false, Some(0.02)), margin(&better(), false, None)), (0.02, 0.01));
    // A loss is not a share: its margin is on its own scale.
    let loss = "arm,seed,log_loss\ncontrol,1,2.5\nflips,1,1.5\n";
    assert_eq!((margin(loss, true, Some(1.5)), margin(loss, false, Some(1.5))), (1.5, 1.5));
    let problem = csv(&better()).problem(&GivenOptions { delta: Some(1.0), ..plain() });
    assert!(problem.contains("`--delta 1` is no margin for Top-1 accuracy, which lies between 0 and 1"), "{problem}");
    assert!(problem.contains("say `--percent`"), "{problem}");
    let problem = csv(percent).problem(&GivenOptions { percent: true, delta: Some(100.0), ..plain() });
    assert!(problem.contains("lies between 0 and 100: write 1 for one percentage point"), "{problem}");
}

#[test]
fn runs_of_mlflow_are_read_without_an_option_and_failed_ones_told() {
    let table = "run_id,status,params.arm,params.seed,metrics.val_acc,metrics.test_acc\n\
                 a,FINISHED,baseline,1.0,0.9,0.7\nb,FINISHED,flips,1,0.9,0.8\nc,FAILED,flips,2,,\nd,FINISHED,baseline,2,0.9,0.71\n";
    let given = csv(table).read(&plain());
    assert_eq!(
        given.results.arms[0].runs[1],
        RunResult { seed: 2, value: 0.71, run: "d".to_owned(), correct: Vec::new(), answers: Vec::new() }
    );
    let reason = "the table says that it is failed".to_owned();
    assert_eq!(given.results.arms[1].excluded, [Excluded { seed: 2, reason }]);
    assert_eq!(given.results.contrasts[0].control, "baseline");
}

#[test]
fn runs_of_weights_and_biases_are_read_with_the_columns_that_are_named() {
    let table = "Name,State,config/augmentation,config/seed,summary/test/acc\n\
                 sunny-1,finished,none,1,0.7\nsunny-2,finished,mixup,1,0.8\nsunny-3,crashed,mixup,2,\n";
    let options = GivenOptions { arm_column: Some("config/augmentation".to_owned()), ..plain() };
    let given = csv(table).read(&options);
    assert_eq!(given.results.arms[1].runs[0].run, "sunny-2");
    // Seed 2 is missing of both: of the control because the table has no row for it.
    assert_eq!(given.results.arms[0].excluded[0].reason, "the table has no row for it");
    assert!(given.results.arms[1].excluded[0].reason.contains("crashed"));
}

#[test]
fn a_repeated_cell_is_refused_so_that_nobody_picks_the_better_run() {
    let problem = csv("arm,seed,top1\ncontrol,1,0.5\ncontrol,1,0.6\nflips,1,0.7\n").problem(&plain());
    assert!(problem.contains("rows 1 and 2 are both of arm `control`, seed 1"), "{problem}");
    // A failed attempt beside one that counts is no repetition.
    let given =
        csv("arm,seed,top1,state\ncontrol,1,,crashed\ncontrol,1,0.6,finished\nflips,1,0.7,finished\n").read(&plain());
    assert_eq!((given.results.arms[0].runs.len(), given.results.arms[0].excluded.len()), (1, 0));
}

#[test]
fn what_is_unclear_is_asked_for_by_the_name_of_an_option() {
    for (text, expected) in [
        ("group,seed,top1\na,1,0.5\n", "no column is the arm's name: name it with `--arm-column COLUMN`"),
        ("arm,top1\na,0.5\n", "`--seed-column COLUMN`"),
        ("arm,seed,f2\na,1,0.5\n", "no column is a metric on the test part: name it with `--metric-column COLUMN`"),
        ("arm,seed,acc,test_acc\na,1,0.5,0.5\n", "the columns `acc`, `test_acc` could all be the metric"),
        ("arm,seed,top1\na,1,0.5\nb,1,0.6\n", "which arm is the control? Say `--control NAME`; the arms are a, b"),
        ("arm,seed,top1\na,x,0.5\n", "row 1: `seed` holds `x`, which is no whole number from 0"),
        ("arm,seed,top1\ncontrol,1,high\n", "row 1: `top1` holds `high`, which is no number"),
        ("arm,seed,top1\n", "the table has no row"),
    ] {
        let problem = csv(text).problem(&plain());
        assert!(problem.contains(expected), "{problem}\nshould contain\n{expected}");
    }
    let options = GivenOptions { metric_column: Some("f1".to_owned()), ..plain() };
    let problem = csv("arm,seed,f1\ncontrol,1,0.5\n").problem(&options);
    assert!(problem.contains("does not say which metric it is: say `--metric`"), "{problem}");
    let options = GivenOptions { control: Some("c".to_owned()), ..plain() };
    assert!(csv(&better()).problem(&options).contains("there is no arm `c`: the arms are control, flips"));
}

/// Two arms, one seed, four images; images 2 and 3 are of one group.
const PREDICTIONS: &str = "arm,seed,image,group,label,predicted\n\
    control,1,a,,cat,cat\ncontrol,1,b,x,cat,dog\ncontrol,1,c,x,cat,cat\ncontrol,1,d,,dog,cat\n\
    flips,1,d,,dog,dog\nflips,1,c,x,cat,cat\nflips,1,b,x,cat,cat\nflips,1,a,,cat,cat\n";

#[test]
fn predictions_are_scored_and_put_into_one_order_for_all_runs() {
    let given = csv(PREDICTIONS).read(&plain());
    let [control, flips] = &given.results.arms[..] else { panic!("two arms") };
    assert_eq!((control.runs[0].value, flips.runs[0].value), (0.5, 1.0));
    assert_eq!(control.runs[0].correct, [true, false, true, false]);
    assert_eq!(flips.runs[0].correct, [true; 4]);
    let clusters: Vec<u32> = given.results.images.iter().map(|image: &TestImage| image.cluster).collect();
    assert_eq!(clusters, [0, 1, 1, 2]);
    let options = GivenOptions { metric: Some(PrimaryMetric::BalancedTop1), ..plain() };
    let balanced = csv(PREDICTIONS).read(&options).results.arms[0].runs[0].value;
    assert!((balanced - 1.0 / 3.0).abs() < 1e-12, "{balanced}");
    let options = GivenOptions { metric: Some(PrimaryMetric::Brier), ..plain() };
    assert!(csv(PREDICTIONS).problem(&options).contains("needs the probability of every class"));
}

#[test]
fn probabilities_of_numbered_classes_give_the_metrics_that_need_them() {
    let table = "arm,seed,image,label,predicted,p_0,p_1\ncontrol,1,a,1,0,0.75,0.25\nflips,1,a,1,1,0.25,0.75\n";
    let given = csv(table).read(&GivenOptions { metric: Some(PrimaryMetric::Brier), ..plain() });
    assert_eq!(given.results.arms[0].runs[0].value, 2.0 * 0.75 * 0.75);
    assert_eq!(given.results.arms[1].runs[0].answers[0].of_label, 0.75);
}

/// Predictions with the columns of probabilities that a header names.
fn probable(header: &str, rows: &[&str]) -> File {
    csv(&format!("arm,seed,image,label,predicted,{header}\n{}\n", rows.join("\n")))
}

#[test]
fn numbers_that_are_no_probabilities_are_refused_with_their_row() {
    let good = "control,1,a,1,0,0.75,0.25";
    for (bad, expected) in [
        ("flips,1,a,1,1,25,75", "row 2 has the probability 25: give those after softmax, from 0 to 1"),
        ("flips,1,a,1,1,-1.5,2.5", "row 2 has the probability -1.5"),
        ("flips,1,a,1,1,0.25,0.5", "row 2 has probabilities that sum to 0.7500 instead of 1"),
    ] {
        let problem = probable("p_0,p_1", &[good, bad]).problem(&plain());
        assert!(problem.contains(expected), "{problem}\nshould contain\n{expected}");
    }
}

#[test]
fn probabilities_that_do_not_fit_the_classes_are_told_with_what_to_do() {
    for (header, rows, expected) in [
        (
            "p_1,p_2",
            ["control,1,a,2,1,0.75,0.25", "flips,1,a,2,2,0.25,0.75"],
            "the probabilities in columns `p_1` to `p_2` are not used, since there is no `p_0`: name them `p_0`, `p_1`",
        ),
        (
            "p_0,p_1",
            ["control,1,a,2,1,0.75,0.25", "flips,1,a,2,2,0.25,0.75"],
            "the probabilities of 2 of 2 runs are not used: row 1 has class 2 in `label`, and the columns `p_0` to `p_1` are those \
             of classes 0 to 1: count classes from 0",
        ),
        (
            "p_0,p_1",
            ["control,1,a,dog,cat,0.75,0.25", "flips,1,a,dog,dog,0.25,0.75"],
            "row 1 has `dog` in `label`: write classes as their numbers",
        ),
        (
            "p_0,p_1",
            ["control,1,a,1,0,0.75,0.25", "flips,1,a,1,1,0.25,"],
            "the probabilities of 1 of 2 runs are not used: row 2 has no number in `p_1`",
        ),
    ] {
        let given = probable(header, &rows).read(&plain());
        let facts = &given.given.facts;
        assert!(facts.len() == 2 && facts[1].contains(expected), "{facts:?}\nshould contain\n{expected}");
        assert!(given.results.arms[1].runs[0].answers.is_empty());
        let brier = GivenOptions { metric: Some(PrimaryMetric::Brier), ..plain() };
        let problem = probable(header, &rows).problem(&brier);
        let reason = expected.rsplit("are not used: ").next().unwrap();
        assert!(problem.contains("needs the probability of every class") && problem.contains(reason), "{problem}");
    }
    let fits = probable("p_0,p_1", &["control,1,a,1,0,0.75,0.25", "flips,1,a,1,1,0.25,0.75"]);
    assert_eq!(fits.read(&plain()).given.facts.len(), 1);
}

#[test]
fn predictions_that_do_not_fit_together_are_refused() {
    let replaced = |from: &str, to: &str| csv(&PREDICTIONS.replace(from, to)).problem(&plain());
    let problem = replaced("flips,1,d,,dog,dog\n", "");
    assert!(problem.contains("arm `flips`, seed 1 lacks a prediction for image `d`"), "{problem}");
    let problem = replaced("flips,1,d,,dog,dog\n", "flips,1,d,,dog,dog\nflips,1,d,,dog,cat\n");
    assert!(problem.contains("both predict image `d` in arm `flips`, seed 1"), "{problem}");
    let problem = replaced("flips,1,d,,dog,dog\n", "flips,1,d,,cat,dog\n");
    assert!(problem.contains("image `d` has the label `cat`, and another row gives it `dog`"), "{problem}");
}

/// Tables of pandas and polars, made by `crates/tables/fixtures/foreign/make_tables.py`.
fn foreign(name: &str) -> PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tables/fixtures/foreign").join(name)
}

#[test]
fn tables_of_pandas_and_polars_are_compared_whatever_else_is_in_them() {
    for name in ["pandas.parquet", "polars.parquet"] {
        let given = read_results(&foreign(name), &plain()).unwrap_or_else(|error| panic!("{name}: {}", chain(&error)));
        let values =
            |arm: usize| given.results.arms[arm].runs.iter().map(|run| (run.seed, run.value)).collect::<Vec<_>>();
        assert_eq!(given.results.contrasts[0].control, "control", "{name}");
        assert_eq!(values(0), [(1, 0.5), (2, 0.5), (3, 0.375)], "{name}");
        assert_eq!(values(1), [(1, 0.75), (2, 0.625), (3, 0.75)], "{name}");
    }
}

#[test]
fn a_column_that_is_asked_for_and_not_read_is_named_with_its_type() {
    let problem =
        |name: &str, options: GivenOptions| chain(&read_results(&foreign(name), &options).expect_err("it is refused"));
    let of_metric = |column: &str| GivenOptions { metric_column: Some(column.to_owned()), ..plain() };
    let refused = problem("pandas.parquet", of_metric("balanced_accuracy"));
    assert!(
        refused.contains("column `balanced_accuracy` is not read, since its type is decimal: store it as"),
        "{refused}"
    );
    let by_time = GivenOptions { seed_column: Some("started".to_owned()), ..plain() };
    assert!(problem("polars.parquet", by_time).contains("column `started` is not read, since its type is timestamp"));
    let asked = GivenOptions { metric: Some(PrimaryMetric::BalancedTop1), ..plain() };
    assert!(problem("pandas.parquet", asked).contains("column `balanced_accuracy` is not read"));
    let unknown = problem("polars.parquet", of_metric("accuracy"));
    assert!(unknown.contains("the columns are arm, role, seed, top1, run, cost (not read: decimal)"), "{unknown}");
}

#[test]
fn the_report_says_that_the_results_were_given() {
    let given = csv(&better()).read(&plain());
    let folder = tempfile::tempdir().unwrap();
    let report = given.write_report(&folder.path().join("report")).unwrap();
    let text = std::fs::read_to_string(report).unwrap();
    assert!(text.contains("**Results given, not made here.** They were read from results.csv"), "{text}");
    assert!(text.contains("Whether test images, or copies of them, were trained on"), "{text}");
    assert!(text.contains("is higher with flips than with control"), "{text}");
    assert!(text.contains("Not known of these results") && text.contains("made of the table"), "{text}");
    for absent in ["declared before the run", "Flow of images", "ResNet", "Read: 0 images", "optimizer updates"] {
        assert!(!text.contains(absent), "{absent} is in\n{text}");
    }
    assert!(folder.path().join("report/report.html").is_file());
}
