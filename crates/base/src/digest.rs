//! SHA-256 content addresses: of bytes, of files, and of any serializable value.
//!
//! The digest of a value is derived from its type: every serialized field counts, and what must not count is visibly
//! `#[serde(skip)]` in the type itself.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// Hexadecimal digits of a digest in names and tables meant for people.
const SHORT_HEX_DIGITS: usize = 12;

/// A SHA-256 digest; shown and serialized as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// The text is not 64 hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a SHA-256 digest: expected 64 hexadecimal digits")]
pub struct ParseDigestError(String);

impl Digest {
    /// Digest of a byte string.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Digest of a file's content, read in blocks.
    ///
    /// # Errors
    /// Whatever opening or reading the file gives.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut hasher = Sha256::new();
        let mut block = vec![0; 1 << 16];
        loop {
            match file.read(&mut block)? {
                0 => return Ok(Self(hasher.finalize().into())),
                n => hasher.update(&block[..n]),
            }
        }
    }

    /// Digest of a value through its canonical JSON: keys sorted, no white space. `domain` separates kinds of value.
    ///
    /// # Panics
    /// If the value has no JSON form (a map whose keys are not strings); no type of this crate is such.
    #[must_use]
    pub fn of_value<T: Serialize + ?Sized>(domain: &str, value: &T) -> Self {
        let mut json = serde_json::to_value(value).expect("plain data has a JSON form");
        json.sort_all_objects();
        let mut hasher = DigestBuilder::new(domain);
        hasher.field(json.to_string().as_bytes());
        hasher.finish()
    }

    /// The raw 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first twelve hexadecimal digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..SHORT_HEX_DIGITS].to_owned()
    }
}

/// A digest over several byte strings, each preceded by its length, so that no two lists of fields collide.
pub struct DigestBuilder(Sha256);

impl DigestBuilder {
    /// Starts a digest in a named domain.
    #[must_use]
    pub fn new(domain: &str) -> Self {
        let mut builder = Self(Sha256::new());
        builder.field(domain.as_bytes());
        builder
    }

    /// Adds one length-prefixed field.
    pub fn field(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// The digest of everything added.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HEX: [u8; 16] = *b"0123456789abcdef";
        // In one piece: indexes and manifests have hundreds of thousands of them.
        let mut digits = [0; 64];
        for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *pair = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
        }
        f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseDigestError(text.to_owned());
        let value = |digit: u8| char::from(digit).to_digit(16).ok_or_else(wrong);
        if text.len() != 64 {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, &[high, low]) in bytes.iter_mut().zip(text.as_bytes().as_chunks().0) {
            *byte = (value(high)? << 4 | value(low)?) as u8;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(HexVisitor)
    }
}

/// Reads a digest where its text lies, without a copy of it.
struct HexVisitor;

impl serde::de::Visitor<'_> for HexVisitor {
    type Value = Digest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a SHA-256 digest")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Digest, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_abc_is_the_one_of_fips_180_4() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of_bytes(b"abc").to_string(), expected);
        assert_eq!(expected.parse::<Digest>().unwrap(), Digest::of_bytes(b"abc"));
    }

    #[test]
    fn fields_do_not_run_into_one_another() {
        let digest = |fields: &[&str]| {
            let mut builder = DigestBuilder::new("test");
            for field in fields {
                builder.field(field.as_bytes());
            }
            builder.finish()
        };
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_ne!(digest(&["ab", ""]), digest(&["ab"]));
    }

    #[test]
    fn the_digest_of_a_value_does_not_depend_on_the_order_of_keys() {
        let one: serde_json::Value = serde_json::from_str(r#"{"a":1,"b":{"c":2,"d":3}}"#).unwrap();
        let two: serde_json::Value = serde_json::from_str(r#"{"b":{"d":3,"c":2},"a":1}"#).unwrap();
        assert_eq!(Digest::of_value("t", &one), Digest::of_value("t", &two));
        assert_ne!(Digest::of_value("t", &one), Digest::of_value("u", &one));
    }

    #[test]
    fn malformed_digests_are_refused() {
        for text in ["", "zz", &"é".repeat(32), &"0".repeat(63)] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }
}
