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
    // Beside the folder, so that the rename stays within one file system; removed when it goes out of scope.
    let workshop = tempfile::Builder::new().prefix(".synthetic-").tempdir_in(parent).map_err(at(parent))?;
    let unfinished = workshop.path().join("set");
    fs::create_dir(&unfinished).map_err(at(&unfinished))?;
    for class in Class::ALL {
        let path = unfinished.join(class.name());
        fs::create_dir(&path).map_err(at(&path))?;
    }

    let done = AtomicU64::new(0);
    let counts = (0..images)
        .into_par_iter()
        .map(|index| {
            let (class, scene) = scene(seed, index);
            let name = Class::ALL[class as usize].name();
            let path = unfinished.join(name).join(format!("{name}-{index:05}.png"));
            write_png(&path, &scene, width_px, height_px, &provenance(seed, index)).map_err(at(&path))?;
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
            Ok(one_of(class))
        })
        .try_reduce(|| [0; 6], |a, b| Ok(std::array::from_fn(|class| a[class] + b[class])))?;

    let path = unfinished.join("SYNTHETIC.md");
    fs::write(&path, notice(seed, width_px, height_px, &counts)).map_err(at(&path))?;
    fs::rename(&unfinished, folder).map_err(at(folder))
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
    let rows = Class::ALL.iter().zip(counts).map(|(class, count)| format!("| {} | {count} |\n", class.name()));
    text.extend(rows);
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use super::*;
    use crate::digest::Digest;

    /// Digest of every file below `folder`, by its path there.
    fn files(folder: &Path) -> BTreeMap<String, Digest> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                found.extend(files(&path).into_iter().map(|(below, digest)| (format!("{name}/{below}"), digest)));
            } else {
                found.insert(name, Digest::of_file(&path).unwrap());
            }
        }
        found
    }

    fn write(seed: u64, images: u64, folder: &Path) -> Result<(), RenderError> {
        write_dataset(StudySeed(seed), images, 16, 12, folder, &|_| ())
    }

    #[test]
    fn a_set_is_complete_and_every_progress_is_counted_once() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("below/set");
        let counted = Mutex::new(Vec::new());
        write_dataset(StudySeed(1), 20, 16, 12, &folder, &|done| counted.lock().unwrap().push(done)).unwrap();
        let mut counted = counted.into_inner().unwrap();
        counted.sort_unstable();
        assert_eq!(counted, (1..=20).collect::<Vec<u64>>());

        let files = files(&folder);
        assert_eq!(files.len(), 21);
        for index in 0..20 {
            let name = Class::ALL[scene(StudySeed(1), index).0 as usize].name();
            assert!(files.contains_key(&format!("{name}/{name}-{index:05}.png")), "{index}");
        }
        let only: Vec<_> = fs::read_dir(root.path().join("below")).unwrap().collect();
        assert_eq!(only.len(), 1, "no temporary folder is left");
    }

    #[test]
    fn a_set_repeats_obeys_its_seed_and_begins_a_larger_one() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        write(1, 6, &at("a")).unwrap();
        write(1, 6, &at("again")).unwrap();
        write(2, 6, &at("other")).unwrap();
        write(1, 9, &at("larger")).unwrap();
        let a = files(&at("a"));
        assert_eq!(a, files(&at("again")));
        assert_ne!(a, files(&at("other")));
        let larger = files(&at("larger"));
        assert!(
            a.iter().filter(|(path, _)| !path.ends_with("SYNTHETIC.md")).all(|(path, digest)| larger[path] == *digest)
        );
    }

    #[test]
    fn a_folder_that_exists_is_never_touched() {
        let root = tempfile::tempdir().unwrap();
        assert!(matches!(write(1, 2, root.path()), Err(RenderError::Exists(_))));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_failure_leaves_nothing_behind() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), b"").unwrap();
        assert!(matches!(write(1, 2, &root.path().join("file/set")), Err(RenderError::Write { .. })));
        let folder = root.path().join("set");
        assert!(matches!(
            write_dataset(StudySeed(1), 2, 0, 12, &folder, &|_| ()),
            Err(RenderError::NoPixels { width_px: 0, height_px: 12 })
        ));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn each_file_and_the_folder_say_that_the_images_are_synthetic() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("set");
        write(4, 3, &folder).unwrap();
        let notice = fs::read_to_string(folder.join("SYNTHETIC.md")).unwrap();
        for part in ["computer renderings, not photographs", "seed: 4", "size: 16 x 12 px", "images: 3"] {
            assert!(notice.contains(part), "{part} in {notice}");
        }
        for path in files(&folder).keys().filter(|path| !path.ends_with("SYNTHETIC.md")) {
            let file = io::BufReader::new(File::open(folder.join(path)).unwrap());
            let reader = png::Decoder::new(file).read_info().unwrap();
            let text = &reader.info().uncompressed_latin1_text;
            assert_eq!(text.len(), 1);
            assert_eq!(text[0].keyword, "Synthetic");
            assert!(text[0].text.starts_with("computer rendering, not a photograph"), "{}", text[0].text);
        }
    }
}
