//! The frame of the page: what may run in it, its head, and its sections.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{blocks, data};
use crate::document::{self, Section};
use crate::figures::{self, Drawings};
use crate::format::{ReportError, ReportFile, ReportFormat};
use crate::view::StudyView;
use augtrial_base::digest::Digest;

/// Renders `report.html`.
#[derive(Clone, Copy, Debug)]
pub struct Html;

pub(crate) const STYLE: &str = include_str!("../../assets/report/report.css");
/// Before the first paint: the theme that the reader chose.
const EARLY: &str = include_str!("../../assets/report/theme.js");
const SCRIPT: &str = include_str!("../../assets/report/report.js");

/// The programs of the page: the curves' and its own.
fn script() -> String {
    format!("{}\n{SCRIPT}", augtrial_web::CURVES_JS)
}

impl ReportFormat for Html {
    fn name(&self) -> &'static str {
        "html"
    }

    fn files(&self, view: &StudyView, drawings: &Drawings) -> Result<Vec<ReportFile>, ReportError> {
        let bytes = render(view, drawings).into_string().into_bytes();
        Ok(vec![ReportFile { path: "report.html".to_owned(), bytes }])
    }
}

fn render(view: &StudyView, drawings: &Drawings) -> Markup {
    let sections = document::sections(view);
    let bodies: Vec<Markup> = sections.iter().map(|section| body(section, view, drawings)).collect();
    let style = format!("{}\n{}\n{STYLE}", figures::font_faces(true), augtrial_web::css());
    let script = script();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy(&style, &script));
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (view.title) }
                style { (PreEscaped(style.as_str())) }
                script { (PreEscaped(EARLY)) }
            }
            body {
                a.skip href="#answer" { "Skip to the answer" }
                (header(view))
                (contents(&sections))
                main {
                    @for (section, body) in sections.iter().zip(&bodies) {
                        section id=(section.id) aria-labelledby={ (section.id) "-title" } {
                            h2 id={ (section.id) "-title" } { (section.title) }
                            (body)
                        }
                    }
                }
                (footer(view))
                (viewer())
                script type="application/json" id="curve-data" { (PreEscaped(data::curves(view))) }
                script { (PreEscaped(script.as_str())) }
            }
        }
    }
}

fn body(section: &Section, view: &StudyView, drawings: &Drawings) -> Markup {
    html! { @for block in &section.blocks { (blocks::block(block, view, drawings)) } }
}

fn header(view: &StudyView) -> Markup {
    html! {
        header.top {
            h1 { (view.title) }
            @if let Some(question) = &view.question { p.question { (question) } }
            @for fact in &view.banner {
                @let text = fact.text();
                @let (head, rest) = text.split_once(". ").unwrap_or((&text, ""));
                p.banner role="note" { strong { (head) "." } " " (rest) }
            }
        }
    }
}

fn contents(sections: &[Section]) -> Markup {
    html! {
        nav aria-label="Contents" {
            ul { @for section in sections { li { a href={ "#" (section.id) } { (section.title) } } } }
        }
    }
}

fn footer(view: &StudyView) -> Markup {
    html! {
        footer {
            p { "Study " code { (view.name) } ", reported by augtrial. This file holds everything that it shows." }
        }
    }
}

/// Where pictures are enlarged; closed until asked for.
fn viewer() -> Markup {
    html! {
        dialog id="viewer" aria-labelledby="viewer-title" {
            h2 id="viewer-title" { "Source and result" }
            div.pair {
                figure { img id="viewer-source" alt="" src=(BLANK); figcaption { "Source" } }
                figure id="viewer-result-box" { img id="viewer-result" alt="" src=(BLANK); figcaption id="viewer-caption" { "Result" } }
            }
            p id="viewer-asked" {}
            p.controls {
                button type="button" id="viewer-previous" { "Previous" }
                " "
                button type="button" id="viewer-next" { "Next" }
                " "
                button type="button" id="viewer-close" { "Close" }
            }
        }
    }
}

/// A transparent pixel.
const BLANK: &str = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";

/// Nothing but what is in the file: the style sheet and the two programs by their digests, pictures and fonts as data.
fn policy(style: &str, script: &str) -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Digest::of_bytes(text.as_bytes()).as_bytes()));
    format!(
        "default-src 'none'; img-src data:; font-src data:; style-src {}; script-src {} {}; base-uri 'none'; form-action 'none'",
        hash(style),
        hash(EARLY),
        hash(script)
    )
}
