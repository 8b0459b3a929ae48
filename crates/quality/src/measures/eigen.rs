//! Eigenvalues of a symmetric matrix: Householder's reduction to tridiagonal form, then QL with implicit shifts (Golub and
//! Van Loan, "Matrix Computations", 4th edition, algorithms 8.3.1 and 8.3.3).

/// Sweeps that one eigenvalue may take; a few are usual.
const MOST_SWEEPS: usize = 60;

/// Eigenvalues of a symmetric matrix `[n, n]`, ascending. Only the lower triangle is read.
///
/// # Panics
/// If the matrix is not square or a value is not finite.
#[must_use]
pub(crate) fn eigenvalues(mut matrix: Vec<f64>, n: usize) -> Vec<f64> {
    assert_eq!(matrix.len(), n * n, "a square matrix");
    assert!(matrix.iter().all(|value| value.is_finite()), "finite values");
    let (mut diagonal, mut beside) = tridiagonal(&mut matrix, n);
    shifted_ql(&mut diagonal, &mut beside);
    diagonal.sort_by(f64::total_cmp);
    diagonal
}

/// The diagonal, and what stands beside it (the first is 0), of a tridiagonal matrix of the same eigenvalues.
fn tridiagonal(a: &mut [f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut beside = vec![0.0; n];
    for i in (1..n).rev() {
        let (above, rest) = a.split_at_mut(i * n);
        let row = &mut rest[..i];
        let scale: f64 = row[..i - 1].iter().map(|value| value.abs()).sum();
        if scale == 0.0 {
            beside[i] = row[i - 1];
            continue;
        }
        let scale = scale + row[i - 1].abs();
        for value in row.iter_mut() {
            *value /= scale;
        }
        let norm: f64 = row.iter().map(|value| value * value).sum();
        let alpha = -norm.sqrt().copysign(row[i - 1]);
        beside[i] = scale * alpha;
        // v = x - alpha e, h = v.v / 2
        let half = norm - row[i - 1] * alpha;
        row[i - 1] -= alpha;
        // p = A v / h, of which the lower triangle is there
        let mut p = vec![0.0; i];
        for j in 0..i {
            let line = &above[j * n..][..=j];
            let mut sum = line[j] * row[j];
            for (k, &value) in line[..j].iter().enumerate() {
                sum += value * row[k];
                p[k] += value * row[j];
            }
            p[j] += sum;
        }
        for value in &mut p {
            *value /= half;
        }
        // q = p - (p.v / 2h) v; A -= v q' + q v'
        let share = p.iter().zip(&*row).map(|(p, v)| p * v).sum::<f64>() / (2.0 * half);
        p.iter_mut().zip(&*row).for_each(|(p, v)| *p -= share * v);
        for j in 0..i {
            let (v, q) = (row[j], p[j]);
            for (k, value) in above[j * n..][..=j].iter_mut().enumerate() {
                *value -= v * p[k] + q * row[k];
            }
        }
    }
    ((0..n).map(|i| a[i * n + i]).collect(), beside)
}

/// Turns the diagonal into eigenvalues.
fn shifted_ql(d: &mut [f64], beside: &mut [f64]) {
    let n = d.len();
    if n == 0 {
        return;
    }
    beside.rotate_left(1);
    let e = beside;
    for l in 0..n {
        for _ in 0..MOST_SWEEPS {
            let is_small = |m: usize| e[m].abs() <= f64::EPSILON * (d[m].abs() + d[m + 1].abs());
            let m = (l..n - 1).find(|&m| is_small(m)).unwrap_or(n - 1);
            if m == l {
                break;
            }
            let g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let mut g = d[m] - d[l] + e[l] / (g + g.hypot(1.0).copysign(g));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut deflated = false;
            for i in (l..m).rev() {
                let (f, b) = (s * e[i], c * e[i]);
                let r = f.hypot(g);
                e[i + 1] = r;
                if r == 0.0 {
                    d[i + 1] -= p;
                    e[m] = 0.0;
                    deflated = true;
                    break;
                }
                (s, c) = (f / r, g / r);
                let g_next = d[i + 1] - p;
                let r = (d[i] - g_next) * s + 2.0 * c * b;
                p = s * r;
                d[i + 1] = g_next + p;
                g = c * r - b;
            }
            if !deflated {
                d[l] -= p;
                e[l] = g;
                e[m] = 0.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn assert_close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        let scale = expected.iter().fold(1.0_f64, |most, value| most.max(value.abs()));
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-12 * scale, "{found:?} is not {expected:?}");
        }
    }

    #[test]
    fn known_matrices_have_their_eigenvalues() {
        assert_close(&eigenvalues(vec![], 0), &[]);
        assert_close(&eigenvalues(vec![3.0], 1), &[3.0]);
        assert_close(&eigenvalues(vec![2.0, 1.0, 1.0, 2.0], 2), &[1.0, 3.0]);
        assert_close(&eigenvalues(vec![0.0; 25], 5), &[0.0; 5]);
        assert_close(&eigenvalues(vec![1.0; 36], 6), &[0.0, 0.0, 0.0, 0.0, 0.0, 6.0]);
        // The second difference with fixed ends: 2 - 2 cos(k pi / (n + 1)).
        let n = 30;
        let entry = |at: usize| match (at / n).abs_diff(at % n) {
            0 => 2.0,
            1 => -1.0,
            _ => 0.0,
        };
        let expected: Vec<f64> =
            (1..=n).map(|k| 2.0 - 2.0 * (k as f64 * std::f64::consts::PI / (n as f64 + 1.0)).cos()).collect();
        assert_close(&eigenvalues((0..n * n).map(entry).collect(), n), &expected);
    }

    proptest! {
        #[test]
        fn a_matrix_with_chosen_eigenvalues_gives_them_back(
            mut chosen in proptest::collection::vec(-5.0_f64..5.0, 2..12),
            direction in proptest::collection::vec(0.1_f64..1.0, 12),
        ) {
            // A reflection H = I - 2 v v' / v.v is orthogonal: H D H has the eigenvalues of D.
            let n = chosen.len();
            let v = &direction[..n];
            let square: f64 = v.iter().map(|value| value * value).sum();
            let h = |i: usize, j: usize| f64::from(u8::from(i == j)) - 2.0 * v[i] * v[j] / square;
            let entry = |at: usize| (0..n).map(|k| h(at / n, k) * chosen[k] * h(k, at % n)).sum::<f64>();
            let found = eigenvalues((0..n * n).map(entry).collect(), n);
            chosen.sort_by(f64::total_cmp);
            assert_close(&found, &chosen);
        }
    }
}
