//! CLIP's byte-pair tokenizer: an instruction becomes a fixed number of token ids.
//!
//! As transformers' `CLIPTokenizer(text, padding="max_length", max_length=77, truncation=True)`: start, tokens, end, then
//! the padding id. What does not fit is cut before the end token.

use tokenizers::Tokenizer as Backend;

use augtrial_augment::edit::{Bundle, BundleError};
use augtrial_augment::edit::{Part, Text};

/// Turns instructions into token ids.
#[derive(Debug)]
pub struct Tokenizer {
    backend: Backend,
    text: Text,
}

/// One instruction as the text encoder wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// `[text.length]` ids.
    pub ids: Vec<i64>,
    /// Tokens that did not fit and had to be cut; above 0 deserves a warning.
    pub cut: usize,
}

impl Tokenizer {
    /// Loads the bundle's tokenizer, after its hash.
    ///
    /// # Errors
    /// [`BundleError`] if the file is not the manifest's, or is no tokenizer, or its special tokens are not the manifest's.
    pub fn load(bundle: &Bundle) -> Result<Self, BundleError> {
        let path = bundle.folder().join(&bundle.manifest().files.tokenizer.name);
        let wrong = |reason: String| BundleError::Tokenizer { path: path.clone(), reason };
        let bytes = bundle.checked_bytes(Part::Tokenizer)?;
        let mut backend = Backend::from_bytes(bytes).map_err(|error| wrong(error.to_string()))?;
        // Padding and truncation are this module's: the file's own would be applied before they can be counted.
        backend.with_padding(None);
        backend.with_truncation(None).map_err(|error| wrong(error.to_string()))?;
        let text = bundle.manifest().text;
        let empty = backend.encode("", true).map_err(|error| wrong(error.to_string()))?;
        if empty.get_ids() != [text.start_id, text.end_id] {
            let expected = [text.start_id, text.end_id];
            return Err(wrong(format!("the empty text gives {:?} instead of {expected:?}", empty.get_ids())));
        }
        Ok(Self { backend, text })
    }

    /// The ids of `instruction`.
    ///
    /// # Errors
    /// What the backend says; none of CLIP's tokenizers fails on any text.
    pub fn encode(&self, instruction: &str) -> Result<Tokens, tokenizers::Error> {
        let encoding = self.backend.encode(instruction, true)?;
        let length = self.text.length as usize;
        let mut ids: Vec<i64> = encoding.get_ids().iter().copied().map(i64::from).collect();
        let cut = ids.len().saturating_sub(length);
        if cut > 0 {
            ids.truncate(length);
            ids[length - 1] = self.text.end_id.into();
        }
        ids.resize(length, self.text.pad_id.into());
        Ok(Tokens { ids, cut })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// `tokens.json` was written by transformers (`make_fixtures.py`): empty, contractions, accents, digits, tabs, emoji,
    /// special tokens inside the text, texts of 77 and 78 tokens and far too long ones.
    #[test]
    fn ids_padding_and_truncation_are_those_of_transformers() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ip2p");
        let tokenizer = Tokenizer::load(&Bundle::open(&folder.join("bundle")).unwrap()).unwrap();
        let text = std::fs::read_to_string(folder.join("tokens.json")).unwrap();
        let rows: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert!(rows.len() > 8);
        for row in rows {
            let tokens = tokenizer.encode(row["text"].as_str().unwrap()).unwrap();
            let expected: Vec<i64> = row["ids"].as_array().unwrap().iter().map(|id| id.as_i64().unwrap()).collect();
            assert_eq!(tokens.ids, expected, "{}", row["text"]);
            assert_eq!(tokens.cut as u64, row["tokens"].as_u64().unwrap().saturating_sub(77), "{}", row["text"]);
        }
    }
}
