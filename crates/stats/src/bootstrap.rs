//! The bootstrap for per-image results, which come in hundreds; means over seeds, which do not, get the t interval.

use rand::RngExt as _;

use super::describe::mean;
use super::{Degenerate, Estimate, check_probability};
use augtrial_base::seed::Stream;

/// Mean of a `[num_seeds x num_images]` table with a percentile interval that resamples seeds and images at once.
///
/// All seeds see the same test images, so both factors are crossed, and rows and columns are drawn independently (the
/// pigeonhole bootstrap, Owen 2007; Bouthillier et al. 2021 on why seeds must be resampled too). Pooling the cells as if
/// independent would promise far too much. For a contrast, a cell is correct(treatment) - correct(control).
///
/// # Errors
/// If there are fewer than two seeds or images, rows differ in length, a value is not finite, `resamples` is zero, or
/// `level` is not within (0, 1).
pub fn crossed_bootstrap(
    table: &[Vec<f64>],
    resamples: usize,
    level: f64,
    rng: &mut Stream,
) -> Result<Estimate, Degenerate> {
    check_probability("level", level)?;
    if table.len() < 2 {
        return Err(Degenerate::TooFew { have: table.len(), need: 2 });
    }
    if resamples == 0 {
        return Err(Degenerate::TooFew { have: 0, need: 1 });
    }
    let images = table[0].len();
    for row in table {
        super::check(row, 2)?;
        if row.len() != images {
            return Err(Degenerate::Unpaired { left: images, right: row.len() });
        }
    }
    let point = mean(&table.concat())?;
    let rows: Vec<Vec<(usize, f64)>> = table.iter().map(|row| nonzero(row)).collect();
    let mut means: Vec<f64> = (0..resamples).map(|_| resampled_mean(&rows, images, rng)).collect();
    means.sort_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    Ok(Estimate { point, interval: (quantile(&means, tail), quantile(&means, 1.0 - tail)), level })
}

/// The cells that add to a sum, with their columns: two classifiers agree on most images.
fn nonzero(row: &[f64]) -> Vec<(usize, f64)> {
    row.iter().copied().enumerate().filter(|(_, value)| *value != 0.0).collect()
}

/// Draws images and then seeds; each row drawn is summed once and counted as often as it was drawn.
fn resampled_mean(rows: &[Vec<(usize, f64)>], images: usize, rng: &mut Stream) -> f64 {
    let mut weights = vec![0_u32; images];
    for _ in 0..images {
        weights[rng.random_range(0..images)] += 1;
    }
    let mut draws = vec![0_u32; rows.len()];
    for _ in 0..rows.len() {
        draws[rng.random_range(0..rows.len())] += 1;
    }
    let weighted =
        |row: &[(usize, f64)]| row.iter().map(|&(image, value)| value * f64::from(weights[image])).sum::<f64>();
    let drawn = rows.iter().zip(&draws).filter(|(_, times)| **times > 0);
    let sum: f64 = drawn.map(|(row, times)| f64::from(*times) * weighted(row)).sum();
    sum / (rows.len() * images) as f64
}

/// Linear interpolation between order statistics (type 7 of Hyndman and Fan 1996).
fn quantile(sorted: &[f64], probability: f64) -> f64 {
    let position = probability * (sorted.len() - 1) as f64;
    let below = sorted[position.floor() as usize];
    let above = sorted[position.ceil() as usize];
    below + (above - below) * position.fract()
}

#[cfg(test)]
mod tests {
    use super::*;
    use augtrial_base::seed::{Purpose, StudySeed};

    fn stream(seed: u64) -> Stream {
        StudySeed(seed).stream(Purpose::Bootstrap { contrast: "a-b" }, 0)
    }

    fn table() -> Vec<Vec<f64>> {
        (0..5).map(|s| (0..120).map(|i| f64::from((i * 7 + s * 11) % 10 < 3)).collect()).collect()
    }

    #[test]
    fn the_stream_alone_decides_the_interval() {
        let once = crossed_bootstrap(&table(), 200, 0.95, &mut stream(1)).unwrap();
        assert_eq!(once, crossed_bootstrap(&table(), 200, 0.95, &mut stream(1)).unwrap());
        assert_ne!(once, crossed_bootstrap(&table(), 200, 0.95, &mut stream(2)).unwrap());
    }

    #[test]
    fn the_interval_is_about_as_wide_as_the_images_allow() {
        let e = crossed_bootstrap(&table(), 2000, 0.95, &mut stream(3)).unwrap();
        assert!(e.interval.0 < e.point && e.point < e.interval.1, "{e:?}");
        // Seeds differ little here, and a share of .3 over 120 images has a standard error of .042.
        let width = e.interval.1 - e.interval.0;
        assert!((0.03..0.2).contains(&width), "{e:?}");
    }

    #[test]
    fn ragged_or_tiny_tables_are_refused() {
        assert!(crossed_bootstrap(&[vec![1.0, 0.0]], 10, 0.95, &mut stream(1)).is_err());
        assert!(crossed_bootstrap(&[vec![1.0, 0.0], vec![1.0]], 10, 0.95, &mut stream(1)).is_err());
        assert!(crossed_bootstrap(&[vec![1.0, 0.0], vec![1.0, 0.0]], 0, 0.95, &mut stream(1)).is_err());
    }
}
