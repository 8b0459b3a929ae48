//! A published work: what a method rests on, as a line to read, as words in a sentence and as a `BibTeX` entry's fields.

use serde::Serialize;

/// A published work, named by the table row of the method that it describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Work {
    pub key: &'static str,
    /// `BibTeX` type of the entry.
    pub kind: &'static str,
    /// `BibTeX` list: last name first, joined by `and`.
    pub authors: &'static str,
    pub title: &'static str,
    /// Journal, proceedings or publisher.
    pub venue: &'static str,
    pub year: u16,
}

impl Work {
    /// Authors, year, title and venue.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{} ({}). {}. {}.", self.authors.replace(" and ", "; "), self.year, self.title, self.venue)
    }

    /// How a sentence cites it: `He et al. 2016`, `Loshchilov and Hutter 2017`.
    #[must_use]
    pub fn in_text(&self) -> String {
        let names: Vec<&str> =
            self.authors.split(" and ").map(|author| author.split(',').next().unwrap_or(author)).collect();
        match names.as_slice() {
            [only] => format!("{only} {}", self.year),
            [first, second] => format!("{first} and {second} {}", self.year),
            _ => format!("{} et al. {}", names[0], self.year),
        }
    }

    /// The `BibTeX` entry, one field a line.
    #[must_use]
    pub fn bibtex(&self) -> String {
        let Self { key, kind, authors, title, venue, year } = self;
        let field = venue_field(kind);
        format!(
            "@{kind}{{{key},\n  author = {{{authors}}},\n  title = {{{{{title}}}}},\n  {field} = {{{venue}}},\n  year = {{{year}}}\n}}\n"
        )
    }
}

/// The field that an entry of this kind has its venue in.
#[must_use]
pub fn venue_field(kind: &str) -> &'static str {
    match kind {
        "inproceedings" => "booktitle",
        "book" => "publisher",
        "misc" => "howpublished",
        _ => "journal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_names_up_to_two_authors() {
        let cited = |authors| {
            Work { key: "key", kind: "article", authors, title: "Title", venue: "Venue", year: 2016 }.in_text() //
        };
        assert_eq!(cited("Student"), "Student 2016");
        assert_eq!(cited("Loshchilov, Ilya and Hutter, Frank"), "Loshchilov and Hutter 2016");
        assert_eq!(cited("He, Kaiming and Zhang, Xiangyu and Ren, Shaoqing"), "He et al. 2016");
    }
}
