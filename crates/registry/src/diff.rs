//! What differs between two runs: trial, plan, environment, and what came of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::error::RegistryError;
use super::id::RunId;
use super::read::RunRecord;
use super::registry::Registry;

/// A field that two runs have differently; `None` where one has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Names of tables and keys joined by dots; of a list of named tables, the name: `arm.flips.repeat`.
    pub path: String,
    pub a: Option<String>,
    pub b: Option<String>,
}

/// A number that two runs ended with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricPair {
    pub metric: &'static str,
    pub a: Option<f64>,
    pub b: Option<f64>,
}

/// Two runs beside each other. Lists hold only what differs, but for the metrics.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunDiff {
    pub a: RunId,
    pub b: RunId,
    /// Study, arm, seed, attempt and the digests of the data.
    pub trial: Vec<Difference>,
    pub plan: Vec<Difference>,
    pub environment: Vec<Difference>,
    pub metrics: Vec<MetricPair>,
}

impl Registry {
    /// Compares the runs that two names mean.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve), or if a record is damaged.
    pub fn diff(&self, a: &str, b: &str) -> Result<RunDiff, RegistryError> {
        let (a, b) = (self.show(a)?, self.show(b)?);
        Ok(RunDiff {
            a: a.header.run,
            b: b.header.run,
            trial: differences(&trial_leaves(&a), &trial_leaves(&b)),
            plan: differences(&toml_leaves(&a.plan_toml), &toml_leaves(&b.plan_toml)),
            environment: differences(&a.provenance.leaves(), &b.provenance.leaves()),
            metrics: metric_pairs(&a, &b),
        })
    }
}

impl RunRecord {
    /// Every value of the plan as `path -> value`, such as `classifier.batch_size -> 32`; of a list of named tables, the
    /// name stands in the path: `arm.flips.repeat`.
    #[must_use]
    pub fn plan_leaves(&self) -> BTreeMap<String, String> {
        toml_leaves(&self.plan_toml)
    }
}

fn differences(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) -> Vec<Difference> {
    let paths: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    paths
        .into_iter()
        .filter(|path| a.get(*path) != b.get(*path))
        .map(|path| Difference { path: path.clone(), a: a.get(path).cloned(), b: b.get(path).cloned() })
        .collect()
}

fn trial_leaves(record: &RunRecord) -> BTreeMap<String, String> {
    let header = &record.header;
    let leaves = [
        ("study", header.study.clone()),
        ("arm", header.arm.clone()),
        ("seed", header.seed.to_string()),
        ("attempt", header.attempt.to_string()),
        ("protocol", header.protocol.name().to_owned()),
        ("trial_key", header.trial_key.to_string()),
        ("sets.manifest", header.sets.manifest.to_string()),
        ("sets.split", header.sets.split.to_string()),
        ("sets.training", header.sets.training.to_string()),
        ("sets.validation", header.sets.validation.to_string()),
        ("sets.test", header.sets.test.to_string()),
    ];
    leaves.into_iter().map(|(path, value)| (path.to_owned(), value)).collect()
}

fn metric_pairs(a: &RunRecord, b: &RunRecord) -> Vec<MetricPair> {
    let pair = |metric, of: fn(&RunRecord) -> Option<f64>| MetricPair { metric, a: of(a), b: of(b) };
    vec![
        pair("epochs", |record| Some(f64::from(record.state.epochs))),
        pair("selected_epoch", |record| record.state.selected_epoch.map(f64::from)),
        pair("validation_top1", |record| record.state.validation_top1),
        pair("test_top1", |record| record.state.test.as_ref().map(|test| test.top1)),
        pair("test_loss_nats", |record| record.state.test.as_ref().map(|test| test.loss_nats)),
        pair("elapsed_secs", |record| Some(record.state.elapsed_secs)),
    ]
}

/// Every leaf of a TOML text as `path -> value`. A text that is no TOML is one leaf, so that it still can differ.
fn toml_leaves(text: &str) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    match text.parse::<toml::Table>() {
        Ok(table) => collect_leaves("", &toml::Value::Table(table), &mut leaves),
        Err(_) => drop(leaves.insert("plan".to_owned(), text.to_owned())),
    }
    leaves
}

fn collect_leaves(path: &str, value: &toml::Value, leaves: &mut BTreeMap<String, String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        toml::Value::Table(table) if !table.is_empty() => {
            table.iter().for_each(|(key, value)| collect_leaves(&below(key), value, leaves));
        }
        toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
            for (position, item) in items.iter().enumerate() {
                let name = item.get("name").and_then(toml::Value::as_str);
                let key = name.map_or_else(|| position.to_string(), str::to_owned);
                collect_leaves(&below(&key), item, leaves);
            }
        }
        toml::Value::String(text) => drop(leaves.insert(path.to_owned(), text.clone())),
        other => drop(leaves.insert(path.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Filter;
    use super::super::testing::*;
    use super::*;

    #[test]
    fn leaves_of_named_tables_are_found_by_name_whatever_their_order() {
        let a = toml_leaves("x = 1\n[[arm]]\nname = \"one\"\nrepeat = 2\n[[arm]]\nname = \"two\"\n");
        let b = toml_leaves("x = 1\n[[arm]]\nname = \"two\"\n[[arm]]\nname = \"one\"\nrepeat = 3\n");
        let expected =
            Difference { path: "arm.one.repeat".to_owned(), a: Some("2".to_owned()), b: Some("3".to_owned()) };
        assert_eq!(differences(&a, &b), [expected]);
    }

    #[test]
    fn a_field_that_only_one_has_is_a_difference() {
        let (a, b) = (toml_leaves("[s]\ny = [1, 2]"), toml_leaves("[s]\n[s.t]"));
        let paths: Vec<_> = differences(&a, &b).into_iter().map(|d| (d.path, d.a, d.b)).collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(paths, [("s.t".to_owned(), None, some("{}")), ("s.y".to_owned(), some("[1, 2]"), None)]);
    }

    #[test]
    fn two_runs_differ_by_what_was_changed_between_them() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        let mut plan = plan("demo");
        complete(begin(&registry, &plan, 0, 1));
        let a = registry.resolve("latest").unwrap().to_string();
        plan.classifier.batch_size = 16;
        begin(&registry, &plan, 1, 1).fail("on purpose").unwrap();
        let failed = &registry.list(&Filter { arm: Some("flips".to_owned()), ..Filter::default() }).unwrap()[0];
        let diff = registry.diff(&a, &failed.run.to_string()).unwrap();
        let batch =
            Difference { path: "classifier.batch_size".to_owned(), a: Some("32".to_owned()), b: Some("16".to_owned()) };
        assert_eq!(diff.plan, [batch]);
        assert!(diff.environment.is_empty());
        let trial: Vec<_> = diff.trial.iter().map(|difference| difference.path.as_str()).collect();
        assert_eq!(trial, ["arm", "trial_key"]);
        let top1 = diff.metrics.iter().find(|pair| pair.metric == "test_top1").unwrap();
        assert_eq!((top1.a, top1.b), (Some(2.0 / 3.0), None));
    }
}
