//! Every statistic of a contrast, one row each: its key, title, value, form, method, source and one line of help. The tables
//! of the report, JSON and its schema, the terminal and docs/statistics.md iterate over these rows.

use super::{Judged, Scale};
use augtrial_base::numbers::{decimal, p_value, signed};
use augtrial_stats::Degenerate;

/// A statistic of a contrast.
pub struct Statistic {
    /// In CSV, Parquet and JSON.
    pub key: &'static str,
    /// Above a column.
    pub title: &'static str,
    pub form: Form,
    /// The value on the scale of the metric, or why there is none.
    pub value: fn(&Judged) -> Result<f64, String>,
    /// What it is computed by, as a methods section names it.
    pub method: &'static str,
    /// Key of the work in the bibliography that the method is from.
    pub source: Option<&'static str>,
    /// One line.
    pub help: &'static str,
}

/// How a value is shown, and its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A difference of the metric, with its sign: of shares, percentage points.
    Points,
    /// A spread or size of differences, without a sign.
    Spread,
    /// A probability of a test.
    P,
    /// A number without unit, with its sign.
    Signed,
    /// A number without unit.
    Plain,
    /// Degrees of freedom.
    Degrees,
    /// A whole number; fractions are rounded up.
    Count,
}

impl Form {
    /// The value as people read it, where differences are of a metric of this scale.
    #[must_use]
    pub fn show(self, value: f64, scale: Scale) -> String {
        match self {
            Self::Points => scale.difference(value),
            Self::Spread => scale.spread(value),
            Self::P => p_value(value),
            Self::Signed => signed(value, 2),
            Self::Plain => decimal(value, 2),
            Self::Degrees if value.fract().abs() < 1e-9 => format!("{value:.0}"),
            Self::Degrees => decimal(value, 1),
            Self::Count => format!("{:.0}", value.ceil()),
        }
    }

    /// Unit of the shown value where the metric is a share, for documentation.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Points | Self::Spread => "percentage points",
            Self::P => "probability",
            Self::Signed | Self::Plain => "none",
            Self::Degrees => "degrees of freedom",
            Self::Count => "count",
        }
    }
}

fn known<T: Copy>(value: &Result<T, Degenerate>) -> Result<T, String> {
    value.as_ref().copied().map_err(ToString::to_string)
}

fn beyond(judged: &Judged) -> Result<&super::Scoped, String> {
    judged.beyond.as_ref().map_err(ToString::to_string)
}

fn here(judged: &Judged) -> Result<&super::Scoped, String> {
    judged.here.as_ref().map_err(ToString::to_string)
}

fn crossed(judged: &Judged) -> Result<&augtrial_stats::Crossed, String> {
    judged.effect.crossed.as_ref().map_err(ToString::to_string)
}

