//! Every metric of a classifier, one row each: key, title, direction, scale, function of the answers, source and one line of help.
//! Reports, `compare`, JSON, tables and docs/statistics.md iterate over these rows; any of them may be a study's primary metric.

use serde::Serialize;

use augtrial_base::numbers::{decimal, percent, points, signed};
use augtrial_plan::file::PrimaryMetric;
use augtrial_stats::{self as stats, Answer, Degenerate};

/// A metric on the test part.
pub struct Metric {
    pub metric: PrimaryMetric,
    /// In CSV, Parquet and JSON; with `-` for `_` as experiment files have it.
    pub key: &'static str,
    /// Within a sentence.
    pub title: &'static str,
    pub better: Better,
    pub scale: Scale,
    /// Smallest and largest value.
    pub range: (f64, f64),
    pub value: fn(&[Answer]) -> Result<f64, Degenerate>,
    pub by_image: ByImage,
    /// Key of the work in the bibliography that it is from.
    pub source: Option<&'static str>,
    /// One line.
    pub help: &'static str,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Better {
    Higher,
    Lower,
}

/// What single images add to a metric: with it, seeds and images can be told apart.
#[derive(Clone, Copy)]
pub enum ByImage {
    /// The mean over images of whether the answer is right.
    Correct,
    /// The same, each image weighted by its class.
    CorrectByClass,
    /// The mean over images of this.
    Mean(fn(&Answer) -> f64),
    /// It is no mean over images.
    None,
}

/// How values and differences are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Shares as percent, differences of them as percentage points.
    Percent,
    Nats,
    /// Without unit.
    Score,
}

impl Scale {
    /// A value with its unit.
    #[must_use]
    pub fn value(self, value: f64) -> String {
        match self {
            Self::Percent => percent(value),
            Self::Nats => format!("{} nats", decimal(value, 4)),
            Self::Score => decimal(value, 4),
        }
    }

    /// A signed difference without unit.
    #[must_use]
    pub fn difference(self, difference: f64) -> String {
        match self {
            Self::Percent => points(difference),
            Self::Nats | Self::Score => signed(difference, 4),
        }
    }

    /// The size of a difference, or a spread, without sign and unit.
    #[must_use]
    pub fn spread(self, spread: f64) -> String {
        match self {
            Self::Percent => decimal(100.0 * spread, 2),
            Self::Nats | Self::Score => decimal(spread, 4),
        }
    }

    /// An interval of differences, without unit.
    #[must_use]
    pub fn interval(self, (low, high): (f64, f64)) -> String {
        format!("{} to {}", self.difference(low), self.difference(high))
    }

    /// What shown numbers are multiplied by.
    #[must_use]
    pub fn factor(self) -> f64 {
        if self == Self::Percent { 100.0 } else { 1.0 }
    }

    /// Unit of values on an axis; empty if they have none.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Percent => "%",
            Self::Nats => "nats",
            Self::Score => "",
        }
    }

    /// Unit of differences; empty if they have none.
    #[must_use]
    pub fn difference_unit(self) -> &'static str {
        match self {
            Self::Percent => "percentage points",
            unit => unit.unit(),
        }
    }

    /// Unit of differences after a number, with a space before it.
    #[must_use]
    pub fn after(self) -> &'static str {
        match self {
            Self::Percent => " points",
            Self::Nats => " nats",
            Self::Score => "",
        }
    }
}

impl Metric {
    /// The row of a metric.
    #[must_use]
    pub fn of(metric: PrimaryMetric) -> &'static Self {
        METRICS.iter().find(|row| row.metric == metric).expect("every metric has a row, as a test holds")
    }

    /// Title with its direction, as a column's head.
    #[must_use]
    pub fn head(&self) -> String {
        let first = self.title.chars().take(1).flat_map(char::to_uppercase);
        let rest = self.title.chars().skip(1);
        let arrow = if self.better == Better::Higher { '\u{2191}' } else { '\u{2193}' };
        first.chain(rest).chain([' ', arrow]).collect()
    }

    /// Which side of a contrast a difference, treatment less control, is better for.
    #[must_use]
    pub fn side_of(&self, difference: f64) -> &'static str {
        match (difference == 0.0, (difference > 0.0) == (self.better == Better::Higher)) {
            (true, _) => "neither",
            (false, true) => "treatment",
            (false, false) => "control",
        }
    }

    /// Cuts an interval of the metric to the values that it can have.
    pub(super) fn bounded(&self, (low, high): (f64, f64)) -> (f64, f64) {
        (low.max(self.range.0), high.min(self.range.1))
    }

    /// The same for a difference of two values.
    pub(super) fn bounded_difference(&self, (low, high): (f64, f64)) -> (f64, f64) {
        let width = self.width();
        (low.max(-width), high.min(width))
    }

    /// The largest difference of two values.
    pub(super) fn width(&self) -> f64 {
        self.range.1 - self.range.0
    }
}

const SHARE: (f64, f64) = (0.0, 1.0);

