//! Tests of what redrawing for every seed, and further evaluation sets, make of a study's data, sets and keys.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::data::Division;
use crate::data::tests::{PLAN, within};
use crate::prepared::{Draws, Prepared};
use augtrial_base::digest::Digest;
use augtrial_plan::Plan;

fn plan(study: &str, more: &str) -> Plan {
    let text = PLAN.replace("seeds = [1]", &format!("seeds = [1, 2, 3]\n{study}")) + more;
    Plan::parse("tiny.toml", &text, std::path::PathBuf::new(), &[]).unwrap_or_else(|error| panic!("{error}"))
}

/// Digests of the test part, of the set of the second arm, and the keys of both arms' trials, by seed.
#[derive(Debug, PartialEq)]
struct Drawn {
    test: Vec<Digest>,
    set: Vec<Digest>,
    keys: Vec<[Digest; 2]>,
}

fn drawn(plan: &Plan) -> Drawn {
    let runs = tempfile::tempdir().unwrap();
    let of = |prepared: &Prepared<'_>, seed: u64| {
        let Division::BySource(partition) = &prepared.data.division else { panic!("by source") };
        let sets = |arm: usize| -> Vec<Digest> {
            prepared.steps(&plan.arms[arm]).map(|step| prepared.digest(&step.unwrap())).collect()
        };
        let key = |arm: usize| prepared.key(&plan.arms[arm], sets(arm)).trial(seed);
        (partition.test.digest(), sets(1)[0], [key(0), key(1)])
    };
    let all = |context: &crate::Context<'_>| {
        let draws = Draws::read(plan, context).unwrap();
        plan.study.seeds.iter().map(|&seed| of(draws.of(seed).unwrap(), seed)).collect::<Vec<_>>()
    };
    let (found, _) = within(runs.path(), all);
    let mut drawn = Drawn { test: vec![], set: vec![], keys: vec![] };
    for (test, set, keys) in found {
        drawn.test.push(test);
        drawn.set.push(set);
        drawn.keys.push(keys);
    }
    drawn
}

fn distinct<T: Ord>(values: impl IntoIterator<Item = T>) -> usize {
    values.into_iter().collect::<BTreeSet<_>>().len()
}

#[test]
fn redrawn_sets_differ_by_seed_on_one_division_and_leave_other_trials_their_keys() {
    let (once, sets) = (drawn(&plan("", "")), drawn(&plan("redraw = [\"sets\"]", "")));
    assert_eq!((distinct(&once.test), distinct(&once.set)), (1, 1));
    assert_eq!((distinct(&sets.test), distinct(&sets.set)), (1, 3));
    assert_eq!(sets.test, once.test);
    for (redrawn, before) in sets.keys.iter().zip(&once.keys) {
        assert_eq!(redrawn[0], before[0], "an arm without sets has the same trials");
        assert_ne!(redrawn[1], before[1]);
    }
}

#[test]
fn a_redrawn_split_differs_by_seed_for_all_arms_alike() {
    let split = drawn(&plan("redraw = [\"split\"]", ""));
    assert_eq!((distinct(&split.test), distinct(&split.set)), (3, 3), "a set is of the part that is trained on");
    assert_eq!(distinct(split.keys.iter().flatten()), 6);
    assert_eq!(split, drawn(&plan("redraw = [\"split\"]", "")), "seeds decide it");
    // What seed 2 rests on does not depend on which other seeds there are.
    let mut alone = plan("redraw = [\"split\"]", "");
    alone.study.seeds = vec![2];
    assert_eq!(drawn(&alone).keys[0], split.keys[1]);
}

#[test]
fn a_cut_training_part_is_another_trial_and_all_of_it_the_same_one() {
    let whole = drawn(&plan("", ""));
    assert_eq!(drawn(&plan("", "[train]\nfraction = 1.0\n")), whole);
    let half = drawn(&plan("", "[train]\nfraction = 0.5\n"));
    assert_eq!(half.test, whole.test);
    assert_ne!(half.set, whole.set, "a set is of the images that are trained on");
    assert_eq!(distinct(half.keys.iter().chain(&whole.keys).flatten()), 12);
}

#[test]
fn folds_are_disjoint_and_a_second_division_begins_with_the_next_seed() {
    let mut plan = plan("", "[split.folds]\nk = 3\n");
    plan.study.seeds = (1..=4).collect();
    let runs = tempfile::tempdir().unwrap();
    let (parts, _) = within(runs.path(), |context| {
        let draws = Draws::read(&plan, context).unwrap();
        let test = |&seed: &u64| {
            let prepared = draws.of(seed).unwrap();
            let Division::BySource(partition) = &prepared.data.division else { panic!("by source") };
            partition.test.images().iter().map(|image| image.path.clone()).collect::<BTreeSet<_>>()
        };
        plan.study.seeds.iter().map(test).collect::<Vec<_>>()
    });
    assert_eq!(parts[..3].iter().map(BTreeSet::len).sum::<usize>(), 72);
    assert_eq!(parts[..3].iter().flatten().collect::<BTreeSet<_>>().len(), 72);
    assert!(parts[..3].iter().all(|fold| *fold != parts[3]));
}

