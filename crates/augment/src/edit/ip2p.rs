//! Images edited by a diffusion editor after an instruction (`InstructPix2Pix`, Brooks, Holynski, Efros 2023).
//!
//! Which instruction a copy follows is drawn from a stream of its own, so that neither the sampler's settings nor a retry
//! change it. Arms that differ in the editor alone are given the same instructions and the same noise.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::bundle::Bundle;
use super::checks;
use super::editor::{EditError, EditRequest, Edited, Editor, NoiseKey, OpenEditor, Settings};
use super::instructions::choose as choose_instruction;
use super::steps::check_steps;
use crate::store::{DerivedImageMaker, Made, MakerError, Missing, MissingReason, Planned, SourceImage};
use augtrial_base::digest::Digest;
use augtrial_base::seed::{Purpose, StudySeed};
use augtrial_data::cache::CacheError;
use augtrial_data::manifest::EditRecord;
use augtrial_plan::arm::{Ip2p, NoiseRng, NullEditor, OnMissing};
use augtrial_plan::classifier::Device;

/// Attempts at one edit under `on_missing = "retry"`, the first included.
pub const MAX_ATTEMPTS: u32 = 3;

/// Raised whenever the editor gives other pixels for the same request.
const EDITOR_VERSION: u32 = 1;

/// Makes images by a diffusion editor. The networks are loaded when the first image is made.
pub struct Ip2pMaker<'a> {
    ip2p: Ip2p,
    classes: Vec<String>,
    study: StudySeed,
    folder: PathBuf,
    bundle: Digest,
    /// Names the streams of instructions and noise.
    instructions: Digest,
    settings: Settings,
    /// Absent where the set is only named, and not made.
    opener: Option<&'a dyn OpenEditor>,
    editor: Mutex<Option<Box<dyn Editor>>>,
}

/// Everything that decides the content of a set of edits, beside the sources, the seed and the number of copies.
#[derive(Serialize)]
struct SetRecipe<'a> {
    edit: Digest,
    checks: &'a augtrial_plan::arm::EditChecks,
    on_missing: OnMissing,
    /// Instructions are listed by class.
    classes: &'a [String],
    /// Instructions of single images are listed by path, which no other digest covers.
    own: Vec<(Digest, &'a [String])>,
}

impl<'a> Ip2pMaker<'a> {
    /// An editor on the bundle at `folder`; `classes` are the data set's, in the order of their indices. Without an `opener`
    /// it names sets and makes none.
    ///
    /// # Errors
    /// [`EditError`] if the bundle cannot be opened, or the scheduler has no run of so many steps.
    pub fn open(
        ip2p: &Ip2p,
        folder: &Path,
        classes: &[String],
        study: StudySeed,
        device: Device,
        opener: Option<&'a dyn OpenEditor>,
    ) -> Result<Self, EditError> {
        let bundle = Bundle::open_pinned(folder, ip2p.bundle_digest.as_deref())?;
        check_steps(ip2p.scheduler, ip2p.steps as usize, &bundle.manifest().scheduler)?;
        Ok(Self {
            ip2p: ip2p.clone(),
            classes: classes.to_vec(),
            study,
            folder: folder.to_owned(),
            bundle: bundle.digest(),
            instructions: Digest::of_value("instructions-v1", &ip2p.instructions),
            settings: Settings::new(ip2p, device),
            opener,
            editor: Mutex::new(None),
        })
    }

