//! Tables and index files.

use super::*;

#[test]
fn index_files_give_classes_and_parts() {
    let files = Files::with_images(&["glass/1.png", "glass/a b.png", "paper/1.png", "paper/unnamed.png"]);
    let manifest = read(&files.index("\u{feff}1.png 1\r\n\r\n1.png 2\r\n", "a b.png 1\ngone.png 2\n")).unwrap();
    let images: Vec<_> = manifest.images.iter().map(|i| (i.path.as_str(), i.class, i.split)).collect();
    assert_eq!(
        images,
        [
            ("glass/1.png", 0, Some(Split::Train)),
            ("glass/a b.png", 0, Some(Split::Test)),
            ("paper/1.png", 1, Some(Split::Train)),
        ]
    );
    assert_eq!(reasons(&manifest.ignored), [("paper/unnamed.png", "in no index file")]);
    let [gone] = &manifest.quarantined[..] else { panic!("{:?}", manifest.quarantined) };
    assert_eq!((gone.path.as_str(), gone.class), ("paper/gone.png", Some(1)));
    let place = format!("(listed at {}:2)", files.root().join("test.txt").display());
    assert!(
        gone.reason.starts_with("cannot be read: No such file") && gone.reason.ends_with(&place),
        "{}",
        gone.reason
    );
}

#[test]
fn wrong_lines_of_an_index_are_errors_with_their_place() {
    let files = Files::with_images(&["glass/1.png", "paper/1.png"]);
    for (train, test, expected) in [
        (
            "1.png 1\n",
            "1.png 3\n",
            "ROOT/test.txt:1: label 3 is out of range: labels go from 1 to 2, for `glass`, `paper`",
        ),
        ("1.png 0\n", "", "ROOT/train.txt:1: label 0 is out of range: labels go from 1 to 2, for `glass`, `paper`"),
        ("1.png -9\n", "", "ROOT/train.txt:1: label -9 is out of range: labels go from 1 to 2, for `glass`, `paper`"),
        ("1.png 1\n1.png\n", "", "ROOT/train.txt:2: expected `<file name> <label>`, found `1.png`"),
        ("1.png one\n", "", "ROOT/train.txt:1: expected `<file name> <label>`, found `1.png one`"),
        (
            "1.png 1\n1.png 2\n",
            "1.png 1\n",
            "ROOT/test.txt:1: `glass/1.png` is already listed at ROOT/train.txt:1: an image belongs to one part, once",
        ),
        (
            "1.png 1\n./1.png 1\n",
            "",
            "ROOT/train.txt:2: `glass/1.png` is already listed at ROOT/train.txt:1: an image belongs to one part, once",
        ),
        (
            "../paper/1.png 1\n",
            "",
            "ROOT/train.txt:1: `../paper/1.png` lies outside ROOT/glass: move the image there, or change the root",
        ),
    ] {
        assert_eq!(message(&files.index(train, test)), expected);
    }
}

#[test]
fn a_missing_index_file_is_an_error() {
    let files = Files::with_images(&["glass/1.png"]);
    let source = files.index("", "");
    fs::remove_file(files.root().join("test.txt")).unwrap();
    assert_eq!(message(&source), "cannot read ROOT/test.txt: check that it exists and that you may read it");
}

#[test]
fn csv_rows_give_classes_parts_and_groups() {
    let files = Files::with_images(&["x/1.png", "x/2.png", "3.png"]);
    let absolute = files.root().join("3.png");
    let text = format!(
        "class, path,note,split,group\ncat,x/1.png,,train,g 1\ndog, x/2.png ,,VAL,\ncat,{},,,\n",
        absolute.display()
    );
    let manifest = read(&files.csv(&text)).unwrap();
    assert_eq!(manifest.classes, ["cat", "dog"]);
    let rows: Vec<_> =
        manifest.images.iter().map(|i| (i.path.as_str(), i.class, i.split, i.group.as_deref())).collect();
    assert_eq!(
        rows,
        [
            ("3.png", 0, None, None),
            ("x/1.png", 0, Some(Split::Train), Some("g 1")),
            ("x/2.png", 1, Some(Split::Validation), None),
        ]
    );
}

