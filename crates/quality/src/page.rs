//! The page of a study's quality: one file that holds all it shows. The table, coverage beside gain, and pictures to look at.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use augtrial_base::digest::Digest;
use augtrial_base::numbers::count;
use augtrial_base::text;
use augtrial_web::{arm_line, css};

use crate::result::{QualityRow, RowSubject, SetGallery, SetQuality, ShownImage};
use crate::table::MEASURES;

const STYLE: &str = include_str!("../assets/quality.css");

/// The scatter: its size and the room for its axes, px.
const PLOT_PX: (f64, f64) = (640.0, 360.0);
const MARGIN_PX: (f64, f64) = (70.0, 50.0);

/// The page. `pictures` are PNG files by digest.
pub(crate) fn page(quality: &SetQuality, pictures: &BTreeMap<Digest, Vec<u8>>) -> String {
    let title = format!("Quality of the sets of {}", text::reason(&quality.study));
    let style = format!("{}{STYLE}", css());
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy(&style));
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(&style)) }
            }
            body {
                header { h1 { (title) } (summary(quality)) }
                main {
                    section { h2 { "Arms" } (table(quality, &quality.whole().collect::<Vec<_>>(), false)) (reasons(quality)) }
                    (scatter(quality))
                    @for (title, wanted) in [("Classes", "class"), ("Instructions", "instruction")] {
                        (parts(quality, title, wanted))
                    }
                    @for gallery in &quality.galleries { (shown(gallery, pictures)) }
                    (measures())
                }
            }
        }
    };
    markup.into_string()
}

/// Nothing but what is in the file: style by its digest, pictures as data.
fn policy(style: &str) -> String {
    let hash = STANDARD.encode(Digest::of_bytes(style.as_bytes()).as_bytes());
    format!("default-src 'none'; img-src data:; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
}

fn summary(quality: &SetQuality) -> Markup {
    html! {
        p {
            "Features: " (text::reason(&quality.features)) ", " (quality.width) " values an image. Labels are judged by "
            (text::reason(&quality.judges)) ". Plan " code { (quality.plan.short()) } "."
        }
        p {
            (count(quality.real_images as u64)) " real images, in halves by class: a set is compared with the half that it was not made from. Balls \
            reach to neighbor " (quality.k) "; precision, density and coverage use those of real images, recall those of the set. \
            P values are by " (count(quality.permutations.into())) " permutations"
            @if let Some(images) = quality.vendi_of { "; Vendi scores are of " (count(images as u64)) " images" }
            ". The floor is one half of the real images against the other: no set can be expected to come nearer. The ceiling is real \
            images of the next class in the place of the set."
        }
        @if !quality.notes.is_empty() { ul.notes { @for note in &quality.notes { li { (text::reason(note)) } } } }
    }
}

fn table(quality: &SetQuality, rows: &[&QualityRow], with_part: bool) -> Markup {
    let used: Vec<_> =
        MEASURES.iter().filter(|measure| rows.iter().any(|row| row.values.contains_key(measure.key))).collect();
    html! {
        div.wide tabindex="0" role="region" aria-label="Table of measures" {
            table {
                thead {
                    tr {
                        th scope="col" { "Set" }
                        @if with_part { th scope="col" { "Of" } }
                        th.number scope="col" { "Images" }
                        @for measure in &used { th.number scope="col" title=(measure.help) { (measure.title) } }
                    }
                }
                tbody {
                    @for row in rows {
                        tr.reference[!matches!(row.subject, RowSubject::Arm(_))] {
                            th scope="row" { (text::reason(row.subject.name())) }
                            @if with_part { td { (text::reason(row.part.names().1)) } }
                            td.number { (count(row.images as u64)) }
                            @for measure in &used {
                                @match (row.shown(measure), row.missing.get(measure.key)) {
                                    (Some(shown), _) => td.number { (shown) },
                                    (None, Some(reason)) => td.number title=(text::reason(reason)) { "-" },
                                    (None, None) => td {},
                                }
                            }
                        }
                    }
                }
            }
        }
        @if rows.is_empty() { p { "No set of " (text::reason(&quality.study)) " has such parts." } }
    }
}

fn reasons(quality: &SetQuality) -> Markup {
    let reasons = quality.reasons();
    html! { @if !reasons.is_empty() { p { "Not measured:" } ul { @for reason in reasons { li { (text::reason(&reason)) } } } } }
}

fn parts(quality: &SetQuality, title: &str, wanted: &str) -> Markup {
    let rows: Vec<&QualityRow> = quality.rows.iter().filter(|row| row.part.names().0 == wanted).collect();
    html! { @if !rows.is_empty() { section { h2 { (title) } (table(quality, &rows, true)) } } }
}

/// Coverage and gain of every arm that has both.
fn points(quality: &SetQuality) -> Vec<(usize, &str, f64, f64)> {
    let arms = quality.whole().filter_map(|row| match &row.subject {
        RowSubject::Arm(name) => Some((name.as_str(), row)),
        RowSubject::Floor | RowSubject::Ceiling => None,
    });
    arms.enumerate()
        .filter_map(|(place, (name, row))| {
            Some((place + 1, name, *row.values.get("coverage")?, 100.0 * row.values.get("gain")?))
        })
        .collect()
}

fn scatter(quality: &SetQuality) -> Markup {
    let points = points(quality);
    let floor = quality.whole().find(|row| row.subject == RowSubject::Floor).and_then(|row| row.values.get("coverage"));
    let (width, height) = PLOT_PX;
    let (left, bottom) = MARGIN_PX;
    let most = points.iter().map(|(.., gain)| gain.abs()).fold(1.0, f64::max).ceil();
    let x = |coverage: f64| left + coverage.clamp(0.0, 1.0) * (width - left - 20.0);
    let y = |gain: f64| 15.0 + (most - gain) / (2.0 * most) * (height - bottom - 15.0);
    html! {
        @if !points.is_empty() {
            section {
                h2 { "Coverage beside accuracy gain" }
                p { "One point per arm. A set that covers little of the real images seldom helps; one that covers as much as real images do need \
                     not help either, if it adds nothing." }
                svg.scatter viewBox={ "0 0 " (width) " " (height) } role="img" aria-label="Scatter of coverage and accuracy gain, one point per arm" {
                    line.axis x1=(left) y1=(y(0.0)) x2=(width - 20.0) y2=(y(0.0)) {}
                    line.axis x1=(left) y1=(y(most)) x2=(left) y2=(y(-most)) {}
                    @for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
                        text x=(x(share)) y=(height - bottom + 20.0) text-anchor="middle" { (share) }
                    }
                    @for gain in [-most, 0.0, most] {
                        text x=(left - 8.0) y=(y(gain) + 4.0) text-anchor="end" { (format!("{gain:+.0}")) }
                    }
                    text x=(x(0.5)) y=(height - 8.0) text-anchor="middle" { "Coverage (share)" }
                    text x=(16.0) y=(y(0.0)) text-anchor="middle" transform={ "rotate(-90 16 " (y(0.0)) ")" } { "Gain (points)" }
                    @if let Some(&floor) = floor {
                        line.floor x1=(x(floor)) y1=(y(most)) x2=(x(floor)) y2=(y(-most)) {}
                        text x=(x(floor) - 5.0) y=(y(most) + 12.0) text-anchor="end" { "floor" }
                    }
                    @for &(place, name, coverage, gain) in &points {
                        circle class={ "arm-" (arm_line(place).color) } cx=(x(coverage)) cy=(y(gain)) r="6" {
                            title { (text::reason(name)) ": coverage " (format!("{coverage:.3}")) ", gain " (format!("{gain:+.1}")) }
                        }
                        text x=(x(coverage) - 10.0) y=(y(gain) - 9.0) text-anchor="end" { (text::reason(name)) }
                    }
                }
            }
        }
    }
}

