//! A difference hash of 16 x 16 = 256 bits (Krawetz 2013, "Kind of Like That"; `imagehash.dhash(image, hash_size=16)`): the
//! gray picture is reduced to 17 x 16 with Pillow's Lanczos filter, and each bit says whether a pixel is lighter than its left
//! neighbor. White backgrounds, on which 8 x 8 bits collide, leave enough bits here to tell objects apart.

use std::fmt;

use image::RgbImage;

use crate::gray::Gray;
use crate::resample::{Kernel, resampled};

/// Bits along a side.
const SIDE: usize = 16;
/// Bits of a hash.
pub const HASH_BITS: u32 = (SIDE * SIDE) as u32;

/// The difference hash of a picture, row by row, the first bit highest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DifferenceHash(pub(crate) [u64; 4]);

impl DifferenceHash {
    /// Of a picture with at least one pixel.
    #[must_use]
    pub fn of(image: &RgbImage) -> Self {
        Self::of_gray(&Gray::of(image))
    }

    pub(crate) fn of_gray(gray: &Gray) -> Self {
        let small = resampled::<1>(&gray.levels, (gray.width, gray.height), (SIDE + 1, SIDE), Kernel::Lanczos);
        let lighter = small.chunks_exact(SIDE + 1).flat_map(|row| row.windows(2).map(|pair| pair[1] > pair[0]));
        let mut words = [0; 4];
        for (bit, lighter) in lighter.enumerate() {
            words[bit / 64] |= u64::from(lighter) << (63 - bit % 64);
        }
        Self(words)
    }

    /// Number of bits that differ, 0 to [`HASH_BITS`].
    #[must_use]
    pub fn distance(self, other: Self) -> u32 {
        self.0.iter().zip(other.0).map(|(a, b)| (a ^ b).count_ones()).sum()
    }

    /// Whether at most `radius` bits differ. Unrelated pictures are told apart by the first quarter of the bits.
    pub(crate) fn is_within(self, other: Self, radius: u32) -> bool {
        (self.0[0] ^ other.0[0]).count_ones() <= radius && self.distance(other) <= radius
    }
}

/// 64 hexadecimal digits, as imagehash prints it.
impl fmt::Display for DifferenceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|word| write!(f, "{word:016x}"))
    }
}
