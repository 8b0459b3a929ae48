//! `copies` of a step: how many images are made of every original, or several numbers, which make a family of arms that differ in
//! nothing else.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::arm::Arm;
use super::check::slug_problem;
use super::design::Mistake;
use augtrial_base::digest::Digest;

/// Images that are made of every original by one step. A plan has one number; an experiment file may list several, as a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copies {
    first: u32,
    /// Of the other arms of a family.
    others: Vec<u32>,
    /// Whether a list was typed.
    listed: bool,
}

impl Copies {
    /// One number.
    #[must_use]
    pub fn one(copies: u32) -> Self {
        Self { first: copies, others: Vec::new(), listed: false }
    }

    /// The number of the step; of a family's, the first.
    #[must_use]
    pub fn get(&self) -> u32 {
        self.first
    }

    /// Every number that is typed.
    pub fn all(&self) -> impl Iterator<Item = u32> {
        std::iter::once(self.first).chain(self.others.iter().copied())
    }

    /// A number out of its range, or else the first: what a limit is checked with.
    pub(super) fn extreme(&self) -> u32 {
        self.all().find(|copies| !(1..=1000).contains(copies)).unwrap_or(self.first)
    }
}

impl Default for Copies {
    fn default() -> Self {
        Self::one(1)
    }
}

impl Serialize for Copies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.listed { serializer.collect_seq(self.all()) } else { serializer.serialize_u32(self.first) }
    }
}

impl<'de> Deserialize<'de> for Copies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Typed)
    }
}

/// Reads what is typed.
struct Typed;

impl<'de> Visitor<'de> for Typed {
    type Value = Copies;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a number of copies, or a list of such numbers")
    }

    fn visit_i64<E: serde::de::Error>(self, copies: i64) -> Result<Copies, E> {
        u32::try_from(copies).map(Copies::one).map_err(|_| E::custom("the number of copies is out of range"))
    }

    fn visit_u64<E: serde::de::Error>(self, copies: u64) -> Result<Copies, E> {
        u32::try_from(copies).map(Copies::one).map_err(|_| E::custom("the number of copies is out of range"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Copies, A::Error> {
        let first = list.next_element()?.ok_or_else(|| serde::de::Error::custom("the list of copies is empty"))?;
        let mut others = Vec::new();
        while let Some(copies) = list.next_element()? {
            others.push(copies);
        }
        Ok(Copies { first, others, listed: true })
    }
}

impl JsonSchema for Copies {
    fn schema_name() -> Cow<'static, str> {
        "Copies".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Images made of every original. A list makes an arm of each number, NAME-x1, NAME-x2 and so on.",
            "oneOf": [
                { "type": "integer", "format": "uint32", "minimum": 0 },
                { "type": "array", "items": { "type": "integer", "format": "uint32", "minimum": 0 } }
            ]
        })
    }
}

/// Every number of copies that an arm types, with its key below the arm's.
fn typed(arm: &Arm) -> impl Iterator<Item = (String, &Copies)> {
    let offline = arm.offline.iter().enumerate().map(|(step, of)| (format!("offline[{step}].copies"), &of.copies));
    offline.chain(arm.edit.iter().map(|edit| (format!("edit.{}.copies", edit.name()), edit.typed_copies())))
}

/// The arms that one arm of a file stands for: itself, or a family with a number of copies each.
pub(super) fn expanded(arm: &Arm) -> Vec<Arm> {
    let Some((_, family)) = typed(arm).find(|(_, copies)| copies.listed) else { return vec![arm.clone()] };
    let member = |copies: u32| {
        let mut member = arm.clone();
        member.name = format!("{}-x{copies}", arm.name);
        let steps = member.offline.iter_mut().map(|step| &mut step.copies);
        steps.filter(|typed| typed.listed).for_each(|typed| *typed = Copies::one(copies));
        member.edit.iter_mut().filter(|edit| edit.typed_copies().listed).for_each(|edit| edit.set_copies(copies));
        member
    };
    family.all().map(member).collect()
}

