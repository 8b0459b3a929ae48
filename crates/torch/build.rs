//! Compiles the few lines of C++ that `tch` lacks, and tells this crate and the program where LibTorch is and which version.
//!
//! torch-sys declares `links = "tch"`, and so tells its *direct* dependents where LibTorch is; this crate declares
//! `links = "augtrial_torch"` and hands the place on to the program, which must be linked with it.

use std::path::Path;

/// Where LibTorch states its version, beside the library's folder.
const VERSION_HEADER: &str = "../include/torch/headeronly/version.h";
/// What `tch` lacks: autocast on the CPU, fused optimizer steps, `TorchScript` modules that are trained, which library is loaded.
const CPP_SOURCES: [&str; 3] = ["src/train/aten.cpp", "src/script/module.cpp", "src/library.cpp"];

/// What both share.
const GUARD: &str = "src/guarded.h";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") else {
        return; // built without the `libtorch` feature
    };
    // For this crate's own tests; the program's build script does the same for the program.
    println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
    println!("cargo:lib={lib}");
    let version = libtorch_version(&Path::new(&lib).join(VERSION_HEADER));
    println!("cargo:version={version}");
    println!("cargo:rustc-env=AUGTRIAL_LIBTORCH_VERSION={version}");
    compile_cpp(&Path::new(&lib).join("../include"));
}

/// Compiles the C++ side of `aten.rs` and `module.rs` into a static library, which the crate is then linked with.
fn compile_cpp(include: &Path) {
    for source in CPP_SOURCES.iter().chain(&[GUARD]) {
        println!("cargo:rerun-if-changed={source}");
    }
    cc::Build::new()
        .cpp(true)
        .std("c++20")
        .warnings(false) // of LibTorch's headers
        .opt_level(1)
        .include(include)
        .include("src")
        .files(CPP_SOURCES)
        .compile("augtrial_aten");
}

/// `2.13.0` from the lines `#define TORCH_VERSION_MAJOR 2`, `..._MINOR 13`, `..._PATCH 0`.
fn libtorch_version(header: &Path) -> String {
    println!("cargo:rerun-if-changed={}", header.display());
    let text = std::fs::read_to_string(header).unwrap_or_default();
    let part = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix("#define ")?.strip_prefix(name));
        value.map_or("unknown", str::trim).to_owned()
    };
    ["TORCH_VERSION_MAJOR", "TORCH_VERSION_MINOR", "TORCH_VERSION_PATCH"].map(part).join(".")
}
