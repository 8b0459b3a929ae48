//! What a screen takes: its width, colors by the usual rules, links, and paragraphs that wrap between words.
//!
//! Texts are always styled; the streams of `anstream` take the styles out where they are not wanted: for a file or a pipe,
//! with `--color never`, with `NO_COLOR` (no-color.org) or `TERM=dumb`. `CLICOLOR_FORCE` and `--color always` keep them.

use std::ffi::OsStr;
use std::fmt::{Display, Write as _};
use std::io::IsTerminal as _;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use clap::ColorChoice;
use supports_hyperlinks::Stream;

/// Columns at most for paragraphs: longer lines are hard to read.
const MOST_COLUMNS: usize = 100;
/// Columns of paragraphs where nobody says how wide the screen is.
const COLUMNS: usize = 80;

/// A title, or what matters most in a line.
pub(super) const STRONG: Style = Style::new().bold();
/// What is there for those who look for it.
pub(super) const FAINT: Style = Style::new().dimmed();
pub(super) const ERROR: Style = AnsiColor::Red.on_default().bold();
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();

/// The text in a style.
pub(super) fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Obeys `--color`.
pub(super) fn use_color(choice: ColorChoice) {
    match choice {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    }
    .write_global();
}

/// What `--color` says, found before the arguments are parsed: help and errors of arguments obey it too.
pub(super) fn color_of(arguments: impl Iterator<Item = impl AsRef<OsStr>>) -> ColorChoice {
    let mut named = false;
    for argument in arguments {
        let Some(argument) = argument.as_ref().to_str() else { continue };
        let value = if named { Some(argument) } else { argument.strip_prefix("--color=") };
        if let Some(choice) = value.and_then(|value| value.parse().ok()) {
            return choice;
        }
        named = argument == "--color";
    }
    ColorChoice::Auto
}

/// Columns of the screen that standard output goes to; `COLUMNS` of the environment where it goes elsewhere, and nothing
/// where that is not set: a file has no width.
pub(super) fn columns() -> Option<usize> {
    if std::io::stdout().is_terminal() {
        return Some(console::Term::stdout().size_checked().map_or(COLUMNS, |(_, columns)| usize::from(columns)));
    }
    std::env::var("COLUMNS").ok()?.parse().ok().filter(|columns| *columns >= 20)
}

/// A paragraph, wrapped between words to the screen's width; later lines begin with `indent`. Not wrapped for a file.
pub(super) fn paragraph(text: &str, indent: &str) -> String {
    paragraph_within(text, indent, columns())
}

/// The same for a screen of so many columns.
pub(super) fn paragraph_within(text: &str, indent: &str, columns: Option<usize>) -> String {
    columns.map_or_else(|| text.to_owned(), |columns| wrapped(text, indent, columns.min(MOST_COLUMNS)))
}

/// A paragraph that the reader should know before they go on.
pub(super) fn warning_within(text: &str, columns: Option<usize>) -> String {
    paragraph_within(&format!("{} {text}", styled(WARNING, "warning:")), "  ", columns)
}

fn wrapped(text: &str, indent: &str, columns: usize) -> String {
    let options = textwrap::Options::new(columns)
        .subsequent_indent(indent)
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    // A number stays with its unit, and a name with its value.
    let held = text.replace(" %", "\u{a0}%").replace(" = ", "\u{a0}=\u{a0}");
    textwrap::fill(&held, options).replace('\u{a0}', " ")
}

/// A path that a terminal which can do so opens at a click (OSC 8).
pub(super) fn link(path: &Path) -> String {
    let shown = path.display().to_string();
    let colored = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
    match std::path::absolute(path) {
        Ok(path) if colored && supports_hyperlinks::on(Stream::Stdout) => {
            format!("\u{1b}]8;;{}\u{1b}\\{shown}\u{1b}]8;;\u{1b}\\", url(&path))
        }
        _ => shown,
    }
}

/// The `file:` URL of an absolute path (RFC 8089).
fn url(path: &Path) -> String {
    let mut url = "file://".to_owned();
    for byte in path.to_string_lossy().bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            url.push(byte.into());
        } else {
            let _infallible = write!(url, "%{byte:02X}");
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_color_is_found_before_the_arguments_are_parsed() {
        let of = |arguments: &[&str]| color_of(arguments.iter());
        assert_eq!(of(&["augtrial", "compare"]), ColorChoice::Auto);
        assert_eq!(of(&["augtrial", "--color", "never", "compare"]), ColorChoice::Never);
        assert_eq!(of(&["augtrial", "compare", "--color=always"]), ColorChoice::Always);
        assert_eq!(of(&["augtrial", "--color=purple"]), ColorChoice::Auto, "the parser complains of it");
    }

    #[test]
    fn paragraphs_wrap_between_words_and_links_are_urls() {
        assert_eq!(wrapped("one two three four five", "  ", 13), "one two three\n  four five");
        assert_eq!(wrapped("flip-and-crop 18.65 % at p = 0.8", "", 15), "flip-and-crop\n18.65 % at\np = 0.8");
        assert_eq!(url(Path::new("/a b/\u{e9}.html")), "file:///a%20b/%C3%A9.html");
    }
}