/// Everything in the families of a file's arms that makes no sense.
pub(super) fn mistakes(arms: &[Arm]) -> Vec<Mistake> {
    let mut found = Vec::new();
    for (index, arm) in arms.iter().enumerate() {
        let lists: Vec<_> = typed(arm).filter(|(_, copies)| copies.listed).collect();
        let mut report = |key: &str, message: String, help: &str| {
            found.push(Mistake { path: format!("arm[{index}].{key}"), message, help: Some(help.to_owned()) });
        };
        let Some((key, copies)) = lists.first() else { continue };
        if let Some((second, _)) = lists.get(1) {
            report(
                second,
                "two steps of this arm list their copies".to_owned(),
                "let one step of an arm vary, and write an arm for each other",
            );
        }
        let numbers: Vec<u32> = copies.all().collect();
        if let Some(twice) = (1..numbers.len()).find(|&at| numbers[..at].contains(&numbers[at])) {
            report(key, format!("`copies` has {} twice", numbers[twice]), "each number is an arm");
        }
        if !arm.declared.is_empty() {
            report(
                "declared",
                "a family of arms has no one number of declared images".to_owned(),
                "write an arm for each number of copies",
            );
        }
        for member in expanded(arm) {
            if slug_problem(&member.name).is_some() && slug_problem(&arm.name).is_none() {
                report("name", format!("`{}` is too long a name for the arm", member.name), "use a shorter one");
            }
            if arms
                .iter()
                .enumerate()
                .any(|(other, arm)| other != index && expanded(arm).iter().any(|of| of.name == member.name))
            {
                report(
                    "name",
                    format!("`copies` makes an arm named `{}`, and there is one", member.name),
                    "rename one of them",
                );
            }
        }
    }
    found
}

/// Arms that differ in nothing but how many copies one step makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Family {
    /// What their names have in common, or the name of the first.
    pub name: String,
    /// Copies of every original, from few to many, and the index of the arm. Zero copies are an arm that lacks the step and is
    /// the same otherwise.
    pub members: Vec<(u32, usize)>,
}

/// The families among a plan's arms, in the order of their first arm, however they were written.
#[must_use]
pub fn families(arms: &[Arm]) -> Vec<Family> {
    let mut found: Vec<(Digest, Family)> = Vec::new();
    for (index, arm) in arms.iter().enumerate() {
        for (copies, rest) in without_each_step(arm) {
            match found.iter_mut().find(|(known, _)| *known == rest.1) {
                Some((_, family)) if family.members.iter().any(|(known, _)| *known == copies) => {}
                Some((_, family)) => family.members.push((copies, index)),
                None => {
                    let base = arms.iter().position(|arm| arm.recipe_digest() == rest.0).map(|arm| (0, arm));
                    let members = base.into_iter().chain([(copies, index)]).collect();
                    found.push((rest.1, Family { name: arm.name.clone(), members }));
                }
            }
        }
    }
    let mut families: Vec<Family> = found.into_iter().map(|(_, family)| family).collect();
    families.retain(|family| family.members.iter().filter(|(copies, _)| *copies > 0).count() > 1);
    for family in &mut families {
        family.members.sort_unstable();
        let stem = |&(copies, index): &(u32, usize)| arms[index].name.strip_suffix(&format!("-x{copies}"));
        let mut stems = family.members.iter().filter(|(copies, _)| *copies > 0).map(stem);
        if let Some(Some(first)) = stems.next()
            && stems.all(|stem| stem == Some(first))
        {
            first.clone_into(&mut family.name);
        }
    }
    families
}

/// For every step of an arm: its copies, the recipe without the step, and the recipe with the step whatever its copies are.
fn without_each_step(arm: &Arm) -> Vec<(u32, (Digest, Digest))> {
    let digests =
        |rest: &Arm, step: Digest| (rest.recipe_digest(), Digest::of_value("family-v1", &(rest.recipe_digest(), step)));
    let offline = arm.offline.iter().enumerate().map(|(number, step)| {
        let mut rest = arm.clone();
        rest.offline.remove(number);
        (step.copies.get(), digests(&rest, step.digest()))
    });
    let edit = arm.edit.iter().map(|edit| {
        let mut same = edit.clone();
        same.set_copies(0);
        let rest = Arm { edit: None, ..arm.clone() };
        (edit.copies(), digests(&rest, Digest::of_value("family-edit-v1", &same)))
    });
    offline.chain(edit).collect()
}

#[cfg(test)]
mod tests {
    use super::families;
    use crate::{Plan, PlanError};

    fn parse(arms: &str) -> Result<Plan, PlanError> {
        let text = format!(
            "[study]\nname = \"s\"\nseeds = [1]\n[dataset.synthetic]\n[classifier.budget]\nepochs = 1\n\
             [[arm]]\nname = \"plain\"\nrole = \"control\"\n[[arm]]\nname = \"flip\"\n{arms}"
        );
        Plan::parse("s.toml", &text, std::path::PathBuf::new(), &[])
    }

