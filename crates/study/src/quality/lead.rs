//! Measuring the sets of a study, from its record to the rows: images -> networks -> measures -> outcome -> record.

use std::collections::BTreeMap;

use super::affinity::Affinity;
use super::galleries::galleries;
use super::gather::Gathered;
use super::networks::{ControlNetwork, Looker, Sums, of_control, view};
use super::{FILE, QualityError, QualityOptions, outcome};
use crate::data::Division;
use crate::prepared::{Draws, Prepared};
use crate::results::{ArmSeed, cells, comparison_of};
use crate::sheet::StudySheet;
use crate::{Context, StudyError};
use augtrial_base::digest::Digest;
use augtrial_base::words::plural;
use augtrial_plan::Plan;
use augtrial_quality::{
    ArmImages, ImageFound, MeasuredSets, NetworkView, QualityRow, RowPart, RowSubject, SetFindings, SetQuality,
    VERSION, measure,
};
use augtrial_registry::Registry;

/// The quality of a study's sets, image by image too.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredStudy {
    pub quality: SetQuality,
    pub arms: Vec<ArmImages>,
    /// Of every arm and image.
    pub found: Vec<Vec<ImageFound>>,
    /// PNG files of the galleries, by digest.
    pub pictures: BTreeMap<Digest, Vec<u8>>,
}

/// Measures the sets of a study that was run, and keeps what was measured in its record for the report. Trains nothing, and makes no
/// image but, for affinity, those of validation images by an arm's offline steps. What networks see is kept below the folder of runs.
///
/// # Errors
/// [`StudyError::NotRun`]; [`StudyError::Quality`] where the study, its sets or the network do not allow it;
/// [`StudyError::Interrupted`]; else whatever reading images or looking at them gives.
pub fn quality(
    plan: &Plan,
    options: &QualityOptions,
    registry: &Registry,
    context: &Context<'_>,
) -> Result<MeasuredStudy, StudyError> {
    let study = || plan.study.name.clone();
    let not_run = || StudyError::NotRun { study: study() };
    let sheet: StudySheet = registry.read_study(&plan.study.name, &plan.digest())?.ok_or_else(not_run)?;
    let mut plan = plan.clone();
    if plan.base.as_os_str().is_empty() {
        plan.base.clone_from(&sheet.base);
    }
    let plan = &plan;
    context.engine()?.begin(&plan.classifier, options.threads)?;
    let given = Looker::given(&options.features, plan, context)?;
    let draws = Draws::read(plan, context)?;
    let prepared = draws.first();
    if matches!(prepared.data.division, Division::AsPublished(..)) {
        return Err(QualityError::AsPublished { study: study() }.into());
    }
    if prepared.data.manifest.digest() != sheet.manifest.digest() {
        return Err(QualityError::OtherData { study: study() }.into());
    }
    let cells = cells(plan, registry, &sheet)?;
    let networks = of_control(&draws, registry, &cells)?;
    let mut gathered = Gathered::of(prepared)?;
    let seen = seen(prepared, &mut gathered, given.as_ref(), &networks)?;
    let Seen { views, judges, features, networks: digests } = seen;

    let classes = prepared.data.manifest.classes.clone();
    let measured =
        MeasuredSets { classes: classes.clone(), real: gathered.real.clone(), arms: gathered.arms.clone(), views };
    let stage = context.progress.stage("measure the sets", 0, "rows");
    let SetFindings { mut rows, images: found, vendi_of, mut notes } =
        measure(&measured, options.settings, plan.study.seed, &judges);
    drop(stage);
    context.check_stop()?;
    put_outcomes(&mut rows, prepared, registry, &cells, &networks)?;
    notes.splice(0..0, gathered.notes.iter().cloned());
    if plan.draws().len() > 1 {
        notes.push("divisions or sets are drawn anew for every seed; those of the first seed are measured".to_owned());
    }
    let (galleries, pictures) = galleries(&gathered, &found, &classes, plan.study.seed)?;
    let quality = SetQuality {
        version: VERSION,
        study: study(),
        plan: plan.digest(),
        features,
        networks: digests,
        width: measured.views.first().map_or(0, |view| view.real_features.width()),
        cross_fitted: given.is_none(),
        judges,
        k: options.settings.k,
        permutations: options.settings.permutations,
        most: options.settings.most,
        vendi_of,
        classes,
        real_images: measured.real.len(),
        notes,
        rows,
        galleries,
    };
    keep(plan, registry, &quality, &pictures)?;
    Ok(MeasuredStudy { quality, arms: measured.arms, found, pictures })
}

