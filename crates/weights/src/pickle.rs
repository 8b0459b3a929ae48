//! The part of Python's pickle that state dicts are made of: containers, numbers, texts and tensors.
//!
//! A pickle is a program that can call anything. Here nothing is called: the few names that a state dict needs are known, and
//! a file with any other is refused with that name. Opcodes: `CPython`'s `Lib/pickletools.py`; how PyTorch writes tensors:
//! `torch/_utils.py`, `_rebuild_tensor_v2`, and `torch/serialization.py`.

use std::collections::HashMap;

use super::state::Dtype;

/// A value of a pickle.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Name(Name),
    Storage(Storage),
    Tensor(View),
}

/// A name that a state dict may refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Dtype),
}

/// Numbers in a row, which tensors are views of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Storage {
    pub(crate) key: String,
    pub(crate) dtype: Dtype,
}

/// A tensor: numbers of a storage from `offset` on, by `shape` and `strides`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) storage: Storage,
    pub(crate) offset: usize,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<usize>,
}

/// Reads one pickle from the start of `bytes`; returns its value and its length.
///
/// # Errors
/// What is wrong with it, or which name it refers to that no state dict needs.
pub(crate) fn read(bytes: &[u8]) -> Result<(Value, usize), String> {
    let mut machine = Machine { bytes, at: 0, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    while machine.step()? {}
    let value = machine.pop()?;
    Ok((value, machine.at))
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
}

impl Machine<'_> {
    /// Follows one instruction; false at the end.
    fn step(&mut self) -> Result<bool, String> {
        let code = self.take::<1>()?[0];
        match code {
            b'.' => return Ok(false),
            0x80 => {
                self.take::<1>()?; // the protocol's number
            }
            0x95 => {
                self.take::<8>()?; // the length of a frame
            }
            b'(' => self.marks.push(self.stack.len()),
            b'0' => {
                self.pop()?;
            }
            b'N' => self.stack.push(Value::None),
            0x88 => self.stack.push(Value::Bool(true)),
            0x89 => self.stack.push(Value::Bool(false)),
            b'J' | b'K' | b'M' | 0x8a | b'G' => self.number(code)?,
            b'X' | 0x8c | b'T' | b'U' => self.text(code)?,
            b')' => self.stack.push(Value::Tuple(Vec::new())),
            b']' => self.stack.push(Value::List(Vec::new())),
            b'}' => self.stack.push(Value::Dict(Vec::new())),
            b't' => {
                let items = self.pop_to_mark()?;
                self.stack.push(Value::Tuple(items));
            }
            0x85..=0x87 => {
                let count = usize::from(code - 0x84);
                let start = self.stack.len().checked_sub(count).ok_or("a tuple of more values than there are")?;
                let items = self.stack.split_off(start);
                self.stack.push(Value::Tuple(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.extend_list(vec![item])?;
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.extend_list(items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.extend_dict(vec![key, value])?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.extend_dict(items)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.stack.push(Value::Name(known(&module, &name)?));
            }
            0x93 => {
                let (Value::Text(name), Value::Text(module)) = (self.pop()?, self.pop()?) else {
                    return Err("a name that is no text".to_owned());
                };
                self.stack.push(Value::Name(known(&module, &name)?));
            }
            b'Q' => {
                let id = self.pop()?;
                self.stack.push(Value::Storage(storage(id)?));
            }
            b'R' => {
                let (arguments, name) = (self.pop()?, self.pop()?);
                self.stack.push(made(&name, arguments)?);
            }
            b'b' => {
                self.pop()?; // attributes beside a dict's items, such as the versions of modules
                let Some(Value::Dict(_)) = self.stack.last() else {
                    return Err("a state of what is no dict".to_owned());
                };
            }
            b'q' | b'r' | 0x94 => self.remember(code)?,
            b'h' | b'j' => self.recall(code)?,
            other => return Err(format!("it has the instruction {other:#04x}, which no state dict needs")),
        }
        Ok(true)
    }

    fn number(&mut self, code: u8) -> Result<(), String> {
        let value = match code {
            b'J' => Value::Int(i32::from_le_bytes(self.take()?).into()),
            b'K' => Value::Int(self.take::<1>()?[0].into()),
            b'M' => Value::Int(u16::from_le_bytes(self.take()?).into()),
            b'G' => Value::Float(f64::from_be_bytes(self.take()?)),
            _ => {
                let length = usize::from(self.take::<1>()?[0]);
                let digits = self.slice(length)?;
                // Longer ones, such as the magic number of old files, are no sizes: they need not be exact.
                let mut value = [if digits.last().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 }; 8];
                let kept = length.min(8);
                value[..kept].copy_from_slice(&digits[..kept]);
                Value::Int(i64::from_le_bytes(value))
            }
        };
        self.stack.push(value);
        Ok(())
    }

    fn text(&mut self, code: u8) -> Result<(), String> {
        let length = match code {
            0x8c | b'U' => usize::from(self.take::<1>()?[0]),
            _ => u32::from_le_bytes(self.take()?) as usize,
        };
        let text = String::from_utf8(self.slice(length)?.to_vec()).map_err(|_| "a text that is not UTF-8")?;
        self.stack.push(Value::Text(text));
        Ok(())
    }

    fn remember(&mut self, code: u8) -> Result<(), String> {
        let number = match code {
            b'q' => self.take::<1>()?[0].into(),
            b'r' => u32::from_le_bytes(self.take()?),
            _ => self.memo.len() as u32,
        };
        let value = self.stack.last().ok_or("nothing to remember")?.clone();
        self.memo.insert(number, value);
        Ok(())
    }

    fn recall(&mut self, code: u8) -> Result<(), String> {
        let number = if code == b'h' { self.take::<1>()?[0].into() } else { u32::from_le_bytes(self.take()?) };
        match self.memo.get(&number) {
            None => Err("it refers to what it did not remember".to_owned()),
            // Remembered before it was filled: the copy here would be empty.
            Some(Value::List(_) | Value::Dict(_)) => Err("it refers twice to one list or dict".to_owned()),
            Some(value) => {
                self.stack.push(value.clone());
                Ok(())
            }
        }
    }

    fn extend_list(&mut self, items: Vec<Value>) -> Result<(), String> {
        let Some(Value::List(list)) = self.stack.last_mut() else { return Err("items without a list".to_owned()) };
        list.extend(items);
        Ok(())
    }

    fn extend_dict(&mut self, items: Vec<Value>) -> Result<(), String> {
        let Some(Value::Dict(dict)) = self.stack.last_mut() else { return Err("items without a dict".to_owned()) };
        let mut items = items.into_iter();
        while let Some(key) = items.next() {
            dict.push((key, items.next().ok_or("a key without a value")?));
        }
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, String> {
        self.stack.pop().ok_or_else(|| "it takes more values than it gives".to_owned())
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, String> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len()).ok_or("an end without a beginning")?;
        Ok(self.stack.split_off(mark))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        Ok(self.slice(N)?.try_into().expect("a slice of the length that was asked for"))
    }

    fn slice(&mut self, length: usize) -> Result<&[u8], String> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len()).ok_or("it ends too early")?;
        let slice = &self.bytes[self.at..end];
        self.at = end;
        Ok(slice)
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\n').ok_or("it ends too early")?;
        let line = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length + 1;
        Ok(line)
    }
}

