//! A column of boxes: rectangles as fractions of an image.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Float64Array, StringArray, StructArray, new_null_array};
use arrow_buffer::NullBuffer;
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema};
use mmlrs_core::{Error, Result, types};

use crate::ops::{Area, Labelled, Op};

/// Above this number, a box is in pixels: fractions of an image are near 1.
const PIXELS_ABOVE: f64 = 2.0;
/// The numbers that a box must have.
const SIDES: [&str; 4] = ["x", "y", "width", "height"];

/// The boxes of each row: structs with `x`, `y`, `width` and `height`, or lists of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Boxes {
    name: String,
    /// The nulls of the rows.
    nulls: Option<NullBuffer>,
    /// The first box of each row and the end of the last one. `None` if each row is one box.
    offsets: Option<Vec<usize>>,
    items: Items,
}

/// The boxes of all rows, one after the other.
#[derive(Debug, Clone, PartialEq)]
struct Items {
    structs: StructArray,
    sides: [Float64Array; 4],
    scores: Option<Float64Array>,
    labels: Option<StringArray>,
}

impl Boxes {
    /// The boxes of a column.
    pub fn new(name: &str, array: &ArrayRef) -> Result<Self> {
        check_type(name, array.data_type())?;
        let array = &typed(array)?;
        let list = match array.data_type() {
            DataType::LargeList(item) => Some(cast(array, &DataType::List(item.clone()))?),
            DataType::List(_) => Some(array.clone()),
            _ => None,
        };
        let (items, offsets) = match &list {
            Some(list) => {
                let list = list.as_list::<i32>();
                (list.values().clone(), Some(list.offsets().iter().map(|offset| *offset as usize).collect()))
            }
            None => (array.clone(), None),
        };
        Ok(Self {
            name: name.to_owned(),
            nulls: array.nulls().cloned(),
            offsets,
            items: Items::new(items.as_struct())?,
        })
    }

    /// The positions of the boxes of a row. A null is an error.
    fn of_row(&self, row: usize) -> Result<std::ops::Range<usize>> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return Err(Error::decode(format!("the value of column `{}` is null", self.name)));
        }
        Ok(match &self.offsets {
            Some(offsets) => offsets[row]..offsets[row + 1],
            None => row..row + 1,
        })
    }

    /// The box of a row: of several, the one with the highest score, and the first among equals.
    pub fn best(&self, row: usize) -> Result<Area> {
        let boxes = self.of_row(row)?;
        let score = |at: usize| {
            let scores = self.items.scores.as_ref().filter(|scores| scores.is_valid(at));
            scores.map_or(f64::NEG_INFINITY, |scores| scores.value(at))
        };
        let best = boxes.reduce(|best, at| if score(at) > score(best) { at } else { best });
        let best =
            best.ok_or_else(|| Error::decode(format!("the list of boxes in column `{}` is empty", self.name)))?;
        self.items.area(best, &self.name)
    }

    /// The boxes of a row, with their labels.
    pub fn labelled(&self, row: usize) -> Result<Vec<Labelled>> {
        self.of_row(row)?.map(|at| self.items.labelled(at, &self.name)).collect()
    }

    /// The operations with the boxes of a row.
    pub fn fill(&self, ops: &[Op], row: usize) -> Result<Vec<Op>> {
        let one = |op: &Op| {
            Ok(match op {
                Op::CropBox { margin, .. } => Op::CropBox { margin: *margin, area: Some(self.best(row)?) },
                Op::DrawBoxes { style, .. } => Op::DrawBoxes { style: *style, boxes: self.labelled(row)? },
                other => other.clone(),
            })
        };
        ops.iter().map(one).collect()
    }
}

impl Items {
    fn new(structs: &StructArray) -> Result<Self> {
        let of = |name: &str, data_type: &DataType| {
            structs.column_by_name(name).map(|column| cast(column, data_type)).transpose()
        };
        let number =
            |name: &str| Ok::<_, Error>(of(name, &DataType::Float64)?.map(|c| c.as_primitive::<Float64Type>().clone()));
        let missing = || Error::runtime("a box has no sides");
        let side = |at: usize| number(SIDES[at])?.ok_or_else(missing);
        Ok(Self {
            structs: structs.clone(),
            sides: [side(0)?, side(1)?, side(2)?, side(3)?],
            scores: number("score")?,
            labels: of("label", &DataType::Utf8)?.map(|column| column.as_string::<i32>().clone()),
        })
    }

    fn area(&self, at: usize, name: &str) -> Result<Area> {
        let is_null = self.structs.is_null(at) || self.sides.iter().any(|side| side.is_null(at));
        if is_null {
            return Err(Error::decode(format!("a box in column `{name}` is null")));
        }
        let [x, y, width, height] = [0, 1, 2, 3].map(|side| self.sides[side].value(at));
        let is_odd = |side: &f64| !side.is_finite() || side.abs() > PIXELS_ABOVE;
        if [x, y, width, height].iter().any(is_odd) || width < 0.0 || height < 0.0 {
            return Err(Error::decode(format!(
                "the box x {x}, y {y}, width {width}, height {height} in column `{name}` is no rectangle in fractions of the \
                 image; divide pixels by its width and height"
            )));
        }
        Ok(Area { x, y, width, height })
    }

    fn labelled(&self, at: usize, name: &str) -> Result<Labelled> {
        let score = self.scores.as_ref().filter(|scores| scores.is_valid(at)).map(|scores| scores.value(at));
        let label = self.labels.as_ref().filter(|labels| labels.is_valid(at)).map(|labels| labels.value(at).to_owned());
        Ok(Labelled { area: self.area(at, name)?, label, score })
    }
}

/// The array with the type of boxes, if it has only nulls or empty lists: a table in Python does not know of what.
fn typed(array: &ArrayRef) -> Result<ArrayRef> {
    let sides = SIDES.map(|side| Field::new(side, DataType::Float64, true));
    let boxes = DataType::Struct(sides.into_iter().collect());
    Ok(match array.data_type() {
        DataType::Null => new_null_array(&boxes, array.len()),
        DataType::List(item) | DataType::LargeList(item) if item.data_type() == &DataType::Null => {
            cast(array, &DataType::List(Arc::new(Field::new("item", boxes, true))))?
        }
        _ => array.clone(),
    })
}

/// Returns an error unless the schema has the column and it holds boxes.
pub fn check_boxes(schema: &Schema, name: &str) -> Result<()> {
    check_type(name, types::field_of(schema, name)?.data_type())
}

fn check_type(name: &str, data_type: &DataType) -> Result<()> {
    let item = match data_type {
        DataType::List(item) | DataType::LargeList(item) => item.data_type(),
        other => other,
    };
    let has = |fields: &arrow_schema::Fields, name: &str, is_right: fn(&DataType) -> bool| {
        fields.find(name).is_some_and(|(_, field): (usize, &Arc<Field>)| is_right(field.data_type()))
    };
    match item {
        DataType::Null => Ok(()),
        DataType::Struct(fields) if SIDES.iter().all(|side| has(fields, side, DataType::is_numeric)) => Ok(()),
        _ => Err(Error::schema(
            name,
            format!(
                "must hold boxes: structs with the numbers x, y, width and height, or lists of them, got {}",
                types::type_name(data_type)
            ),
        )),
    }
}
