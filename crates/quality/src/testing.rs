//! Features for tests.

use augtrial_base::seed::{Purpose, StudySeed};
use rand::RngExt as _;

use crate::features::Features;

/// Independent normal features `[count, width]` with mean `shift`, drawn by `seed`.
pub(crate) fn normal(count: usize, width: usize, seed: u64, shift: f32) -> Features {
    let mut rng = StudySeed(seed).stream(Purpose::Render, 0);
    let mut draw = || {
        // Box and Muller 1958.
        let (u, v): (f64, f64) = (rng.random(), rng.random());
        (-2.0 * (1.0 - u).ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos()
    };
    Features::new(width, (0..count * width).map(|_| draw() as f32 + shift).collect()).expect("finite numbers")
}
