//! Files for tests, of this crate and of those that read pictures.

/// A PNG of a size that nobody has memory for: the header is sound, and no pixel follows.
#[must_use]
pub fn boundless_png() -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |name: &[u8], data: &[u8]| {
        png.extend((data.len() as u32).to_be_bytes());
        png.extend(name);
        png.extend(data);
        png.extend(crc32(&[name, data].concat()).to_be_bytes());
    };
    let size = 30_000_u32.to_be_bytes();
    chunk(b"IHDR", &[&size[..], &size, &[8, 2, 0, 0, 0]].concat());
    chunk(b"IDAT", &[0x78, 0x9C]);
    chunk(b"IEND", &[]);
    png
}

/// ISO 3309, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & 0_u32.wrapping_sub(crc & 1)))
    })
}
