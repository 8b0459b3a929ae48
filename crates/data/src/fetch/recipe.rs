//! Recipes: those that the program knows, and those in files of the user's.

use std::fs;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::error::FetchError;
use augtrial_base::diagnostic::{Diagnostic, Diagnostics};
use augtrial_base::digest::Digest;
use augtrial_base::words::nearest;

/// Every data set that can be fetched by its name alone, with its recipe.
pub const KNOWN: [(&str, &str); 1] = [("trashnet", include_str!("trashnet.toml"))];

/// Gigabytes that a recipe may get and unpack unless it says otherwise.
const MOST_GB: f64 = 50.0;
/// Largest bound that a recipe may name, GB.
const LARGEST_BOUND_GB: f64 = 1e5;
/// Longest recipe that is read, bytes.
const MOST_BYTES: u64 = 1 << 20;

/// What to get, and what it must be.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Of the folder that it is put into.
    pub name: String,
    pub title: String,
    pub source: String,
    pub license: String,
    /// Bound of all that is got, and of all that is unpacked, bytes.
    pub most_bytes: u64,
    /// Digest of the list of all files and their digests.
    pub content: Option<Digest>,
    /// Commands to type next.
    pub next: Vec<String>,
    pub files: Vec<FileRecipe>,
}

/// One file of a recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRecipe {
    pub url: String,
    /// The last part of the address.
    pub name: String,
    pub sha256: Option<Digest>,
    pub unpack: Option<Unpack>,
    /// Folder that it is put or unpacked into, below the data set's own; empty for that itself.
    pub to: String,
}

/// Formats of archives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Unpack {
    #[serde(rename = "zip")]
    Zip,
    #[serde(rename = "tar.gz")]
    TarGz,
}

/// As typed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    name: Spanned<String>,
    #[serde(default)]
    title: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    license: String,
    most_gb: Option<Spanned<f64>>,
    content: Option<Spanned<String>>,
    #[serde(default)]
    next: Vec<String>,
    #[serde(rename = "file")]
    files: Spanned<Vec<TypedFile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedFile {
    url: Spanned<String>,
    sha256: Option<Spanned<String>>,
    unpack: Option<Unpack>,
    to: Option<Spanned<String>>,
}

impl Recipe {
    /// The recipe of a known data set, or the one in a file.
    ///
    /// # Errors
    /// If there is none, it cannot be read, or it has errors.
    pub fn named(name: &str) -> Result<Self, FetchError> {
        if let Some((known, text)) = KNOWN.iter().find(|(known, _)| *known == name) {
            return Self::parse(known, text);
        }
        let path = Path::new(name);
        let is_file = path.extension().is_some_and(|ending| ending == "toml");
        if !is_file {
            let names = KNOWN.map(|(known, _)| known);
            let advice = nearest(name, names).map_or_else(
                || format!("known are {}; a file of your own ends in .toml (docs/data.md)", names.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            return Err(FetchError::Unknown { name: name.to_owned(), advice });
        }
        let failed = |source| FetchError::Read { path: path.to_owned(), source };
        if path.metadata().map_err(failed)?.len() > MOST_BYTES {
            return Err(failed(std::io::Error::other("it is too long for a recipe")));
        }
        Self::parse(name, &fs::read_to_string(path).map_err(failed)?)
    }

    /// Reads a recipe that is shown under `shown`.
    ///
    /// # Errors
    /// [`FetchError::Recipe`], with every error and its place.
    pub fn parse(shown: &str, text: &str) -> Result<Self, FetchError> {
        let invalid = |items| FetchError::Recipe(Diagnostics::new(shown, text, items));
        let typed: Typed = toml::from_str(text)
            .map_err(|error| invalid(vec![Diagnostic::new(error.message().to_owned(), error.span())]))?;
        let mut checks = Checks(Vec::new());
        let recipe = checks.recipe(typed);
        if checks.0.is_empty() { Ok(recipe) } else { Err(invalid(checks.0)) }
    }
}

/// Errors so far.
struct Checks(Vec<Diagnostic>);

impl Checks {
    fn require(&mut self, holds: bool, span: Range<usize>, message: String, help: &str) {
        if !holds {
            self.0.push(Diagnostic::new(message, Some(span)).help(help));
        }
    }

    fn recipe(&mut self, typed: Typed) -> Recipe {
        let Typed { name, title, source, license, most_gb, content, next, files } = typed;
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        self.require(
            !name.get_ref().is_empty() && name.get_ref().chars().all(is_name),
            name.span(),
            format!("`{}` cannot be the name of a data set's folder", name.get_ref().escape_debug()),
            "use letters, digits, `-` and `_`",
        );
        let most = most_gb.as_ref().map_or(MOST_GB, |bound| *bound.get_ref());
        self.require(
            (0.0..=LARGEST_BOUND_GB).contains(&most),
            most_gb.as_ref().map_or(0..0, Spanned::span),
            format!("`most_gb` must lie between 0 and {LARGEST_BOUND_GB}, not {most}"),
            "it bounds what is got and what is unpacked",
        );
        let content = content.and_then(|content| self.digest(&content));
        self.require(
            !files.get_ref().is_empty(),
            files.span(),
            "the recipe has no file".to_owned(),
            "name one with `[[file]]` and its `url`",
        );
        let files = files.into_inner().into_iter().map(|file| self.file(file, content.is_some())).collect();
        let name = name.into_inner();
        Recipe { name, title, source, license, most_bytes: (most * 1e9) as u64, content, next, files }
    }

    fn file(&mut self, typed: TypedFile, pinned: bool) -> FileRecipe {
        let TypedFile { url, sha256, unpack, to } = typed;
        let (address, span) = (url.get_ref().clone(), url.span());
        let is_address = (address.starts_with("https://") || address.starts_with("http://"))
            && !address.contains(|c: char| c.is_control() || c.is_whitespace());
        self.require(
            is_address,
            span.clone(),
            format!("`{}` is no address of a file", address.escape_debug()),
            "an address begins with https://",
        );
        let path = address.split(['?', '#']).next().unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let is_plain = !name.is_empty() && name != "." && name != ".." && !name.contains(['\\', ':', '%']);
        self.require(
            is_plain || !is_address,
            span.clone(),
            "the address does not end in the name of a file".to_owned(),
            "name the file itself, not a page about it",
        );
        self.require(
            sha256.is_some() || pinned,
            span,
            "nothing pins this file, so that anything could be got in its place".to_owned(),
            "give its `sha256`, or the recipe's `content`; `sha256sum FILE` prints it",
        );
        let to = to.map_or_else(String::new, |to| {
            let parts: Vec<&str> = to.get_ref().split('/').filter(|part| !part.is_empty() && *part != ".").collect();
            let inside = !to.get_ref().starts_with('/') && !to.get_ref().contains('\\') && !parts.contains(&"..");
            self.require(
                inside,
                to.span(),
                format!("`{}` leads out of the data set's folder", to.get_ref().escape_debug()),
                "name a folder below it",
            );
            parts.join("/")
        });
        let sha256 = sha256.and_then(|digest| self.digest(&digest));
        FileRecipe { url: address, name, sha256, unpack, to }
    }

    fn digest(&mut self, typed: &Spanned<String>) -> Option<Digest> {
        match typed.get_ref().parse() {
            Ok(digest) => Some(digest),
            Err(error) => {
                self.0.push(Diagnostic::new(format!("{error}"), Some(typed.span())));
                None
            }
        }
    }
}
