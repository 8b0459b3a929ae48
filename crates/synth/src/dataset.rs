//! The synthetic data set on disk: class folders of PNG files, each of which says that a computer rendered it, and the
//! digest of every file, so that a set that is found can be told from a damaged one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::material::Class;
use super::sample;
use super::scene::Scene;
use super::trace::render;
use augtrial_base::digest::Digest;
use augtrial_base::disk::{self, Durability, Published};
use augtrial_base::seed::{Purpose, StudySeed};

/// Version of the renderer: a change of any pixel of any scene is a new version.
pub const RENDERER_VERSION: u32 = 1;

/// Name of the file with the digest of every other file, in the format of `sha256sum`.
pub const CHECKSUMS: &str = "SHA256SUMS";
const NOTICE: &str = "SYNTHETIC.md";

/// Why the data set could not be written, or is not as it was written.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("a synthetic image needs at least one pixel a side, not {width_px} x {height_px}")]
    NoPixels { width_px: u32, height_px: u32 },
    #[error("{0} exists already; remove it or name another folder")]
    Exists(PathBuf),
    #[error("cannot write the synthetic data set at {path}")]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot read the synthetic data set at {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("the synthetic data set at {folder} is damaged: {problem}")]
    Damaged { folder: PathBuf, problem: String },
}

/// Class and scene of image `index`; neither depends on how many images there are.
#[must_use]
pub fn scene(seed: StudySeed, index: u64) -> (u32, Scene) {
    let mut rng = seed.stream(Purpose::Render, index);
    let class = sample::class(&mut rng);
    (class.index(), Scene::sample(&mut rng, class))
}

/// Renders `images` scenes into `folder`, as `<class>/<class>-<index>.png`, a `SYNTHETIC.md` and the [`CHECKSUMS`]. The folder
/// appears only when it is complete. `progress` is called with the number of images done, from several threads and not in
/// order.
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
    // Beside the folder, so that the rename stays within one file system; removed when it goes out of scope.
    let unfinished = disk::unfinished_folder(folder).map_err(at(folder))?;
    for class in Class::ALL {
        let path = unfinished.path().join(class.name());
        disk::create_folder(&path).map_err(at(&path))?;
    }
    // Files are not synced one by one: whoever opens the set compares them with their digests.
    let write = |name: &str, bytes: &[u8]| {
        let path = unfinished.path().join(name);
        disk::replace_bytes(&path, bytes, Durability::Later).map_err(at(&path))?;
        Ok::<_, RenderError>(Digest::of_bytes(bytes))
    };
    let done = AtomicU64::new(0);
    let rendered = (0..images)
        .into_par_iter()
        .map(|index| {
            let (class, scene) = scene(seed, index);
            let name = Class::ALL[class as usize].name();
            let name = format!("{name}/{name}-{index:05}.png");
            let digest =
                write(&name, &png(&scene, width_px, height_px, &provenance(seed, index)).map_err(at(folder))?)?;
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
            Ok((class, name, digest))
        })
        .collect::<Result<Vec<_>, RenderError>>()?;
    let counts = rendered.iter().fold([0; 6], |mut counts, &(class, ..)| {
        counts[class as usize] += 1;
        counts
    });
    let notice = write(NOTICE, notice(seed, width_px, height_px, &counts).as_bytes())?;
    let mut digests: BTreeMap<String, Digest> = rendered.into_iter().map(|(_, name, digest)| (name, digest)).collect();
    digests.insert(NOTICE.to_owned(), notice);
    let lines: Vec<String> = digests.iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect();
    write(CHECKSUMS, lines.concat().as_bytes())?;
    match disk::publish_with(unfinished.path(), folder, Durability::Later).map_err(at(folder))? {
        Published::Ours => Ok(()),
        Published::Rival => Err(RenderError::Exists(folder.to_owned())),
    }
}

/// Hashes a data set of `images` images again, in parallel: every file must be there as it was written, and no other.
///
/// # Errors
/// [`RenderError::Damaged`] if it is not whole, [`RenderError::Read`] if a file that is there cannot be read.
pub fn verify_dataset(folder: &Path, images: u64) -> Result<(), RenderError> {
    let damaged = |problem: String| RenderError::Damaged { folder: folder.to_owned(), problem };
    let unusable = |name: &str, source: io::Error| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => damaged(format!("{name} is missing")),
        io::ErrorKind::InvalidData => damaged(format!("{name} is no text")),
        _ => RenderError::Read { path: folder.join(name), source },
    };
    let text = fs::read_to_string(folder.join(CHECKSUMS)).map_err(|error| unusable(CHECKSUMS, error))?;
    let listed: Option<BTreeMap<&str, Digest>> = text
        .lines()
        .map(|line| line.split_once("  ").and_then(|(digest, name)| Some((name, digest.parse().ok()?))))
        .collect();
    let listed = listed.ok_or_else(|| damaged(format!("a line of {CHECKSUMS} is no digest and name")))?;
    if listed.len() as u64 != images + 1 {
        return Err(damaged(format!("{CHECKSUMS} lists {} files where there are {}", listed.len(), images + 1)));
    }
    let found = files(folder).map_err(|(name, error)| unusable(&name, error))?;
    if let Some(stray) = found.iter().find(|name| !listed.contains_key(name.as_str())) {
        return Err(damaged(format!("{stray} does not belong to it")));
    }
    listed.par_iter().try_for_each(|(name, digest)| match fs::read(folder.join(name)) {
        Ok(bytes) if Digest::of_bytes(&bytes) == *digest => Ok(()),
        Ok(_) => Err(damaged(format!("{name} has another content than was written"))),
        Err(error) => Err(unusable(name, error)),
    })
}

