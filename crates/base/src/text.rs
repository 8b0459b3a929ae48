//! Text that is not ours (names of classes and files, reasons, answers of other programs) made safe for where it is shown:
//! one function per medium.
//!
//! Everywhere, characters that steer instead of being read (escape sequences, other controls, overrides of the reading
//! direction) become visible as `\u{1b}`, line breaks become blanks, and the length is bounded. What is left is then escaped
//! for its medium.
//!
//! | medium | function | who calls it |
//! |---|---|---|
//! | terminal | [`terminal`] for a name in a line or cell, [`screen`] for all that is written, [`json`] for `--json` | `cli::output`, `cli::table`, `base::progress` |
//! | a view of the report, the audit's page | [`reason`] | `report::view`, `report::gallery`, `audit::page` |
//! | HTML | [`html`]; `maud` escapes markup of views | `report::html`, `report::markdown` |
//! | SVG, PNG and PDF figures | [`svg`], [`visible`] | `report::figures` |
//! | Markdown | [`markdown`] | `report::markdown` |
//! | LaTeX | [`latex`] | `report::tables` |
//! | CSV | [`csv`] | `tables::write` |
//! | a command to be read and run | [`shell`], which changes nothing but quotes | `study::places`, `cli::seeds` |

use std::borrow::Cow;
use std::fmt::Write as _;

/// Characters of a reason, a name or a title that a report shows; the rest is counted.
pub const MAX_REASON_CHARS: usize = 500;

/// Characters that any medium takes; no paragraph of a report is longer.
const MAX_CHARS: usize = 5_000;

/// The text, cut after `max` characters with the number of those that follow.
#[must_use]
pub fn cap(text: &str, max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(max) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}… ({} more characters)", &text[..end], text[end..].chars().count())),
    }
}

/// The text as one line without anything that steers a reader or a program, not escaped for any medium.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(|character| steers(character) || is_break(character)) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            _ if is_break(character) => shown.push(' '),
            _ if steers(character) => shown.extend(character.escape_unicode()),
            _ => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

/// A name or reason from elsewhere for a view: visible, and no longer than [`MAX_REASON_CHARS`].
#[must_use]
pub fn reason(text: &str) -> String {
    visible(&cap(text, MAX_REASON_CHARS)).into_owned()
}

/// For a terminal.
#[must_use]
pub fn terminal(text: &str) -> String {
    bounded(text).into_owned()
}

