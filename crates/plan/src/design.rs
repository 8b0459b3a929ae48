//! Designs beyond one contrast: factors with named levels, and the cells that they span. Every cell is a [`Plan`] of its own, made
//! of the one experiment file by the settings of its levels, so that all that serves a study serves a cell.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::slug_problem;
use super::file::ExperimentFile;
use super::train::DOSE_KEYS;
use super::{Override, Plan, PlanError};
use augtrial_base::words::nearest;

/// Cells of a design at most: each is a study of its own.
pub const MOST_CELLS: usize = 4096;

/// `[design]`: which cells are run, and which two are explained by one another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DesignTable {
    pub kind: DesignKind,
    /// The level of each factor as it should be. A factor that is not named has its first level.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub reference: BTreeMap<String, String>,
    /// The level of each factor as it was published: `augtrial explain` divides the difference between the two cells among the
    /// factors. A factor that is not named has the level of the reference.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub published: BTreeMap<String, String>,
}

/// Which combinations of levels are run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DesignKind {
    /// Every combination.
    #[default]
    Full,
    /// The reference, and each other level with all other factors as in the reference.
    OneAtATime,
}

/// `[[factor]]`: something that is varied beside the arms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Factor {
    /// Lower-case letters, digits and hyphens.
    pub name: String,
    /// What a reader is told; the name if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub levels: Vec<Level>,
}

/// One level of a factor: the settings that make it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// Lower-case letters, digits and hyphens.
    pub name: String,
    /// Keys of this file with other values, as `--set` takes them: `"classifier.budget" = { epochs = 10 }`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, serde_json::Value>,
    /// Which test images count. It is decided when results are read, and costs no training.
    #[serde(default, skip_serializing_if = "Counted::is_all")]
    pub counted: Counted,
}

/// The test images that a share is taken of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Counted {
    /// All that are in the test part: under the as-published protocol, derived images too.
    #[default]
    All,
    /// Original images alone.
    Originals,
}

impl Counted {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_all(&self) -> bool {
        *self == Self::All
    }
}

impl Factor {
    /// What a reader is told.
    #[must_use]
    pub fn title(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }
}

/// A design, ready to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Design {
    /// Name of the whole; a cell's study has the names of its levels behind it.
    pub name: String,
    pub title: Option<String>,
    pub question: Option<String>,
    pub kind: DesignKind,
    pub factors: Vec<Factor>,
    /// In the order of the factors' levels; the last factor changes fastest.
    pub cells: Vec<Cell>,
    /// Index of the reference cell.
    pub reference: usize,
    /// Index of the cell as published.
    pub published: Option<usize>,
}

/// One combination of levels.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Index of the level of each factor.
    pub levels: Vec<usize>,
    /// Cells that differ only in which images count have equal plans, and are trained once.
    pub plan: Plan,
    pub counted: Counted,
}

impl Design {
    /// Reads the design of an experiment file, if it declares factors.
    ///
    /// # Errors
    /// As [`Plan::load`], for the file as it stands and for every cell.
    pub fn load(path: &Path, overrides: &[Override]) -> Result<Option<Self>, PlanError> {
        let text = super::resolve::read_text(path)?;
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        Self::parse(&path.display().to_string(), &text, &base, overrides)
    }

    /// The same of a text that is shown under `name`; relative paths start from `base`.
    ///
    /// # Errors
    /// As [`Plan::load`], for the file as it stands and for every cell.
    pub fn parse(name: &str, text: &str, base: &Path, overrides: &[Override]) -> Result<Option<Self>, PlanError> {
        let (file, plan) = Plan::parse_file(name, text, base.to_owned(), overrides)?;
        if file.factors.is_empty() {
            return Ok(None);
        }
        let table = file.design.unwrap_or_default();
        let factors = file.factors;
        let reference = levels_named(&factors, &table.reference, &vec![0; factors.len()]);
        let published = (!table.published.is_empty()).then(|| levels_named(&factors, &table.published, &reference));
        let source = DesignFile { name, text, base, overrides, factors: &factors, title: plan.study.title.as_deref() };
        let mut plans = BTreeMap::new();
        let mut cells = Vec::new();
        for levels in combinations(table.kind, &factors, &reference) {
            cells.push(source.cell(levels, &plan, &mut plans)?);
        }
        let index = |levels: &[usize]| cells.iter().position(|cell| cell.levels == levels);
        Ok(Some(Self {
            name: plan.study.name,
            title: plan.study.title,
            question: plan.study.question,
            kind: table.kind,
            reference: index(&reference).unwrap_or(0),
            published: published.and_then(|published| index(&published)),
            cells,
            factors,
        }))
    }

