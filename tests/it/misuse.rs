//! What is wrong is said, with the place and what to do.

use crate::lab::{Lab, TINY};

/// Every wrong file, and what its message must hold.
const WRONG: [(&str, &str, &[&str]); 12] = [
    ("name = \"tiny\"", "name = tiny", &["experiment.toml:3:8", "name = tiny"]),
    ("seeds = [1, 2]", "sedes = [1, 2]", &["unknown key `sedes`", "did you mean `seeds`?", "`study` needs `seeds`"]),
    ("seeds = [1, 2]", "seeds = [1, 1]", &["lists a seed twice"]),
    ("seeds = [1, 2]", "seeds = \"all\"", &["`seeds` must be an array, not a string"]),
    ("batch_size = 16", "batch_size = 0", &["`batch_size` must lie between 2 and", "^"]),
    ("budget = { updates = 6 }", "budget = { steps = 6 }", &["unknown key `steps` in `budget`", "expected one of"]),
    ("role = \"control\"", "role = \"contrl\"", &["`role` cannot be `contrl`", "did you mean `control`?"]),
    ("name = \"flipped\"", "name = \"control\"", &["there are two arms named `control`"]),
    ("{ shift = {} }", "{ shfit = {} }", &["unknown key `shfit`", "did you mean `shift`?"]),
    ("p = 1.0", "p = 1.5", &["`p` must lie between 0 and 1, not 1.5"]),
    ("test = 0.2", "test = 0.9", &["leave nothing to train on"]),
    (
        "[dataset.synthetic]",
        "[dataset.sintetic]",
        &["unknown key `sintetic` in `dataset`", "did you mean `synthetic`?"],
    ),
];

#[test]
fn a_wrong_experiment_file_gets_the_place_the_line_and_a_suggestion() {
    for (right, wrong, parts) in WRONG {
        assert!(TINY.contains(right), "{right}");
        let errors = Lab::new(&TINY.replacen(right, wrong, 1)).fail(2, &["check", "experiment.toml"]);
        for part in parts.iter().chain(&["experiment.toml:"]) {
            assert!(errors.contains(part), "`{wrong}` should say `{part}`:\n{errors}");
        }
    }
}

#[test]
fn all_errors_of_a_file_come_at_once() {
    let mut experiment = TINY.to_owned();
    for (right, wrong) in
        [("seeds = [1, 2]", "seeds = [1, 1]"), ("batch_size = 16", "batch_size = 0"), ("p = 1.0", "p = 2.0")]
    {
        experiment = experiment.replacen(right, wrong, 1);
    }
    experiment.push_str("\n[[contrast]]\ntreatment = \"fliped\"\ncontrol = \"control\"\n");
    insta::assert_snapshot!(Lab::new(&experiment).fail(2, &["check", "experiment.toml"]));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let errors = Lab::new(TINY).fail(2, &["check", "nothing.toml"]);
    assert!(errors.contains("cannot read the experiment file nothing.toml"), "{errors}");
    let near = Lab::new(TINY).fail(2, &["plan", "experimnt"]);
    assert!(near.contains("did you mean `experiment.toml`?"), "{near}");
}

fn on_folder(lab: &Lab, classes: Option<&str>) -> String {
    let data = classes.map_or(String::new(), |classes| format!("classes = {classes}\n"));
    lab.write("a/1.png", PNG);
    lab.write("b/1.png", PNG);
    TINY.replace(
        "[dataset.synthetic]\nimages = 72\nwidth_px = 32\nheight_px = 32",
        &format!("[dataset.folder]\npath = \"data\"\n{data}"),
    )
}

/// A PNG of one pixel.
const PNG: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, 0x49, 0x48, 0x44, 0x52, 0, 0, 0, 1, 0, 0, 0, 1, 8,
    2, 0, 0, 0, 0x90, 0x77, 0x53, 0xde, 0, 0, 0, 0x0c, 0x49, 0x44, 0x41, 0x54, 0x08, 0xd7, 0x63, 0xf8, 0xcf, 0xc0, 0,
    0, 3, 1, 1, 0, 0x18, 0xdd, 0x8d, 0xb0, 0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];

#[test]
fn bad_data_is_an_error_of_its_own_kind() {
    let lab = Lab::new(TINY);
    lab.write("experiment.toml", on_folder(&lab, None));
    let missing = lab.fail(3, &["plan", "experiment.toml", "-q"]);
    assert!(missing.contains("data"), "{missing}");

    lab.write("data/metal/one.png", PNG);
    lab.write("data/glass/.DS_Store", b"x");
    let empty = lab.fail(3, &["plan", "experiment.toml", "-q"]);
    assert!(empty.contains("glass"), "{empty}");

    lab.write("experiment.toml", on_folder(&lab, Some("[\"metal\", \"glas\"]")));
    let unknown = lab.fail(3, &["plan", "experiment.toml", "-q"]);
    assert!(unknown.contains("glass") && unknown.contains("glas"), "{unknown}");
}

