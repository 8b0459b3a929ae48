//! What an audit has to say of a data set: every question that nobody has decided yet, the most pressing first.

use std::collections::BTreeMap;

use serde::Serialize;

use augtrial_base::digest::Digest;
use augtrial_data::manifest::{ImageRecord, Manifest};

use crate::arms::{ArmFinding, sorted};
use crate::decided::Decided;
use crate::labels::LabelIssue;
use crate::near::TooManyPairs;
use crate::odd::{Oddity, size_scores};
use crate::seen::{Alike, Outlier, PictureFeatures};
use crate::survey::{NearPair, Survey};

/// Everything that was found. Images are positions in the manifest.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Findings {
    /// Files of equal bytes, or of other bytes and equal pixels.
    pub same: Vec<Same>,
    /// Pairs that look alike; those that contradict or straddle parts first, then the most alike.
    pub near: Vec<Near>,
    /// Complete-link groups of what is the same or looks alike: what `group_near_duplicates` keeps in one part.
    pub groups: Vec<Vec<usize>>,
    /// Sets in which images that are the same or look alike have several classes.
    pub contradicting: Vec<Vec<usize>>,
    /// Sorted by oddity, then by score.
    pub odd: Vec<Odd>,
    /// The most suspect first; empty where no probabilities were at hand.
    pub labels: Vec<LabelIssue>,
    /// Pictures that stand apart as a network sees them, the furthest first; empty where none looked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outliers: Vec<Outlier>,
    /// Pairs with near hashes that a network finds alike, and whose structure is not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alike: Vec<Alike>,
    /// Questions about images that were made of the data set, and extra ones; by kind, then the most pressing first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arms: Vec<ArmFinding>,
    /// Findings that are not listed because somebody decided on them.
    pub decided: usize,
    /// Pairs whose hashes are near and whose pictures are not.
    pub unconfirmed: usize,
}

/// Files that hold one picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Same {
    /// Whether the bytes are equal too.
    pub bytes: bool,
    pub images: Vec<usize>,
}

/// Two pictures that look alike.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Near {
    #[serde(flatten)]
    pub pair: NearPair,
    /// Whether their classes differ.
    pub contradicting: bool,
    /// Whether the data set puts them into two parts.
    pub straddling: bool,
}

/// A picture that is odd by itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Odd {
    pub image: usize,
    pub oddity: Oddity,
    /// 0 to 1, lower is odder.
    pub score: f64,
}

impl Findings {
    /// What a survey found that nobody has decided on. `manifest` has the classes that were decided.
    #[must_use]
    pub fn of(manifest: &Manifest, survey: &Survey, decided: &Decided, labels: Vec<LabelIssue>) -> Self {
        let all_same = same(manifest, survey);
        let found_same = all_same.len();
        let same: Vec<Same> = all_same.into_iter().filter(|same| !is_known(decided, &same.images)).collect();
        let excluded = |image: usize| decided.excluded.contains_key(&image);
        let open = |pair: &&NearPair| !decided.is_grouped(pair.a, pair.b) && !excluded(pair.a) && !excluded(pair.b);
        let undecided: Vec<&NearPair> = survey.near_but(&decided.apart).filter(open).collect();
        let mut near: Vec<Near> = undecided.iter().map(|&&pair| told(manifest, pair)).collect();
        near.sort_by_key(|near| (!near.contradicting, !near.straddling));
        let groups = survey.groups(&decided.apart, &decided.together);
        let (contradicting, settled): (Vec<_>, Vec<_>) = groups
            .iter()
            .filter(|group| has_several_classes(manifest, group))
            .cloned()
            .partition(|group| !is_settled(manifest, decided, group));
        let all_odd = odd(survey);
        let found = all_odd.len() + labels.len();
        let odd: Vec<Odd> = all_odd.into_iter().filter(|odd| !decided.is_settled(odd.image)).collect();
        let labels: Vec<LabelIssue> = labels.into_iter().filter(|issue| !decided.is_settled(issue.index)).collect();
        let decided =
            found_same - same.len() + survey.near.len() - near.len() + settled.len() + found - odd.len() - labels.len();
        let unconfirmed = survey.unconfirmed;
        let (outliers, alike, arms) = (Vec::new(), Vec::new(), Vec::new());
        Self { same, near, groups, contradicting, odd, labels, outliers, alike, arms, decided, unconfirmed }
    }

