//! The promises of the store, kept under interruption and concurrency; `damage` has what is damaged.

mod damage;

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::SystemTime;

use tempfile::TempDir;

use super::*;
use augtrial_base::digest::Digest;
use augtrial_base::seed::StudySeed;
use augtrial_data::pixels::Pixels;
use augtrial_plan::transform::{GaussianNoise, HorizontalFlip, RandomCrop, RandomResizedCrop, Transform};

const WIDTH_PX: u32 = 12;
const HEIGHT_PX: u32 = 9;
const PIXELS_BYTES: usize = (WIDTH_PX * HEIGHT_PX * 3) as usize;
const COPIES: u32 = 2;

/// A study of seven images in two classes.
struct Study {
    pixels: Vec<Vec<u8>>,
    transforms: Vec<Transform>,
    step: serde_json::Value,
    seed: StudySeed,
}

impl Study {
    fn new() -> Self {
        let pixels = (0..7).map(|image| (0..PIXELS_BYTES).map(|i| (i * (image + 3) % 251) as u8).collect()).collect();
        let noise = Transform::GaussianNoise(GaussianNoise { sigma: [0.05, 0.2] });
        let transforms = vec![
            Transform::HorizontalFlip(HorizontalFlip::default()),
            Transform::RandomCrop(RandomCrop::default()),
            noise,
        ];
        Self { pixels, step: serde_json::to_value(&transforms).unwrap(), transforms, seed: StudySeed(11) }
    }

    fn sources(&self) -> Vec<SourceImage<'_>> {
        let indexed = self.pixels.iter().enumerate();
        indexed
            .map(|(index, rgb)| SourceImage {
                digest: Digest::of_bytes(rgb),
                path: "class/photo.jpg",
                class: index as u32 % 2,
                pixels: Pixels::Bytes(rgb),
            })
            .collect()
    }

    fn request<'a>(&'a self, sources: &'a [SourceImage<'a>]) -> SetRequest<'a> {
        SetRequest {
            sources,
            width_px: WIDTH_PX,
            height_px: HEIGHT_PX,
            recipe: Digest::of_value("step", &self.step),
            step: &self.step,
            copies: NonZeroU32::new(COPIES).unwrap(),
            seed: self.seed,
        }
    }

    fn maker(&self) -> Probe {
        let recipe = Digest::of_value("step", &self.step);
        let inner = TransformMaker::new(&self.transforms, recipe, self.seed);
        Probe { inner, made: AtomicUsize::new(0), rejects: |_| false }
    }

    /// Materializes into `sets` with the maker, uninterrupted.
    fn make(&self, sets: &Path, maker: &Probe) -> Result<DerivedSet, StoreError> {
        let watch = Watch { stop: &AtomicBool::new(false), progress: &|_| {} };
        materialize(sets, &self.request(&self.sources()), maker, watch)
    }

    /// Materializes into `sets`, asked to stop once `after` images are done.
    fn make_and_stop(&self, sets: &Path, after: usize) -> Result<DerivedSet, StoreError> {
        let stop = AtomicBool::new(false);
        let progress = |p: SetProgress| stop.store(p.done >= after, Ordering::Relaxed);
        let watch = Watch { stop: &stop, progress: &progress };
        materialize(sets, &self.request(&self.sources()), &self.maker(), watch)
    }
}

/// Transforms in batches of three that count what they make and may reject some copies.
struct Probe {
    inner: TransformMaker,
    made: AtomicUsize,
    rejects: fn(u32) -> bool,
}

impl Probe {
    fn made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }
}

impl DerivedImageMaker for Probe {
    fn tool(&self) -> String {
        self.inner.tool()
    }

    fn batch_size(&self) -> usize {
        3
    }

    fn make_batch(&self, batch: &[Planned<'_>]) -> Result<Vec<Made>, MakerError> {
        self.made.fetch_add(batch.len(), Ordering::Relaxed);
        let made = self.inner.make_batch(batch)?;
        let missing = || Missing { reason: MissingReason::Filtered, detail: "too similar".to_owned() };
        let check = |(planned, made): (&Planned<'_>, _)| {
            if (self.rejects)(planned.copy) { Made::from(missing()) } else { made }
        };
        Ok(batch.iter().zip(made).map(check).collect())
    }
}

/// Every file below a folder: path, content, time of the last change.
fn tree(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                let changed = entry.metadata().unwrap().modified().unwrap();
                let path = entry.path().strip_prefix(folder).unwrap().to_owned();
                files.insert(path, (fs::read(entry.path()).unwrap(), changed));
            }
        }
    }
    files
}

fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    tree(folder).into_iter().map(|(path, (bytes, _))| (path, bytes)).collect()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A study and its whole set, in a folder that lasts as long as it is held.
fn finished() -> (Study, TempDir, DerivedSet) {
    let (study, sets) = (Study::new(), folder());
    let set = study.make(sets.path(), &study.maker()).unwrap();
    (study, sets, set)
}

fn problem(result: Result<DerivedSet, StoreError>) -> String {
    match result {
        Err(StoreError::Damaged { problem, .. }) => problem,
        other => panic!("expected a damaged set, got {other:?}"),
    }
}

#[test]
fn a_set_holds_every_planned_image_with_its_lineage() {
    let (study, sets, set) = finished();
    assert!(!set.reused && set.missing.is_empty());
    assert_eq!(set.images.len(), 7 * COPIES as usize);
    assert_eq!(set.pixels().unwrap().len(), set.images.len());
    for image in &set.images {
        let source = study.sources().into_iter().find(|s| s.digest == image.lineage.source).unwrap();
        assert_eq!((image.class, image.lineage.seed), (source.class, 11));
        assert_ne!(set.decode(image).unwrap().as_raw().as_slice(), &*source.pixels.rgb().unwrap());
    }
    let others: Vec<String> = fs::read_dir(sets.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| *name != set.digest.to_string())
        .collect();
    assert_eq!(others, [format!("{}.lock", set.digest)]);
    assert_eq!(verify(&set.folder).unwrap().images, set.images);
}

#[test]
fn a_finished_set_is_reused_and_no_file_of_it_is_touched() {
    let (study, sets, first) = finished();
    let before = tree(sets.path());
    let maker = study.maker();
    let second = study.make(sets.path(), &maker).unwrap();
    assert!(second.reused && maker.made() == 0);
    assert_eq!((second.digest, second.images), (first.digest, first.images));
    assert_eq!(tree(sets.path()), before);
}

#[test]
fn whatever_changes_pixels_changes_the_digest_and_nothing_else_does() {
    let study = Study::new();
    let sources = study.sources();
    let request = study.request(&sources);
    let digest = request.digest("tool 1");

    let mut relabeled = sources.clone();
    relabeled[0].class = 5;
    let changed = [
        request.digest("tool 2"),
        SetRequest { seed: StudySeed(12), ..request }.digest("tool 1"),
        SetRequest { recipe: Digest::of_bytes(b"another"), ..request }.digest("tool 1"),
        SetRequest { copies: NonZeroU32::MIN, ..request }.digest("tool 1"),
        SetRequest { width_px: WIDTH_PX + 1, ..request }.digest("tool 1"),
        SetRequest { sources: &sources[1..], ..request }.digest("tool 1"),
        SetRequest { sources: &relabeled, ..request }.digest("tool 1"),
    ];
    for other in changed {
        assert_ne!(other, digest);
    }

    let mut moved: Vec<_> = sources.iter().rev().copied().chain([sources[0]]).collect();
    moved[1].path = "elsewhere.jpg";
    assert_eq!(SetRequest { sources: &moved, ..request }.digest("tool 1"), digest);
}

#[test]
fn an_interrupted_set_continues_and_ends_byte_identical() {
    let (study, _whole, expected) = finished();
    let resumed = folder();

    match study.make_and_stop(resumed.path(), 6) {
        Err(StoreError::Interrupted { done: 6, planned: 14, .. }) => {}
        other => panic!("expected an interruption, got {other:?}"),
    }
    assert!(!resumed.path().join(expected.digest.to_string()).exists());

    let maker = study.maker();
    let set = study.make(resumed.path(), &maker).unwrap();
    assert_eq!(maker.made(), 14 - 6);
    assert_eq!(content(&set.folder), content(&expected.folder));
}

