//! A network from a file: a folder with a `TorchScript` module and a manifest.
//!
//! A `TorchScript` file is a program. It is loaded only after its size and SHA-256 are found to be those of the manifest, and
//! the manifest's digest is part of every trial's key: networks of one digest are the same bytes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::manifest::{FORMAT, FileEntry, Manifest, VERSION};
use super::table::{Normalization, Traits};
use augtrial_base::bundle::{
    LIBTORCH_VERSION, MANIFEST, ManifestProblem, is_plain_name, parse_manifest, read_bounded, same_minor,
};
use augtrial_base::digest::Digest;

const MAX_MANIFEST_BYTES: u64 = 16 << 20;

/// Why a network cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NetworkFileError {
    #[error(
        "cannot read {}: `torchscript` must name a folder that tools/export_classifier.py wrote (docs/networks.md)",
        path.display()
    )]
    NoManifest { path: PathBuf, source: io::Error },
    #[error("{} is not the manifest of a network", path.display())]
    Malformed { path: PathBuf, source: serde_json::Error },
    #[error("{} cannot be used: {reason}", path.display())]
    Unsupported { path: PathBuf, reason: String },
    #[error("the network's file {} is missing or not a regular file: export the network again", path.display())]
    MissingFile { path: PathBuf },
    #[error(
        "{} has {found_bytes} bytes instead of the manifest's {declared_bytes}: copy or export the network again",
        path.display()
    )]
    Size { path: PathBuf, found_bytes: u64, declared_bytes: u64 },
    #[error(
        "{} has SHA-256 {found} instead of the manifest's {declared}: it was changed or damaged, and nothing of it was run",
        path.display()
    )]
    Hash { path: PathBuf, found: Digest, declared: Digest },
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "the network in {} takes {width_px}x{height_px} px only, and the plan gives it {}x{} px: set `width_px = {width_px}` \
         and `height_px = {height_px}` in [classifier.input], or export it for another size",
        folder.display(), given.0, given.1
    )]
    FixedSize { folder: PathBuf, width_px: u32, height_px: u32, given: (u32, u32) },
    #[error(
        "the network in {} needs images of at least {least_px} px a side, and the plan gives it {}x{} px: set `width_px` and \
         `height_px` in [classifier.input]",
        folder.display(), given.0, given.1
    )]
    TooSmall { folder: PathBuf, least_px: u32, given: (u32, u32) },
    #[error("the network in {} cannot be frozen: {reason}", folder.display())]
    Freeze { folder: PathBuf, reason: &'static str },
}

/// A network whose manifest is checked and whose file is there with its size. Nothing is loaded yet.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkFile {
    folder: PathBuf,
    manifest: Manifest,
    digest: Digest,
}

impl NetworkFile {
    /// Reads the manifest in `folder` and checks that the module is there.
    ///
    /// # Errors
    /// [`NetworkFileError`]: no manifest, a newer format, another LibTorch, a file missing or of another size.
    pub fn open(folder: &Path) -> Result<Self, NetworkFileError> {
        let path = folder.join(MANIFEST);
        let text = read_bounded(&path, MAX_MANIFEST_BYTES)
            .map_err(|source| NetworkFileError::NoManifest { path: path.clone(), source })?;
        let manifest = parse(&text, &path)?;
        let file = Self { folder: folder.to_owned(), digest: Digest::of_value("network-v1", &manifest), manifest };
        file.present()?;
        Ok(file)
    }

    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Digest of the manifest, and so of the module's digest: what keys of trials hold.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Path of the module, whose content has just been found to be the manifest's.
    ///
    /// # Errors
    /// [`NetworkFileError`] if it is missing, has another size or another digest.
    pub fn checked_path(&self) -> Result<PathBuf, NetworkFileError> {
        let path = self.present()?;
        let found = Digest::of_file(&path).map_err(|source| NetworkFileError::Read { path: path.clone(), source })?;
        let declared = self.manifest.file.sha256;
        if found == declared { Ok(path) } else { Err(NetworkFileError::Hash { path, found, declared }) }
    }

    /// Refuses a plan that gives the network images of a size that it does not take.
    ///
    /// # Errors
    /// [`NetworkFileError::FixedSize`] or [`NetworkFileError::TooSmall`].
    pub fn check_input(&self, given: (u32, u32)) -> Result<(), NetworkFileError> {
        let (input, folder) = (&self.manifest.input, self.folder.clone());
        let (width_px, height_px) = (input.width_px, input.height_px);
        if input.fixed && given != (width_px, height_px) {
            return Err(NetworkFileError::FixedSize { folder, width_px, height_px, given });
        }
        if given.0.min(given.1) < input.least_px {
            return Err(NetworkFileError::TooSmall { folder, least_px: input.least_px, given });
        }
        Ok(())
    }

