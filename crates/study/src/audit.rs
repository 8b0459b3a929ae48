//! The audit of a study's data: what decisions and near duplicates ask of the division, what the record keeps of it, and the audit
//! that a person asks for.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use super::data::{Beside, Division, read_images};
use super::{Context, StudyData, StudyError};
use augtrial_audit::{Decided, Findings, MeasureError, Reach, Site, Survey, SurveyError};
use augtrial_base::events::Split;
use augtrial_data::bonds::Bonds;
use augtrial_data::manifest::Manifest;
use augtrial_data::source::Source;
use augtrial_plan::Plan;

/// Where surveys are kept, below the folder of runs.
#[must_use]
pub fn audit_folder(context: &Context<'_>) -> PathBuf {
    context.workspace.runs.join("audit")
}

/// Surveys a data set, and shows how far it is.
///
/// # Errors
/// [`StudyError::Interrupted`] if it was stopped; else whatever measuring gives.
pub fn survey_site(site: &Site<'_>, reach: Reach, context: &Context<'_>) -> Result<Survey, StudyError> {
    let stage = context.progress.stage("look for images that are alike", 0, "images");
    // Of no consequence for this audit if it fails.
    let _ = augtrial_base::disk::sweep(site.cache);
    let measuring = |done, total| stage.set_of(done, total, "");
    let confirming = |done, total| stage.set_of(done, total, "comparing what looks alike");
    match Survey::of(site, reach, &measuring, &confirming) {
        Err(SurveyError::Measure(MeasureError::Stopped)) => Err(StudyError::Interrupted),
        found => Ok(found?),
    }
}

/// How alike images of this plan must be.
#[must_use]
pub fn reach_of(plan: &Plan) -> Reach {
    let default = Reach::default();
    Reach {
        radius: plan.audit.radius.unwrap_or(default.radius),
        similarity: plan.audit.similarity.unwrap_or(default.similarity),
    }
}

fn survey(plan: &Plan, source: &Source, manifest: &Manifest, context: &Context<'_>) -> Result<Survey, StudyError> {
    let cache = audit_folder(context);
    let stop = || context.stop.load(Ordering::Relaxed);
    let max_pixels = plan.ingest.max_pixels;
    survey_site(
        &Site { manifest, root: source.root(), max_pixels, cache: &cache, stop: &stop },
        reach_of(plan),
        context,
    )
}

/// What the plan's decisions and its rule ask of the division. Gives the images the classes that were decided.
pub(super) fn bonds(
    plan: &Plan,
    source: &Source,
    manifest: &mut Manifest,
    context: &Context<'_>,
) -> Result<Bonds, StudyError> {
    let decided = Decided::of(&plan.audit.decided, manifest);
    if let [first, others @ ..] = decided.stale.as_slice() {
        let (place, problem) = (first.place.clone(), first.problem.clone());
        return Err(StudyError::StaleDecision { place, problem, others: others.len() });
    }
    decided.relabel(manifest);
    let groups = if plan.split.minds_near_duplicates() {
        survey(plan, source, manifest, context)?.groups(&decided.apart, &decided.together)
    } else {
        decided.together.clone()
    };
    Ok(decided.bonds(manifest, &groups))
}

/// What the record of a study keeps of its audit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct AuditSheet {
    /// Why there was no survey; then the rest says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<String>,
    /// Pairs that look alike, of different pixels, and sets of one picture.
    pub(super) near_pairs: usize,
    pub(super) same_sets: usize,
    /// Sets of what is the same or looks alike with several classes.
    pub(super) contradicting_sets: usize,
    /// Number of pictures of each oddity that occurs.
    pub(super) odd: Vec<(String, usize)>,
    /// Entries of each kind of decision that occurs.
    pub(super) decisions: Vec<(String, usize)>,
    /// Paths of test images that look like, or are, an image of training.
    pub(super) leaked: Vec<String>,
    /// Paths of test images that look like, or are, an image of another class.
    pub(super) contradicting: Vec<String>,
}

