//! Reads and writes columns of strings and of lists of strings.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, BinaryViewArray, LargeBinaryArray, ListArray, StringArray};
use arrow_buffer::{NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Schema};
use mmlrs_core::{Error, HandleInvalid, Rejects, Result, types};

/// Strings of any Arrow width. Bytes that are not UTF-8, which a JVM can send, are read as U+FFFD, as the JVM reads them.
#[derive(Debug, Clone)]
pub struct Texts(Width);

#[derive(Debug, Clone)]
enum Width {
    Small(BinaryArray),
    Large(LargeBinaryArray),
    View(BinaryViewArray),
}

impl Texts {
    /// A view of a column.
    pub fn new(column: &str, array: &ArrayRef) -> Result<Self> {
        Ok(Self(match array.data_type() {
            DataType::Utf8 => Width::Small(array.as_string::<i32>().clone().into()),
            DataType::LargeUtf8 => Width::Large(array.as_string::<i64>().clone().into()),
            DataType::Utf8View => Width::View(array.as_string_view().clone().to_binary_view()),
            other => {
                return Err(Error::schema(column, format!("has type {}; expected string", types::type_name(other))));
            }
        }))
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match &self.0 {
            Width::Small(array) => array.len(),
            Width::Large(array) => array.len(),
            Width::View(array) => array.len(),
        }
    }

    /// True when there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn bytes(&self, row: usize) -> Option<&[u8]> {
        match &self.0 {
            Width::Small(array) => array.is_valid(row).then(|| array.value(row)),
            Width::Large(array) => array.is_valid(row).then(|| array.value(row)),
            Width::View(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }

    /// Whether the row is null.
    pub fn is_null(&self, row: usize) -> bool {
        self.bytes(row).is_none()
    }

    /// The string of a row; None if it is null.
    #[inline]
    pub fn row(&self, row: usize) -> Option<Cow<'_, str>> {
        self.bytes(row).map(|bytes| match str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(repaired(bytes)),
        })
    }
}

/// The string with U+FFFD for each malformed sequence. As in Java, and unlike in `String::from_utf8_lossy`, an encoded
/// surrogate is a single such sequence.
fn repaired(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        let error = match str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                return text;
            }
            Err(error) => error,
        };
        let (valid, malformed) = rest.split_at(error.valid_up_to());
        text.push_str(str::from_utf8(valid).unwrap_or_default());
        text.push(char::REPLACEMENT_CHARACTER);
        let length = match malformed {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..] => 3,
            _ => error.error_len().unwrap_or(malformed.len()),
        };
        rest = &malformed[length..];
    }
}

/// Lists of strings of any Arrow width.
#[derive(Debug, Clone)]
pub struct TextLists {
    ranges: Vec<Range<usize>>,
    nulls: Option<NullBuffer>,
    values: Texts,
}

impl TextLists {
    /// A view of a column.
    pub fn new(column: &str, array: &ArrayRef) -> Result<Self> {
        let pairs = |offsets: &[i64]| offsets.windows(2).map(|w| w[0] as usize..w[1] as usize).collect();
        let (ranges, values): (Vec<_>, _) = match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                let offsets: Vec<i64> = list.value_offsets().iter().map(|o| i64::from(*o)).collect();
                (pairs(&offsets), list.values())
            }
            DataType::LargeList(_) => (pairs(array.as_list::<i64>().value_offsets()), array.as_list::<i64>().values()),
            DataType::FixedSizeList(_, size) => {
                let size = *size as usize;
                let ranges = (0..array.len()).map(|row| row * size..(row + 1) * size).collect();
                (ranges, array.as_fixed_size_list().values())
            }
            other => {
                return Err(Error::schema(
                    column,
                    format!("has type {}; expected array<string>", types::type_name(other)),
                ));
            }
        };
        Ok(Self { ranges, nulls: array.nulls().cloned(), values: Texts::new(column, values)? })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// True when there are no rows.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether the row is null.
    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// The strings of a row, including nulls; None if the row is null.
    pub fn row(&self, row: usize) -> Option<impl Iterator<Item = Option<Cow<'_, str>>>> {
        (!self.is_null(row)).then(|| self.ranges[row].clone().map(|i| self.values.row(i)))
    }
}

/// Whether this is a list of strings.
pub fn is_text_list(data_type: &DataType) -> bool {
    matches!(data_type, DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)
        if types::is_text(item.data_type()))
}

/// Returns an error if a column is not a list of strings.
pub fn check_text_list(column: &str, input: &Schema) -> Result<()> {
    let field = input.field_with_name(column)?;
    if is_text_list(field.data_type()) {
        return Ok(());
    }
    Err(Error::schema(column, "is not an array<string>"))
}

/// The type of a list of strings that a stage writes.
pub fn text_list_type() -> DataType {
    DataType::List(Arc::new(Field::new("element", DataType::Utf8, true)))
}

