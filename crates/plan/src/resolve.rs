//! From a text to a [`Plan`]: shape first, then types, then meaning, each with every error at once.

use std::io;
use std::path::{Path, PathBuf};

use schemars::generate::SchemaSettings;

use super::arm::Arm;
use super::dataset::{Given, SplitRule, Stratified};
use super::declared::Division;
use super::file::{Contrast, ExperimentFile};
use super::overrides::Override;
use super::source::Node;
use super::{Plan, Role, check, copies, decisions, overrides, shape, tune};
use augtrial_base::diagnostic::{Diagnostic, Diagnostics};
use augtrial_base::disk;

/// Bytes of an experiment file at most.
const MOST_BYTES: u64 = 4 << 20;

/// Why an experiment file is not a plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The file cannot be read.
    #[error("cannot read the experiment file {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// It is a folder, a pipe or a device.
    #[error("the experiment file {} is not a regular file", path.display())]
    NotAFile { path: PathBuf },
    /// It is larger than any experiment.
    #[error("the experiment file {} has more than {MOST_BYTES} bytes, which are the most", path.display())]
    TooLarge { path: PathBuf },
    /// An override does not fit the file.
    #[error("cannot apply --set {0}")]
    Override(String),
    /// The text is wrong; every error with its place.
    #[error("the experiment file has errors\n{0}")]
    Invalid(Diagnostics),
    /// A cell of a design cannot be made.
    #[error("cell `{cell}` of the design: {problem}")]
    Cell { cell: String, problem: String },
    /// A try of `[tune]` cannot be made.
    #[error("try {number} of [tune]: {problem}")]
    Try { number: u32, problem: String },
    /// The file of decisions cannot be read.
    #[error("cannot read the decisions {}: name the file in `[audit]`, or leave `decisions` out", path.display())]
    ReadDecisions { path: PathBuf, source: io::Error },
    /// The decisions are wrong; every error with its place.
    #[error("the decisions have errors\n{0}")]
    Decisions(Diagnostics),
}

/// The JSON schema of experiment files, for editors and for our own diagnostics.
#[must_use]
pub fn schema() -> serde_json::Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<ExperimentFile>();
    schema.insert("title".to_owned(), "augtrial experiment".into());
    schema.to_value()
}

/// The text of a regular file of bounded size: a pipe or a device may never end.
pub(super) fn read_text(path: &Path) -> Result<String, PlanError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::InvalidInput => PlanError::NotAFile { path: path.to_owned() },
        io::ErrorKind::FileTooLarge => PlanError::TooLarge { path: path.to_owned() },
        _ => PlanError::Read { path: path.to_owned(), source },
    };
    let bytes = disk::read_regular(path, MOST_BYTES).map_err(failed)?;
    String::from_utf8(bytes).map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))
}

impl Plan {
    /// Reads an experiment file, with `overrides` from the command line written over it.
    ///
    /// # Errors
    /// [`PlanError`]: unreadable, an override that does not fit, or every error in the text with its place.
    pub fn load(path: &Path, overrides: &[Override]) -> Result<Self, PlanError> {
        let text = read_text(path)?;
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        Self::parse(&path.display().to_string(), &text, base, overrides)
    }

    /// Reads an experiment from a text that is shown under `name`; relative paths start from `base`.
    ///
    /// # Errors
    /// As [`Plan::load`].
    pub fn parse(name: &str, text: &str, base: PathBuf, overrides: &[Override]) -> Result<Self, PlanError> {
        Self::parse_file(name, text, base, overrides).map(|(_, plan)| plan)
    }

    /// The file as typed, too.
    pub(super) fn parse_file(
        name: &str,
        text: &str,
        base: PathBuf,
        overrides: &[Override],
    ) -> Result<(ExperimentFile, Self), PlanError> {
        let text = overrides::apply(text, overrides).map_err(PlanError::Override)?;
        let invalid = |items| PlanError::Invalid(Diagnostics::new(name, text.as_str(), items));
        let root = Node::parse(&text).map_err(|item| invalid(vec![item]))?;
        let misshapen = shape::check(&root, &schema(), "the experiment file");
        if !misshapen.is_empty() {
            return Err(invalid(misshapen));
        }
        let mut file: ExperimentFile = toml::from_str(&text)
            .map_err(|error| invalid(vec![Diagnostic::new(error.message().to_owned(), error.span())]))?;
        let division = Division::of(&file.dataset, &base);
        let meaningless = check::check(&file, &root, division);
        if !meaningless.is_empty() {
            return Err(invalid(meaningless));
        }
        decisions::resolve(&mut file.audit, &base)?;
        let plan = Self::complete(file.clone(), base, division);
        let wrong = tune::wrong_values(&plan);
        if !wrong.is_empty() {
            return Err(invalid(wrong.into_iter().map(|wrong| check::tuning(&root, wrong)).collect()));
        }
        Ok((file, plan))
    }

    /// Fills what the file leaves open. The file has passed every check.
    fn complete(file: ExperimentFile, base: PathBuf, division: Division) -> Self {
        let split = file.split.unwrap_or(match division {
            Division::Prescribed => SplitRule::Given(Given::default()),
            Division::None | Division::Unknown => SplitRule::Stratified(Stratified::default()),
        });
        let arms: Vec<Arm> = file.arms.iter().flat_map(copies::expanded).collect();
        let mut contrasts = file.contrasts;
        let search = file.tune.as_ref().is_some_and(|tune| tune.stage == tune::Stage::Tries);
        if contrasts.is_empty()
            && !search
            && let Some(control) = arms.iter().find(|arm| arm.role == Role::Control)
        {
            let others = arms.iter().filter(|arm| arm.name != control.name);
            contrasts =
                others.map(|arm| Contrast { treatment: arm.name.clone(), control: control.name.clone() }).collect();
        }
        let mut classifier = file.classifier;
        classifier.architecture = classifier.row().and(Some(classifier.architecture.unwrap_or_default()));
        Self {
            study: file.study,
            dataset: file.dataset,
            ingest: file.ingest,
            split,
            train: file.train,
            audit: file.audit,
            classifier,
            arms,
            contrasts,
            evaluations: file.evaluations,
            sequential: file.sequential,
            tune: file.tune,
            cross_fit: file.cross_fit,
            base,
        }
    }
}

#[cfg(test)]
mod tests;
