//! TensorBoard's event files: records with checksums, and the protocol buffers in them.
//!
//! Framing: `tensorflow/core/lib/io/record_writer.h`. Messages, by their field numbers: `tensorflow/core/util/event.proto`,
//! `tensorflow/core/framework/{summary,tensor,tensor_shape}.proto`, `tensorboard/plugins/hparams/plugin_data.proto` and
//! `google/protobuf/struct.proto`. Only the fields that are written here are defined.

use std::collections::BTreeMap;

use prost::{Message, Oneof};

/// The first event of a file says its version (`tensorflow/core/util/events_writer.h`).
pub(super) const FILE_VERSION: &str = "brain.Event:2";
/// `HParamsPluginData.version` (`tensorboard/plugins/hparams/metadata.py`).
pub(super) const HPARAMS_VERSION: i32 = 0;
pub(super) const HPARAMS_PLUGIN: &str = "hparams";
pub(super) const SESSION_START_TAG: &str = "_hparams_/session_start_info";
pub(super) const SESSION_END_TAG: &str = "_hparams_/session_end_info";

#[derive(Clone, PartialEq, Message)]
pub(super) struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    #[prost(int64, tag = "2")]
    pub step: i64,
    #[prost(oneof = "What", tags = "3, 5")]
    pub what: Option<What>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub value: Vec<SummaryValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SummaryValue {
    #[prost(string, tag = "1")]
    pub tag: String,
    #[prost(message, optional, tag = "9")]
    pub metadata: Option<SummaryMetadata>,
    #[prost(oneof = "Value", tags = "2, 8")]
    pub value: Option<Value>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Value {
    #[prost(float, tag = "2")]
    Simple(f32),
    #[prost(message, tag = "8")]
    Tensor(Tensor),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SummaryMetadata {
    #[prost(message, optional, tag = "1")]
    pub plugin_data: Option<PluginData>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PluginData {
    #[prost(string, tag = "1")]
    pub plugin_name: String,
    #[prost(bytes = "vec", tag = "2")]
    pub content: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Tensor {
    #[prost(int32, tag = "1")]
    pub dtype: i32,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<TensorShape>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorShape {
    #[prost(message, repeated, tag = "2")]
    pub dim: Vec<Dim>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Dim {
    #[prost(int64, tag = "1")]
    pub size: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct HParams {
    #[prost(int32, tag = "1")]
    pub version: i32,
    #[prost(oneof = "SessionPart", tags = "3, 4")]
    pub data: Option<SessionPart>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum SessionPart {
    #[prost(message, tag = "3")]
    Start(SessionStart),
    #[prost(message, tag = "4")]
    End(SessionEnd),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SessionStart {
    /// Sorted, so that equal runs give equal bytes.
    #[prost(btree_map = "string, message", tag = "1")]
    pub hparams: BTreeMap<String, HParam>,
    #[prost(string, tag = "4")]
    pub group_name: String,
    #[prost(double, tag = "5")]
    pub start_time_secs: f64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct HParam {
    #[prost(oneof = "HParamValue", tags = "2, 3, 4")]
    pub kind: Option<HParamValue>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum HParamValue {
    #[prost(double, tag = "2")]
    Number(f64),
    #[prost(string, tag = "3")]
    Text(String),
    #[prost(bool, tag = "4")]
    Flag(bool),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SessionEnd {
    #[prost(enumeration = "SessionStatus", tag = "1")]
    pub status: i32,
    #[prost(double, tag = "2")]
    pub end_time_secs: f64,
}

/// `Status` of `tensorboard/plugins/hparams/api.proto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(super) enum SessionStatus {
    Unknown = 0,
    Success = 1,
    Failure = 2,
}

impl Tensor {
    /// A float vector of length 0, for a summary that is all metadata: some readers pass over one without a value.
    pub fn nothing() -> Self {
        const DT_FLOAT: i32 = 1;
        Self { dtype: DT_FLOAT, shape: Some(TensorShape { dim: vec![Dim { size: 0 }] }) }
    }
}

/// Appends one record: length, its checksum, the event, its checksum; little-endian.
pub(super) fn append(file: &mut Vec<u8>, event: &Event) {
    let data = event.encode_to_vec();
    let length = (data.len() as u64).to_le_bytes();
    file.extend_from_slice(&length);
    file.extend_from_slice(&masked_crc32c(&length).to_le_bytes());
    file.extend_from_slice(&data);
    file.extend_from_slice(&masked_crc32c(&data).to_le_bytes());
}

/// A checksum of data that hold checksums, made safe by a rotation and a constant (`tensorflow/tsl/lib/hash/crc32c.h`).
fn masked_crc32c(data: &[u8]) -> u32 {
    const MASK_DELTA: u32 = 0xa282_ead8;
    crc32c::crc32c(data).rotate_right(15).wrapping_add(MASK_DELTA)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standard() {
        // RFC 3720, B.4: 32 bytes of zeros.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(masked_crc32c(&[0; 32]), 0x8a91_36aa_u32.rotate_right(15).wrapping_add(0xa282_ead8));
    }

    /// What `RecordWriter` of tensorboard 2.21.0 makes of `Event(file_version="brain.Event:2")`.
    #[test]
    fn the_version_record_has_the_bytes_of_tensorboards_writer() {
        let version = Event { what: Some(What::FileVersion(FILE_VERSION.to_owned())), ..Event::default() };
        let mut file = Vec::new();
        append(&mut file, &version);
        let expected: [&[u8]; 4] = [
            &[15, 0, 0, 0, 0, 0, 0, 0],
            &[0x6d, 0x53, 0x2b, 0x09],
            b"\x1a\x0dbrain.Event:2",
            &[0xfc, 0x98, 0x51, 0x29],
        ];
        assert_eq!(file, expected.concat());
    }
}
