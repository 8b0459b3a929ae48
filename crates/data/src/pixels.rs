//! Decoded pixels at the working resolution: `[N, H, W, 3]` bytes, memory-mapped, addressed by content. Where `[ingest] cache_gb`
//! leaves no room for all images, the last ones are decoded whenever they are asked for.

use std::borrow::Cow;
use std::io;
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

use super::cache::{CacheError, Picture, Working, load};
use super::mapped::map_finished_file;
use super::sums;
use augtrial_base::digest::Digest;

const CHANNELS: usize = 3;

/// Images of one size, one after the other: `[N, H, W, 3]`, RGB, 8 bits.
#[derive(Debug)]
pub struct PixelBlock {
    width_px: u32,
    height_px: u32,
    bytes: Backing,
    /// The images that follow those of `bytes`.
    rest: Files,
}

/// Images that are decoded whenever they are asked for.
#[derive(Debug, Default)]
struct Files {
    pictures: Vec<Picture>,
    /// See [`Working::max_pixels`].
    max_pixels: u64,
}

#[derive(Debug)]
enum Backing {
    /// The first bytes of a file, as many as there are of content.
    Mapped(Mmap, usize),
    Memory(Vec<u8>),
}

impl PixelBlock {
    /// Takes images that are already in memory.
    ///
    /// # Panics
    /// If `bytes` is not a whole number of images.
    #[must_use]
    pub fn from_memory(width_px: u32, height_px: u32, bytes: Vec<u8>) -> Self {
        let block = Self { width_px, height_px, bytes: Backing::Memory(bytes), rest: Files::default() };
        assert_eq!(block.as_bytes().len() % block.image_bytes(), 0, "a whole number of images");
        block
    }

    /// Maps a finished file, of the name `digest`, that holds exactly `images` images; compares it with its checksums first.
    ///
    /// # Errors
    /// `InvalidData` if the file is not as it was written, or holds another number of images; else whatever reading gives.
    pub fn open(path: &Path, digest: Digest, width_px: u32, height_px: u32, images: usize) -> io::Result<Self> {
        if images == 0 {
            return Ok(Self::from_memory(width_px, height_px, Vec::new()));
        }
        let content_bytes = sums::verify(path, digest)? as usize;
        let map = map_finished_file(path)?;
        let block = Self { width_px, height_px, bytes: Backing::Mapped(map, content_bytes), rest: Files::default() };
        if content_bytes != images * block.image_bytes() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it holds another number of images"));
        }
        Ok(block)
    }

    /// The same block with these pictures after its own, decoded to its size whenever they are asked for.
    #[must_use]
    pub fn followed_by(mut self, pictures: &[Picture], max_pixels: u64) -> Self {
        self.rest = Files { pictures: pictures.to_vec(), max_pixels };
        self
    }

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held() + self.rest.pictures.len()
    }

    /// Number of images whose pixels are kept.
    #[must_use]
    pub fn held(&self) -> usize {
        self.as_bytes().len() / self.image_bytes()
    }

    /// Whether there is no image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Image `index` as `[H, W, 3]`: borrowed if its pixels are kept, else decoded anew and compared with its digest.
    ///
    /// # Errors
    /// If the file of an image whose pixels are not kept changed, or cannot be read or decoded.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn rgb(&self, index: usize) -> Result<Cow<'_, [u8]>, CacheError> {
        let held = self.held();
        if index < held {
            return Ok(Cow::Borrowed(&self.as_bytes()[index * self.image_bytes()..][..self.image_bytes()]));
        }
        let Self { width_px, height_px, rest: Files { pictures, max_pixels }, .. } = self;
        let working = Working { width_px: *width_px, height_px: *height_px, max_pixels: *max_pixels };
        load(&pictures[index - held], working).map(Cow::Owned)
    }

    fn as_bytes(&self) -> &[u8] {
        match &self.bytes {
            Backing::Mapped(map, content_bytes) => &map[..*content_bytes],
            Backing::Memory(bytes) => bytes,
        }
    }

    fn image_bytes(&self) -> usize {
        self.width_px as usize * self.height_px as usize * CHANNELS
    }
}