impl AuditSheet {
    /// Of the study's data. A survey that fails stops no study; its reason is kept.
    ///
    /// # Errors
    /// [`StudyError::Interrupted`] if it was stopped.
    pub(super) fn of(plan: &Plan, data: &StudyData, context: &Context<'_>) -> Result<Option<Self>, StudyError> {
        let Division::BySource(partition) = &data.division else { return Ok(None) };
        let survey = match survey(plan, &data.source, &data.manifest, context) {
            Ok(survey) => survey,
            Err(StudyError::Interrupted) => return Err(StudyError::Interrupted),
            Err(error) => {
                let problem = augtrial_base::words::chain(&error);
                context.progress.note(&format!("the report says nothing of near duplicates: {problem}"));
                return Ok(Some(Self { problem: Some(problem), ..Self::default() }));
            }
        };
        let manifest = with_parts(&data.manifest, partition);
        let decided = Decided::of(&plan.audit.decided, &manifest);
        let found = Findings::of(&manifest, &survey, &decided, Vec::new());
        let path = |image: usize| manifest.images[image].path.clone();
        let in_test = |image: &usize| manifest.images[*image].split == Some(Split::Test);
        let contradicting = found.contradicting.iter().flatten().copied().filter(in_test);
        let counted = |names: &[(&str, usize)]| -> Vec<(String, usize)> {
            names.iter().filter(|(_, count)| *count > 0).map(|&(name, count)| (name.to_owned(), count)).collect()
        };
        let odd =
            augtrial_audit::Oddity::ALL.map(|o| (o.name(), found.odd.iter().filter(|odd| odd.oddity == o).count()));
        let decisions = &plan.audit.decided;
        Ok(Some(Self {
            problem: None,
            near_pairs: found.near.len(),
            same_sets: found.same.len(),
            contradicting_sets: found.contradicting.len(),
            odd: counted(&odd),
            decisions: counted(&[
                ("kept together", decisions.group.len()),
                ("told apart", decisions.distinct.len()),
                ("not trained on", decisions.exclude.len()),
                ("relabeled", decisions.relabel.len()),
                ("right as they are", decisions.keep.len()),
            ]),
            leaked: survey.leaked(&manifest, &decided.apart, Split::Test).into_iter().map(path).collect(),
            contradicting: contradicting.map(path).collect(),
        }))
    }
}

/// The manifest with the parts as they were divided: what is in none has none.
fn with_parts(manifest: &Manifest, partition: &augtrial_data::parts::Partition) -> Manifest {
    let parts = [
        (Split::Train, &**partition.train.sources()),
        (Split::Validation, partition.validation.images()),
        (Split::Test, partition.test.images()),
    ];
    let parts =
        parts.into_iter().flat_map(|(split, images)| images.iter().map(move |image| (image.path.as_str(), split)));
    let parts: std::collections::BTreeMap<&str, Split> = parts.collect();
    let mut manifest = manifest.clone();
    manifest.images.iter_mut().for_each(|image| image.split = parts.get(image.path.as_str()).copied());
    manifest
}

/// A data set as an audit sees it.
pub struct DataAudit {
    pub source: Source,
    /// With the classes that were decided, and with the parts as the plan divides it where that can be done.
    pub manifest: Manifest,
    /// As it was read, before anything was decided or divided.
    pub read: Manifest,
    /// Of the data set as it was read.
    pub data_set: augtrial_base::digest::Digest,
    pub survey: Survey,
    pub decided: Decided,
    /// Why it cannot be divided, if it cannot.
    pub undivided: Option<StudyError>,
}

/// Audits the data of a plan with this reach. Decisions that do not fit are told, and decide nothing.
///
/// # Errors
/// Whatever reading or measuring gives.
pub fn audit(plan: &Plan, reach: Reach, context: &Context<'_>) -> Result<DataAudit, StudyError> {
    let (source, mut manifest) = read_images(plan, context)?;
    let (data_set, read) = (manifest.digest(), manifest.clone());
    let mut plan = plan.clone();
    (plan.audit.radius, plan.audit.similarity) = (Some(reach.radius), Some(reach.similarity));
    let survey = survey(&plan, &source, &manifest, context)?;
    let decided = Decided::of(&plan.audit.decided, &manifest);
    decided.relabel(&mut manifest);
    let divided = StudyData::divide(&plan, source.clone(), manifest.clone(), Beside::default(), context);
    let (manifest, undivided) = match divided {
        Ok(StudyData { division: Division::BySource(partition), manifest, .. }) => {
            (with_parts(&manifest, &partition), None)
        }
        Ok(_) => (manifest, None),
        Err(error) => (manifest, Some(error)),
    };
    Ok(DataAudit { source, manifest, read, data_set, survey, decided, undivided })
}
