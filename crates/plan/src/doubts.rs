//! What a plan may ask for and hardly wants: lengths in pixels that suit larger images than its own.

use super::Plan;
use super::transform::Transform;

impl Plan {
    /// What makes little sense for images of the working size, each as a sentence that says where it stands.
    #[must_use]
    pub fn doubts(&self) -> Vec<String> {
        let (width, height) = (self.ingest.width_px, self.ingest.height_px);
        let of = |place: String, transforms: &[Transform]| -> Vec<String> {
            let doubts = transforms.iter().flat_map(|transform| transform.doubts(width, height));
            doubts.map(|doubt| format!("{place}: {doubt}")).collect()
        };
        let arms = self.arms.iter().flat_map(|arm| {
            let place = || format!("arm {}", arm.name);
            let offline = arm.offline.iter().flat_map(move |step| of(place(), &step.apply));
            offline.chain(of(place(), &arm.online))
        });
        of("classifier".to_owned(), &self.classifier.transforms).into_iter().chain(arms).collect()
    }
}
