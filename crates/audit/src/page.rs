//! The page of an audit: one file that holds all it shows. Findings stand one below the other, pictures side by side, and each can
//! be decided by a key; what is decided is written out as `decisions.toml` to save.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use augtrial_base::digest::Digest;
use augtrial_base::numbers::count;
use augtrial_base::text;

use crate::kinds::{FindingKind, FindingView, kinds};
use crate::signature::MeasureError;
use crate::thumbnail::{Thumbnail, thumbnails, thumbnails_of};
use crate::write::Subject;

const STYLE: &str = include_str!("../assets/audit.css");
const SCRIPT: &str = include_str!("../assets/audit.js");
/// The page, which shows pictures of what was found.
pub(crate) fn page(subject: &Subject<'_>) -> Result<String, MeasureError> {
    let kinds = kinds(subject);
    let wanted: BTreeSet<usize> =
        kinds.iter().flat_map(|kind| &kind.shown).flat_map(|shown| shown.images.clone()).collect();
    let pictures = Pictures::of(subject, &kinds, &wanted.into_iter().collect::<Vec<_>>())?;
    let title = format!("Audit of {}", text::reason(subject.name));
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header { h1 { (title) } (summary(subject, &kinds)) }
                main {
                    @for kind in &kinds { (section(subject, kind, &pictures)) }
                }
                (decisions())
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    Ok(markup.into_string())
}

/// The pictures that the page shows.
struct Pictures {
    /// By position in the manifest.
    of_data: BTreeMap<usize, Thumbnail>,
    /// By place among the findings about arms.
    of_arms: BTreeMap<usize, Thumbnail>,
}

impl Pictures {
    fn of(subject: &Subject<'_>, kinds: &[FindingKind], wanted: &[usize]) -> Result<Self, MeasureError> {
        let places: Vec<usize> =
            kinds.iter().flat_map(|kind| &kind.shown).filter_map(|shown: &FindingView| shown.of_arm).collect();
        let files: Vec<_> = places.iter().map(|&place| subject.found.arms[place].picture()).collect();
        let of_arms = thumbnails_of(&files, subject.site.max_pixels)?;
        Ok(Self { of_data: thumbnails(&subject.site, wanted)?, of_arms: places.into_iter().zip(of_arms).collect() })
    }
}

/// Nothing but what is in the file: style and program by their digests, pictures as data.
fn policy() -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Digest::of_bytes(text.as_bytes()).as_bytes()));
    format!(
        "default-src 'none'; img-src data:; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

fn summary(subject: &Subject<'_>, kinds: &[FindingKind]) -> Markup {
    let (manifest, found, reach) = (subject.site.manifest, subject.found, subject.survey.reach);
    html! {
        p {
            (count(manifest.images.len() as u64)) " images in " (manifest.classes.len()) " classes. Two images look alike if at most "
            (reach.radius) " of the 256 bits of their hashes differ and their structural similarity is at least "
            (reach.similarity) " in every color channel. "
            (count(found.unconfirmed as u64)) " more pairs had near hashes and were not confirmed."
        }
        p { "A finding is a question. Nothing is removed because of it; what you decide goes into " code { "decisions.toml" } " below." }
        ul.contents {
            @for kind in kinds { li { a href={ "#" (kind.id) } { (kind.title) } " " (count(kind.all as u64)) } }
            @if found.decided > 0 { li { "Decided before, not shown: " (count(found.decided as u64)) } }
        }
        @if !subject.stale.is_empty() {
            div.stale role="note" {
                strong { "Decisions that fit no longer. A run refuses them: look again, then correct or remove them." }
                ul { @for stale in subject.stale { li { code { (stale.place) } ": " (text::reason(&stale.problem)) } } }
            }
        }
        p.keys { kbd { "j" } " " kbd { "k" } " next and previous finding; the key on a button decides; again takes back." }
    }
}

fn section(subject: &Subject<'_>, kind: &FindingKind, pictures: &Pictures) -> Markup {
    html! {
        section id=(kind.id) {
            h2 { (kind.title) " " span.count { (count(kind.all as u64)) } }
            p { (kind.about) }
            @if kind.shown.len() < kind.all {
                p { "The first " (kind.shown.len()) " are shown; " code { "findings.csv" } " has all." }
            }
            @for (rank, shown) in kind.shown.iter().enumerate() {
                article.finding tabindex="0" aria-label={ (kind.title) " " (rank + 1) } {
                    div.pictures {
                        @if let Some(place) = shown.of_arm { (arm_figure(subject, place, &pictures.of_arms[&place])) }
                        @for &image in &shown.images { (figure(subject, image, &pictures.of_data[&image])) }
                    }
                    p.note {
                        span.rank { (rank + 1) } " " (shown.note)
                        " " @for alarm in &shown.alarms { strong.alarm { (alarm) } }
                    }
                    p.choices {
                        @for choice in &shown.choices {
                            button type="button" data-key=(choice.key) data-decision=(choice.decision.to_string()) aria-pressed="false" {
                                (choice.title) " " kbd { (choice.key) }
                            }
                            " "
                        }
                    }
                }
            }
        }
    }
}

/// The picture of a finding about an arm, which is not in the data set.
fn arm_figure(subject: &Subject<'_>, place: usize, picture: &Thumbnail) -> Markup {
    let finding = &subject.found.arms[place];
    html! {
        figure {
            img src=(picture.source) width=(picture.width_px) height=(picture.height_px) alt=(text::reason(&finding.image)) loading="lazy";
            figcaption {
                strong { (text::reason(&subject.site.manifest.classes[finding.class as usize])) } ", " (text::reason(&finding.arm))
                br;
                span.path { (text::reason(&finding.image)) }
            }
        }
    }
}

fn figure(subject: &Subject<'_>, position: usize, picture: &Thumbnail) -> Markup {
    let manifest = subject.site.manifest;
    let image = &manifest.images[position];
    let class = text::reason(&manifest.classes[image.class as usize]);
    html! {
        figure {
            img src=(picture.source) width=(picture.width_px) height=(picture.height_px) alt=(text::reason(&image.path)) loading="lazy";
            figcaption {
                strong { (class) }
                @if let Some(split) = image.split { ", " (split.name()) }
                br;
                span.path { (text::reason(&image.path)) }
            }
        }
    }
}

fn decisions() -> Markup {
    html! {
        aside id="decisions" aria-labelledby="decisions-title" {
            h2 id="decisions-title" { "decisions.toml " span id="decided" role="status" {} }
            p {
                label { "Author " input id="author" autocomplete="name"; } " "
                label { "Reason " input id="reason" value="looked at in the audit"; } " "
                button type="button" id="save" { "Save" }
            }
            textarea id="toml" readonly rows="3" aria-label="The decisions, to copy" {}
            p { "Put the file beside the experiment and name it: " code { "[audit] decisions = \"decisions.toml\"" } }
        }
    }
}
