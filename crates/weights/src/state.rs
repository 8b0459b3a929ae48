//! State dicts from files: safetensors, and both formats of `torch.save`.
//!
//! `torch.save` writes a zip archive (`data.pkl`, and one file a storage below `data/`) since PyTorch 1.6, and wrote pickles one
//! after the other, followed by the storages, before: `torch/serialization.py`, `_save` and `_legacy_save`.

use std::collections::{BTreeMap, HashMap};
use std::io::{Cursor, Read as _};
use std::path::Path;

use safetensors::SafeTensors;
use zip::ZipArchive;

use super::WeightsError;
use super::pickle::{self, Value, View};
use augtrial_base::disk;

/// First bytes of a zip archive.
const ZIP: &[u8] = b"PK\x03\x04";
/// First bytes of the old format: protocol 2, then its magic number of ten bytes.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0a";
/// Bytes of a file, and of one storage, at most.
pub(crate) const MOST_BYTES: u64 = 16 << 30;
/// PyTorch counts batches beside running statistics; no result depends on it.
const BATCH_COUNT: &str = "num_batches_tracked";

/// Type of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    F16,
    Bf16,
    F32,
    F64,
    /// Integers or truth values, of so many bytes: read over, never used.
    Other(usize),
}

/// A tensor on the host, row-major, little-endian.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

/// Tensors of floats by name.
pub type State = BTreeMap<String, Array>;

impl Dtype {
    /// By the name of PyTorch's storage, such as `Float` of `FloatStorage`.
    pub(crate) fn of_storage(name: &str) -> Option<Self> {
        Some(match name {
            "Half" => Self::F16,
            "BFloat16" => Self::Bf16,
            "Float" => Self::F32,
            "Double" => Self::F64,
            "Long" => Self::Other(8),
            "Int" => Self::Other(4),
            "Short" => Self::Other(2),
            "Char" | "Byte" | "Bool" => Self::Other(1),
            _ => return None,
        })
    }

    fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Other(bytes) => bytes,
        }
    }

    /// The type in safetensors files; none if it is no float.
    pub(crate) fn safetensors(self) -> Option<safetensors::Dtype> {
        match self {
            Self::F16 => Some(safetensors::Dtype::F16),
            Self::Bf16 => Some(safetensors::Dtype::BF16),
            Self::F32 => Some(safetensors::Dtype::F32),
            Self::F64 => Some(safetensors::Dtype::F64),
            Self::Other(_) => None,
        }
    }
}

/// The state dict in a file of any of the three formats. Nothing of the file is run. A state dict within a checkpoint, under
/// `state_dict` or `model`, is found; a prefix `module.` of every name, as from `DataParallel`, is dropped.
///
/// # Errors
/// [`WeightsError::Read`] or [`WeightsError::Unreadable`].
pub fn read(path: &Path) -> Result<State, WeightsError> {
    let bytes =
        disk::read_regular(path, MOST_BYTES).map_err(|source| WeightsError::Read { path: path.to_owned(), source })?;
    state_of(&bytes).map_err(|problem| WeightsError::Unreadable { path: path.to_owned(), problem })
}

/// As [`read`], of a file's content.
pub(crate) fn state_of(bytes: &[u8]) -> Result<State, String> {
    let state = if bytes.starts_with(ZIP) {
        of_archive(bytes)?
    } else if bytes.starts_with(LEGACY) {
        of_legacy(bytes)?
    } else {
        of_safetensors(bytes)?
    };
    let prefixed = !state.is_empty() && state.keys().all(|name| name.starts_with("module."));
    let named = |name: String| if prefixed { name["module.".len()..].to_owned() } else { name };
    Ok(state.into_iter().map(|(name, array)| (named(name), array)).collect())
}

fn of_safetensors(bytes: &[u8]) -> Result<State, String> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| format!("it is neither a file of torch.save nor of safetensors ({error:?})"))?;
    let mut state = State::new();
    for (name, view) in file.tensors() {
        let dtype = match view.dtype() {
            safetensors::Dtype::F16 => Dtype::F16,
            safetensors::Dtype::BF16 => Dtype::Bf16,
            safetensors::Dtype::F32 => Dtype::F32,
            safetensors::Dtype::F64 => Dtype::F64,
            _ if is_count(&name) => continue,
            other => return Err(format!("`{name}` has type {other:?}, which is not a float")),
        };
        state.insert(name, Array { dtype, shape: view.shape().to_vec(), bytes: view.data().to_vec() });
    }
    Ok(state)
}

fn of_archive(bytes: &[u8]) -> Result<State, String> {
    let mut archive =
        ZipArchive::new(Cursor::new(bytes)).map_err(|error| format!("its archive is damaged ({error})"))?;
    let names: Vec<String> = archive.file_names().map(str::to_owned).collect();
    if names.iter().any(|name| name.ends_with("/constants.pkl")) {
        return Err(
            "it is a TorchScript module, not a state dict: use it with `network = { torchscript = ... }`".to_owned()
        );
    }
    let pickle_name = names.iter().find(|name| name.ends_with("/data.pkl")).ok_or("it has no `data.pkl`")?.clone();
    let root = pickle_name.strip_suffix("data.pkl").expect("found by this suffix").to_owned();
    if let Ok(order) = member(&mut archive, &format!("{root}byteorder"))
        && order != b"little"
    {
        return Err("its numbers are big-endian".to_owned());
    }
    let (value, _) = pickle::read(&member(&mut archive, &pickle_name)?)?;
    let mut storages = HashMap::new();
    let views = views(value)?;
    for (_, view) in &views {
        let key = &view.storage.key;
        if !storages.contains_key(key) {
            storages.insert(key.clone(), member(&mut archive, &format!("{root}data/{key}"))?);
        }
    }
    arrays(views, &storages)
}

