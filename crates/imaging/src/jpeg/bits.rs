//! Bits of an entropy-coded segment, and the Huffman codes in them (ITU-T T.81, B.1.1.5, C and F.2.2).

use super::Defect;

/// Codes of up to this many bits are looked up at once.
const LOOKAHEAD_BITS: u32 = 8;
/// Bytes between the last code of a segment and its marker that are taken for a careless encoder's, not for damage.
const MAX_EXTRANEOUS_BYTES: usize = 4;

/// Reads the bits between two markers.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// Of the next byte that is not in `window`; at the marker once that is reached.
    at: usize,
    /// The next bits, the nearest highest; `count` of them are valid, the lowest ones.
    window: u64,
    count: u32,
    /// Whether `at` is at a marker or at the end of the file.
    ended: bool,
}

impl<'a> Bits<'a> {
    /// Reads from `bytes[at..]`.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, window: 0, count: 0, ended: false }
    }

    /// Makes at least 16 bits available, if the segment has as many.
    fn fill(&mut self) {
        while self.count <= 48 && !self.ended {
            let byte = match (self.bytes.get(self.at), self.bytes.get(self.at + 1)) {
                (Some(0xFF), Some(0)) => {
                    self.at += 1;
                    0xFF
                }
                (Some(0xFF) | None, _) => {
                    self.ended = true;
                    return;
                }
                (Some(&byte), _) => byte,
            };
            self.at += 1;
            self.window = self.window << 8 | u64::from(byte);
            self.count += 8;
        }
    }

    /// The next `bits` bits, zeros where there are none.
    fn peek(&self, bits: u32) -> usize {
        let mask = (1_u64 << bits) - 1;
        let shifted =
            if self.count >= bits { self.window >> (self.count - bits) } else { self.window << (bits - self.count) };
        (shifted & mask) as usize
    }

    fn skip(&mut self, bits: u32) -> Result<(), Defect> {
        self.count = self.count.checked_sub(bits).ok_or_else(|| self.short())?;
        Ok(())
    }

    /// Why there are no more bits: a marker, or nothing more at all.
    fn short(&self) -> Defect {
        if self.at + 1 < self.bytes.len() { Defect::BlocksMissing } else { Defect::NoEnd }
    }

    /// Takes `bits` bits, at most 16.
    pub(super) fn take(&mut self, bits: u32) -> Result<u32, Defect> {
        if self.count < bits {
            self.fill();
        }
        let value = self.peek(bits);
        self.skip(bits)?;
        Ok(value as u32)
    }

    /// Takes one Huffman code.
    pub(super) fn code(&mut self, table: &Table) -> Result<u8, Defect> {
        if self.count < 16 {
            self.fill();
        }
        let (bits, value) = table.short[self.peek(LOOKAHEAD_BITS)];
        if bits > 0 {
            self.skip(u32::from(bits))?;
            return Ok(value);
        }
        for bits in LOOKAHEAD_BITS + 1..=16 {
            let code = self.peek(bits) as i32;
            if code <= table.last_code[bits as usize] {
                self.skip(bits)?;
                let index = code - table.first_code[bits as usize] + table.first_value[bits as usize];
                return Ok(table.values[index as usize]);
            }
        }
        Err(if self.count < 16 { self.short() } else { Defect::NoSuchCode })
    }

    /// Ends a segment: where its marker is. What is left before it is padding, or very little.
    pub(super) fn finish(mut self) -> Result<usize, Defect> {
        self.fill();
        let mut extraneous = self.count as usize / 8;
        while !self.ended && extraneous <= MAX_EXTRANEOUS_BYTES {
            extraneous += 1;
            self.count = 0;
            self.window = 0;
            match (self.bytes.get(self.at), self.bytes.get(self.at + 1)) {
                (Some(0xFF), Some(0)) => self.at += 2,
                (Some(0xFF) | None, _) => self.ended = true,
                _ => self.at += 1,
            }
        }
        if extraneous > MAX_EXTRANEOUS_BYTES { Err(Defect::Extraneous) } else { Ok(self.at) }
    }
}

/// A Huffman table.
pub(super) struct Table {
    /// Length and value of the code that the next bits begin with; length 0 if it is longer.
    short: [(u8, u8); 1 << LOOKAHEAD_BITS],
    /// By length in bits: the first and the last code (-1: there is none), and the index of the first one's value.
    first_code: [i32; 17],
    last_code: [i32; 17],
    first_value: [i32; 17],
    values: Vec<u8>,
}

impl Table {
    /// From the number of codes of each length, 1 to 16 bits, and their values (C.2).
    pub(super) fn new(counts: &[u8; 16], values: &[u8]) -> Result<Self, Defect> {
        let mut table = Self {
            short: [(0, 0); 1 << LOOKAHEAD_BITS],
            first_code: [0; 17],
            last_code: [-1; 17],
            first_value: [0; 17],
            values: values.to_vec(),
        };
        let (mut code, mut index) = (0_i32, 0_i32);
        for (bits, &count) in (1_u32..).zip(counts) {
            let count = i32::from(count);
            if code + count > 1 << bits {
                return Err(Defect::Header("a Huffman table has more codes than there are"));
            }
            let place = bits as usize;
            (table.first_code[place], table.first_value[place]) = (code, index);
            if count > 0 {
                table.last_code[place] = code + count - 1;
            }
            if bits <= LOOKAHEAD_BITS {
                for i in 0..count {
                    let spare = LOOKAHEAD_BITS - bits;
                    let first = ((code + i) as usize) << spare;
                    table.short[first..first + (1 << spare)].fill((bits as u8, values[(index + i) as usize]));
                }
            }
            code = (code + count) << 1;
            index += count;
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes 0, 10, 110 and one of nine bits, 111000000.
    fn table() -> Table {
        let mut counts = [0; 16];
        (counts[0], counts[1], counts[2], counts[8]) = (1, 1, 1, 1);
        Table::new(&counts, &[7, 8, 9, 10]).unwrap()
    }

    #[test]
    fn codes_are_read_until_the_marker_and_no_further() {
        // 0 10 110 11|1000000 1|..., then a stuffed byte of ones, then a marker.
        let bytes = [0b0101_1011, 0b1000_0001, 0xFF, 0, 0xFF, 0xD9];
        let mut bits = Bits::new(&bytes, 0);
        let table = table();
        let read: Vec<u8> = (0..4).map(|_| bits.code(&table).unwrap()).collect();
        assert_eq!(read, [7, 8, 9, 10]);
        assert_eq!(bits.take(9).unwrap(), 0b1_1111_1111);
        assert!(matches!(bits.take(1), Err(Defect::BlocksMissing)));
        assert_eq!(bits.finish().unwrap(), 4);
    }

    #[test]
    fn a_code_that_the_table_does_not_have_is_a_defect() {
        let bytes = [0xFF, 0, 0xFF, 0, 0xFF, 0];
        assert!(matches!(Bits::new(&bytes, 0).code(&table()), Err(Defect::NoSuchCode)));
    }

    #[test]
    fn a_table_of_too_many_codes_is_a_defect() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(matches!(Table::new(&counts, &[1, 2, 3]), Err(Defect::Header(_))));
    }
}