    /// The digest of the set's recipe for these sources.
    #[must_use]
    pub fn recipe(&self, sources: &[SourceImage<'_>]) -> Digest {
        let own_list =
            |source: &SourceImage<'_>| Some((source.digest, self.ip2p.instructions.get(source.path)?.as_slice()));
        let mut own: Vec<_> = sources.iter().filter_map(own_list).collect();
        own.sort_unstable();
        let recipe = SetRecipe {
            edit: self.ip2p.digest(self.bundle),
            checks: &self.ip2p.checks,
            on_missing: self.ip2p.on_missing,
            classes: &self.classes,
            own,
        };
        Digest::of_value("edit-set-v1", &recipe)
    }

    /// The instruction of one copy; nothing if the plan has none for its class.
    fn instruction(&self, planned: &Planned<'_>) -> Option<&str> {
        let Planned { source, copy, .. } = planned;
        let purpose = Purpose::Instruction { recipe: self.instructions, image: source.digest };
        let mut stream = self.study.stream(purpose, u64::from(*copy));
        choose_instruction(&self.ip2p, source.path, &self.classes[source.class as usize], &mut stream)
    }

    fn noise(&self, planned: &Planned<'_>, attempt: u32) -> NoiseKey {
        let key = NoiseKey::Stream {
            study: self.study,
            recipe: self.instructions,
            image: planned.source.digest,
            copy: planned.copy,
            attempt,
        };
        match self.ip2p.rng {
            NoiseRng::Stream => key,
            NoiseRng::Torch => key.to_torch(),
        }
    }

    /// Another attempt has other noise; the round trip has none.
    fn attempts(&self) -> u32 {
        let retries = self.ip2p.on_missing == OnMissing::Retry && self.ip2p.null != Some(NullEditor::VaeRoundTrip);
        if retries { MAX_ATTEMPTS } else { 1 }
    }

    /// One attempt at each of `orders`, in their order.
    fn attempt(&self, editor: &mut dyn Editor, orders: &[Order<'_>], attempt: u32) -> Result<Vec<Made>, MakerError> {
        let request = |order: &Order<'_>| Ok((order.planned.source_image()?, self.noise(order.planned, attempt)));
        let requests: Vec<_> = orders.iter().map(request).collect::<Result<_, CacheError>>()?;
        let requests: Vec<EditRequest<'_>> = requests
            .iter()
            .zip(orders)
            .map(|((source, noise), order)| EditRequest {
                source,
                image: order.planned.source.digest,
                instruction: order.instruction,
                noise: *noise,
            })
            .collect();
        let edited = editor.edit(&requests)?;
        Ok(edited.into_iter().zip(orders).map(|(edited, order)| made(edited, order.instruction, attempt)).collect())
    }
}

/// An image to make, and how.
#[derive(Clone, Copy)]
struct Order<'a> {
    position: usize,
    planned: &'a Planned<'a>,
    instruction: &'a str,
}

impl DerivedImageMaker for Ip2pMaker<'_> {
    fn tool(&self) -> String {
        format!("augtrial-ip2p {EDITOR_VERSION}, bundle {}", self.bundle)
    }

    fn batch_size(&self) -> usize {
        self.settings.batch
    }

    fn make_batch(&self, batch: &[Planned<'_>]) -> Result<Vec<Made>, MakerError> {
        let mut slot = self.editor.lock().unwrap_or_else(PoisonError::into_inner);
        let editor = match &mut *slot {
            Some(editor) => editor,
            empty => {
                let opener = self.opener.ok_or("edits are made by a worker that has LibTorch, not by this process")?;
                empty.insert(opener.open_editor(&self.folder, self.settings)?)
            }
        };
        let mut results: Vec<Made> = Vec::with_capacity(batch.len());
        let mut open: Vec<Order<'_>> = Vec::with_capacity(batch.len());
        for (position, planned) in batch.iter().enumerate() {
            results.push(uninstructed(&self.classes[planned.source.class as usize]).into());
            open.extend(self.instruction(planned).map(|instruction| Order { position, planned, instruction }));
        }
        for attempt in 0..self.attempts() {
            if open.is_empty() {
                break;
            }
            for (order, made) in open.iter().zip(self.attempt(&mut **editor, &open, attempt)?) {
                results[order.position] = made;
            }
            open.retain(|order| results[order.position].result.is_err());
        }
        match open.first() {
            Some(order) if self.ip2p.on_missing == OnMissing::Fail => Err(refusal(order, &results[order.position])),
            _ => Ok(results),
        }
    }
}

fn uninstructed(class: &str) -> Missing {
    Missing { reason: MissingReason::Failed, detail: format!("no instruction serves the class `{class}`") }
}

fn made(edited: Result<Edited, checks::MissingReason>, instruction: &str, attempt: u32) -> Made {
    let record = |change_levels, reduced_to_px| {
        Some(EditRecord { instruction: instruction.to_owned(), attempt, change_levels, reduced_to_px })
    };
    match edited {
        Ok(Edited { image, change_levels, edited_at_px, .. }) => {
            let reduced_to_px = (edited_at_px.0 < image.width()).then_some(edited_at_px);
            Made { result: Ok(image), edit: record(Some(change_levels), reduced_to_px) }
        }
        Err(reason) => Made { result: Err(missing(reason)), edit: record(change_levels(reason), None) },
    }
}

fn change_levels(reason: checks::MissingReason) -> Option<f64> {
    match reason {
        checks::MissingReason::Unchanged { change_levels } => Some(change_levels),
        checks::MissingReason::Flat { .. } | checks::MissingReason::NotFinite => None,
    }
}

/// A failed check as the store records it.
pub(super) fn missing(reason: checks::MissingReason) -> Missing {
    let kind = match reason {
        checks::MissingReason::Flat { .. } => MissingReason::Black,
        checks::MissingReason::Unchanged { .. } => MissingReason::Unchanged,
        checks::MissingReason::NotFinite => MissingReason::Failed,
    };
    Missing { reason: kind, detail: reason.to_string() }
}

/// Why a set is given up under `on_missing = "fail"`.
fn refusal(order: &Order<'_>, made: &Made) -> MakerError {
    let detail = made.result.as_ref().err().map_or("", |missing| missing.detail.as_str());
    let Planned { source, copy, .. } = order.planned;
    format!(
        "copy {copy} of {}, `{}`, failed its checks ({detail}); `on_missing = \"drop\"` leaves such images out",
        source.path, order.instruction
    )
    .into()
}
