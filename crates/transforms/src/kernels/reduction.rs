//! Images of floats at another size, bilinear with antialiasing: torch's `interpolate(mode="bilinear", antialias=True)`
//! (`aten/src/ATen/native/cpu/UpSampleKernel.cpp`), which weights by a triangle as wide as the scale. torch sums in another
//! order, which changes the last bits.

/// From one size to another, with the weights, and with room for the results.
pub(crate) struct Reduction {
    channels: usize,
    width: usize,
    across: Vec<Taps>,
    down: Vec<Taps>,
    /// `[H, W', C]`
    narrow: Vec<f32>,
    /// `[H', W', C]`
    made: Vec<f32>,
}

/// Where one place reads, and with which weights.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

impl Reduction {
    /// From `[W, H, C]` to `[W', H']`; a size without pixels gives nothing.
    pub(crate) fn new([width, height, channels]: [usize; 3], [new_width, new_height]: [usize; 2]) -> Self {
        Self {
            channels,
            width,
            across: taps(width, new_width),
            down: taps(height, new_height),
            narrow: vec![0.0; height * new_width * channels],
            made: vec![0.0; new_height * new_width * channels],
        }
    }

    /// The image `[H, W, C]` at the new size, `[H', W', C]`.
    pub(crate) fn run(&mut self, image: &[f32]) -> &[f32] {
        let (channels, columns) = (self.channels, self.across.len() * self.channels);
        if columns == 0 || self.down.is_empty() {
            return &self.made;
        }
        let rows = image.chunks_exact(self.width * channels).zip(self.narrow.chunks_exact_mut(columns));
        for (row, narrow) in rows {
            for (taps, made) in self.across.iter().zip(narrow.chunks_exact_mut(channels)) {
                made.fill(0.0);
                for (weight, pixel) in taps.weights.iter().zip(row[taps.first * channels..].chunks_exact(channels)) {
                    made.iter_mut().zip(pixel).for_each(|(made, value)| *made += weight * value);
                }
            }
        }
        for (taps, made) in self.down.iter().zip(self.made.chunks_exact_mut(columns)) {
            made.fill(0.0);
            for (weight, row) in taps.weights.iter().zip(self.narrow[taps.first * columns..].chunks_exact(columns)) {
                made.iter_mut().zip(row).for_each(|(made, value)| *made += weight * value);
            }
        }
        &self.made
    }
}

/// Of every place of `to` on an axis of `from` pixels.
fn taps(from: usize, to: usize) -> Vec<Taps> {
    let scale = from as f32 / to as f32;
    let reach = scale.max(1.0);
    let of = |place: usize| {
        let center = scale * (place as f32 + 0.5);
        let first = ((center - reach + 0.5) as i64).max(0) as usize;
        let end = ((center + reach + 0.5) as i64).min(from as i64) as usize;
        let weight = |pixel: usize| (1.0 - ((pixel as f32 - center + 0.5) / reach).abs()).max(0.0);
        let weights: Vec<f32> = (first..end).map(weight).collect();
        let total: f32 = weights.iter().sum();
        Taps { first, weights: weights.iter().map(|weight| weight / total).collect() }
    };
    (0..to).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_size_is_the_same_image_and_a_half_is_a_weighted_mean() {
        let image: Vec<f32> = (0..24).map(|value| value as f32).collect();
        assert_eq!(Reduction::new([4, 3, 2], [4, 3]).run(&image), image);
        let half = Reduction::new([4, 1, 1], [2, 1]).run(&[0.0, 8.0, 16.0, 24.0]).to_vec();
        // Weights 3, 3, 1 of 7 at the edge: the fourth tap lies outside.
        assert!((half[0] - 40.0 / 7.0).abs() < 1e-5 && (half[1] - 128.0 / 7.0).abs() < 1e-5, "{half:?}");
    }

    #[test]
    fn a_size_without_pixels_gives_nothing() {
        assert!(Reduction::new([4, 3, 2], [0, 2]).run(&[1.0; 24]).is_empty());
        assert!(Reduction::new([4, 3, 2], [2, 0]).run(&[1.0; 24]).is_empty());
    }
}
