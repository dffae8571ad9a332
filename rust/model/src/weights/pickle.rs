//! A reader of the pickles in weight files. It builds numbers, texts, tuples, lists, maps and tensors, and nothing else: a pickle
//! names functions to call, and this reader knows two, neither of which runs code of the file.

use std::collections::HashMap;

use mmlrs_core::{Error, Result};

/// Maximum number of values of a pickle. That of a network has a few thousand.
const MAX_VALUES: usize = 4_000_000;

/// The position of a value in its pickle.
pub type Id = usize;

/// A value. Values refer to others by their position, so that nested ones cannot exhaust the stack.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// An integer of more than 64 bits, in little-endian bytes.
    Long(Vec<u8>),
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Map(Vec<(Id, Id)>),
    /// `torch._utils._rebuild_tensor_v2` or `collections.OrderedDict`.
    Function(Function),
    /// A type of storages, such as `FloatStorage`.
    StorageType(String),
    Storage {
        kind: String,
        key: String,
        len: usize,
    },
    Tensor(Tensor),
}

/// The functions that a pickle of weights calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    RebuildTensor,
    OrderedDict,
}

/// A view of a storage. Sizes and strides are numbers of elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    pub storage: Id,
    pub offset: usize,
    pub sizes: Vec<usize>,
    pub strides: Vec<usize>,
}

/// A pickle that was read.
#[derive(Debug)]
pub struct Pickle {
    values: Vec<Value>,
    root: Id,
}

impl Pickle {
    /// The outermost value.
    pub fn root(&self) -> &Value {
        &self.values[self.root]
    }

    /// A value by its position.
    pub fn value(&self, id: Id) -> &Value {
        &self.values[id]
    }

    /// All values.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.values.iter()
    }

    /// Reads a pickle from the start of `input`, and moves `input` behind it.
    pub fn read(input: &mut &[u8]) -> Result<Self> {
        let mut machine =
            Machine { input, values: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
        loop {
            if let Some(root) = machine.step()? {
                return Ok(Self { values: machine.values, root });
            }
        }
    }
}

/// Runs the opcodes of a pickle of protocol 2.
struct Machine<'a, 'b> {
    input: &'a mut &'b [u8],
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

fn damaged(cause: &str) -> Error {
    Error::model(format!("the weights are damaged: {cause}"))
}

impl Machine<'_, '_> {
    fn take(&mut self, len: usize) -> Result<&[u8]> {
        let (head, rest) = self.input.split_at_checked(len).ok_or_else(|| damaged("they end early"))?;
        *self.input = rest;
        Ok(head)
    }

