//! Hands the binaries the place of LibTorch, so that they run without `LD_LIBRARY_PATH`.
//!
//! torch-sys declares `links = "tch"`, and so tells its *direct* dependents where LibTorch is.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") else {
        return; // built without the `torch` feature
    };
    println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
    if Path::new(&lib).join("libtorch_cuda.so").exists() {
        // Nothing refers to libtorch_cuda by symbol, so the linker would drop it and CUDA would not be found.
        println!("cargo:rustc-link-arg=-Wl,--no-as-needed,-ltorch_cuda,-ltorch,--as-needed");
    }
}
