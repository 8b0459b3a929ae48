//! What an audit and its decisions ask of a division, beyond what the data set itself says: images that stay together, and images
//! that are not trained on.

use std::collections::BTreeMap;

/// Asked of a division. The default asks nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bonds {
    /// Number of the set that an image belongs to, by path. Images of one set stay in one part.
    together: BTreeMap<String, usize>,
    /// Reason why an image is not trained on, by path.
    excluded: BTreeMap<String, String>,
}

impl Bonds {
    /// Sets of paths that stay together, no path in two of them, and paths that are not trained on, with the reason.
    #[must_use]
    pub fn new(
        together: impl IntoIterator<Item = Vec<String>>,
        excluded: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let sets = together.into_iter().enumerate();
        let together = sets.flat_map(|(number, paths)| paths.into_iter().map(move |path| (path, number)));
        Self { together: together.collect(), excluded: excluded.into_iter().collect() }
    }

    /// The set that an image belongs to, if any.
    pub(super) fn set_of(&self, path: &str) -> Option<usize> {
        self.together.get(path).copied()
    }

    /// Why an image is not trained on, if it is not.
    pub(super) fn exclusion(&self, path: &str) -> Option<&str> {
        self.excluded.get(path).map(String::as_str)
    }
}
