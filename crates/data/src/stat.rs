//! Images per class: what was read, what somebody declared, and what was left out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::manifest::Manifest;

/// One row per class, in the order of their indices, and the totals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassTable {
    pub rows: Vec<ClassRow>,
    /// Declared only if every class is.
    pub total: ClassRow,
    /// Declared classes that the data set does not have.
    pub unknown: BTreeMap<String, u64>,
    /// Files that are none of the data set's business.
    pub ignored: u64,
}

/// Counts of one class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassRow {
    pub class: String,
    /// Images that were read and are usable.
    pub read: u64,
    pub declared: Option<u64>,
    /// Files that should be images of the class and cannot be used.
    pub quarantined: u64,
}

impl ClassRow {
    /// Read minus declared.
    #[must_use]
    pub fn difference(&self) -> Option<i64> {
        self.declared.map(|declared| self.read as i64 - declared as i64)
    }
}

impl ClassTable {
    /// Counts a data set against declared sizes.
    #[must_use]
    pub fn new(manifest: &Manifest, declared: &BTreeMap<String, u64>) -> Self {
        let mut quarantined = vec![0; manifest.classes.len()];
        for class in manifest.quarantined.iter().filter_map(|file| file.class) {
            quarantined[class as usize] += 1;
        }
        let counts = manifest.classes.iter().zip(manifest.class_counts()).zip(quarantined);
        let row = |((class, read), quarantined): ((&String, u64), u64)| ClassRow {
            class: class.clone(),
            read,
            declared: declared.get(class).copied(),
            quarantined,
        };
        let rows: Vec<ClassRow> = counts.map(row).collect();
        let total = ClassRow {
            class: "total".to_owned(),
            read: rows.iter().map(|row| row.read).sum(),
            declared: rows.iter().map(|row| row.declared).sum(),
            quarantined: manifest.quarantined.len() as u64,
        };
        let unknown = declared.iter().filter(|(class, _)| !manifest.classes.contains(class));
        let unknown = unknown.map(|(class, &count)| (class.clone(), count)).collect();
        Self { rows, total, unknown, ignored: manifest.ignored.len() as u64 }
    }
}
