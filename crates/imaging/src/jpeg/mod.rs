//! Whether all of a JPEG is there, and what its headers say that decoders disagree about.
//!
//! The usual decoders fill what is missing with one color and say nothing, so the codes of every block of every scan are
//! read here first (ITU-T T.81): each must exist, each block must be there, restart markers must come in their order, and the
//! last scan must be followed by the end of the image. Damage that leaves valid codes cannot be told from a picture.

mod bits;
mod frame;
mod scan;
mod typical;

use std::borrow::Cow;

use bits::Table;
use frame::Frame;
use scan::Scan;

use crate::decode::DecodeError;

/// What is wrong with a JPEG.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Defect {
    #[error("the JPEG is truncated: it has no end-of-image marker")]
    NoEnd,
    #[error("it ends, or a marker comes, before all blocks of the picture are there")]
    BlocksMissing,
    #[error("a restart marker is missing")]
    RestartMissing,
    #[error("it has data that its tables have no code for")]
    NoSuchCode,
    #[error("data are left over after the last block of a scan")]
    Extraneous,
    #[error("scans are missing: not all of the picture's detail is there")]
    ScansMissing,
    #[error("{0}")]
    Header(&'static str),
}

/// A JPEG whose blocks are all there.
pub(crate) struct Whole<'a> {
    /// The file as it is to be decoded.
    pub(crate) bytes: Cow<'a, [u8]>,
    /// The content of its first EXIF segment, with its identifier.
    pub(crate) exif: Option<&'a [u8]>,
}

/// Reads all of a JPEG of at most `max_pixels` pixels, but makes no pixel of it.
///
/// # Errors
/// [`DecodeError::TooManyPixels`], or what is missing or wrong.
pub(crate) fn whole(bytes: &[u8], max_pixels: u64) -> Result<Whole<'_>, DecodeError> {
    let mut reader = Reader { bytes, max_pixels, ..Reader::default() };
    reader.read_segments()?;
    let frame = reader.frame.take().ok_or(Defect::Header("it has no frame header"))?;
    if !frame.is_complete() {
        return Err(Defect::ScansMissing.into());
    }
    let ids: Vec<u8> = frame.components.iter().map(|component| component.id).collect();
    let places: Vec<usize> = frame.id_places.iter().chain(&reader.scan_id_places).copied().collect();
    let patches = reader.patches(&ids, &places);
    let bytes = if patches.is_empty() {
        Cow::Borrowed(bytes)
    } else {
        let mut bytes = bytes.to_vec();
        for (place, byte) in patches {
            bytes[place] = byte;
        }
        Cow::Owned(bytes)
    };
    Ok(Whole { bytes, exif: reader.exif })
}

/// Walks from marker to marker.
#[derive(Default)]
struct Reader<'a> {
    bytes: &'a [u8],
    max_pixels: u64,
    frame: Option<Frame>,
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
    restart_interval: usize,
    jfif: bool,
    /// Where an Adobe segment names the transform of colors: 0 is none.
    adobe: Option<usize>,
    exif: Option<&'a [u8]>,
    scan_id_places: Vec<usize>,
}

impl<'a> Reader<'a> {
    /// Bytes, by their places, that make the decoder take three components for what libjpeg takes them for: JFIF is YCbCr,
    /// else an Adobe segment decides, else the identifiers R, G and B. The decoder goes by the identifiers, at `places`,
    /// then by the Adobe segment.
    fn patches(&self, ids: &[u8], places: &[usize]) -> Vec<(usize, u8)> {
        let named_rgb = ids == b"RGB";
        let is_rgb = match (self.jfif, self.adobe) {
            (true, _) => false,
            (false, Some(transform)) => self.bytes[transform] == 0,
            (false, None) => named_rgb,
        };
        let mut patches = Vec::new();
        if ids.len() != 3 {
            return patches;
        }
        if is_rgb != named_rgb {
            let wanted = if is_rgb { b"RGB" } else { b"\x01\x02\x03" };
            let renamed = |&place: &usize| Some((place, wanted[ids.iter().position(|&id| id == self.bytes[place])?]));
            patches.extend(places.iter().filter_map(renamed));
        }
        if let (false, Some(transform)) = (is_rgb, self.adobe)
            && self.bytes[transform] != 1
        {
            patches.push((transform, 1));
        }
        patches
    }

    /// Up to the end of the image.
    fn read_segments(&mut self) -> Result<(), DecodeError> {
        let mut at = 0;
        loop {
            let marker = self.next_marker(at).ok_or(Defect::NoEnd)?;
            at = marker + 1;
            match self.bytes[marker] {
                0xD9 => return Ok(()),
                // TEM, RST0 to RST7, start of image: no length follows.
                0x01 | 0xD0..=0xD8 => {}
                code => {
                    let segment = self.segment(at).ok_or(Defect::NoEnd)?;
                    let begin = at + 2;
                    at = begin + segment.len();
                    if code == 0xDA {
                        at = self.scan(segment, begin, at)?;
                    } else {
                        self.header(code, segment, begin)?;
                    }
                }
            }
        }
    }

    /// Where the code of the next marker is: after 0xFF, and neither a stuffed byte nor fill.
    fn next_marker(&self, mut at: usize) -> Option<usize> {
        loop {
            at += self.bytes.get(at..)?.iter().position(|&byte| byte == 0xFF)? + 1;
            while *self.bytes.get(at)? == 0xFF {
                at += 1;
            }
            if self.bytes[at] != 0 {
                return Some(at);
            }
        }
    }

