//! Derived images that stand in for originals at load time: which may, and which does at a draw.

use std::collections::BTreeMap;

use rand::RngExt as _;

use super::samples::Sample;
use augtrial_base::digest::Digest;
use augtrial_base::seed::Stream;
use augtrial_plan::replace::{Replace, ReplaceScope};

/// The derived images of a training set that are not in it, and what they may stand in for.
#[derive(Clone, Debug)]
pub struct StandIns {
    rule: Replace,
    images: Vec<Sample>,
    /// Positions among the images, by what they share: a source and a class, or a class.
    groups: BTreeMap<(Option<Digest>, u32), Vec<usize>>,
}

impl StandIns {
    /// The images in the order of their sets.
    #[must_use]
    pub fn new(rule: Replace, images: Vec<Sample>) -> Self {
        let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (position, image) in images.iter().enumerate() {
            groups.entry(group(rule, image)).or_default().push(position);
        }
        Self { rule, images, groups }
    }

    /// The images that may stand in for others, in the order of their sets.
    #[must_use]
    pub fn images(&self) -> &[Sample] {
        &self.images
    }

    /// The rule that they were planned by.
    #[must_use]
    pub fn rule(&self) -> Replace {
        self.rule
    }

    /// The image that stands in for `original` at a draw; itself with probability 1 - p, and where there is none for it. The
    /// numbers of the draw are the first ones of `rng`, whichever images there are.
    #[must_use]
    pub fn drawn<'s>(&'s self, original: &'s Sample, rng: &mut Stream) -> &'s Sample {
        let (chance, choice): (f64, f64) = (rng.random(), rng.random());
        match self.groups.get(&group(self.rule, original)) {
            Some(able) if chance < self.rule.p => {
                let index = ((choice * able.len() as f64) as usize).min(able.len() - 1);
                &self.images[able[index]]
            }
            _ => original,
        }
    }
}

/// What an image and its stand-ins have in common.
fn group(rule: Replace, sample: &Sample) -> (Option<Digest>, u32) {
    match rule.scope {
        ReplaceScope::SameSource => (Some(sample.source), sample.label),
        ReplaceScope::SameClass => (None, sample.label),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use augtrial_base::seed::{Purpose, StudySeed};

    fn sample(source: &str, label: u32, derived: usize) -> Sample {
        let digest = |name: &str| Digest::of_bytes(name.as_bytes());
        let image = if derived == 0 { digest(source) } else { digest(&format!("{source}-{derived}")) };
        Sample { pixels: derived, label, image, source: digest(source), path: source.to_owned(), derived: derived > 0 }
    }

    fn stand_ins(p: f64, scope: ReplaceScope) -> StandIns {
        let images = vec![sample("a", 0, 1), sample("a", 0, 2), sample("b", 0, 3), sample("c", 1, 4)];
        StandIns::new(Replace { p, scope }, images)
    }

    /// How often each image is shown for an original in 4000 draws; 0 is the original.
    fn shown(of: &StandIns, original: &Sample) -> [usize; 5] {
        let mut counts = [0; 5];
        for draw in 0..4000 {
            let purpose = Purpose::Replace { rule: of.rule().digest(), seed: 1, pass: 0 };
            counts[of.drawn(original, &mut StudySeed(1).stream(purpose, draw)).pixels] += 1;
        }
        counts
    }

    #[test]
    fn an_image_stands_in_as_often_as_the_rule_says_and_only_for_its_source_or_class() {
        // Four standard deviations of a binomial with p = 1/4 and n = 4000 are 110.
        let near = |count: usize, wanted: usize| count.abs_diff(wanted) < 110;
        let [original, first, second, other, third] =
            shown(&stand_ins(0.5, ReplaceScope::SameSource), &sample("a", 0, 0));
        assert!(near(original, 2000) && near(first, 1000) && near(second, 1000), "{original} {first} {second}");
        assert_eq!((other, third), (0, 0));
        let class = shown(&stand_ins(1.0, ReplaceScope::SameClass), &sample("b", 0, 0));
        assert!(class[1..4].iter().all(|&count| near(count, 1333)) && class[0] == 0 && class[4] == 0, "{class:?}");
    }

    #[test]
    fn an_original_without_derived_images_is_shown_itself() {
        let alone = sample("lost", 0, 0);
        assert_eq!(shown(&stand_ins(1.0, ReplaceScope::SameSource), &alone), [4000, 0, 0, 0, 0]);
        // The label counts, too: byte-identical images may have two.
        assert_eq!(shown(&stand_ins(1.0, ReplaceScope::SameSource), &sample("a", 1, 0)), [4000, 0, 0, 0, 0]);
    }
}
