//! Words that every part of the program shares: counts with their nouns, names that were meant, errors with their causes.

use std::error::Error;

/// How alike two names must be for one to be suggested for the other: 1 less the edits (Damerau-Levenshtein) per letter. A
/// common beginning alone, such as that of `rand_augment` and `random_erasing`, makes no typing error.
const SUGGESTION_THRESHOLD: f64 = 0.6;

/// `1 seed`, `2 seeds`, `2 tries`: a count with its noun, whose plural ends in `s`.
#[must_use]
pub fn plural(count: usize, noun: &str) -> String {
    let is_consonant = |letter: char| letter.is_ascii_lowercase() && !"aeiou".contains(letter);
    match noun.strip_suffix('y') {
        _ if count == 1 => format!("1 {noun}"),
        Some(stem) if stem.ends_with(is_consonant) => format!("{count} {stem}ies"),
        _ => format!("{count} {noun}s"),
    }
}

/// The candidate that `word` was most likely meant to be, if one is near enough. Case does not count.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(&word, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= SUGGESTION_THRESHOLD)
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)))
        .map(|(_, candidate)| candidate)
}

/// At most so many characters of a text that was not ours; what is cut off is marked by an ellipsis.
#[must_use]
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['\u{2026}']).collect(),
    }
}

/// An error with its causes, in one line.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    causes(error).fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// The causes of an error, the nearest first.
pub fn causes<'a>(error: &'a (dyn Error + 'a)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_names_are_suggested() {
        assert_eq!(nearest("horizontl_flip", ["vertical_flip", "horizontal_flip"]), Some("horizontal_flip"));
        assert_eq!(nearest("Control", ["control", "treated"]), Some("control"));
        assert_eq!(nearest("sgd", ["sdg", "adamw"]), Some("sdg"));
        assert_eq!(nearest("xyz", ["vertical_flip", "horizontal_flip"]), None);
        assert_eq!(nearest("rand_augment", ["random_erasing", "random_crop", "random_resized_crop"]), None);
    }

    #[test]
    fn one_is_singular() {
        assert_eq!([0, 1, 2].map(|count| plural(count, "trial")), ["0 trials", "1 trial", "2 trials"]);
        assert_eq!([0, 1, 2].map(|count| plural(count, "try")), ["0 tries", "1 try", "2 tries"]);
        assert_eq!(plural(2, "key"), "2 keys");
    }

    #[test]
    fn long_texts_are_cut_at_characters() {
        assert_eq!(shortened("four", 4), "four");
        assert_eq!(shortened("\u{e9}\u{e9}\u{e9}", 2), "\u{e9}\u{2026}");
    }

    #[test]
    fn causes_follow_their_error() {
        let inner = std::io::Error::other("disk on fire");
        let outer = std::io::Error::other(inner);
        assert!(chain(&outer).starts_with("disk on fire"));
    }
}
