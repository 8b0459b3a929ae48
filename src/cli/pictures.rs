//! `augtrial reference --pictures docs`: a page of every transform and way of mixing with a picture each. It is `docs/transforms.md`
//! and `docs/transforms/`.

use std::fmt::Write as _;
use std::path::Path;

use image::{RgbImage, imageops};

use super::CliError;
use super::edit::write_png;
use super::output::line;
use augtrial_augment::{Batch, Mixer, augmenter};
use augtrial_base::catalog::Row;
use augtrial_base::disk::{self, Durability};
use augtrial_base::seed::{Purpose, StudySeed};
use augtrial_plan::transform::{ManifoldMixup, Mix, Transform};
use augtrial_synth::{render, scene};

const WIDTH_PX: u32 = 80;
const HEIGHT_PX: u32 = 60;
/// Draws of each transform, and images of a batch.
const DRAWS: u32 = 3;
/// Between two pictures.
const GAP_PX: u32 = 4;
/// Of the scenes and of every draw.
const SEED: StudySeed = StudySeed(7);
/// Scenes of the data set that show objects of three classes.
const SCENES: [u64; DRAWS as usize] = [3, 0, 7];
/// The folder of the pictures, beside the page.
const FOLDER: &str = "transforms";
const PAGE: &str = "transforms.md";

/// Writes the page and its pictures into `docs`.
pub(super) fn pictures(docs: &Path) -> Result<(), CliError> {
    let folder = docs.join(FOLDER);
    disk::create_folder(&folder).map_err(|source| CliError::Write { path: folder.clone(), source })?;
    for (name, picture) in all() {
        write_png(&folder.join(format!("{name}.png")), &picture, &[])?;
    }
    let file = docs.join(PAGE);
    disk::replace_bytes(&file, page().as_bytes(), Durability::Now)
        .map_err(|source| CliError::Write { path: file.clone(), source })?;
    line(file.display())
}

/// The rendered images.
fn originals() -> Vec<RgbImage> {
    SCENES.iter().map(|&index| render(&scene(SEED, index).1, WIDTH_PX, HEIGHT_PX)).collect()
}

/// Every picture of the page by its name: the originals, three draws of each transform, a batch that was mixed in each way.
fn all() -> Vec<(&'static str, RgbImage)> {
    let originals = originals();
    let mut all = vec![("originals", strip(&originals))];
    for transform in Transform::examples() {
        let augmenter = augmenter(&transform);
        let draw = |index: u32| augmenter.apply(originals[0].clone(), &mut SEED.stream(Purpose::Gallery, index.into()));
        all.push((transform.name(), strip(&(0..DRAWS).map(draw).collect::<Vec<_>>())));
    }
    for mix in Mix::examples() {
        all.push((mix.name(), strip(&mixed(&mix, &originals))));
    }
    all
}

/// The images as a batch, mixed.
fn mixed(mix: &Mix, originals: &[RgbImage]) -> Vec<RgbImage> {
    // What is mixed inside a network cannot be shown; at its input it can.
    let mix = match mix {
        Mix::ManifoldMixup(own) => Mix::ManifoldMixup(ManifoldMixup { stages: vec![0], ..own.clone() }),
        other => other.clone(),
    };
    let mut values: Vec<f32> = originals.iter().flat_map(|image| image.iter()).map(|&byte| byte.into()).collect();
    let len = originals.len();
    let mut targets: Vec<f32> = (0..len * len).map(|place| if place % (len + 1) == 0 { 1.0 } else { 0.0 }).collect();
    let mut batch = Batch {
        images: &mut values,
        targets: &mut targets,
        len,
        width_px: WIDTH_PX as usize,
        height_px: HEIGHT_PX as usize,
    };
    Mixer::new(&mix).apply(&mut batch, &mut SEED.stream(Purpose::Gallery, 3));
    let bytes: Vec<u8> = values.iter().map(|value| value.round().clamp(0.0, 255.0) as u8).collect();
    let image = |bytes: &[u8]| RgbImage::from_raw(WIDTH_PX, HEIGHT_PX, bytes.to_vec()).expect("three bytes a pixel");
    bytes.chunks_exact(bytes.len() / len).map(image).collect()
}

/// Pictures side by side.
fn strip(pictures: &[RgbImage]) -> RgbImage {
    let count = pictures.len() as u32;
    let mut strip = RgbImage::from_pixel(count * (WIDTH_PX + GAP_PX) - GAP_PX, HEIGHT_PX, image::Rgb([255; 3]));
    for (index, picture) in (0..).zip(pictures) {
        imageops::replace(&mut strip, picture, i64::from(index * (WIDTH_PX + GAP_PX)), 0);
    }
    strip
}

fn page() -> String {
    let mut page = format!(
        "# What every transform makes of a picture\n\nThree draws each, of the first of these rendered images, with parameters that \
         show what the transform does:\n\n![the originals]({FOLDER}/originals.png)\n\nThis page is made by `augtrial reference \
         --pictures docs`; a test fails if it is stale. [reference.md](reference.md) has the parameters. `augtrial\nshow EXPERIMENT` \
         draws what your arms make of your images.\n"
    );
    let sections =
        [("Transforms", "", Transform::ROWS), ("Mixing", "The three images above as a batch.\n\n", Mix::ROWS)];
    for (title, about, rows) in sections {
        write!(page, "\n## {title}\n\n{about}| name | does | |\n|---|---|---|\n").expect("a string takes all");
        page.extend(rows.iter().map(entry));
    }
    page
}

fn entry(row: &Row) -> String {
    let name = row.name;
    format!(
        "| [`{name}`](reference.md#{name}) | {} | ![{name}]({FOLDER}/{name}.png) |\n",
        row.help().replace('*', "\\*")
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Bytes of all pictures at most.
    const MOST_BYTES: u64 = 2_000_000;

    #[test]
    fn the_page_and_its_pictures_are_those_of_the_transforms() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        let stale = "is stale; run: augtrial reference --pictures docs";
        assert!(fs::read_to_string(docs.join(PAGE)).unwrap_or_default() == page(), "the page {stale}");
        let folder = docs.join(FOLDER);
        let pictures = all();
        for (name, picture) in &pictures {
            let kept = image::open(folder.join(format!("{name}.png"))).map(image::DynamicImage::into_rgb8);
            assert!(kept.is_ok_and(|kept| kept == *picture), "the picture of `{name}` {stale}");
        }
        let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap()).collect();
        assert_eq!(files.len(), pictures.len(), "a picture of no transform is left");
        let bytes: u64 = files.iter().map(fs::Metadata::len).sum();
        assert!(bytes < MOST_BYTES, "{bytes} bytes");
    }
}