/// The table.
pub const STATISTICS: [Statistic; 31] = [
    Statistic {
        key: "difference",
        title: "Difference",
        form: Form::Points,
        value: |j| Ok(j.effect.difference),
        method: "the mean over seeds",
        source: None,
        help: "Mean difference of the metric, treatment less control.",
    },
    Statistic {
        key: "interval_low",
        title: "Low, this test set",
        form: Form::Points,
        value: |j| Ok(here(j)?.difference.interval.0),
        method: "the paired t interval over seeds",
        source: Some("student1908"),
        help: "Lower end of the interval of the difference on this test set: only training noise varies.",
    },
    Statistic {
        key: "interval_high",
        title: "High, this test set",
        form: Form::Points,
        value: |j| Ok(here(j)?.difference.interval.1),
        method: "the paired t interval over seeds",
        source: Some("student1908"),
        help: "Its upper end.",
    },
    Statistic {
        key: "wide_low",
        title: "Low, new images",
        form: Form::Points,
        value: |j| Ok(beyond(j)?.difference.interval.0),
        method: "a two-way analysis over seeds and images",
        source: Some("satterthwaite1946"),
        help: "Lower end of the interval for new images like these: seeds and images vary. Never inside the other interval.",
    },
    Statistic {
        key: "wide_high",
        title: "High, new images",
        form: Form::Points,
        value: |j| Ok(beyond(j)?.difference.interval.1),
        method: "a two-way analysis over seeds and images",
        source: Some("satterthwaite1946"),
        help: "Its upper end.",
    },
    Statistic {
        key: "wins",
        title: "Wins",
        form: Form::Count,
        value: |j| Ok(j.effect.wins as f64),
        method: "counting",
        source: None,
        help: "Seeds for which the treatment is above its control.",
    },
    Statistic {
        key: "sd_difference",
        title: "SD",
        form: Form::Spread,
        value: |j| Ok(j.effect.sd),
        method: "the sample standard deviation",
        source: None,
        help: "Standard deviation of the differences over seeds.",
    },
    Statistic {
        key: "correlation",
        title: "r",
        form: Form::Signed,
        value: |j| known(&j.effect.correlation),
        method: "Pearson's r",
        source: None,
        help: "Correlation of treatment and control over seeds: what pairing removes from the noise.",
    },
    Statistic {
        key: "t",
        title: "t",
        form: Form::Signed,
        value: |j| known(&j.effect.t).map(|t| t.t),
        method: "the paired t test",
        source: Some("student1908"),
        help: "Mean difference over its standard error, over seeds.",
    },
    Statistic {
        key: "df",
        title: "df",
        form: Form::Degrees,
        value: |j| known(&j.effect.t).map(|t| t.df),
        method: "the paired t test",
        source: Some("student1908"),
        help: "Degrees of freedom of t: pairs less one.",
    },
    Statistic {
        key: "p",
        title: "p, this test set",
        form: Form::P,
        value: |j| Ok(here(j)?.p),
        method: "the paired t test",
        source: Some("student1908"),
        help: "Two-sided p of no difference on this test set; of the sign-flip test where all differences are equal.",
    },
    Statistic {
        key: "holm_p",
        title: "Holm p, this test set",
        form: Form::P,
        value: |j| Ok(here(j)?.holm_p),
        method: "Holm's adjustment over the contrasts",
        source: Some("holm1979"),
        help: "The same, adjusted for the number of declared contrasts.",
    },
    Statistic {
        key: "wide_p",
        title: "p, new images",
        form: Form::P,
        value: |j| Ok(beyond(j)?.p),
        method: "a two-way analysis over seeds and images",
        source: Some("satterthwaite1946"),
        help: "Two-sided p of no difference for new images; never below that of this test set.",
    },
    Statistic {
        key: "wide_holm_p",
        title: "Holm p, new images",
        form: Form::P,
        value: |j| Ok(beyond(j)?.holm_p),
        method: "Holm's adjustment over the contrasts",
        source: Some("holm1979"),
        help: "The same, adjusted for the number of declared contrasts: the headline's verdict rests on it.",
    },
    Statistic {
        key: "wide_df",
        title: "df, new images",
        form: Form::Degrees,
        value: |j| Ok(crossed(j)?.df),
        method: "a two-way analysis over seeds and images",
        source: Some("satterthwaite1946"),
        help: "Satterthwaite's degrees of freedom of the two-way analysis.",
    },
    Statistic {
        key: "sign_flip_p",
        title: "Sign-flip p",
        form: Form::P,
        value: |j| known(&j.effect.sign_flip).map(|test| test.p),
        method: "the sign-flip test",
        source: Some("fisher1935"),
        help: "p of no difference from all assignments of signs to the differences, or from 20,000 random ones above 24 pairs.",
    },
    Statistic {
        key: "exact_floor",
        title: "Floor",
        form: Form::P,
        value: |j| Ok(j.effect.exact_floor),
        method: "the sign-flip test",
        source: Some("fisher1935"),
        help: "The smallest p that an exact test of this many pairs can give, 2 / 2^n.",
    },
    Statistic {
        key: "wilcoxon_p",
        title: "Signed-rank p",
        form: Form::P,
        value: |j| known(&j.effect.wilcoxon_p),
        method: "the signed-rank test",
        source: Some("wilcoxon1945"),
        help: "Exact p of no difference from the ranks of the differences.",
    },
    Statistic {
        key: "dz",
        title: "d_z",
        form: Form::Signed,
        value: |j| known(&j.effect.dz),
        method: "Cohen's d_z",
        source: Some("cohen1988"),
        help: "Mean difference in units of its standard deviation over seeds.",
    },
    Statistic {
        key: "gz",
        title: "g_z",
        form: Form::Signed,
        value: |j| known(&j.effect.gz),
        method: "Hedges' g_z",
        source: Some("hedges1981"),
        help: "d_z without its upward bias for few pairs.",
    },
    Statistic {
        key: "a12",
        title: "A12",
        form: Form::Plain,
        value: |j| known(&j.effect.a12),
        method: "A12",
        source: Some("vargha2000"),
        help: "Probability that a treated run is above a control run; 0.5 is no difference.",
    },
    Statistic {
        key: "tost_p",
        title: "TOST p, this test set",
        form: Form::P,
        value: |j| Ok(here(j)?.tost_p),
        method: "two one-sided tests",
        source: Some("schuirmann1987"),
        help: "p of a difference as large as the margin, on this test set; small means equivalent.",
    },
    Statistic {
        key: "tost_holm_p",
        title: "TOST Holm p, this test set",
        form: Form::P,
        value: |j| Ok(here(j)?.tost_holm_p),
        method: "Holm's adjustment over the contrasts",
        source: Some("holm1979"),
        help: "The same, adjusted for the number of declared contrasts.",
    },
    Statistic {
        key: "wide_tost_p",
        title: "TOST p, new images",
        form: Form::P,
        value: |j| Ok(beyond(j)?.tost_p),
        method: "two one-sided tests",
        source: Some("schuirmann1987"),
        help: "p of a difference as large as the margin, for new images.",
    },
    Statistic {
        key: "wide_tost_holm_p",
        title: "TOST Holm p, new images",
        form: Form::P,
        value: |j| Ok(beyond(j)?.tost_holm_p),
        method: "Holm's adjustment over the contrasts",
        source: Some("holm1979"),
        help: "The same, adjusted for the number of declared contrasts.",
    },
    Statistic {
        key: "seed_sd",
        title: "SD of seeds",
        form: Form::Spread,
        value: |j| Ok(crossed(j)?.seed_variance.sqrt()),
        method: "a two-way analysis over seeds and images",
        source: Some("satterthwaite1946"),
        help: "How much the true difference varies from seed to seed.",
    },
    Statistic {
        key: "image_sd",
        title: "SD of images",
        form: Form::Spread,
        value: |j| Ok(crossed(j)?.image_variance.sqrt()),
        method: "a two-way analysis over seeds and images",
        source: Some("satterthwaite1946"),
        help: "How much the true difference varies from image to image.",
    },
    Statistic {
        key: "test_units",
        title: "Images that count",
        form: Form::Count,
        value: |j| Ok(crossed(j)?.images as f64),
        method: "counting",
        source: None,
        help: "Test images, of which twins and images of one group count as one.",
    },
    Statistic {
        key: "test_share",
        title: "Test / training",
        form: Form::Plain,
        value: |j| j.effect.test_share.ok_or_else(|| "the split is not redrawn".to_owned()),
        method: "the corrected resampled t test",
        source: Some("nadeau2003"),
        help: "Test images over training images where the split is redrawn for every seed: what t and the interval for new images are corrected by.",
    },
    Statistic {
        key: "minimum_detectable",
        title: "Detectable",
        form: Form::Spread,
        value: |j| known(&j.effect.minimum_detectable),
        method: "the power of the paired t test",
        source: Some("cohen1988"),
        help: "Difference on this test set that this many pairs find with 80 % power at alpha / contrasts.",
    },
    Statistic {
        key: "pairs_needed",
        title: "Pairs for the margin",
        form: Form::Count,
        value: |j| known(&j.effect.pairs_needed),
        method: "the power of the paired t test",
        source: Some("cohen1988"),
        help: "Pairs that find a difference as large as the margin, on this test set, with 80 % power at alpha / contrasts.",
    },
];

