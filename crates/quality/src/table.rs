//! The one table of measures: what each is called, in what unit, which way is better, where it comes from and what it says.

use augtrial_base::numbers::{decimal, p_value, signed};
use augtrial_base::work::Work;
use serde::Serialize;

/// One measure.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SetMeasure {
    /// Its name in tables for programs, with the unit where it has one.
    pub key: &'static str,
    /// As people read it above a column.
    pub title: &'static str,
    pub unit: MeasureUnit,
    pub better: BetterWay,
    /// Where it comes from.
    pub work: Option<Work>,
    /// What it says, in one line.
    pub help: &'static str,
}

/// What a measure's number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MeasureUnit {
    /// A number without a unit; near 0 in tables of four digits.
    Distance,
    /// 0 to 1.
    Share,
    P,
    /// Of one number over another.
    Ratio,
    /// A number of images, not whole.
    Images,
    /// 8-bit levels, 0 to 255.
    Levels,
    /// A difference of shares.
    Difference,
}

/// Which way a measure is better, other things being equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BetterWay {
    Higher,
    Lower,
    /// Too much is as bad as too little, or it depends on what is wanted.
    Neither,
}

impl MeasureUnit {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Distance => "no unit",
            Self::Share => "share",
            Self::P => "probability",
            Self::Ratio => "ratio",
            Self::Images => "images",
            Self::Levels => "8-bit levels",
            Self::Difference => "percentage points",
        }
    }

    /// A number as people read it.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Distance => decimal(value, 4),
            Self::Share => format!("{value:.3}"),
            Self::P => p_value(value),
            Self::Ratio => format!("{value:.2}"),
            Self::Images | Self::Levels => format!("{value:.1}"),
            Self::Difference => signed(100.0 * value, 1),
        }
    }
}

impl BetterWay {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Higher => "higher",
            Self::Lower => "lower",
            Self::Neither => "neither",
        }
    }
}

impl SetMeasure {
    /// The measure of this key.
    #[must_use]
    pub fn of(key: &str) -> Option<&'static Self> {
        MEASURES.iter().find(|measure| measure.key == key)
    }
}

const BINKOWSKI: Work = Work {
    key: "binkowski2018",
    kind: "inproceedings",
    authors: "Bińkowski, Mikołaj and Sutherland, Danica J. and Arbel, Michael and Gretton, Arthur",
    title: "Demystifying MMD GANs",
    venue: "ICLR",
    year: 2018,
};
const GRETTON: Work = Work {
    key: "gretton2012",
    kind: "article",
    authors: "Gretton, Arthur and Borgwardt, Karsten M. and Rasch, Malte J. and Schölkopf, Bernhard and Smola, Alexander",
    title: "A Kernel Two-Sample Test",
    venue: "Journal of Machine Learning Research 13",
    year: 2012,
};
const KYNKAANNIEMI: Work = Work {
    key: "kynkaanniemi2019",
    kind: "inproceedings",
    authors: "Kynkäänniemi, Tuomas and Karras, Tero and Laine, Samuli and Lehtinen, Jaakko and Aila, Timo",
    title: "Improved Precision and Recall Metric for Assessing Generative Models",
    venue: "NeurIPS",
    year: 2019,
};
const NAEEM: Work = Work {
    key: "naeem2020",
    kind: "inproceedings",
    authors: "Naeem, Muhammad Ferjad and Oh, Seong Joon and Uh, Youngjung and Choi, Yunjey and Yoo, Jaejun",
    title: "Reliable Fidelity and Diversity Metrics for Generative Models",
    venue: "ICML",
    year: 2020,
};
const FRIEDMAN: Work = Work {
    key: "friedman2023",
    kind: "article",
    authors: "Friedman, Dan and Dieng, Adji Bousso",
    title: "The Vendi Score: A Diversity Evaluation Metric for Machine Learning",
    venue: "Transactions on Machine Learning Research",
    year: 2023,
};
const GONTIJO: Work = Work {
    key: "gontijolopes2021",
    kind: "inproceedings",
    authors: "Gontijo-Lopes, Raphael and Smullin, Sylvia and Cubuk, Ekin D. and Dyer, Ethan",
    title: "Tradeoffs in Data Augmentation: An Empirical Study",
    venue: "ICLR",
    year: 2021,
};
const DUNLAP: Work = Work {
    key: "dunlap2023",
    kind: "inproceedings",
    authors: "Dunlap, Lisa and Umino, Alyssa and Zhang, Han and Yang, Jiezhi and Gonzalez, Joseph E. and Darrell, Trevor",
    title: "Diversify Your Vision Datasets with Automatic Diffusion-Based Augmentation",
    venue: "NeurIPS",
    year: 2023,
};
const WANG: Work = Work {
    key: "wang2004",
    kind: "article",
    authors: "Wang, Zhou and Bovik, Alan C. and Sheikh, Hamid R. and Simoncelli, Eero P.",
    title: "Image Quality Assessment: From Error Visibility to Structural Similarity",
    venue: "IEEE Transactions on Image Processing 13",
    year: 2004,
};

