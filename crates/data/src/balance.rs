//! Training sets whose classes are brought to one size: repeats, and derived images where they are needed.

use std::collections::BTreeMap;

use rand::seq::SliceRandom as _;

use super::parts::TrainPart;
use super::samples::{Sample, TrainingSet};
use super::sets::Derived;
use augtrial_base::digest::Digest;
use augtrial_base::seed::{Purpose, StudySeed};

impl TrainingSet {
    /// The same with repeats behind it, until every class has as many samples as the largest. Every sample of a class is repeated
    /// equally often; those that are repeated once more are drawn by `seed`.
    #[must_use]
    pub fn oversampled(self, seed: StudySeed) -> Self {
        let classes = by_class(self.samples());
        let most = classes.values().map(Vec::len).max().unwrap_or(0);
        let mut repeats = Vec::new();
        for (class, mut members) in classes {
            members.shuffle(&mut seed.stream(Purpose::Balance, class.into()));
            let missing = most - members.len();
            repeats.extend(members.iter().cycle().take(missing).map(|&position| self.samples()[position].clone()));
        }
        self.with_more(repeats)
    }
}

/// The positions of the samples of each class.
pub(super) fn by_class(samples: &[Sample]) -> BTreeMap<u32, Vec<usize>> {
    let mut classes = BTreeMap::<u32, Vec<usize>>::new();
    for (position, sample) in samples.iter().enumerate() {
        classes.entry(sample.label).or_default().push(position);
    }
    classes
}

/// Those derived images that bring every class to the size of the largest one's originals, each repeated `repeat` times; all of a
/// class where there are not enough. First comes one of every original, then a second one; among equals, their digests decide.
#[must_use]
pub fn topping_up(part: &TrainPart, repeat: u32, derived: Vec<Derived>) -> Vec<Derived> {
    let mut wanted = BTreeMap::<u32, u64>::new();
    for image in *part.sources() {
        *wanted.entry(image.class).or_default() += u64::from(repeat);
    }
    let most = wanted.values().copied().max().unwrap_or(0);
    for count in wanted.values_mut() {
        *count = most - *count;
    }

    let mut of_source = BTreeMap::<Digest, u32>::new();
    let round = |image: &Derived| {
        let made = of_source.entry(image.source).or_default();
        *made += 1;
        *made
    };
    let rounds: Vec<u32> = derived.iter().map(round).collect();
    let mut order: Vec<usize> = (0..derived.len()).collect();
    order.sort_by_key(|&place| (rounds[place], derived[place].image));
    let mut is_chosen = vec![false; derived.len()];
    for place in order {
        let left = wanted.entry(derived[place].class).or_default();
        is_chosen[place] = *left > 0;
        *left = left.saturating_sub(1);
    }
    derived.into_iter().zip(is_chosen).filter(|(_, chosen)| *chosen).map(|(image, _)| image).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::PixelStore;

    fn sample(number: u8, label: u32) -> Sample {
        let image = Digest::of_bytes(&[number]);
        Sample { pixels: 0, label, image, source: image, path: number.to_string(), derived: false }
    }

    fn set() -> TrainingSet {
        let labels = [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2];
        let samples = (0..).zip(labels).map(|(number, label)| sample(number, label)).collect();
        TrainingSet::for_tests(samples, PixelStore::new(1, 1))
    }

    #[test]
    fn every_class_gets_the_size_of_the_largest_and_repeats_are_even() {
        let balanced = set().oversampled(StudySeed(1));
        let classes = by_class(balanced.samples());
        assert!(classes.values().all(|members| members.len() == 7), "{classes:?}");
        assert_eq!(balanced.samples()[..11], *set().samples(), "what was there stays in front");
        let mut repeats = BTreeMap::<&str, u32>::new();
        for sample in balanced.samples() {
            *repeats.entry(&sample.path).or_default() += 1;
        }
        let mut of_three: Vec<u32> = ["7", "8", "9"].iter().map(|path| repeats[path]).collect();
        of_three.sort_unstable();
        assert_eq!((of_three.as_slice(), repeats["10"], repeats["0"]), ([2, 2, 3].as_slice(), 7, 1));
        assert_eq!(balanced.originals(), 11);
    }

    #[test]
    fn the_study_seed_draws_which_samples_are_repeated_once_more() {
        let digest = |seed| set().oversampled(StudySeed(seed)).digest();
        assert_eq!(digest(1), digest(1));
        assert!((2..20).any(|seed| digest(seed) != digest(1)));
        assert_ne!(digest(1), set().digest());
    }

    #[test]
    fn a_set_that_is_drawn_by_class_says_so_in_its_digest_and_has_the_same_samples() {
        let drawn = set().drawn_by_class();
        assert!(drawn.is_drawn_by_class() && !set().is_drawn_by_class());
        assert_ne!(drawn.digest(), set().digest());
        assert_eq!(drawn.samples(), set().samples());
    }
}
