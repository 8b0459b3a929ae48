//! Errors that point into a text: file, line, the line itself with carets, and what to do instead.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// How alike two names must be for one to be suggested for the other (Jaro-Winkler, 0 to 1).
const SUGGESTION_THRESHOLD: f64 = 0.8;

/// One error, with the place it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, as a lower-case fragment.
    pub message: String,
    /// Byte range in the text; absent if the error is about the file as a whole.
    pub span: Option<Range<usize>>,
    /// What to do instead.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error about `span`.
    #[must_use]
    pub fn new(message: impl Into<String>, span: Option<Range<usize>>) -> Self {
        Self { message: message.into(), span, help: None }
    }

    /// Adds what to do instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Every error found in one text, in the order of their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    name: String,
    text: String,
    items: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Errors about `text`, which is shown under `name`.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>, mut items: Vec<Diagnostic>) -> Self {
        items.sort_by_key(|item| item.span.as_ref().map_or(0, |span| span.start));
        Self { name: name.into(), text: text.into(), items }
    }

    /// The errors.
    #[must_use]
    pub fn items(&self) -> &[Diagnostic] {
        &self.items
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let renderer = Renderer::plain();
        for (index, item) in self.items.iter().enumerate() {
            if index > 0 {
                writeln!(f, "\n")?;
            }
            let title = Level::ERROR.primary_title(item.message.as_str());
            let mut snippet = Snippet::source(self.text.as_str()).path(self.name.as_str());
            let end = self.text.len();
            if let Some(span) = &item.span {
                let span = span.start.min(end)..span.end.min(end);
                snippet = snippet.annotation(AnnotationKind::Primary.span(span));
            }
            let mut group = title.element(snippet);
            if let Some(help) = &item.help {
                group = group.element(Level::HELP.message(help.as_str()));
            }
            write!(f, "{}", renderer.render(&[group]))?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// The candidate that `word` was most likely meant to be, if one is near enough.
#[must_use]
pub fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= SUGGESTION_THRESHOLD)
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_the_line_with_carets() {
        let item = Diagnostic::new("unknown key `sede`", Some(8..12)).help("did you mean `seed`?");
        let shown = Diagnostics::new("a.toml", "[study]\nsede = 1\n", vec![item]).to_string();
        for part in ["unknown key `sede`", "a.toml:2:1", "sede = 1", "^^^^", "did you mean `seed`?"] {
            assert!(shown.contains(part), "{part} not in:\n{shown}");
        }
    }

    #[test]
    fn only_near_names_are_suggested() {
        assert_eq!(suggest("horizontl_flip", ["vertical_flip", "horizontal_flip"]), Some("horizontal_flip"));
        assert_eq!(suggest("xyz", ["vertical_flip", "horizontal_flip"]), None);
    }
}
