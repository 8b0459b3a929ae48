//! Gated sets: the images of another set but for those that a gate leaves out, each of which has its reason in the lineage. Which
//! those are is decided elsewhere (`crates/study`).

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::store::{DerivedImageMaker, DerivedSet, Made, MakerError, Missing, MissingReason, Planned};
use augtrial_base::digest::Digest;

/// Raised whenever a gate decides otherwise about the same images, with the same networks.
const GATE_VERSION: u32 = 1;
/// Images per call: they are read and written again.
const BATCH: usize = 256;

/// What a gated set is made by: the set that passes the gate, and what decides about its images.
#[must_use]
pub fn gate_tool(base: &Digest, by: &str) -> String {
    format!("augtrial-gate {GATE_VERSION}, of set {base}, by {by}")
}

/// Passes on the images of a set.
pub struct GateMaker<'a> {
    tool: String,
    base: &'a DerivedSet,
    /// By position among the set's images.
    left_out: BTreeMap<usize, Missing>,
}

impl<'a> GateMaker<'a> {
    /// `tool` is [`gate_tool`]'s, and `left_out` what the gate leaves out, by position among the images of `base`.
    #[must_use]
    pub fn new(tool: String, base: &'a DerivedSet, left_out: BTreeMap<usize, Missing>) -> Self {
        Self { tool, base, left_out }
    }

    fn pass(&self, planned: &Planned<'_>) -> Result<Made, MakerError> {
        let key = (planned.source.digest, planned.source.class, planned.copy);
        let found = self.base.images.binary_search_by_key(&key, |image| {
            (image.lineage.source, image.class, image.lineage.copy) //
        });
        if let Ok(position) = found {
            let image = &self.base.images[position];
            let edit = image.lineage.edit.clone();
            let result = match self.left_out.get(&position) {
                Some(missing) => Err(missing.clone()),
                None => Ok(self.base.decode(image)?),
            };
            return Ok(Made { result, edit });
        }
        let missing = self.base.missing.iter().find(|image| {
            (image.lineage.source, image.class, image.lineage.copy) == key //
        });
        Ok(missing.map_or_else(
            || {
                Missing {
                    reason: MissingReason::Absent,
                    detail: "the set before the gate has no such image".to_owned(),
                }
                .into()
            },
            |image| Made { result: Err(image.missing.clone()), edit: image.lineage.edit.clone() },
        ))
    }
}

impl DerivedImageMaker for GateMaker<'_> {
    fn tool(&self) -> String {
        self.tool.clone()
    }

    fn batch_size(&self) -> usize {
        BATCH
    }

    fn make_batch(&self, batch: &[Planned<'_>]) -> Result<Vec<Made>, MakerError> {
        batch.par_iter().map(|planned| self.pass(planned)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::store::{SetRequest, SourceImage, TransformMaker, Watch, find, materialize, verify};
    use augtrial_base::seed::StudySeed;
    use augtrial_data::pixels::Pixels;
    use augtrial_plan::transform::{GaussianNoise, Transform};

    #[test]
    fn a_gated_set_has_the_images_of_its_base_to_the_byte_and_a_reason_for_each_that_is_left_out() {
        let sets = tempfile::tempdir().unwrap();
        let pixels: Vec<Vec<u8>> = (0..3_u8).map(|i| vec![40 * i + 10; 8 * 6 * 3]).collect();
        let sources: Vec<SourceImage<'_>> = (0_u32..)
            .zip(&pixels)
            .map(|(class, rgb)| SourceImage {
                digest: Digest::of_bytes(rgb),
                path: "a.png",
                class,
                pixels: Pixels::Bytes(rgb),
            })
            .collect();
        let watch = Watch { stop: &AtomicBool::new(false), progress: &|_| {} };
        let request = |recipe: &[u8]| SetRequest {
            sources: &sources,
            width_px: 8,
            height_px: 6,
            recipe: Digest::of_bytes(recipe),
            step: &serde_json::Value::Null,
            copies: NonZeroU32::new(2).unwrap(),
            seed: StudySeed(1),
        };
        let noise = [Transform::GaussianNoise(GaussianNoise::default())];
        let maker = TransformMaker::new(&noise, Digest::of_bytes(b"noise"), StudySeed(1));
        let base = materialize(sets.path(), &request(b"noise"), &maker, watch).unwrap();

        let reason = Missing { reason: MissingReason::GatedAgreement, detail: "taken for glass".to_owned() };
        let tool = gate_tool(&base.digest, "nobody");
        let gate = GateMaker::new(tool.clone(), &base, BTreeMap::from([(1, reason.clone())]));
        let digest = request(b"gate").digest(&tool);
        assert!(find(sets.path(), &digest).unwrap().is_none());
        let gated = materialize(sets.path(), &request(b"gate"), &gate, watch).unwrap();
        assert_eq!((gated.digest, gated.images.len(), gated.missing.len()), (digest, 5, 1));
        assert_eq!(gated.missing[0].missing, reason);
        assert_eq!(gated.missing[0].lineage.source, base.images[1].lineage.source);
        let kept: Vec<Digest> = [0, 2, 3, 4, 5].iter().map(|&i: &usize| base.images[i].digest).collect();
        assert_eq!(gated.images.iter().map(|image| image.digest).collect::<Vec<_>>(), kept);
        assert_eq!(verify(&find(sets.path(), &digest).unwrap().unwrap().folder).unwrap().missing, gated.missing);
        assert!(gated.missing[0].missing.reason.is_gate() && !MissingReason::Absent.is_gate());
    }
}