#[test]
fn files_that_cannot_be_used_are_listed_and_verify_fails_on_them() {
    let lab = Lab::new(TINY);
    lab.run(&["dataset", "render", "data", "--images", "60", "--size", "32x32", "-q"]);
    lab.run(&["dataset", "verify", "data", "-q"]);
    lab.write("data/metal/torn.jpg", [0xff, 0xd8, 0xff, 0xe0, 0, 16, b'J', b'F', b'I', b'F', 0]);
    let mut huge = PNG.to_vec();
    huge[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
    lab.write("data/metal/huge.png", huge);
    lab.write("data/metal/.hidden.png", PNG);
    let stat = lab.run(&["dataset", "stat", "data", "-q"]);
    for part in ["quarantined: 2", "metal/torn.jpg", "metal/huge.png", "metal/.hidden.png", "ignored: "] {
        assert!(stat.contains(part), "{part}:\n{stat}");
    }
    let errors = lab.fail(3, &["dataset", "verify", "data", "-q"]);
    assert!(errors.contains("2 files cannot be used"), "{errors}");

    lab.write("data/glass/phone.heic", b"\0\0\0\x18ftypheic");
    lab.write(
        "study.toml",
        TINY.replace(
            "[dataset.synthetic]\nimages = 72\nwidth_px = 32\nheight_px = 32",
            "[dataset.folder]\npath = \"data\"",
        ),
    );
    let plan = lab.run(&["plan", "study.toml", "-q"]);
    let header: Vec<&str> = plan.lines().find(|line| line.contains("unusable")).unwrap().split_whitespace().collect();
    let column = header.iter().position(|name| *name == "unusable").unwrap();
    for (class, unusable) in [("glass", "1"), ("metal", "2"), ("paper", "0")] {
        let row = plan.lines().find(|line| line.trim_start().starts_with(class)).unwrap();
        assert_eq!(row.split_whitespace().nth(column), Some(unusable), "{plan}");
    }
}

#[test]
fn queries_cannot_change_the_registry() {
    let lab = Lab::new(TINY);
    let errors = lab.fail(5, &["runs", "query", "delete from runs"]);
    assert!(errors.contains("only queries that read are allowed"), "{errors}");
    assert!(lab.fail(5, &["runs", "show", "latest"]).contains("there are no runs yet"));
}

#[test]
fn init_writes_a_file_that_checks_and_never_overwrites_one() {
    let lab = Lab::new(TINY);
    lab.run(&["init", "new.toml"]);
    assert!(lab.run(&["check", "new.toml"]).contains(" arms x 7 seeds"));
    let taken = lab.fail(2, &["init", "new.toml"]);
    assert!(taken.contains("new.toml already exists") && taken.contains("--force"), "{taken}");
    lab.run(&["init", "new.toml", "--force"]);
}

#[test]
fn looking_where_there_are_no_runs_creates_nothing() {
    let lab = Lab::new(TINY);
    for arguments in [
        &["check", "experiment.toml"][..],
        &["runs", "list"],
        &["runs", "query", "select count(*) from runs"],
        &["doctor"],
    ] {
        lab.run(arguments);
        assert!(!lab.path("runs").exists(), "{arguments:?}");
    }
    lab.fail(5, &["compare"]);
    assert!(!lab.path("runs").exists());
    let photos = on_folder(&lab, None);
    lab.write("photos.toml", photos);
    lab.output(&["plan", "photos.toml"]);
    assert!(!lab.path("runs").exists(), "nothing is rendered for images that are there");
    lab.run(&["plan", "experiment.toml"]);
    assert!(!lab.path("runs/trials").exists() && !lab.path("runs/registry.sqlite").exists());
}

#[test]
fn names_and_queries_that_mean_nothing_are_told_so() {
    let lab = Lab::new(TINY);
    lab.run(&["run", "experiment.toml", "-q", "--seeds", "1", "--arm", "control"]);
    let typo = lab.fail(2, &["runs", "list", "--study", "tinny"]);
    assert!(typo.contains("nearest: tiny"), "{typo}");
    let empty = lab.fail(2, &["runs", "query", ""]);
    assert!(empty.contains("select arm, seed, test_top1 from runs"), "{empty}");
    let endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n";
    assert!(lab.fail(5, &["runs", "query", endless]).contains("more than 100000 rows"));
    let long = endless.replace("select i from n", "select sum(i) from n");
    assert!(lab.fail(5, &["runs", "query", &long, "--secs", "1"]).contains("longer than 1 second"));
    lab.write("runs/registry.sqlite", b"SQLite format 3\0 cut short");
    assert!(lab.fail(5, &["runs", "list"]).contains("augtrial runs reindex"));
    lab.run(&["runs", "reindex"]);
    assert!(lab.run(&["runs", "list", "--study", "tiny"]).contains("finished"));
    let named = lab.write_named_latest();
    assert!(named.contains("a study cannot be called `latest`"), "{named}");
}

impl Lab {
    fn write_named_latest(&self) -> String {
        self.write("latest.toml", TINY.replace("name = \"tiny\"", "name = \"latest\""));
        self.fail(2, &["check", "latest.toml"])
    }
}

#[test]
fn numbers_beyond_all_bounds_and_nesting_without_end_are_refused() {
    let lab = Lab::new(TINY);
    for seeds in ["+18446744073709551615", "+99999999999", "+1000000", "1-99999999999"] {
        let errors = lab.fail(2, &["plan", "experiment.toml", "--seeds", seeds]);
        assert!(errors.contains("a study may have 10000 seeds at most"), "{seeds}: {errors}");
    }
    let deep = format!("classifier.x={}", "[".repeat(60_000));
    assert!(lab.fail(2, &["check", "experiment.toml", "--set", &deep]).contains("nested values at most"));
    let deep = format!("{}x=1", "a.".repeat(30_000));
    assert!(lab.fail(2, &["check", "experiment.toml", "--set", &deep]).contains("keys of 16 parts"));
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::OsStr;
    use std::fs::OpenOptions;
    use std::os::unix::ffi::OsStrExt as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn only_regular_files_are_read_as_experiments() {
        let lab = Lab::new(TINY);
        assert!(Command::new("mkfifo").arg(lab.path("fifo.toml")).status().unwrap().success());
        for file in ["/dev/zero", "fifo.toml", "."] {
            assert!(lab.fail(2, &["check", file]).contains("is not a regular file"), "{file}");
        }
    }

    #[test]
    fn arguments_that_are_no_text_are_an_error_and_no_panic() {
        let lab = Lab::new(TINY);
        let strange = OsStr::from_bytes(b"no\xfftext.toml");
        let output = lab.command(&["plan"]).arg(strange).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", crate::lab::text(&output.stderr));
        lab.run(&["dataset", "render", "photos", "--images", "60", "--size", "32x32", "-q"]);
        std::fs::copy(lab.path("experiment.toml"), lab.path("").join(strange)).unwrap();
        for (arguments, code, said) in [
            (&["plan", "-q"][..], 0, ""),
            (&["check"], 0, ""),
            (&["check", "--json"], 0, ""),
            (&["run", "-q"], 2, "is not UTF-8, and the processes that train are told paths as text: rename it"),
            (&["submit", "--place", "parallel", "--dry-run"], 2, "is not UTF-8"),
        ] {
            let output = lab.command(arguments).arg(strange).output().unwrap();
            let errors = crate::lab::text(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
            assert!(errors.contains(said) && !errors.contains("panicked"), "{arguments:?}: {errors}");
        }
        let folder = OsStr::from_bytes(b"caf\xe9");
        std::fs::rename(lab.path("photos"), lab.path("").join(folder)).unwrap();
        let output = lab.command(&["init", "new.toml", "--data"]).arg(folder).output().unwrap();
        let errors = crate::lab::text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{errors}");
        assert!(errors.contains("is not UTF-8") && !lab.path("new.toml").exists(), "{errors}");
    }

    /// Another user's folder: everything can be looked at, and nothing is written.
    #[test]
    fn what_cannot_be_written_can_be_looked_at() {
        use std::os::unix::process::CommandExt as _;
        const NOBODY: u32 = 65534;
        let lab = Lab::new(TINY);
        lab.run(&["run", "experiment.toml", "-q", "--arm", "control"]);
        let commands =
            [&["runs", "list"][..], &["runs", "show", "latest"], &["report", "tiny", "--verify"], &["runs", "verify"]];
        let before = commands.map(|arguments| lab.run(arguments));
        let files = (lab.tree("runs"), lab.tree("reports"));
        let mode = |mode: &str| {
            assert!(Command::new("chmod").args(["-R", mode]).arg(lab.path(".")).status().unwrap().success());
        };
        mode("a-w,a+rX");
        for (arguments, before) in commands.iter().zip(&before) {
            let mut command = lab.command(arguments);
            if Command::new("id").arg("-u").output().unwrap().stdout == b"0\n" {
                command.uid(NOBODY).gid(NOBODY);
            }
            let output = command.output().unwrap();
            assert!(output.status.success(), "{arguments:?}: {}", crate::lab::text(&output.stderr));
            assert_eq!(&crate::lab::text(&output.stdout), before, "{arguments:?}");
        }
        mode("u+w");
        assert_eq!((lab.tree("runs"), lab.tree("reports")), files);
    }

    #[test]
    fn a_full_standard_error_changes_no_result() {
        let lab = Lab::new(TINY);
        let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = lab.command(&["check", "nothing.toml"]).stderr(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "the exit code is that of the error");
        let run = ["run", "experiment.toml", "--seeds", "1", "--arm", "control"];
        assert!(lab.command(&run).stderr(full()).output().unwrap().status.success());
    }
}
