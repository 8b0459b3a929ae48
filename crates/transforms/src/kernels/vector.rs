//! One way into vector code that is wider than what every processor has, and what the compiler does not find by itself.

use crate::raster::{Rgb8, cut_to_byte};

/// Work on many numbers. `call` is marked `#[inline(always)]`, and so is what it calls for each number: what is not inlined is
/// compiled for every processor.
pub(crate) trait Work {
    type Output;

    /// Does the work with such vectors.
    fn call<L: Lanes>(self, lanes: L) -> Self::Output;
}

/// Does `work` compiled for the processor that runs it: with AVX2 where there is AVX2. No bit of a result depends on it, since the
/// compiler never fuses multiplication and addition by itself.
pub(crate) fn vectorized<W: Work>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = pulp::x86::V3::try_new() {
        return pulp::Simd::vectorize(avx2, With { work, lanes: avx2 });
    }
    work.call(Anywhere)
}

/// Work and its vectors.
struct With<W, L> {
    work: W,
    lanes: L,
}

impl<W: Work, L: Lanes> pulp::NullaryFnOnce for With<W, L> {
    type Output = W::Output;

    #[inline(always)]
    fn call(self) -> W::Output {
        self.work.call(self.lanes)
    }
}

/// Pixels that vectors hold.
pub(crate) const PIXELS: usize = 16;

/// The bytes of so many pixels, in vectors.
type Bytes = [[u8; PIXELS]; 3];

/// Where each of 48 bytes comes from, and the same as masks: of what each vector of the result takes from each given one.
pub(crate) struct Order {
    from: [u8; 3 * PIXELS],
    masks: [[[u8; PIXELS]; 3]; 3],
}

impl Order {
    const fn new(from: [u8; 3 * PIXELS]) -> Self {
        /// Takes no byte.
        const NONE: u8 = 0x80;
        let mut masks = [[[NONE; PIXELS]; 3]; 3];
        let mut at = 0;
        while at < from.len() {
            let source = from[at] as usize;
            masks[at / PIXELS][source / PIXELS][at % PIXELS] = (source % PIXELS) as u8;
            at += 1;
        }
        Self { from, masks }
    }
}

/// Channels of pixels, pixels of channels, and pixels from the last to the first.
const ORDERS: [Order; 3] = {
    let mut from = [[0; 3 * PIXELS]; 3];
    let mut at = 0;
    while at < 3 * PIXELS {
        let (pixel, channel) = (at / 3, at % 3);
        from[0][channel * PIXELS + pixel] = at as u8;
        from[1][at] = (channel * PIXELS + pixel) as u8;
        from[2][at] = (3 * (PIXELS - 1 - pixel) + channel) as u8;
        at += 1;
    }
    [Order::new(from[0]), Order::new(from[1]), Order::new(from[2])]
};

/// What vectors do that the compiler does not find.
pub(crate) trait Lanes: Copy {
    /// Bytes in another order.
    fn moved(self, bytes: Bytes, order: &Order) -> Bytes;

    /// [`cut_to_byte`] of numbers of size below 2^31.
    fn cut(self, values: &[f32; PIXELS]) -> [u8; PIXELS];

    /// `from + differences * factor`, rounded once; of whole numbers below 2^9 and a factor of at least [`LEAST_FACTOR`].
    fn moved_by(self, from: &[f32; PIXELS], differences: &[f32; PIXELS], factor: f32) -> [f32; PIXELS];
}

/// The smallest factor, but for zero, with which [`Lanes::moved_by`] is exact in double precision.
pub(crate) const LEAST_FACTOR: f32 = 1.0 / (1 << 20) as f32;

/// The channels of sixteen pixels.
#[inline(always)]
pub(crate) fn apart(lanes: impl Lanes, pixels: &[Rgb8; PIXELS]) -> Bytes {
    lanes.moved(bytes(pixels), &ORDERS[0])
}