/// The table of docs/statistics.md.
#[must_use]
pub fn markdown_table() -> String {
    use std::fmt::Write as _;

    let mut text =
        "| Title | Key | Unit | What it says | Method | Source |\n| :-- | :-- | :-- | :-- | :-- | :-- |\n".to_owned();
    for Statistic { key, title, form, help, method, source, .. } in &STATISTICS {
        let (unit, source) = (form.unit(), source.unwrap_or("—"));
        let _infallible = writeln!(text, "| {title} | `{key}` | {unit} | {help} | {method} | {source} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_docs_is_the_one_of_this_version() {
        let committed = include_str!("../../../docs/statistics.md");
        let why = "put the table of `cargo run -p augtrial-compare --example statistics_table` into docs/statistics.md";
        assert!(committed.contains(&markdown_table()), "{why}");
    }

    #[test]
    fn every_statistic_has_a_name_of_its_own_and_no_form_shows_a_negative_zero() {
        let keys: std::collections::BTreeSet<&str> = STATISTICS.iter().map(|statistic| statistic.key).collect();
        assert_eq!(keys.len(), STATISTICS.len());
        for form in [Form::Points, Form::Spread, Form::P, Form::Signed, Form::Plain, Form::Degrees] {
            let shown = form.show(-1e-9, Scale::Percent);
            assert!(!shown.starts_with(['-', '\u{2212}']), "{form:?}: {shown}");
        }
    }
}
