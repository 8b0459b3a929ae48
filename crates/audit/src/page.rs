//! The page of an audit: one file that holds all it shows. Findings stand one below the other, pictures side by side, and each can
//! be decided by a key; what is decided is written out as `decisions.toml` to save.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::{Value, json};

use augtrial_base::digest::Digest;
use augtrial_base::numbers::count;
use augtrial_base::text;
use augtrial_data::manifest::ImageRecord;

use crate::findings::straddle;
use crate::odd::Oddity;
use crate::signature::MeasureError;
use crate::thumbnail::{Thumbnail, thumbnails};
use crate::write::Subject;

const STYLE: &str = include_str!("../assets/audit.css");
const SCRIPT: &str = include_str!("../assets/audit.js");
/// Findings of one kind that the page shows; the tables have all.
const MOST_SHOWN: usize = 200;

/// A finding, ready to be shown.
struct FindingView {
    images: Vec<usize>,
    /// What was measured.
    note: String,
    /// A label is wrong for certain, or the pictures are in two parts.
    alarms: Vec<&'static str>,
    choices: Vec<Choice>,
}

/// What may be decided of a finding.
struct Choice {
    key: &'static str,
    title: String,
    /// The table of `decisions.toml`, the images, and the class of a new label.
    decision: Value,
}

/// Findings of one kind.
struct FindingKind {
    id: &'static str,
    title: &'static str,
    about: String,
    all: usize,
    shown: Vec<FindingView>,
}

