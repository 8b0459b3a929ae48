//! Where `augtrial-torch` finds LibTorch, looked up before it is started: the loader's own words for a library that is missing or
//! of another version help nobody.
//!
//! The loader searches the run path that `build.rs` wrote into `augtrial-torch`. In a virtual environment that is the folder of
//! PyTorch's wheel, whatever the version of Python, so that `augtrial-torch` also starts by itself, in the script of a cluster for
//! example. Where the run path leads nowhere (an environment that sees the packages of another one), Python beside the program is
//! asked, and `LD_LIBRARY_PATH` is set for the program that is started, and for no other.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::CliError;

/// The run path of `augtrial-torch`; `$ORIGIN` is the folder that it lies in.
const FOLDERS: Option<&str> = option_env!("AUGTRIAL_LIBTORCH_FOLDERS");
/// The version that it is linked with.
const VERSION: Option<&str> = option_env!("AUGTRIAL_LIBTORCH_VERSION");
/// The library that it cannot start without.
const LIBRARY: &str = "libtorch_cpu.so";
/// The loader's variable for further folders.
const SEARCHED: &str = "LD_LIBRARY_PATH";
/// Prints the folder of PyTorch without importing it, which would take a second.
const ASK_PYTHON: &str =
    "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')";

/// Whether the programs were built to run wherever they are put.
pub(super) fn is_relocatable() -> bool {
    FOLDERS.is_some_and(|folders| folders.starts_with("$ORIGIN"))
}

/// The variable that a program beside `program` needs to find LibTorch; none where the run path leads to it.
///
/// # Errors
/// If LibTorch is nowhere, or its version is another than the one that the program was linked with.
pub(super) fn environment(program: &Path) -> Result<Option<(&'static str, String)>, CliError> {
    // Elsewhere, loaders have other rules.
    let (Some(folders), Some(version)) = (FOLDERS, VERSION) else { return Ok(None) };
    if cfg!(not(target_os = "linux")) {
        return Ok(None);
    }
    let own = program.parent().unwrap_or(Path::new(""));
    let searched = std::env::var(SEARCHED).unwrap_or_default();
    look(own, folders, &searched, version, || ask_python(own))
}

fn look(
    own: &Path,
    run_path: &str,
    searched: &str,
    version: &str,
    ask: impl FnOnce() -> Option<PathBuf>,
) -> Result<Option<(&'static str, String)>, CliError> {
    let run_path = run_path.split(':').map(|folder| PathBuf::from(folder.replace("$ORIGIN", &own.to_string_lossy())));
    let named = searched.split(':').filter(|folder| !folder.is_empty()).map(PathBuf::from);
    if let Some(folder) = run_path.chain(named).find(|folder| folder.join(LIBRARY).is_file()) {
        return check_version(&folder, version).map(|()| None);
    }
    let missing = || CliError::NoLibTorch { beside: own.to_owned(), version: series(version) };
    let folder = ask().filter(|folder| folder.join(LIBRARY).is_file()).ok_or_else(missing)?;
    check_version(&folder, version)?;
    let value = if searched.is_empty() { String::new() } else { format!(":{searched}") };
    Ok(Some((SEARCHED, format!("{}{value}", folder.display()))))
}

/// Refuses a LibTorch whose first two numbers are others: its C++ interface changes with them. One that does not tell its version
/// is let through; `augtrial-torch` records what was loaded.
fn check_version(folder: &Path, wanted: &str) -> Result<(), CliError> {
    match version_in(folder) {
        Some(found) if series(&found) != series(wanted) => {
            Err(CliError::OtherLibTorch { folder: folder.to_owned(), found, wanted: series(wanted) })
        }
        _ => Ok(()),
    }
}

/// The version of the libraries in `folder`: `version.py` of a wheel says it, and `build-version` of LibTorch's own archives.
fn version_in(folder: &Path) -> Option<String> {
    let above = folder.parent()?;
    let python = std::fs::read_to_string(above.join("version.py")).ok();
    let python = python.as_deref().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("__version__"))?;
        line.split(['\'', '"']).nth(1).map(str::to_owned)
    });
    python.or_else(|| Some(std::fs::read_to_string(above.join("build-version")).ok()?.trim().to_owned()))
}

