//! The values that are tried: all combinations of lists, or as many random draws as were asked for. All arms try the same.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{MOST_TRIES, Tune};
use augtrial_base::seed::{Purpose, StudySeed, unit};

/// What is tried for one key.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Candidates {
    List(Vec<Value>),
    /// Any number between the ends, evenly.
    Uniform(f64, f64),
    /// Any number between the ends, evenly on a log scale.
    LogUniform(f64, f64),
}

impl Candidates {
    /// As they are typed, or what is wrong with them.
    pub(super) fn of(typed: &Value) -> Result<Self, &'static str> {
        const FORMS: &str = "give a list, `{ uniform = [LOW, HIGH] }` or `{ log_uniform = [LOW, HIGH] }`";
        match typed {
            Value::Array(list) if list.is_empty() => Err("the list has no value: name at least one"),
            Value::Array(list) if list.iter().enumerate().any(|(at, value)| list[..at].contains(value)) => {
                Err("the list has a value twice: it would be the same try again")
            }
            Value::Array(list) => Ok(Self::List(list.clone())),
            Value::Object(table) if table.len() == 1 => {
                let (kind, ends) = table.iter().next().ok_or(FORMS)?;
                let ends: Vec<f64> =
                    ends.as_array().map(|ends| ends.iter().filter_map(Value::as_f64).collect()).unwrap_or_default();
                let &[low, high] = ends.as_slice() else { return Err(FORMS) };
                match kind.as_str() {
                    "uniform" | "log_uniform" if low >= high => Err("the first end must be below the second"),
                    "log_uniform" if low <= 0.0 => Err("ends on a log scale must be above 0"),
                    "uniform" => Ok(Self::Uniform(low, high)),
                    "log_uniform" => Ok(Self::LogUniform(low, high)),
                    _ => Err(FORMS),
                }
            }
            _ => Err(FORMS),
        }
    }

    /// Values that show whether all of them make sense: of a range its ends.
    pub(super) fn examples(&self) -> Vec<Value> {
        match self {
            Self::List(list) => list.clone(),
            Self::Uniform(low, high) | Self::LogUniform(low, high) => vec![(*low).into(), (*high).into()],
        }
    }

    /// The value at a share of the way, 0 to 1. Numbers have three digits, which are enough to search by, are what the report
    /// shows, and do not depend on the last bit of a machine's logarithm.
    fn at(&self, share: f64) -> Value {
        match self {
            Self::List(list) => list[((share * list.len() as f64) as usize).min(list.len() - 1)].clone(),
            Self::Uniform(low, high) => rounded(low + share * (high - low)).clamp(*low, *high).into(),
            Self::LogUniform(low, high) => {
                rounded((low.ln() + share * (high / low).ln()).exp()).clamp(*low, *high).into()
            }
        }
    }
}

/// Three significant digits.
fn rounded(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

/// Combinations of the lists; none if a range has no end of them, or if there are more than a program can count.
pub(super) fn combinations(all: &[Candidates]) -> Option<usize> {
    all.iter().try_fold(1_usize, |product, candidates| match candidates {
        Candidates::List(list) => product.checked_mul(list.len()),
        Candidates::Uniform(..) | Candidates::LogUniform(..) => None,
    })
}

/// What each try has, in order. Keys that are not as the checks want them have no value.
pub(super) fn values(tune: &Tune, seed: StudySeed) -> Vec<BTreeMap<String, Value>> {
    let keys: Vec<(&String, Candidates)> =
        tune.values.iter().filter_map(|(key, typed)| Some((key, Candidates::of(typed).ok()?))).collect();
    if let Some(tries) = tune.tries {
        let draw = |number: u32| {
            let value = |(key, candidates): &(&String, Candidates)| {
                let share = unit(&mut seed.stream(Purpose::Tune { path: key }, number.into()));
                ((*key).clone(), candidates.at(share))
            };
            keys.iter().map(value).collect()
        };
        return (1..=tries.min(MOST_TRIES as u32)).map(draw).collect();
    }
    let mut all = vec![BTreeMap::new()];
    for (key, candidates) in keys {
        let Candidates::List(list) = candidates else { continue };
        let with = |earlier: &BTreeMap<String, Value>, value: &Value| {
            let mut values = earlier.clone();
            values.insert(key.clone(), value.clone());
            values
        };
        all = all.iter().flat_map(|earlier| list.iter().map(move |value| with(earlier, value))).collect();
        all.truncate(MOST_TRIES);
    }
    all
}
