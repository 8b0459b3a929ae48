//! The edit step of an arm: which editor makes it, and whether its instructions fit the data.

use super::sets::{self, Step};
use super::{StudyData, StudyError};
use augtrial_plan::Plan;
use std::collections::BTreeSet;

use augtrial_augment::edit::{FolderMaker, Ip2pMaker, OpenEditor};
use augtrial_base::digest::Digest;
use augtrial_base::words::nearest;
use augtrial_data::manifest::Manifest;
use augtrial_data::pixels::Pixels;
use augtrial_plan::arm::{Arm, Edit, FolderEdits, Ip2p};
use augtrial_plan::classifier::Kernels;
use serde::Serialize;

/// The step that makes the edits of `arm`.
pub(super) fn step<'a>(
    plan: &'a Plan,
    data: &'a StudyData,
    arm: &'a Arm,
    edit: &'a Edit,
    opener: Option<&'a dyn OpenEditor>,
) -> Result<Step<'a>, StudyError> {
    match edit {
        Edit::Ip2p(wanted) => ip2p(plan, data, arm, wanted, opener),
        Edit::Folder(wanted) => folder(plan, data, arm, wanted),
    }
}

fn ip2p<'a>(
    plan: &Plan,
    data: &StudyData,
    arm: &Arm,
    ip2p: &'a Ip2p,
    opener: Option<&'a dyn OpenEditor>,
) -> Result<Step<'a>, StudyError> {
    let problem = |problem| StudyError::Arm { arm: arm.name.clone(), problem };
    check_instructions(ip2p, &data.manifest).map_err(problem)?;
    let folder = plan.resolve_path(&ip2p.bundle);
    let (classes, seed, device) = (&data.manifest.classes, data.draw.sets, plan.classifier.device);
    let maker = Ip2pMaker::open(ip2p, &folder, classes, seed, device, opener)
        .map_err(|source| StudyError::Editor { arm: arm.name.clone(), source })?;
    let recipe = pinned(maker.recipe(&sets::sources(data, |_| Pixels::Bytes(&[]))), plan.classifier.kernels);
    let described = Described { edit: ip2p, kernels: plan.classifier.kernels };
    Ok(Step::new(ip2p.copies.get(), recipe, &described, Box::new(maker)))
}

/// An edit for the reader of its set's manifest.
#[derive(Serialize)]
struct Described<'a> {
    #[serde(flatten)]
    edit: &'a Ip2p,
    #[serde(skip_serializing_if = "Kernels::is_native")]
    kernels: Kernels,
}

/// The recipe with the kernels that make it: pinned kernels decide the bits of edits. Native ones are left out, so that sets
/// that were made before there was a choice keep their digests.
fn pinned(recipe: Digest, kernels: Kernels) -> Digest {
    if kernels.is_native() { recipe } else { Digest::of_value("edit-kernels-v1", &(recipe, kernels)) }
}

fn folder<'a>(plan: &Plan, data: &StudyData, arm: &Arm, folder: &'a FolderEdits) -> Result<Step<'a>, StudyError> {
    let table = plan.resolve_path(&folder.table);
    let maker = FolderMaker::open(folder, &table, &data.manifest, plan.ingest.max_pixels)
        .map_err(|source| StudyError::Edits { arm: arm.name.clone(), source })?;
    Ok(Step::new(folder.copies.get(), maker.recipe(), folder, Box::new(maker)))
}

/// Checks that every list of instructions names a class or an image of the data, and that every class has a list.
fn check_instructions(ip2p: &Ip2p, manifest: &Manifest) -> Result<(), String> {
    let classes: BTreeSet<&str> = manifest.classes.iter().map(String::as_str).collect();
    let images: BTreeSet<&str> = manifest.images.iter().map(|image| image.path.as_str()).collect();
    let known = |key: &str| key == Ip2p::ANY || classes.contains(key) || images.contains(key);
    if let Some(key) = ip2p.instructions.keys().find(|key| !known(key)) {
        let candidates = classes.iter().chain(if key.contains('/') { &images } else { &classes }).copied();
        let hint = nearest(key, candidates).map_or_else(
            || format!("the classes are {}", manifest.classes.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        return Err(format!("`instructions` has the key `{key}`, which is no class and no image: {hint}"));
    }
    let served = |class: &&str| ip2p.instructions.contains_key(Ip2p::ANY) || ip2p.instructions.contains_key(*class);
    match classes.iter().find(|class| ip2p.is_instructed() && !served(class)) {
        Some(class) => Err(format!(
            "no instruction serves the class `{class}`: add a list for it to `instructions`, or one for \"{}\"",
            Ip2p::ANY
        )),
        None => Ok(()),
    }
}