/// The table.
pub const METRICS: [Metric; 7] = [
    Metric {
        metric: PrimaryMetric::Top1,
        key: "top1",
        title: "Top-1 accuracy",
        better: Better::Higher,
        scale: Scale::Percent,
        range: SHARE,
        value: stats::accuracy,
        by_image: ByImage::Correct,
        source: None,
        help: "Share of images whose highest probability is the label's.",
    },
    Metric {
        metric: PrimaryMetric::BalancedTop1,
        key: "balanced_top1",
        title: "balanced Top-1 accuracy",
        better: Better::Higher,
        scale: Scale::Percent,
        range: SHARE,
        value: stats::balanced_accuracy,
        by_image: ByImage::CorrectByClass,
        source: Some("brodersen2010"),
        help: "Mean of the recalls of the classes that have test images.",
    },
    Metric {
        metric: PrimaryMetric::MacroF1,
        key: "macro_f1",
        title: "macro F1",
        better: Better::Higher,
        scale: Scale::Percent,
        range: SHARE,
        value: stats::macro_f1,
        by_image: ByImage::None,
        source: Some("opitz2019"),
        help: "Mean over classes of the harmonic mean of precision and recall.",
    },
    Metric {
        metric: PrimaryMetric::WorstClassRecall,
        key: "worst_class_recall",
        title: "worst-class recall",
        better: Better::Higher,
        scale: Scale::Percent,
        range: SHARE,
        value: stats::worst_recall,
        by_image: ByImage::None,
        source: Some("sagawa2020"),
        help: "Recall of the class that has the lowest, of those that have test images; each run has its own.",
    },
    Metric {
        metric: PrimaryMetric::LogLoss,
        key: "log_loss",
        title: "log loss",
        better: Better::Lower,
        scale: Scale::Nats,
        range: (0.0, f64::INFINITY),
        value: stats::log_loss,
        by_image: ByImage::Mean(Answer::log_loss),
        source: Some("good1952"),
        help: "Mean negative logarithm of the true class's probability, which counts as 1.2e-7 at least.",
    },
    Metric {
        metric: PrimaryMetric::Brier,
        key: "brier",
        title: "Brier score",
        better: Better::Lower,
        scale: Scale::Score,
        range: (0.0, 2.0),
        value: stats::brier,
        by_image: ByImage::Mean(Answer::brier),
        source: Some("brier1950"),
        help: "Mean over images of the squared distance of the probabilities from the truth, summed over classes: 0 to 2.",
    },
    Metric {
        metric: PrimaryMetric::CalibrationError,
        key: "calibration_error",
        title: "calibration error",
        better: Better::Lower,
        scale: Scale::Percent,
        range: SHARE,
        value: stats::calibration_error,
        by_image: ByImage::None,
        source: Some("nguyen2015"),
        help: "Expected calibration error of the predicted class, over 15 bins of equal mass.",
    },
];

/// The table of metrics in docs/statistics.md.
#[must_use]
pub fn metrics_table() -> String {
    use std::fmt::Write as _;

    let mut text =
        "| Metric | `primary_metric` | Better | Unit | What it says | New images | Source |\n| :-- | :-- | :-- | :-- | :-- | :-- | :-- |\n"
            .to_owned();
    for Metric { key, title, better, scale, by_image, source, help, .. } in &METRICS {
        let name = key.replace('_', "-");
        let better = if *better == Better::Higher { "higher" } else { "lower" };
        let unit = if scale.unit().is_empty() { "none" } else { scale.unit() };
        let beyond = if matches!(by_image, ByImage::None) { "no: it is no mean over images" } else { "yes" };
        let source = source.unwrap_or("—");
        let _infallible = writeln!(text, "| {title} | `{name}` | {better} | {unit} | {help} | {beyond} | {source} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_metrics_in_docs_is_the_one_of_this_version() {
        let committed = include_str!("../../../docs/statistics.md");
        let why =
            "put the tables of `cargo run -p augtrial-compare --example statistics_table` into docs/statistics.md";
        assert!(committed.contains(&metrics_table()), "{why}");
    }

    #[test]
    fn every_metric_of_an_experiment_file_has_a_row_that_is_called_as_there() {
        let schema = augtrial_base::catalog::schema::<PrimaryMetric>();
        let names: Vec<&str> =
            schema["oneOf"].as_array().unwrap().iter().map(|variant| variant["const"].as_str().unwrap()).collect();
        let keys: Vec<String> = METRICS.iter().map(|row| row.key.replace('_', "-")).collect();
        assert_eq!(keys, names);
        for row in &METRICS {
            let name = serde_json::to_value(row.metric).unwrap();
            assert_eq!(name, row.key.replace('_', "-"));
            assert_eq!(Metric::of(row.metric).key, row.key);
            assert_eq!(row.metric.is_share(), row.scale == Scale::Percent);
        }
    }

    #[test]
    fn values_are_shown_on_the_scale_of_their_metric() {
        assert_eq!(Scale::Percent.value(0.7512), "75.12 %");
        assert_eq!(Scale::Nats.value(0.5), "0.5000 nats");
        assert_eq!(
            (Scale::Percent.difference(-0.0123), Scale::Score.difference(0.0123)),
            ("−1.23".into(), "+0.0123".into())
        );
        assert_eq!(Scale::Nats.interval((-0.5, 0.25)), "−0.5000 to +0.2500");
        assert_eq!(Metric::of(PrimaryMetric::LogLoss).head(), "Log loss ↓");
    }
}
