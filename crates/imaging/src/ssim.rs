//! Structural similarity of two gray pictures of one size (Wang et al. 2004, equation 13) with uniform windows of 7 x 7 and
//! sample covariances, averaged over the windows that lie inside: `skimage.metrics.structural_similarity(a, b, data_range=255)`.

use std::ops::{AddAssign, SubAssign};

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
    let pixel = |row: usize, column: usize| Sums::of(a[row * width + column], b[row * width + column]);
    // Of the rows of a window, every column's; of its columns, the window's. What leaves is taken off again.
    let mut columns = vec![Sums::default(); width];
    for row in 0..WINDOW - 1 {
        columns.iter_mut().enumerate().for_each(|(column, sums)| *sums += pixel(row, column));
    }
    let (down, across) = (height - WINDOW + 1, width - WINDOW + 1);
    let mut total = 0.0;
    for top in 0..down {
        let mut window = Sums::default();
        for column in 0..width {
            columns[column] += pixel(top + WINDOW - 1, column);
            window += columns[column];
            if column + 1 >= WINDOW {
                total += window.similarity();
                window -= columns[column + 1 - WINDOW];
            }
        }
        columns.iter_mut().enumerate().for_each(|(column, sums)| *sums -= pixel(top, column));
    }
    total / (down * across) as f64
}

/// Sums over pixels of both pictures: of their values, squares and products. They are exact in whole numbers.
#[derive(Clone, Copy, Default)]
struct Sums {
    a: u32,
    b: u32,
    aa: u32,
    bb: u32,
    ab: u32,
}

impl Sums {
    fn of(a: u8, b: u8) -> Self {
        let (a, b) = (u32::from(a), u32::from(b));
        Self { a, b, aa: a * a, bb: b * b, ab: a * b }
    }

    /// Of the pixels of a window.
    fn similarity(self) -> f64 {
        let n = (WINDOW * WINDOW) as f64;
        let (mean_a, mean_b) = (f64::from(self.a) / n, f64::from(self.b) / n);
        let sample = n / (n - 1.0);
        let var_a = sample * (f64::from(self.aa) / n - mean_a * mean_a);
        let var_b = sample * (f64::from(self.bb) / n - mean_b * mean_b);
        let covariance = sample * (f64::from(self.ab) / n - mean_a * mean_b);
        (2.0 * mean_a * mean_b + C1) * (2.0 * covariance + C2)
            / ((mean_a * mean_a + mean_b * mean_b + C1) * (var_a + var_b + C2))
    }
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.a += other.a;
        self.b += other.b;
        self.aa += other.aa;
        self.bb += other.bb;
        self.ab += other.ab;
    }
}

impl SubAssign for Sums {
    fn sub_assign(&mut self, other: Self) {
        self.a -= other.a;
        self.b -= other.b;
        self.aa -= other.aa;
        self.bb -= other.bb;
        self.ab -= other.ab;
    }
}
