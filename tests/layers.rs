//! What Cargo's graph of crates cannot hold: where `unsafe` may stand, and that every file says what it owns.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The places where `unsafe` is allowed, and why it is there is written in them.
const UNSAFE_FILES: &[&str] = &[
    "crates/data/src/mapped.rs",
    "crates/torch/src/library.rs",
    "crates/torch/src/script/mod.rs",
    "crates/torch/src/train/aten.rs",
];

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

/// Every Rust file of the workspace, by its path from the root.
fn sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let name = |path: &Path| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
    let files = ["src", "crates"].into_iter().flat_map(|folder| rust_files(&root.join(folder)));
    files.map(|path| (name(&path), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn unsafe_code_stands_only_where_it_is_allowed() {
    for (file, text) in sources() {
        let allowed = UNSAFE_FILES.contains(&file.as_str());
        assert!(allowed || !text.contains("expect(unsafe_code"), "{file} opts out of `unsafe_code = \"deny\"`");
        assert!(!text.contains("allow(unsafe_code"), "{file}");
    }
}

#[test]
fn every_file_says_what_it_owns() {
    for (file, text) in sources() {
        assert!(text.starts_with("//! "), "{file} has no `//!` header");
    }
}

/// One crate computes: everything else builds and works without LibTorch.
#[test]
fn tch_is_used_by_one_crate_alone() {
    for (file, text) in sources().into_iter().filter(|(file, _)| !file.starts_with("crates/torch/")) {
        let uses = text.match_indices("tch::").any(|(at, _)| !text[..at].ends_with(|c: char| c.is_alphanumeric()));
        assert!(!uses, "{file} uses tch");
        assert!(!text.contains("feature = \"torch\""), "{file} depends on the feature `torch`");
    }
}