/// For a terminal, of everything that is written to it: lines, tabs, and the styles and links to files that this program
/// writes (SGR, OSC 8) stay; whatever else steers a terminal becomes visible. The length is not bounded.
#[must_use]
pub fn screen(text: &str) -> Cow<'_, str> {
    let hidden = |character| steers(character) && !matches!(character, '\n' | '\t');
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, character)) = rest.char_indices().find(|(_, character)| hidden(*character)) {
        let (plain, steering) = rest.split_at(at);
        shown.push_str(plain);
        let own = own_sequence(steering);
        match own {
            Some(bytes) => shown.push_str(&steering[..bytes]),
            None => shown.extend(character.escape_unicode()),
        }
        rest = &steering[own.unwrap_or(character.len_utf8())..];
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// The length of a style or of a link to a file at the beginning of a text, in bytes.
fn own_sequence(text: &str) -> Option<usize> {
    if let Some(style) = text.strip_prefix("\u{1b}[") {
        let digits = style.find(|character: char| !matches!(character, '0'..='9' | ';'))?;
        return style[digits..].starts_with('m').then_some(text.len() - style.len() + digits + 1);
    }
    let link = text.strip_prefix("\u{1b}]8;;")?;
    let end = link.find("\u{1b}\\")?;
    let url = &link[..end];
    let is_ours = url.is_empty() || url.starts_with("file://") && url.bytes().all(|byte| byte.is_ascii_graphic());
    is_ours.then_some(text.len() - link.len() + end + 2)
}

/// JSON that a terminal may show: what steers one stands only in strings, and is written as `\u009b` there.
#[must_use]
pub fn json(json: &str) -> Cow<'_, str> {
    let hidden = |character| steers(character) && !matches!(character, '\n' | '\t' | '\r');
    if !json.contains(hidden) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        if hidden(character) {
            let _infallible = write!(shown, "\\u{:04x}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// For the text of an HTML element or a quoted attribute.
#[must_use]
pub fn html(text: &str) -> String {
    escaped(text, |character| match character {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        '\'' => Some("&#39;"),
        _ => None,
    })
}

/// For an SVG document's text or a quoted attribute: as HTML, and without the code points that XML 1.0 does not allow.
#[must_use]
pub fn svg(text: &str) -> String {
    html(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

/// For Markdown, in a table as well.
#[must_use]
pub fn markdown(text: &str) -> String {
    escaped(text, |character| match character {
        '\\' => Some("\\\\"),
        '`' => Some("\\`"),
        '*' => Some("\\*"),
        '_' => Some("\\_"),
        '[' => Some("\\["),
        ']' => Some("\\]"),
        '<' => Some("\\<"),
        '>' => Some("\\>"),
        '|' => Some("\\|"),
        '#' => Some("\\#"),
        '~' => Some("\\~"),
        _ => None,
    })
}

/// For LaTeX in text mode.
#[must_use]
pub fn latex(text: &str) -> String {
    escaped(text, |character| match character {
        '&' => Some("\\&"),
        '%' => Some("\\%"),
        '$' => Some("\\$"),
        '#' => Some("\\#"),
        '_' => Some("\\_"),
        '{' => Some("\\{"),
        '}' => Some("\\}"),
        '\\' => Some("\\textbackslash{}"),
        '~' => Some("\\textasciitilde{}"),
        '^' => Some("\\textasciicircum{}"),
        '<' => Some("\\textless{}"),
        '>' => Some("\\textgreater{}"),
        '\u{2212}' => Some("$-$"),
        '±' => Some("$\\pm$"),
        '—' => Some("---"),
        '\u{2191}' => Some("$\\uparrow$"),
        '\u{2193}' => Some("$\\downarrow$"),
        _ => None,
    })
}

/// For a text cell of a CSV table: what a spreadsheet would take for a formula gets a leading apostrophe. Quoting is the CSV
/// writer's.
#[must_use]
pub fn csv(text: &str) -> Cow<'_, str> {
    let text = bounded(text);
    if text.starts_with(['=', '+', '-', '@']) { Cow::Owned(format!("'{text}")) } else { text }
}

/// For a command line of a POSIX shell: one word, the same byte for byte, quoted where it must be. For commands and scripts that
/// are to be run, so that nothing is cut or made visible.
#[must_use]
pub fn shell(word: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=:,@%+".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', "'\\''")))
    }
}

fn bounded(text: &str) -> Cow<'_, str> {
    match cap(text, MAX_CHARS) {
        Cow::Borrowed(text) => visible(text),
        Cow::Owned(text) => Cow::Owned(visible(&text).into_owned()),
    }
}

fn escaped(text: &str, escape: impl Fn(char) -> Option<&'static str>) -> String {
    let text = bounded(text);
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match escape(character) {
            Some(escape) => out.push_str(escape),
            None => {
                let _infallible = out.write_char(character);
            }
        }
    }
    out
}

fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\t' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Controls, and marks that change the reading direction (Unicode Standard Annex 9) or that nobody sees.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    type Show = fn(&str) -> String;

    const MEDIA: [(&str, Show); 6] = [
        ("terminal", terminal),
        ("html", html),
        ("svg", svg),
        ("markdown", markdown),
        ("latex", latex),
        ("csv", |text| csv(text).into_owned()),
    ];

    #[test]
    fn no_medium_lets_a_control_or_a_change_of_direction_through() {
        let hostile = "a\u{1b}[31mred\u{7}\u{9b}2J\0 b\u{202e}gnp.exe\u{2066}x\u{200f}y\r\nz";
        for (medium, show) in MEDIA {
            let shown = show(hostile);
            assert!(!shown.contains(|c: char| c.is_control() || steers(c)), "{medium}: {shown:?}");
            for part in ["1b", "202e", "red", "gnp.exe"] {
                assert!(shown.contains(part), "{medium} shows {part}: {shown:?}");
            }
            assert!(shown.contains("  z"), "{medium}: {shown:?}");
        }
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(shell("experiments/a.toml"), "experiments/a.toml");
        assert_eq!(shell("budget={ updates = 6 }"), "'budget={ updates = 6 }'");
        assert_eq!(shell("it's"), "'it'\\''s'");
        assert_eq!(shell(""), "''");
    }

    #[test]
    fn a_text_of_any_length_is_cut_and_its_rest_counted() {
        let long = "x".repeat(100_000);
        for (medium, show) in MEDIA {
            let shown = show(&long);
            assert!(shown.len() < 6_000 && shown.contains("95000 more characters"), "{medium}: {} bytes", shown.len());
        }
        assert_eq!(cap("äöü", 2), "äö… (1 more characters)");
        assert_eq!(cap("äöü", 3), "äöü");
        assert!(reason(&long).chars().count() < 540);
    }

    #[test]
    fn a_terminal_gets_the_styles_and_links_of_this_program_and_no_other_sequence() {
        let own = "\u{1b}[1mname\u{1b}[0m\tx\n\u{1b}]8;;file:///a%20b\u{1b}\\a b\u{1b}]8;;\u{1b}\\ é 👩\u{200d}🔬";
        assert_eq!(screen(own), own);
        for hostile in [
            "\u{1b}[2J",
            "\u{1b}[1",
            "\u{1b}]0;title\u{7}",
            "\u{1b}]8;;https://evil.example\u{1b}\\x",
            "\u{1b}]8;;file://a\u{7}b\u{1b}\\x",
            "\u{1b}c",
            "\u{9b}2J",
            "a\rb",
            "\u{202e}gnp",
            "\u{1b}",
        ] {
            let shown = screen(hostile);
            assert!(!shown.contains(steers), "{hostile:?}: {shown:?}");
            assert!(shown.contains("\\u{"), "{hostile:?}: {shown:?}");
        }
    }

    #[test]
    fn json_for_a_terminal_is_the_same_value() {
        let value = serde_json::json!({ "a\u{9b}b": ["\u{202e}x\u{1b}[2J\n", 1, "é👩\u{200d}🔬"] });
        for text in [value.to_string(), format!("{value:#}")] {
            let shown = json(&text);
            assert!(!shown.contains(|character| steers(character) && character != '\n'), "{shown:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        }
    }

    #[test]
    fn letters_of_every_script_and_emoji_stay_as_they_are() {
        let text = "плата 玻璃 زجاج é 👩\u{200d}🔬🏽";
        for (medium, show) in MEDIA {
            assert_eq!(show(text), text, "{medium}");
        }
    }

    #[test]
    fn markup_of_each_medium_is_text_in_it() {
        assert_eq!(html("<b a=\"'&\">"), "&lt;b a=&quot;&#39;&amp;&quot;&gt;");
        assert_eq!(markdown("a|b <script> *x*\n# y"), "a\\|b \\<script\\> \\*x\\* \\# y");
        assert_eq!(
            latex("\\input{x}^~<>−"),
            "\\textbackslash{}input\\{x\\}\\textasciicircum{}\\textasciitilde{}\\textless{}\\textgreater{}$-$"
        );
        assert_eq!(
            ["=1+1", "+1", "-1", "@x", "a=b"].map(|text| csv(text).into_owned()),
            ["'=1+1", "'+1", "'-1", "'@x", "a=b"]
        );
        assert_eq!(svg("\u{ffff}"), "\u{fffd}");
    }
}