    const FLIP: &str = "apply = [{ horizontal_flip = {} }]";

    #[test]
    fn a_list_of_copies_is_an_arm_for_each_and_every_one_is_compared() {
        let plan = parse(&format!("[[arm.offline]]\ncopies = [1, 2, 4]\n{FLIP}")).unwrap();
        let arms: Vec<(&str, u32)> = plan.arms.iter().map(|arm| (arm.name.as_str(), arm.growth())).collect();
        assert_eq!(arms, [("plain", 1), ("flip-x1", 2), ("flip-x2", 3), ("flip-x4", 5)]);
        assert_eq!(plan.contrasts.len(), 3);
        let single = parse(&format!("[[arm.offline]]\ncopies = 2\n{FLIP}")).unwrap();
        assert_eq!(
            single.arms[1].recipe_digest(),
            plan.arms[2].recipe_digest(),
            "a member is the arm that one would write"
        );
        assert_eq!(Plan::parse("s", &plan.to_toml(), std::path::PathBuf::new(), &[]).unwrap().digest(), plan.digest());
        let named = parse(&format!(
            "[[arm.offline]]\ncopies = [1, 2]\n{FLIP}\n[[contrast]]\ntreatment = \"flip-x2\"\ncontrol = \"flip-x1\"\n"
        ));
        assert_eq!(named.unwrap().contrasts[0].treatment, "flip-x2");
        let edited = parse("[arm.edit.folder]\ntable = \"t.csv\"\ncopies = [2, 3]").unwrap();
        assert_eq!(edited.arms[2].growth(), 4);
    }

    #[test]
    fn arms_that_differ_in_copies_alone_are_a_family_with_the_arm_that_lacks_the_step() {
        let plan = parse(&format!(
            "[[arm.offline]]\ncopies = [4, 1]\n{FLIP}\n[[arm]]\nname = \"turned\"\n[[arm.offline]]\ncopies = 2\n\
             apply = [{{ rotation = {{ degrees = 20.0 }} }}]\n[[arm]]\nname = \"more\"\n[[arm.offline]]\ncopies = 2\n{FLIP}"
        ));
        let families = families(&plan.unwrap().arms);
        assert_eq!(families.len(), 1, "one arm is no family");
        assert_eq!(families[0].members, [(0, 0), (1, 2), (2, 4), (4, 1)]);
        assert_eq!(families[0].name, "flip-x4", "not all are called after it");
        let plan = parse("repeat = 2\n[arm.edit.folder]\ntable = \"t.csv\"\ncopies = [2, 3]").unwrap();
        let families = super::families(&plan.arms);
        assert_eq!((families[0].name.as_str(), families[0].members.as_slice()), ("flip", [(2, 1), (3, 2)].as_slice()));
    }

    #[test]
    fn a_family_that_cannot_be_is_refused_where_it_stands() {
        let two =
            format!("[[arm.offline]]\ncopies = [1, 2]\n{FLIP}\n[arm.edit.folder]\ntable = \"t.csv\"\ncopies = [1, 2]");
        let taken = format!("[[arm.offline]]\ncopies = [1, 2]\n{FLIP}\n[[arm]]\nname = \"flip-x2\"");
        for (arms, expected) in [
            (format!("[[arm.offline]]\ncopies = [2, 2]\n{FLIP}"), "`copies` has 2 twice"),
            (format!("[[arm.offline]]\ncopies = [1, 0]\n{FLIP}"), "`copies` must lie between 1 and 1000, not 0"),
            (format!("[[arm.offline]]\ncopies = []\n{FLIP}"), "the list of copies is empty"),
            (
                format!("[[arm.offline]]\ncopies = \"2\"\n{FLIP}"),
                "`copies` must be an integer or an array, not a string",
            ),
            (
                format!("[[arm.offline]]\ncopies = [\"2\"]\n{FLIP}"),
                "an element of `copies` must be an integer, not a string",
            ),
            (two, "two steps of this arm list their copies"),
            (taken, "`copies` makes an arm named `flip-x2`, and there is one"),
            (
                format!("declared = {{ glass = 3 }}\n[[arm.offline]]\ncopies = [1, 2]\n{FLIP}"),
                "no one number of declared images",
            ),
        ] {
            let message = parse(&arms).unwrap_err().to_string();
            assert!(message.contains(expected), "{expected} not in {message}");
        }
    }
}
