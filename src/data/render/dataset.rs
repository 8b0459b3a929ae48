//! The synthetic data set on disk: class folders of PNG files, each of which says that a computer rendered it.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::material::Class;
use super::sample;
use super::scene::Scene;
use super::trace::render;
use crate::seed::{Purpose, StudySeed};

/// Version of the renderer: a change of any pixel of any scene is a new version.
pub const RENDERER_VERSION: u32 = 1;

/// Why the data set could not be written.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("a synthetic image needs at least one pixel a side, not {width_px} x {height_px}")]
    NoPixels { width_px: u32, height_px: u32 },
    #[error("{0} exists already; remove it or name another folder")]
    Exists(PathBuf),
    #[error("cannot write the synthetic data set at {path}")]
    Write { path: PathBuf, source: io::Error },
}

/// Class and scene of image `index`; neither depends on how many images there are.
#[must_use]
pub fn scene(seed: StudySeed, index: u64) -> (u32, Scene) {
    let mut rng = seed.stream(Purpose::Render, index);
    let class = sample::class(&mut rng);
    (class.index(), Scene::sample(&mut rng, class))
}

/// Renders `images` scenes into `folder`, as `<class>/<class>-<index>.png` and a `SYNTHETIC.md`. The folder appears only
/// when it is complete. `progress` is called with the number of images done, from several threads and not in order.
///
/// # Errors
/// If a side is zero, `folder` exists, or a file cannot be written; then nothing is left behind.
pub fn write_dataset(
    seed: StudySeed,
    images: u64,
    width_px: u32,
    height_px: u32,
    folder: &Path,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(), RenderError> {
    if width_px == 0 || height_px == 0 {
        return Err(RenderError::NoPixels { width_px, height_px });
    }
    if folder.exists() {
        return Err(RenderError::Exists(folder.to_owned()));
    }
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| RenderError::Write { path, source }
    };
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(at(parent))?;
    // A sibling, so that the rename stays within one file system; removed when it goes out of scope.
    let unfinished = tempfile::Builder::new().prefix(".synthetic-").tempdir_in(parent).map_err(at(parent))?;
    for class in Class::ALL {
        let path = unfinished.path().join(class.name());
        fs::create_dir(&path).map_err(at(&path))?;
    }

    let done = AtomicU64::new(0);
    let counts = (0..images)
        .into_par_iter()
        .map(|index| {
            let (class, scene) = scene(seed, index);
            let name = Class::ALL[class as usize].name();
            let path = unfinished.path().join(name).join(format!("{name}-{index:05}.png"));
            write_png(&path, &scene, width_px, height_px, &provenance(seed, index)).map_err(at(&path))?;
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
            Ok(one_of(class))
        })
        .try_reduce(|| [0; 6], |a, b| Ok(std::array::from_fn(|class| a[class] + b[class])))?;

    let path = unfinished.path().join("SYNTHETIC.md");
    fs::write(&path, notice(seed, width_px, height_px, &counts)).map_err(at(&path))?;
    make_readable(unfinished.path()).map_err(at(unfinished.path()))?;
    fs::rename(unfinished.path(), folder).map_err(at(folder))?;
    // Its old name is gone; there is nothing left to remove.
    let _renamed = unfinished.keep();
    Ok(())
}

fn one_of(class: u32) -> [u64; 6] {
    std::array::from_fn(|index| u64::from(index == class as usize))
}

fn provenance(seed: StudySeed, index: u64) -> String {
    format!(
        "computer rendering, not a photograph; augtrial renderer v{RENDERER_VERSION}, seed {}, image {index}",
        seed.0
    )
}

fn write_png(path: &Path, scene: &Scene, width_px: u32, height_px: u32, text: &str) -> io::Result<()> {
    let picture = render(scene, width_px, height_px);
    let mut file = BufWriter::new(File::create_new(path)?);
    let mut encoder = png::Encoder::new(&mut file, width_px, height_px);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.add_text_chunk("Synthetic".to_owned(), text.to_owned())?;
    let mut writer = encoder.write_header()?;
    writer.write_image_data(picture.as_raw())?;
    writer.finish()?;
    file.flush()
}

fn notice(seed: StudySeed, width_px: u32, height_px: u32, counts: &[u64; 6]) -> String {
    let images: u64 = counts.iter().sum();
    let mut text = format!(
        "# Synthetic recyclables\n\n\
         These images are **computer renderings, not photographs**. They exist so that experiments run without a download;\n\
         accuracies on them say nothing about accuracies on real waste.\n\n\
         - renderer: augtrial, version {RENDERER_VERSION}\n- seed: {}\n- size: {width_px} x {height_px} px\n- images: {images}\n\n\
         | class | images |\n|---|---|\n",
        seed.0
    );
    for (class, count) in Class::ALL.iter().zip(counts) {
        text.push_str(&format!("| {} | {count} |\n", class.name()));
    }
    text
}

/// Temporary folders are private; a data set is as readable as any other folder.
#[cfg(unix)]
fn make_readable(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_readable(_folder: &Path) -> io::Result<()> {
    Ok(())
}
