//! What a study lacks, grouped: seeds without a result by their reason, and not one line each.

use std::collections::BTreeMap;

use super::seed_grammar::shown;
use augtrial_base::text::terminal;
use augtrial_compare::{Comparison, ContrastResult, Missing};

/// One line per reason: `not run yet: seeds 17-30 of every arm`.
pub(super) fn gaps(comparison: &Comparison) -> Vec<String> {
    let arms: Vec<&str> = comparison.arms.iter().map(|arm| arm.name.as_str()).collect();
    let trials = comparison.arms.iter().flat_map(|arm| arm.missing.iter().map(|missing| (arm.name.as_str(), missing)));
    let mut lines = grouped(trials, &arms);
    for result in &comparison.contrasts {
        let name = format!("{} - {}", result.contrast.treatment, result.contrast.control);
        lines.extend(grouped(broken(result, comparison).map(|missing| (name.as_str(), missing)), &[]));
    }
    lines
}

/// Pairs that cannot be used though both trials have a result.
fn broken<'a>(result: &'a ContrastResult, comparison: &'a Comparison) -> impl Iterator<Item = &'a Missing> {
    let sides = [&result.contrast.treatment, &result.contrast.control];
    let arms = move || comparison.arms.iter().filter(move |arm| sides.contains(&&arm.name));
    let has_no_run = move |seed| arms().any(|arm| arm.missing.iter().any(|missing| missing.seed == seed));
    result.missing.iter().filter(move |missing| !has_no_run(missing.seed))
}

/// Seeds with the same reason together, and arms with the same seeds.
fn grouped<'a>(missing: impl Iterator<Item = (&'a str, &'a Missing)>, arms: &[&str]) -> Vec<String> {
    let mut of_reason: BTreeMap<&str, BTreeMap<&str, Vec<u64>>> = BTreeMap::new();
    for (name, Missing { seed, reason }) in missing {
        of_reason.entry(reason).or_default().entry(name).or_default().push(*seed);
    }
    let mut lines = Vec::new();
    for (reason, of_name) in of_reason {
        let mut names_of: BTreeMap<Vec<u64>, Vec<&str>> = BTreeMap::new();
        for (name, seeds) in of_name {
            names_of.entry(seeds).or_default().push(name);
        }
        for (seeds, mut names) in names_of {
            names.sort_by_key(|name| arms.iter().position(|arm| arm == name));
            let who =
                if arms.len() > 1 && names.len() == arms.len() { "every arm".to_owned() } else { names.join(", ") };
            lines.push(format!("{}: {} of {who}", terminal(reason), shown(&seeds)));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_reasons_and_equal_seeds_share_a_line() {
        let missing = |seed, reason: &str| Missing { seed, reason: reason.to_owned() };
        let late: Vec<Missing> = (17..=30).map(|seed| missing(seed, "not run yet")).collect();
        let failed = missing(3, "failed: the loss is not finite");
        let of = |name: &'static str| late.iter().map(move |missing| (name, missing));
        let lines = grouped(of("control").chain(of("flipped")).chain([("flipped", &failed)]), &["control", "flipped"]);
        assert_eq!(
            lines,
            ["failed: the loss is not finite: seed 3 of flipped", "not run yet: seeds 17-30 of every arm"]
        );
        assert_eq!(grouped(of("flipped"), &["control", "flipped"]), ["not run yet: seeds 17-30 of flipped"]);
    }
}
