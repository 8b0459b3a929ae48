//! The blocks of one scan, read for their codes alone (ITU-T T.81, E.2, F.2 and G.2): whether all of them are there.

use super::Defect;
use super::bits::{Bits, Table};
use super::frame::{Component, Frame};

/// Coefficients of a block.
const COEFFICIENTS: u8 = 64;

/// A scan header, and the tables that are in force.
pub(super) struct Scan<'a> {
    /// Index of each component in the frame, and of its tables.
    pub(super) components: Vec<(usize, usize, usize)>,
    /// First and last coefficient.
    pub(super) band: (u8, u8),
    /// Successive approximation: bits sent before (0: none), and bits still to come.
    pub(super) approximation: (u8, u8),
    pub(super) dc: [Option<&'a Table>; 4],
    pub(super) ac: [Option<&'a Table>; 4],
    /// MCUs between two restart markers; 0: there are none.
    pub(super) restart_interval: usize,
}

impl Scan<'_> {
    /// Reads the scan whose codes begin at `bytes[at..]`; returns where the marker after it is.
    pub(super) fn read(&self, frame: &mut Frame, bytes: &[u8], at: usize) -> Result<usize, Defect> {
        self.check(frame)?;
        let mcus = self.mcus(frame);
        let mut bits = Bits::new(bytes, at);
        let mut end_of_band_run = 0;
        for mcu in 0..mcus {
            if self.restart_interval > 0 && mcu > 0 && mcu % self.restart_interval == 0 {
                let number = (mcu / self.restart_interval - 1) % 8;
                bits = Bits::new(bytes, after_restart(bytes, bits.finish()?, number)?);
                end_of_band_run = 0;
            }
            self.mcu(frame, mcu, &mut bits, &mut end_of_band_run)?;
        }
        for &(component, ..) in &self.components {
            frame.components[component].sent(self.band, self.approximation.1);
        }
        bits.finish()
    }

    fn check(&self, frame: &Frame) -> Result<(), Defect> {
        let (first, last) = self.band;
        let whole = if frame.progressive { first <= last && (first > 0 || last == 0) } else { self.band == (0, 63) };
        let (before, after) = self.approximation;
        if !whole || last >= COEFFICIENTS || after > 13 || (before > 0 && before != after + 1) {
            return Err(Defect::Header("a scan has coefficients that its kind does not have"));
        }
        if first > 0 && self.components.len() > 1 {
            return Err(Defect::Header("a scan interleaves coefficients that cannot be"));
        }
        Ok(())
    }

    /// Number of MCUs: of all components, or the blocks of the only one (A.2).
    fn mcus(&self, frame: &Frame) -> usize {
        match self.components[..] {
            [(only, ..)] => frame.components[only].blocks.0 * frame.components[only].blocks.1,
            _ => frame.mcus.0 * frame.mcus.1,
        }
    }

    fn mcu(&self, frame: &mut Frame, mcu: usize, bits: &mut Bits<'_>, run: &mut u32) -> Result<(), Defect> {
        if let [(component, dc, ac)] = self.components[..] {
            let component = &mut frame.components[component];
            let (column, row) = (mcu % component.blocks.0, mcu / component.blocks.0);
            return self.block(component, (column, row), (dc, ac), frame.progressive, bits, run);
        }
        let (mcu_column, mcu_row) = (mcu % frame.mcus.0, mcu / frame.mcus.0);
        for &(component, dc, ac) in &self.components {
            let component = &mut frame.components[component];
            let (across, down) = component.sampling;
            for row in 0..down {
                for column in 0..across {
                    let place = (mcu_column * across + column, mcu_row * down + row);
                    self.block(component, place, (dc, ac), frame.progressive, bits, run)?;
                }
            }
        }
        Ok(())
    }

    fn block(
        &self,
        component: &mut Component,
        place: (usize, usize),
        (dc, ac): (usize, usize),
        progressive: bool,
        bits: &mut Bits<'_>,
        run: &mut u32,
    ) -> Result<(), Defect> {
        if !progressive {
            first_dc(bits, table(self.dc[dc])?)?;
            return sequential_ac(bits, table(self.ac[ac])?);
        }
        let (first, refines) = (self.band.0, self.approximation.0 > 0);
        match (first, refines) {
            (0, false) => first_dc(bits, table(self.dc[dc])?),
            (0, true) => bits.take(1).map(drop),
            (_, refines) => {
                let nonzero = component.nonzero(place);
                let band = Band { table: table(self.ac[ac])?, first, last: self.band.1 };
                if refines { band.refine(bits, nonzero, run) } else { band.first(bits, nonzero, run) }
            }
        }
    }
}