/// `2.13` of `2.13.0+cu130`.
fn series(version: &str) -> String {
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}

/// The folder of PyTorch's libraries that Python beside the program knows.
fn ask_python(own: &Path) -> Option<PathBuf> {
    let python = own.join("python3");
    if !python.exists() {
        return None;
    }
    let output =
        Command::new(python).args(["-c", ASK_PYTHON]).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let folder = String::from_utf8(output.stdout).ok()?;
    (!folder.trim().is_empty()).then(|| Path::new(folder.trim()).join("lib"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN_PATH: &str = "$ORIGIN/../libtorch/lib:$ORIGIN/../lib/python3.12/site-packages/torch/lib";

    /// `lib` below `root` as a wheel of PyTorch leaves it.
    fn wheel(root: &Path, torch: &str, version: &str) -> PathBuf {
        let lib = root.join(torch).join("lib");
        std::fs::create_dir_all(&lib).unwrap();
        std::fs::write(lib.join(LIBRARY), "").unwrap();
        std::fs::write(
            root.join(torch).join("version.py"),
            format!("from typing import Optional\n__version__ = '{version}'\ndebug = False\n"),
        )
        .unwrap();
        lib
    }

    fn found(root: &Path, searched: &str, asked: Option<PathBuf>) -> Result<Option<(&'static str, String)>, String> {
        let own = root.join("bin");
        std::fs::create_dir_all(&own).unwrap();
        look(&own, RUN_PATH, searched, "2.13.0", || asked).map_err(|error| error.to_string())
    }

    #[test]
    fn a_wheel_of_the_same_series_in_the_environment_needs_no_variable() {
        let root = tempfile::tempdir().unwrap();
        wheel(root.path(), "lib/python3.12/site-packages/torch", "2.13.1+cu130");
        assert_eq!(found(root.path(), "", None), Ok(None));
    }

    #[test]
    fn a_wheel_of_another_series_is_refused_with_both_versions_and_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        wheel(root.path(), "lib/python3.12/site-packages/torch", "2.12.1+cpu");
        let error = found(root.path(), "", None).unwrap_err();
        for part in ["2.12.1+cpu", "2.13", "pip install 'torch==2.13.*'", "site-packages/torch/lib"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn an_environment_that_borrows_packages_gets_the_folder_that_python_names() {
        let root = tempfile::tempdir().unwrap();
        let base = wheel(root.path(), "elsewhere/torch", "2.13.0");
        let variable = found(root.path(), "", Some(base.clone())).unwrap();
        assert_eq!(variable, Some((SEARCHED, base.display().to_string())));
        let variable = found(root.path(), "/own", Some(base.clone())).unwrap();
        assert_eq!(variable, Some((SEARCHED, format!("{}:/own", base.display()))), "what was set stays");
        assert_eq!(found(root.path(), &base.display().to_string(), None), Ok(None), "the loader finds it");
    }

    #[test]
    fn without_libtorch_the_error_says_what_to_install() {
        let root = tempfile::tempdir().unwrap();
        for asked in [None, Some(root.path().join("not/there"))] {
            let error = found(root.path(), "", asked).unwrap_err();
            assert!(error.contains("pip install 'torch==2.13.*'") && error.contains("bin"), "{error}");
        }
    }

    #[test]
    fn a_tarball_tells_its_version_by_the_file_of_libtorchs_archives() {
        let root = tempfile::tempdir().unwrap();
        let lib = root.path().join("libtorch/lib");
        std::fs::create_dir_all(&lib).unwrap();
        std::fs::write(lib.join(LIBRARY), "").unwrap();
        assert_eq!(found(root.path(), "", None), Ok(None), "one that does not tell is let through");
        std::fs::write(root.path().join("libtorch/build-version"), "2.12.0\n").unwrap();
        assert!(found(root.path(), "", None).unwrap_err().contains("2.12.0"));
    }
}
