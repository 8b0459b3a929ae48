//! The works that a report cites. The text asks here for every citation that it makes, and the list holds what was asked for:
//! the two cannot disagree. The works themselves stand in assets/works.bib, and in the rows of networks and transforms.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use augtrial_base::work::{Work, venue_field};

/// The bibliography, by key.
static WORKS: LazyLock<BTreeMap<&'static str, Work>> =
    LazyLock::new(|| parse(include_str!("../assets/works.bib")).into_iter().map(|work| (work.key, work)).collect());

/// What a text has cited so far.
#[derive(Debug, Default)]
pub(super) struct Citations(RefCell<BTreeMap<&'static str, Work>>);

impl Citations {
    /// Cites the work of this key of the bibliography.
    pub fn cite(&self, key: &str) -> String {
        // A key without an entry shows itself; a test holds that no row has one.
        WORKS.get(key).map_or_else(|| key.to_owned(), |work| self.cite_work(*work))
    }

    /// Cites a work that a row of another table carries.
    pub fn cite_work(&self, work: Work) -> String {
        self.0.borrow_mut().insert(work.key, work);
        work.in_text()
    }

    /// Every work cited, by key.
    pub fn list(self) -> Vec<Work> {
        self.0.into_inner().into_values().collect()
    }
}

/// Entries with one field a line, as [`Work::bibtex`] writes them.
fn parse(text: &'static str) -> Vec<Work> {
    let entry = |entry: &'static str| {
        let (kind, rest) = entry.split_once('{')?;
        let (key, fields) = rest.split_once(',')?;
        let field = |name: &str| {
            let line = fields.lines().find_map(|line| line.trim().strip_prefix(name)?.trim_start().strip_prefix("= "));
            Some(line?.trim_end_matches(',').trim_matches(['{', '}']))
        };
        let venue = field(venue_field(kind))?;
        Some(Work {
            key,
            kind,
            authors: field("author")?,
            title: field("title")?,
            venue,
            year: field("year")?.parse().ok()?,
        })
    };
    text.split("\n@").skip(1).filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bibliography_is_whole_sorted_and_reads_back() {
        let text = include_str!("../assets/works.bib");
        let works = parse(text);
        assert_eq!(works.len(), text.matches("\n@").count(), "every entry can be read");
        assert!(works.is_sorted_by(|a, b| a.key < b.key));
        let entries: Vec<String> = works.iter().map(Work::bibtex).collect();
        assert_eq!(text.split_once("\n\n").unwrap().1, entries.join("\n"));
    }

    #[test]
    fn every_key_that_a_row_names_has_an_entry() {
        for key in augtrial_compare::STATISTICS.iter().filter_map(|statistic| statistic.source) {
            assert!(WORKS.contains_key(key), "{key}");
        }
    }

    #[test]
    fn works_are_cited_by_their_authors_and_listed_once() {
        let cited = Citations::default();
        let short = ["student1908", "vargha2000", "paszke2019", "student1908"].map(|key| cited.cite(key));
        assert_eq!(short[..3], ["Student 1908", "Vargha and Delaney 2000", "Paszke et al. 2019"]);
        assert_eq!(
            cited.list().iter().map(|work| work.key).collect::<Vec<_>>(),
            ["paszke2019", "student1908", "vargha2000"]
        );
    }
}
