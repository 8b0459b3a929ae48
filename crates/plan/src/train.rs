//! `[train]`: how many images of the training part are trained on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dataset::Protocol;
use super::design::Mistake;
use super::file::ExperimentFile;

/// `[train]`: cuts the training part to some of its images, drawn class by class by the study's seed. A smaller number takes
/// some of the images that a larger one takes. Validation and test stay as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Train {
    /// Images of every class that are trained on. Not beside `fraction`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images_per_class: Option<u32>,
    /// Share of every class's images that is trained on, above 0 and at most 1, rounded to whole images and at least one. Not
    /// beside `images_per_class`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
}

/// How many images of every class of the training part are trained on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Dose {
    Images(u32),
    /// Above 0 and at most 1.
    Fraction(f64),
}

/// Keys by which a level of a factor sets a dose.
pub const DOSE_KEYS: [&str; 3] = ["train", "train.fraction", "train.images_per_class"];

impl Train {
    /// Whether the file says nothing of it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What to cut the training part to, if it is cut.
    #[must_use]
    pub fn dose(&self) -> Option<Dose> {
        self.images_per_class.map(Dose::Images).or(self.fraction.map(Dose::Fraction))
    }
}

impl Dose {
    /// Images to take of a class that has `count`. May be more than there are.
    #[must_use]
    pub fn of_class(self, count: usize) -> usize {
        match self {
            Self::Images(images) => images as usize,
            Self::Fraction(fraction) => ((count as f64 * fraction).round() as usize).clamp(count.min(1), count),
        }
    }

    /// In words, after "trained on".
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Images(1) => "1 image of every class".to_owned(),
            Self::Images(images) => format!("{images} images of every class"),
            Self::Fraction(fraction) => format!("{} % of every class", (fraction * 1e4).round() / 100.0),
        }
    }
}

/// Everything in `[train]` that makes no sense.
pub(super) fn mistakes(file: &ExperimentFile) -> Vec<Mistake> {
    let train = &file.train;
    let mut found = Vec::new();
    let mut report = |key: &str, message: String, help: Option<&str>| {
        found.push(Mistake { path: format!("train{key}"), message, help: help.map(str::to_owned) });
    };
    if let Some(fraction) = train.fraction.filter(|fraction| !(*fraction > 0.0 && *fraction <= 1.0)) {
        report(".fraction", format!("`fraction` must be above 0 and at most 1, not {fraction}"), None);
    }
    if train.images_per_class == Some(0) {
        report(".images_per_class", "`images_per_class` must be at least 1, not 0".to_owned(), None);
    }
    if train.fraction.is_some() && train.images_per_class.is_some() {
        let message = "`fraction` and `images_per_class` say two things".to_owned();
        report("", message, Some("leave one of them out"));
    }
    if !train.is_empty() && file.study.protocol == Protocol::AsPublished {
        let message = "the as-published protocol has no training part to cut".to_owned();
        report(
            "",
            message,
            Some("it divides files after augmentation; leave [train] out, or use the leak-free protocol"),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Plan;

    #[test]
    fn a_share_gives_whole_images_at_least_one_and_never_more_than_there_are() {
        let of = |fraction: f64, count| Dose::Fraction(fraction).of_class(count);
        assert_eq!([of(0.5, 7), of(0.01, 7), of(1.0, 7), of(0.25, 40), of(0.5, 0)], [4, 1, 7, 10, 0]);
        // Rounding keeps the order of shares, so that subsets are nested.
        assert!((1..100).all(|percent| of(f64::from(percent) / 100.0, 37) <= of(f64::from(percent + 1) / 100.0, 37)));
        assert_eq!(Dose::Fraction(0.125).words(), "12.5 % of every class");
    }

    fn parse(table: &str, study: &str) -> Result<Plan, String> {
        let text = format!(
            "[study]\nname = \"s\"\nseeds = [1]\n{study}\n[dataset.synthetic]\n[classifier.budget]\nepochs = 1\n\
             [[arm]]\nname = \"c\"\nrole = \"control\"\n{table}"
        );
        Plan::parse("s.toml", &text, std::path::PathBuf::new(), &[]).map_err(|error| error.to_string())
    }

    #[test]
    fn a_table_that_makes_no_sense_is_refused_where_it_stands() {
        for (table, expected) in [
            ("[train]\nfraction = 0.0", "`fraction` must be above 0 and at most 1, not 0"),
            ("[train]\nfraction = 1.5", "`fraction` must be above 0 and at most 1, not 1.5"),
            ("[train]\nfraction = nan", "`fraction` must be above 0 and at most 1, not NaN"),
            ("[train]\nimages_per_class = 0", "`images_per_class` must be at least 1, not 0"),
            ("[train]\nimages_per_class = 5\nfraction = 0.5", "`fraction` and `images_per_class` say two things"),
            ("[train]\nimages = 5", "unknown key `images` in `train`"),
        ] {
            let message = parse(table, "").unwrap_err();
            assert!(message.contains(expected) && message.contains("s.toml:1"), "{expected} not in {message}");
        }
        let message = parse("[train]\nfraction = 0.5", "protocol = \"as-published\"").unwrap_err();
        assert!(message.contains("the as-published protocol has no training part to cut"), "{message}");
    }

    #[test]
    fn a_plan_without_the_table_is_written_as_it_was_before_there_was_one() {
        let plan = parse("", "").unwrap();
        assert!(!plan.to_toml().contains("train]"));
        assert_eq!(parse("[train]", "").unwrap().digest(), plan.digest());
        let cut = parse("[train]\nfraction = 0.5", "").unwrap();
        assert_eq!(cut.train.dose(), Some(Dose::Fraction(0.5)));
        assert_eq!(Plan::parse("x", &cut.to_toml(), std::path::PathBuf::new(), &[]).unwrap().digest(), cut.digest());
    }
}
