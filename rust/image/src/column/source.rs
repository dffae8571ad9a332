//! The cells of an image column, for all Arrow types.

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, Int32Array, LargeBinaryArray, LargeStringArray, StringArray,
    StringViewArray, StructArray,
};
use arrow_schema::{DataType, Schema};
use mmlrs_core::{Error, Result, types};

use crate::image::ImageView;

/// A binary array of any Arrow width.
#[derive(Debug, Clone)]
enum Bytes {
    Binary(BinaryArray),
    Large(LargeBinaryArray),
    View(BinaryViewArray),
}

/// A string array of any Arrow width.
#[derive(Debug, Clone)]
enum Text {
    Utf8(StringArray),
    Large(LargeStringArray),
    View(StringViewArray),
}

#[derive(Debug, Clone)]
enum Cells {
    Encoded { bytes: Bytes },
    Decoded(Box<Structs>),
}

/// The fields of image structs.
#[derive(Debug, Clone)]
struct Structs {
    height: Int32Array,
    width: Int32Array,
    channels: Int32Array,
    mode: Int32Array,
    data: Bytes,
}

/// Cells and origins.
#[derive(Debug, Clone)]
pub struct Source {
    /// The array with the nulls of the rows.
    rows: ArrayRef,
    cells: Cells,
    origins: Option<Text>,
}

/// One cell.
#[derive(Debug, Clone, Copy)]
pub enum Cell<'a> {
    Null,
    Encoded(&'a [u8]),
    Decoded(ImageView<'a>),
}

impl Bytes {
    fn new(array: &ArrayRef) -> Option<Self> {
        match array.data_type() {
            DataType::Binary => Some(Self::Binary(array.as_binary().clone())),
            DataType::LargeBinary => Some(Self::Large(array.as_binary().clone())),
            DataType::BinaryView => Some(Self::View(array.as_binary_view().clone())),
            _ => None,
        }
    }

    fn get(&self, row: usize) -> Option<&[u8]> {
        match self {
            Self::Binary(a) => a.is_valid(row).then(|| a.value(row)),
            Self::Large(a) => a.is_valid(row).then(|| a.value(row)),
            Self::View(a) => a.is_valid(row).then(|| a.value(row)),
        }
    }
}

impl Text {
    fn new(array: &ArrayRef) -> Option<Self> {
        match array.data_type() {
            DataType::Utf8 => Some(Self::Utf8(array.as_string().clone())),
            DataType::LargeUtf8 => Some(Self::Large(array.as_string().clone())),
            DataType::Utf8View => Some(Self::View(array.as_string_view().clone())),
            _ => None,
        }
    }

    fn get(&self, row: usize) -> Option<&str> {
        match self {
            Self::Utf8(a) => a.is_valid(row).then(|| a.value(row)),
            Self::Large(a) => a.is_valid(row).then(|| a.value(row)),
            Self::View(a) => a.is_valid(row).then(|| a.value(row)),
        }
    }
}

impl Source {
    /// The cells of the column `name`.
    pub fn new(name: &str, array: &ArrayRef, origins: Option<&ArrayRef>) -> Result<Self> {
        let data_type = array.data_type();
        let refused = || wrong_type(name, data_type);
        let (cells, own_origins) = if types::is_binary(data_type) {
            (Cells::Encoded { bytes: Bytes::new(array).ok_or_else(refused)? }, None)
        } else if types::is_binary_file(data_type) {
            let file = array.as_struct();
            let bytes = Bytes::new(file.column(1)).ok_or_else(refused)?;
            (Cells::Encoded { bytes }, Text::new(file.column(0)))
        } else if types::is_image(data_type) {
            let image = array.as_struct();
            (decoded(image).ok_or_else(refused)?, image.column_by_name("origin").and_then(Text::new))
        } else {
            return Err(refused());
        };
        let source = Self { rows: array.clone(), cells, origins: own_origins };
        origins.map_or(Ok(source.clone()), |origins| source.with_origins(origins))
    }

    /// The same cells with origins from another column.
    pub fn with_origins(&self, origins: &ArrayRef) -> Result<Self> {
        let text = Text::new(origins).ok_or_else(|| {
            Error::param(
                "originCol",
                format!("must name a string column, got {}", types::type_name(origins.data_type())),
            )
        })?;
        if origins.len() != self.len() {
            return Err(Error::param("originCol", format!("has {} rows, expected {}", origins.len(), self.len())));
        }
        Ok(Self { origins: Some(text), ..self.clone() })
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn origin(&self, row: usize) -> Option<&str> {
        self.origins.as_ref()?.get(row).filter(|o| !o.is_empty())
    }

    /// The cell of a row. A struct without an image is an error.
    pub fn cell(&self, row: usize) -> Result<Cell<'_>> {
        if self.rows.is_null(row) {
            return Ok(Cell::Null);
        }
        match &self.cells {
            Cells::Encoded { bytes } => Ok(bytes.get(row).map_or(Cell::Null, Cell::Encoded)),
            Cells::Decoded(structs) => {
                let Structs { height, width, channels, mode, data } = structs.as_ref();
                let value = |array: &Int32Array| if array.is_valid(row) { array.value(row) } else { -1 };
                let (height, width, channels, mode) = (value(height), value(width), value(channels), value(mode));
                let data = data.get(row).unwrap_or_default();
                image(height, width, channels, mode, data).map(Cell::Decoded)
            }
        }
    }
}

fn decoded(image: &StructArray) -> Option<Cells> {
    let int = |name| image.column_by_name(name)?.as_primitive_opt::<Int32Type>().cloned();
    Some(Cells::Decoded(Box::new(Structs {
        height: int("height")?,
        width: int("width")?,
        channels: int("nChannels")?,
        mode: int("mode")?,
        data: Bytes::new(image.column_by_name("data")?)?,
    })))
}

/// Spark's own reader marks a file that is not an image with -1 in all fields and no data.
fn image(height: i32, width: i32, channels: i32, mode: i32, data: &[u8]) -> Result<ImageView<'_>> {
    let sizes = (usize::try_from(height), usize::try_from(width), usize::try_from(channels));
    let (Ok(height), Ok(width), Ok(channels)) = sizes else {
        return Err(Error::decode("the image struct is marked as not decodable"));
    };
    if mode < 0 || data.is_empty() {
        return Err(Error::decode("the image struct has no pixels"));
    }
    if ![0, 16, 24].contains(&mode) {
        return Err(Error::decode(format!(
            "image mode {mode} is not supported; the supported modes are 0 (gray), 16 (BGR) and 24 (BGRA), each of 8 bits"
        )));
    }
    ImageView::new(height, width, channels, data)
}

/// Whether a column of this type can hold images.
pub fn accepted_input(data_type: &DataType) -> bool {
    types::is_image(data_type) || types::is_binary(data_type) || types::is_binary_file(data_type)
}

/// Returns an error unless the schema has the column and it can hold images.
pub fn check_image_input(schema: &Schema, name: &str) -> Result<()> {
    let field = types::field_of(schema, name)?;
    if accepted_input(field.data_type()) { Ok(()) } else { Err(wrong_type(name, field.data_type())) }
}

/// The error for a column that cannot hold images.
pub fn wrong_type(name: &str, data_type: &DataType) -> Error {
    Error::schema(
        name,
        format!(
            "must be an image struct (origin, height, width, nChannels, mode, data), encoded bytes, or struct(path, \
             bytes), got {}",
            types::type_name(data_type)
        ),
    )
}
