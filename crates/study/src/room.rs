//! How many decoded images of a plan are kept, where `[ingest] cache_gb` bounds them: the originals first, then the same share of
//! every set of derived images, of every evaluation folder and of all extra images. The others are decoded whenever they are read.
//!
//! The bound decides no pixel, and so no key: what is kept and what is decoded anew has the same bytes.

use super::{StudyData, sets};
use augtrial_plan::Plan;
use augtrial_plan::evaluation::EvaluationSource;

/// Room for decoded images, by their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Originals that are kept.
    originals: u64,
    /// Of so many other images at most, so many are kept; nothing if all are.
    others: Option<(u64, u64)>,
}

impl Room {
    /// The room that a plan gives to what it decodes.
    pub(super) fn of(plan: &Plan, data: &StudyData) -> Self {
        let originals = data.manifest.images.len() as u64;
        let folders = data.folders.iter().map(|folder| folder.manifest.images.len() as u64);
        let extra = data.extra.iter().map(|extra| extra.images() as u64);
        let beside = folders.sum::<u64>() + extra.sum::<u64>();
        Self::new(plan, originals, derived(plan, originals).saturating_add(beside))
    }

    fn new(plan: &Plan, originals: u64, others: u64) -> Self {
        let Some(gigabytes) = plan.ingest.cache_gb else { return Self { originals, others: None } };
        let images = (gigabytes * 1e9 / sets::working(plan).image_bytes() as f64) as u64;
        let kept = originals.min(images);
        Self { originals: kept, others: (others > images - kept).then_some((others, images - kept)) }
    }

    /// How many of the originals are kept.
    pub(super) fn originals(self) -> usize {
        usize::try_from(self.originals).unwrap_or(usize::MAX)
    }

    /// How many of these images are kept, which are no originals: those of one set, of one folder, or all derived ones together.
    pub(super) fn others(self, images: usize) -> usize {
        let Some((all, kept)) = self.others else { return images };
        // Fits: a share of `images`.
        (images as u128 * u128::from(kept) / u128::from(all)) as usize
    }
}

/// Derived images of all draws, at most: as if every arm's steps were applied to every image, and no two arms shared a set.
fn derived(plan: &Plan, originals: u64) -> u64 {
    let copies = |arm: &augtrial_plan::arm::Arm| {
        let steps = arm.offline.iter().map(|step| u64::from(step.copies.get()));
        steps.chain(arm.edit.iter().map(|edit| u64::from(edit.copies()))).sum::<u64>()
    };
    let of_arms = plan.arms.iter().map(copies).fold(0, u64::saturating_add);
    let of_tests = plan.evaluations.iter().filter(|set| matches!(set.from, EvaluationSource::Corrupted(_))).count();
    let of_one_draw = of_arms.saturating_add(of_tests as u64).saturating_mul(originals);
    of_one_draw.saturating_mul(plan.draws().len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Images of 32 x 32 px, of which there is room for so many.
    fn room(images: Option<f64>, originals: u64, others: u64) -> Room {
        let bound = images.map_or_else(String::new, |images| format!("cache_gb = {}", images * 3072e-9));
        let text = format!(
            "[study]\nname = \"s\"\nseeds = [1]\n[dataset.synthetic]\n[ingest]\nwidth_px = 32\nheight_px = 32\n{bound}\n\
             [classifier.budget]\nepochs = 1\n[[arm]]\nname = \"c\"\nrole = \"control\"\n"
        );
        let plan = Plan::parse("s.toml", &text, std::path::PathBuf::new(), &[]).unwrap_or_else(|e| panic!("{e}"));
        Room::new(&plan, originals, others)
    }

    #[test]
    fn originals_come_first_and_the_rest_shares_what_is_left() {
        let kept = |room: Room, sets: [usize; 2]| (room.originals(), sets.map(|images| room.others(images)));
        assert_eq!(kept(room(None, 10, 1000), [600, 400]), (10, [600, 400]), "no bound");
        assert_eq!(kept(room(Some(2000.5), 10, 1000), [600, 400]), (10, [600, 400]));
        assert_eq!(kept(room(Some(110.5), 10, 1000), [600, 400]), (10, [60, 40]));
        assert_eq!(kept(room(Some(110.5), 10, 1000), [7, 0]), (10, [0, 0]), "rounded down");
        assert_eq!(kept(room(Some(4.5), 10, 1000), [600, 400]), (4, [0, 0]));
        assert_eq!(kept(room(Some(0.0), 10, 0), [600, 400]), (0, [600, 400]), "there are no others to make room for");
        assert_eq!(kept(room(Some(0.0), 0, 5), [5, 0]), (0, [0, 0]));
    }
}
