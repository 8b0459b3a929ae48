//! Formats that pictures come in and that are not read, told by content, so that whoever has them knows what to convert.

/// File extensions of pictures in such formats, in lower case.
pub const EXTENSIONS: [&str; 20] = [
    "arw", "avif", "bigtiff", "cr2", "cr3", "dng", "gif", "heic", "heif", "hif", "j2k", "jp2", "jxl", "nef", "orf",
    "psd", "raf", "rw2", "tif", "tiff",
];

/// The name of the format, if the content is of one of these.
pub(crate) fn name(bytes: &[u8]) -> Option<&'static str> {
    const BEGINNINGS: [(&[u8], &str); 10] = [
        (b"GIF8", "GIF"),
        (b"II*\0", "TIFF"),
        (b"MM\0*", "TIFF"),
        (b"II+\0", "TIFF"),
        (b"MM\0+", "TIFF"),
        (b"8BPS", "a Photoshop document"),
        (b"%PDF", "PDF"),
        (b"\xFF\x0A", "JPEG XL"),
        (b"\0\0\0\x0CJXL ", "JPEG XL"),
        (b"\0\0\0\x0CjP  ", "JPEG 2000"),
    ];
    let known = BEGINNINGS.iter().find(|(beginning, _)| bytes.starts_with(beginning));
    known.map(|&(_, name)| name).or_else(|| iso_media(bytes))
}

/// ISO/IEC 14496-12, 4.3: a file type box with its major brand, then those that it is compatible with.
fn iso_media(bytes: &[u8]) -> Option<&'static str> {
    let size = u32::from_be_bytes(*bytes.first_chunk::<4>()?) as usize;
    if bytes.len() < 12 || bytes.get(4..8)? != b"ftyp" {
        return None;
    }
    let brands = bytes.get(8..size.clamp(12, 128).min(bytes.len()))?;
    let has = |wanted: &[&[u8]]| brands.chunks(4).any(|brand| wanted.contains(&brand));
    Some(if has(&[b"avif", b"avis"]) {
        "AVIF"
    } else if has(&[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"heif"]) {
        "HEIC"
    } else if has(&[b"crx "]) {
        "a Canon raw file"
    } else {
        "a video, or a picture in a video's container"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_in_other_formats_are_named() {
        let of_brands = |brands: &[&[u8]]| {
            let brands = brands.concat();
            [&(brands.len() as u32 + 8).to_be_bytes()[..], b"ftyp", &brands].concat()
        };
        let heic = of_brands(&[b"mif1", b"\0\0\0\0", b"mif1", b"heic"]);
        let avif = of_brands(&[b"mif1", b"\0\0\0\0", b"avif"]);
        let cases: [(&[u8], Option<&str>); 8] = [
            (b"GIF89a", Some("GIF")),
            (b"II*\0rest", Some("TIFF")),
            (&heic, Some("HEIC")),
            (&avif, Some("AVIF")),
            (b"\xFF\x0A", Some("JPEG XL")),
            (b"hello", None),
            (b"", None),
            (b"\0\0\0\x08ftyp", None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(name(bytes), expected, "{bytes:?}");
        }
        assert!(EXTENSIONS.is_sorted());
    }
}