    /// The level names of a cell, in the order of the factors.
    #[must_use]
    pub fn level_names(&self, cell: &Cell) -> Vec<&str> {
        self.factors.iter().zip(&cell.levels).map(|(factor, &level)| factor.levels[level].name.as_str()).collect()
    }

    /// The cell's name: its levels, joined.
    #[must_use]
    pub fn cell_name(&self, cell: &Cell) -> String {
        self.level_names(cell).join(JOINER)
    }

    /// Index of the first factor whose levels set how many images of the training part are trained on.
    #[must_use]
    pub fn dose(&self) -> Option<usize> {
        let sets_dose = |level: &Level| level.set.keys().any(|key| DOSE_KEYS.contains(&key.trim()));
        self.factors.iter().position(|factor| factor.levels.iter().any(sets_dose))
    }

    /// The distinct plans of some cells, in their order: what is trained.
    pub fn plans<'a>(&self, cells: impl IntoIterator<Item = &'a Cell>) -> Vec<&'a Plan> {
        let mut names = BTreeSet::new();
        cells.into_iter().map(|cell| &cell.plan).filter(|plan| names.insert(plan.study.name.clone())).collect()
    }
}

/// The experiment file that cells are made of.
struct DesignFile<'a> {
    name: &'a str,
    text: &'a str,
    base: &'a Path,
    overrides: &'a [Override],
    factors: &'a [Factor],
    title: Option<&'a str>,
}

impl DesignFile<'_> {
    /// The cell of these levels. `plans` holds those made before, by the study's name.
    fn cell(&self, levels: Vec<usize>, whole: &Plan, plans: &mut BTreeMap<String, Plan>) -> Result<Cell, PlanError> {
        let chosen: Vec<(&Factor, &Level)> =
            self.factors.iter().zip(&levels).map(|(factor, &level)| (factor, &factor.levels[level])).collect();
        let counted = chosen.iter().map(|(_, level)| level.counted).max().unwrap_or_default();
        // Factors that change nothing of the training are not in the name, so that their cells share it.
        let trained = |factor: &Factor| factor.levels.iter().any(|level| !level.set.is_empty());
        let names: Vec<&str> =
            chosen.iter().filter(|(factor, _)| trained(factor)).map(|(_, level)| level.name.as_str()).collect();
        let study = [&[whole.study.name.as_str()], names.as_slice()].concat().join(JOINER);
        if let Some(plan) = plans.get(&study) {
            return Ok(Cell { levels, plan: plan.clone(), counted });
        }
        if let Some(problem) = slug_problem(&study) {
            return Err(PlanError::Cell { cell: study, problem: problem.to_owned() });
        }
        let told = chosen.iter().map(|(factor, level)| format!("{}: {}", factor.title(), level.name));
        let told = told.collect::<Vec<_>>().join(", ");
        let title = self.title.map_or_else(|| told.clone(), |title| format!("{title} ({told})"));
        let text = |key: &str, text: &str| Override::Value {
            key: key.to_owned(),
            value: toml::Value::String(text.to_owned()).to_string(),
        };
        let mut overrides = self.overrides.to_vec();
        for (key, value) in chosen.iter().flat_map(|(_, level)| &level.set) {
            let value = toml::Value::try_from(value).map(|value| value.to_string());
            let value = value.map_err(|error| PlanError::Cell { cell: study.clone(), problem: error.to_string() })?;
            overrides.push(Override::Value { key: key.clone(), value });
        }
        overrides.extend([text("study.name", &study), text("study.title", &title)]);
        let name = format!("{} (cell {})", self.name, names.join(", "));
        let plan = Plan::parse(&name, self.text, self.base.to_owned(), &overrides)?;
        plans.insert(study, plan.clone());
        Ok(Cell { levels, plan, counted })
    }
}

