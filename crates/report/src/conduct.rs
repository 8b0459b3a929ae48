//! What must be known before the numbers, and the answers with it: missing trials, the protocol, seeds changed after looking.

use super::sentences::{answer, description, mark};
use super::view::BannerFact;
use augtrial_base::numbers::p_phrase;
use augtrial_base::words::plural;
use augtrial_compare::{Comparison, Extension, Look, Looked};
use augtrial_plan::dataset::Protocol;

/// What qualifies every number of a comparison.
#[must_use]
pub fn banner(comparison: &Comparison, synthetic: bool, protocol: Protocol) -> Vec<BannerFact> {
    let missing = comparison.arms.iter().map(|arm| arm.missing.len()).sum();
    let planned = comparison.arms.len() * comparison.seeds.len();
    let undeclared = comparison.arms.iter().map(|arm| arm.undeclared.len()).sum();
    let facts = [
        (synthetic, BannerFact::SyntheticData),
        (protocol == Protocol::AsPublished, BannerFact::AsPublished),
        (missing > 0, BannerFact::MissingTrials { missing, planned }),
        (undeclared > 0, BannerFact::UndeclaredRuns { runs: undeclared }),
    ];
    let changed = comparison.extension.as_ref();
    let changed = changed.map(|extension| BannerFact::ChangedAfterLooking { seeds: extension.seeds.clone() });
    let peeked = comparison.peeked_at.clone().map(|first_at| BannerFact::Peeked { first_at });
    let look = comparison.look.clone().map(|look| BannerFact::Look { look, alpha: comparison.alpha });
    let sanity = comparison.warnings.iter().cloned().map(BannerFact::Sanity);
    facts
        .into_iter()
        .filter(|(holds, _)| *holds)
        .map(|(_, fact)| fact)
        .chain(look)
        .chain(sanity)
        .chain(peeked)
        .chain(changed)
        .collect()
}

/// One sentence per contrast, in the order declared; beside it what the seeds planned at first say alone, if there are more.
/// Without contrasts, one per arm, which describes it.
#[must_use]
pub fn answers(comparison: &Comparison, protocol: Protocol) -> Vec<String> {
    if comparison.contrasts.is_empty() {
        let described = |arm| description(arm, comparison) + mark(protocol);
        return comparison.arms.iter().map(described).collect();
    }
    let sentences = comparison.contrasts.iter().enumerate().map(|(index, contrast)| {
        let alone =
            comparison.extension.as_ref().map_or_else(String::new, |extension| alone(extension, index, comparison));
        answer(contrast, comparison) + &alone + mark(protocol)
    });
    sentences.collect()
}

/// What a reader must know of a look: all that follows is adjusted for it.
pub(super) fn look(look: &Look, alpha: f64) -> String {
    format!(
        "Look {} of {} looks that were declared before, at {} of {} seeds. Intervals and p values of contrasts are adjusted for all looks \
         ({}): unadjusted p values would have to be below {}.",
        look.number(),
        look.looks.len(),
        look.seeds(),
        look.looks[look.looks.len() - 1],
        look.spending_words(),
        levels(look, alpha),
    )
}

/// The level of each look, in their order.
pub(super) fn levels(look: &Look, alpha: f64) -> String {
    let level = |level: &f64| if *level < 1e-4 { format!("{level:.1e}") } else { format!("{level:.4}") };
    let levels: Vec<String> = look.levels(alpha).iter().map(level).collect();
    levels.join(", ")
}

/// What a reader must know where test results were shown before the last trial had ended.
pub(super) fn peeked(first_at: &str) -> String {
    format!(
        "Peeked. The dashboard showed test results on {} (UTC), before all planned trials had ended. If what was seen decided \
         how the study went on, alpha and the intervals no longer hold exactly.",
        first_at.get(..16).unwrap_or(first_at).replace('T', " ")
    )
}

/// What a reader must know of seeds that were changed when results could be seen.
pub(super) fn warning(seeds: &Looked) -> String {
    let Looked { planned, added, dropped } = seeds;
    let mut changes = Vec::new();
    if !added.is_empty() {
        changes.push(format!("{} ({}) added", plural(added.len(), "seed"), seed_list(added)));
    }
    if !dropped.is_empty() {
        changes.push(format!("{} ({}) planned and left out", plural(dropped.len(), "seed"), seed_list(dropped)));
    }
    format!(
        "Changed after looking. {} when results of the planned seeds ({}) could be seen. If what was seen decided this, \
         alpha is no longer exact: a difference is found by chance more often than alpha says, and the intervals cover less \
         often than they say. Read them as description; a confirmation needs a new study.",
        changes.join(", "),
        seed_list(planned)
    )
}

/// A contrast over the planned seeds only; nothing to add where no seed was added.
fn alone(extension: &Extension, index: usize, comparison: &Comparison) -> String {
    if extension.seeds.added.is_empty() {
        return String::new();
    }
    let planned = seed_list(&extension.seeds.planned);
    let Some((result, judged)) = extension.planned_alone.get(index).and_then(|alone| Some((alone, alone.judged()?)))
    else {
        return format!(" The planned seeds alone ({planned}): no answer.");
    };
    let (scope, wide) = judged.headline();
    let scale = comparison.measure().scale;
    format!(
        " The planned seeds alone ({planned}): {} {}; difference {}{}, {:.0} % interval {}; {}; {}.",
        wide.verdict.word(),
        scope.phrase(comparison.images),
        scale.difference(wide.difference.point),
        scale.after(),
        100.0 * (1.0 - comparison.alpha),
        scale.interval(wide.difference.interval),
        p_phrase("Holm-adjusted p", wide.holm_p),
        plural(result.pairs.len(), "pair"),
    )
}

/// Sorted seeds, runs of them by their ends: `1-5, 8`.
#[must_use]
pub fn seed_list(seeds: &[u64]) -> String {
    let mut spans: Vec<(u64, u64)> = Vec::new();
    for &seed in seeds {
        match spans.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(seed) => *last = seed,
            _ => spans.push((seed, seed)),
        }
    }
    let span = |(first, last): &(u64, u64)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    spans.iter().map(span).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_listed_by_the_ends_of_their_runs() {
        assert_eq!(seed_list(&[1, 2, 3, 7, 9, 10]), "1-3, 7, 9-10");
        assert_eq!(seed_list(&[]), "");
        assert_eq!(seed_list(&[u64::MAX - 1, u64::MAX]), format!("{}-{}", u64::MAX - 1, u64::MAX));
    }

    #[test]
    fn a_peek_says_when_and_what_it_costs() {
        let text = peeked("2026-01-31T12:00:09.000Z");
        assert!(
            text.starts_with("Peeked. The dashboard showed test results on 2026-01-31 12:00 (UTC), before"),
            "{text}"
        );
    }

    #[test]
    fn a_change_after_looking_says_what_changed_and_how_to_read_it() {
        let text = warning(&Looked { planned: vec![1, 2, 3], added: vec![4, 5], dropped: vec![] });
        assert!(text.starts_with("Changed after looking. 2 seeds (4-5) added when results"), "{text}");
        assert!(text.contains("planned seeds (1-3)") && text.contains("alpha is no longer exact"), "{text}");
        let text = warning(&Looked { planned: vec![1, 2], added: vec![], dropped: vec![3] });
        assert!(text.contains("1 seed (3) planned and left out"), "{text}");
    }
}
