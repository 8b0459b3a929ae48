//! Pairs of pictures that look alike: every pair is compared by its hash, and what is within reach is confirmed by a second
//! measure. No index is built: 100,000 pictures are 5 x 10^9 pairs, and most are told apart by one word.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::hash::DifferenceHash;

/// Pictures that are compared with as many others at a time: both lie in the first cache of a core.
const BLOCK: usize = 256;
/// Pairs within reach at most. More mean that the radius fits these pictures badly, and no person could look at them.
const MOST_PAIRS: usize = 5_000_000;

/// Two pictures by their positions, the smaller one first, and the bits that differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Candidate {
    pub(crate) a: u32,
    pub(crate) b: u32,
    pub(crate) distance: u32,
}

/// More pairs than can be kept or looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "more than {MOST_PAIRS} pairs of pictures differ in {radius} bits or fewer: this radius tells these pictures apart too badly; \
     use a smaller one, or look at the pictures first"
)]
pub struct TooManyPairs {
    pub radius: u32,
}

/// All pairs at most `radius` bits apart, sorted.
pub(crate) fn pairs_within(hashes: &[DifferenceHash], radius: u32) -> Result<Vec<Candidate>, TooManyPairs> {
    let blocks: Vec<&[DifferenceHash]> = hashes.chunks(BLOCK).collect();
    let count = AtomicUsize::new(0);
    let of_block = |first: usize| -> Result<Vec<Candidate>, TooManyPairs> {
        let mut found = Vec::new();
        for second in first..blocks.len() {
            for (i, &hash) in blocks[first].iter().enumerate() {
                let from = if first == second { i + 1 } else { 0 };
                for (j, &other) in blocks[second].iter().enumerate().skip(from) {
                    if hash.is_within(other, radius) {
                        let (a, b) = ((first * BLOCK + i) as u32, (second * BLOCK + j) as u32);
                        found.push(Candidate { a, b, distance: hash.distance(other) });
                        if count.fetch_add(1, Ordering::Relaxed) >= MOST_PAIRS {
                            return Err(TooManyPairs { radius });
                        }
                    }
                }
            }
        }
        Ok(found)
    };
    let found: Result<Vec<Vec<Candidate>>, _> = (0..blocks.len()).into_par_iter().map(of_block).collect();
    let mut found: Vec<Candidate> = found?.into_iter().flatten().collect();
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_pairs_are_those_of_a_plain_search(
            words in prop::collection::vec(prop::array::uniform4(0..4_u64), 0..600), radius in 0..6_u32
        ) {
            let hashes: Vec<_> = words.into_iter().map(DifferenceHash).collect();
            let mut expected = Vec::new();
            for a in 0..hashes.len() {
                for b in a + 1..hashes.len() {
                    let distance = hashes[a].distance(hashes[b]);
                    if distance <= radius {
                        expected.push(Candidate { a: a as u32, b: b as u32, distance });
                    }
                }
            }
            prop_assert_eq!(pairs_within(&hashes, radius).unwrap(), expected);
        }
    }

    #[test]
    fn more_pairs_than_anybody_can_look_at_are_refused() {
        let alike = vec![DifferenceHash::default(); 3_200];
        let error = pairs_within(&alike, 4).unwrap_err();
        assert!(error.to_string().contains("differ in 4 bits or fewer"), "{error}");
    }
}
