//! Derived images to look at: the worst by rank, and a random draw beside them, so that nobody takes the worst for the rule.

use std::collections::BTreeMap;

use super::gather::Gathered;
use crate::gallery::picture;
use augtrial_base::digest::Digest;
use augtrial_base::seed::{Fork, Purpose, StudySeed};
use augtrial_data::cache::CacheError;
use augtrial_data::pixels::PixelStore;
use augtrial_quality::{ImageFound, SetGallery, ShownImage};
use rand::seq::SliceRandom as _;

/// Images of each gallery.
const SHOWN: usize = 12;

/// The galleries, and the PNG files behind them, by their digests.
type Galleries = (Vec<SetGallery>, BTreeMap<Digest, Vec<u8>>);

/// Two galleries of every arm that has images, and the PNG files behind them.
///
/// # Errors
/// If an image has to be decoded anew for it, and cannot be.
pub(super) fn galleries(
    gathered: &Gathered,
    found: &[Vec<ImageFound>],
    classes: &[String],
    seed: StudySeed,
) -> Result<Galleries, CacheError> {
    let mut pictures = BTreeMap::new();
    let mut all = Vec::new();
    let fork = Fork::new(&mut seed.stream(Purpose::Quality, 3));
    for (arm, found) in found.iter().enumerate().filter(|(_, found)| !found.is_empty()) {
        let name = &gathered.arms[arm].name;
        let (worst, title) = ranked(found);
        let mut random: Vec<usize> = (0..found.len()).collect();
        // The same stream for every arm: its name decides nothing, and arms of equally many images show the same places.
        random.shuffle(&mut fork.stream("random draw", 0));
        for (chosen, title) in [(worst, title), (random, "a random draw")] {
            let mut show = |&position: &usize| shown(gathered, arm, position, &found[position], classes, &mut pictures);
            let shown = chosen.iter().take(SHOWN).map(&mut show).collect::<Result<_, _>>()?;
            all.push(SetGallery { arm: name.clone(), title: title.to_owned(), shown });
        }
    }
    Ok((all, pictures))
}

/// The images, the worst first: least confident in their class where somebody judged them, else furthest from their source.
fn ranked(found: &[ImageFound]) -> (Vec<usize>, &'static str) {
    let confidence = |at: usize| found[at].verdict.map(|verdict| verdict.confidence);
    let mut order: Vec<usize> = (0..found.len()).collect();
    if found.iter().any(|image| image.verdict.is_some()) {
        order.sort_by(|&a, &b| {
            confidence(a).unwrap_or(f64::INFINITY).total_cmp(&confidence(b).unwrap_or(f64::INFINITY))
        });
        return (order, "the worst by confidence in their class");
    }
    let change = |at: usize| found[at].change_features.unwrap_or(f64::NEG_INFINITY);
    order.sort_by(|&a, &b| change(b).total_cmp(&change(a)));
    (order, "the furthest from their sources by features")
}

fn shown(
    gathered: &Gathered,
    arm: usize,
    position: usize,
    found: &ImageFound,
    classes: &[String],
    pictures: &mut BTreeMap<Digest, Vec<u8>>,
) -> Result<ShownImage, CacheError> {
    let image = &gathered.arms[arm].images[position];
    let source = gathered.real.iter().position(|real| real.digest == image.source);
    let source = source.map_or(gathered.arm_pixels[arm][position], |real| gathered.real_pixels[real]);
    let mut keep = |pixels: usize| {
        let store: &PixelStore = &gathered.pixels;
        let png = picture(store.width_px(), store.height_px(), &store.rgb(pixels)?);
        let digest = Digest::of_bytes(&png);
        pictures.entry(digest).or_insert(png);
        Ok::<_, CacheError>(digest)
    };
    let mut note = Vec::new();
    if let Some(verdict) = found.verdict {
        let filter = if verdict.mislabeled {
            ", mislabeled"
        } else if verdict.too_easy {
            ", too easy"
        } else {
            ""
        };
        let taken = &classes[verdict.predicted as usize];
        note.push(format!("taken for {taken}, confidence {:.2}{filter}", verdict.confidence));
    }
    note.push(format!("changed by {:.1} levels", image.change.levels));
    if let Some(change) = found.change_features {
        note.push(format!("features {change:.2}"));
    }
    Ok(ShownImage {
        source: keep(source)?,
        derived: keep(gathered.arm_pixels[arm][position])?,
        path: image.source_path.clone(),
        class: classes[image.class as usize].clone(),
        instruction: image.instruction.clone(),
        note: note.join("; "),
    })
}

#[cfg(test)]
mod tests {
    use augtrial_quality::ImageVerdict;

    use super::*;

    fn found(confidence: Option<f64>, change: f64) -> ImageFound {
        let verdict = |confidence| ImageVerdict { predicted: 0, confidence, too_easy: false, mislabeled: false };
        ImageFound { change_features: Some(change), verdict: confidence.map(verdict) }
    }

    #[test]
    fn the_worst_are_the_least_confident_or_the_most_changed() {
        let judged = [found(Some(0.9), 3.0), found(None, 9.0), found(Some(0.1), 1.0)];
        assert_eq!(ranked(&judged), (vec![2, 0, 1], "the worst by confidence in their class"));
        let unjudged = [found(None, 3.0), found(None, 9.0), found(None, 1.0)];
        assert_eq!(ranked(&unjudged), (vec![1, 0, 2], "the furthest from their sources by features"));
    }
}
