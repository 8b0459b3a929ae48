//! Errors that point into a text: file, line, the line itself with carets, and what to do instead.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

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

    /// The errors in colors, for a terminal that shows them.
    #[must_use]
    pub fn styled(&self) -> String {
        let mut text = String::new();
        self.render(&Renderer::styled(), &mut text).expect("a string takes all");
        text
    }

    fn render(&self, renderer: &Renderer, f: &mut dyn fmt::Write) -> fmt::Result {
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

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.render(&Renderer::plain(), f)
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_the_line_with_carets() {
        let item = Diagnostic::new("unknown key `sede`", Some(8..12)).help("did you mean `seed`?");
        let found = Diagnostics::new("a.toml", "[study]\nsede = 1\n", vec![item]);
        assert!(found.styled().contains('\u{1b}'));
        let shown = found.to_string();
        for part in ["unknown key `sede`", "a.toml:2:1", "sede = 1", "^^^^", "did you mean `seed`?"] {
            assert!(shown.contains(part), "{part} not in:\n{shown}");
        }
        assert!(!shown.contains('\u{1b}'), "plain where it is written to a file");
    }
}
