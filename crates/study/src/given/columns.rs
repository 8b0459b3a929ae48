//! Which column of a table is what: by the names that augtrial, MLflow, Weights & Biases and people give them.

use augtrial_compare::METRICS;
use augtrial_plan::file::PrimaryMetric;
use augtrial_tables::Table;

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
}

impl Columns {
    /// Finds the columns, or takes those that are named.
    pub fn find(table: &Table, options: &GivenOptions) -> Result<Self, GivenError> {
        if table.height() == 0 {
            return Err(GivenError::Empty);
        }
        let named = |name: &Option<String>, known: &[&str], what, option| match name {
            Some(name) => table.column(name).ok_or_else(|| unknown(name, table)),
            None => called(table, known).ok_or_else(|| GivenError::NoColumn { what, option, columns: listed(table) }),
        };
        let image = called(table, &["image", "image_id", "path", "file"]);
        let image = image
            .zip(called(table, &["label", "target", "y_true"]))
            .zip(called(table, &["predicted", "prediction", "y_pred"]));
        let by_image = image.is_some() && options.metric_column.is_none();
        Ok(Self {
            arm: named(&options.arm_column, &["arm"], "the arm's name", "--arm-column")?,
            seed: named(&options.seed_column, &["seed"], "the seed", "--seed-column")?,
            metric: if by_image { None } else { Some(metric(table, options)?) },
            image: image.filter(|_| by_image).map(|((image, label), predicted)| (image, label, predicted)),
            status: called(table, &["status", "state"]),
            counts: called(table, &["counts"]),
            role: called(table, &["role"]),
            run: called(table, &["run", "run_id", "id", "name"]),
            group: called(table, &["group"]).filter(|_| by_image),
            probabilities: (0..).map_while(|class| table.column(&format!("p_{class}"))).collect(),
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

/// The first column that goes by one of these names, in their order.
fn called(table: &Table, names: &[&str]) -> Option<usize> {
    let exact = names.iter().find_map(|name| table.names().iter().position(|column| column == name));
    exact.or_else(|| names.iter().find_map(|name| table.names().iter().position(|column| plain(column) == *name)))
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
        Some(name) => table.column(name).ok_or_else(|| unknown(name, table))?,
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
    let mut found: Vec<usize> = (0..table.names().len()).filter(|&index| wanted(&table.names()[index])).collect();
    let is_top1 = |index: &usize| metric_called(&table.names()[*index]) == Some(PrimaryMetric::Top1);
    if found.iter().any(is_top1) {
        found.retain(is_top1);
    }
    match found[..] {
        [] => {
            let (what, option) = ("a metric on the test part", "--metric-column");
            Err(GivenError::NoColumn { what, option, columns: listed(table) })
        }
        [only] => Ok(only),
        _ => {
            let names: Vec<_> = found.iter().map(|&index| format!("`{}`", table.names()[index])).collect();
            Err(GivenError::WhichMetric { found: names.join(", ") })
        }
    }
}

fn unknown(name: &str, table: &Table) -> GivenError {
    GivenError::Unknown { name: name.to_owned(), columns: listed(table) }
}

fn listed(table: &Table) -> String {
    table.names().join(", ")
}
