//! Getting the files of a recipe, and putting them where experiments find them. The folder appears only when all of it is there and
//! is what the recipe pins.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::content;
use super::error::FetchError;
use super::recipe::{FileRecipe, Recipe};
use super::unpack::unpack;
use augtrial_base::digest::Digest;
use augtrial_base::disk::{self, Durability};

/// Seconds that a server may take to answer at all.
const CONNECT_SECS: &str = "30";

/// Where the files of a recipe come from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Files that the user has, and folders with such; a file of a recipe is known by its name, and an only archive by any.
    pub given: &'a [PathBuf],
    /// The program that gets what is not given: curl, or what takes its options. It knows the user's proxies and certificates.
    pub curl: &'a str,
}

/// A data set that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    pub folder: PathBuf,
    pub files: usize,
    /// What `content` of a recipe pins.
    pub content: Digest,
    /// Whether it was there before.
    pub reused: bool,
}

/// Puts the data set of a recipe into `<data>/<name>`, unless it is there; `told` is told what is being done.
///
/// # Errors
/// [`FetchError`]; a data set that was there is left as it is, and nothing else is left behind.
pub fn fetch(recipe: &Recipe, data: &Path, origin: Origin<'_>, told: &dyn Fn(&str)) -> Result<Fetched, FetchError> {
    let folder = data.join(&recipe.name);
    if fs::symlink_metadata(&folder).is_ok() {
        return there(recipe, folder);
    }
    let write = |path: &Path| {
        let path = path.to_owned();
        move |source| FetchError::Write { path, source }
    };
    disk::create_folder(data).map_err(write(data))?;
    // Of no consequence if it fails.
    let _ = disk::sweep(data);
    let unfinished = disk::unfinished_folder(&folder).map_err(write(&folder))?;
    let (root, download) = (unfinished.path().join("data"), unfinished.path().join("download"));
    fs::create_dir_all(&root).map_err(write(&root))?;
    let mut left = recipe.most_bytes;
    for file in &recipe.files {
        let place = root.join(&file.to);
        fs::create_dir_all(&place).map_err(write(&place))?;
        let source = if let Some(source) = given(recipe, file, origin.given) {
            source
        } else {
            told(&format!("getting {}", file.url));
            get(file, &download, recipe.most_bytes, origin.curl)?;
            download.clone()
        };
        let from = if source == download { file.url.clone() } else { source.display().to_string() };
        check(file, &source, &from)?;
        let bytes = if let Some(format) = file.unpack {
            told(&format!("unpacking {from}"));
            unpack(&source, format, &place, left)
                .map_err(|problem| FetchError::Archive { from: from.clone(), problem })?
        } else {
            fs::copy(&source, place.join(&file.name)).map_err(write(&place))?
        };
        left = left.checked_sub(bytes).ok_or_else(|| FetchError::Archive {
            from,
            problem: "together with the others it is more than `most_gb`".to_owned(),
        })?;
        disk::remove_file(&download).map_err(write(&download))?;
    }
    let names = content::files(&root).map_err(write(&root))?;
    let found = content::digest(&root, &names).map_err(write(&root))?;
    match recipe.content {
        Some(expected) if expected != found => return Err(FetchError::Content { found, expected }),
        _ => {}
    }
    disk::publish_with(&root, &folder, Durability::Now).map_err(write(&folder))?;
    Ok(Fetched { folder, files: names.len(), content: found, reused: false })
}

/// A data set that is there already, if the recipe can tell that it is the one.
fn there(recipe: &Recipe, folder: PathBuf) -> Result<Fetched, FetchError> {
    let taken = |problem: &str| FetchError::Taken { folder: folder.clone(), problem: problem.to_owned() };
    let unreadable = |source: io::Error| FetchError::Read { path: folder.clone(), source };
    let Some(expected) = recipe.content else {
        return Err(taken("the recipe has no `content` to compare it with"));
    };
    // Files that others put beside do no harm: a license, a list of one's own.
    let tops: Vec<String> = recipe.files.iter().filter(|file| file.unpack.is_none()).map(placed).collect();
    let all = content::files(&folder).map_err(unreadable)?;
    let is_ours = |name: &&String| name.contains('/') || tops.contains(name);
    let ours: Vec<String> = all.iter().filter(is_ours).cloned().collect();
    for names in [&ours, &all] {
        if content::digest(&folder, names).map_err(unreadable)? == expected {
            return Ok(Fetched { files: names.len(), folder, content: expected, reused: true });
        }
    }
    Err(taken("its content is another one"))
}

fn placed(file: &FileRecipe) -> String {
    if file.to.is_empty() { file.name.clone() } else { format!("{}/{}", file.to, file.name) }
}

/// The file as the user has it, if it is among what was given.
fn given(recipe: &Recipe, file: &FileRecipe, given: &[PathBuf]) -> Option<PathBuf> {
    let by_name = given.iter().find_map(|path| {
        let inside = path.join(&file.name);
        let is_it = path.is_file() && path.file_name().is_some_and(|name| *name == *file.name);
        if is_it { Some(path.clone()) } else { inside.is_file().then_some(inside) }
    });
    let only_archive = || {
        let archives = recipe.files.iter().filter(|file| file.unpack.is_some()).count();
        let known =
            |path: &&PathBuf| recipe.files.iter().any(|file| path.file_name().is_some_and(|n| *n == *file.name));
        let others: Vec<&PathBuf> = given.iter().filter(|path| path.is_file() && !known(path)).collect();
        (file.unpack.is_some() && archives == 1 && others.len() == 1).then(|| others[0].clone())
    };
    by_name.or_else(only_archive)
}

/// Gets a file from its address.
fn get(file: &FileRecipe, to: &Path, most_bytes: u64, curl: &str) -> Result<(), FetchError> {
    let failed = |problem: String| FetchError::Get { url: file.url.clone(), problem };
    let mut command = Command::new(curl);
    command.args([
        "--fail",
        "--location",
        "--silent",
        "--show-error",
        "--retry",
        "3",
        "--connect-timeout",
        CONNECT_SECS,
    ]);
    command.args(["--proto", "=https,http", "--proto-redir", "=https,http", "--max-filesize", &most_bytes.to_string()]);
    let output = command.arg("--output").arg(to).arg("--").arg(&file.url).output();
    let output = output.map_err(|error| failed(format!("cannot start `{curl}`: {error}")))?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        return Err(failed(told.trim().lines().next_back().unwrap_or("curl says nothing").to_owned()));
    }
    Ok(())
}

/// Compares a file with its digest, if the recipe has one; a page that was served in its place is told from an archive.
fn check(file: &FileRecipe, path: &Path, from: &str) -> Result<(), FetchError> {
    let Some(expected) = file.sha256 else { return Ok(()) };
    let found = Digest::of_file(path).map_err(|source| FetchError::Read { path: path.to_owned(), source })?;
    if found == expected { Ok(()) } else { Err(FetchError::Hash { from: from.to_owned(), found, expected }) }
}