fn shown(gallery: &SetGallery, pictures: &BTreeMap<Digest, Vec<u8>>) -> Markup {
    let image = |digest: &Digest, alt: &str| {
        let source = pictures.get(digest).map(|png| format!("data:image/png;base64,{}", STANDARD.encode(png)));
        html! { @if let Some(source) = source { img src=(source) alt=(alt) loading="lazy"; } }
    };
    let figure = |one: &ShownImage| {
        html! {
            figure {
                div.pair { (image(&one.source, "source")) (image(&one.derived, "derived image")) }
                figcaption {
                    strong { (text::reason(&one.class)) } " " (text::reason(&one.note))
                    @if let Some(asked) = &one.instruction { br; em { (text::reason(asked)) } }
                    br; span.path { (text::reason(&one.path)) }
                }
            }
        }
    };
    html! {
        @if !gallery.shown.is_empty() {
            section {
                h2 { (text::reason(&gallery.arm)) ": " (text::reason(&gallery.title)) }
                div.gallery { @for one in &gallery.shown { (figure(one)) } }
            }
        }
    }
}

fn measures() -> Markup {
    html! {
        section {
            h2 { "What the measures say" }
            dl {
                @for measure in &MEASURES {
                    dt { (measure.title) " (" (measure.unit.words()) "; better: " (measure.better.words()) ")" }
                    dd { (measure.help) @if let Some(work) = measure.work { " " (work.text()) } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::{RowPart, VERSION};

    fn quality() -> SetQuality {
        let mut arm = QualityRow::new(RowSubject::Arm("<b>edits</b>".to_owned()), RowPart::All, 30);
        arm.put("coverage", Ok(0.61));
        arm.put("gain", Ok(0.015));
        arm.put("agreement", Err("no network was held out".to_owned()));
        let mut floor = QualityRow::new(RowSubject::Floor, RowPart::All, 60);
        floor.put("coverage", Ok(0.9));
        SetQuality {
            version: VERSION,
            study: "demo".to_owned(),
            plan: Digest::of_bytes(b"plan"),
            features: "efficientnet-lite0".to_owned(),
            networks: vec![Digest::of_bytes(b"network")],
            width: 1280,
            cross_fitted: true,
            judges: "nobody".to_owned(),
            k: 5,
            permutations: 999,
            most: 1000,
            vendi_of: None,
            classes: vec!["cat".to_owned()],
            real_images: 60,
            notes: vec!["a note".to_owned()],
            rows: vec![arm, floor],
            galleries: Vec::new(),
        }
    }

    #[test]
    fn the_page_shows_numbers_and_reasons_and_lets_no_name_become_markup() {
        let quality = quality();
        let page = page(&quality, &BTreeMap::new());
        assert!(page.contains("0.610") && page.contains("+1.5") && page.contains("no network was held out"));
        assert!(page.contains("&lt;b&gt;edits&lt;/b&gt;") && !page.contains("<b>edits</b>"));
        assert!(!page.contains("<script"));
    }

    #[test]
    fn the_points_of_the_scatter_are_the_arms_with_both_numbers() {
        let mut quality = quality();
        assert_eq!(points(&quality), [(1, "<b>edits</b>", 0.61, 1.5)]);
        quality.rows[0].values.remove("gain");
        assert!(points(&quality).is_empty());
        assert!(!page(&quality, &BTreeMap::new()).contains("<svg"));
    }

    #[test]
    fn the_document_comes_back_from_json() {
        let quality = quality();
        let json = serde_json::to_string(&quality).unwrap();
        assert_eq!(serde_json::from_str::<SetQuality>(&json).unwrap(), quality);
    }
}