#[test]
fn wrong_rows_of_a_csv_file_are_errors_with_their_place() {
    let files = Files::with_images(&["1.png", "2.png"]);
    for (text, expected) in [
        (
            "path\n1.png\n",
            "ROOT/list.csv:1: there is no column `class` among `path`: \
             the first line must name the columns `path` and `class`",
        ),
        (
            "path,class\n1.png,a\n../2.png,b\n",
            "ROOT/list.csv:3: `../2.png` lies outside ROOT: move the image there, or change the root",
        ),
        (
            "path,class\n/etc/2.png,a\n",
            "ROOT/list.csv:2: `/etc/2.png` lies outside ROOT: move the image there, or change the root",
        ),
        ("path,class\n1.png,a\n,b\n", "ROOT/list.csv:3: the path is empty"),
        ("path,class\n1.png\n", "ROOT/list.csv:2: the line has 1 field, and the first line names 2 columns"),
        ("path,class,split\n1.png,a,dev\n", "ROOT/list.csv:2: split `dev` is not one of `train`, `validation`, `test`"),
        (
            "path,class\n1.png,a\n2.png,b\n1.png,b\n",
            "ROOT/list.csv:4: `1.png` is already listed at ROOT/list.csv:2: an image belongs to one part, once",
        ),
    ] {
        assert_eq!(message(&files.csv(text)), expected);
    }
    let file = files.write("list.csv", "path,class\n1.png,glas\n");
    let classes = Some(vec!["glass".to_owned(), "paper".to_owned()]);
    let source = Source::new(files.root().to_owned(), Layout::Csv { file, classes });
    assert_eq!(message(&source), "ROOT/list.csv:2: class `glas` is not one of `glass`, `paper`; did you mean `glass`?");
}

#[test]
fn rows_that_assign_some_images_only_are_refused_with_counts_where_the_split_is_given() {
    let files = Files::with_images(&["1.png", "2.png", "3.png", "4.png"]);
    let manifest = read(&files.csv("path,class,split\n1.png,a,train\n2.png,a,test\n3.png,b,\n4.png,b,\n")).unwrap();
    let given = SplitRule::Given(Given::default());
    let error = Partition::new(&manifest, given, StudySeed(1)).unwrap_err().to_string();
    assert_eq!(
        error,
        "2 of 4 images are assigned to no part by the data set, the first is 3.png: complete its `split`, or use \
         `[split.stratified]`"
    );
}

#[test]
fn tables_of_other_programs_are_read_or_refused_with_what_to_change() {
    let files = Files::with_images(&["x/1.png", "x/2.png", "x/3.png"]);
    let expected = [("x/1.png", 0), ("x/2.png", 1)];
    for text in [
        "path,class\nx/1.png,a\nx/2.png,b\n   ",
        "path,class\nx/1.png,a\nx/2.png,b\n ,\n",
        "Path;CLASS\nx/1.png;a\nx/2.png;b\n",
        "path\tclass\tnote\nx/1.png\ta\tone, two\nx/2.png\tb\t\n",
        "\u{feff}path,class\r\nx\\1.png,a\r\nx\\2.png,b\r\n",
        "\"path\",\"class\"\n\"x/1.png\",\"a\"\n\"x/2.png\",\"b\"\n",
    ] {
        let manifest = read(&files.csv(text)).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let images: Vec<_> = manifest.images.iter().map(|image| (image.path.as_str(), image.class)).collect();
        assert_eq!(images, expected, "{text:?}");
    }
    for (text, expected) in [
        (
            "filename,label\n1.png,a\n",
            "ROOT/list.csv:1: there is no column `path` among `filename`, `label`: rename `filename` to `path`, if that is \
             what it holds",
        ),
        (
            "Path;Label\n1.png;a\n",
            "ROOT/list.csv:1: there is no column `class` among `Path`, `Label`: rename `Label` to `class`, if that is what \
             it holds",
        ),
        ("path,class,Class\n1.png,a,b\n", "ROOT/list.csv:1: there are two columns `class`: rename one"),
    ] {
        assert_eq!(message(&files.csv(text)), expected);
    }
    let utf16: Vec<u8> = "\u{feff}path,class\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let source = files.csv("");
    files.write("list.csv", utf16);
    assert_eq!(message(&source), "ROOT/list.csv: the file is UTF-16: save it as UTF-8");
    files.write("list.csv", b"path,class\n1.png,\xFF\n");
    assert_eq!(message(&source), "ROOT/list.csv:2: the line is not UTF-8: save the file as UTF-8");
}

