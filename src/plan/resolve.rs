//! From a text to a [`Plan`]: shape first, then types, then meaning, each with every error at once.

use std::io;
use std::path::{Path, PathBuf};

use schemars::generate::SchemaSettings;

use super::dataset::{Dataset, Given, SplitRule, Stratified};
use super::file::{Contrast, ExperimentFile};
use super::source::Node;
use super::{Plan, Role, check, overrides, shape};
use crate::diagnostic::{Diagnostic, Diagnostics};

/// Why an experiment file is not a plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The file cannot be read.
    #[error("cannot read the experiment file {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// An override is malformed.
    #[error("cannot apply --set {0}")]
    Override(String),
    /// The text is wrong; every error with its place.
    #[error("the experiment file has errors\n{0}")]
    Invalid(Diagnostics),
}

/// The JSON schema of experiment files, for editors and for our own diagnostics.
#[must_use]
pub fn schema() -> serde_json::Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<ExperimentFile>();
    schema.insert("title".to_owned(), "augtrial experiment".into());
    schema.to_value()
}

impl Plan {
    /// Reads an experiment file, with `assignments` from `--set` written over it.
    ///
    /// # Errors
    /// [`PlanError`]: unreadable, a malformed assignment, or every error in the text with its place.
    pub fn load(path: &Path, assignments: &[String]) -> Result<Self, PlanError> {
        let read = |source| PlanError::Read { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(read)?;
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        Self::parse(&path.display().to_string(), &text, base, assignments)
    }

    /// Reads an experiment from a text that is shown under `name`; relative paths start from `base`.
    ///
    /// # Errors
    /// As [`Plan::load`].
    pub fn parse(name: &str, text: &str, base: PathBuf, assignments: &[String]) -> Result<Self, PlanError> {
        let text = overrides::apply(text, assignments).map_err(PlanError::Override)?;
        let invalid = |items| PlanError::Invalid(Diagnostics::new(name, text.as_str(), items));
        let root = Node::parse(&text).map_err(|item| invalid(vec![item]))?;
        let misshapen = shape::check(&root, &schema());
        if !misshapen.is_empty() {
            return Err(invalid(misshapen));
        }
        let file: ExperimentFile = toml::from_str(&text)
            .map_err(|error| invalid(vec![Diagnostic::new(error.message().to_owned(), error.span())]))?;
        let meaningless = check::check(&file, &root);
        if !meaningless.is_empty() {
            return Err(invalid(meaningless));
        }
        Ok(Self::complete(file, base))
    }

    /// Fills what the file leaves open. The file has passed every check.
    fn complete(file: ExperimentFile, base: PathBuf) -> Self {
        let split = file.split.unwrap_or(match file.dataset {
            Dataset::Index(_) => SplitRule::Given(Given::default()),
            _ => SplitRule::Stratified(Stratified::default()),
        });
        let mut contrasts = file.contrasts;
        if contrasts.is_empty()
            && let Some(control) = file.arms.iter().find(|arm| arm.role == Role::Control)
        {
            let others = file.arms.iter().filter(|arm| arm.name != control.name);
            contrasts =
                others.map(|arm| Contrast { treatment: arm.name.clone(), control: control.name.clone() }).collect();
        }
        Self {
            study: file.study,
            dataset: file.dataset,
            ingest: file.ingest,
            split,
            classifier: file.classifier,
            arms: file.arms,
            contrasts,
            base,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::classifier::Freeze;

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

    #[test]
    fn the_written_plan_is_read_back_as_the_same_plan() {
        let plan = parse(MINIMAL).unwrap();
        let again = parse(&plan.to_toml()).unwrap();
        assert_eq!(plan, again);
        assert_eq!(plan.digest(), again.digest());
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
    fn a_plan_that_freezes_nothing_is_written_as_it_was_before_one_could() {
        let text = parse(&with_classifier("freeze = \"none\"")).unwrap().to_toml();
        assert!(!text.contains("freeze") && !text.contains("head_learning_rate"), "{text}");
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
}
