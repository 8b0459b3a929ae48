//! Tests of decisions: what is refused with its place, and how a plan holds them.

use super::*;
use crate::Plan;

const SHA: &str = "sha256 = \"0123456789ab\"";

fn errors(text: &str) -> Vec<(String, String)> {
    let PlanError::Decisions(found) = Decisions::parse("decisions.toml", text).unwrap_err() else { panic!() };
    let shown =
        |item: &Diagnostic| (item.message.clone(), item.span.clone().map_or(String::new(), |s| text[s].to_owned()));
    found.items().iter().map(shown).collect()
}

#[test]
fn every_wrong_decision_is_told_with_its_place() {
    let text = format!(
        "[[group]]\nreason = \"one bottle\"\nauthor = \"A\"\nimages = [{{ path = \"a\", {SHA} }}]\n\
         [[exclude]]\nreason = \" \"\nauthor = \"A\"\nimage = {{ path = \"b\", sha256 = \"xyz\" }}\n\
         [[relabel]]\nclass = \"x\"\nreason = \"r\"\nauthor = \"A\"\nimage = {{ path = \"c\", {SHA} }}\n\
         [[relabel]]\nclass = \"y\"\nreason = \"r\"\nauthor = \"A\"\nimage = {{ path = \"c\", {SHA} }}\n"
    );
    let found = errors(&text);
    let messages: Vec<&str> = found.iter().map(|(message, _)| message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "a decision about several images needs two or more different ones",
            "a decision needs a reason and an author",
            "`xyz` is no SHA-256 of `b`",
            "an image gets two different classes",
        ]
    );
    assert_eq!([&*found[0].1, &*found[1].1], ["[{ path = \"a\", sha256 = \"0123456789ab\" }]", "[[exclude]]"]);
    let unknown = errors("[[exlude]]\n");
    assert_eq!(unknown[0].0, "unknown key `exlude` in the file of decisions");
}

const EXPERIMENT: &str = "[study]\nname = \"tiny\"\nseeds = [1]\n[dataset.synthetic]\n[classifier]\nbudget = { epochs = 1 }\n\
                          [[arm]]\nname = \"control\"\nrole = \"control\"\n";

fn decided(decisions: &str) -> Plan {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("decisions.toml"), decisions).unwrap();
    let text = format!("{EXPERIMENT}[audit]\ndecisions = \"decisions.toml\"\n");
    Plan::parse("tiny.toml", &text, folder.path().to_owned(), &[]).unwrap()
}

#[test]
fn a_plan_holds_the_decisions_and_not_the_file() {
    let entry = |reason: &str| {
        format!("[[exclude]]\nreason = \"{reason}\"\nauthor = \"A\"\nimage = {{ path = \"b\", {SHA} }}\n")
    };
    let plan = decided(&entry("dark"));
    let again = Plan::parse("plan.toml", &plan.to_toml(), PathBuf::new(), &[]).unwrap();
    assert_eq!((again.digest(), &again.audit), (plan.digest(), &plan.audit));
    assert_eq!(plan.audit.decided.exclude[0].image.path, "b");
    assert_ne!(plan.digest(), decided(&entry("darker")).digest(), "the reason is part of the plan");
}

#[test]
fn a_plan_without_an_audit_is_written_as_it_was_before_there_was_one() {
    let plan = Plan::parse("tiny.toml", EXPERIMENT, PathBuf::new(), &[]).unwrap();
    assert!(!plan.to_toml().contains("audit") && !plan.to_toml().contains("near_duplicates"), "{}", plan.to_toml());
    assert_eq!(decided("").digest(), plan.digest(), "an empty file decides nothing");
}

#[test]
fn a_missing_file_of_decisions_is_named() {
    let text = format!("{EXPERIMENT}[audit]\ndecisions = \"nowhere.toml\"\n");
    let error = Plan::parse("tiny.toml", &text, PathBuf::new(), &[]).unwrap_err().to_string();
    assert_eq!(error, "cannot read the decisions nowhere.toml: name the file in `[audit]`, or leave `decisions` out");
}

#[test]
fn an_audit_and_the_as_published_protocol_exclude_each_other() {
    let text = format!("{EXPERIMENT}[split.stratified]\ngroup_near_duplicates = true\n");
    assert!(Plan::parse("t", &text, PathBuf::new(), &[]).unwrap().split.minds_near_duplicates());
    let text = text.replace("seeds = [1]", "seeds = [1]\nprotocol = \"as-published\"");
    let error = Plan::parse("t", &text, PathBuf::new(), &[]).unwrap_err().to_string();
    assert!(error.contains("no audit can steer it"), "{error}");
}
