//! How seeds are typed and shown, everywhere alike: `1,2,5`, `1-5`, `1-3,7`; and `+3` where they are added to others.

use std::str::FromStr;

use augtrial_plan::MOST_SEEDS;

/// The largest seed that an experiment file can have: TOML's integers are signed.
const LARGEST_SEED: u64 = i64::MAX as u64;

/// Seeds asked for on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SeedSelection {
    These(Vec<u64>),
    /// So many beyond those of the file.
    More(usize),
}

impl FromStr for SeedSelection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(count) = text.strip_prefix('+') else {
            return listed(text, LARGEST_SEED).map(Self::These);
        };
        let is_number = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
        // A number too large for any type is too large here as well.
        let count = is_number.then(|| count.parse().unwrap_or(usize::MAX)).ok_or_else(|| wrong(text, " or `+3`"))?;
        match count {
            0 => Err(wrong(text, " or `+3`")),
            1..=MOST_SEEDS => Ok(Self::More(count)),
            _ => Err(too_many()),
        }
    }
}

/// Seeds by which something is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seeds(pub(super) Vec<u64>);

/// Reads seeds that are named.
pub(super) fn these(text: &str) -> Result<Seeds, String> {
    listed(text, LARGEST_SEED).map(Seeds)
}

/// Seeds of noise, none of which is above `u32::MAX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoiseSeeds(pub(super) Vec<u32>);

impl FromStr for NoiseSeeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seeds = listed(text, u32::MAX.into())?;
        Ok(Self(seeds.into_iter().filter_map(|seed| u32::try_from(seed).ok()).collect()))
    }
}

fn wrong(text: &str, more: &str) -> String {
    let range = text.split_once("..").and_then(|(first, last)| {
        let last =
            last.strip_prefix('=').map_or_else(|| last.parse::<u64>().ok()?.checked_sub(1), |last| last.parse().ok());
        Some(format!("; write `{}-{}`", first.parse::<u64>().ok()?, last?))
    });
    format!("`{text}` names no seeds{}: expected e.g. `1,2,5` or `1-5`{more}", range.unwrap_or_default())
}

/// Single seeds and spans of them, in the order in which they are typed.
fn listed(text: &str, largest: u64) -> Result<Vec<u64>, String> {
    let mut seeds = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let bound = |bound: &str| bound.trim().parse::<u64>().map_err(|_| wrong(text, ""));
        let (first, last) = (bound(first)?, bound(last)?);
        if first > last {
            return Err(wrong(text, ""));
        }
        if last > largest {
            return Err(format!("seed {last} is too large: {largest} is the largest"));
        }
        if last - first >= MOST_SEEDS as u64 {
            return Err(too_many());
        }
        seeds.extend(first..=last);
        if seeds.len() > MOST_SEEDS {
            return Err(too_many());
        }
    }
    Ok(seeds)
}

fn too_many() -> String {
    format!("a study may have {MOST_SEEDS} seeds at most")
}

/// The seeds, and `count` more, the smallest above all of them.
pub(super) fn more(mut seeds: Vec<u64>, count: usize) -> Result<Vec<u64>, String> {
    let next = seeds.iter().max().map_or(1, |largest| largest.saturating_add(1));
    let end = next.saturating_add(count as u64);
    if end > LARGEST_SEED {
        return Err(format!("there are no {count} seeds above {}: name the seeds instead", next - 1));
    }
    if seeds.len() + count > MOST_SEEDS {
        return Err(too_many());
    }
    seeds.extend(next..end);
    Ok(seeds)
}

/// `seed 3`, `seeds 1-5, 8`: sorted, as they can be typed.
pub(super) fn shown(seeds: &[u64]) -> String {
    let noun = if seeds.len() == 1 { "seed" } else { "seeds" };
    format!("{noun} {}", augtrial_report::seed_list(seeds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_listed_spanned_or_added() {
        assert_eq!("1,4-6".parse(), Ok(SeedSelection::These(vec![1, 4, 5, 6])));
        assert_eq!("+3".parse(), Ok(SeedSelection::More(3)));
        assert_eq!(more(vec![2, 7, 1], 2), Ok(vec![2, 7, 1, 8, 9]));
        for text in ["", "a", "3-1", "+0", "1,,2", "-3", "+", "++3", "+-1"] {
            assert!(text.parse::<SeedSelection>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_command_takes_the_same_spelling_and_names_it_for_another() {
        assert_eq!("0-3".parse(), Ok(NoiseSeeds(vec![0, 1, 2, 3])));
        assert_eq!("7".parse(), Ok(NoiseSeeds(vec![7])));
        assert!("0..4".parse::<NoiseSeeds>().unwrap_err().contains("write `0-3`"));
        assert!("1..=4".parse::<SeedSelection>().unwrap_err().contains("write `1-4`"));
        assert!("4294967296".parse::<NoiseSeeds>().unwrap_err().contains("too large"));
    }

    #[test]
    fn what_is_shown_can_be_typed() {
        assert_eq!(shown(&[17, 18, 19, 30]), "seeds 17-19, 30");
        assert_eq!(shown(&[4]), "seed 4");
        assert_eq!("17-19, 30".parse(), Ok(SeedSelection::These(vec![17, 18, 19, 30])));
    }

    #[test]
    fn more_seeds_than_a_study_may_have_are_refused_before_they_are_made() {
        for text in ["+18446744073709551615", "+99999999999", "+1000000", "1-99999999999", "1-9000,10001-19000"] {
            assert_eq!(text.parse::<SeedSelection>(), Err("a study may have 10000 seeds at most".to_owned()), "{text}");
        }
        assert!("18446744073709551615".parse::<SeedSelection>().unwrap_err().contains("is too large"));
        assert_eq!("1-10000".parse::<SeedSelection>(), Ok(SeedSelection::These((1..=10_000).collect())));
        assert_eq!(more(vec![1; 9_999], 2), Err("a study may have 10000 seeds at most".to_owned()));
        assert!(more(vec![LARGEST_SEED], 1).unwrap_err().contains("name the seeds instead"));
    }
}