/// The pixels of sixteen values of each channel.
#[inline(always)]
pub(crate) fn together(lanes: impl Lanes, channels: Bytes) -> [Rgb8; PIXELS] {
    pulp::bytemuck::cast(lanes.moved(channels, &ORDERS[1]))
}

/// Sixteen pixels from the last to the first.
#[inline(always)]
pub(crate) fn reversed(lanes: impl Lanes, pixels: &[Rgb8; PIXELS]) -> [Rgb8; PIXELS] {
    pulp::bytemuck::cast(lanes.moved(bytes(pixels), &ORDERS[2]))
}

#[inline(always)]
fn bytes(pixels: &[Rgb8; PIXELS]) -> Bytes {
    pulp::bytemuck::cast(*pixels)
}

/// One byte after the other.
#[derive(Clone, Copy)]
pub(crate) struct Anywhere;

impl Lanes for Anywhere {
    #[inline(always)]
    fn moved(self, bytes: Bytes, order: &Order) -> Bytes {
        let mut moved = [[0; PIXELS]; 3];
        for (at, &from) in order.from.iter().enumerate() {
            moved[at / PIXELS][at % PIXELS] = bytes[usize::from(from) / PIXELS][usize::from(from) % PIXELS];
        }
        moved
    }

    #[inline(always)]
    fn cut(self, values: &[f32; PIXELS]) -> [u8; PIXELS] {
        values.map(cut_to_byte)
    }

    /// In double precision product and sum are exact, so that only the last step rounds.
    #[inline(always)]
    fn moved_by(self, from: &[f32; PIXELS], differences: &[f32; PIXELS], factor: f32) -> [f32; PIXELS] {
        let factor = f64::from(factor);
        std::array::from_fn(|lane| (f64::from(from[lane]) + f64::from(differences[lane]) * factor) as f32)
    }
}

#[cfg(target_arch = "x86_64")]
impl Lanes for pulp::x86::V3 {
    #[inline(always)]
    fn moved(self, bytes: Bytes, order: &Order) -> Bytes {
        use pulp::bytemuck::cast;
        let mut moved = [[0; PIXELS]; 3];
        for (moved, masks) in moved.iter_mut().zip(&order.masks) {
            let taken = |of: usize| self.ssse3._mm_shuffle_epi8(cast(bytes[of]), cast(masks[of]));
            *moved = cast(self.sse2._mm_or_si128(self.sse2._mm_or_si128(taken(0), taken(1)), taken(2)));
        }
        moved
    }

    /// Truncates, and saturates twice: to 16 bits with a sign, and to bytes.
    #[inline(always)]
    fn cut(self, values: &[f32; PIXELS]) -> [u8; PIXELS] {
        use pulp::bytemuck::cast;
        let halves: [[f32; 8]; 2] = cast(*values);
        let whole = |half: usize| self.avx._mm256_cvttps_epi32(cast(halves[half]));
        // Quarters of the first half, of the second, of the first, of the second.
        let packed: [[i16; 8]; 2] = cast(self.avx2._mm256_packs_epi32(whole(0), whole(1)));
        let bytes = self.sse2._mm_packus_epi16(cast(packed[0]), cast(packed[1]));
        cast(self.sse2._mm_shuffle_epi32::<0b11_01_10_00>(bytes))
    }