    /// The content of the segment whose length is at `at`.
    fn segment(&self, at: usize) -> Option<&'a [u8]> {
        let length = usize::from(u16::from_be_bytes(*self.bytes.get(at..)?.first_chunk::<2>()?));
        self.bytes.get(at + 2..at + length.max(2))
    }

    fn header(&mut self, code: u8, segment: &'a [u8], at: usize) -> Result<(), DecodeError> {
        match code {
            0xC0..=0xC2 => {
                if self.frame.is_some() {
                    return Err(Defect::Header("it has two frame headers").into());
                }
                self.frame = Some(self.frame(segment, at, code == 0xC2)?);
            }
            0xC4 => self.tables(segment)?,
            0xC3 | 0xC5..=0xC7 | 0xC9..=0xCF => {
                return Err(Defect::Header("it is lossless, hierarchical or arithmetically coded").into());
            }
            0xDD => {
                let interval = segment.first_chunk::<2>().ok_or(Defect::Header("a restart interval is cut short"))?;
                self.restart_interval = usize::from(u16::from_be_bytes(*interval));
            }
            0xE0 => self.jfif |= segment.starts_with(b"JFIF\0"),
            // A second segment continues the first or repeats it; nobody agrees which.
            0xE1 if self.exif.is_none() => self.exif = segment.starts_with(b"Exif\0").then_some(segment),
            0xEE if segment.starts_with(b"Adobe") => self.adobe = (segment.len() > 11).then_some(at + 11),
            _ => {}
        }
        Ok(())
    }

    fn frame(&self, segment: &[u8], at: usize, progressive: bool) -> Result<Frame, DecodeError> {
        // Bounded before anything is allocated for its blocks.
        if let &[_, h1, h0, w1, w0, ..] = segment {
            let (width_px, height_px) =
                (u32::from(u16::from_be_bytes([w1, w0])), u32::from(u16::from_be_bytes([h1, h0])));
            let max_pixels = self.max_pixels;
            if u64::from(width_px) * u64::from(height_px) > max_pixels {
                return Err(DecodeError::TooManyPixels { width_px, height_px, max_pixels });
            }
        }
        Ok(Frame::read(segment, at, progressive)?)
    }

    fn tables(&mut self, mut segment: &[u8]) -> Result<(), Defect> {
        let short = Defect::Header("a Huffman table is cut short");
        while let Some((&kind, rest)) = segment.split_first() {
            let Some((counts, rest)) = rest.split_first_chunk::<16>() else { return Err(short) };
            let values = counts.iter().map(|&count| usize::from(count)).sum();
            let Some((values, rest)) = rest.split_at_checked(values) else { return Err(short) };
            let tables = if kind >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            let Some(place) = tables.get_mut(usize::from(kind & 15)) else {
                return Err(Defect::Header("a Huffman table has a number above 3"));
            };
            *place = Some(Table::new(counts, values)?);
            segment = rest;
        }
        Ok(())
    }

    /// Reads the scan with the header `segment`, which lies at `begin`, and the data at `data`; returns where it ends.
    fn scan(&mut self, segment: &[u8], begin: usize, data: usize) -> Result<usize, Defect> {
        let wrong = Defect::Header("a scan header does not fit the frame");
        let Some(frame) = self.frame.as_mut() else { return Err(wrong) };
        let Some((&count, rest)) = segment.split_first() else { return Err(wrong) };
        let count = usize::from(count);
        if !(1..=4).contains(&count) || rest.len() != 2 * count + 3 {
            return Err(wrong);
        }
        let mut components = Vec::with_capacity(count);
        for part in rest[..2 * count].chunks(2) {
            let component = frame.components.iter().position(|component| component.id == part[0]);
            let (dc, ac) = (usize::from(part[1] >> 4), usize::from(part[1] & 15));
            match component {
                Some(component) if dc < 4 && ac < 4 => components.push((component, dc, ac)),
                _ => return Err(wrong),
            }
        }
        self.scan_id_places.extend((0..count).map(|i| begin + 1 + 2 * i));
        fill_in(&mut self.dc, [typical::DC_LUMINANCE, typical::DC_CHROMINANCE])?;
        fill_in(&mut self.ac, [typical::AC_LUMINANCE, typical::AC_CHROMINANCE])?;
        let (first, last, approximation) = (rest[2 * count], rest[2 * count + 1], rest[2 * count + 2]);
        // A sequential scan has all coefficients, whatever is written there (as libjpeg).
        let (band, approximation) = if frame.progressive {
            ((first, last), (approximation >> 4, approximation & 15))
        } else {
            ((0, 63), (0, 0))
        };
        let scan = Scan {
            components,
            band,
            approximation,
            dc: self.dc.each_ref().map(Option::as_ref),
            ac: self.ac.each_ref().map(Option::as_ref),
            restart_interval: self.restart_interval,
        };
        scan.read(frame, self.bytes, data)
    }
}

/// Tables that a file may leave out.
fn fill_in(tables: &mut [Option<Table>; 4], typical: [typical::Typical; 2]) -> Result<(), Defect> {
    for (place, (counts, values)) in tables.iter_mut().zip(typical) {
        if place.is_none() {
            *place = Some(Table::new(&counts, values)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
