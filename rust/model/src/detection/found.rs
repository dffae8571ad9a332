//! The objects that were found, as a column.

use std::sync::Arc;

use arrow_array::builder::{Float64Builder, StringBuilder};
use arrow_array::{ArrayRef, ListArray, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Fields};
use mmlrs_core::Result;
use mmlrs_image::Placement;

use super::suppress::Candidate;

/// An object in an image. Numbers are relative to the width and the height of the image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Object {
    pub class: usize,
    pub score: f64,
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Object {
    /// The part of a candidate that is inside the image. `None` if that is nothing.
    pub fn of(candidate: &Candidate, place: Placement) -> Option<Self> {
        let along =
            |value: f32, first: usize, count: usize| ((f64::from(value) - first as f64) / count as f64).clamp(0.0, 1.0);
        let corners = candidate.corners;
        let (left, right) =
            (along(corners.left, place.left, place.columns), along(corners.right, place.left, place.columns));
        let (top, bottom) = (along(corners.top, place.top, place.rows), along(corners.bottom, place.top, place.rows));
        let (width, height) = (right - left, bottom - top);
        let score = f64::from(candidate.score.min(1.0));
        (width > 0.0 && height > 0.0).then_some(Self { class: candidate.class, score, x: left, y: top, width, height })
    }
}

fn fields() -> Fields {
    let numbers = ["score", "x", "y", "width", "height"].map(|name| Field::new(name, DataType::Float64, true));
    std::iter::once(Field::new("label", DataType::Utf8, true)).chain(numbers).collect()
}

fn item_field() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Struct(fields()), true))
}

/// The column of objects.
pub fn objects_field(name: &str) -> Field {
    Field::new(name, DataType::List(item_field()), true)
}

/// The column that [`objects_field`] declares. A class without a name has its index.
pub fn objects_array(rows: &[Option<Vec<Object>>], labels: &[String]) -> Result<ListArray> {
    let mut names = StringBuilder::new();
    let mut numbers: [Float64Builder; 5] = std::array::from_fn(|_| Float64Builder::new());
    for object in rows.iter().flatten().flatten() {
        match labels.get(object.class) {
            Some(label) => names.append_value(label),
            None => names.append_value(object.class.to_string()),
        }
        let values = [object.score, object.x, object.y, object.width, object.height];
        for (builder, value) in numbers.iter_mut().zip(values) {
            builder.append_value(value);
        }
    }
    let mut columns: Vec<ArrayRef> = vec![Arc::new(names.finish())];
    columns.extend(numbers.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef));
    let structs = StructArray::try_new(fields(), columns, None)?;
    let nulls: NullBuffer = rows.iter().map(Option::is_some).collect();
    let nulls = (nulls.null_count() > 0).then_some(nulls);
    let offsets = OffsetBuffer::from_lengths(rows.iter().map(|row| row.as_ref().map_or(0, Vec::len)));
    Ok(ListArray::try_new(item_field(), offsets, Arc::new(structs), nulls)?)
}

#[cfg(test)]
mod tests {
    use super::super::suppress::Corners;
    use super::*;

    #[test]
    fn boxes_are_relative_to_the_image_and_end_at_its_border() {
        let place = Placement { top: 20, left: 0, rows: 40, columns: 80 };
        let found = |left, top, right, bottom| {
            let corners = Corners { left, top, right, bottom };
            let object = Object::of(&Candidate { class: 1, score: 0.5, corners }, place);
            object.map(|o| [o.x, o.y, o.width, o.height])
        };
        assert_eq!(found(20.0, 30.0, 60.0, 40.0), Some([0.25, 0.25, 0.5, 0.25]));
        assert_eq!(found(-5.0, 0.0, 40.0, 100.0), Some([0.0, 0.0, 0.5, 1.0]));
        // In the border only, or without an area.
        assert_eq!(found(10.0, 0.0, 20.0, 20.0), None);
        assert_eq!(found(60.0, 30.0, 20.0, 40.0), None);
    }
}
