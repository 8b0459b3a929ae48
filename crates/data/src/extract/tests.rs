//! Tests of shards and of what is extracted from them; the shards are made by `fixtures/parquet/make_shards.py`.

use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::*;
use crate::ingest::ingest;
use crate::manifest::Manifest;
use augtrial_base::testing::{Mutation, fuzz};
use augtrial_plan::dataset::Ingest;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/parquet").join(name)
}

fn columns(image: &str, label: &str, split: Option<&str>, classes: Option<&[&str]>) -> Parquet {
    Parquet {
        path: String::new(),
        image: image.to_owned(),
        label: label.to_owned(),
        split: split.map(str::to_owned),
        classes: classes.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
    }
}

fn usual() -> Parquet {
    columns("image", "label", None, None)
}

const WATCH: Watch<'_> = Watch { stopped: &|| false, progress: &|_, _| {} };

fn extracted_to(store: &Path, path: &Path, columns: &Parquet) -> Result<Extracted, IngestError> {
    Ok(extracted(store, path, columns, false, WATCH)?.expect("nobody stops it"))
}

fn read(store: &Path, path: &Path, columns: &Parquet) -> Result<Manifest, IngestError> {
    ingest(&extracted_to(store, path, columns)?.source, &Ingest::default(), &|_, _| {})
}

/// What is wrong, with the folder of the fixtures left out.
fn message(path: &Path, columns: &Parquet) -> String {
    let store = tempfile::tempdir().unwrap();
    let error = read(store.path(), path, columns).unwrap_err().to_string();
    error.replace(&*fixture("").to_string_lossy(), "FIXTURES/")
}

#[test]
fn shards_of_a_hub_give_images_labels_and_the_parts_that_they_are_named_after() {
    let store = tempfile::tempdir().unwrap();
    let manifest = read(store.path(), &fixture("hub"), &usual()).unwrap();
    assert_eq!(manifest.classes, ["glass", "paper, brown"]);
    let images: Vec<_> = manifest.images.iter().map(|i| (i.path.as_str(), i.class, i.split.unwrap().name())).collect();
    assert_eq!(
        images,
        [
            ("data/test-00000-of-00001/0000000.png", 0, "test"),
            ("data/test-00000-of-00001/0000001.bmp", 1, "test"),
            ("data/train-00000-of-00002/0000000.png", 0, "train"),
            ("data/train-00000-of-00002/0000001.jpg", 1, "train"),
            ("data/train-00000-of-00002/0000002.png", 0, "train"),
            ("data/train-00001-of-00002/0000000.webp", 1, "train"),
            ("data/validation-00000-of-00001/0000000.png", 0, "validation"),
            ("data/validation-00000-of-00001/0000001.png", 1, "validation"),
        ]
    );
    let [gif] = &manifest.quarantined[..] else { panic!("{:?}", manifest.quarantined) };
    assert!(gif.path.ends_with("train-00001-of-00002/0000001.image") && gif.reason.contains("GIF"), "{gif:?}");
    // The bytes are those that Pillow wrote: red is the shade, blue is 200.
    let source = extracted_to(store.path(), &fixture("hub"), &usual()).unwrap().source;
    for (place, shade) in [("data/train-00000-of-00002/0000002.png", 3), ("data/test-00000-of-00001/0000001.bmp", 9)] {
        let picture = image::open(source.root().join(place)).unwrap().into_rgb8();
        assert_eq!((picture.dimensions(), picture.get_pixel(5, 3).0), ((6, 4), [shade, 0, 200]), "{place}");
    }
    assert_eq!(look(&fixture("hub"), &usual()).unwrap(), (Some(manifest.classes), 9));
}

#[test]
fn a_plain_file_with_names_and_a_column_of_parts_is_read() {
    let store = tempfile::tempdir().unwrap();
    let manifest =
        read(store.path(), &fixture("plain.parquet"), &columns("img", "labels", Some("split"), None)).unwrap();
    assert_eq!((&*manifest.classes, manifest.class_counts()), (&["glass", "paper"].map(str::to_owned)[..], vec![2, 2]));
    let parts: Vec<_> = manifest.images.iter().map(|image| image.split.unwrap().name()).collect();
    assert_eq!(parts, ["train", "train", "validation", "test"]);
    let undivided = read(store.path(), &fixture("plain.parquet"), &columns("img", "labels", None, None)).unwrap();
    assert!(undivided.images.iter().all(|image| image.split.is_none()));
    let one = fixture("hub/data/train-00000-of-00002.parquet");
    let alone = read(store.path(), &one, &columns("image", "label", None, Some(&["a", "b"]))).unwrap();
    assert_eq!((alone.classes, alone.images[0].split), (vec!["a".to_owned(), "b".to_owned()], None));
}

