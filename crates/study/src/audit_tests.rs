//! Tests of what the audit changes: which test images are in doubt, and the contrasts without them.

use super::*;
use crate::audit::AuditSheet;
use crate::sheet::ArmSheet;
use augtrial_base::digest::Digest;
use augtrial_compare::{ArmResults, Conduct, RunResult, TestImage};
use augtrial_data::audit::Duplicates;
use augtrial_data::manifest::{ImageRecord, Manifest};

const PLAN: &str = "[study]\nname = \"s\"\nseeds = [1, 2, 3]\n[dataset.synthetic]\nimages = 60\n[classifier.budget]\nepochs = 1\n\
                    [[arm]]\nname = \"c\"\nrole = \"control\"\n[[arm]]\nname = \"t\"\nrepeat = 2\n";
const IMAGES: usize = 20;

fn plan(more: &str) -> Plan {
    Plan::parse("test", &format!("{PLAN}{more}"), std::path::PathBuf::new(), &[]).unwrap()
}

fn path(image: usize) -> String {
    format!("{image:02}.png")
}

fn digest(image: usize) -> Digest {
    Digest::of_bytes(path(image).as_bytes())
}

/// Twenty test images of two classes; image 0 has a twin in training.
fn sheet(audit: Option<AuditSheet>) -> StudySheet {
    let image = |image: usize| ImageRecord {
        path: path(image),
        class: (image % 2) as u32,
        digest: digest(image),
        width_px: 8,
        height_px: 8,
        group: None,
        split: None,
    };
    let manifest = Manifest {
        classes: vec!["a".to_owned(), "b".to_owned()],
        images: (0..IMAGES).map(image).collect(),
        quarantined: Vec::new(),
        ignored: Vec::new(),
        synthetic: false,
    };
    StudySheet {
        format: 1,
        written_at: String::new(),
        base: std::path::PathBuf::new(),
        duplicates: Duplicates::find(&manifest),
        manifest,
        withheld: Vec::new(),
        parts: Vec::new(),
        arms: Vec::<ArmSheet>::new(),
        audit,
        excluded: Vec::new(),
        unused: 0,
        draws: Vec::new(),
    }
}

/// All runs are sure, and sure that image 3, of class b, is of class a. The treatment alone is right about image 0.
fn answers(treatment: bool) -> Vec<Prediction> {
    let answer = |image: usize| {
        let label = (image % 2) as u32;
        let wrong = image == 3 || (image == 0 && !treatment);
        let of_label = if image == 3 {
            0.02
        } else if wrong {
            0.45
        } else {
            0.9
        };
        let mut probabilities = vec![1.0 - of_label; 2];
        probabilities[label as usize] = of_label;
        let predicted = if wrong { 1 - label } else { label };
        Prediction { image: digest(image), path: path(image), derived: false, label, predicted, probabilities }
    };
    (0..IMAGES).map(answer).collect()
}

fn recorded(plan: &Plan, sheet: &StudySheet) -> (Comparison, Option<AuditRecord>) {
    let mut all = Answers::default();
    let arm = |name: &str, treatment: bool| {
        let run = |seed| {
            let correct: Vec<bool> = answers(treatment).iter().map(|p| p.label == p.predicted).collect();
            let value = correct.iter().filter(|&&right| right).count() as f64 / IMAGES as f64;
            RunResult { seed, value, run: String::new(), correct, answers: Vec::new() }
        };
        ArmResults {
            name: name.to_owned(),
            role: plan.arms.iter().find(|arm| arm.name == name).unwrap().role,
            runs: (1..=3).map(run).collect(),
            excluded: Vec::new(),
            planned_images: 0,
            missing_images: 0,
        }
    };
    for treatment in [false, true] {
        (0..3).for_each(|_| all.add(&answers(treatment)));
    }
    let images = (0..IMAGES).map(|i| TestImage { label: (i % 2) as u32, cluster: i as u32 }).collect();
    let input = StudyResults {
        study: plan.study.clone(),
        contrasts: plan.contrasts.clone(),
        arms: vec![arm("c", false), arm("t", true)],
        conduct: Conduct::default(),
        images,
    };
    (compare(&input), record(plan, sheet, &input, &all))
}

fn audit() -> AuditSheet {
    AuditSheet { near_pairs: 1, leaked: vec![path(0)], contradicting: vec![path(5)], ..AuditSheet::default() }
}

#[test]
fn a_difference_that_rests_on_a_leaked_image_is_shown_without_it_and_the_answer_stays() {
    let (plan, sheet) = (plan(""), sheet(Some(audit())));
    let (comparison, record) = recorded(&plan, &sheet);
    let record = record.unwrap();
    assert!((comparison.contrasts[0].mean_difference().unwrap() - 0.05).abs() < 1e-12);
    let [leaked, labels] = &record.subsets[..] else { panic!("{:?}", record.subsets) };
    assert_eq!((leaked.key, leaked.images, leaked.left_out), ("leaked", 19, 1));
    assert_eq!(leaked.contrasts.as_ref().unwrap()[0].mean_difference(), Some(0.0));
    assert_eq!(
        (labels.key, labels.images, labels.left_out),
        ("labels", 18, 2),
        "image 5 contradicts, image 3 is doubted"
    );
    assert!(labels.contrasts.as_ref().unwrap()[0].judged().is_some());
    let doubts = record.doubts.unwrap();
    assert_eq!(doubts.iter().map(|doubt| doubt.path.as_str()).collect::<Vec<_>>(), ["03.png"]);
    assert!(doubts[0].reason.starts_with("labeled b, rather a: mean probability 0.020"), "{}", doubts[0].reason);
}

#[test]
fn a_label_that_somebody_confirmed_is_in_doubt_no_more() {
    let keep = format!(
        "[[audit.decided.keep]]\nreason = \"r\"\nauthor = \"A\"\nimage = {{ path = \"03.png\", sha256 = \"{}\" }}\n",
        digest(3).short()
    );
    let record = recorded(&plan(&keep), &sheet(Some(audit()))).1.unwrap();
    assert_eq!(record.doubts, Ok(Vec::new()));
    assert_eq!(record.subsets[1].left_out, 1);
}

#[test]
fn a_study_without_an_audit_has_none_and_one_that_failed_says_why() {
    assert_eq!(recorded(&plan(""), &sheet(None)).1, None);
    let failed = AuditSheet { problem: Some("no disk".to_owned()), ..AuditSheet::default() };
    let record = recorded(&plan(""), &sheet(Some(failed))).1.unwrap();
    assert_eq!(record.subsets.iter().map(|subset| subset.key).collect::<Vec<_>>(), ["labels"]);
    assert!(record.sentences()[0].contains("no disk"));
}

#[test]
fn runs_on_different_images_doubt_nothing() {
    let mut all = Answers::default();
    all.add(&answers(false));
    all.add(&answers(false)[1..]);
    assert_eq!(all.doubts(2).unwrap_err(), "the runs were tested on different images");
    assert_eq!(Answers::default().doubts(2).unwrap_err(), "no run has a result");
}

#[test]
fn runs_that_learned_nothing_doubt_nothing() {
    let mut all = Answers::default();
    let guesses = answers(false).into_iter().enumerate().map(|(index, mut answer)| {
        answer.probabilities = if index % 4 < 2 { vec![0.6, 0.4] } else { vec![0.4, 0.6] };
        answer
    });
    all.add(&guesses.collect::<Vec<_>>());
    assert!(all.doubts(2).unwrap_err().contains("no better than by always naming"), "half of the answers are right");
}
