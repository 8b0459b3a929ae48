//! Sets, finished and unfinished, whose files were changed, cut, lost or mixed: seen, and made anew where they are damaged.

use proptest::prelude::*;

use super::*;
use augtrial_base::testing::{Mutation, fuzz};

#[test]
fn images_damaged_while_unfinished_are_made_again() {
    let (study, _whole, expected) = finished();
    let resumed = folder();
    study.make_and_stop(resumed.path(), 9).unwrap_err();

    let partial = resumed.path().join(format!("{}.partial", expected.digest));
    let file = |index: usize| partial.join(&expected.images[index].file);
    fs::remove_file(file(0)).unwrap();
    fs::write(file(4), &fs::read(file(4)).unwrap()[..20]).unwrap();
    let journal = partial.join("done.jsonl");
    let lines = fs::read(&journal).unwrap();
    fs::write(&journal, &lines[..lines.len() - 30]).unwrap();

    let maker = study.maker();
    let set = study.make(resumed.path(), &maker).unwrap();
    assert_eq!(maker.made(), 14 - 9 + 3);
    assert_eq!(content(&set.folder), content(&expected.folder));
}

#[test]
fn damage_to_a_finished_set_is_seen() {
    let (_study, _sets, set) = finished();
    let path = set.folder.join(&set.images[3].file);
    let sound = fs::read(&path).unwrap();

    let mut flipped = sound.clone();
    flipped[sound.len() / 2] ^= 1;
    fs::write(&path, &flipped).unwrap();
    open(&set.folder).unwrap();
    assert!(problem(verify(&set.folder)).contains(&set.images[3].file));

    fs::write(&path, &sound[1..]).unwrap();
    assert!(problem(open(&set.folder)).contains("bytes instead of"));
    fs::remove_file(&path).unwrap();
    assert!(problem(open(&set.folder)).contains(&set.images[3].file));
    fs::write(&path, &sound).unwrap();
    verify(&set.folder).unwrap();
}

#[test]
fn a_damaged_set_is_made_anew_where_it_is_damaged_and_it_is_said() {
    /// The file's new content; none if it is removed.
    type Change = fn(&[u8]) -> Option<Vec<u8>>;
    let (study, sets, set) = finished();
    let before = content(&set.folder);
    let image = set.folder.join(&set.images[3].file);
    let manifest = set.folder.join("manifest.jsonl");
    let damage: [(&Path, Change, usize, &str); 5] = [
        (&image, |sound| Some([&sound[..40], &[sound[40] ^ 1], &sound[41..]].concat()), 1, "another content"),
        (&image, |sound| Some(sound[1..].to_vec()), 1, "bytes instead of"),
        (&image, |_| None, 1, "No such file"),
        (&manifest, |sound| Some(sound[..sound.len() / 2].to_vec()), 8, "manifest.jsonl"),
        (&manifest, |_| None, 14, "manifest.jsonl"),
    ];
    for (path, change, remade, problem) in damage {
        match change(&fs::read(path).unwrap()) {
            Some(changed) => fs::write(path, changed).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
        let maker = study.maker();
        let mended = study.make(sets.path(), &maker).unwrap();
        assert!(!mended.reused && mended.replaced.as_ref().unwrap().contains(problem), "{:?}", mended.replaced);
        assert!(maker.made() <= remade, "{problem}: {} were made", maker.made());
        assert_eq!(content(&set.folder), before, "{problem}");
        assert!(study.make(sets.path(), &study.maker()).unwrap().replaced.is_none());
    }
}

/// What is made of damaged pixels is as whole as what is made of sound ones: lines of another lineage vouch for nothing.
#[test]
fn lines_of_another_recipe_do_not_survive_in_a_set_that_is_made_anew() {
    let (study, sets, set) = finished();
    let before = content(&set.folder);
    let manifest = set.folder.join("manifest.jsonl");
    let sound = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, sound.replace(r#""seed":11"#, r#""seed":12"#)).unwrap();
    let maker = study.maker();
    assert!(study.make(sets.path(), &maker).unwrap().replaced.is_some());
    assert_eq!((maker.made(), content(&set.folder)), (14, before));
}

#[test]
fn what_a_killed_process_was_writing_does_not_get_into_the_set() {
    let (study, _whole, expected) = finished();
    let resumed = folder();
    study.make_and_stop(resumed.path(), 6).unwrap_err();
    let partial = resumed.path().join(format!("{}.partial", expected.digest));
    let images = partial.join(&expected.images[0].file);
    for name in [".new-killed", "earlier.png.tmp"] {
        fs::write(images.with_file_name(name), b"half").unwrap();
        fs::write(partial.join(name), b"half").unwrap();
    }
    let set = study.make(resumed.path(), &study.maker()).unwrap();
    assert_eq!(content(&set.folder), content(&expected.folder));
}

#[test]
fn no_change_of_a_manifest_makes_its_reader_panic_or_take_an_image_from_elsewhere() {
    let (_study, _sets, set) = finished();
    let path = set.folder.join("manifest.jsonl");
    let sound = fs::read(&path).unwrap();
    let strategy = prop::collection::vec(Mutation::any(), 1..6);
    fuzz("changed manifests of sets", 200, &strategy, |changes| {
        let bytes = Mutation::all(&changes, &sound);
        fs::write(&path, &bytes).unwrap();
        if let Ok(read) = open(&set.folder) {
            let names = |set: &DerivedSet| set.images.iter().map(|image| image.file.clone()).collect::<Vec<_>>();
            prop_assert!(read.images.len() + read.missing.len() == 14);
            prop_assert!(names(&read).iter().all(|name| names(&set).contains(name)));
        }
        Ok(())
    });
}

#[test]
fn a_manifest_that_was_changed_is_refused() {
    let (_study, _sets, set) = finished();
    let path = set.folder.join("manifest.jsonl");
    let sound = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = sound.lines().collect();
    let without_last = lines[..lines.len() - 1].join("\n");
    let changes = [
        (String::new(), "manifest.jsonl:1"),
        (without_last.clone(), "14 were planned"),
        (without_last.replace(r#""images":14"#, r#""images":13"#), "14 were planned"),
        (sound.replace("images/", "../../"), "unexpected path"),
        (sound.replacen(r#""seed":11"#, r#""seed":12"#, 1), "another recipe, seed or tool"),
        (sound.replace(r#""seed":11"#, r#""seed":12"#), "another set"),
        (sound.replace(r#""version":1"#, r#""version":9"#), "format"),
        (format!("{}\n{}\n{}", lines[0], lines[2], [&lines[1..2], &lines[3..]].concat().join("\n")), "not sorted"),
    ];
    for (changed, expected) in changes {
        fs::write(&path, changed).unwrap();
        let problem = problem(open(&set.folder));
        assert!(problem.contains(expected), "{problem}");
    }
}
