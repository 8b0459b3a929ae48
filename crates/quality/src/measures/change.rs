//! How much of a picture was changed: mean absolute difference, and structural similarity (Wang et al. 2004).

use augtrial_imaging::ssim::ssim;

use crate::features::Unmeasurable;

/// Color channels.
const CHANNELS: usize = 3;
/// Side of a window of the structural similarity, px.
const WINDOW_PX: usize = 7;

/// A picture beside its source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Mean absolute difference of bytes, 8-bit levels: 0 to 255.
    pub levels: f64,
    /// Structural similarity, mean of the channels, -1 to 1; 1 for equal pictures. Absent for a side below 7 px.
    pub ssim: Option<f64>,
}

/// Compares two RGB pictures `[H, W, 3]` of `width_px` columns.
///
/// # Errors
/// If they are not two pictures of one size.
pub fn change(source: &[u8], derived: &[u8], width_px: usize) -> Result<Change, Unmeasurable> {
    let row_bytes = width_px * CHANNELS;
    if source.len() != derived.len() || row_bytes == 0 || source.is_empty() || !source.len().is_multiple_of(row_bytes) {
        return Err(Unmeasurable::Pictures { left: source.len(), right: derived.len(), width_px });
    }
    let total: u64 = source.iter().zip(derived).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    let height_px = source.len() / row_bytes;
    let channel = |pixels: &[u8], number: usize| -> Vec<u8> {
        pixels.iter().copied().skip(number).step_by(CHANNELS).collect() //
    };
    let of_channel = |number: usize| ssim(&channel(source, number), &channel(derived, number), width_px);
    let fits = width_px >= WINDOW_PX && height_px >= WINDOW_PX;
    Ok(Change {
        levels: total as f64 / source.len() as f64,
        ssim: fits.then(|| (0..CHANNELS).map(of_channel).sum::<f64>() / CHANNELS as f64),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_equal_picture_is_not_changed_and_a_lighter_one_by_as_many_levels() {
        let source: Vec<u8> = (0..9 * 8 * 3).map(|i| (i * 37 % 200) as u8).collect();
        let lighter: Vec<u8> = source.iter().map(|value| value + 10).collect();
        assert_eq!(change(&source, &source, 9).unwrap(), Change { levels: 0.0, ssim: Some(1.0) });
        let found = change(&source, &lighter, 9).unwrap();
        assert_eq!(found.levels, 10.0);
        assert!(found.ssim.is_some_and(|ssim| (0.9..1.0).contains(&ssim)), "{found:?}");
    }

    #[test]
    fn small_pictures_have_levels_only_and_two_sizes_are_refused() {
        assert_eq!(change(&[0; 12], &[3; 12], 2).unwrap(), Change { levels: 3.0, ssim: None });
        let error = change(&[0; 12], &[0; 9], 2).unwrap_err().to_string();
        assert_eq!(error, "pictures of 12 and 9 bytes with 2 columns are not two RGB pictures of one size");
    }
}
