//! When a trial saves its state.
//!
//! Whatever the rule, the state is saved at the end of the last epoch, when the trial is stopped, and when it is asked for.
//! Only the newest checkpoint is kept. The rule decides how much work a killed process loses, and nothing of the result.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Least time between two saves where nothing else was asked for: a checkpoint of ResNet18 holds 134 MB and takes a tenth of a
/// second and more to write, which short epochs would spend on nothing else.
const DEFAULT_PAUSE: Duration = Duration::from_secs(30);

/// When a trial saves its state on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckpointRule {
    /// At the end of every so many epochs.
    Epochs(NonZeroU32),
    /// As soon as so much time has passed since the last save, in the middle of an epoch too.
    Time(Duration),
    /// At the end of an epoch, if so much time has passed since the last save.
    EpochsApart(Duration),
}

impl CheckpointRule {
    /// At the end of the last epoch only.
    pub const LAST_EPOCH: Self = Self::Epochs(NonZeroU32::MAX);

    /// Whether to save after `epochs` finished epochs.
    #[must_use]
    pub fn after_epoch(self, epochs: u32, since_save: Duration) -> bool {
        match self {
            Self::Epochs(every) => epochs.is_multiple_of(every.get()),
            Self::Time(pause) | Self::EpochsApart(pause) => since_save >= pause,
        }
    }

    /// Whether to save between two updates.
    #[must_use]
    pub fn within_epoch(self, since_save: Duration) -> bool {
        matches!(self, Self::Time(pause) if since_save >= pause)
    }
}

impl Default for CheckpointRule {
    fn default() -> Self {
        Self::EpochsApart(DEFAULT_PAUSE)
    }
}

/// What cannot be read as a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no checkpoint rule: expected e.g. `1epoch`, `5epochs`, `10min` or `30s`")]
pub struct ParseRuleError(String);

impl FromStr for CheckpointRule {
    type Err = ParseRuleError;

    fn from_str(text: &str) -> Result<Self, ParseRuleError> {
        let wrong = || ParseRuleError(text.to_owned());
        let unit = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let count: NonZeroU32 = text[..unit].parse().map_err(|_| wrong())?;
        let secs = |per_unit: u64| Self::Time(Duration::from_secs(u64::from(count.get()) * per_unit));
        match &text[unit..] {
            "epoch" | "epochs" => Ok(Self::Epochs(count)),
            "s" => Ok(secs(1)),
            "min" => Ok(secs(60)),
            _ => Err(wrong()),
        }
    }
}

/// As it is typed; the default has no such form and says what it does.
impl fmt::Display for CheckpointRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Epochs(NonZeroU32::MIN) => f.write_str("1epoch"),
            Self::Epochs(every) => write!(f, "{every}epochs"),
            Self::Time(pause) => write!(f, "{}s", pause.as_secs()),
            Self::EpochsApart(pause) => write!(f, "at the end of an epoch, at least {} s apart", pause.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn rules_are_read_as_they_are_typed() {
        let epochs = |count| Ok(CheckpointRule::Epochs(NonZeroU32::new(count).unwrap()));
        assert_eq!("1epoch".parse(), epochs(1));
        assert_eq!("5epochs".parse(), epochs(5));
        assert_eq!("10min".parse(), Ok(CheckpointRule::Time(secs(600))));
        assert_eq!("45s".parse(), Ok(CheckpointRule::Time(secs(45))));
        for text in ["", "5", "epochs", "0epochs", "0s", "-1s", "1.5min", "5 epochs", "1h", "99999999999s"] {
            assert_eq!(text.parse::<CheckpointRule>(), Err(ParseRuleError(text.to_owned())), "{text}");
        }
        for rule in ["1epoch", "7epochs", "90s"] {
            assert_eq!(rule.parse::<CheckpointRule>().unwrap().to_string(), rule);
        }
    }

    #[test]
    fn a_rule_is_due_by_epochs_or_by_time() {
        let every_third: CheckpointRule = "3epochs".parse().unwrap();
        let due: Vec<u32> = (1..=9).filter(|&epochs| every_third.after_epoch(epochs, secs(0))).collect();
        assert_eq!((due, every_third.within_epoch(secs(1_000_000))), (vec![3, 6, 9], false));

        let minute: CheckpointRule = "1min".parse().unwrap();
        assert_eq!([59, 60].map(|after| minute.within_epoch(secs(after))), [false, true]);
        assert_eq!([59, 60].map(|after| minute.after_epoch(1, secs(after))), [false, true]);

        let default = CheckpointRule::default();
        assert_eq!([29, 30].map(|after| default.after_epoch(1, secs(after))), [false, true]);
        assert!(!default.within_epoch(secs(1000)), "unasked, no epoch is held up");
        assert!(!CheckpointRule::LAST_EPOCH.after_epoch(1_000_000, secs(1_000_000)));
    }
}
