//! A model bundle on disk: a folder with a manifest, four `TorchScript` modules and a tokenizer.
//!
//! A `TorchScript` file is a program. Nothing of it is parsed before its size and SHA-256 are those of the manifest, and
//! the manifest's own digest is what a study records: two bundles with one digest are the same bytes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::manifest::{FORMAT, FileEntry, Manifest, Part, VERSION};
pub use augtrial_base::bundle::LIBTORCH_VERSION;
use augtrial_base::bundle::{MANIFEST, ManifestProblem, is_plain_name, parse_manifest, read_bounded, same_minor};
use augtrial_base::digest::Digest;

const MAX_MANIFEST_BYTES: u64 = 1 << 20;
const MAX_TOKENIZER_BYTES: u64 = 64 << 20;
const MAX_MODULE_BYTES: u64 = 16 << 30;

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("cannot read {}: is {} a bundle made by tools/export_ip2p.py?", path.display(), folder.display())]
    NoManifest { folder: PathBuf, path: PathBuf, source: io::Error },
    #[error("{} is not a bundle manifest", path.display())]
    Malformed { path: PathBuf, source: serde_json::Error },
    #[error("{} cannot be used: {reason}", path.display())]
    Unsupported { path: PathBuf, reason: String },
    #[error(
        "{} was exported with PyTorch {found}, but this program runs LibTorch {LIBTORCH_VERSION}: export it again with torch=={LIBTORCH_VERSION}",
        path.display()
    )]
    LibTorch { path: PathBuf, found: String },
    #[error("{} names the file `{name}`: a bundle's files must be plain names in its own folder", path.display())]
    FileName { path: PathBuf, name: String },
    #[error("the bundle's file {} is missing or not a regular file: export the bundle again", path.display())]
    MissingFile { path: PathBuf },
    #[error("{} has {found_bytes} bytes instead of the manifest's {declared_bytes}: copy or export the bundle again", path.display())]
    Size { path: PathBuf, found_bytes: u64, declared_bytes: u64 },
    #[error("{} has SHA-256 {found} instead of the manifest's {declared}: it was changed or damaged, and nothing of it was run", path.display())]
    Hash { path: PathBuf, found: Digest, declared: Digest },
    #[error(
        "the bundle in {} has the digest {found} instead of the plan's {pinned}: it is another bundle, or it was exported anew; \
         bring the bundle that was meant, or change `bundle_digest`",
        folder.display()
    )]
    Pinned { folder: PathBuf, found: Digest, pinned: String },
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("LibTorch cannot load {}", path.display())]
    Load { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the bundle's {} failed on an input of shape {input:?}", part.name())]
    Run { part: Part, input: Vec<i64>, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the bundle's {} gave shape {found:?} where its manifest promises {expected:?}", part.name())]
    Shape { part: Part, found: Vec<i64>, expected: Vec<i64> },
    #[error("{} cannot {wanted}: export it again with the current tools/export_ip2p.py", folder.display())]
    Unable { folder: PathBuf, wanted: &'static str },
    #[error("the tokenizer {} cannot be used: {reason}", path.display())]
    Tokenizer { path: PathBuf, reason: String },
}

/// An opened bundle: its manifest is checked; its files are present and have their sizes. Nothing is loaded yet.
#[derive(Clone, Debug)]
pub struct Bundle {
    folder: PathBuf,
    manifest: Manifest,
    digest: Digest,
}

impl Bundle {
    /// Reads the manifest in `folder` and checks that every file it names is there.
    ///
    /// # Errors
    /// [`BundleError`]: no manifest, a newer format, another LibTorch, a file missing or of another size.
    pub fn open(folder: &Path) -> Result<Self, BundleError> {
        let path = folder.join(MANIFEST);
        let text = read_bounded(&path, MAX_MANIFEST_BYTES).map_err(|source| BundleError::NoManifest {
            folder: folder.to_owned(),
            path: path.clone(),
            source,
        })?;
        let manifest = parse(&text, &path)?;
        let bundle = Self { folder: folder.to_owned(), digest: Digest::of_value("bundle-v1", &manifest), manifest };
        for part in Part::ALL {
            bundle.present(part)?;
        }
        Ok(bundle)
    }

    /// The same, if it is the bundle that a plan names by its digest; any will do for a plan that names none.
    ///
    /// # Errors
    /// As [`Self::open`], and [`BundleError::Pinned`].
    pub fn open_pinned(folder: &Path, pinned: Option<&str>) -> Result<Self, BundleError> {
        let bundle = Self::open(folder)?;
        match pinned {
            Some(pinned) if pinned.parse().ok() != Some(bundle.digest) => {
                let (folder, pinned) = (folder.to_owned(), pinned.to_owned());
                Err(BundleError::Pinned { folder, found: bundle.digest, pinned })
            }
            _ => Ok(bundle),
        }
    }

    /// The checked manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Digest of the manifest, and so of every file's digest: what lineage records.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The bundle's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Path of a part whose content has just been found to be the manifest's.
    ///
    /// # Errors
    /// [`BundleError`] if it is missing, has another size or another digest.
    pub fn checked_path(&self, part: Part) -> Result<PathBuf, BundleError> {
        let path = self.present(part)?;
        let found = Digest::of_file(&path).map_err(|source| BundleError::Read { path: path.clone(), source })?;
        self.check_hash(part, path, found)
    }

    /// Content of a small part, hashed before it is returned.
    ///
    /// # Errors
    /// As [`Self::checked_path`].
    pub fn checked_bytes(&self, part: Part) -> Result<Vec<u8>, BundleError> {
        let path = self.present(part)?;
        let bytes = read_bounded(&path, self.entry(part).bytes)
            .map_err(|source| BundleError::Read { path: path.clone(), source })?;
        self.check_hash(part, path, Digest::of_bytes(&bytes))?;
        Ok(bytes)
    }

    fn entry(&self, part: Part) -> &FileEntry {
        self.manifest.files.entry(part)
    }

    fn present(&self, part: Part) -> Result<PathBuf, BundleError> {
        let entry = self.entry(part);
        let path = self.folder.join(&entry.name);
        // Not `metadata`: a link could lead out of the bundle, and to other bytes after the check.
        let found = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file);
        let found = found.ok_or_else(|| BundleError::MissingFile { path: path.clone() })?;
        if found.len() != entry.bytes {
            return Err(BundleError::Size { path, found_bytes: found.len(), declared_bytes: entry.bytes });
        }
        Ok(path)
    }

    fn check_hash(&self, part: Part, path: PathBuf, found: Digest) -> Result<PathBuf, BundleError> {
        let declared = self.entry(part).sha256;
        if found == declared { Ok(path) } else { Err(BundleError::Hash { path, found, declared }) }
    }
}

/// A bundle from its manifest alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    pub folder: PathBuf,
    pub digest: Digest,
    /// Of the files that the manifest names.
    pub total_bytes: u64,
    pub manifest: Manifest,
}