/// The files of the class folders, and those beside them that a data set has.
fn files(folder: &Path) -> Result<BTreeSet<String>, (String, io::Error)> {
    let mut found = BTreeSet::from([NOTICE.to_owned()]);
    for class in Class::ALL {
        let class = class.name();
        let failed = |error| (class.to_owned(), error);
        for entry in fs::read_dir(folder.join(class)).map_err(failed)? {
            found.insert(format!("{class}/{}", entry.map_err(failed)?.file_name().to_string_lossy()));
        }
    }
    Ok(found)
}

fn provenance(seed: StudySeed, index: u64) -> String {
    format!(
        "computer rendering, not a photograph; augtrial renderer v{RENDERER_VERSION}, seed {}, image {index}",
        seed.0
    )
}

fn png(scene: &Scene, width_px: u32, height_px: u32, text: &str) -> io::Result<Vec<u8>> {
    let picture = render(scene, width_px, height_px);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width_px, height_px);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.add_text_chunk("Synthetic".to_owned(), text.to_owned())?;
    let mut writer = encoder.write_header()?;
    writer.write_image_data(picture.as_raw())?;
    writer.finish()?;
    Ok(bytes)
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
    use std::fs::File;
    use std::sync::Mutex;

    use super::*;

    fn is_image(path: &str) -> bool {
        Path::new(path).extension().is_some_and(|extension| extension == "png")
    }

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
        assert_eq!(files.len(), 22);
        verify_dataset(&folder, 20).unwrap();
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
        assert!(a.iter().filter(|(path, _)| is_image(path)).all(|(path, digest)| larger[path] == *digest));
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
    fn a_set_that_lacks_a_file_has_another_or_one_of_another_content_is_damaged() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("set");
        write(4, 12, &folder).unwrap();
        verify_dataset(&folder, 12).unwrap();
        let images: Vec<String> = files(&folder).into_keys().filter(|path| is_image(path)).collect();
        let problem = |images: u64| match verify_dataset(&folder, images) {
            Err(RenderError::Damaged { problem, .. }) => problem,
            other => panic!("{other:?}"),
        };
        assert_eq!(problem(13), "SHA256SUMS lists 13 files where there are 14");
        for path in [&images[0], &images[11], "SYNTHETIC.md", "SHA256SUMS"] {
            let file = folder.join(path);
            let sound = fs::read(&file).unwrap();
            fs::remove_file(&file).unwrap();
            assert_eq!(problem(12), format!("{path} is missing"));
            let mut changed = sound.clone();
            changed[sound.len() / 2] ^= 1;
            fs::write(&file, changed).unwrap();
            problem(12);
            fs::write(&file, &sound).unwrap();
        }
        let stray = folder.join(&images[0]).with_file_name("stray.png");
        fs::write(&stray, b"x").unwrap();
        assert!(problem(12).ends_with("/stray.png does not belong to it"));
        fs::remove_file(&stray).unwrap();
        let sums = fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
        fs::write(folder.join("SHA256SUMS"), sums.lines().next().unwrap()).unwrap();
        assert_eq!(problem(12), "SHA256SUMS lists 1 files where there are 13");
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(problem(12), "SHA256SUMS is missing");
    }

    #[test]
    fn of_several_that_render_at_once_one_publishes_and_the_others_are_told() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("set");
        let barrier = std::sync::Barrier::new(4);
        let results: Vec<_> = std::thread::scope(|scope| {
            let render = || {
                barrier.wait();
                write(1, 6, &folder)
            };
            let handles: Vec<_> = (0..4).map(|_| scope.spawn(render)).collect();
            handles.into_iter().map(|handle| handle.join().unwrap()).collect()
        });
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        assert!(results.iter().all(|result| matches!(result, Ok(()) | Err(RenderError::Exists(_)))));
        verify_dataset(&folder, 6).unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "nothing is left behind");
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
        let files = files(&folder);
        assert_eq!(files.keys().filter(|path| is_image(path)).count(), 3);
        for path in files.keys().filter(|path| is_image(path)) {
            let file = io::BufReader::new(File::open(folder.join(path)).unwrap());
            let reader = png::Decoder::new(file).read_info().unwrap();
            let text = &reader.info().uncompressed_latin1_text;
            assert_eq!(text.len(), 1);
            assert_eq!(text[0].keyword, "Synthetic");
            assert!(text[0].text.starts_with("computer rendering, not a photograph"), "{}", text[0].text);
        }
    }
    /// Prints what it costs to verify 100,000 images of the size that a rendered one has.
    #[test]
    #[ignore = "measures, and writes 600 MB"]
    fn how_long_verification_takes() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("set");
        let mut sums = Vec::new();
        for class in Class::ALL {
            fs::create_dir_all(folder.join(class.name())).unwrap();
        }
        let mut write = |name: &str, bytes: &[u8]| {
            fs::write(folder.join(name), bytes).unwrap();
            sums.push(format!("{}  {name}\n", Digest::of_bytes(bytes)));
        };
        write(NOTICE, b"measured");
        for index in 0..100_000_u64 {
            let name = Class::ALL[index as usize % 6].name();
            let bytes: Vec<u8> = (0..6_000_u64).map(|i| (i.wrapping_mul(index + 7) >> 3) as u8).collect();
            write(&format!("{name}/{name}-{index:05}.png"), &bytes);
        }
        fs::write(folder.join(CHECKSUMS), sums.concat()).unwrap();
        for _ in 0..3 {
            let watch = augtrial_base::clock::Clock::System.start();
            verify_dataset(&folder, 100_000).unwrap();
            println!("100,000 files of 6 kB: {:.2} s", watch.elapsed().as_secs_f64());
        }
    }
}
