//! The gallery as markup: one row per source, its derived images beside it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

use crate::gallery::{Derived, GallerySource};
use crate::quality::QualityLook;
use crate::record::Picture;
use crate::view::StudyView;

pub(super) fn gallery(view: &StudyView) -> Markup {
    let shown = |name: &str| view.gallery.iter().flat_map(|source| &source.derived).any(|derived| derived.arm == name);
    let arms = view.arms.iter().enumerate().filter(|(_, arm)| shown(&arm.name));
    let classes = view.data.classes.iter().filter(|class| view.gallery.iter().any(|source| source.class == **class));
    html! {
        form.filters id="filters" hidden {
            label { "Arm " select id="filter-arm" {
                option value="" { "all" }
                @for (_, arm) in arms.clone() { option { (arm.name) } }
            } }
            label { "Class " select id="filter-class" {
                option value="" { "all" }
                @for class in classes { option { (class) } }
            } }
            label { input type="checkbox" id="filter-missing"; " only missing" }
            span id="filter-count" role="status" {}
        }
        div.gallery id="pictures" {
            @for source in &view.gallery {
                div.source data-class=(source.class) {
                    figure.original {
                        (image(&source.picture, &format!("Source {}, class {}", source.path, source.class)))
                        figcaption { strong { (source.class) } br; span.path { (source.path) } }
                    }
                    div.results {
                        @for derived in &source.derived {
                            (result(source, derived, view.arms.iter().position(|arm| arm.name == derived.arm)))
                        }
                    }
                }
            }
        }
    }
}

fn result(source: &GallerySource, derived: &Derived, arm: Option<usize>) -> Markup {
    let missing = derived.result.is_err();
    let arm_class = format!("arm-{}", augtrial_web::arm_line(arm.unwrap_or(0)).color);
    html! {
        figure.derived.(arm_class) data-arm=(derived.arm) data-missing[missing] data-asked=(derived.asked) {
            @match &derived.result {
                Ok(picture) => {
                    (image(picture, &format!("{}, {} of {}: {}", derived.arm, derived.note(), source.path, derived.asked)))
                }
                Err(reason) => { p.missing { strong { "Missing" } br; (reason) } }
            }
            figcaption {
                strong { (derived.arm) } ", " (derived.note())
                br;
                q { (derived.asked) }
            }
        }
    }
}

/// Derived images beside their sources.
pub(super) fn look(look: &QualityLook) -> Markup {
    html! {
        div.gallery {
            @for shown in &look.shown {
                div.source {
                    figure.original { (image(&shown.source, "Source")) figcaption { "source" } }
                    div.results {
                        figure.derived { (image(&shown.derived, &shown.caption)) figcaption { (shown.caption) } }
                    }
                }
            }
        }
    }
}

fn image(picture: &Picture, alt: &str) -> Markup {
    let data = format!("data:image/png;base64,{}", STANDARD.encode(&picture.png));
    let (width, height) = size(&picture.png).unzip();
    html! { img src=(data) alt=(alt) width=[width] height=[height] loading="lazy" decoding="async"; }
}

/// Width and height as the file's header says.
fn size(png: &[u8]) -> Option<(u32, u32)> {
    let side = |at: usize| Some(u32::from_be_bytes(png.get(at..at + 4)?.try_into().ok()?));
    Some((side(16)?, side(20)?))
}

#[cfg(test)]
mod tests {
    use image::ImageEncoder as _;

    #[test]
    fn the_size_of_a_picture_is_read_from_its_header() {
        let mut png = Vec::new();
        let encoder = image::codecs::png::PngEncoder::new(&mut png);
        encoder.write_image(&[0; 5 * 3 * 3], 5, 3, image::ExtendedColorType::Rgb8).unwrap();
        assert_eq!(super::size(&png), Some((5, 3)));
        assert_eq!(super::size(b"short"), None);
    }
}
