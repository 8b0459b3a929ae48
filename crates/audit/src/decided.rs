//! Decisions, found again in a data set: which images they are about, and which of them must be made again.

use std::collections::{BTreeMap, BTreeSet};

use augtrial_data::bonds::Bonds;
use augtrial_data::manifest::{ImageRecord, Manifest};
use augtrial_plan::decisions::{Decisions, Relabel, Seen, Several, Single};

/// A decision that does not fit the data set any more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stale {
    /// Where it stands, as `exclude[0]`.
    pub place: String,
    pub problem: String,
}

/// What was decided, by positions in a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// Images that show the same.
    pub together: Vec<Vec<usize>>,
    /// Pairs that do not, the smaller position first.
    pub apart: BTreeSet<(usize, usize)>,
    /// Images that are not trained on, with the reason.
    pub excluded: BTreeMap<usize, String>,
    /// Index of the class that an image has instead of its own.
    pub relabeled: BTreeMap<usize, u32>,
    /// Images that were looked at and are right.
    pub kept: BTreeSet<usize>,
    /// Decisions about images that are gone or have changed; they decide nothing.
    pub stale: Vec<Stale>,
}

impl Decided {
    /// Finds the images that decisions are about.
    #[must_use]
    pub fn of(decisions: &Decisions, manifest: &Manifest) -> Self {
        let by_path =
            manifest.images.iter().enumerate().map(|(position, image)| (image.path.as_str(), (position, image)));
        let mut finder = Finder { images: by_path.collect(), stale: Vec::new() };
        let together = decisions.group.iter().enumerate().filter_map(|(i, e)| finder.several("group", i, e)).collect();
        let mut decided = Self { together, ..Self::default() };
        for (index, entry) in decisions.distinct.iter().enumerate() {
            let positions = finder.several("distinct", index, entry).unwrap_or_default();
            for (i, &a) in positions.iter().enumerate() {
                decided.apart.extend(positions[i + 1..].iter().map(|&b| (a, b)));
            }
        }
        for (index, Single { reason, author, image }) in decisions.exclude.iter().enumerate() {
            if let Some(position) = finder.one("exclude", index, image) {
                decided.excluded.insert(position, format!("{reason} (decided by {author})"));
            }
        }
        for (index, Relabel { class, image, .. }) in decisions.relabel.iter().enumerate() {
            let known = manifest.classes.iter().position(|known| known == class);
            match (known, finder.one("relabel", index, image)) {
                (Some(class), Some(position)) => {
                    decided.relabeled.insert(position, class as u32);
                }
                (None, Some(_)) => finder.report("relabel", index, format!("the data set has no class `{class}`")),
                (_, None) => {}
            }
        }
        decided.kept = decisions.keep.iter().enumerate().filter_map(|(i, e)| finder.one("keep", i, &e.image)).collect();
        decided.stale = finder.stale;
        decided
    }

    /// Whether somebody decided about this image by itself.
    #[must_use]
    pub fn is_settled(&self, position: usize) -> bool {
        self.kept.contains(&position) || self.excluded.contains_key(&position) || self.relabeled.contains_key(&position)
    }

    /// Whether somebody said that two images show the same.
    #[must_use]
    pub fn is_grouped(&self, a: usize, b: usize) -> bool {
        self.together.iter().any(|set| set.contains(&a) && set.contains(&b))
    }

    /// Gives the images the classes that were decided.
    pub fn relabel(&self, manifest: &mut Manifest) {
        for (&position, &class) in &self.relabeled {
            manifest.images[position].class = class;
        }
    }

    /// What a division must heed: `groups` by position, and what is not trained on.
    #[must_use]
    pub fn bonds(&self, manifest: &Manifest, groups: &[Vec<usize>]) -> Bonds {
        let path = |position: &usize| manifest.images[*position].path.clone();
        let together = groups.iter().map(|group| group.iter().map(path).collect());
        Bonds::new(together, self.excluded.iter().map(|(position, reason)| (path(position), reason.clone())))
    }
}

/// Looks images up, and notes what is not there.
struct Finder<'a> {
    images: BTreeMap<&'a str, (usize, &'a ImageRecord)>,
    stale: Vec<Stale>,
}

impl Finder<'_> {
    fn one(&mut self, table: &str, index: usize, seen: &Seen) -> Option<usize> {
        let Seen { path, sha256 } = seen;
        let Some(&(position, image)) = self.images.get(path.as_str()) else {
            self.report(table, index, format!("`{path}` is not in the data set"));
            return None;
        };
        let digest = image.digest.to_string();
        if digest.starts_with(&sha256.to_ascii_lowercase()) {
            return Some(position);
        }
        let short = image.digest.short();
        self.report(
            table,
            index,
            format!(
                "`{path}` changed since it was decided on: its SHA-256 began with {sha256}, and begins with {short}"
            ),
        );
        None
    }

    /// All of the images, or none.
    fn several(&mut self, table: &str, index: usize, entry: &Several) -> Option<Vec<usize>> {
        let found: Vec<Option<usize>> = entry.images.iter().map(|image| self.one(table, index, image)).collect();
        let mut positions = found.into_iter().collect::<Option<Vec<usize>>>()?;
        positions.sort_unstable();
        Some(positions)
    }

    fn report(&mut self, table: &str, index: usize, problem: String) {
        self.stale.push(Stale { place: format!("{table}[{index}]"), problem });
    }
}