/// The page, which shows pictures of what was found.
pub(crate) fn page(subject: &Subject<'_>) -> Result<String, MeasureError> {
    let kinds = kinds(subject);
    let wanted: BTreeSet<usize> =
        kinds.iter().flat_map(|kind| &kind.shown).flat_map(|shown| shown.images.clone()).collect();
    let pictures = thumbnails(&subject.site, &wanted.into_iter().collect::<Vec<_>>())?;
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

fn section(subject: &Subject<'_>, kind: &FindingKind, pictures: &BTreeMap<usize, Thumbnail>) -> Markup {
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
                        @for &image in &shown.images { (figure(subject, image, &pictures[&image])) }
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

fn kinds(subject: &Subject<'_>) -> Vec<FindingKind> {
    let found = subject.found;
    let mut kinds = vec![
        FindingKind {
            id: "same",
            title: "The same picture",
            about: "Files of equal bytes, or of other bytes and equal pixels. They stay in one part in any case where the bytes are equal."
                .to_owned(),
            all: found.same.len(),
            shown: found.same.iter().take(MOST_SHOWN).map(|same| same_shown(subject, same)).collect(),
        },
        FindingKind {
            id: "near",
            title: "Pictures that look alike",
            about: "First those whose classes differ or whose parts differ, then the most alike.".to_owned(),
            all: found.near.len(),
            shown: found.near.iter().take(MOST_SHOWN).map(|near| near_shown(subject, near)).collect(),
        },
        FindingKind {
            id: "labels",
            title: "Labels in doubt",
            about: "By confident learning from predictions for images that the model was not trained on. People confirm about half of \
                    such findings."
                .to_owned(),
            all: found.labels.len(),
            shown: found.labels.iter().take(MOST_SHOWN).map(|issue| label_shown(subject, issue)).collect(),
        },
    ];
    for oddity in Oddity::ALL {
        let odd = || found.odd.iter().filter(|odd| odd.oddity == oddity);
        let shown = |odd: &crate::findings::Odd| FindingView {
            images: vec![odd.image],
            note: format!("score {:.3}, below {}", odd.score, oddity.threshold()),
            alarms: Vec::new(),
            choices: vec![keep(subject, odd.image), exclude(subject, odd.image, "x", "Do not train on it")],
        };
        kinds.push(FindingKind {
            id: oddity.name().split(' ').next_back().unwrap_or_default(),
            title: oddity.name(),
            about: format!("Odd by itself: {}.", oddity.meaning()),
            all: odd().count(),
            shown: odd().take(MOST_SHOWN).map(shown).collect(),
        });
    }
    kinds.retain(|kind| kind.all > 0);
    kinds
}

fn same_shown(subject: &Subject<'_>, same: &crate::findings::Same) -> FindingView {
    let images = &subject.site.manifest.images;
    let of = |differ: &dyn Fn(&ImageRecord, &ImageRecord) -> bool| {
        same.images.iter().any(|&i| differ(&images[i], &images[same.images[0]]))
    };
    let mut alarms = Vec::new();
    alarms.extend(of(&|a, b| a.class != b.class).then_some("labels contradict"));
    alarms.extend(of(&|a, b| straddle(a, b)).then_some("in two parts"));
    let excluded = same.images.iter().take(9).zip(["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    let seen: Vec<Value> = same.images.iter().map(|&image| seen(subject, image)).collect();
    let known = Choice {
        key: "g",
        title: "Known: keep together".to_owned(),
        decision: json!({ "table": "group", "images": seen }),
    };
    let excluded = excluded.map(|(&image, key)| exclude(subject, image, key, &format!("Do not train on {key}")));
    let choices = std::iter::once(known).chain(excluded).collect();
    let note = if same.bytes { "equal bytes" } else { "equal pixels, other bytes" };
    FindingView { images: same.images.clone(), note: note.to_owned(), alarms, choices }
}

fn near_shown(subject: &Subject<'_>, near: &crate::findings::Near) -> FindingView {
    let pair = near.pair;
    let mut alarms = Vec::new();
    alarms.extend(near.contradicting.then_some("classes differ"));
    alarms.extend(near.straddling.then_some("in two parts"));
    let both = |table: &str, key: &'static str, title: &str| Choice {
        key,
        title: title.to_owned(),
        decision: json!({ "table": table, "images": [seen(subject, pair.a), seen(subject, pair.b)] }),
    };
    FindingView {
        images: vec![pair.a, pair.b],
        note: format!("{} of 256 bits differ, similarity {:.3}", pair.distance, pair.similarity),
        alarms,
        choices: vec![
            both("group", "g", "One thing: keep together"),
            both("distinct", "d", "Not the same"),
            exclude(subject, pair.a, "1", "Do not train on the left"),
            exclude(subject, pair.b, "2", "Do not train on the right"),
        ],
    }
}

fn label_shown(subject: &Subject<'_>, issue: &crate::labels::LabelIssue) -> FindingView {
    let class = |class: u32| text::reason(&subject.site.manifest.classes[class as usize]);
    let suggested = class(issue.suggested);
    FindingView {
        images: vec![issue.index],
        note: format!(
            "labeled {}, rather {suggested}: probability {:.3} of the label, margin {:.3}",
            class(issue.given),
            issue.self_confidence,
            issue.normalized_margin
        ),
        alarms: Vec::new(),
        choices: vec![
            Choice {
                key: "r",
                title: format!("It is {suggested}"),
                decision: json!({
                    "table": "relabel",
                    "class": subject.site.manifest.classes[issue.suggested as usize],
                    "images": [seen(subject, issue.index)],
                }),
            },
            keep(subject, issue.index),
            exclude(subject, issue.index, "x", "Do not train on it"),
        ],
    }
}

fn keep(subject: &Subject<'_>, image: usize) -> Choice {
    let decision = json!({ "table": "keep", "images": [seen(subject, image)] });
    Choice { key: "o", title: "Right as it is".to_owned(), decision }
}

fn exclude(subject: &Subject<'_>, image: usize, key: &'static str, title: &str) -> Choice {
    Choice { key, title: title.to_owned(), decision: json!({ "table": "exclude", "images": [seen(subject, image)] }) }
}

fn seen(subject: &Subject<'_>, image: usize) -> Value {
    let image = &subject.site.manifest.images[image];
    json!({ "path": image.path, "sha256": image.digest.short() })
}