/// One image of a block, or pixels that are at hand: what is asked for when it is needed, and not before.
#[derive(Clone, Copy, Debug)]
pub enum Pixels<'a> {
    /// `[H, W, 3]`.
    Bytes(&'a [u8]),
    /// The image of this index.
    Of(&'a PixelBlock, usize),
}

impl<'a> Pixels<'a> {
    /// The image as `[H, W, 3]`.
    ///
    /// # Errors
    /// As [`PixelBlock::rgb`].
    pub fn rgb(self) -> Result<Cow<'a, [u8]>, CacheError> {
        match self {
            Self::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
            Self::Of(block, index) => block.rgb(index),
        }
    }

    /// Bytes of the image, without reading it.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Of(block, _) => block.image_bytes(),
        }
    }
}

/// Several blocks of one image size under one running index: the originals, then each derived set.
#[derive(Clone, Debug)]
pub struct PixelStore {
    width_px: u32,
    height_px: u32,
    blocks: Vec<Arc<PixelBlock>>,
}

impl PixelStore {
    /// An empty store for images of `width_px` by `height_px`.
    #[must_use]
    pub fn new(width_px: u32, height_px: u32) -> Self {
        Self { width_px, height_px, blocks: Vec::new() }
    }

    /// Appends a block and returns the running index of its first image.
    ///
    /// # Panics
    /// If the block's images have another size.
    pub fn push(&mut self, block: Arc<PixelBlock>) -> usize {
        assert_eq!((block.width_px, block.height_px), (self.width_px, self.height_px), "one size of image");
        let first = self.len();
        self.blocks.push(block);
        first
    }

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.blocks.iter().map(|block| block.len()).sum()
    }

    /// Whether there is no image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Width of every image, px.
    #[must_use]
    pub fn width_px(&self) -> u32 {
        self.width_px
    }

    /// Height of every image, px.
    #[must_use]
    pub fn height_px(&self) -> u32 {
        self.height_px
    }

    /// Image `index` as `[H, W, 3]`, borrowed if its pixels are kept.
    ///
    /// # Errors
    /// As [`PixelBlock::rgb`].
    ///
    /// # Panics
    /// If there is no such image.
    pub fn rgb(&self, mut index: usize) -> Result<Cow<'_, [u8]>, CacheError> {
        for block in &self.blocks {
            if index < block.len() {
                return block.rgb(index);
            }
            index -= block.len();
        }
        panic!("image index beyond the store");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_index_passes_from_block_to_block() {
        let mut store = PixelStore::new(1, 1);
        assert_eq!(store.push(Arc::new(PixelBlock::from_memory(1, 1, vec![1, 1, 1, 2, 2, 2]))), 0);
        assert_eq!(store.push(Arc::new(PixelBlock::from_memory(1, 1, vec![]))), 2);
        assert_eq!(store.push(Arc::new(PixelBlock::from_memory(1, 1, vec![3, 3, 3]))), 2);
        assert_eq!([0, 1, 2].map(|index| store.rgb(index).unwrap()[0]), [1, 2, 3]);
    }

    #[test]
    fn a_file_of_another_size_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (path, name) = (folder.path().join("x"), Digest::of_bytes(b"x"));
        let mut file = Vec::new();
        let mut summing = sums::Summing::new(&mut file);
        summing.write(&[7; 12]).unwrap();
        summing.finish(name).unwrap();
        std::fs::write(&path, file).unwrap();
        let block = PixelBlock::open(&path, name, 2, 2, 1).unwrap();
        assert_eq!((block.len(), &*block.rgb(0).unwrap()), (1, &[7; 12][..]));
        assert_eq!(PixelBlock::open(&path, name, 2, 2, 2).unwrap_err().kind(), io::ErrorKind::InvalidData);
        std::fs::write(&path, [7; 12]).unwrap();
        assert_eq!(PixelBlock::open(&path, name, 2, 2, 1).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