    /// That what is asked to stay as it is was trained, and exists. `weights_given` says that other weights are loaded.
    ///
    /// # Errors
    /// [`NetworkFileError::Freeze`].
    pub fn check_freeze(&self, stem_alone: bool, weights_given: bool) -> Result<(), NetworkFileError> {
        let reason = if !self.manifest.pretrained && !weights_given {
            "its weights are random and would stay random; export it with trained weights, or leave `freeze` out"
        } else if stem_alone && self.manifest.stem.is_empty() {
            "its manifest names no stem; export it again with `--stem`, or use `freeze = \"all-but-head\"`"
        } else {
            return Ok(());
        };
        Err(NetworkFileError::Freeze { folder: self.folder.clone(), reason })
    }

    /// What its input is normalized by.
    #[must_use]
    pub fn normalization(&self) -> Normalization {
        let input = &self.manifest.input;
        Normalization { mean: input.mean, deviation: input.deviation }
    }

    /// What estimates ask of it, at any size of the input.
    #[must_use]
    pub fn traits(&self) -> Traits {
        let (input, measured) = (&self.manifest.input, &self.manifest.measured);
        let share = (224.0 * 224.0) / (f64::from(input.width_px) * f64::from(input.height_px));
        Traits {
            forward_gmacs: measured.forward_gmacs * share,
            parameters: measured.parameters,
            output_bytes_per_pixel: measured.output_bytes_per_pixel,
            lone_image_px: measured.lone_image_px,
        }
    }

    fn present(&self) -> Result<PathBuf, NetworkFileError> {
        let FileEntry { name, bytes, .. } = &self.manifest.file;
        let path = self.folder.join(name);
        // Not `metadata`: a link could lead out of the folder, and to other bytes after the check.
        let found = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file);
        let found = found.ok_or_else(|| NetworkFileError::MissingFile { path: path.clone() })?;
        if found.len() != *bytes {
            return Err(NetworkFileError::Size { path, found_bytes: found.len(), declared_bytes: *bytes });
        }
        Ok(path)
    }
}

/// As its digest: that is what decides a result.
impl Serialize for NetworkFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.digest.serialize(serializer)
    }
}