#[test]
fn labels_at_the_end_of_their_type_overflow_nothing() {
    let files = Files::with_images(&["glass/1.png", "paper/1.png"]);
    let mut source = files.index("1.png 4294967295\n1.png 9223372036854775807\n", "1.png 4294967296\n");
    let Layout::Index { first_label, .. } = &mut source.layout else { unreachable!() };
    *first_label = u32::MAX;
    assert_eq!(
        message(&source),
        "ROOT/train.txt:2: label 9223372036854775807 is out of range: labels go from 4294967295 to 4294967296, for `glass`, \
         `paper`"
    );
}

#[test]
fn an_index_may_end_in_blanks() {
    let files = Files::with_images(&["glass/1.png", "paper/1.png"]);
    let manifest = read(&files.index("1.png 1\n  \t \n", "1.png 2\n\u{3000}")).unwrap();
    assert_eq!(manifest.images.len(), 2);
    let source = files.index("", "");
    files.write("test.txt", b"1.png \xFF\n");
    assert_eq!(message(&source), "ROOT/test.txt: the file is not UTF-8: save it as UTF-8");
}

#[test]
fn no_change_of_a_table_or_an_index_makes_its_reader_panic_or_leave_the_root() {
    let files = Files::with_images(&["glass/1.png", "glass/a b.png", "paper/1.png"]);
    let table = "path,class,split,group\nglass/1.png,a,train,g1\n\"glass/a b.png\",b,val,\npaper/1.png,a,test,\n";
    let index = "1.png 1\n1.png 2\na b.png 1\n";
    let strategy = (any::<bool>(), prop::collection::vec(Mutation::any(), 1..8));
    fuzz("changed tables and indices", 200, &strategy, |(is_table, changes)| {
        let bytes = Mutation::all(&changes, if is_table { table } else { index }.as_bytes());
        let source = if is_table { files.csv("") } else { files.index("", "") };
        files.write(if is_table { "list.csv" } else { "train.txt" }, &bytes);
        if let Ok(manifest) = read(&source) {
            let inside =
                |path: &str| !path.starts_with('/') && !path.split('/').any(|part| part == ".." || part.is_empty());
            prop_assert!(manifest.images.iter().all(|image| inside(&image.path)), "{:?}", manifest.images);
        }
        Ok(())
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_table_or_an_index_that_never_ends_is_refused_at_once() {
    let files = Files::with_images(&["a/1.png", "b/1.png"]);
    let pipe = files.root().join("pipe.csv");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for endless in [pipe, PathBuf::from("/dev/zero")] {
        let classes = ["a", "b"].map(str::to_owned).to_vec();
        let index =
            Layout::Index { classes, first_label: 1, train: endless.clone(), validation: None, test: endless.clone() };
        let layouts = [Layout::Csv { file: endless.clone(), classes: None }, index];
        for layout in layouts {
            let error = read(&Source::new(files.root().to_owned(), layout)).unwrap_err();
            let IngestError::Unreadable { path, source } = &error else { panic!("{error}") };
            assert_eq!((path, source.to_string().as_str()), (&endless, "it is not a regular file"));
        }
    }
}
