//! A step whose set passes a gate: what names the set that is left, and how it is made of the one before.

use std::collections::BTreeMap;

use rand::seq::SliceRandom as _;
use serde::Serialize;

use super::judge::left_out;
use crate::prepared::Prepared;
use crate::sets::{self, MadeSet, Step};
use crate::{StudyData, StudyError};
use augtrial_augment::gate::{GateMaker, gate_tool};
use augtrial_augment::store::{Missing, MissingReason, SourceImage, find};
use augtrial_base::digest::Digest;
use augtrial_base::seed::Purpose;
use augtrial_plan::Plan;
use augtrial_plan::arm::Arm;
use augtrial_plan::gate::Gate;

/// Names the recipes of gated sets.
const RECIPE: &str = "gate-v1";

/// The gate that the set of a step passes.
pub enum Gated<'a> {
    /// By rules, and the digest of the networks that they ask, if they ask any.
    Rule { gate: &'a Gate, networks: Option<Digest> },
    /// At random, as many of every class as this step of this arm leaves out.
    Random { like: Box<Step<'a>>, arm: &'a Arm },
}

/// A step as the reader of its set's manifest is told of it.
#[derive(Serialize)]
struct Described<'a> {
    step: &'a serde_json::Value,
    gate: &'a Gate,
}

/// The gate of an arm's step of this number, if it has one.
///
/// # Errors
/// [`StudyError::NotFitted`] if it asks networks that have not been trained.
pub fn gated<'a>(prepared: &'a Prepared<'_>, arm: &'a Arm, number: usize) -> Result<Option<Gated<'a>>, StudyError> {
    let Some(gate) = &arm.gate else { return Ok(None) };
    let Some(like) = gate.like.as_ref().filter(|_| gate.random) else {
        let networks = if gate.asks_networks() { Some(prepared.cross_fit()?.digest()) } else { None };
        return Ok(Some(Gated::Rule { gate, networks }));
    };
    let other = prepared.plan.arms.iter().find(|other| other.name == *like).expect("a plan names its arms");
    let step = prepared.step(other, number).expect("a null has the steps of its arm")?;
    Ok(Some(Gated::Random { like: Box::new(step), arm: other }))
}

impl Gated<'_> {
    /// Digest of the recipe: of the step's and the rule.
    pub fn recipe(&self, step: Digest) -> Digest {
        match self {
            Self::Rule { gate, .. } => Digest::of_value(RECIPE, &(step, gate)),
            Self::Random { .. } => Digest::of_value(RECIPE, &(step, "random")),
        }
    }

    /// What the set is made by: the set that passes, and the networks, or the set whose null it is.
    pub fn tool(&self, base: &Digest, plan: &Plan, data: &StudyData) -> String {
        let by = match self {
            Self::Rule { networks: Some(networks), .. } => format!("networks {networks}"),
            Self::Rule { networks: None, .. } => "pixels".to_owned(),
            Self::Random { like, .. } => format!("chance, as many as {}", like.digest(plan, data)),
        };
        gate_tool(base, &by)
    }

    /// The step and its gate, for the reader of the manifest.
    pub fn described(&self, step: &serde_json::Value) -> serde_json::Value {
        let random = |arm: &Arm| Gate { random: true, like: Some(arm.name.clone()), ..Gate::default() };
        let described = match self {
            Self::Rule { gate, .. } => serde_json::to_value(Described { step, gate }),
            Self::Random { arm, .. } => serde_json::to_value(Described { step, gate: &random(arm) }),
        };
        described.expect("a gate has a JSON form")
    }
}

/// The set of a step that passes this gate, made if it is not there; the one before the gate is made first.
pub fn pass(
    prepared: &Prepared<'_>,
    name: &str,
    sources: &[SourceImage<'_>],
    step: &Step<'_>,
    gate: &Gated<'_>,
) -> Result<MadeSet, StudyError> {
    let Prepared { plan, data, context, .. } = prepared;
    let (seed, base_digest) = (data.draw.sets, step.base_digest(plan, data));
    let stored = |source| StudyError::Store { arm: name.to_owned(), source };
    if let Some(set) = find(&sets::folder(context), &step.digest(plan, data)).map_err(stored)? {
        return Ok(MadeSet { base: Some(base_digest), ..sets::opened(prepared, name, set, None)? });
    }
    let base = sets::materialize(prepared, name, seed, sources, step)?;
    let left_out = match gate {
        Gated::Rule { gate, .. } => {
            let stage = context.progress.stage(format!("gate images of {name}"), 0, "images");
            let left_out = left_out(prepared, name, gate, &base)?;
            drop(stage);
            left_out
        }
        Gated::Random { like, arm } => {
            let like = sets::make(prepared, prepared.pool()?, arm, like)?;
            at_random(prepared, &base, &like)
        }
    };
    let maker = GateMaker::new(gate.tool(&base_digest, plan, data), &base.set, left_out);
    let described = gate.described(step.described());
    let request = sets::request(plan, (gate.recipe(step.recipe()), &described), step.copies, seed, sources);
    let made = sets::materialize_by(prepared, name, &request, &maker)?;
    let generation_secs = [base.generation_secs, made.generation_secs].into_iter().flatten().reduce(|a, b| a + b);
    Ok(MadeSet { base: Some(base_digest), generation_secs, ..made })
}

/// As many images of every class as a gate left out, drawn by a stream of the sets' seed that is named by the set.
fn at_random(prepared: &Prepared<'_>, base: &MadeSet, like: &MadeSet) -> BTreeMap<usize, Missing> {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for image in like.set.missing.iter().filter(|image| image.missing.reason.is_gate()) {
        *counts.entry(image.class).or_default() += 1;
    }
    let purpose = Purpose::Gate { set: base.set.digest };
    let mut left_out = BTreeMap::new();
    for (class, count) in counts {
        let images = base.set.images.iter().enumerate().filter(|(_, image)| image.class == class);
        let mut positions: Vec<usize> = images.map(|(position, _)| position).collect();
        positions.shuffle(&mut prepared.data.draw.sets.stream(purpose, class.into()));
        let detail = || format!("one of {count} of {}", positions.len());
        let missing = || Missing { reason: MissingReason::GatedRandom, detail: detail() };
        left_out.extend(positions.iter().take(count).map(|&position| (position, missing())));
    }
    left_out
}
