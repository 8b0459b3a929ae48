//! The frame of a JPEG: its components, their blocks, and what of them has been sent (ITU-T T.81, A.1.1 and B.2.2).

use super::Defect;

/// Side of a block, px.
const BLOCK_PX: usize = 8;
/// What [`Component::sent`] says of coefficients that no scan had.
const NOTHING: u8 = u8::MAX;

/// A frame header, and how much of its picture was read.
pub(super) struct Frame {
    pub(super) progressive: bool,
    pub(super) components: Vec<Component>,
    /// MCUs of an interleaved scan, across and down.
    pub(super) mcus: (usize, usize),
    /// Where the components' identifiers are in the file.
    pub(super) id_places: Vec<usize>,
}

/// One color component.
pub(super) struct Component {
    pub(super) id: u8,
    /// Sampling factors, across and down.
    pub(super) sampling: (usize, usize),
    /// Blocks that the picture needs, across and down: those of a scan of this component alone.
    pub(super) blocks: (usize, usize),
    /// Blocks in a row of an interleaved scan.
    row_blocks: usize,
    /// Of each coefficient: bits that are still to come, or [`NOTHING`].
    to_come: [u8; 64],
    /// Of each block, in a progressive frame: which coefficients are not zero so far.
    nonzero: Vec<u64>,
}

impl Frame {
    /// Reads the segment of a frame header, which lies at `at` in the file.
    pub(super) fn read(segment: &[u8], at: usize, progressive: bool) -> Result<Self, Defect> {
        let &[precision, h1, h0, w1, w0, count, ref rest @ ..] = segment else {
            return Err(Defect::Header("its frame header is cut short"));
        };
        let (width, height) = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
        if precision != 8 {
            return Err(Defect::Header("its samples do not have 8 bits"));
        }
        if width == 0 || height == 0 {
            return Err(Defect::Header("its frame header gives no size"));
        }
        if !(1..=4).contains(&count) || rest.len() != 3 * usize::from(count) {
            return Err(Defect::Header("its frame header does not fit its number of components"));
        }
        let sampling: Vec<(usize, usize)> =
            rest.chunks(3).map(|part| (usize::from(part[1] >> 4), usize::from(part[1] & 15))).collect();
        if sampling.iter().any(|&(across, down)| !(1..=4).contains(&across) || !(1..=4).contains(&down)) {
            return Err(Defect::Header("its components are sampled in a way that does not exist"));
        }
        let across = sampling.iter().map(|s| s.0).max().unwrap_or(1);
        let down = sampling.iter().map(|s| s.1).max().unwrap_or(1);
        let (width_px, height_px) = (usize::from(width), usize::from(height));
        let mcus = (width_px.div_ceil(BLOCK_PX * across), height_px.div_ceil(BLOCK_PX * down));
        let components = rest
            .chunks(3)
            .zip(&sampling)
            .map(|(part, &sampling)| Component {
                id: part[0],
                sampling,
                blocks: (
                    (width_px * sampling.0).div_ceil(across).div_ceil(BLOCK_PX),
                    (height_px * sampling.1).div_ceil(down).div_ceil(BLOCK_PX),
                ),
                row_blocks: mcus.0 * sampling.0,
                to_come: [NOTHING; 64],
                nonzero: if progressive { vec![0; mcus.0 * sampling.0 * mcus.1 * sampling.1] } else { Vec::new() },
            })
            .collect();
        let id_places = (0..usize::from(count)).map(|i| at + 6 + 3 * i).collect();
        Ok(Self { progressive, components, mcus, id_places })
    }

    /// Whether every coefficient of every component was sent to its last bit.
    pub(super) fn is_complete(&self) -> bool {
        self.components.iter().all(|component| component.to_come == [0; 64])
    }
}

impl Component {
    /// Records a scan of a band that leaves `to_come` bits to be sent.
    pub(super) fn sent(&mut self, (first, last): (u8, u8), to_come: u8) {
        self.to_come[usize::from(first)..=usize::from(last)].fill(to_come);
    }

    /// Which coefficients of a block of a progressive frame are not zero so far.
    pub(super) fn nonzero(&mut self, (column, row): (usize, usize)) -> &mut u64 {
        &mut self.nonzero[row * self.row_blocks + column]
    }
}