/// Rejects the null rows, or returns an error for the first one, depending on the policy.
pub fn reject_nulls(
    column: &str,
    rows: usize,
    policy: HandleInvalid,
    is_null: impl Fn(usize) -> bool,
) -> Result<Rejects> {
    let mut rejects = Rejects::new(policy);
    for row in (0..rows).filter(|row| is_null(*row)) {
        rejects.reject(row, Error::decode("is null").at_column(column))?;
    }
    Ok(rejects)
}

/// Writes a column of strings.
#[derive(Debug, Default)]
pub struct TextWriter {
    bytes: String,
    ends: Vec<usize>,
}

impl TextWriter {
    /// The buffer for the string of the current row.
    pub fn text(&mut self) -> &mut String {
        &mut self.bytes
    }

    /// Ends a string: the text written since the last one.
    pub fn end(&mut self) {
        self.ends.push(self.bytes.len());
    }

    /// Returns an error once there are more bytes than a column can hold, for writers whose output may be much longer than
    /// their input.
    pub fn check(&self) -> Result<()> {
        if i32::try_from(self.bytes.len()).is_err() {
            return Err(Error::batch_too_large("the strings", "bytes"));
        }
        Ok(())
    }

    /// Number of strings.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The column. Strings that `nulls` marks as null must be empty.
    pub fn finish(self, nulls: Option<NullBuffer>) -> Result<StringArray> {
        Ok(StringArray::try_new(offsets(&self.ends)?, self.bytes.into_bytes().into(), nulls)?)
    }
}

/// Writes a column of lists of strings.
#[derive(Debug)]
pub struct TextListWriter {
    /// The strings of the lists, one after the other.
    pub texts: TextWriter,
    ends: Vec<usize>,
    nulls: NullBufferBuilder,
}

impl TextListWriter {
    /// An empty column with room for `rows`.
    pub fn with_capacity(rows: usize) -> Self {
        Self { texts: TextWriter::default(), ends: Vec::with_capacity(rows), nulls: NullBufferBuilder::new(rows) }
    }

    /// Ends a list: the strings written since the last one, or null.
    pub fn end(&mut self, valid: bool) {
        self.ends.push(self.texts.len());
        self.nulls.append(valid);
    }

    /// The column.
    pub fn finish(mut self) -> Result<ListArray> {
        let DataType::List(item) = text_list_type() else { return Err(Error::runtime("the type must be a list")) };
        let offsets = offsets(&self.ends)?;
        Ok(ListArray::try_new(item, offsets, Arc::new(self.texts.finish(None)?), self.nulls.finish())?)
    }
}

fn offsets(ends: &[usize]) -> Result<OffsetBuffer<i32>> {
    if ends.last().is_some_and(|last| i32::try_from(*last).is_err()) {
        return Err(Error::batch_too_large("the strings", "bytes"));
    }
    let offsets: Vec<i32> = std::iter::once(0).chain(ends.iter().map(|end| *end as i32)).collect();
    Ok(OffsetBuffer::new(ScalarBuffer::from(offsets)))
}

#[cfg(test)]
mod tests {
    use arrow_array::{LargeStringArray, StringViewArray};

    use super::*;

    #[test]
    fn texts_of_every_width_are_read() -> Result<()> {
        let rows = [Some("a"), None, Some("a text that does not fit into a view")];
        let arrays: [ArrayRef; 3] = [
            Arc::new(StringArray::from_iter(rows)),
            Arc::new(LargeStringArray::from_iter(rows)),
            Arc::new(StringViewArray::from_iter(rows)),
        ];
        for array in arrays {
            let texts = Texts::new("t", &array.slice(1, 2))?;
            assert_eq!((texts.len(), texts.is_null(0)), (2, true));
            assert_eq!(texts.row(1).as_deref(), rows[2]);
        }
        assert!(Texts::new("t", &(Arc::new(BinaryArray::from_vec(vec![b"a"])) as ArrayRef)).is_err());
        Ok(())
    }

    /// Results of Java 17.
    #[test]
    fn what_is_not_utf8_reads_as_in_java() {
        assert_eq!(repaired(b"a\xffb\xc3 \xe2\x82 c"), "a\u{fffd}b\u{fffd} \u{fffd} c");
        assert_eq!(repaired(b"\xed\xa0\x80\xed\xb0\x80x\xe2\x82"), "\u{fffd}\u{fffd}x\u{fffd}");
        assert_eq!(repaired(b"\xf0\x80\x80"), "\u{fffd}\u{fffd}\u{fffd}");
    }

    #[test]
    fn lists_come_back_as_they_were_written() -> Result<()> {
        let mut writer = TextListWriter::with_capacity(3);
        writer.texts.text().push_str("ab");
        writer.texts.end();
        writer.texts.end();
        writer.end(true);
        writer.end(false);
        writer.end(true);
        let array: ArrayRef = Arc::new(writer.finish()?);
        let lists = TextLists::new("t", &array)?;
        let row = |i| lists.row(i).map(|row| row.flatten().map(Cow::into_owned).collect::<Vec<_>>());
        assert_eq!(row(0), Some(vec!["ab".to_owned(), String::new()]));
        assert_eq!((row(1), row(2)), (None, Some(Vec::new())));
        Ok(())
    }
}
