//! What the previews of a design's cells have in common: the registry, the images as they were read, past runs. Each is read once.

use std::cell::RefCell;

use crate::data::read_images;
use crate::estimate::PastRuns;
use crate::{Context, StudyError};
use augtrial_base::digest::Digest;
use augtrial_data::manifest::Manifest;
use augtrial_data::source::Source;
use augtrial_plan::Plan;
use augtrial_registry::Registry;

/// Read once for all plans that are looked at together.
pub(crate) struct Shared {
    pub(super) registry: Registry,
    /// By what decides how images are read.
    images: RefCell<Vec<(Digest, Source, Manifest)>>,
    pub(super) past: PastRuns,
}

impl Shared {
    pub(crate) fn open(context: &Context<'_>) -> Result<Self, StudyError> {
        let registry = Registry::open(&context.workspace.runs, context.clock)?;
        Ok(Self { registry, images: RefCell::default(), past: PastRuns::default() })
    }

    /// The images of a plan, read unless a plan with the same source and rules was looked at before.
    pub(super) fn images(&self, plan: &Plan, context: &Context<'_>) -> Result<(Source, Manifest), StudyError> {
        let key = Digest::of_value("images", &(&plan.dataset, &plan.ingest, &plan.base));
        if let Some((_, source, manifest)) = self.images.borrow().iter().find(|(known, ..)| *known == key) {
            return Ok((source.clone(), manifest.clone()));
        }
        let (source, manifest) = read_images(plan, context)?;
        self.images.borrow_mut().push((key, source.clone(), manifest.clone()));
        Ok((source, manifest))
    }
}
