//! The gallery: derived images by their source, so that arms can be compared on one picture.

use serde::Serialize;

use super::record::{ArmRecord, Picture};
use augtrial_base::text;

/// How the images were chosen, for the page.
pub(super) const CHOICE: &str = "Sources were drawn at random from the study seed, at most two of a class and not picked by hand: the same \
     for every arm, with up to two copies of each, and up to four further images per arm that were planned and not made. Of an arm's online \
     transforms, they show the first two passes of the first seed, with what was drawn.";

/// A source image, and what was derived from it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GallerySource {
    pub class: String,
    pub path: String,
    pub picture: Picture,
    /// By arm, then in the order of the recipe.
    pub derived: Vec<Derived>,
}

/// A derived image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Derived {
    pub arm: String,
    pub copy: u32,
    /// The instruction, or the transforms.
    pub asked: String,
    pub change_levels: Option<f64>,
    /// The result, or why there is none.
    pub result: Result<Picture, String>,
}

/// Every example, by class and source.
pub(super) fn sources(arms: &[ArmRecord], classes: &[String]) -> Vec<GallerySource> {
    let mut sources: Vec<(u32, GallerySource)> = Vec::new();
    for (arm, example) in arms.iter().flat_map(|arm| arm.examples.iter().map(move |example| (arm, example))) {
        let same = |(class, source): &(u32, GallerySource)| {
            *class == example.class && source.path == text::reason(&example.path)
        };
        let position = sources.iter().position(same).unwrap_or_else(|| {
            let class = classes.get(example.class as usize).map(|class| text::reason(class)).unwrap_or_default();
            let (path, picture) = (text::reason(&example.path), example.source.clone());
            sources.push((example.class, GallerySource { class, path, picture, derived: Vec::new() }));
            sources.len() - 1
        });
        sources[position].1.derived.push(Derived {
            arm: arm.name.clone(),
            copy: example.copy,
            asked: text::visible(&text::cap(&example.asked, 2000)).into_owned(),
            change_levels: example.change_levels,
            result: example.result.clone().map_err(|reason| text::reason(&reason)),
        });
    }
    sources.sort_by(|(a, one), (b, other)| (a, &one.path).cmp(&(b, &other.path)));
    sources.into_iter().map(|(_, source)| source).collect()
}

impl Derived {
    /// What is said below the picture: the copy, and how far it is from its source.
    #[must_use]
    pub fn note(&self) -> String {
        let change = self.change_levels.map(|levels| format!(", mean change {levels:.1} levels")).unwrap_or_default();
        format!("copy {}{change}", self.copy + 1)
    }
}
