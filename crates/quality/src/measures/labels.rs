//! Whether derived images still show their class, by a network that was trained on other images: agreement, confidence, and the two
//! filters of ALIA (Dunlap et al. 2023, section 3.3), with the thresholds of confident learning (Northcutt et al. 2021): the mean
//! confidence in a class among the real images of the class.

use crate::features::Unmeasurable;

/// What a network says of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JudgedImage<'a> {
    /// The class that the image is said to be of.
    pub label: u32,
    /// One per class.
    pub probabilities: &'a [f32],
    /// Whether the image is nearly its source.
    pub nearly_unchanged: bool,
}

/// From which probability on a network is confident, for every class that it was shown real images of.
#[derive(Clone, Debug, PartialEq)]
pub struct Thresholds(Vec<Option<f64>>);

/// What holds of a set of images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Labels {
    /// Share of the images whose likeliest class is their own.
    pub agreement: f64,
    /// Mean probability of their own class.
    pub confidence: f64,
    /// Share of the images that are confidently recognized and nearly unchanged: they teach little.
    pub too_easy: f64,
    /// Share of the images that are confidently taken for another class.
    pub mislabeled: f64,
}

impl Thresholds {
    /// The mean probability of the own class among real images of each of `classes`.
    #[must_use]
    pub fn of<'a>(real: impl IntoIterator<Item = JudgedImage<'a>>, classes: usize) -> Self {
        let mut sums = vec![(0.0, 0_u32); classes];
        for image in real {
            let (sum, count) = &mut sums[image.label as usize];
            *sum += image.confidence();
            *count += 1;
        }
        Self(sums.into_iter().map(|(sum, count)| (count > 0).then(|| sum / f64::from(count))).collect())
    }

    /// Whether the image is confidently recognized and nearly its source: it teaches little.
    #[must_use]
    pub fn too_easy(&self, image: &JudgedImage<'_>) -> bool {
        image.nearly_unchanged && image.agrees() && self.confident(image, image.label as usize)
    }

    /// Whether the image is confidently taken for another class.
    #[must_use]
    pub fn mislabeled(&self, image: &JudgedImage<'_>) -> bool {
        !image.agrees() && self.confident(image, image.predicted())
    }

    /// Whether the image is confidently taken for a class.
    fn confident(&self, image: &JudgedImage<'_>, class: usize) -> bool {
        self.0[class].is_some_and(|threshold| f64::from(image.probabilities[class]) >= threshold)
    }
}

impl JudgedImage<'_> {
    /// Probability of its own class.
    #[must_use]
    pub fn confidence(&self) -> f64 {
        f64::from(self.probabilities[self.label as usize])
    }

    /// The likeliest class; of equals, the first.
    #[must_use]
    pub fn predicted(&self) -> usize {
        let mut best = 0;
        for (class, &probability) in self.probabilities.iter().enumerate() {
            if probability > self.probabilities[best] {
                best = class;
            }
        }
        best
    }

    /// Whether its likeliest class is its own.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.predicted() == self.label as usize
    }
}

/// What holds of these images.
///
/// # Errors
/// If there is none.
pub fn labels(images: &[JudgedImage<'_>], thresholds: &Thresholds) -> Result<Labels, Unmeasurable> {
    if images.is_empty() {
        return Err(Unmeasurable::TooFew { what: "images that a network judged", have: 0, need: 1 });
    }
    let count = images.len() as f64;
    let share =
        |holds: &dyn Fn(&JudgedImage<'_>) -> bool| images.iter().filter(|image| holds(image)).count() as f64 / count;
    Ok(Labels {
        agreement: share(&|image| image.agrees()),
        confidence: images.iter().map(JudgedImage::confidence).sum::<f64>() / count,
        too_easy: share(&|image| thresholds.too_easy(image)),
        mislabeled: share(&|image| thresholds.mislabeled(image)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(label: u32, probabilities: &[f32], nearly_unchanged: bool) -> JudgedImage<'_> {
        JudgedImage { label, probabilities, nearly_unchanged }
    }

    #[test]
    fn images_are_told_apart_as_the_filters_of_alia_do() {
        let real = [judged(0, &[0.9, 0.1], false), judged(0, &[0.5, 0.5], false), judged(1, &[0.2, 0.8], false)];
        let thresholds = Thresholds::of(real, 2);
        let images = [
            judged(0, &[0.95, 0.05], true),  // confidently right, and nearly its source
            judged(0, &[0.95, 0.05], false), // the same, and changed
            judged(0, &[0.6, 0.4], true),    // right, below the threshold of 0.7
            judged(0, &[0.1, 0.9], false),   // confidently the other class
            judged(0, &[0.25, 0.75], false), // the other class, below its threshold of 0.8
        ];
        let found = labels(&images, &thresholds).unwrap();
        assert_eq!((found.agreement, found.too_easy, found.mislabeled), (0.6, 0.2, 0.2));
        assert!((found.confidence - 0.57).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn a_class_without_real_images_has_no_threshold_and_of_equal_classes_the_first_is_predicted() {
        let thresholds = Thresholds::of([judged(0, &[0.5, 0.5], false)], 2);
        let found = labels(&[judged(0, &[0.0, 1.0], true), judged(1, &[0.5, 0.5], true)], &thresholds).unwrap();
        assert_eq!((found.agreement, found.mislabeled), (0.0, 0.5), "class 1 cannot be taken for certain");
        assert!(labels(&[], &thresholds).unwrap_err().to_string().starts_with("needs at least 1 images"));
    }
}
