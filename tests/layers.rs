//! Data flows one way: holds every `crate::` path in `src/` to the table of layers in ARCHITECTURE.md.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each layer, and what it may use. A layer is a file or a folder directly below `src/`.
const LAYERS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("digest", &[]),
    ("diagnostic", &[]),
    ("progress", &["clock"]),
    ("seed", &["digest"]),
    ("stats", &["seed"]),
    ("events", &["digest"]),
    ("plan", &["seed", "digest", "diagnostic"]),
    ("data", &["plan", "seed", "digest", "diagnostic", "events"]),
    ("diffusion", &["plan", "seed", "digest"]),
    ("augment", &["data", "diffusion", "plan", "seed", "digest", "diagnostic"]),
    ("train", &["data", "augment", "plan", "events", "seed", "digest", "clock"]),
    ("registry", &["plan", "events", "digest", "clock", "diagnostic"]),
    // What is recorded, for other tools: it reads the registry and nothing else decides what is told.
    ("export", &["registry", "events", "plan", "digest"]),
    // The dashboard shows what is recorded; it composes and computes nothing.
    ("serve", &["registry", "events", "plan", "digest"]),
    ("compare", &["plan", "stats", "seed"]),
    ("report", &["compare", "stats", "plan", "data", "events", "seed", "digest"]),
    (
        "study",
        &[
            "augment",
            "clock",
            "compare",
            "data",
            "diagnostic",
            "diffusion",
            "digest",
            "events",
            "plan",
            "progress",
            "registry",
            "report",
            "seed",
            "stats",
            "train",
        ],
    ),
    (
        "cli",
        &[
            "export",
            "serve",
            "study",
            "progress",
            "report",
            "compare",
            "registry",
            "plan",
            "data",
            "diffusion",
            "clock",
            "seed",
            "stats",
            "diagnostic",
            "digest",
            "train",
        ],
    ),
];

/// The places where `unsafe` is allowed, and why it is there is written in them.
const UNSAFE_FILES: &[&str] = &["data/mapped.rs", "train/aten.rs"];

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Every file below `src/`, by its path from there.
fn sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let name = |path: &Path| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
    rust_files(&root).into_iter().map(|path| (name(&path), fs::read_to_string(path).unwrap())).collect()
}

/// The layer that a file belongs to; the crate's roots belong to none.
fn layer(file: &str) -> Option<&str> {
    let layer = file.split('/').next().unwrap().trim_end_matches(".rs");
    (!["lib", "main"].contains(&layer)).then_some(layer)
}

/// The first segment of every path that starts at the crate's root, grouped imports included.
fn crate_paths(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        // `$crate::` and `my_crate::` are other things.
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let ident = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match rest.strip_prefix('{') {
            Some(group) => {
                let mut depth = 0;
                let mut first_segments = String::new();
                for c in group.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        c if depth == 0 => first_segments.push(c),
                        _ => {}
                    }
                }
                found.extend(first_segments.split(',').map(|item| ident(item.trim())).filter(|item| !item.is_empty()));
            }
            None => found.push(ident(rest)),
        }
    }
    found
}

#[test]
fn no_layer_uses_one_that_the_table_does_not_allow() {
    let table: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let Some(layer) = layer(&file) else { continue };
        let Some(allowed) = table.get(layer) else {
            wrong.push(format!("src/{file}: the layer `{layer}` is not in the table"));
            continue;
        };
        for used in crate_paths(&text) {
            if used != layer && !allowed.contains(&used.as_str()) {
                wrong.push(format!("src/{file}: `{layer}` may not use `{used}`"));
            }
        }
        // Indented, it stands in a module of the file, and stays in the layer.
        if file.matches('/').count() <= 1 && text.contains("\nuse super::super::") {
            wrong.push(format!("src/{file}: `super::super` leaves the layer unseen"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_table_has_no_cycle_and_no_stale_row() {
    let sources = sources();
    let mut seen = Vec::new();
    for (layer_name, allowed) in LAYERS {
        assert!(allowed.iter().all(|below| seen.contains(below)), "`{layer_name}` uses a layer that stands below it");
        assert!(sources.keys().any(|file| layer(file) == Some(layer_name)), "`{layer_name}` does not exist");
        seen.push(*layer_name);
    }
}

#[test]
fn paths_are_found_in_every_form() {
    let text = "use crate::a::B;\nuse crate::{c::D, e::{F, G}, h};\n// crate::not\nlet x = crate::i::j($crate::k);";
    assert_eq!(crate_paths(text), ["a", "c", "e", "h", "i"]);
}

#[test]
fn unsafe_code_stands_only_where_it_is_allowed() {
    for (file, text) in sources() {
        let allowed = UNSAFE_FILES.contains(&file.as_str());
        assert!(allowed || !text.contains("expect(unsafe_code"), "src/{file} opts out of `unsafe_code = \"deny\"`");
        assert!(!text.contains("allow(unsafe_code"), "src/{file}");
    }
}

#[test]
fn every_file_says_what_it_owns() {
    for (file, text) in sources() {
        assert!(text.starts_with("//! "), "src/{file} has no `//!` header");
    }
}