/// A part that was hashed, loaded and run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VerifiedPart {
    pub part: &'static str,
    pub file: String,
    pub bytes: u64,
    pub sha256: Digest,
    /// Shape of its output on the smallest picture, or the number of its ids for the empty text.
    pub output: Vec<i64>,
    /// Whether every value of that output is a finite number.
    pub finite: bool,
}

/// A bundle whose every file is the manifest's and whose every network runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verification {
    pub digest: Digest,
    pub parts: Vec<VerifiedPart>,
}

impl Verification {
    /// Whether every network gave numbers only.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.parts.iter().all(|part| part.finite)
    }
}

/// Reads the manifest and finds the files; hashes and loads nothing.
///
/// # Errors
/// As [`Bundle::open`].
pub fn inspect(folder: &Path) -> Result<Inspection, BundleError> {
    let bundle = Bundle::open(folder)?;
    let manifest = bundle.manifest().clone();
    let total_bytes = Part::ALL.iter().map(|&part| manifest.files.entry(part).bytes).sum();
    Ok(Inspection { folder: folder.to_owned(), digest: bundle.digest(), total_bytes, manifest })
}

fn parse(text: &[u8], path: &Path) -> Result<Manifest, BundleError> {
    let unsupported = |reason: String| BundleError::Unsupported { path: path.to_owned(), reason };
    let manifest: Manifest = parse_manifest(text, FORMAT, VERSION).map_err(|problem| match problem {
        ManifestProblem::Malformed(source) => BundleError::Malformed { path: path.to_owned(), source },
        ManifestProblem::Unsupported(reason) => unsupported(reason),
    })?;
    if !same_minor(&manifest.torch, LIBTORCH_VERSION) {
        return Err(BundleError::LibTorch { path: path.to_owned(), found: manifest.torch });
    }
    if let Some(reason) = manifest.nonsense() {
        return Err(unsupported(reason));
    }
    for part in Part::ALL {
        let entry = manifest.files.entry(part);
        if !is_plain_name(&entry.name) {
            return Err(BundleError::FileName { path: path.to_owned(), name: entry.name.clone() });
        }
        let most = if part == Part::Tokenizer { MAX_TOKENIZER_BYTES } else { MAX_MODULE_BYTES };
        if entry.bytes > most {
            return Err(unsupported(format!("`{}` has {} bytes; {most} is the limit", entry.name, entry.bytes)));
        }
    }
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../torch/fixtures/ip2p/bundle");

    /// A bundle with the fixture's manifest, edited, and tiny files in place of the modules.
    fn altered(edit: impl Fn(&mut serde_json::Value)) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let text = fs::read_to_string(Path::new(FIXTURE).join(MANIFEST)).unwrap();
        let mut manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
        for part in Part::ALL {
            let content = part.name().as_bytes();
            let entry = &mut manifest["files"][part.name()];
            fs::write(folder.path().join(entry["name"].as_str().unwrap()), content).unwrap();
            entry["bytes"] = content.len().into();
            entry["sha256"] = Digest::of_bytes(content).to_string().into();
        }
        edit(&mut manifest);
        fs::write(folder.path().join(MANIFEST), manifest.to_string()).unwrap();
        folder
    }

    fn refusal(folder: &tempfile::TempDir) -> String {
        Bundle::open(folder.path()).unwrap_err().to_string().replace(&folder.path().display().to_string(), "BUNDLE")
    }

    #[test]
    fn the_fixture_opens_and_every_hash_holds() {
        let bundle = Bundle::open(Path::new(FIXTURE)).unwrap();
        for part in Part::ALL {
            bundle.checked_path(part).unwrap();
        }
        assert_eq!(bundle.manifest().text.pad_id, 49_407);
    }

    #[test]
    fn a_file_changed_at_equal_size_is_not_loaded() {
        let folder = altered(|_| ());
        let bundle = Bundle::open(folder.path()).unwrap();
        fs::write(folder.path().join("unet.pt"), b"tenu").unwrap();
        assert!(matches!(bundle.checked_path(Part::Unet), Err(BundleError::Hash { .. })));
        assert!(bundle.checked_path(Part::VaeEncoder).is_ok());
    }

    #[test]
    fn a_missing_file_and_another_size_are_named() {
        let folder = altered(|_| ());
        fs::write(folder.path().join("unet.pt"), b"longer").unwrap();
        assert!(refusal(&folder).starts_with("BUNDLE/unet.pt has 6 bytes instead of the manifest's 4"));
        fs::remove_file(folder.path().join("unet.pt")).unwrap();
        assert!(refusal(&folder).starts_with("the bundle's file BUNDLE/unet.pt is missing"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_a_file_of_the_bundle() {
        let folder = altered(|_| ());
        let outside = tempfile::NamedTempFile::new().unwrap();
        fs::write(outside.path(), b"unet").unwrap();
        fs::remove_file(folder.path().join("unet.pt")).unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("unet.pt")).unwrap();
        assert!(refusal(&folder).contains("not a regular file"));
    }

    #[test]
    fn names_that_lead_out_of_the_folder_are_refused() {
        for name in ["../unet.pt", "/etc/passwd", "a/b.pt", "", ".hidden", "..", "manifest.json"] {
            let folder = altered(|manifest| manifest["files"]["unet"]["name"] = name.into());
            assert!(refusal(&folder).contains("plain names"), "{name}");
        }
    }

    #[test]
    fn another_format_version_torch_or_nonsense_is_refused_with_its_reason() {
        let size = serde_json::json!({ "width": 128, "height": 8 });
        let cases: [(&str, &str, serde_json::Value, &str); 7] = [
            ("/format", "format", "other".into(), "its `format` is not `augtrial-ip2p`"),
            ("/version", "version", 2.into(), "its `version` is 2, and this program reads 1"),
            ("/torch", "torch", "2.9.1".into(), "exported with PyTorch 2.9.1"),
            ("/latent/scale_factor", "scale", 0.0.into(), "`latent.scale_factor` must be above 0"),
            ("/side_multiple_px", "side", 12.into(), "`side_multiple_px` must be a multiple"),
            ("/files/unet/bytes", "bytes", (1_u64 << 40).into(), "is the limit"),
            ("/files/tokenizer/bytes", "bytes", (65_u64 << 20).into(), "is the limit"),
        ];
        for (pointer, _, value, expected) in cases {
            let folder = altered(|manifest| *manifest.pointer_mut(pointer).unwrap() = value.clone());
            let message = refusal(&folder);
            assert!(message.contains(expected), "{message}");
        }
        let folder = altered(|manifest| manifest["working_px"] = size.clone());
        assert!(refusal(&folder).contains("the sides of `working_px` must be multiples"));
        let folder = altered(|manifest| manifest["surprise"] = 1.into());
        assert!(refusal(&folder).contains("is not a bundle manifest"));
    }

    #[test]
    fn options_of_the_scheduler_are_read_and_what_the_sampler_lacks_is_refused_by_name() {
        let open = |edit: fn(&mut serde_json::Value)| Bundle::open(altered(edit).path()).unwrap();
        let old = open(|_| ());
        assert_eq!(old.manifest().scheduler.timestep_spacing, None);
        let written = serde_json::to_value(old.manifest()).unwrap();
        assert_eq!(written["scheduler"].as_object().unwrap().len(), 5, "an older manifest keeps its digest");
        let new = open(|manifest| {
            manifest["scheduler"]["timestep_spacing"] = "trailing".into();
            manifest["scheduler"]["use_karras_sigmas"] = true.into();
            manifest["scheduler"]["clip_sample_range"] = 1.0.into();
        });
        assert_eq!(new.manifest().scheduler.timestep_spacing, Some(crate::edit::Spacing::Trailing));
        assert_ne!(new.digest(), old.digest());
        let unclear = altered(|manifest| manifest["scheduler"]["clip_sample_range"] = 0.0.into());
        assert!(refusal(&unclear).contains("`scheduler.clip_sample_range` must be above 0"));
        for (option, value) in [("thresholding", serde_json::json!(true)), ("timestep_spacing", "quadratic".into())] {
            let folder = altered(|manifest| manifest["scheduler"][option] = value.clone());
            let error = Bundle::open(folder.path()).unwrap_err();
            let told = augtrial_base::words::chain(&error);
            let name = if option == "thresholding" { option } else { "quadratic" };
            assert!(told.contains("is not a bundle manifest") && told.contains(name), "{told}");
        }
    }

    #[test]
    fn a_bundle_of_another_digest_than_the_plans_is_refused() {
        let (meant, other) =
            (altered(|_| ()), altered(|manifest| manifest["files"]["unet"]["sha256"] = "0".repeat(64).into()));
        let digest = Bundle::open(meant.path()).unwrap().digest().to_string();
        assert!(Bundle::open_pinned(meant.path(), Some(&digest)).is_ok());
        assert!(Bundle::open_pinned(meant.path(), Some(&digest.to_uppercase())).is_ok());
        assert!(Bundle::open_pinned(other.path(), None).is_ok());
        let error = Bundle::open_pinned(other.path(), Some(&digest)).unwrap_err().to_string();
        assert!(
            error.contains(&format!("instead of the plan's {digest}")) && error.contains("bundle_digest"),
            "{error}"
        );
    }

    #[test]
    fn the_digest_covers_every_file_digest() {
        let a = altered(|_| ());
        let b = altered(|manifest| manifest["files"]["unet"]["sha256"] = "0".repeat(64).into());
        assert_ne!(Bundle::open(a.path()).unwrap().digest(), Bundle::open(b.path()).unwrap().digest());
    }
}
