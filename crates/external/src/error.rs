//! What a trainer can do wrong, in words that its author can act on.

use std::io;
use std::path::PathBuf;

use augtrial_base::words::plural;
use augtrial_trial::TrainError;

/// Why a trial of a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("cannot start `{program}` in {}: is it installed, and on the PATH?", folder.display())]
    Start { program: String, folder: PathBuf, source: io::Error },

    #[error("it {how}{tail}")]
    Ended { how: String, tail: String },

    #[error("it took longer than `timeout_secs = {secs}` and was stopped")]
    TooLong { secs: u64 },

    #[error("it reported nothing for `silence_secs = {secs}` and was stopped{tail}")]
    Silent { secs: u64, tail: String },

    #[error("line {line} of its output is no event that augtrial knows: {problem}; the line begins `{begin}`")]
    Line { line: u64, problem: String, begin: String },

    #[error("line {line} of its output is longer than {most} bytes")]
    LongLine { line: u64, most: u64 },

    #[error("it reported epoch {found} where epoch {expected} was due: every epoch is reported once, counted from 1")]
    EpochOrder { expected: u32, found: u32 },

    #[error("it reported epoch {found}, and the budget has {}", plural(*epochs as usize, "epoch"))]
    BeyondBudget { found: u32, epochs: u32 },

    #[error(
        "it had made {found} updates after epoch {epoch}, and the budget asks for {expected}: batches of `batch_size` over the \
         training images, the last smaller, pass after pass"
    )]
    Updates { epoch: u32, found: u64, expected: u64 },

    #[error("epoch {epoch}: `{name}` is {value}, which {needs}")]
    Value { epoch: u32, name: &'static str, value: f64, needs: &'static str },

    #[error("it selected an epoch after {done} of {epochs} epochs: the budget is the same for every arm")]
    SelectedEarly { done: u32, epochs: u32 },

    #[error(
        "it selected epoch {found}, and `epoch_rule = \"{rule}\"` selects epoch {expected} from the validation that it reported"
    )]
    Selection { found: u32, expected: u32, rule: &'static str },

    #[error("it said `{what}` {when}")]
    OutOfTurn { what: &'static str, when: &'static str },

    #[error(
        "it never asked for the pixels of a pass, so it trained without the online transforms of this arm: send \
         {{\"event\": \"pixels\", \"part\": \"train\", \"pass_number\": N}} for each pass, or say `online = \"trainer\"`"
    )]
    Untransformed,

    #[error("it saved a checkpoint, and the experiment says that it cannot continue: say `resumes = true`")]
    CannotResume,

    #[error("it gave a prediction for image {image}, and the test part has images 0 to {last}")]
    NoSuchImage { image: usize, last: usize },

    #[error("it gave two predictions for test image {image} ({file})")]
    Twice { image: usize, file: String },

    #[error("the prediction for test image {image} ({file}) {problem}")]
    Probabilities { image: usize, file: String, problem: String },

    #[error("it gave no prediction for {} of the test part, the first {file}", plural(*missing, "image"))]
    Missing { missing: usize, file: String },

    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

impl Fault {
    pub fn io(action: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

impl From<Fault> for TrainError {
    fn from(fault: Fault) -> Self {
        Self::Trainer(Box::new(fault))
    }
}
