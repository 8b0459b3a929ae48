//! Which column of a table is what: by the names that augtrial, MLflow, Weights & Biases and people give them.

use augtrial_compare::METRICS;
use augtrial_plan::file::PrimaryMetric;
use augtrial_tables::{LeftOut, Table};

use super::GivenOptions;
use super::error::GivenError;

/// What MLflow's `search_runs` and W&B's tables put before a name.
const PREFIXES: [&str; 9] =
    ["metrics.", "params.", "tags.", "config.", "config/", "summary.", "summary/", "test_", "test/"];

/// What else a metric's column is called, beside its key, in lower case and without a prefix.
const ALIASES: [(&str, PrimaryMetric); 9] = [
    ("accuracy", PrimaryMetric::Top1),
    ("acc", PrimaryMetric::Top1),
    ("acc1", PrimaryMetric::Top1),
    ("top1_accuracy", PrimaryMetric::Top1),
    ("balanced_accuracy", PrimaryMetric::BalancedTop1),
    ("balanced_acc", PrimaryMetric::BalancedTop1),
    ("f1_macro", PrimaryMetric::MacroF1),
    ("ece", PrimaryMetric::CalibrationError),
    ("nll", PrimaryMetric::LogLoss),
];

/// The metric that a column's name says.
fn metric_called(column: &str) -> Option<PrimaryMetric> {
    let name = plain(column);
    let row = METRICS.iter().find(|row| row.key == name).map(|row| row.metric);
    row.or_else(|| ALIASES.iter().find(|(alias, _)| *alias == name).map(|(_, metric)| *metric))
}

/// The columns that are used.
#[derive(Debug)]
pub struct Columns {
    pub arm: usize,
    pub seed: usize,
    /// Of a table of runs.
    metric: Option<(usize, PrimaryMetric)>,
    /// Of a table of predictions: image, label, predicted.
    image: Option<(usize, usize, usize)>,
    pub status: Option<usize>,
    pub counts: Option<usize>,
    pub role: Option<usize>,
    pub run: Option<usize>,
    pub group: Option<usize>,
    /// Of every class, in order; empty if the table has none.
    pub probabilities: Vec<usize>,
    /// Why probabilities that the table has are of no use, whatever is in them.
    pub unused: Option<String>,
}

impl Columns {
    /// Finds the columns, or takes those that are named.
    pub fn find(table: &Table, options: &GivenOptions) -> Result<Self, GivenError> {
        if table.height() == 0 && (table.left_out().is_empty() || !table.names().is_empty()) {
            return Err(GivenError::Empty);
        }
        let named = |name: &Option<String>, known: &[&str], what, option| match name {
            Some(name) => asked_for(table, name),
            None => called(table, known)?.ok_or_else(|| GivenError::NoColumn { what, option, columns: listed(table) }),
        };
        let image = [
            called(table, &["image", "image_id", "path", "file"]),
            called(table, &["label", "target", "y_true"]),
            called(table, &["predicted", "prediction", "y_pred"]),
        ];
        // One whose type is not read makes it a table of predictions too, and is then refused by its name.
        let by_image = options.metric_column.is_none() && !image.iter().any(|column| matches!(column, Ok(None)));
        let image = if by_image {
            let [image, label, predicted] = image;
            image?.zip(label?).zip(predicted?)
        } else {
            None
        };
        let (probabilities, unused) = if by_image { probabilities(table)? } else { (Vec::new(), None) };
        Ok(Self {
            arm: named(&options.arm_column, &["arm"], "the arm's name", "--arm-column")?,
            seed: named(&options.seed_column, &["seed"], "the seed", "--seed-column")?,
            metric: if by_image { None } else { Some(metric(table, options)?) },
            image: image.map(|((image, label), predicted)| (image, label, predicted)),
            status: called(table, &["status", "state"])?,
            counts: called(table, &["counts"])?,
            role: called(table, &["role"])?,
            // It only names a run, which its row does too.
            run: called(table, &["run", "run_id", "id", "name"]).unwrap_or(None),
            group: if by_image { called(table, &["group"])? } else { None },
            probabilities,
            unused,
        })
    }

    /// Whether a row is a prediction, and not a run.
    pub fn is_by_image(&self) -> bool {
        self.image.is_some()
    }

    /// The metric's column, and which it is.
    pub fn metric(&self) -> (usize, PrimaryMetric) {
        self.metric.expect("a table of runs has one")
    }

    /// Image, label and predicted class.
    pub fn image(&self) -> (usize, usize, usize) {
        self.image.expect("a table of predictions has them")
    }
}

