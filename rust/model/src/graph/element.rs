//! The element types of tensors, and the Arrow type of each.

use arrow_schema::DataType;
use ort::value::TensorElementType;

/// The element type of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    /// 16-bit float
    F16,
    /// 16-bit brain float
    Bf16,
    /// 32-bit float
    F32,
    /// 64-bit float
    F64,
    /// 8-bit integer
    I8,
    /// 16-bit integer
    I16,
    /// 32-bit integer
    I32,
    /// 64-bit integer
    I64,
    /// 8-bit unsigned integer
    U8,
    /// 16-bit unsigned integer
    U16,
    /// 32-bit unsigned integer
    U32,
    /// 64-bit unsigned integer
    U64,
    /// true or false
    Bool,
    /// string
    Str,
}

/// `(element, ONNX TensorProto.DataType, name)`; the names are those of `NumPy`.
const TABLE: [(Element, i32, &str); 14] = [
    (Element::F32, 1, "float32"),
    (Element::U8, 2, "uint8"),
    (Element::I8, 3, "int8"),
    (Element::U16, 4, "uint16"),
    (Element::I16, 5, "int16"),
    (Element::I32, 6, "int32"),
    (Element::I64, 7, "int64"),
    (Element::Str, 8, "string"),
    (Element::Bool, 9, "bool"),
    (Element::F16, 10, "float16"),
    (Element::F64, 11, "float64"),
    (Element::U32, 12, "uint32"),
    (Element::U64, 13, "uint64"),
    (Element::Bf16, 16, "bfloat16"),
];

/// ONNX types that are not supported: `(TensorProto.DataType, its name)`.
const OTHERS: [(i32, &str); 12] = [
    (14, "COMPLEX64"),
    (15, "COMPLEX128"),
    (17, "FLOAT8E4M3FN"),
    (18, "FLOAT8E4M3FNUZ"),
    (19, "FLOAT8E5M2"),
    (20, "FLOAT8E5M2FNUZ"),
    (21, "UINT4"),
    (22, "INT4"),
    (23, "FLOAT4E2M1"),
    (24, "FLOAT8E8M0"),
    (25, "UINT2"),
    (26, "INT2"),
];

/// The name of a tensor with an unsupported element type.
pub fn unreadable(data_type: i32) -> String {
    match OTHERS.iter().find(|(code, _)| *code == data_type) {
        Some((_, name)) => format!("tensor of {name}"),
        None => format!("tensor of ONNX type {data_type}"),
    }
}

impl Element {
    /// From an ONNX `TensorProto.DataType`.
    pub fn from_onnx(data_type: i32) -> Option<Self> {
        TABLE.iter().find(|(_, code, _)| *code == data_type).map(|(element, ..)| *element)
    }

    /// The ONNX `TensorProto.DataType`.
    pub fn onnx(self) -> i32 {
        TABLE.iter().find(|(element, ..)| *element == self).map_or(0, |(_, code, _)| *code)
    }

    /// The element type of a tensor of the runtime.
    pub fn from_runtime(ty: TensorElementType) -> Option<Self> {
        Some(match ty {
            TensorElementType::Float32 => Self::F32,
            TensorElementType::Float64 => Self::F64,
            TensorElementType::Float16 => Self::F16,
            TensorElementType::Bfloat16 => Self::Bf16,
            TensorElementType::Int8 => Self::I8,
            TensorElementType::Int16 => Self::I16,
            TensorElementType::Int32 => Self::I32,
            TensorElementType::Int64 => Self::I64,
            TensorElementType::Uint8 => Self::U8,
            TensorElementType::Uint16 => Self::U16,
            TensorElementType::Uint32 => Self::U32,
            TensorElementType::Uint64 => Self::U64,
            TensorElementType::Bool => Self::Bool,
            TensorElementType::String => Self::Str,
            _ => return None,
        })
    }

    /// Its name in `NumPy`.
    pub fn name(self) -> &'static str {
        TABLE.iter().find(|(element, ..)| *element == self).map_or("", |(.., name)| name)
    }

    /// The type from its name in `NumPy`.
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|(.., n)| *n == name).map(|(element, ..)| *element)
    }

    /// The Arrow type to which values are cast before they are written to a tensor. Brain floats are converted through
    /// `Float32`.
    pub fn input_type(self) -> DataType {
        match self {
            Self::F16 => DataType::Float16,
            Self::Bf16 | Self::F32 => DataType::Float32,
            Self::F64 => DataType::Float64,
            Self::I8 => DataType::Int8,
            Self::I16 => DataType::Int16,
            Self::I32 => DataType::Int32,
            Self::I64 => DataType::Int64,
            Self::U8 => DataType::UInt8,
            Self::U16 => DataType::UInt16,
            Self::U32 => DataType::UInt32,
            Self::U64 => DataType::UInt64,
            Self::Bool => DataType::Boolean,
            Self::Str => DataType::Utf8,
        }
    }

    /// The Arrow type of values read from a tensor: one that Spark supports, wide enough for every value except 64-bit unsigned
    /// integers of 2^63 or more.
    pub fn output_type(self) -> DataType {
        match self {
            Self::F16 | Self::Bf16 | Self::F32 => DataType::Float32,
            Self::F64 => DataType::Float64,
            Self::I8 => DataType::Int8,
            Self::I16 | Self::U8 => DataType::Int16,
            Self::I32 | Self::U16 => DataType::Int32,
            Self::I64 | Self::U32 | Self::U64 => DataType::Int64,
            Self::Bool => DataType::Boolean,
            Self::Str => DataType::Utf8,
        }
    }

    /// Whether values of this type can be read as floats.
    pub fn is_number(self) -> bool {
        !matches!(self, Self::Bool | Self::Str)
    }

    /// Whether it is an integer type.
    pub fn is_integer(self) -> bool {
        self.is_number() && !self.is_float()
    }

    /// Whether it is a float type of any width.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::Bf16 | Self::F32 | Self::F64)
    }

    /// Bytes of one value in memory; 0 for strings.
    pub fn width(self) -> usize {
        match self {
            Self::Str => 0,
            Self::I8 | Self::U8 | Self::Bool => 1,
            Self::F16 | Self::Bf16 | Self::I16 | Self::U16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_cannot_be_read_goes_by_its_name() {
        assert_eq!(unreadable(17), "tensor of FLOAT8E4M3FN");
        assert_eq!(unreadable(22), "tensor of INT4");
        assert_eq!(unreadable(99), "tensor of ONNX type 99");
        assert!(OTHERS.iter().all(|(code, _)| Element::from_onnx(*code).is_none()));
    }

    #[test]
    fn every_element_has_one_row_and_comes_back_from_its_code_and_its_name() {
        for (element, code, name) in TABLE {
            assert_eq!(Element::from_onnx(code), Some(element));
            assert_eq!(Element::from_name(name), Some(element));
            assert_eq!((element.onnx(), element.name()), (code, name));
        }
    }
}