#[test]
fn what_is_there_is_reused_and_what_is_damaged_is_made_anew() {
    let store = tempfile::tempdir().unwrap();
    let first = extracted_to(store.path(), &fixture("hub"), &usual()).unwrap();
    let root = first.source.root().to_owned();
    let image = root.join("data/train-00000-of-00002/0000000.png");
    let (whole, made) = (fs::read(&image).unwrap(), image.metadata().unwrap().modified().unwrap());
    assert!(extracted_to(store.path(), &fixture("hub"), &usual()).unwrap().replaced.is_none());
    assert_eq!(image.metadata().unwrap().modified().unwrap(), made, "nothing was written again");
    for damage in [Some(&b"other"[..]), None] {
        match damage {
            Some(bytes) => fs::write(&image, bytes).unwrap(),
            None => fs::remove_file(&image).unwrap(),
        }
        let again = extracted_to(store.path(), &fixture("hub"), &usual()).unwrap();
        assert!(again.replaced.unwrap().contains("0000000.png"));
        assert_eq!(fs::read(&image).unwrap(), whole);
    }
    let other =
        extracted_to(store.path(), &fixture("hub"), &columns("image", "label", None, Some(&["a", "b"]))).unwrap();
    assert_ne!(other.source.root(), root, "other classes are another extraction");
    assert!(images_of(&root).contains(&Digest::of_bytes(&whole)) && images_of(store.path()).is_empty());
}

#[test]
fn a_shard_that_changed_is_extracted_anew_and_a_stop_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (store, shard) = (folder.path().join("store"), folder.path().join("shard.parquet"));
    let plain = columns("image", "label", None, Some(&["a", "b"]));
    fs::copy(fixture("hub/data/train-00000-of-00002.parquet"), &shard).unwrap();
    let before = extracted_to(&store, &shard, &plain).unwrap().source;
    fs::copy(fixture("hub/data/test-00000-of-00001.parquet"), &shard).unwrap();
    assert_ne!(extracted_to(&store, &shard, &plain).unwrap().source, before);
    let stop = AtomicBool::new(true);
    let stopped = || stop.load(Ordering::Relaxed);
    let other = columns("image", "label", None, Some(&["c", "d"]));
    let watch = Watch { stopped: &stopped, ..WATCH };
    assert!(extracted(&store, &shard, &other, false, watch).unwrap().is_none());
    let folders = fs::read_dir(&store).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
    assert_eq!(folders, 2);
}

#[test]
fn what_cannot_be_used_is_told_with_its_place_and_what_to_do() {
    let plain = fixture("plain.parquet");
    for (path, columns, expected) in [
        (
            &plain,
            usual(),
            "FIXTURES/plain.parquet: there is no column `image` among `img`, `labels`, `split`, `note`: write `image = \"img\"`, \
             if that is it",
        ),
        (
            &plain,
            columns("img", "label", None, None),
            "FIXTURES/plain.parquet: there is no column `label` among `img`, `labels`, `split`, `note`: write `label = \
             \"labels\"`, if that is it",
        ),
        (
            &plain,
            columns("img", "labels", Some("note"), None),
            "FIXTURES/plain.parquet: row 1: its part `not read` is not one of `train`, `validation`, `test`",
        ),
        (
            &plain,
            columns("img", "labels", None, Some(&["glas", "paper"])),
            "FIXTURES/plain.parquet: class `glass` is not one of `glas`, `paper`; did you mean `glas`?",
        ),
        (
            &fixture("kept-back.parquet"),
            usual(),
            "FIXTURES/kept-back.parquet: the labels in `label` are numbers, and nothing in the file names them: name them with \
             `classes`, in their order",
        ),
        (
            &fixture("kept-back.parquet"),
            columns("image", "label", None, Some(&["a", "b"])),
            "FIXTURES/kept-back.parquet: row 1: its label is -1, as in a test part whose labels are kept back: leave that shard \
             out, in a folder of the others",
        ),
        (
            &fixture("by-path.parquet"),
            usual(),
            "FIXTURES/by-path.parquet: row 1: it holds no bytes of its image; where a shard only names files, save it with its \
             images embedded",
        ),
        (
            &fixture("make_shards.py"),
            usual(),
            "FIXTURES/make_shards.py: it is not readable as Parquet: Parquet error: Invalid Parquet file. Corrupt footer",
        ),
    ] {
        assert_eq!(message(path, &columns), expected);
    }
    let empty = tempfile::tempdir().unwrap();
    let nothing = message(empty.path(), &usual());
    assert!(
        nothing.ends_with("no file in it ends in .parquet: name a shard, or the folder of the shards"),
        "{nothing}"
    );
    assert!(message(&empty.path().join("nowhere"), &usual()).contains("check that it exists"));
    for name in ["train-0.parquet", "other.parquet"] {
        fs::copy(fixture("hub/data/test-00000-of-00001.parquet"), empty.path().join(name)).unwrap();
    }
    let mixed = message(empty.path(), &usual());
    assert!(mixed.contains("1 of 2 shards are named after a part, and other.parquet is not"), "{mixed}");
}

#[test]
fn no_change_of_a_shard_makes_its_reader_panic() {
    let folder = tempfile::tempdir().unwrap();
    let shard = folder.path().join("x.parquet");
    let whole = fs::read(fixture("hub/data/train-00000-of-00002.parquet")).unwrap();
    let strategy = prop::collection::vec(Mutation::any(), 1..8);
    fuzz("changed shards", 100, &strategy, |changes| {
        fs::write(&shard, Mutation::all(&changes, &whole)).unwrap();
        // Whatever it says, it says it as an error.
        let _ = extracted(&folder.path().join("store"), &shard, &usual(), false, WATCH);
        Ok(())
    });
}
