//! Tells both programs where LibTorch is looked for, so that they run without `LD_LIBRARY_PATH`.
//!
//! Built from source, that is the folder that was linked. With `AUGTRIAL_RELOCATABLE` set (`make wheel`), it is wherever a
//! wheel of PyTorch or a tarball puts LibTorch, seen from the program.

/// Set to build programs that do not know the folder of their LibTorch.
const RELOCATABLE: &str = "AUGTRIAL_RELOCATABLE";
/// The versions 3.x of Python whose folders are looked into without asking Python.
const PYTHON_MINORS: std::ops::RangeInclusive<u32> = 10..=14;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed={RELOCATABLE}");
    let (Ok(lib), Ok(version)) = (std::env::var("DEP_AUGTRIAL_TORCH_LIB"), std::env::var("DEP_AUGTRIAL_TORCH_VERSION"))
    else {
        return; // built without the `torch` feature
    };
    let relocatable = std::env::var_os(RELOCATABLE).is_some();
    let folders = if relocatable { relative_folders() } else { vec![lib] };
    for folder in &folders {
        println!("cargo:rustc-link-arg-bin=augtrial-torch=-Wl,-rpath,{folder}");
    }
    if relocatable {
        // As RPATH, not RUNPATH: a module of a cluster that sets LD_LIBRARY_PATH must not put another LibTorch in its place.
        // PyTorch's own libraries do the same.
        println!("cargo:rustc-link-arg-bin=augtrial-torch=-Wl,--disable-new-dtags");
    }
    println!("cargo:rustc-env=AUGTRIAL_LIBTORCH_FOLDERS={}", folders.join(":"));
    println!("cargo:rustc-env=AUGTRIAL_LIBTORCH_VERSION={version}");
}

/// Where LibTorch lies, seen from `bin/`: beside it in a tarball; in an environment of Python, system-wide or of a distribution's;
/// and in a folder of `pip install --target`.
fn relative_folders() -> Vec<String> {
    let mut folders = vec!["$ORIGIN/../libtorch/lib".to_owned()];
    for minor in PYTHON_MINORS {
        for (lib, packages) in [("lib", "site-packages"), ("lib64", "site-packages"), ("lib", "dist-packages")] {
            folders.push(format!("$ORIGIN/../{lib}/python3.{minor}/{packages}/torch/lib"));
        }
    }
    folders.push("$ORIGIN/../torch/lib".to_owned());
    folders
}