    #[inline(always)]
    fn moved_by(self, from: &[f32; PIXELS], differences: &[f32; PIXELS], factor: f32) -> [f32; PIXELS] {
        use pulp::bytemuck::cast;
        let (from, differences): ([[f32; 8]; 2], [[f32; 8]; 2]) = (cast(*from), cast(*differences));
        let factor = self.avx._mm256_set1_ps(factor);
        let half = |of: usize| self.fma._mm256_fmadd_ps(cast(differences[of]), factor, cast(from[of]));
        cast([half(0), half(1)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::to_byte;

    /// The kernels' arithmetic on numbers of all sizes.
    struct Arithmetic<'a>(&'a [f32], &'a mut [f32]);

    impl Work for Arithmetic<'_> {
        type Output = ();

        #[inline(always)]
        fn call<L: Lanes>(self, _: L) {
            for (&value, made) in self.0.iter().zip(self.1) {
                let sum = value * 0.3 + value * 0.7 / 1.1 - 0.2;
                *made = sum * 2.0 + f32::from(to_byte(sum)) * 0.1 + f32::from(cut_to_byte(value));
            }
        }
    }

    #[test]
    fn wider_vectors_change_no_bit() {
        let values: Vec<f32> = (0..100_003_u32).map(|index| (index as f32 - 40_000.0) * 0.013_7).collect();
        let [mut narrow, mut wide] = [(); 2].map(|()| vec![0.0; values.len()]);
        Arithmetic(&values, &mut narrow).call(Anywhere);
        vectorized(Arithmetic(&values, &mut wide));
        assert!(narrow.iter().zip(&wide).all(|(narrow, wide)| narrow.to_bits() == wide.to_bits()));
    }

    /// Sixteen pixels moved in every way.
    struct Moved<'a>(&'a [Rgb8; PIXELS]);

    impl Work for Moved<'_> {
        type Output = [[Rgb8; PIXELS]; 2];

        #[inline(always)]
        fn call<L: Lanes>(self, lanes: L) -> Self::Output {
            let channels = apart(lanes, self.0);
            let turned = channels.map(|channel| std::array::from_fn(|lane| channel[PIXELS - 1 - lane]));
            assert_eq!(together(lanes, turned), reversed(lanes, self.0));
            [together(lanes, channels), reversed(lanes, self.0)]
        }
    }

    #[test]
    fn pixels_are_moved_alike_on_every_processor() {
        let pixels: [Rgb8; PIXELS] = std::array::from_fn(|at| [at as u8, 100 + at as u8, 200 + at as u8]);
        let mut turned = pixels;
        turned.reverse();
        assert_eq!(Moved(&pixels).call(Anywhere), [pixels, turned]);
        assert_eq!(vectorized(Moved(&pixels)), [pixels, turned]);
    }

    /// A byte and all differences from it, by a factor.
    struct MovedBy(u8, f32);

    impl Work for MovedBy {
        type Output = Vec<u32>;

        #[inline(always)]
        fn call<L: Lanes>(self, lanes: L) -> Self::Output {
            let Self(from, factor) = self;
            let moved = |first: i16| {
                let differences = std::array::from_fn(|lane| f32::from(first + lane as i16));
                lanes.moved_by(&[f32::from(from); PIXELS], &differences, factor).map(f32::to_bits)
            };
            (-256..256).step_by(PIXELS).flat_map(moved).collect()
        }
    }

    #[test]
    fn numbers_are_moved_alike_on_every_processor() {
        for factor in [-1.0, -0.4, 0.0, 0.1, 1.9, 99.0, LEAST_FACTOR, -1.000_003 * LEAST_FACTOR] {
            for from in 0..=255 {
                assert_eq!(vectorized(MovedBy(from, factor)), MovedBy(from, factor).call(Anywhere), "{from}, {factor}");
            }
        }
    }

    /// Numbers, cut.
    struct Cut(f32);

    impl Work for Cut {
        type Output = [u8; PIXELS];

        #[inline(always)]
        fn call<L: Lanes>(self, lanes: L) -> Self::Output {
            lanes.cut(&std::array::from_fn(|lane| self.0 + lane as f32 / 7.0))
        }
    }

    #[test]
    fn numbers_are_cut_alike_on_every_processor() {
        for start in [-1e9, -70_000.0, -300.0, -1.2, 0.0, 0.6, 100.0, 253.9, 254.999, 300.0, 40_000.0, 1e9] {
            let cut = std::array::from_fn(|lane| (start + lane as f32 / 7.0) as u8);
            assert_eq!(Cut(start).call(Anywhere), cut);
            assert_eq!(vectorized(Cut(start)), cut);
        }
    }
}