    /// The same with what a network sees.
    ///
    /// # Errors
    /// [`TooManyPairs`], as a survey.
    pub fn with_features(
        mut self,
        manifest: &Manifest,
        survey: &Survey,
        decided: &Decided,
        features: &PictureFeatures,
    ) -> Result<Self, TooManyPairs> {
        let outliers = features.outliers();
        let found = outliers.len();
        self.outliers = outliers.into_iter().filter(|outlier| !decided.is_settled(outlier.image)).collect();
        let alike = survey.alike(features, manifest)?;
        let (all, pair) = (alike.len(), |alike: &Alike| (alike.a, alike.b));
        let open = |alike: &Alike| {
            !decided.apart.contains(&pair(alike))
                && !decided.is_grouped(alike.a, alike.b)
                && !decided.excluded.contains_key(&alike.a)
                && !decided.excluded.contains_key(&alike.b)
        };
        self.alike = alike.into_iter().filter(open).collect();
        self.decided += found - self.outliers.len() + all - self.alike.len();
        Ok(self)
    }

    /// The same with questions about images of arms.
    #[must_use]
    pub fn with_arms(self, found: Vec<ArmFinding>) -> Self {
        Self { arms: sorted(found), ..self }
    }

    /// Whether there is nothing to ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.same.is_empty()
            && self.near.is_empty()
            && self.odd.is_empty()
            && self.labels.is_empty()
            && self.outliers.is_empty()
            && self.alike.is_empty()
            && self.arms.is_empty()
    }
}

fn same(manifest: &Manifest, survey: &Survey) -> Vec<Same> {
    let mut found = Vec::new();
    for set in &survey.same_pixels {
        let mut by_bytes: BTreeMap<Digest, Vec<usize>> = BTreeMap::new();
        for &image in set {
            by_bytes.entry(manifest.images[image].digest).or_default().push(image);
        }
        let bytes = by_bytes.len() == 1;
        found.push(Same { bytes, images: set.clone() });
    }
    found
}

fn told(manifest: &Manifest, pair: NearPair) -> Near {
    let (a, b) = (&manifest.images[pair.a], &manifest.images[pair.b]);
    Near { pair, contradicting: a.class != b.class, straddling: straddle(a, b) }
}

/// Whether two images are in two parts. One that is in none, since it was withheld, leaks nothing.
pub(crate) fn straddle(a: &ImageRecord, b: &ImageRecord) -> bool {
    a.split.zip(b.split).is_some_and(|(a, b)| a != b)
}

fn has_several_classes(manifest: &Manifest, group: &[usize]) -> bool {
    group.iter().any(|&image| manifest.images[image].class != manifest.images[group[0]].class)
}

/// Whether somebody said that the images are one picture, or decided on all but one of them.
fn is_known(decided: &Decided, images: &[usize]) -> bool {
    let open = images.iter().filter(|&&image| !decided.is_settled(image)).count();
    open <= 1 || images[1..].iter().all(|&image| decided.is_grouped(images[0], image))
}

/// Whether all that is left undecided of a group has one class.
fn is_settled(manifest: &Manifest, decided: &Decided, group: &[usize]) -> bool {
    let open: Vec<usize> = group.iter().copied().filter(|&image| !decided.is_settled(image)).collect();
    open.len() < group.len() && (open.is_empty() || !has_several_classes(manifest, &open))
}

fn odd(survey: &Survey) -> Vec<Odd> {
    let sizes: Vec<(u32, u32)> = survey.signatures.iter().map(|s| (s.width_px, s.height_px)).collect();
    let sizes = size_scores(&sizes);
    let mut found = Vec::new();
    for (image, signature) in survey.signatures.iter().enumerate() {
        for oddity in Oddity::ALL {
            let score = signature.scores.get(oddity).unwrap_or(sizes[image]);
            if score < oddity.threshold() {
                found.push(Odd { image, oddity, score });
            }
        }
    }
    found.sort_by(|a, b| a.oddity.cmp(&b.oddity).then(a.score.total_cmp(&b.score)).then(a.image.cmp(&b.image)));
    found
}