/// The table.
pub const MEASURES: [SetMeasure; 17] = [
    SetMeasure {
        key: "kernel_distance",
        title: "KD",
        unit: MeasureUnit::Distance,
        better: BetterWay::Lower,
        work: Some(BINKOWSKI),
        help: "Squared distance of the set's features from real ones, by a cubic kernel; about 0 for the same distribution.",
    },
    SetMeasure {
        key: "kernel_p",
        title: "KD p",
        unit: MeasureUnit::P,
        better: BetterWay::Higher,
        work: Some(GRETTON),
        help: "By permutation: how often a distance as large comes by chance if set and real images do not differ.",
    },
    SetMeasure {
        key: "precision",
        title: "Precision",
        unit: MeasureUnit::Share,
        better: BetterWay::Higher,
        work: Some(KYNKAANNIEMI),
        help: "Share of the set's images among real ones: in the ball of one, to its k-th nearest real neighbor.",
    },
    SetMeasure {
        key: "recall",
        title: "Recall",
        unit: MeasureUnit::Share,
        better: BetterWay::Higher,
        work: Some(KYNKAANNIEMI),
        help: "Share of the real images among those of the set: in the ball of one, to its k-th nearest neighbor in the set.",
    },
    SetMeasure {
        key: "density",
        title: "Density",
        unit: MeasureUnit::Ratio,
        better: BetterWay::Higher,
        work: Some(NAEEM),
        help: "Balls of real images that an image of the set lies in, on average, over k; about 1 for the same distribution.",
    },
    SetMeasure {
        key: "coverage",
        title: "Coverage",
        unit: MeasureUnit::Share,
        better: BetterWay::Higher,
        work: Some(NAEEM),
        help: "Share of the real images with an image of the set in their ball.",
    },
    SetMeasure {
        key: "vendi_images",
        title: "Vendi",
        unit: MeasureUnit::Images,
        better: BetterWay::Higher,
        work: Some(FRIEDMAN),
        help: "How many images of the set are different ones; of equally many images in every row.",
    },
    SetMeasure {
        key: "affinity",
        title: "Affinity",
        unit: MeasureUnit::Difference,
        better: BetterWay::Higher,
        work: Some(GONTIJO),
        help: "Accuracy of the control's networks on augmented validation images less that on the same images as they are.",
    },
    SetMeasure {
        key: "diversity",
        title: "Diversity",
        unit: MeasureUnit::Ratio,
        better: BetterWay::Neither,
        work: Some(GONTIJO),
        help: "Training loss of the arm after its last epoch over that of the control, mean over seeds.",
    },
    SetMeasure {
        key: "agreement",
        title: "Agreement",
        unit: MeasureUnit::Share,
        better: BetterWay::Higher,
        work: Some(DUNLAP),
        help: "Share of the images that the control's networks, trained on others, still take for their class.",
    },
    SetMeasure {
        key: "confidence",
        title: "Confidence",
        unit: MeasureUnit::Share,
        better: BetterWay::Neither,
        work: Some(DUNLAP),
        help: "Mean probability that those networks give to the image's own class.",
    },
    SetMeasure {
        key: "too_easy",
        title: "Too easy",
        unit: MeasureUnit::Share,
        better: BetterWay::Lower,
        work: Some(DUNLAP),
        help: "Share of the images that are confidently recognized and nearly unchanged (structural similarity of 0.95 or more).",
    },
    SetMeasure {
        key: "mislabeled",
        title: "Mislabeled",
        unit: MeasureUnit::Share,
        better: BetterWay::Lower,
        work: Some(DUNLAP),
        help: "Share of the images that are confidently taken for another class.",
    },
    SetMeasure {
        key: "change_levels",
        title: "Change",
        unit: MeasureUnit::Levels,
        better: BetterWay::Neither,
        work: None,
        help: "Mean absolute difference of an image from its source.",
    },
    SetMeasure {
        key: "change_ssim",
        title: "SSIM",
        unit: MeasureUnit::Share,
        better: BetterWay::Neither,
        work: Some(WANG),
        help: "Mean structural similarity of an image and its source: 1 if nothing was changed.",
    },
    SetMeasure {
        key: "change_features",
        title: "Feature change",
        unit: MeasureUnit::Ratio,
        better: BetterWay::Neither,
        work: None,
        help: "Mean distance of an image's features from its source's, over that of a real image from its nearest one of the class.",
    },
    SetMeasure {
        key: "gain",
        title: "Gain",
        unit: MeasureUnit::Difference,
        better: BetterWay::Higher,
        work: None,
        help: "Mean difference of the study's metric, arm less control, over seeds: what the set was worth.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_names_for_programs_and_said_once() {
        let mut keys: Vec<&str> = MEASURES.iter().map(|measure| measure.key).collect();
        assert!(keys.iter().all(|key| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
        assert!(MEASURES.iter().all(|measure| measure.help.ends_with('.') && measure.help.len() < 130));
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), MEASURES.len());
        assert_eq!(SetMeasure::of("coverage").map(|measure| measure.title), Some("Coverage"));
    }

    #[test]
    fn numbers_are_shown_in_their_units() {
        let shown =
            [MeasureUnit::Distance.show(0.000_12), MeasureUnit::Share.show(0.5), MeasureUnit::Difference.show(-0.0123)];
        assert_eq!(shown, ["0.0001", "0.500", "−1.2"]);
        assert_eq!(
            (MeasureUnit::P.show(0.02), MeasureUnit::Images.show(12.345)),
            ("0.0200".to_owned(), "12.3".to_owned())
        );
    }
}