#[test]
fn sets_of_every_draw_are_made_and_kept_side_by_side() {
    let plan = plan("redraw = [\"split\", \"sets\"]", "");
    let runs = tempfile::tempdir().unwrap();
    let make = |context: &crate::Context<'_>| {
        let draws = Draws::read(&plan, context).unwrap();
        let one = |&seed: &u64| {
            let prepared = draws.of(seed).unwrap();
            let ready = prepared.ready_arm(&plan.arms[1]).unwrap();
            assert!(ready.sets.iter().all(|set| prepared.is_made(set)));
            (ready.sets[0], ready.generation_secs.is_some())
        };
        plan.study.seeds.iter().map(one).collect::<Vec<_>>()
    };
    let (first, _) = within(runs.path(), make);
    assert_eq!(distinct(first.iter().map(|(set, _)| *set)), 3);
    assert!(first.iter().all(|(_, made)| *made));
    let (again, _) = within(runs.path(), make);
    assert!(again.iter().all(|(_, made)| !made), "cached like any other");
}

const NOISE: &str =
    "[[evaluation]]\nname = \"noise\"\n[evaluation.from.corrupted]\napply = [{ gaussian_noise = {} }]\n";

#[test]
fn the_corrupted_test_part_has_every_test_image_once_with_its_label_and_source() {
    let plan = plan("", NOISE);
    let runs = tempfile::tempdir().unwrap();
    let (checked, _) = within(runs.path(), |context| {
        let draws = Draws::read(&plan, context).unwrap();
        let ready = draws.first().ready_arm(&plan.arms[0]).unwrap();
        let (test, noise) = (&ready.test, &ready.further[0]);
        let of = |samples: &[augtrial_data::samples::Sample]| -> BTreeSet<(Digest, u32, String)> {
            samples.iter().map(|sample| (sample.source, sample.label, sample.path.clone())).collect()
        };
        assert_eq!(of(noise.set.samples()), of(test.samples()));
        assert!(noise.set.samples().iter().all(|sample| sample.derived && sample.image != sample.source));
        let trained: BTreeSet<Digest> = ready.training.samples().iter().map(|sample| sample.source).collect();
        noise.set.samples().iter().all(|sample| !trained.contains(&sample.source))
    });
    assert!(checked);
    // Every trial's key has it, and no key where there is none.
    let (with, without) = (drawn(&plan), drawn(&self::plan("", "")));
    assert!(with.keys.iter().zip(&without.keys).all(|(with, without)| with[0] != without[0] && with[1] != without[1]));
}

/// A folder with one image of each class, one of them a copy of an image of the data set.
fn other_camera(folder: &Path, runs: &Path, plan: &Plan) {
    let (manifest, _) = within(runs, |context| {
        let draws = Draws::read(plan, context).unwrap();
        let data = &draws.first().data;
        let first = data.source.root().join(&data.manifest.images[0].path);
        (data.manifest.classes.clone(), data.manifest.images[0].class, fs::read(first).unwrap())
    });
    let (classes, class, copied) = manifest;
    for (index, name) in classes.iter().enumerate() {
        fs::create_dir_all(folder.join(name)).unwrap();
        let image = image::RgbImage::from_pixel(16, 12, image::Rgb([index as u8 * 20, 100, 7]));
        image.save(folder.join(name).join("new.png")).unwrap();
    }
    fs::write(folder.join(&classes[class as usize]).join("known.png"), copied).unwrap();
}

#[test]
fn another_folder_is_read_without_what_the_data_set_has_too() {
    let (runs, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    other_camera(folder.path(), runs.path(), &plan("", ""));
    let more = format!("[[evaluation]]\nname = \"other\"\nfrom = {{ folder = {{ path = {:?} }} }}\n", folder.path());
    let plan = plan("", &more);
    let (samples, notes) = within(runs.path(), |context| {
        let draws = Draws::read(&plan, context).unwrap();
        let ready = draws.first().ready_arm(&plan.arms[0]).unwrap();
        ready.further[0].set.samples().iter().map(|sample| sample.path.clone()).collect::<Vec<_>>()
    });
    assert_eq!(samples.len(), 6);
    assert!(samples.iter().all(|path| path.ends_with("new.png")), "{samples:?}");
    assert!(notes.iter().any(|note| note.contains("evaluation set other: 1 image left out")), "{notes:?}");
    fs::remove_dir_all(folder.path().join("glass")).unwrap();
    within(runs.path(), |context| {
        let error = Draws::read(&plan, context).err().unwrap();
        assert!(error.to_string().contains("cannot read the evaluation set `other`"), "{error}");
    });
}
