//! What the page of an audit shows of every kind of finding: which pictures, what was measured, what may be decided.

use serde_json::{Value, json};

use augtrial_base::text;
use augtrial_data::manifest::ImageRecord;

use crate::arms::ArmFinding;
use crate::findings::straddle;
use crate::odd::Oddity;
use crate::seen::{Alike, Outlier};
use crate::write::Subject;

/// Findings of one kind that the page shows; the tables have all.
const MOST_SHOWN: usize = 200;

/// A finding, ready to be shown.
pub(crate) struct FindingView {
    pub(crate) images: Vec<usize>,
    /// The picture that stands first and is not of the data set: a place among the findings about arms.
    pub(crate) of_arm: Option<usize>,
    /// What was measured.
    pub(crate) note: String,
    /// A label is wrong for certain, or the pictures are in two parts.
    pub(crate) alarms: Vec<&'static str>,
    pub(crate) choices: Vec<Choice>,
}

/// What may be decided of a finding.
pub(crate) struct Choice {
    pub(crate) key: &'static str,
    pub(crate) title: String,
    /// The table of `decisions.toml`, the images, and the class of a new label.
    pub(crate) decision: Value,
}

/// Findings of one kind.
pub(crate) struct FindingKind {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) about: String,
    pub(crate) all: usize,
    pub(crate) shown: Vec<FindingView>,
}

/// Every kind that was found, in the order of the page.
pub(crate) fn kinds(subject: &Subject<'_>) -> Vec<FindingKind> {
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
        FindingKind {
            id: "alike",
            title: "Pictures that a network finds alike",
            about: "Pairs with near hashes whose structure differs and whose features do not. They are in no group until somebody \
                    decides."
                .to_owned(),
            all: found.alike.len(),
            shown: found.alike.iter().take(MOST_SHOWN).map(|alike| alike_shown(subject, alike)).collect(),
        },
        FindingKind {
            id: "apart",
            title: "Pictures that stand apart",
            about: "The ten nearest others, by a network's features, are far away for this data set.".to_owned(),
            all: found.outliers.len(),
            shown: found.outliers.iter().take(MOST_SHOWN).map(|outlier| outlier_shown(subject, outlier)).collect(),
        },
    ];
    for oddity in Oddity::ALL {
        let odd = || found.odd.iter().filter(|odd| odd.oddity == oddity);
        let shown = |odd: &crate::findings::Odd| FindingView {
            images: vec![odd.image],
            of_arm: None,
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
    kinds.extend(of_arms(subject));
    kinds.retain(|kind| kind.all > 0);
    kinds
}

/// Questions about images of arms: nothing is decided about single ones, but arms can be gated.
fn of_arms(subject: &Subject<'_>) -> Vec<FindingKind> {
    let found = &subject.found.arms;
    let mut kinds: Vec<FindingKind> = Vec::new();
    for (place, finding) in found.iter().enumerate() {
        let title = finding.question.name();
        if kinds.last().is_none_or(|kind| kind.title != title) {
            kinds.push(FindingKind {
                id: finding.question.id(),
                title,
                about: finding.question.about().to_owned(),
                all: 0,
                shown: Vec::new(),
            });
        }
        let kind = kinds.last_mut().expect("one was just added");
        kind.all += 1;
        if kind.shown.len() < MOST_SHOWN {
            kind.shown.push(arm_shown(place, finding));
        }
    }
    kinds
}

fn arm_shown(place: usize, finding: &ArmFinding) -> FindingView {
    FindingView {
        images: finding.source.into_iter().chain(finding.other).collect(),
        of_arm: Some(place),
        note: format!("{}: {}", text::reason(&finding.arm), text::reason(&finding.note)),
        alarms: Vec::new(),
        choices: Vec::new(),
    }
}

/// What is alarming about two pictures that look alike.
fn pair_alarms(contradicting: bool, straddling: bool) -> Vec<&'static str> {
    let alarms = [contradicting.then_some("classes differ"), straddling.then_some("in two parts")];
    alarms.into_iter().flatten().collect()
}

fn alike_shown(subject: &Subject<'_>, alike: &Alike) -> FindingView {
    FindingView {
        images: vec![alike.a, alike.b],
        of_arm: None,
        note: format!("{} of 256 bits differ, cosine of features {:.3}", alike.distance, alike.cosine),
        alarms: pair_alarms(alike.contradicting, alike.straddling),
        choices: pair_choices(subject, alike.a, alike.b),
    }
}

fn outlier_shown(subject: &Subject<'_>, outlier: &Outlier) -> FindingView {
    FindingView {
        images: vec![outlier.image],
        of_arm: None,
        note: format!("mean distance {:.3}, above {:.3}", outlier.distance, outlier.threshold),
        alarms: Vec::new(),
        choices: vec![keep(subject, outlier.image), exclude(subject, outlier.image, "x", "Do not train on it")],
    }
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
    FindingView { images: same.images.clone(), of_arm: None, note: note.to_owned(), alarms, choices }
}

fn near_shown(subject: &Subject<'_>, near: &crate::findings::Near) -> FindingView {
    let pair = near.pair;
    FindingView {
        images: vec![pair.a, pair.b],
        of_arm: None,
        note: format!("{} of 256 bits differ, similarity {:.3}", pair.distance, pair.similarity),
        alarms: pair_alarms(near.contradicting, near.straddling),
        choices: pair_choices(subject, pair.a, pair.b),
    }
}

/// What may be decided of two pictures.
fn pair_choices(subject: &Subject<'_>, a: usize, b: usize) -> Vec<Choice> {
    let both = |table: &str, key: &'static str, title: &str| Choice {
        key,
        title: title.to_owned(),
        decision: json!({ "table": table, "images": [seen(subject, a), seen(subject, b)] }),
    };
    vec![
        both("group", "g", "One thing: keep together"),
        both("distinct", "d", "Not the same"),
        exclude(subject, a, "1", "Do not train on the left"),
        exclude(subject, b, "2", "Do not train on the right"),
    ]
}

fn label_shown(subject: &Subject<'_>, issue: &crate::labels::LabelIssue) -> FindingView {
    let class = |class: u32| text::reason(&subject.site.manifest.classes[class as usize]);
    let suggested = class(issue.suggested);
    FindingView {
        images: vec![issue.index],
        of_arm: None,
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
