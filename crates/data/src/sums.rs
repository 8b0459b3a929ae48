//! Checksums behind the content of a file, so that what is reused can be verified faster than it is made.
//!
//! The file is its content, then one CRC-32C (RFC 3720, appendix B.4) for each block of it, then a footer: the digest that
//! names the file, the content's length, and a checksum of all this. A changed byte is found for certain, any other change but
//! for one in 2^32. It is no protection against somebody who wants to deceive.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::Path;

use rayon::prelude::*;

use augtrial_base::digest::Digest;

const MAGIC: &[u8; 8] = b"augsums1";
/// Content behind one checksum.
const BLOCK_BYTES: usize = 1 << 20;
/// Blocks that one thread reads in a row.
const BLOCKS_AT_ONCE: usize = 16;
const SUM_BYTES: usize = 4;
/// Digest, length of the content, checksum, magic.
const FOOTER_BYTES: usize = 32 + 8 + SUM_BYTES + MAGIC.len();

/// Passes content on and sums it up.
pub(super) struct Summing<W> {
    out: W,
    block: u32,
    block_bytes: usize,
    sums: Vec<u8>,
    content_bytes: u64,
}

impl<W: Write> Summing<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, block: 0, block_bytes: 0, sums: Vec::new(), content_bytes: 0 }
    }

    /// Writes a piece of the content.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.content_bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(BLOCK_BYTES - self.block_bytes));
            self.block = crc32c::crc32c_append(self.block, now);
            self.block_bytes += now.len();
            if self.block_bytes == BLOCK_BYTES {
                self.end_block();
            }
            bytes = rest;
        }
        Ok(())
    }

    fn end_block(&mut self) {
        self.sums.extend(self.block.to_le_bytes());
        (self.block, self.block_bytes) = (0, 0);
    }

    /// Writes the checksums, and the digest that names the file.
    pub(super) fn finish(mut self, name: Digest) -> io::Result<()> {
        if self.block_bytes > 0 {
            self.end_block();
        }
        self.out.write_all(&self.sums)?;
        self.out.write_all(&footer(name, self.content_bytes, &self.sums))
    }
}

fn footer(name: Digest, content_bytes: u64, sums: &[u8]) -> Vec<u8> {
    let mut footer = name.as_bytes().to_vec();
    footer.extend(content_bytes.to_le_bytes());
    let sum = crc32c::crc32c_append(crc32c::crc32c(&footer), sums);
    footer.extend(sum.to_le_bytes());
    footer.extend(MAGIC);
    footer
}

