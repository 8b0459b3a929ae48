//! What was drawn, in words: for people who look at pictures, and for tests. It costs a look at a thread's flag where
//! nobody asks.

use std::cell::RefCell;

thread_local! {
    static NOTES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Runs `work` and returns with its result what the transforms in it drew on this thread, in their order.
pub fn traced<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    let outer = NOTES.replace(Some(Vec::new()));
    let result = work();
    let notes = NOTES.replace(outer).unwrap_or_default();
    (result, notes)
}

/// Notes what was drawn, if somebody asks.
pub(crate) fn note(text: impl FnOnce() -> String) {
    NOTES.with_borrow_mut(|notes| {
        if let Some(notes) = notes {
            notes.push(text());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_kept_only_where_they_are_asked_for() {
        note(|| panic!("nobody asks"));
        let ((), notes) = traced(|| {
            note(|| "a".to_owned());
            assert_eq!(traced(|| note(|| "inner".to_owned())).1, ["inner"]);
            note(|| "b".to_owned());
        });
        assert_eq!(notes, ["a", "b"]);
        note(|| panic!("nobody asks any more"));
    }
}
