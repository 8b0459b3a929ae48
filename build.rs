//! Hands the binaries the place of LibTorch, so that they run without `LD_LIBRARY_PATH`, and its version; compiles the few
//! lines of C++ that `tch` lacks.
//!
//! torch-sys declares `links = "tch"`, and so tells its *direct* dependents where LibTorch is.

use std::path::Path;

/// Where LibTorch states its version, beside the library's folder.
const VERSION_HEADER: &str = "../include/torch/headeronly/version.h";
/// What `tch` lacks: autocast on the CPU, fused optimiser steps.
const ATEN_SOURCE: &str = "src/train/aten.cpp";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") else {
        return; // built without the `torch` feature
    };
    println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
    println!("cargo:rustc-env=AUGTRIAL_LIBTORCH_VERSION={}", libtorch_version(&Path::new(&lib).join(VERSION_HEADER)));
    compile_aten(&Path::new(&lib).join("../include"));
    if Path::new(&lib).join("libtorch_cuda.so").exists() {
        // Nothing refers to libtorch_cuda by symbol, so the linker would drop it and CUDA would not be found.
        println!("cargo:rustc-link-arg=-Wl,--no-as-needed,-ltorch_cuda,-ltorch,--as-needed");
    }
}

/// Compiles the C++ side of `src/train/aten.rs` into a static library, which the crate is then linked with.
fn compile_aten(include: &Path) {
    println!("cargo:rerun-if-changed={ATEN_SOURCE}");
    cc::Build::new()
        .cpp(true)
        .std("c++20")
        .warnings(false) // of LibTorch's headers
        .opt_level(1)
        .include(include)
        .file(ATEN_SOURCE)
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