/// Reads all of a file and compares it with its checksums. Returns the content's length, bytes.
///
/// # Errors
/// `InvalidData` if anything is not as it was written, or if the file has another name; else whatever reading gives.
pub(super) fn verify(path: &Path, name: Digest) -> io::Result<u64> {
    let damaged = |problem: &str| io::Error::new(io::ErrorKind::InvalidData, problem);
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut end = vec![0; FOOTER_BYTES];
    if length < FOOTER_BYTES as u64 {
        return Err(damaged("it is cut short"));
    }
    file.seek(SeekFrom::End(-(FOOTER_BYTES as i64)))?;
    file.read_exact(&mut end)?;
    let content_bytes = u64::from_le_bytes(*end[32..].first_chunk().expect("a footer has a length"));
    let blocks = content_bytes.div_ceil(BLOCK_BYTES as u64);
    let expected = blocks.checked_mul(SUM_BYTES as u64).and_then(|sums| sums.checked_add(content_bytes));
    if expected.and_then(|bytes| bytes.checked_add(FOOTER_BYTES as u64)) != Some(length) {
        return Err(damaged("it has no checksums, or another length than they say"));
    }
    let mut sums = vec![0; blocks as usize * SUM_BYTES];
    file.seek(SeekFrom::Start(content_bytes))?;
    file.read_exact(&mut sums)?;
    if end != footer(name, content_bytes, &sums) {
        return Err(damaged("its checksums are damaged, or those of another file"));
    }
    // Read and not mapped: a disk that fails gives an error here, and a signal there.
    let run_bytes = (BLOCKS_AT_ONCE * BLOCK_BYTES) as u64;
    sums.par_chunks(BLOCKS_AT_ONCE * SUM_BYTES).enumerate().try_for_each(|(run, sums)| {
        let begin = run as u64 * run_bytes;
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(begin))?;
        let mut left = (content_bytes - begin).min(run_bytes) as usize;
        let mut block = vec![0; BLOCK_BYTES];
        for sum in sums.chunks_exact(SUM_BYTES) {
            let block = &mut block[..left.min(BLOCK_BYTES)];
            file.read_exact(block)?;
            if crc32c::crc32c(block).to_le_bytes() != sum {
                return Err(damaged("its content is not what was written"));
            }
            left -= block.len();
        }
        Ok(())
    })?;
    Ok(content_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(bytes: usize) -> Vec<u8> {
        let mut file = Vec::new();
        let mut summing = Summing::new(&mut file);
        let content: Vec<u8> = (0..bytes).map(|i| (i * 31 + i / 251) as u8).collect();
        // In pieces that fit no block.
        content.chunks(700_001).for_each(|piece| summing.write(piece).unwrap());
        summing.finish(Digest::of_bytes(b"name")).unwrap();
        file
    }

    #[test]
    fn any_changed_byte_is_found_and_so_is_any_other_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let check = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            verify(&path, Digest::of_bytes(b"name"))
        };
        for bytes in [0, 1, BLOCK_BYTES, 2 * BLOCK_BYTES + 77, (BLOCKS_AT_ONCE + 1) * BLOCK_BYTES + 5] {
            let whole = written(bytes);
            assert_eq!(check(&whole).unwrap(), bytes as u64);
            assert!(verify(&path, Digest::of_bytes(b"another")).is_err());
            for at in [0, bytes / 2, bytes.saturating_sub(1), bytes, whole.len() - FOOTER_BYTES, whole.len() - 1] {
                let mut changed = whole.clone();
                changed[at] ^= 0x10;
                assert_eq!(check(&changed).unwrap_err().kind(), io::ErrorKind::InvalidData, "{bytes}, {at}");
            }
            for torn in [&whole[1..], &whole[..whole.len() - 1], &whole[..bytes], &[whole.as_slice(), b"x"].concat()] {
                assert_eq!(check(torn).unwrap_err().kind(), io::ErrorKind::InvalidData, "{bytes}, {}", torn.len());
            }
        }
    }

    /// RFC 3720, B.4: 32 bytes of zeros.
    #[test]
    fn the_checksum_is_the_castagnoli_one() {
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8A91_36AA);
    }
    /// Prints what it costs to verify decoded pixels: of 2,527 photographs at two sizes, and of 100,000 rendered images.
    #[test]
    #[ignore = "measures, and writes 1.5 GB"]
    fn how_long_verification_takes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for (what, bytes) in [
            ("2,527 at 96 x 72", 2_527 * 96 * 72 * 3_usize),
            ("2,527 at 512 x 384", 2_527 * 512 * 384 * 3),
            ("100,000 at 64 x 48", 100_000 * 64 * 48 * 3),
        ] {
            let mut summing = Summing::new(std::io::BufWriter::new(File::create(&path).unwrap()));
            let piece: Vec<u8> = (0..1 << 20).map(|i: u32| i.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
            let mut left = bytes;
            while left > 0 {
                let now = left.min(piece.len());
                summing.write(&piece[..now]).unwrap();
                left -= now;
            }
            summing.finish(Digest::of_bytes(b"x")).unwrap();
            let seconds = (0..5).map(|_| {
                let watch = augtrial_base::clock::Clock::System.start();
                verify(&path, Digest::of_bytes(b"x")).unwrap();
                watch.elapsed().as_secs_f64()
            });
            let seconds = seconds.fold(f64::INFINITY, f64::min);
            println!("{what}: {bytes} bytes in {seconds:.3} s, {:.1} GB/s", bytes as f64 / seconds / 1e9);
        }
    }
}
