//! Tests of writing: a file or a folder is there whole or not at all.

use super::*;

#[test]
fn a_write_that_fails_leaves_the_old_content_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    replace_bytes(&path, b"old", Durability::Now).unwrap();
    let failed = replace(&path, |out| {
        out.write_all(b"half")?;
        Err(io::Error::other("no more"))
    });
    assert_eq!(failed.unwrap_err().to_string(), "no more");
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_library_that_opens_files_itself_replaces_as_a_whole_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    replace_at(&path, |temporary| fs::write(temporary, b"old")).unwrap();
    let failed = replace_at(&path, |temporary| {
        fs::write(temporary, b"half")?;
        Err(io::Error::other("no more"))
    });
    assert_eq!(failed.unwrap_err().to_string(), "no more");
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn of_two_that_publish_one_folder_the_first_wins_and_the_second_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("set");
    let publish_one = |content: &[u8]| {
        let unfinished = unfinished_folder(&target).unwrap();
        fs::write(unfinished.path().join("x"), content).unwrap();
        publish(unfinished.path(), &target).unwrap()
    };
    assert_eq!([publish_one(b"first"), publish_one(b"second")], [Published::Ours, Published::Rival]);
    assert_eq!(fs::read(target.join("x")).unwrap(), b"first");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
}

#[test]
fn a_folder_takes_the_place_of_another_and_leaves_nothing_beside_it() {
    let parent = tempfile::tempdir().unwrap();
    let target = parent.path().join("report");
    for content in ["first", "second"] {
        let unfinished = unfinished_folder(&target).unwrap();
        fs::write(unfinished.path().join(content), content).unwrap();
        replace_folder(&unfinished, &target).unwrap();
    }
    assert!(target.join("second").exists() && !target.join("first").exists());
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
}

#[test]
fn two_that_replace_one_folder_at_once_both_succeed_and_leave_one_whole_folder() {
    for in_two_steps in [false, true] {
        let above = tempfile::tempdir().unwrap();
        let target = above.path().join("report");
        std::thread::scope(|scope| {
            for name in ["one", "two"] {
                let target = &target;
                scope.spawn(move || {
                    for _ in 0..50 {
                        let unfinished = unfinished_folder(target).unwrap();
                        fs::write(unfinished.path().join("a"), name).unwrap();
                        fs::write(unfinished.path().join("b"), name).unwrap();
                        let place = if in_two_steps { placed_in_two_steps } else { placed };
                        replace_folder_with(&unfinished, target, place).unwrap();
                    }
                });
            }
        });
        let read = |name: &str| fs::read(target.join(name)).unwrap();
        assert_eq!(read("a"), read("b"));
        assert_eq!(fs::read_dir(above.path()).unwrap().count(), 1, "nothing is left behind");
    }
}

#[cfg(unix)]
#[test]
fn files_and_folders_are_as_visible_as_the_umask_allows() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    fs::write(&plain, b"").unwrap();
    let written = folder.path().join("written");
    replace_bytes(&written, b"", Durability::Later).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&plain), mode(&written));
}
