//! The edit step of an arm: which editor makes it, and whether its instructions fit the data.

use super::sets::Step;
use super::{StudyData, StudyError};
use crate::plan::Plan;
use crate::plan::arm::{Arm, Edit};

/// The step that makes the edits of `arm`.
#[cfg(feature = "torch")]
pub(super) fn step<'a>(
    plan: &'a Plan,
    data: &'a StudyData,
    arm: &'a Arm,
    edit: &'a Edit,
) -> Result<Step<'a>, StudyError> {
    match edit {
        Edit::Ip2p(ip2p) => with_editor::ip2p(plan, data, arm, ip2p),
        Edit::Folder(folder) => with_editor::folder(plan, data, arm, folder),
    }
}

/// Editors are LibTorch's.
#[cfg(not(feature = "torch"))]
pub(super) fn step<'a>(_: &'a Plan, _: &'a StudyData, arm: &'a Arm, _: &'a Edit) -> Result<Step<'a>, StudyError> {
    let problem = "this program was built without the feature `torch`, which edits need".to_owned();
    Err(StudyError::Arm { arm: arm.name.clone(), problem })
}

#[cfg(feature = "torch")]
mod with_editor {
    use std::collections::BTreeSet;

    use super::{Arm, Plan, Step, StudyData, StudyError};
    use crate::augment::edit::{FolderMaker, Ip2pMaker};
    use crate::data::manifest::Manifest;
    use crate::diagnostic::suggest;
    use crate::plan::arm::{FolderEdits, Ip2p};
    use crate::study::sets;
    use crate::train::resolve_device;

    pub(super) fn ip2p<'a>(plan: &Plan, data: &StudyData, arm: &Arm, ip2p: &'a Ip2p) -> Result<Step<'a>, StudyError> {
        let problem = |problem| StudyError::Arm { arm: arm.name.clone(), problem };
        check_instructions(ip2p, &data.manifest).map_err(problem)?;
        let device = resolve_device(plan.classifier.device)?;
        let folder = plan.resolve_path(&ip2p.bundle);
        let maker = Ip2pMaker::open(ip2p, &folder, &data.manifest.classes, plan.study.seed, device)
            .map_err(|source| StudyError::Editor { arm: arm.name.clone(), source })?;
        let recipe = maker.recipe(&sets::sources(data, |_| &[]));
        Ok(Step::new(ip2p.copies, recipe, ip2p, Box::new(maker)))
    }

    pub(super) fn folder<'a>(
        plan: &Plan,
        data: &StudyData,
        arm: &Arm,
        folder: &'a FolderEdits,
    ) -> Result<Step<'a>, StudyError> {
        let table = plan.resolve_path(&folder.table);
        let maker = FolderMaker::open(folder, &table, &data.manifest, plan.ingest.max_pixels)
            .map_err(|source| StudyError::Edits { arm: arm.name.clone(), source })?;
        Ok(Step::new(folder.copies, maker.recipe(), folder, Box::new(maker)))
    }

    /// Every list is somebody's, and everybody has one.
    fn check_instructions(ip2p: &Ip2p, manifest: &Manifest) -> Result<(), String> {
        let classes: BTreeSet<&str> = manifest.classes.iter().map(String::as_str).collect();
        let images: BTreeSet<&str> = manifest.images.iter().map(|image| image.path.as_str()).collect();
        let known = |key: &str| key == Ip2p::ANY || classes.contains(key) || images.contains(key);
        if let Some(key) = ip2p.instructions.keys().find(|key| !known(key)) {
            let candidates = classes.iter().chain(if key.contains('/') { &images } else { &classes }).copied();
            let hint = suggest(key, candidates).map_or_else(
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
}