/// A member of an archive, in memory.
pub(crate) fn member(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Result<Vec<u8>, String> {
    let file = archive.by_name(name).map_err(|error| format!("`{name}` in its archive cannot be read ({error})"))?;
    let mut content = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut content).map_err(|error| format!("`{name}` is damaged ({error})"))?;
    Ok(content)
}

/// Pickles of a magic number, a protocol, facts of the machine, the state, and the storages' keys; then, by these keys, a count
/// of 8 bytes and the numbers.
fn of_legacy(bytes: &[u8]) -> Result<State, String> {
    let mut at = 0;
    let mut next = || {
        let (value, length) = pickle::read(&bytes[at..])?;
        at += length;
        Ok::<_, String>((value, at))
    };
    next()?;
    next()?;
    let (machine, _) = next()?;
    let (value, _) = next()?;
    let (keys, mut at) = next()?;
    if let Value::Dict(facts) = machine
        && facts.contains(&(Value::Text("little_endian".to_owned()), Value::Bool(false)))
    {
        return Err("its numbers are big-endian".to_owned());
    }
    let Value::List(keys) = keys else { return Err("it does not list its storages".to_owned()) };
    // Those of optimizers too, which stand between the others.
    let mut dtypes = HashMap::new();
    collect_storages(&value, &mut dtypes);
    let views = views(value)?;
    let mut storages = HashMap::new();
    for key in keys {
        let Value::Text(key) = key else { return Err("a storage without a name".to_owned()) };
        let dtype = *dtypes.get(key.as_str()).ok_or("it has numbers that no tensor uses")?;
        let count = bytes.get(at..at + 8).ok_or("it ends too early")?;
        let count = u64::from_le_bytes(count.try_into().expect("eight bytes"));
        at += 8;
        let length = usize::try_from(count).ok().and_then(|count| count.checked_mul(dtype.bytes()));
        let end = length.and_then(|length| at.checked_add(length)).ok_or("a storage that is too long")?;
        storages.insert(key, bytes.get(at..end).ok_or("it ends too early")?.to_vec());
        at = end;
    }
    arrays(views, &storages)
}

/// The types of all storages in a value, by key.
fn collect_storages(value: &Value, dtypes: &mut HashMap<String, Dtype>) {
    match value {
        Value::Tensor(view) => {
            dtypes.insert(view.storage.key.clone(), view.storage.dtype);
        }
        Value::Tuple(items) | Value::List(items) => items.iter().for_each(|item| collect_storages(item, dtypes)),
        Value::Dict(items) => items.iter().for_each(|(_, item)| collect_storages(item, dtypes)),
        _ => {}
    }
}

/// The tensors of a state dict, or of the one within a checkpoint.
fn views(value: Value) -> Result<Vec<(String, View)>, String> {
    let Value::Dict(mut items) = value else { return Err("it holds no state dict".to_owned()) };
    let inner = |(key, value): &(Value, Value)| {
        matches!(key, Value::Text(name) if name == "state_dict" || name == "model") && matches!(value, Value::Dict(_))
    };
    if let Some(place) = items.iter().position(inner) {
        let (_, Value::Dict(state)) = items.swap_remove(place) else { unreachable!("just found to be a dict") };
        items = state;
    }
    let mut views = Vec::new();
    for (key, value) in items {
        match (key, value) {
            (Value::Text(name), Value::Tensor(view)) => views.push((name, view)),
            (Value::Text(name), _) => return Err(format!("`{name}` is no tensor: it holds no state dict")),
            _ => return Err("a name that is no text".to_owned()),
        }
    }
    Ok(views)
}

fn arrays(views: Vec<(String, View)>, storages: &HashMap<String, Vec<u8>>) -> Result<State, String> {
    let mut state = State::new();
    for (name, view) in views {
        if matches!(view.storage.dtype, Dtype::Other(_)) {
            if is_count(&name) {
                continue;
            }
            return Err(format!("`{name}` holds no floats"));
        }
        let storage = &storages[&view.storage.key];
        let array = gathered(&view, storage).ok_or_else(|| format!("`{name}` has more values than its storage"))?;
        state.insert(name, array);
    }
    Ok(state)
}

fn is_count(name: &str) -> bool {
    name.rsplit('.').next() == Some(BATCH_COUNT)
}

/// A view's values in a row; none if it reaches beyond its storage.
fn gathered(view: &View, storage: &[u8]) -> Option<Array> {
    let View { offset, shape, strides, .. } = view;
    let (dtype, size) = (view.storage.dtype, view.storage.dtype.bytes());
    if shape.len() != strides.len() {
        return None;
    }
    let count = shape.iter().try_fold(1_usize, |count, extent| count.checked_mul(*extent))?;
    if count > storage.len() / size {
        return None;
    }
    let mut bytes = Vec::with_capacity(count * size);
    let mut index = vec![0; shape.len()];
    for _ in 0..count {
        let place = index
            .iter()
            .zip(strides)
            .try_fold(*offset, |place: usize, (i, stride): (&usize, _)| place.checked_add(i.checked_mul(*stride)?))?;
        let start = place.checked_mul(size)?;
        bytes.extend_from_slice(storage.get(start..start.checked_add(size)?)?);
        for dimension in (0..shape.len()).rev() {
            index[dimension] += 1;
            if index[dimension] < shape[dimension] {
                break;
            }
            index[dimension] = 0;
        }
    }
    Some(Array { dtype, shape: shape.clone(), bytes })
}