    fn number(&mut self, bytes: usize) -> Result<u32> {
        let bytes = self.take(bytes)?;
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn line(&mut self) -> Result<String> {
        let end = self.input.iter().position(|byte| *byte == b'\n').ok_or_else(|| damaged("they end early"))?;
        let line = String::from_utf8_lossy(self.take(end)?).into_owned();
        self.take(1)?;
        Ok(line)
    }

    fn push(&mut self, value: Value) -> Result<()> {
        if self.values.len() >= MAX_VALUES {
            return Err(Error::limit(format!("the weights hold more than {MAX_VALUES} values")));
        }
        self.stack.push(self.values.len());
        self.values.push(value);
        Ok(())
    }

    fn top(&self) -> Result<Id> {
        self.stack.last().copied().ok_or_else(|| damaged("an operation lacks its operand"))
    }

    fn pop(&mut self) -> Result<Id> {
        // Values before a mark belong to what the mark opened.
        if self.marks.last().is_some_and(|mark| *mark >= self.stack.len()) {
            return Err(damaged("an operation lacks its operand"));
        }
        self.stack.pop().ok_or_else(|| damaged("an operation lacks its operand"))
    }

    fn pop_some(&mut self, count: usize) -> Result<Vec<Id>> {
        let mut ids = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>>>()?;
        ids.reverse();
        Ok(ids)
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>> {
        let mark = self.marks.pop().ok_or_else(|| damaged("a mark is missing"))?;
        if mark > self.stack.len() {
            return Err(damaged("a mark is missing"));
        }
        Ok(self.stack.split_off(mark))
    }

    /// Runs one operation, and returns the outermost value at the end.
    fn step(&mut self) -> Result<Option<Id>> {
        let code = self.take(1)?[0];
        match code {
            0x80 => {
                let version = self.number(1)?;
                if version != 2 {
                    return Err(Error::model(format!("the weights use version {version} of pickle, expected 2")));
                }
            }
            b'.' => return self.pop().map(Some),
            b'(' => self.marks.push(self.stack.len()),
            b'N' => self.push(Value::None)?,
            0x88 | 0x89 => self.push(Value::Bool(code == 0x88))?,
            b'K' => self.integer(1)?,
            b'M' => self.integer(2)?,
            b'J' => {
                let number = self.number(4)?.cast_signed();
                self.push(Value::Int(number.into()))?;
            }
            0x8a => self.long()?,
            b'X' => {
                let len = self.number(4)? as usize;
                let text = std::str::from_utf8(self.take(len)?).map_err(|_| damaged("a text is not UTF-8"))?.to_owned();
                self.push(Value::Text(text))?;
            }
            b')' => self.push(Value::Tuple(Vec::new()))?,
            b']' => self.push(Value::List(Vec::new()))?,
            b'}' => self.push(Value::Map(Vec::new()))?,
            b't' => {
                let items = self.pop_mark()?;
                self.push(Value::Tuple(items))?;
            }
            0x85..=0x87 => {
                let items = self.pop_some(usize::from(code - 0x84))?;
                self.push(Value::Tuple(items))?;
            }
            b'q' | b'r' => {
                let index = self.number(if code == b'q' { 1 } else { 4 })?;
                let top = self.top()?;
                self.memo.insert(index, top);
            }
            b'h' | b'j' => {
                let index = self.number(if code == b'h' { 1 } else { 4 })?;
                let id = self.memo.get(&index).copied().ok_or_else(|| damaged("they refer to a missing value"))?;
                self.stack.push(id);
            }
            b'a' | b'e' => {
                let items = if code == b'a' { self.pop_some(1)? } else { self.pop_mark()? };
                self.append(items)?;
            }
            b's' | b'u' => {
                let items = if code == b's' { self.pop_some(2)? } else { self.pop_mark()? };
                self.insert(&items)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                let value = global(&module, &name)?;
                self.push(value)?;
            }
            b'Q' => self.storage()?,
            b'R' => self.call()?,
            b'b' => {
                // The attributes of a map, such as the versions of layers.
                self.pop()?;
                let target = self.top()?;
                if !matches!(self.values[target], Value::Map(_)) {
                    return Err(damaged("attributes are set on a value that has none"));
                }
            }
            _ => {
                return Err(Error::model(format!(
                    "the weights use operation {code:#04x} of pickle, which is not allowed"
                )));
            }
        }
        Ok(None)
    }

    fn integer(&mut self, bytes: usize) -> Result<()> {
        let number = self.number(bytes)?;
        self.push(Value::Int(number.into()))
    }

    fn long(&mut self) -> Result<()> {
        let len = self.number(1)? as usize;
        let bytes = self.take(len)?;
        let value = match bytes.len() {
            0 => Value::Int(0),
            1..=8 => {
                let negative = bytes[len - 1] >= 0x80;
                let mut full = [if negative { 0xff } else { 0 }; 8];
                full[..len].copy_from_slice(bytes);
                Value::Int(i64::from_le_bytes(full))
            }
            _ => Value::Long(bytes.to_vec()),
        };
        self.push(value)
    }

    fn append(&mut self, items: Vec<Id>) -> Result<()> {
        let target = self.top()?;
        match &mut self.values[target] {
            Value::List(list) => {
                list.extend(items);
                Ok(())
            }
            _ => Err(damaged("items are added to a value that is not a list")),
        }
    }

    fn insert(&mut self, items: &[Id]) -> Result<()> {
        let target = self.top()?;
        match &mut self.values[target] {
            Value::Map(map) if items.len().is_multiple_of(2) => {
                map.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
                Ok(())
            }
            _ => Err(damaged("entries are added to a value that is not a map")),
        }
    }

    /// Makes a storage of ("storage", type, key, device, length, view).
    fn storage(&mut self) -> Result<()> {
        let id = self.pop()?;
        let Value::Tuple(parts) = &self.values[id] else { return Err(damaged("a storage has no description")) };
        let parts: Vec<&Value> = parts.iter().map(|part| &self.values[*part]).collect();
        let (kind, key, len) = match parts[..] {
            [
                Value::Text(what),
                Value::StorageType(kind),
                Value::Text(key),
                Value::Text(_),
                Value::Int(len),
                Value::None,
            ] if what == "storage" => (kind.clone(), key.clone(), *len),
            _ => return Err(damaged("a storage has an unknown description")),
        };
        let len = usize::try_from(len).map_err(|_| damaged("a storage has a negative length"))?;
        self.push(Value::Storage { kind, key, len })
    }

    fn call(&mut self) -> Result<()> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let Value::Tuple(arguments) = &self.values[arguments] else { return Err(damaged("a call has no arguments")) };
        let value = match self.values[function] {
            Value::Function(Function::OrderedDict) if arguments.is_empty() => Value::Map(Vec::new()),
            Value::Function(Function::RebuildTensor) if arguments.len() >= 4 => Value::Tensor(Tensor {
                storage: arguments[0],
                offset: self.size(arguments[1])?,
                sizes: self.sizes(arguments[2])?,
                strides: self.sizes(arguments[3])?,
            }),
            _ => return Err(damaged("a call is not one of a tensor")),
        };
        self.push(value)
    }

    fn size(&self, id: Id) -> Result<usize> {
        match &self.values[id] {
            Value::Int(number) => usize::try_from(*number).map_err(|_| damaged("a tensor has a negative size")),
            _ => Err(damaged("a tensor has a size that is no number")),
        }
    }

    fn sizes(&self, id: Id) -> Result<Vec<usize>> {
        match &self.values[id] {
            Value::Tuple(items) => items.iter().map(|item| self.size(*item)).collect(),
            _ => Err(damaged("a tensor has no sizes")),
        }
    }
}

/// The value of a name that a pickle imports.
fn global(module: &str, name: &str) -> Result<Value> {
    Ok(match (module, name) {
        ("collections", "OrderedDict") => Value::Function(Function::OrderedDict),
        ("torch._utils", "_rebuild_tensor_v2") => Value::Function(Function::RebuildTensor),
        ("torch", _) if name.ends_with("Storage") => Value::StorageType(name.to_owned()),
        _ => {
            return Err(Error::model(format!(
                "the weights refer to `{module}.{name}`; a file of weights holds tensors only, and nothing of it was run"
            )));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(bytes: &[u8]) -> String {
        Pickle::read(&mut &bytes[..]).err().map(|e| e.to_string()).unwrap_or_default()
    }

    /// A value as text, with those that it refers to.
    fn text(pickle: &Pickle, value: &Value) -> String {
        let items = |ids: &[Id]| ids.iter().map(|id| text(pickle, pickle.value(*id))).collect::<Vec<_>>().join(", ");
        match value {
            Value::Tuple(ids) => format!("({})", items(ids)),
            Value::List(ids) => format!("[{}]", items(ids)),
            Value::Map(entries) => {
                let entry = |(key, value): &(Id, Id)| items(&[*key, *value]).replacen(", ", ": ", 1);
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn lists_maps_and_numbers_are_read() -> Result<()> {
        // {"a": [1, -2], "b": (2**70, None)}
        let bytes = b"\x80\x02}q\x00(X\x01\x00\x00\x00a]q\x01(K\x01J\xfe\xff\xff\xffeX\x01\x00\x00\x00b\x8a\x09\
            \x00\x00\x00\x00\x00\x00\x00\x00\x40N\x86u.rest";
        let mut input = &bytes[..];
        let pickle = Pickle::read(&mut input)?;
        assert_eq!(input, b"rest");
        assert_eq!(
            text(&pickle, pickle.root()),
            r#"{Text("a"): [Int(1), Int(-2)], Text("b"): (Long([0, 0, 0, 0, 0, 0, 0, 0, 64]), None)}"#
        );
        Ok(())
    }

    #[test]
    fn functions_other_than_those_of_tensors_are_refused() {
        // os.system("true") as the modules of pickle write it.
        assert!(refused(b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R.").contains("`posix.system`"));
        assert!(refused(b"\x80\x02cbuiltins\neval\n)R.").contains("`builtins.eval`"));
        assert!(refused(b"\x80\x02ctorch\nload\n)R.").contains("`torch.load`"));
        // A storage type is no function.
        assert!(refused(b"\x80\x02ctorch\nFloatStorage\n)R.").contains("not one of a tensor"));
    }

    #[test]
    fn damaged_pickles_are_errors_and_never_panics() {
        for bytes in [
            &b""[..],
            b"\x80",
            b"\x80\x05.",
            b".",
            b"K",
            b"e.",
            b"(e.",
            b"]K\x01s.",
            b"h\x01.",
            b"Q.",
            b"R.",
            b"b.",
            b"q\x00",
            b"X\xff\xff\xff\xffa",
            b"K\x01(a.",
            b"cposix",
            b"(K\x01\x85\x85\x85",
            b"\x8a\x05\x01.",
            b"i",
            b"(",
        ] {
            assert!(!refused(bytes).is_empty(), "{bytes:?}");
        }
    }

    #[test]
    fn deep_nesting_does_not_exhaust_the_stack() -> Result<()> {
        let mut bytes = b"N".to_vec();
        bytes.extend(std::iter::repeat_n(0x85, 1_000_000));
        bytes.push(b'.');
        assert!(matches!(Pickle::read(&mut &bytes[..])?.root(), Value::Tuple(_)));
        Ok(())
    }
}
