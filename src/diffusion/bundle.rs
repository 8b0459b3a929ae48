//! A model bundle on disk: a folder with a manifest, four `TorchScript` modules and a tokenizer.
//!
//! A `TorchScript` file is a program. Nothing of it is parsed before its size and SHA-256 are those of the manifest, and
//! the manifest's own digest is what a study records: two bundles with one digest are the same bytes.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use tch::{CModule, Device, Kind, TchError};

use super::manifest::{FORMAT, FileEntry, Manifest, Part, VERSION};
use crate::digest::Digest;

/// The LibTorch that tch 0.26 binds; a module traced by another minor version may compute other bits, or not load at all.
pub const LIBTORCH_VERSION: &str = "2.13.0";

const MANIFEST: &str = "manifest.json";
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
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("LibTorch cannot load {}", path.display())]
    Load { path: PathBuf, source: TchError },
    #[error("the bundle's {} failed on an input of shape {input:?}", part.name())]
    Run { part: Part, input: Vec<i64>, source: TchError },
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

    /// Loads a module onto `device`, after its hash, and casts its weights to `cast_to` if it is given.
    ///
    /// # Errors
    /// As [`Self::checked_path`], or [`BundleError::Load`].
    pub fn load(&self, part: Part, device: Device, cast_to: Option<Kind>) -> Result<CModule, BundleError> {
        let path = self.checked_path(part)?;
        let mut module = CModule::load_on_device(&path, device)
            .map_err(|source| BundleError::Load { path: path.clone(), source })?;
        module.f_set_eval().map_err(|source| BundleError::Load { path, source })?;
        if let Some(kind) = cast_to {
            module.to(device, kind, false);
        }
        Ok(module)
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

fn parse(text: &[u8], path: &Path) -> Result<Manifest, BundleError> {
    let malformed = |source| BundleError::Malformed { path: path.to_owned(), source };
    let unsupported = |reason: String| BundleError::Unsupported { path: path.to_owned(), reason };
    // The format and the version come first: a newer manifest may have other fields, and should be told so.
    let value: serde_json::Value = serde_json::from_slice(text).map_err(malformed)?;
    if value["format"] != FORMAT {
        return Err(unsupported(format!("its `format` is not `{FORMAT}`")));
    }
    if value["version"] != VERSION {
        let found = &value["version"];
        return Err(unsupported(format!("its `version` is {found}, and this program reads {VERSION}")));
    }
    let manifest: Manifest = serde_json::from_value(value).map_err(malformed)?;
    if minor(&manifest.torch) != minor(LIBTORCH_VERSION) {
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

/// `2.13` of `2.13.0`.
fn minor(version: &str) -> &str {
    version.rsplit_once('.').map_or(version, |(minor, _)| minor)
}

fn is_plain_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (1..=255).contains(&name.len()) && !name.starts_with('.') && name.chars().all(fits) && name != MANIFEST
}

fn read_bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("more than {most} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/ip2p/bundle");

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
        assert!(matches!(bundle.load(Part::Unet, Device::Cpu, None), Err(BundleError::Hash { .. })));
        assert!(matches!(bundle.load(Part::VaeEncoder, Device::Cpu, None), Err(BundleError::Load { .. })));
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
        let cases: [(&str, &str, serde_json::Value, &str); 6] = [
            ("/format", "format", "other".into(), "its `format` is not `augtrial-ip2p`"),
            ("/version", "version", 2.into(), "its `version` is 2, and this program reads 1"),
            ("/torch", "torch", "2.9.1".into(), "exported with PyTorch 2.9.1"),
            ("/latent/scale_factor", "scale", 0.0.into(), "`latent.scale_factor` must be above 0"),
            ("/side_multiple_px", "side", 12.into(), "`side_multiple_px` must be a multiple"),
            ("/files/unet/bytes", "bytes", (1_u64 << 40).into(), "is the limit"),
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
    fn the_digest_covers_every_file_digest() {
        let a = altered(|_| ());
        let b = altered(|manifest| manifest["files"]["unet"]["sha256"] = "0".repeat(64).into());
        assert_ne!(Bundle::open(a.path()).unwrap().digest(), Bundle::open(b.path()).unwrap().digest());
    }
}