fn parse(text: &[u8], path: &Path) -> Result<Manifest, NetworkFileError> {
    let unsupported = |reason: String| NetworkFileError::Unsupported { path: path.to_owned(), reason };
    let manifest: Manifest = parse_manifest(text, FORMAT, VERSION).map_err(|problem| match problem {
        ManifestProblem::Malformed(source) => NetworkFileError::Malformed { path: path.to_owned(), source },
        ManifestProblem::Unsupported(reason) => unsupported(reason),
    })?;
    if !same_minor(&manifest.torch, LIBTORCH_VERSION) {
        let found = &manifest.torch;
        return Err(unsupported(format!(
            "it was exported with PyTorch {found}, and this program runs LibTorch {LIBTORCH_VERSION}; export it again with \
             torch=={LIBTORCH_VERSION}"
        )));
    }
    if !is_plain_name(&manifest.file.name) {
        let name = &manifest.file.name;
        return Err(unsupported(format!("its file `{name}` is not a plain name in its own folder")));
    }
    match manifest.nonsense() {
        Some(reason) => Err(unsupported(reason)),
        None => Ok(manifest),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest() -> serde_json::Value {
        json!({
            "format": "augtrial-network", "version": 1, "torch": "2.13.0",
            "source": { "name": "tiny", "made_by": "torch 2.13.0", "license": null, "weights": null },
            "pretrained": true,
            "input": {
                "width_px": 64, "height_px": 48, "fixed": false, "least_px": 32,
                "mean": [0.5, 0.5, 0.5], "deviation": [0.25, 0.25, 0.25],
            },
            "head": { "name": "fc", "features": 16, "classes": 10 },
            "stem": [], "random_layers": false,
            "measured": {
                "forward_gmacs": 0.1, "parameters": 1000, "output_bytes_per_pixel": 100, "lone_image_px": 32,
            },
            "file": { "name": "network.pt", "bytes": 6, "sha256": Digest::of_bytes(b"module").to_string() },
        })
    }

    fn folder(edit: impl Fn(&mut serde_json::Value)) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut manifest = manifest();
        edit(&mut manifest);
        fs::write(folder.path().join("network.pt"), b"module").unwrap();
        fs::write(folder.path().join(MANIFEST), manifest.to_string()).unwrap();
        folder
    }

    fn refusal(folder: &tempfile::TempDir) -> String {
        let error = NetworkFile::open(folder.path()).unwrap_err();
        augtrial_base::words::chain(&error).replace(&folder.path().display().to_string(), "NET")
    }

    #[test]
    fn a_whole_network_opens_and_a_changed_one_is_not_loaded() {
        let folder = folder(|_| ());
        let file = NetworkFile::open(folder.path()).unwrap();
        assert!(file.checked_path().unwrap().ends_with("network.pt"));
        fs::write(folder.path().join("network.pt"), b"eludom").unwrap();
        assert!(matches!(file.checked_path(), Err(NetworkFileError::Hash { .. })));
        fs::write(folder.path().join("network.pt"), b"longer than before").unwrap();
        assert!(refusal(&folder).contains("has 18 bytes instead of the manifest's 6"));
        fs::remove_file(folder.path().join("network.pt")).unwrap();
        assert!(refusal(&folder).contains("is missing or not a regular file"));
        fs::remove_file(folder.path().join(MANIFEST)).unwrap();
        assert!(refusal(&folder).contains("must name a folder that tools/export_classifier.py wrote"));
    }

    #[test]
    fn another_format_version_torch_or_nonsense_is_refused_with_its_reason() {
        let cases: [(&str, serde_json::Value, &str); 9] = [
            ("/format", "other".into(), "its `format` is not `augtrial-network`"),
            ("/version", 2.into(), "its `version` is 2, and this program reads 1"),
            ("/torch", "2.9.1".into(), "exported with PyTorch 2.9.1"),
            ("/file/name", "../network.pt".into(), "is not a plain name"),
            ("/head/features", 0.into(), "must be above 0"),
            ("/input/deviation/1", 0.0.into(), "numbers above 0"),
            ("/measured/forward_gmacs", 0.0.into(), "`measured.forward_gmacs` must be above 0"),
            ("/head/name", "".into(), "`head.name` is empty"),
            ("/source", 7.into(), "is not the manifest of a network"),
        ];
        for (pointer, value, expected) in cases {
            let message = refusal(&folder(|manifest| *manifest.pointer_mut(pointer).unwrap() = value.clone()));
            assert!(message.contains(expected), "{message}");
        }
        let drawn = folder(|manifest| manifest["initial"] = json!({ "a.weight": { "normal": 0.02 } }));
        assert!(refusal(&drawn).contains("`initial` must be empty where the weights are pretrained"));
    }

    #[test]
    fn the_digest_covers_the_module_and_how_it_is_used() {
        let digest = |edit: fn(&mut serde_json::Value)| NetworkFile::open(folder(edit).path()).unwrap().digest();
        let whole = digest(|_| ());
        assert_eq!(digest(|_| ()), whole);
        assert_ne!(digest(|manifest| manifest["input"]["mean"][0] = 0.4.into()), whole);
        assert_ne!(digest(|manifest| manifest["file"]["sha256"] = "0".repeat(64).into()), whole);
    }

    #[test]
    fn sizes_and_parts_that_the_network_lacks_are_refused() {
        let open = |edit: fn(&mut serde_json::Value)| NetworkFile::open(folder(edit).path()).unwrap();
        let free = open(|_| ());
        assert!(free.check_input((32, 100)).is_ok());
        assert!(free.check_input((31, 100)).unwrap_err().to_string().contains("at least 32 px a side"));
        let fixed = open(|manifest| manifest["input"]["fixed"] = true.into());
        assert!(fixed.check_input((64, 48)).is_ok());
        let message = fixed.check_input((48, 64)).unwrap_err().to_string();
        assert!(message.contains("takes 64x48 px only, and the plan gives it 48x64 px"), "{message}");

        assert!(free.check_freeze(false, false).is_ok());
        assert!(free.check_freeze(true, false).unwrap_err().to_string().contains("names no stem"));
        let random = open(|manifest| manifest["pretrained"] = false.into());
        assert!(random.check_freeze(false, false).unwrap_err().to_string().contains("would stay random"));
        assert!(random.check_freeze(false, true).is_ok());
    }
}