/// What networks saw, and who they were.
struct Seen {
    views: Vec<NetworkView>,
    judges: String,
    features: String,
    networks: Vec<Digest>,
}

/// Lets the networks look: those of the control at what they were held out of, and the one that was given at everything.
fn seen(
    prepared: &Prepared<'_>,
    gathered: &mut Gathered,
    given: Option<&Looker<'_>>,
    networks: &Result<Vec<ControlNetwork<'_>>, String>,
) -> Result<Seen, StudyError> {
    let mut sums = Sums::new(gathered, prepared.data.manifest.classes.len());
    let (mut views, mut digests) = (Vec::new(), Vec::new());
    for network in networks.iter().flatten() {
        let held_out = |source| network.was_held_out_of(source);
        if let Some(view) = view(&network.looker, gathered, held_out, Some(&mut sums))? {
            views.push(view);
            digests.push(network.looker.digest);
        }
    }
    let judges = match networks {
        Err(reason) => format!("no network, since {reason}"),
        Ok(_) if views.is_empty() => {
            "no network, since all seeds share one division: each of the control was trained on the sources of these images"
                .to_owned()
        }
        Ok(_) => {
            let (count, most) = (plural(views.len(), "network"), sums.give(gathered));
            format!(
                "{count} of the control, each on images that it was not trained on; at most {most} spoke of an image"
            )
        }
    };
    let Some(looker) = given else {
        return match networks {
            Err(reason) => Err(QualityError::NoNetworks { reason: reason.clone() }.into()),
            Ok(_) if views.is_empty() => Err(QualityError::NotHeldOut.into()),
            Ok(_) => {
                let count = plural(views.len(), "network");
                let features = format!("{count} of the control, each on images that it was not trained on");
                Ok(Seen { views, judges, features, networks: digests })
            }
        };
    };
    let view = view(looker, gathered, |_| true, None)?;
    let views = view.into_iter().collect();
    Ok(Seen { views, judges, features: looker.name.clone(), networks: vec![looker.digest] })
}

/// Affinity, diversity and gain of every arm, in its row about all images.
fn put_outcomes(
    rows: &mut [QualityRow],
    prepared: &Prepared<'_>,
    registry: &Registry,
    cells: &[ArmSeed<'_>],
    networks: &Result<Vec<ControlNetwork<'_>>, String>,
) -> Result<(), StudyError> {
    let plan = prepared.plan;
    let comparison = comparison_of(plan, registry)?;
    let affinity = networks.as_ref().ok().map(|networks| Affinity::new(prepared, networks)).transpose()?;
    for row in rows.iter_mut().filter(|row| row.part == RowPart::All) {
        let RowSubject::Arm(name) = &row.subject else { continue };
        let arm = plan.arms.iter().find(|arm| arm.name == *name).expect("rows are of the plan's arms");
        let of_arm = match (&affinity, networks) {
            (Some(affinity), _) => affinity.of(arm)?,
            (None, Err(reason)) => Err(reason.clone()),
            (None, Ok(_)) => Err("no network of the control is there".to_owned()),
        };
        let diversity = outcome::diversity(plan, registry, cells, &arm.name)?;
        row.put("affinity", of_arm);
        row.put("diversity", diversity);
        row.put("gain", outcome::gain(&comparison, &arm.name));
    }
    Ok(())
}

/// Leaves in the study's record what its report shows.
fn keep(
    plan: &Plan,
    registry: &Registry,
    quality: &SetQuality,
    pictures: &BTreeMap<Digest, Vec<u8>>,
) -> Result<(), StudyError> {
    let (study, digest) = (&plan.study.name, plan.digest());
    for png in pictures.values() {
        registry.write_picture(study, &digest, png)?;
    }
    let json = serde_json::to_vec_pretty(quality).expect("plain data has a JSON form");
    registry.write_study_file(study, &digest, FILE, &json)?;
    Ok(())
}
