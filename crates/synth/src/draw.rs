//! Draws from a stream, by bits, so that no library's choice of algorithm decides a scene.

use rand::Rng as _;

use super::math::{Vec3, cos, sin, vec3};
use super::noise;
use augtrial_base::seed::Stream;

/// What a scene draws from its stream.
pub(super) trait Draw {
    /// A texture's seed.
    fn bits(&mut self) -> u32;

    /// Uniform in `[0, 1)`.
    fn unit(&mut self) -> f32 {
        noise::unit(self.bits())
    }

    /// Uniform in `[low, high)`.
    fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Uniform in `[low, high)` with small values favored: the square of a uniform number.
    fn mostly_low(&mut self, low: f32, high: f32) -> f32 {
        let u = self.unit();
        low + (high - low) * u * u
    }

    /// True with the probability given.
    fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// An index, with probability in proportion to its weight.
    fn weighted(&mut self, weights: &[u32]) -> usize {
        let total: u32 = weights.iter().sum();
        let mut left = (u64::from(self.bits()) * u64::from(total)) >> 32;
        for (index, &weight) in weights.iter().enumerate() {
            match left.checked_sub(u64::from(weight)) {
                None => return index,
                Some(rest) => left = rest,
            }
        }
        unreachable!("the draw is below the total of the weights")
    }

    /// One element, each as likely as another.
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[((u64::from(self.bits()) * from.len() as u64) >> 32) as usize]
    }

    /// An angle in `[0, 2 pi)`.
    fn angle(&mut self) -> f32 {
        self.between(0.0, std::f32::consts::TAU)
    }

    /// A direction, uniform on the sphere.
    fn direction(&mut self) -> Vec3 {
        let (z, angle) = (self.between(-1.0, 1.0), self.angle());
        let ring = (1.0 - z * z).max(0.0).sqrt();
        vec3(ring * cos(angle), ring * sin(angle), z)
    }
}

impl Draw for Stream {
    fn bits(&mut self) -> u32 {
        self.next_u32()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use augtrial_base::seed::{Purpose, StudySeed};

    #[test]
    fn weighted_draws_follow_their_weights() {
        let mut rng = StudySeed(1).stream(Purpose::Gallery, 0);
        let mut counts = [0_u32; 3];
        for _ in 0..10_000 {
            counts[rng.weighted(&[1, 0, 3])] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((2300..2700).contains(&counts[0]), "{counts:?}");
    }

    #[test]
    fn directions_are_unit_vectors_on_every_side() {
        let mut rng = StudySeed(1).stream(Purpose::Gallery, 1);
        let directions: Vec<Vec3> = (0..100).map(|_| rng.direction()).collect();
        assert!(directions.iter().all(|d| (d.length() - 1.0).abs() < 1e-5));
        assert!(directions.iter().any(|d| d.z > 0.5) && directions.iter().any(|d| d.z < -0.5));
    }
}
