//! A design's report as Markdown and as one HTML file that needs no network and runs no program.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::DesignView;
use crate::figures::font_faces;
use crate::html::{self, STYLE};
use crate::markdown::{table_lines, term_lines};
use augtrial_base::digest::Digest;
use augtrial_base::text::markdown as escape;

const SYNTHETIC: &str = "Synthetic data. A renderer made these images; they are not photographs.";

pub(super) fn markdown(view: &DesignView<'_>) -> String {
    let mut blocks = vec![format!("# {}", escape(view.heading.title))];
    blocks.extend(view.heading.question.map(|question| format!("*{}*", escape(question))));
    if view.heading.synthetic {
        blocks.push(format!("> {SYNTHETIC}"));
    }
    let list = |lines: &[String]| lines.iter().map(|line| format!("- {}", escape(line))).collect::<Vec<_>>().join("\n");
    blocks.extend(["## Answer".to_owned(), list(&view.answers)]);
    for figure in &view.figures {
        let (name, caption) = (&figure.name, escape(&figure.caption));
        blocks.push(format!("![{caption}](figures/{name}.png)"));
        blocks.push(format!("*{caption}* ([SVG](figures/{name}.svg), [PDF](figures/{name}.pdf))"));
    }
    for table in view.tables.iter().filter(|table| !table.rows.is_empty()) {
        blocks.push(format!("**{}**", escape(&table.caption)));
        blocks.push(table_lines(table));
    }
    blocks.extend(["## What holds of every number".to_owned(), list(&view.limits)]);
    blocks.extend(["## Provenance".to_owned(), term_lines(&view.provenance)]);
    blocks.retain(|block| !block.is_empty());
    blocks.join("\n\n") + "\n"
}

pub(super) fn html(view: &DesignView<'_>) -> String {
    let style = format!("{}\n{}\n{STYLE}", font_faces(true), augtrial_web::css());
    let hash = STANDARD.encode(Digest::of_bytes(style.as_bytes()).as_bytes());
    let policy =
        format!("default-src 'none'; font-src data:; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'");
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (view.heading.title) }
                style { (PreEscaped(style.as_str())) }
            }
            body { (body(view)) }
        }
    }
    .into_string()
}

fn body(view: &DesignView<'_>) -> Markup {
    html! {
        a.skip href="#answer" { "Skip to the answer" }
        header.top {
            h1 { (view.heading.title) }
            @if let Some(question) = view.heading.question { p.question { (question) } }
            @if view.heading.synthetic { p.banner role="note" { (SYNTHETIC) } }
        }
        main {
            section id="answer" aria-labelledby="answer-title" {
                h2 id="answer-title" { "Answer" }
                ul.answers { @for answer in &view.answers { li { (answer) } } }
                @for figure in &view.figures {
                    figure id={ "figure-" (figure.name) } {
                        div.scroll tabindex="0" role="group" aria-label=(figure.caption) { (PreEscaped(&figure.element)) }
                        figcaption { (figure.caption) }
                    }
                }
            }
            section id="tables" aria-labelledby="tables-title" {
                h2 id="tables-title" { "Cells and effects" }
                @for table in view.tables.iter().filter(|table| !table.rows.is_empty()) { (html::table(table)) }
            }
            section id="limits" aria-labelledby="limits-title" {
                h2 id="limits-title" { "What holds of every number" }
                ul { @for limit in &view.limits { li { (limit) } } }
            }
            section id="provenance" aria-labelledby="provenance-title" {
                h2 id="provenance-title" { "Provenance" }
                (html::terms(&view.provenance))
            }
        }
        footer { p { "Design " code { (view.heading.name) } ", reported by augtrial. This file holds everything that it shows." } }
    }
}