#[test]
fn a_set_that_lacked_only_its_final_name_is_not_made_again() {
    let (study, sets, set) = finished();
    let before = content(&set.folder);
    fs::rename(&set.folder, sets.path().join(format!("{}.partial", set.digest))).unwrap();
    let maker = study.maker();
    let set = study.make(sets.path(), &maker).unwrap();
    assert_eq!(maker.made(), 0);
    assert_eq!(content(&set.folder), before);
}

#[test]
fn every_missing_image_has_its_reason() {
    let (study, sets) = (Study::new(), folder());
    let maker = Probe { rejects: |copy| copy == 1, ..study.maker() };
    let set = study.make(sets.path(), &maker).unwrap();
    assert_eq!((set.images.len(), set.missing.len()), (7, 7));
    assert!(set.missing.iter().all(|image| image.missing.reason == MissingReason::Filtered && image.lineage.copy == 1));
    assert_eq!(verify(&set.folder).unwrap().missing, set.missing);
    let manifest = fs::read_to_string(set.folder.join("manifest.jsonl")).unwrap();
    assert_eq!(manifest.matches(r#"{"missing":{"reason":"filtered","detail":"too similar"}"#).count(), 7);
}

#[test]
fn two_generators_at_once_make_one_set() {
    let (study, sets) = (Study::new(), folder());
    let (maker, start) = (study.maker(), Barrier::new(2));
    let make = || {
        start.wait();
        study.make(sets.path(), &maker).unwrap()
    };
    let (one, two) = thread::scope(|scope| {
        let handle = scope.spawn(make);
        (make(), handle.join().unwrap())
    });
    assert_eq!(one.images, two.images);
    assert!(one.reused != two.reused);
    assert_eq!(maker.made(), 14);
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let study = Study::new();
    let with_threads = |count| {
        let sets = folder();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap();
        pool.install(|| content(&study.make(sets.path(), &study.maker()).unwrap().folder))
    };
    assert_eq!(with_threads(1), with_threads(4));
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let (mut study, sets) = (Study::new(), folder());
    let crop = RandomResizedCrop { width_px: Some(5), ..RandomResizedCrop::default() };
    study.transforms.push(Transform::RandomResizedCrop(crop));
    let error = study.make(sets.path(), &study.maker()).unwrap_err();
    assert!(matches!(error, StoreError::MadeSize { made_px: (5, HEIGHT_PX), .. }), "{error}");

    study.pixels[2].pop();
    let error = study.make(sets.path(), &study.maker()).unwrap_err();
    assert!(matches!(error, StoreError::SourceSize { found_bytes: 323, needed_bytes: 324, .. }), "{error}");
}

#[test]
fn a_disk_that_refuses_is_named_and_nothing_counts_as_finished() {
    let (study, sets) = (Study::new(), folder());
    let sources = study.sources();
    let digest = study.request(&sources).digest(&study.maker().tool());
    let partial = sets.path().join(format!("{digest}.partial"));
    // A folder where an image should be cannot be replaced by a file, not even by root.
    let image = study.make(folder().path(), &study.maker()).unwrap().images[5].file.clone();
    let blocked = partial.join(&image);
    fs::create_dir_all(&blocked).unwrap();
    match study.make(sets.path(), &study.maker()) {
        Err(StoreError::Io { action: "write", path, .. }) => assert_eq!(path, partial.join(&image)),
        other => panic!("expected a failed write, got {other:?}"),
    }
    assert!(!sets.path().join(digest.to_string()).exists());

    fs::remove_dir(&blocked).unwrap();
    let maker = study.maker();
    verify(&study.make(sets.path(), &maker).unwrap().folder).unwrap();
    assert_eq!(maker.made(), 14 - 3, "the batch before the failed one is kept");
}

#[test]
fn a_generator_that_waits_for_another_can_be_stopped() {
    let (study, sets) = (Study::new(), folder());
    let sources = study.sources();
    let digest = study.request(&sources).digest(&study.maker().tool());
    let held = fs::File::create(sets.path().join(format!("{digest}.lock"))).unwrap();
    held.lock().unwrap();
    let watch = Watch { stop: &AtomicBool::new(true), progress: &|_| {} };
    let stopped = materialize(sets.path(), &study.request(&sources), &study.maker(), watch);
    assert!(matches!(stopped, Err(StoreError::Interrupted { done: 0, planned: 14, .. })), "{stopped:?}");
}
