//! One way into vector code that is wider than what every processor has.

/// Work on many numbers. `call` is marked `#[inline(always)]`, and so is what it calls for each number: what is not inlined is
/// compiled for every processor.
pub(crate) use pulp::NullaryFnOnce as Work;

/// Does `work` compiled for the processor that runs it: with AVX2 where there is AVX2. No bit of a result depends on it, since the
/// compiler never fuses multiplication and addition by itself.
pub(crate) fn vectorized<W: Work>(work: W) -> W::Output {
    pulp::Arch::new().dispatch(work)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::{cut_to_byte, to_byte};

    /// The kernels' arithmetic on numbers of all sizes.
    struct Arithmetic<'a>(&'a [f32], &'a mut [f32]);

    impl Work for Arithmetic<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
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
        Arithmetic(&values, &mut narrow).call();
        vectorized(Arithmetic(&values, &mut wide));
        assert!(narrow.iter().zip(&wide).all(|(narrow, wide)| narrow.to_bits() == wide.to_bits()));
    }
}