/// The level of each factor that is named, and that of `otherwise` for the rest.
fn levels_named(factors: &[Factor], names: &BTreeMap<String, String>, otherwise: &[usize]) -> Vec<usize> {
    let level = |(factor, &otherwise): (&Factor, &usize)| {
        let name = names.get(&factor.name);
        name.and_then(|name| factor.levels.iter().position(|level| level.name == *name)).unwrap_or(otherwise)
    };
    factors.iter().zip(otherwise).map(level).collect()
}

/// The levels of every cell, the last factor changing fastest.
fn combinations(kind: DesignKind, factors: &[Factor], reference: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for factor in factors {
        let levels = 0..factor.levels.len();
        all = all
            .into_iter()
            .flat_map(|cell: Vec<usize>| levels.clone().map(move |level| [&cell[..], &[level]].concat()))
            .collect();
    }
    if kind == DesignKind::OneAtATime {
        let changed =
            |cell: &[usize]| cell.iter().zip(reference).filter(|(level, reference)| level != reference).count();
        all.retain(|cell| changed(cell) <= 1);
    }
    all
}

/// Between the levels in the name of a cell, and of its study.
const JOINER: &str = "--";

/// What a level cannot set, and why.
const NOT_OF_A_LEVEL: [(&str, &str); 6] = [
    ("study.name", "the cell's levels name its study"),
    ("study.title", "the cell's levels name its study"),
    ("study.seeds", "cells are compared seed by seed"),
    ("study.primary_metric", "cells are compared by one metric"),
    ("study.alpha", "all cells are judged alike"),
    ("study.delta", "all cells are judged alike"),
];

/// A mistake in the factors: where, what, and a help.
pub(super) struct Mistake {
    pub path: String,
    pub message: String,
    pub help: Option<String>,
}

/// Everything in the factors and the design that makes no sense.
pub(super) fn mistakes(file: &ExperimentFile) -> Vec<Mistake> {
    let mut found = Vec::new();
    let mut report = |path: String, message: String, help: Option<String>| found.push(Mistake { path, message, help });
    let factors = &file.factors;
    for (index, factor) in factors.iter().enumerate() {
        let at = |key: &str| format!("factor[{index}].{key}");
        if let Some(problem) = slug_problem(&factor.name) {
            report(at("name"), format!("`{}` is not a name", factor.name), Some(problem.to_owned()));
        }
        if factors[..index].iter().any(|other| other.name == factor.name) {
            report(at("name"), format!("there are two factors named `{}`", factor.name), None);
        }
        if factor.levels.len() < 2 {
            report(at("levels"), "a factor needs at least two levels".to_owned(), None);
        }
        for (number, level) in factor.levels.iter().enumerate() {
            let at = |key: &str| format!("factor[{index}].levels[{number}].{key}");
            if let Some(problem) = slug_problem(&level.name) {
                report(at("name"), format!("`{}` is not a name", level.name), Some(problem.to_owned()));
            }
            if level.name.contains(JOINER) {
                let help = Some(format!("use single hyphens: `{JOINER}` joins the levels in the name of a cell"));
                report(at("name"), format!("`{}` cannot be the name of a level", level.name), help);
            }
            if factor.levels[..number].iter().any(|other| other.name == level.name) {
                report(at("name"), format!("`{}` has two levels named `{}`", factor.name, level.name), None);
            }
            for key in level.set.keys() {
                if let Some((_, why)) = NOT_OF_A_LEVEL.iter().find(|(of, _)| *of == key.trim()) {
                    report(at("set"), format!("a level cannot set `{key}`: {why}"), None);
                }
            }
        }
        let same = |a: &Level, b: &Level| a.set == b.set && a.counted == b.counted;
        let levels = &factor.levels;
        if let Some(twin) = (1..levels.len()).find(|&number| levels[..number].iter().any(|l| same(l, &levels[number])))
        {
            report(
                format!("factor[{index}].levels[{twin}]"),
                format!("level `{}` sets the same as an earlier one", levels[twin].name),
                Some("give it `set = { \"KEY\" = VALUE }`, or `counted`".to_owned()),
            );
        }
    }
    let cells = factors.iter().try_fold(1_usize, |cells, factor| cells.checked_mul(factor.levels.len()));
    if cells.is_none_or(|cells| cells > MOST_CELLS) {
        report("factor".to_owned(), format!("the factors span more than {MOST_CELLS} cells"), None);
    }
    let Some(design) = &file.design else { return found };
    if factors.is_empty() {
        report("design".to_owned(), "a design needs factors".to_owned(), Some("add [[factor]] tables".to_owned()));
    }
    let reference = levels_named(factors, &design.reference, &vec![0; factors.len()]);
    let published = levels_named(factors, &design.published, &reference);
    let differ = reference.iter().zip(&published).filter(|(reference, published)| reference != published).count();
    if design.kind == DesignKind::OneAtATime && differ > 1 {
        report(
            "design.published".to_owned(),
            format!(
                "the published cell differs from the reference in {differ} factors, and the design varies one at a time"
            ),
            Some("use kind = \"full\", which has a cell for every combination".to_owned()),
        );
    }
    for (key, levels) in [("reference", &design.reference), ("published", &design.published)] {
        for (name, level) in levels {
            let path = format!("design.{key}.{name}");
            let Some(factor) = factors.iter().find(|factor| factor.name == *name) else {
                let near = nearest(name, factors.iter().map(|factor| factor.name.as_str()));
                let help = near.map(|near| format!("did you mean `{near}`?"));
                report(path, format!("there is no factor named `{name}`"), help);
                continue;
            };
            if !factor.levels.iter().any(|known| known.name == *level) {
                let names: Vec<&str> = factor.levels.iter().map(|level| level.name.as_str()).collect();
                let help = Some(format!("its levels are {}", names.join(", ")));
                report(path, format!("`{name}` has no level named `{level}`"), help);
            }
        }
    }
    found
}