fn table(table: Option<&Table>) -> Result<&Table, Defect> {
    table.ok_or(Defect::Header("a scan names a Huffman table that is not there"))
}

/// The marker at `bytes[at..]` must be the restart marker of this number; where it ends.
fn after_restart(bytes: &[u8], mut at: usize, number: usize) -> Result<usize, Defect> {
    while let (Some(0xFF), Some(0xFF)) = (bytes.get(at), bytes.get(at + 1)) {
        at += 1;
    }
    match bytes.get(at + 1) {
        Some(&code) if usize::from(code) == 0xD0 + number => Ok(at + 2),
        Some(0xD0..=0xD7) => Err(Defect::RestartMissing),
        Some(_) => Err(Defect::BlocksMissing),
        None => Err(Defect::NoEnd),
    }
}

fn first_dc(bits: &mut Bits<'_>, table: &Table) -> Result<(), Defect> {
    let size = bits.code(table)?;
    if size > 15 {
        return Err(Defect::NoSuchCode);
    }
    bits.take(u32::from(size)).map(drop)
}

fn sequential_ac(bits: &mut Bits<'_>, table: &Table) -> Result<(), Defect> {
    let mut k = 1;
    while k < COEFFICIENTS {
        let code = bits.code(table)?;
        match (code >> 4, code & 15) {
            (15, 0) => k += 16,
            (_, 0) => return Ok(()),
            (run, size) => {
                k += run;
                if k >= COEFFICIENTS {
                    return Err(Defect::NoSuchCode);
                }
                bits.take(u32::from(size))?;
                k += 1;
            }
        }
    }
    if k == COEFFICIENTS { Ok(()) } else { Err(Defect::NoSuchCode) }
}

/// A band of AC coefficients of a progressive scan.
struct Band<'a> {
    table: &'a Table,
    first: u8,
    last: u8,
}

impl Band<'_> {
    /// G.1.2.2: the first scan of these coefficients.
    fn first(&self, bits: &mut Bits<'_>, nonzero: &mut u64, end_of_band_run: &mut u32) -> Result<(), Defect> {
        if *end_of_band_run > 0 {
            *end_of_band_run -= 1;
            return Ok(());
        }
        let mut k = self.first;
        while k <= self.last {
            let code = bits.code(self.table)?;
            match (code >> 4, code & 15) {
                (15, 0) => k += 16,
                (exponent, 0) => {
                    *end_of_band_run = (1 << exponent) + bits.take(u32::from(exponent))? - 1;
                    return Ok(());
                }
                (run, size) => {
                    k += run;
                    if k > self.last {
                        return Err(Defect::NoSuchCode);
                    }
                    bits.take(u32::from(size))?;
                    *nonzero |= 1 << k;
                    k += 1;
                }
            }
        }
        Ok(())
    }

    /// G.1.2.3: one more bit of these coefficients. A coefficient that is not zero so far has a bit of its own; zeros are
    /// counted in runs.
    fn refine(&self, bits: &mut Bits<'_>, nonzero: &mut u64, end_of_band_run: &mut u32) -> Result<(), Defect> {
        let mut k = self.first;
        while *end_of_band_run == 0 && k <= self.last {
            let code = bits.code(self.table)?;
            let (mut zeros, size) = (code >> 4, code & 15);
            if size == 0 && zeros < 15 {
                *end_of_band_run = (1 << zeros) + bits.take(u32::from(zeros))?;
                break;
            }
            if size > 1 {
                return Err(Defect::NoSuchCode);
            }
            bits.take(u32::from(size))?;
            while k <= self.last {
                if *nonzero >> k & 1 == 1 {
                    bits.take(1)?;
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                k += 1;
            }
            if size == 1 {
                if k > self.last {
                    return Err(Defect::NoSuchCode);
                }
                *nonzero |= 1 << k;
            }
            k += 1;
        }
        if *end_of_band_run > 0 {
            for k in k..=self.last {
                bits.take((*nonzero >> k & 1) as u32)?;
            }
            *end_of_band_run -= 1;
        }
        Ok(())
    }
}