/// The first column that goes by one of these names, in their order. One whose type is not read is refused and not passed over:
/// without it, the table would say something else.
fn called(table: &Table, names: &[&str]) -> Result<Option<usize>, GivenError> {
    let position = |columns: &[&str]| {
        let exact = names.iter().find_map(|name| columns.iter().position(|column| column == name));
        exact.or_else(|| names.iter().find_map(|name| columns.iter().position(|column| plain(column) == *name)))
    };
    let read: Vec<&str> = table.names().iter().map(String::as_str).collect();
    if let Some(column) = position(&read) {
        return Ok(Some(column));
    }
    let left_out: Vec<&str> = table.left_out().iter().map(|column| column.name.as_str()).collect();
    position(&left_out).map_or(Ok(None), |column| Err(not_read(&table.left_out()[column])))
}

/// The column that the user named.
fn asked_for(table: &Table, name: &str) -> Result<usize, GivenError> {
    let not_there = || match table.left_out().iter().find(|column| column.name == name) {
        Some(column) => not_read(column),
        None => GivenError::Unknown { name: name.to_owned(), columns: listed(table) },
    };
    table.column(name).ok_or_else(not_there)
}

fn not_read(column: &LeftOut) -> GivenError {
    GivenError::Type { column: column.name.clone(), kind: column.kind }
}

/// The columns of every class from 0; where others are named alike, none of them, and why.
fn probabilities(table: &Table) -> Result<(Vec<usize>, Option<String>), GivenError> {
    let of_class = |name: &str| name.strip_prefix("p_").and_then(|class| class.parse::<u32>().ok());
    if let Some(column) = table.left_out().iter().find(|column| of_class(&column.name).is_some()) {
        return Err(not_read(column));
    }
    let found: Vec<usize> = (0..).map_while(|class| table.column(&format!("p_{class}"))).collect();
    let mut named: Vec<(u32, &str)> =
        table.names().iter().filter_map(|name| Some((of_class(name)?, name.as_str()))).collect();
    if named.len() == found.len() {
        return Ok((found, None));
    }
    named.sort_unstable();
    let (first, last) = (named.first().map_or("", |(_, name)| name), named.last().map_or("", |(_, name)| name));
    let which = if named.len() == 1 { format!("column `{first}`") } else { format!("columns `{first}` to `{last}`") };
    let reason = format!(
        "the probabilities in {which} are not used, since there is no `p_{}`: name them `p_0`, `p_1` and so on, one for each class, \
         with classes counted from 0 in `label` and `predicted` too",
        found.len()
    );
    Ok((Vec::new(), Some(reason)))
}

/// A column's name without what tools put before it, in lower case.
fn plain(name: &str) -> String {
    let lower = name.to_lowercase().replace(['-', ' '], "_");
    let mut plain = lower.as_str();
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| plain.strip_prefix(prefix)) {
        plain = rest;
    }
    plain.to_owned()
}

fn metric(table: &Table, options: &GivenOptions) -> Result<(usize, PrimaryMetric), GivenError> {
    let column = match &options.metric_column {
        Some(name) => asked_for(table, name)?,
        None => only_metric(table, options)?,
    };
    let name = &table.names()[column];
    options.metric.or_else(|| metric_called(name)).map(|metric| (column, metric)).ok_or_else(|| {
        GivenError::UnknownMetric {
            column: name.clone(),
            known: METRICS.iter().map(|row| row.key.replace('_', "-")).collect::<Vec<_>>().join(", "),
        }
    })
}

/// The one column that is a metric on the test part: the one asked for, else Top-1, which a study rests on unless it says otherwise.
fn only_metric(table: &Table, options: &GivenOptions) -> Result<usize, GivenError> {
    let wanted = |column: &String| {
        let validation = column.to_lowercase().contains("val");
        metric_called(column).is_some_and(|metric| !validation && options.metric.is_none_or(|asked| asked == metric))
    };
    // One whose type is not read is a candidate too: another must not silently stand in for it.
    let columns: Vec<&String> =
        table.names().iter().chain(table.left_out().iter().map(|column| &column.name)).collect();
    let mut found: Vec<usize> = (0..columns.len()).filter(|&index| wanted(columns[index])).collect();
    let is_top1 = |index: &usize| metric_called(columns[*index]) == Some(PrimaryMetric::Top1);
    if found.iter().any(is_top1) {
        found.retain(is_top1);
    }
    match found[..] {
        [] => {
            let (what, option) = ("a metric on the test part", "--metric-column");
            Err(GivenError::NoColumn { what, option, columns: listed(table) })
        }
        [only] => asked_for(table, columns[only]),
        _ => {
            let names: Vec<_> = found.iter().map(|&index| format!("`{}`", columns[index])).collect();
            Err(GivenError::WhichMetric { found: names.join(", ") })
        }
    }
}

/// The names of all columns; of those that are not read with their type.
fn listed(table: &Table) -> String {
    let left_out = table.left_out().iter().map(|column| format!("{} (not read: {})", column.name, column.kind));
    table.names().iter().cloned().chain(left_out).collect::<Vec<_>>().join(", ")
}
