//! `decisions.toml`: what people decided about single images after an audit, with the reason and who decided. A recorded plan
//! holds the decisions themselves, so that it does not depend on the file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};

use super::resolve::{PlanError, read_text};
use super::shape;
use super::source::Node;
use augtrial_base::diagnostic::{Diagnostic, Diagnostics};
use augtrial_base::digest::Digest;

/// Hexadecimal digits that name a file's content at least.
const LEAST_DIGITS: usize = 12;

/// `[audit]`: how images are looked at, and what was decided about them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Audit {
    /// The file of decisions, relative to the experiment file; `augtrial audit` writes the entries to copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decisions: Option<String>,
    /// Bits of the 256-bit hash in which two images that look alike may differ; 20 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub radius: Option<u32>,
    /// Structural similarity that two images that look alike must have, 0 to 1; 0.84 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub similarity: Option<f64>,
    /// Decisions that stand in the experiment file itself.
    #[serde(skip_serializing_if = "Decisions::is_empty")]
    pub decided: Decisions,
}

/// Decisions about images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Decisions {
    /// Images that show the same: they stay in one part.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub group: Vec<Several>,
    /// Images that look alike and do not show the same: they may be in different parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub distinct: Vec<Several>,
    /// Images that are not trained on. In validation and test they stay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<Single>,
    /// Images whose class is another one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relabel: Vec<Relabel>,
    /// Images that are right as they are, though an audit asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<Single>,
}

/// A file of the data set as it was when somebody looked at it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// Path below the data set's folder.
    pub path: String,
    /// SHA-256 of the file, or its first 12 or more hexadecimal digits: a file that changed must be looked at again.
    pub sha256: String,
}

/// A decision about several images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Several {
    /// Why.
    pub reason: String,
    /// Who decided.
    pub author: String,
    /// Two or more.
    pub images: Vec<Seen>,
}

/// A decision about one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Single {
    /// Why.
    pub reason: String,
    /// Who decided.
    pub author: String,
    pub image: Seen,
}

/// A decision about the class of one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Relabel {
    /// The right class.
    pub class: String,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub author: String,
    pub image: Seen,
}

impl Audit {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Decisions {
    /// Whether nothing is decided.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Digest of all decisions with their reasons; nothing if there are none.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        (!self.is_empty()).then(|| Digest::of_value("decisions-v1", self))
    }

    /// Number of entries.
    #[must_use]
    pub fn count(&self) -> usize {
        self.group.len() + self.distinct.len() + self.exclude.len() + self.relabel.len() + self.keep.len()
    }

    /// Reads a file of decisions.
    ///
    /// # Errors
    /// If it cannot be read, or with every error in it and its place.
    pub fn load(path: &Path) -> Result<Self, PlanError> {
        let text = read_text(path).map_err(|error| match error {
            PlanError::Read { path, source } => PlanError::ReadDecisions { path, source },
            other => other,
        })?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads decisions from a text that is shown under `name`.
    ///
    /// # Errors
    /// Every error in the text, with its place.
    pub fn parse(name: &str, text: &str) -> Result<Self, PlanError> {
        let invalid = |items| PlanError::Decisions(Diagnostics::new(name, text, items));
        let root = Node::parse(text).map_err(|item| invalid(vec![item]))?;
        let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Self>().to_value();
        let misshapen = shape::check(&root, &schema, "the file of decisions");
        if !misshapen.is_empty() {
            return Err(invalid(misshapen));
        }
        let decisions: Self = toml::from_str(text)
            .map_err(|error| invalid(vec![Diagnostic::new(error.message().to_owned(), error.span())]))?;
        let wrong = decisions.check(&root, "");
        if wrong.is_empty() { Ok(decisions) } else { Err(invalid(wrong)) }
    }

    /// Everything in it that makes no sense; `above` is the path of its table in `root`.
    pub(super) fn check(&self, root: &Node, above: &str) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let mut require = |holds: bool, path: String, message: &str, help: &str| {
            if !holds {
                found.push(Diagnostic::new(message, root.locate(&format!("{above}{path}"))).help(help));
            }
        };
        for (entry, path) in self.entries() {
            let reasoned = !entry.reason.trim().is_empty() && !entry.author.trim().is_empty();
            require(reasoned, path.clone(), "a decision needs a reason and an author", "say why, and who decided");
            let names: BTreeSet<&str> = entry.images.iter().map(|image| image.path.as_str()).collect();
            require(
                !entry.several || (names.len() >= 2 && names.len() == entry.images.len()),
                format!("{path}.images"),
                "a decision about several images needs two or more different ones",
                "name each image once",
            );
            for image in entry.images {
                let hex = image.sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
                require(
                    hex && (LEAST_DIGITS..=64).contains(&image.sha256.len()),
                    path.clone(),
                    &format!("`{}` is no SHA-256 of `{}`", image.sha256.escape_debug(), image.path.escape_debug()),
                    "give 12 to 64 hexadecimal digits, as `augtrial audit` prints them",
                );
            }
        }
        let mut classes: BTreeMap<&str, &str> = BTreeMap::new();
        for (index, relabel) in self.relabel.iter().enumerate() {
            let first = *classes.entry(&relabel.image.path).or_insert(&relabel.class);
            require(
                first == relabel.class,
                format!("relabel[{index}]"),
                "an image gets two different classes",
                "keep one of both decisions",
            );
        }
        found
    }

    /// Every entry with its place, in the order of the file's tables.
    pub fn entries(&self) -> impl Iterator<Item = (Entry<'_>, String)> {
        let many = [("group", &self.group), ("distinct", &self.distinct)];
        let many = many.into_iter().flat_map(|(table, list)| {
            list.iter().enumerate().map(move |(index, Several { reason, author, images })| {
                (Entry { reason, author, images: images.iter().collect(), several: true }, format!("{table}[{index}]"))
            })
        });
        let one = [("exclude", &self.exclude), ("keep", &self.keep)];
        let one = one.into_iter().flat_map(|(table, list)| {
            list.iter().enumerate().map(move |(index, Single { reason, author, image })| {
                (Entry { reason, author, images: vec![image], several: false }, format!("{table}[{index}]"))
            })
        });
        let class = self.relabel.iter().enumerate().map(|(index, Relabel { reason, author, image, class: _ })| {
            (Entry { reason, author, images: vec![image], several: false }, format!("relabel[{index}]"))
        });
        many.chain(one).chain(class)
    }

    /// These and those of another file.
    pub(super) fn append(&mut self, other: Self) {
        let Self { group, distinct, exclude, relabel, keep } = other;
        self.group.extend(group);
        self.distinct.extend(distinct);
        self.exclude.extend(exclude);
        self.relabel.extend(relabel);
        self.keep.extend(keep);
    }
}

/// What all decisions have.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    pub reason: &'a str,
    pub author: &'a str,
    pub images: Vec<&'a Seen>,
    several: bool,
}

/// Puts the decisions of the file that is named into the audit section, so that the plan holds them.
pub(super) fn resolve(audit: &mut Audit, base: &Path) -> Result<(), PlanError> {
    if let Some(file) = audit.decisions.take() {
        let path: PathBuf = base.join(file);
        audit.decided.append(Decisions::load(&path)?);
    }
    Ok(())
}

#[cfg(test)]
#[path = "decisions_tests.rs"]
mod tests;