/// A cell that was asked for by levels: `--factor name=level`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelChoice {
    pub factor: String,
    pub level: String,
}

impl std::str::FromStr for LevelChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (factor, level) =
            text.split_once('=').ok_or_else(|| format!("`{text}` is not of the form FACTOR=LEVEL"))?;
        Ok(Self { factor: factor.trim().to_owned(), level: level.trim().to_owned() })
    }
}

impl Design {
    /// The cells that have all of these levels, and one of these names if there are any.
    ///
    /// # Errors
    /// A sentence if a name is of no factor, level or cell.
    pub fn choose(&self, names: &[String], levels: &[LevelChoice]) -> Result<Vec<&Cell>, String> {
        let known: Vec<String> = self.cells.iter().map(|cell| self.cell_name(cell)).collect();
        let unknown = |what: &str, name: &str, known: &[String]| {
            let near = nearest(name, known.iter().map(String::as_str));
            let help =
                near.map_or_else(|| format!("one of {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
            format!("there is no {what} `{name}`; {help}")
        };
        if let Some(name) = names.iter().find(|name| !known.contains(name)) {
            return Err(unknown("cell", name, &known));
        }
        let mut wanted = Vec::new();
        for choice in levels {
            let factors: Vec<String> = self.factors.iter().map(|factor| factor.name.clone()).collect();
            let index = factors.iter().position(|name| *name == choice.factor);
            let index = index.ok_or_else(|| unknown("factor", &choice.factor, &factors))?;
            let levels: Vec<String> = self.factors[index].levels.iter().map(|level| level.name.clone()).collect();
            let level = levels.iter().position(|name| *name == choice.level);
            wanted.push((index, level.ok_or_else(|| unknown("level", &choice.level, &levels))?));
        }
        let fits = |(cell, name): &(&Cell, &String)| {
            (names.is_empty() || names.contains(name))
                && wanted.iter().all(|&(factor, level)| cell.levels[factor] == level)
        };
        Ok(self.cells.iter().zip(&known).filter(fits).map(|(cell, _)| cell).collect())
    }
}

#[cfg(test)]
mod tests;
