use std::sync::Arc;

use arrow_array::builder::{Float64Builder, Int64Builder, ListBuilder};
use arrow_array::types::{Float32Type, Float64Type, Int32Type};
use arrow_array::{FixedSizeListArray, Float32Array, Float64Array, Int64Array, LargeListArray, ListArray, StringArray};
use arrow_schema::Field;

use super::*;
use crate::graph::info::ValueKind;

fn info(element: Element, dims: &[usize]) -> ValueInfo {
    let dims = dims.iter().map(|d| if *d == 0 { Dim::Any } else { Dim::Fixed(*d) }).collect();
    ValueInfo { name: "x".into(), kind: ValueKind::Tensor(element, Some(dims)) }
}

fn read(array: impl Array + 'static, info: &ValueInfo) -> InputColumn {
    let array: ArrayRef = Arc::new(array);
    InputColumn::read("c", &array, info).expect("a readable column")
}

fn shape(input: &InputColumn, row: usize) -> Vec<usize> {
    input.shapes[input.row(row).expect("a good row").shape as usize].clone()
}

fn cause(input: &InputColumn, row: usize) -> String {
    input.row(row).err().map(ToString::to_string).unwrap_or_default()
}

fn floats(input: &InputColumn) -> Vec<f32> {
    match &input.leaf {
        Leaf::F32(values) => values.to_vec(),
        other => vec![f32::NAN; usize::from(matches!(other, Leaf::Bool(_)))],
    }
}

#[test]
fn numbers_are_cast_to_the_element_type() {
    let input = read(Int64Array::from(vec![1, 2, 3]), &info(Element::F32, &[0]));
    assert_eq!(floats(&input), [1.0, 2.0, 3.0]);
    let input = read(Float64Array::from(vec![0.0, 2.0]), &info(Element::Bool, &[0]));
    assert!(matches!(&input.leaf, Leaf::Bool(v) if v == &[false, true]));
    let input = read(Float64Array::from(vec![1.5]), &info(Element::F16, &[0]));
    assert!(matches!(&input.leaf, Leaf::F16(v) if v[0] == f16::from_f32(1.5)));
    let input = read(Float64Array::from(vec![1.5]), &info(Element::Bf16, &[0]));
    assert!(matches!(&input.leaf, Leaf::Bf16(v) if v[0] == bf16::from_f32(1.5)));
}

#[test]
fn a_value_out_of_range_is_a_bad_row() {
    let input = read(Int64Array::from(vec![1, 300, -1]), &info(Element::U8, &[0]));
    assert!(input.row(0).is_ok());
    assert!(cause(&input, 1).contains("holds 300, which uint8 cannot hold"), "{}", cause(&input, 1));
    assert!(input.row(2).is_err());
}

#[test]
fn vectors_are_fed_without_a_copy() {
    let values: Vec<f32> = (0..12u8).map(f32::from).collect();
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let array = FixedSizeListArray::new(item, 4, Arc::new(Float32Array::from(values)), None);
    let address = array.values().as_primitive::<Float32Type>().values().as_ptr();
    let input = read(array, &info(Element::F32, &[0, 4]));
    assert!(matches!(&input.leaf, Leaf::F32(v) if v.as_ptr() == address));
    let spans: Vec<Span> = (0..3).map(|r| input.row(r).expect("good")).collect();
    assert_eq!(contiguous(&spans, 4), Some(0));
    assert_eq!(contiguous(&[spans[0], spans[2]], 4), None);
}

#[test]
fn a_slice_of_a_column_reads_its_own_rows() {
    let rows = (0..6).map(|i| Some(vec![Some(i), Some(i)]));
    let array = ListArray::from_iter_primitive::<Int32Type, _, _>(rows);
    let array: ArrayRef = Arc::new(array.slice(4, 2));
    let input = InputColumn::read("c", &array, &info(Element::F32, &[0, 2])).expect("a column");
    assert_eq!(floats(&input), [4.0, 4.0, 5.0, 5.0]);
    let values = Float64Array::from((0..8).map(f64::from).collect::<Vec<_>>());
    let item = Arc::new(Field::new("item", DataType::Float64, true));
    let array: ArrayRef = Arc::new(FixedSizeListArray::new(item, 2, Arc::new(values), None).slice(2, 2));
    let input = InputColumn::read("c", &array, &info(Element::F32, &[0, 2])).expect("a column");
    assert_eq!(floats(&input), [4.0, 5.0, 6.0, 7.0]);
}

