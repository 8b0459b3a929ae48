//! What a network sees in images: one row of numbers per image, checked once, so that no measure meets a number that is none.

/// Features of images, `[N, width]`, f32, in main memory. Every value is finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    width: usize,
    values: Vec<f32>,
}

/// Why a measure has no value. Takes the place of NaN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmeasurable {
    #[error("{values} values are no rows of {width} features: give as many values as images times features")]
    Shape { values: usize, width: usize },
    #[error(
        "feature {feature} of image {image} is not a finite number: the network's weights or its input are damaged"
    )]
    NotFinite { image: usize, feature: usize },
    #[error("features of {left} and of {right} values cannot be compared: use one network for both")]
    Widths { left: usize, right: usize },
    #[error("needs at least {need} {what}, there {}", if *have == 1 { "is 1".to_owned() } else { format!("are {have}") })]
    TooFew { what: &'static str, have: usize, need: usize },
    #[error("all {what} have equal features, so that no distance tells them apart: look whether they are one image")]
    AllAlike { what: &'static str },
    #[error("every feature of image {image} is zero, so that it has no direction: use another network")]
    NoDirection { image: usize },
    #[error("k is {k}: count at least 1 neighbor")]
    NoNeighbor { k: usize },
    #[error("pictures of {left} and {right} bytes with {width_px} columns are not two RGB pictures of one size")]
    Pictures { left: usize, right: usize, width_px: usize },
}

impl Features {
    /// Rows of `width` values, one after the other.
    ///
    /// # Errors
    /// [`Unmeasurable::Shape`] or [`Unmeasurable::NotFinite`].
    pub fn new(width: usize, values: Vec<f32>) -> Result<Self, Unmeasurable> {
        if width == 0 || !values.len().is_multiple_of(width) {
            return Err(Unmeasurable::Shape { values: values.len(), width });
        }
        match values.iter().position(|value| !value.is_finite()) {
            Some(place) => Err(Unmeasurable::NotFinite { image: place / width, feature: place % width }),
            None => Ok(Self { width, values }),
        }
    }

    /// Values of one image.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of images, `N`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Whether there is no image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The features of one image, `[width]`.
    ///
    /// # Panics
    /// If there is no such image.
    #[must_use]
    pub fn row(&self, image: usize) -> &[f32] {
        &self.values[image * self.width..][..self.width]
    }

    /// Row after row.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
    }

    /// The features of these images, in this order.
    ///
    /// # Panics
    /// If there is no such image.
    #[must_use]
    pub fn select(&self, images: &[usize]) -> Self {
        let values = images.iter().flat_map(|&image| self.row(image)).copied().collect();
        Self { width: self.width, values }
    }

    /// Distance of two images' features.
    #[must_use]
    pub fn distance(&self, image: usize, other: &Self, of: usize) -> f64 {
        squared_distance(self.row(image), other.row(of)).sqrt()
    }

    /// Refuses features of another network, and fewer images than a measure needs.
    pub(crate) fn check_with(&self, other: &Self, need: usize, what: [&'static str; 2]) -> Result<(), Unmeasurable> {
        if self.width != other.width {
            return Err(Unmeasurable::Widths { left: self.width, right: other.width });
        }
        for (features, what) in [self, other].into_iter().zip(what) {
            if features.len() < need {
                return Err(Unmeasurable::TooFew { what, have: features.len(), need });
            }
        }
        Ok(())
    }
}

/// `sum (x - y)^2`, in f64.
pub(crate) fn squared_distance(x: &[f32], y: &[f32]) -> f64 {
    let square = |(&x, &y): (&f32, &f32)| {
        let difference = f64::from(x) - f64::from(y);
        difference * difference
    };
    x.iter().zip(y).map(square).sum()
}

/// `sum x y`, in f64.
pub(crate) fn product(x: &[f32], y: &[f32]) -> f64 {
    x.iter().zip(y).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were_given() {
        let features = Features::new(2, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        assert_eq!((features.len(), features.width(), features.row(1)), (3, 2, &[3.0, 4.0][..]));
        assert_eq!(features.select(&[2, 0]).row(0), [5.0, 6.0]);
        assert_eq!(features.distance(0, &features, 1), 8.0_f64.sqrt());
    }

    #[test]
    fn what_is_no_table_of_numbers_is_refused_in_words() {
        assert_eq!(Features::new(0, vec![]), Err(Unmeasurable::Shape { values: 0, width: 0 }));
        assert_eq!(Features::new(2, vec![1.0; 3]), Err(Unmeasurable::Shape { values: 3, width: 2 }));
        let error = Features::new(2, vec![1.0, 2.0, 3.0, f32::NAN]).unwrap_err();
        assert_eq!(error, Unmeasurable::NotFinite { image: 1, feature: 1 });
        assert!(error.to_string().starts_with("feature 1 of image 1 is not a finite number"), "{error}");
    }
}
