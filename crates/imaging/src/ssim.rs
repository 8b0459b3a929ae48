//! Structural similarity of two gray pictures of one size (Wang et al. 2004, equation 13) with uniform windows of 7 x 7 and
//! sample covariances, averaged over the windows that lie inside: `skimage.metrics.structural_similarity(a, b, data_range=255)`.

/// Side of a window, px.
const WINDOW: usize = 7;
/// `(0.01 x 255)^2` and `(0.03 x 255)^2`.
const C1: f64 = 6.5025;
const C2: f64 = 58.5225;

/// Mean SSIM of two gray pictures `[H, W]` of `width` columns, -1 to 1; 1 for equal ones.
///
/// # Panics
/// If the sizes differ, or a side is below 7.
#[must_use]
pub fn ssim(a: &[u8], b: &[u8], width: usize) -> f64 {
    assert_eq!(a.len(), b.len(), "two pictures of one size");
    let height = a.len() / width;
    assert!(width >= WINDOW && height >= WINDOW, "a picture holds a window");
    let (rows, columns) = (height - WINDOW + 1, width - WINDOW + 1);
    let mut total = 0.0;
    for top in 0..rows {
        for left in 0..columns {
            total += window(a, b, width, top, left);
        }
    }
    total / (rows * columns) as f64
}

fn window(a: &[u8], b: &[u8], width: usize, top: usize, left: usize) -> f64 {
    let n = (WINDOW * WINDOW) as f64;
    // Sums of bytes are exact in whole numbers.
    let (mut sum_a, mut sum_b, mut aa, mut bb, mut ab) = (0_u32, 0_u32, 0_u32, 0_u32, 0_u32);
    for row in top..top + WINDOW {
        let at = row * width + left;
        for (&x, &y) in a[at..at + WINDOW].iter().zip(&b[at..at + WINDOW]) {
            let (x, y) = (u32::from(x), u32::from(y));
            sum_a += x;
            sum_b += y;
            aa += x * x;
            bb += y * y;
            ab += x * y;
        }
    }
    let (mean_a, mean_b) = (f64::from(sum_a) / n, f64::from(sum_b) / n);
    let sample = n / (n - 1.0);
    let var_a = sample * (f64::from(aa) / n - mean_a * mean_a);
    let var_b = sample * (f64::from(bb) / n - mean_b * mean_b);
    let covariance = sample * (f64::from(ab) / n - mean_a * mean_b);
    (2.0 * mean_a * mean_b + C1) * (2.0 * covariance + C2)
        / ((mean_a * mean_a + mean_b * mean_b + C1) * (var_a + var_b + C2))
}