#[test]
fn a_flat_array_takes_the_declared_shape() {
    let rows = vec![Some(vec![Some(0.0); 12]), Some(vec![Some(1.0); 11])];
    let array = ListArray::from_iter_primitive::<Float64Type, _, _>(rows);
    let input = read(array.clone(), &info(Element::F32, &[0, 3, 2, 2]));
    assert_eq!(shape(&input, 0), [3, 2, 2]);
    assert!(cause(&input, 1).contains("does not fit the row shape [3, 2, 2] of input `x`"), "{}", cause(&input, 1));
    let open = read(array.clone(), &info(Element::F32, &[0, 3, 0]));
    assert_eq!(shape(&open, 0), [3, 4]);
    let free = read(array, &info(Element::F32, &[0, 0]));
    assert_eq!((shape(&free, 0), shape(&free, 1)), (vec![12], vec![11]));
}

#[test]
fn nested_arrays_give_every_open_dimension() {
    let mut builder = ListBuilder::new(ListBuilder::new(Int64Builder::new()));
    for (rows, columns) in [(2, 3), (1, 5)] {
        for _ in 0..rows {
            builder.values().append_value((0..columns).map(Some));
        }
        builder.append(true);
    }
    let input = read(builder.finish(), &info(Element::I64, &[0, 0, 0]));
    assert_eq!((shape(&input, 0), shape(&input, 1)), (vec![2, 3], vec![1, 5]));
}

#[test]
fn ragged_arrays_and_inner_nulls_are_bad_rows() {
    let mut builder = ListBuilder::new(ListBuilder::new(Float64Builder::new()));
    builder.values().append_value([Some(1.0), Some(2.0)]);
    builder.values().append_value([Some(1.0)]);
    builder.append(true);
    builder.values().append_value([Some(1.0), None]);
    builder.append(true);
    builder.append_null();
    builder.values().append_value([Some(3.0), Some(4.0)]);
    builder.append(true);
    let input = read(builder.finish(), &info(Element::F32, &[0, 0, 0]));
    assert!(cause(&input, 0).contains("ragged"), "{}", cause(&input, 0));
    assert!(cause(&input, 1).contains("holds a null"), "{}", cause(&input, 1));
    assert!(cause(&input, 2).contains("is null"), "{}", cause(&input, 2));
    assert_eq!(shape(&input, 3), [1, 2]);
}

#[test]
fn large_lists_and_texts_are_read() {
    let array = LargeListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(7), Some(8)])]);
    assert_eq!(floats(&read(array, &info(Element::F32, &[0, 2]))), [7.0, 8.0]);
    let texts = read(StringArray::from(vec![Some("a"), None]), &info(Element::Str, &[0, 1]));
    assert_eq!(shape(&texts, 0), [1]);
    assert!(texts.row(1).is_err());
}

#[test]
fn a_tensor_column_brings_its_own_shapes() {
    use arrow_array::builder::{BinaryBuilder, StringBuilder};
    let mut shapes = ListBuilder::new(Int64Builder::new());
    shapes.append_value([Some(2), Some(1)]);
    shapes.append_value([Some(3)]);
    let (mut dtypes, mut data) = (StringBuilder::new(), BinaryBuilder::new());
    dtypes.append_value("int16");
    dtypes.append_value("float32");
    data.append_value([1, 0, 2, 0]);
    data.append_value([0, 0]);
    let DataType::Struct(fields) = crate::tensor::tensor_struct::tensor_type() else { return };
    let columns: Vec<ArrayRef> = vec![Arc::new(dtypes.finish()), Arc::new(shapes.finish()), Arc::new(data.finish())];
    let input = read(arrow_array::StructArray::new(fields, columns, None), &info(Element::F32, &[0, 2, 1]));
    assert_eq!((shape(&input, 0), floats(&input)), (vec![2, 1], vec![1.0, 2.0]));
    assert!(cause(&input, 1).contains("2 bytes of data"), "{}", cause(&input, 1));
}

#[test]
fn a_column_of_the_wrong_type_names_the_input() {
    let array: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let error = InputColumn::read("c", &array, &info(Element::F32, &[0, 2])).err().map(|e| e.to_string());
    assert!(error.is_some_and(|e| e.contains("`c`") && e.contains("`x`") && e.contains("float32[?, 2]")));
}
