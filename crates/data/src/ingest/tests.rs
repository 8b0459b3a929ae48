//! Tests of ingest: layouts, quarantine, errors.

mod tables;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use image::{ImageFormat, Rgb, RgbImage};
use tempfile::TempDir;

use super::{IngestError, ingest};
use crate::audit::Duplicates;
use crate::manifest::{LeftOut, Manifest};
use crate::parts::Partition;
use crate::source::{Layout, Source};
use crate::stat::ClassTable;
use crate::verify::verify;
use augtrial_base::events::Split;
use augtrial_base::seed::StudySeed;
use augtrial_base::testing::{Mutation, fuzz};
use augtrial_plan::dataset::{Given, Ingest, OnUndecodable, SplitRule};
use proptest::prelude::*;

/// A folder of files, removed in the end.
struct Files(TempDir);

impl Files {
    /// Small images of distinct content at these paths.
    fn with_images(paths: &[&str]) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        for (i, path) in paths.iter().enumerate() {
            files.image(path, i as u8);
        }
        files
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn image(&self, path: &str, shade: u8) {
        let path = self.parent_made(path);
        let format = ImageFormat::from_path(&path).unwrap();
        RgbImage::from_pixel(6, 4, Rgb([shade, 0, 200])).save_with_format(path, format).unwrap();
    }

    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.parent_made(path);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn parent_made(&self, path: &str) -> PathBuf {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn folder(&self, classes: Option<&[&str]>) -> Source {
        let classes = classes.map(|classes| classes.iter().map(|class| (*class).to_owned()).collect());
        Source::new(self.root().to_owned(), Layout::Folder { classes })
    }

    fn csv(&self, text: &str) -> Source {
        let file = self.write("list.csv", text);
        Source::new(self.root().to_owned(), Layout::Csv { file, classes: None })
    }

    fn index(&self, train: &str, test: &str) -> Source {
        let classes = vec!["glass".to_owned(), "paper".to_owned()];
        let (train, test) = (self.write("train.txt", train), self.write("test.txt", test));
        let layout = Layout::Index { classes, first_label: 1, train, validation: None, test };
        Source::new(self.root().to_owned(), layout)
    }
}

fn read(source: &Source) -> Result<Manifest, IngestError> {
    ingest(source, &Ingest::default(), &|_, _| {})
}

/// The message, with the folder's random name replaced.
fn message(source: &Source) -> String {
    read(source).unwrap_err().to_string().replace(&*source.root().to_string_lossy(), "ROOT")
}

fn reasons(files: &[LeftOut]) -> Vec<(&str, &str)> {
    files.iter().map(|file| (file.path.as_str(), file.reason.as_str())).collect()
}

#[test]
fn class_folders_become_sorted_records_with_digests_and_sizes() {
    let files = Files::with_images(&["paper/b.png", "glass/z.bmp", "paper/a.jpg", "glass/deep/er/y.webp"]);
    let done = AtomicU64::new(0);
    let manifest = ingest(&files.folder(None), &Ingest::default(), &|at, total| {
        assert!((1..=4).contains(&at) && total == 4);
        done.fetch_add(1, Ordering::Relaxed);
    })
    .unwrap();
    assert_eq!(done.into_inner(), 4);
    assert_eq!(manifest.classes, ["glass", "paper"]);
    let images: Vec<_> = manifest.images.iter().map(|image| (image.path.as_str(), image.class)).collect();
    assert_eq!(images, [("glass/deep/er/y.webp", 0), ("glass/z.bmp", 0), ("paper/a.jpg", 1), ("paper/b.png", 1)]);
    let first = &manifest.images[0];
    assert_eq!((first.width_px, first.height_px), (6, 4));
    assert_eq!(first.digest, augtrial_base::digest::Digest::of_file(&files.root().join(&first.path)).unwrap());
    assert_eq!(read(&files.folder(None)).unwrap(), manifest);
}

#[test]
fn given_classes_keep_their_order() {
    let files = Files::with_images(&["paper/b.png", "glass/z.bmp"]);
    let manifest = read(&files.folder(Some(&["paper", "glass"]))).unwrap();
    assert_eq!(manifest.classes, ["paper", "glass"]);
    assert_eq!(manifest.images[0].class, 1);
}

#[test]
fn hidden_and_foreign_files_are_ignored_and_listed() {
    let files = Files::with_images(&["a/1.png", "b/2.png", "a/._1.jpg", ".cache/3.png"]);
    for path in [".DS_Store", "a/.DS_Store", "a/Thumbs.db", "a/notes.txt", "README.md"] {
        files.write(path, "x");
    }
    let manifest = read(&files.folder(None)).unwrap();
    assert_eq!(manifest.images.len(), 2);
    assert_eq!(manifest.quarantined, []);
    assert_eq!(
        reasons(&manifest.ignored),
        [
            (".DS_Store", "hidden file"),
            (".cache", "hidden file"),
            ("README.md", "not in a class folder"),
            ("a/.DS_Store", "hidden file"),
            ("a/._1.jpg", "hidden file"),
            ("a/Thumbs.db", "hidden file"),
            ("a/notes.txt", "not named as a JPEG, PNG, WebP or BMP file"),
        ]
    );
}

#[test]
fn an_extension_that_does_not_match_the_content_is_tolerated() {
    let files = Files::with_images(&["a/1.png", "b/2.png"]);
    fs::rename(files.root().join("a/1.png"), files.root().join("a/1.JPEG")).unwrap();
    assert_eq!(read(&files.folder(None)).unwrap().images[0].path, "a/1.JPEG");
}

#[test]
fn unusable_images_are_quarantined_with_the_reason() {
    let files = Files::with_images(&["a/1.png", "b/2.png", "a/whole.jpg"]);
    let jpeg = fs::read(files.root().join("a/whole.jpg")).unwrap();
    files.write("a/cut.jpg", &jpeg[..jpeg.len() - 9]);
    files.write("a/empty.png", "");
    files.write("a/text.png", "not an image");
    files.write("b/vast.png", augtrial_imaging::testing::boundless_png());
    fs::create_dir_all(files.root().join("b/folder.jpg")).unwrap();
    let manifest = read(&files.folder(None)).unwrap();
    assert_eq!(manifest.images.len(), 3);
    assert_eq!(
        reasons(&manifest.quarantined),
        [
            ("a/cut.jpg", "the JPEG is truncated: it has no end-of-image marker"),
            ("a/empty.png", "the file is empty"),
            ("a/text.png", "the content is not JPEG, PNG, WebP or BMP"),
            (
                "b/vast.png",
                "the header promises 30000 x 30000 pixels, more than 64000000; raise `max_pixels` to read it"
            ),
        ]
    );
    assert_eq!(manifest.quarantined[0].class, Some(0));

    let strict = Ingest { on_undecodable: OnUndecodable::Fail, ..Ingest::default() };
    let error = ingest(&files.folder(None), &strict, &|_, _| {}).unwrap_err().to_string();
    assert!(error.starts_with("4 files cannot be used, the first is a/cut.jpg: the JPEG is truncated"), "{error}");
}

#[cfg(unix)]
#[test]
fn circular_and_dangling_links_are_quarantined() {
    use std::os::unix::fs::symlink;
    let files = Files::with_images(&["a/1.png", "b/2.png"]);
    symlink(files.root().join("a"), files.root().join("a/again")).unwrap();
    symlink("nowhere.png", files.root().join("a/gone.png")).unwrap();
    symlink("self.png", files.root().join("a/self.png")).unwrap();
    symlink("../b/2.png", files.root().join("a/linked.png")).unwrap();
    let manifest = read(&files.folder(None)).unwrap();
    assert_eq!(
        manifest.images.iter().map(|i| i.path.as_str()).collect::<Vec<_>>(),
        ["a/1.png", "a/linked.png", "b/2.png"]
    );
    let reasons = reasons(&manifest.quarantined);
    assert_eq!(reasons[0], ("a/again", "symbolic link to a folder that it lies in"));
    assert_eq!(reasons[1].0, "a/gone.png");
    assert!(reasons[1].1.starts_with("cannot be read: No such file"), "{reasons:?}");
    assert_eq!(reasons[2].0, "a/self.png");
}

#[test]
fn a_root_that_is_missing_or_no_folder_is_an_error() {
    let files = Files::with_images(&["a/1.png"]);
    let at = |path: &str| Source::new(files.root().join(path), Layout::Folder { classes: None });
    let error = read(&at("nowhere")).unwrap_err();
    assert!(error.to_string().ends_with("nowhere: check that it exists and that you may read it"), "{error}");
    assert!(std::error::Error::source(&error).is_some());
    assert!(matches!(read(&at("a/1.png")), Err(IngestError::NotAFolder(_))));
}

#[test]
fn a_folder_that_is_no_class_is_an_error_with_a_suggestion() {
    let files = Files::with_images(&["glas/1.png", "paper/2.png"]);
    assert_eq!(
        message(&files.folder(Some(&["glass", "paper"]))),
        "ROOT/glas: class `glas` is not one of `glass`, `paper`; did you mean `glass`?"
    );
}

#[test]
fn an_empty_class_is_an_error_that_says_what_was_quarantined() {
    let files = Files::with_images(&["a/1.png", "b/2.png"]);
    assert_eq!(
        message(&files.folder(Some(&["a", "b", "c"]))),
        "class `c` has no usable image below ROOT (none was found): add images or remove the class"
    );
    files.write("c/1.png", "");
    assert_eq!(
        message(&files.folder(None)),
        "class `c` has no usable image below ROOT (1 quarantined; c/1.png: the file is empty): \
         add images or remove the class"
    );
}

#[test]
fn one_class_is_too_few() {
    let files = Files::with_images(&["a/1.png"]);
    assert_eq!(message(&files.folder(None)), "ROOT: a data set needs two classes or more, and this one has 1");
}

#[test]
fn folders_of_parts_above_the_classes_are_a_given_split() {
    let files = Files::with_images(&[
        "train/glass/1.png",
        "train/paper/2.png",
        "Val/glass/3.png",
        "TESTING/glass/4.png",
        "TESTING/paper/deep/5.png",
        "train/stray.png",
    ]);
    files.write("README.md", "x");
    let manifest = read(&files.folder(None)).unwrap();
    assert_eq!(manifest.classes, ["glass", "paper"]);
    let images: Vec<_> = manifest.images.iter().map(|i| (i.path.as_str(), i.class, i.split)).collect();
    assert_eq!(
        images,
        [
            ("TESTING/glass/4.png", 0, Some(Split::Test)),
            ("TESTING/paper/deep/5.png", 1, Some(Split::Test)),
            ("Val/glass/3.png", 0, Some(Split::Validation)),
            ("train/glass/1.png", 0, Some(Split::Train)),
            ("train/paper/2.png", 1, Some(Split::Train)),
        ]
    );
    assert_eq!(
        reasons(&manifest.ignored),
        [("README.md", "not in a class folder"), ("train/stray.png", "not in a class folder")]
    );
    let partition = Partition::new(&manifest, SplitRule::Given(Given::default()), StudySeed(1)).unwrap();
    assert_eq!([partition.validation.images().len(), partition.test.images().len()], [1, 2]);
    // A class that no part may lack is named where a folder is misspelt.
    files.image("train/gless/9.png", 9);
    assert_eq!(
        message(&files.folder(Some(&["glass", "paper"]))),
        "ROOT/train/gless: class `gless` is not one of `glass`, `paper`; did you mean `glass`?"
    );
}

#[test]
fn parts_and_classes_side_by_side_are_refused_and_so_are_parts_without_classes() {
    let files = Files::with_images(&["train/glass/1.png", "test/glass/2.png", "paper/3.png"]);
    assert_eq!(
        message(&files.folder(None)),
        "ROOT: `test`, `train` look like the parts of a data set, and `paper` like classes: move the class folders into the \
         parts, or name the classes with `classes`"
    );
    let files = Files::with_images(&["train/1.png", "test/2.png"]);
    assert_eq!(
        message(&files.folder(None)),
        "ROOT: `test`, `train` look like the parts of a data set, and have no class folders in them: put one folder a class \
         into each, or name the classes with `classes` if these are the classes"
    );
    assert_eq!(read(&files.folder(Some(&["train", "test"]))).unwrap().classes, ["train", "test"]);
    let vehicles = Files::with_images(&["train/1.png", "bus/2.png"]);
    assert_eq!(read(&vehicles.folder(None)).unwrap().classes, ["bus", "train"]);
}

#[test]
fn classes_one_level_deeper_are_pointed_at() {
    let files = Files::with_images(&["images/a/1.png", "images/b/2.png"]);
    assert_eq!(
        message(&files.folder(None)),
        "ROOT: a data set needs two classes or more, and this one has 1; if `a`, `b` are the classes, or the parts, name \
         ROOT/images as the folder"
    );
}

#[test]
fn pictures_in_formats_that_are_not_read_are_quarantined_with_their_class() {
    let files = Files::with_images(&["a/1.png", "b/2.png"]);
    let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
    for (path, bytes) in
        [("a/x.HEIC", &heic[..]), ("a/y.tiff", b"II*\0...."), ("b/z.gif", b"GIF89a"), ("b/w.jpg", heic)]
    {
        files.write(path, bytes);
    }
    files.write("b/notes.txt", "x");
    let manifest = read(&files.folder(None)).unwrap();
    let reason = |format: &str| format!("the content is {format}, which is not read: convert it to JPEG or PNG");
    let found: Vec<_> = manifest.quarantined.iter().map(|f| (f.path.as_str(), f.reason.clone(), f.class)).collect();
    assert_eq!(
        found,
        [
            ("a/x.HEIC", reason("HEIC"), Some(0)),
            ("a/y.tiff", reason("TIFF"), Some(0)),
            ("b/w.jpg", reason("HEIC"), Some(1)),
            ("b/z.gif", reason("GIF"), Some(1)),
        ]
    );
    assert_eq!(manifest.ignored.len(), 1);
    files.write("c/only.tif", "MM\0*....");
    assert_eq!(
        message(&files.folder(None)),
        format!(
            "class `c` has no usable image below ROOT (1 quarantined; c/only.tif: {}): add images or remove the class",
            reason("TIFF")
        )
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_there_and_cannot_be_read_stops_the_reading() {
    use std::os::unix::fs::symlink;
    let files = Files::with_images(&["a/1.png", "b/2.png"]);
    // The memory of this process at address 0: a regular file, and reading it is an input/output error.
    symlink("/proc/self/mem", files.root().join("a/failing.png")).unwrap();
    let error = read(&files.folder(None)).unwrap_err();
    let IngestError::Unreadable { path, source } = error else { panic!("{error}") };
    assert_eq!((path, source.raw_os_error()), (files.root().join("a/failing.png"), Some(5)));
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_not_utf_8_are_said_to_be_so() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let files = Files::with_images(&["a/1.png", "b/2.png"]);
    let odd = files.root().join("b").join(OsStr::from_bytes(b"caf\xe9.png"));
    fs::copy(files.root().join("b/2.png"), &odd).unwrap();
    let manifest = read(&files.folder(None)).unwrap();
    assert_eq!(reasons(&manifest.quarantined), [("b/caf\u{fffd}.png", "the name is not UTF-8: rename the file")]);
    for parent in ["", "b"] {
        let folder = files.root().join(parent).join(OsStr::from_bytes(b"caf\xe9"));
        fs::create_dir(&folder).unwrap();
        let error = read(&files.folder(None)).unwrap_err().to_string();
        assert!(error.ends_with("caf\u{fffd}: the name of the folder is not UTF-8: rename it"), "{error}");
        fs::remove_dir(&folder).unwrap();
    }
}

#[test]
fn classes_that_repeat_lead_out_or_cannot_be_printed_are_refused() {
    let files = Files::with_images(&["glass/1.png", "paper/1.png"]);
    assert_eq!(
        message(&files.folder(Some(&["glass", "paper", "glass"]))),
        "class `glass` cannot be used: it is there twice"
    );
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("1.png"), "x").unwrap();
    for class in ["../outside/x", "/etc", &*outside.path().to_string_lossy()] {
        let mut source = files.index("1.png 1\n", "1.png 2\n");
        let Layout::Index { classes, .. } = &mut source.layout else { unreachable!() };
        class.clone_into(&mut classes[1]);
        let error = message(&source);
        assert!(error.ends_with("cannot be used: the path leads out of its folder, ROOT"), "{error}");
    }
    let long = "x".repeat(100_000);
    let table = format!("path,class\nglass/1.png,{long}\npaper/1.png,b\n");
    let error = message(&files.csv(&table));
    assert!(error.len() < 200 && error.ends_with("it has 100000 bytes, and a name has 255 at most"), "{error}");
    let error = message(&files.csv("path,class\nglass/1.png,a\u{1b}[31m\npaper/1.png,b\n"));
    assert_eq!(error, "class `a\\u{1b}[31m` cannot be used: it has the character \\u{1b}, which cannot be printed");
}

#[test]
fn byte_identical_images_are_found_and_contradictions_named() {
    let files = Files::with_images(&["a/1.png", "a/2.png", "b/1.png", "b/2.png"]);
    fs::copy(files.root().join("a/1.png"), files.root().join("a/copy.png")).unwrap();
    fs::copy(files.root().join("a/2.png"), files.root().join("b/copy.png")).unwrap();
    let duplicates = Duplicates::find(&read(&files.folder(None)).unwrap());
    let paths: Vec<Vec<&str>> =
        duplicates.sets.iter().map(|set| set.images.iter().map(|i| i.path.as_str()).collect()).collect();
    assert_eq!(paths, [["a/1.png", "a/copy.png"], ["a/2.png", "b/copy.png"]]);
    assert_eq!(duplicates.contradicting().map(|set| set.images[0].path.as_str()).collect::<Vec<_>>(), ["a/2.png"]);
}

#[test]
fn the_class_table_compares_what_was_read_with_what_was_declared() {
    let files = Files::with_images(&["a/1.png", "a/2.png", "b/1.png"]);
    files.write("b/2.png", "");
    files.write("b/.DS_Store", "");
    let manifest = read(&files.folder(None)).unwrap();
    let declared = [("a", 3), ("b", 1), ("z", 5)].map(|(class, count)| (class.to_owned(), count)).into();
    let table = ClassTable::new(&manifest, &declared);
    let rows: Vec<_> = table.rows.iter().map(|r| (r.class.as_str(), r.read, r.difference(), r.quarantined)).collect();
    assert_eq!(rows, [("a", 2, Some(-1), 0), ("b", 1, Some(0), 1)]);
    assert_eq!((table.total.read, table.total.declared, table.total.quarantined), (3, Some(4), 1));
    assert_eq!((table.unknown.get("z"), table.ignored), (Some(&5), 1));
    assert_eq!(ClassTable::new(&manifest, &BTreeMap::new()).total.declared, None);
}

#[test]
fn verification_finds_changed_missing_and_new_files() {
    let files = Files::with_images(&["a/1.png", "a/2.png", "b/1.png"]);
    files.write("a/broken.png", "");
    let manifest = read(&files.folder(None)).unwrap();
    let clean = verify(&manifest, files.root()).unwrap();
    assert!(clean.is_clean() && clean.unchanged == 3, "{clean:?}");
    files.image("a/1.png", 99);
    fs::remove_file(files.root().join("a/2.png")).unwrap();
    files.image("b/new.png", 1);
    let found = verify(&manifest, files.root()).unwrap();
    assert_eq!(
        (found.unchanged, found.changed, found.new),
        (1, vec!["a/1.png".to_owned()], vec!["b/new.png".to_owned()])
    );
    assert_eq!(found.missing[0].path, "a/2.png");
}