fn known(module: &str, name: &str) -> Result<Name, String> {
    let storage = name.strip_suffix("Storage").and_then(Dtype::of_storage).map(Name::Storage);
    match (module, name) {
        ("collections", "OrderedDict") => Ok(Name::OrderedDict),
        ("torch._utils", "_rebuild_tensor_v2") => Ok(Name::RebuildTensor),
        ("torch._utils", "_rebuild_parameter") => Ok(Name::RebuildParameter),
        ("torch", _) if storage.is_some() => Ok(storage.expect("a type of numbers")),
        _ => Err(format!(
            "it would run `{module}.{name}`, and nothing of a file is run here; write the state dict alone: \
             torch.save(model.state_dict(), FILE)"
        )),
    }
}

/// `('storage', type, key, device, count, ...)`.
fn storage(id: Value) -> Result<Storage, String> {
    let Value::Tuple(parts) = id else { return Err("a storage without a description".to_owned()) };
    match parts.as_slice() {
        [Value::Text(kind), Value::Name(Name::Storage(dtype)), Value::Text(key), ..] if kind == "storage" => {
            if !matches!(parts.get(5), None | Some(Value::None)) {
                return Err("a storage that is a part of another".to_owned());
            }
            Ok(Storage { key: key.clone(), dtype: *dtype })
        }
        _ => Err("a storage without a description".to_owned()),
    }
}

/// What calling a known name gives.
fn made(name: &Value, arguments: Value) -> Result<Value, String> {
    let Value::Tuple(arguments) = arguments else { return Err("a call without arguments".to_owned()) };
    match (name, arguments.as_slice()) {
        (Value::Name(Name::OrderedDict), []) => Ok(Value::Dict(Vec::new())),
        (Value::Name(Name::RebuildParameter), [tensor @ Value::Tensor(_), ..]) => Ok(tensor.clone()),
        (
            Value::Name(Name::RebuildTensor),
            [Value::Storage(storage), Value::Int(offset), Value::Tuple(shape), Value::Tuple(strides), ..],
        ) => {
            let size = |value: &Value| match value {
                Value::Int(number) => usize::try_from(*number).map_err(|_| "a size below 0".to_owned()),
                _ => Err("a size that is no number".to_owned()),
            };
            Ok(Value::Tensor(View {
                storage: storage.clone(),
                offset: size(&Value::Int(*offset))?,
                shape: shape.iter().map(size).collect::<Result<_, _>>()?,
                strides: strides.iter().map(size).collect::<Result<_, _>>()?,
            }))
        }
        _ => Err("it calls a known name with other arguments than PyTorch does".to_owned()),
    }
}
