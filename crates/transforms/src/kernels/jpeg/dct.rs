//! Blocks as coefficients, which are rounded to steps, and back (`jfdctint.c`, `jcdctmgr.c`, `jidctint.c`; Loeffler, Ligtenberg and
//! Moschytz 1989).

use super::SIDE;
use crate::raster::{floor, round_to_int, shifted};

/// A block, or its coefficients: rows of columns.
type Block = [[i32; SIDE]; SIDE];

/// Bits behind the point: of the constants, and of numbers between the two passes.
const BITS: u32 = 13;
const PASS: u32 = 2;
/// Gray.
const MIDDLE: i32 = 128;

/// Rounds the coefficients of every block of a plane to multiples of their steps.
#[inline(always)]
pub(super) fn round_plane(plane: &mut [u8], width: usize, steps: &[i32; SIDE * SIDE]) {
    for rows in plane.chunks_exact_mut(width * SIDE) {
        for column in (0..width).step_by(SIDE) {
            let mut block = [[0; SIDE]; SIDE];
            for (row, line) in block.iter_mut().enumerate() {
                for (value, &byte) in line.iter_mut().zip(&rows[row * width + column..][..SIDE]) {
                    *value = i32::from(byte) - MIDDLE;
                }
            }
            let block = forward::<{ BITS + PASS }, PASS>(&transposed(&forward_rows(&transposed(&block))));
            let block = transposed(&inverse::<{ BITS - PASS }>(&rounded(&block, steps)));
            let block = transposed(&inverse::<{ BITS + PASS + 3 }>(&block));
            for (row, line) in block.iter().enumerate() {
                for (&value, byte) in line.iter().zip(&mut rows[row * width + column..][..SIDE]) {
                    *byte = (value + MIDDLE).clamp(0, 255) as u8;
                }
            }
        }
    }
}

#[inline(always)]
fn transposed(block: &Block) -> Block {
    let mut made = [[0; SIDE]; SIDE];
    for row in 0..SIDE {
        for column in 0..SIDE {
            made[row][column] = block[column][row];
        }
    }
    made
}

/// Coefficients, which [`forward`] gives eight times too large, as multiples of their steps, halves away from zero.
#[inline(always)]
fn rounded(block: &Block, steps: &[i32; SIDE * SIDE]) -> Block {
    let mut made = [[0; SIDE]; SIDE];
    for row in 0..SIDE {
        for column in 0..SIDE {
            let (value, step) = (block[row][column], steps[row * SIDE + column]);
            // The quotient is below 2^13 and its divisor below 2^11: the error of a float is too small to reach a whole number.
            let quotient = (value.abs() + 4 * step) as f32 / (8 * step) as f32;
            made[row][column] = round_to_int(floor(quotient)) * step * value.signum();
        }
    }
    made
}

/// The first pass of the transform.
#[inline(always)]
fn forward_rows(block: &Block) -> Block {
    let scaled = forward::<{ BITS - PASS }, 0>(block);
    let mut made = scaled;
    made[0] = scaled[0].map(|value| value << PASS);
    made[4] = scaled[4].map(|value| value << PASS);
    made
}

/// One pass of the transform along the first index; `SHIFT` of the sums of products, `PLAIN` of those that have none.
#[inline(always)]
fn forward<const SHIFT: u32, const PLAIN: u32>(block: &Block) -> Block {
    let mut made = [[0; SIDE]; SIDE];
    for lane in 0..SIDE {
        let sum = |at: usize| block[at][lane] + block[7 - at][lane];
        let difference = |at: usize| block[at][lane] - block[7 - at][lane];
        let (even, odd) = ([sum(0) + sum(3), sum(1) + sum(2)], [sum(0) - sum(3), sum(1) - sum(2)]);
        made[0][lane] = shifted(even[0] + even[1], PLAIN);
        made[4][lane] = shifted(even[0] - even[1], PLAIN);
        let turned = (odd[0] + odd[1]) * 4_433;
        made[2][lane] = shifted(turned + odd[0] * 6_270, SHIFT);
        made[6][lane] = shifted(turned - odd[1] * 15_137, SHIFT);
        let [a, b, c, d] = odd_part([difference(3), difference(2), difference(1), difference(0)]);
        made[7][lane] = shifted(a, SHIFT);
        made[5][lane] = shifted(b, SHIFT);
        made[3][lane] = shifted(c, SHIFT);
        made[1][lane] = shifted(d, SHIFT);
    }
    made
}

/// What both directions do with four numbers.
#[inline(always)]
fn odd_part([a, b, c, d]: [i32; 4]) -> [i32; 4] {
    let all = (a + b + c + d) * 9_633;
    let outer = (a + d) * -7_373;
    let inner = (b + c) * -20_995;
    let first = (a + c) * -16_069 + all;
    let second = (b + d) * -3_196 + all;
    [a * 2_446 + outer + first, b * 16_819 + inner + second, c * 25_172 + inner + first, d * 12_299 + outer + second]
}

/// One pass of the inverse transform along the first index.
#[inline(always)]
fn inverse<const SHIFT: u32>(block: &Block) -> Block {
    let mut made = [[0; SIDE]; SIDE];
    for lane in 0..SIDE {
        let turned = (block[2][lane] + block[6][lane]) * 4_433;
        let (low, high) = (turned - block[6][lane] * 15_137, turned + block[2][lane] * 6_270);
        let (sum, difference) = ((block[0][lane] + block[4][lane]) << BITS, (block[0][lane] - block[4][lane]) << BITS);
        let even = [sum + high, difference + low, difference - low, sum - high];
        let odd = odd_part([block[7][lane], block[5][lane], block[3][lane], block[1][lane]]);
        for at in 0..SIDE / 2 {
            made[at][lane] = shifted(even[at] + odd[3 - at], SHIFT);
            made[7 - at][lane] = shifted(even[at] - odd[3 - at], SHIFT);
        }
    }
    made
}
