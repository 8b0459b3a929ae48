//! Tests of fetching: recipes, archives that mean harm, and files that are not what they should be.

use std::cell::RefCell;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use zip::write::FileOptions;

use super::*;
use augtrial_base::digest::Digest;

/// A zip archive of these entries.
fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in entries {
        archive.start_file(*name, FileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

const PHOTOS: [(&str, &[u8]); 4] = [
    ("photos/glass/1.png", b"one"),
    ("photos/paper/2.png", b"two"),
    ("photos/.DS_Store", b"litter"),
    ("__MACOSX/photos/._1.png", b"litter"),
];

fn sha(bytes: &[u8]) -> String {
    Digest::of_bytes(bytes).to_string()
}

/// What `content` is for the photos and a list beside them.
fn content() -> String {
    let line = |name: &str, bytes: &[u8]| format!("{}  {name}\n", sha(bytes));
    sha([line("list.txt", b"a list"), line(PHOTOS[0].0, b"one"), line(PHOTOS[1].0, b"two")].concat().as_bytes())
}

fn recipe(pin: &str) -> Recipe {
    let list = sha(b"a list");
    Recipe::parse(
        "recipe",
        &format!(
            "name = \"photos\"\n{pin}\n[[file]]\nurl = \"https://example.org/a/photos.zip?raw=1\"\nunpack = \"zip\"\n\
             [[file]]\nurl = \"https://example.org/list.txt\"\nsha256 = \"{list}\"\n"
        ),
    )
    .unwrap_or_else(|error| panic!("{error}"))
}

struct Lab(tempfile::TempDir);

impl Lab {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn fetch(&self, recipe: &Recipe, given: &[PathBuf]) -> Result<Fetched, FetchError> {
        fetch(recipe, &self.data(), Origin { given, curl: "no-such-program" }, &|_| {})
    }

    /// What is wrong, and that nothing was left behind.
    fn fails(&self, recipe: &Recipe, given: &[PathBuf]) -> String {
        let error = self.fetch(recipe, given).unwrap_err().to_string();
        assert_eq!(fs::read_dir(self.data()).unwrap().count(), 0, "nothing is left of it");
        error.replace(&*self.0.path().to_string_lossy(), "LAB")
    }
}

#[test]
fn what_the_user_has_is_unpacked_verified_and_found_again() {
    let lab = Lab::new();
    let zip = lab.write("downloads/any-name.zip", &zipped(&PHOTOS));
    let list = lab.write("clone/list.txt", b"a list");
    let pinned = recipe(&format!("content = \"{}\"", content()));
    let given = [zip, list.parent().unwrap().to_owned()];
    let fetched = lab.fetch(&pinned, &given).unwrap();
    assert_eq!((fetched.files, fetched.reused, fetched.content.to_string()), (3, false, content()));
    assert_eq!(fs::read(lab.data().join("photos/photos/glass/1.png")).unwrap(), b"one");
    assert!(!lab.data().join("photos/photos/.DS_Store").exists() && !lab.data().join("photos/__MACOSX").exists());
    lab.write("data/photos/LICENSE", b"theirs");
    let again = lab.fetch(&pinned, &[]).unwrap();
    assert!(again.reused && again.files == 3, "a file beside does no harm: {again:?}");
    lab.write("data/photos/photos/glass/1.png", b"other");
    let error = lab.fetch(&pinned, &[]).unwrap_err().to_string();
    assert!(error.contains("its content is another one; remove it, or name another folder with --to"), "{error}");
}

#[test]
fn what_is_not_what_the_recipe_pins_is_refused_and_leaves_nothing() {
    let lab = Lab::new();
    let (zip, list) = (lab.write("photos.zip", &zipped(&PHOTOS)), lab.write("list.txt", b"a list"));
    let other = sha(b"other");
    let pinned = recipe(&format!("content = \"{other}\""));
    assert_eq!(
        lab.fails(&pinned, &[zip.clone(), list.clone()]),
        format!(
            "what was unpacked is not what the recipe pins: its content is {}, and should be {other}; nothing is kept",
            content()
        )
    );
    let list = lab.write("list.txt", b"another list");
    assert_eq!(
        lab.fails(&pinned, &[zip.clone(), list]),
        format!(
            "LAB/list.txt is not what the recipe pins: its SHA-256 is {}, and should be {}",
            sha(b"another list"),
            sha(b"a list")
        )
    );
    let error = lab.fails(&pinned, &[zip]);
    assert!(
        error.starts_with("cannot get https://example.org/list.txt: cannot start `no-such-program`")
            && error.ends_with("get it in another way, and name the file, or the folder that it is in, with --from"),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn what_is_not_given_is_got_from_its_address() {
    use std::os::unix::fs::PermissionsExt as _;
    let lab = Lab::new();
    let (zip, list) = (lab.write("web/photos.zip", &zipped(&PHOTOS)), lab.write("web/list.txt", b"a list"));
    // Stands for curl: copies the file of the address's name, or fails as it does.
    let script = format!(
        "#!/bin/sh\nwhile [ \"$1\" != --output ]; do shift; done\nname=$(basename \"${{4%%\\?*}}\")\n\
         cp {}/\"$name\" \"$2\" || {{ echo 'curl: (22) 404' >&2; exit 22; }}\n",
        zip.parent().unwrap().display()
    );
    let curl = lab.write("curl", script.as_bytes());
    fs::set_permissions(&curl, fs::Permissions::from_mode(0o755)).unwrap();
    let pinned = recipe(&format!("content = \"{}\"", content()));
    let said = RefCell::new(Vec::new());
    let told = |text: &str| said.borrow_mut().push(text.to_owned());
    let origin = Origin { given: &[], curl: curl.to_str().unwrap() };
    assert_eq!(fetch(&pinned, &lab.data(), origin, &told).unwrap().files, 3);
    assert_eq!(said.borrow()[0], "getting https://example.org/a/photos.zip?raw=1");
    fs::remove_dir_all(lab.data()).unwrap();
    fs::remove_file(list).unwrap();
    let error = fetch(&pinned, &lab.data(), origin, &told).unwrap_err().to_string();
    assert!(error.starts_with("cannot get https://example.org/list.txt: curl: (22) 404;"), "{error}");
}

#[test]
fn an_archive_that_means_harm_is_refused() {
    let lab = Lab::new();
    let list = lab.write("list.txt", b"a list");
    let pinned = recipe(&format!("most_gb = 1e-6\ncontent = \"{}\"", content()));
    let long = vec![0; 2000];
    for (entries, expected) in [
        (&[("../outside.png", &b"x"[..])][..], "`../outside.png` leads out of the folder"),
        (&[("/etc/outside.png", b"x")], "`/etc/outside.png` leads out of the folder"),
        (&[("a\\..\\b.png", b"x")], "the name `a\\\\..\\\\b.png` cannot be used"),
        (&[("a.png", &long)], "it holds more than `most_gb`"),
        (&[("a", b"x"), ("a/b", b"x")], "a/b: "),
    ] {
        let zip = lab.write("photos.zip", &zipped(entries));
        let error = lab.fails(&pinned, &[zip, list.clone()]);
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.add_symlink("link.png", "/etc/passwd", FileOptions::default()).unwrap();
    let zip = lab.write("photos.zip", &archive.finish().unwrap().into_inner());
    assert!(lab.fails(&pinned, &[zip, list.clone()]).contains("`link.png` is a link or a device"));
    let zip = lab.write("photos.zip", b"<html>no archive</html>");
    assert!(lab.fails(&pinned, &[zip, list]).contains("cannot be unpacked"));
    assert!(!lab.0.path().join("outside.png").exists());
}

#[test]
fn a_tar_archive_is_unpacked_and_its_links_are_refused() {
    let lab = Lab::new();
    let tarred = |link: bool| {
        let gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut archive = tar::Builder::new(gz);
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        if link {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            archive.append_link(&mut header, "a/1.png", "/etc/passwd").unwrap();
        } else {
            header.set_size(3);
            archive.append_data(&mut header, "a/1.png", &b"one"[..]).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap()
    };
    let pinned = |archive: &[u8]| {
        let text = format!(
            "name = \"t\"\n[[file]]\nurl = \"http://x.org/t.tgz\"\nunpack = \"tar.gz\"\nto = \"in/./here\"\nsha256 = \"{}\"\n",
            sha(archive)
        );
        Recipe::parse("t.toml", &text).unwrap()
    };
    let whole = tarred(false);
    let given = [lab.write("t.tgz", &whole)];
    assert_eq!(lab.fetch(&pinned(&whole), &given).unwrap().files, 1);
    assert_eq!(fs::read(lab.data().join("t/in/here/a/1.png")).unwrap(), b"one");
    let error = lab.fetch(&pinned(&whole), &given).unwrap_err().to_string();
    assert!(error.contains("the recipe has no `content` to compare it with"), "{error}");
    fs::remove_dir_all(lab.data().join("t")).unwrap();
    let linked = tarred(true);
    let given = [lab.write("t.tgz", &linked)];
    assert!(lab.fails(&pinned(&linked), &given).contains("is a link or a device"));
}

#[test]
fn recipes_with_errors_are_refused_with_their_places() {
    let message = |text: &str| Recipe::parse("r.toml", text).unwrap_err().to_string();
    for (text, expected) in [
        ("name = \"../x\"\nfile = []\n", "`../x` cannot be the name of a data set's folder"),
        ("name = \"x\"\nfile = []\n", "the recipe has no file"),
        ("name = \"x\"\n[[file]]\nurl = \"https://x.org/a.zip\"\n", "nothing pins this file"),
        ("name = \"x\"\n[[file]]\nurl = \"file:///etc/passwd\"\n", "`file:///etc/passwd` is no address of a file"),
        ("name = \"x\"\n[[file]]\nurl = \"https://x.org/\"\n", "does not end in the name of a file"),
        (
            "name = \"x\"\n[[file]]\nurl = \"https://x.org/a\"\nto = \"../b\"\n",
            "`../b` leads out of the data set's folder",
        ),
        ("name = \"x\"\n[[file]]\nurl = \"https://x.org/a\"\nsha256 = \"12\"\n", "`12` is not a SHA-256 digest"),
        ("name = \"x\"\n[[file]]\nurl = \"https://x.org/a\"\nsha265 = \"12\"\n", "unknown field `sha265`"),
        ("name = \"x\"\nmost_gb = -1.0\n[[file]]\nurl = \"https://x.org/a\"\n", "`most_gb` must lie between"),
    ] {
        let found = message(text);
        assert!(found.contains(expected) && found.contains("r.toml:"), "{expected}: {found}");
    }
    let error = Recipe::named("trashnett").unwrap_err().to_string();
    assert_eq!(error, "there is no data set `trashnett`: did you mean `trashnet`?");
    assert!(matches!(Recipe::named("nowhere.toml"), Err(FetchError::Read { .. })));
}

#[test]
fn every_known_recipe_is_whole() {
    for (name, _) in KNOWN {
        let recipe = Recipe::named(name).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(recipe.name, name);
        assert!(recipe.content.is_some() && !recipe.license.is_empty() && !recipe.next.is_empty(), "{name}");
    }
}

/// `AUGTRIAL_TRASHNET` names a folder with `dataset-resized/` and the index files.
#[test]
#[ignore = "needs TrashNet"]
fn trashnet_is_what_its_recipe_pins() {
    let folder = PathBuf::from(std::env::var("AUGTRIAL_TRASHNET").expect("AUGTRIAL_TRASHNET names its folder"));
    let lab = Lab::new();
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in super::content::files(&folder.join("dataset-resized")).unwrap() {
        archive.start_file(format!("dataset-resized/{name}"), FileOptions::default()).unwrap();
        archive.write_all(&fs::read(folder.join("dataset-resized").join(&name)).unwrap()).unwrap();
    }
    let zip = lab.write("dataset-resized.zip", &archive.finish().unwrap().into_inner());
    let fetched = lab.fetch(&Recipe::named("trashnet").unwrap(), &[zip, folder.clone()]).unwrap();
    assert_eq!(fetched.files, 2531);
    let parent = Path::new(&folder).parent().unwrap();
    if folder.ends_with("trashnet") {
        let recipe = Recipe::named("trashnet").unwrap();
        assert!(fetch(&recipe, parent, Origin { given: &[], curl: "" }, &|_| {}).unwrap().reused);
    }
}
