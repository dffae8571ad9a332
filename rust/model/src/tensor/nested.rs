//! Nested lists as one flat array of values, and the position of each row in it.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use arrow_cast::cast;
use arrow_schema::DataType;
use mmlrs_core::{Error, Result};

use crate::graph::element::Element;
use crate::tensor::exact::not_held;
use crate::tensor::shapes::Shapes;

/// The position of a row in the flat buffer.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// First value.
    pub start: usize,
    /// Number of the row's shape.
    pub shape: u32,
}

/// Rows of nested data: the leaf values, and the position of each row in them.
pub struct Nested {
    /// The values, in their original type.
    pub leaf: ArrayRef,
    /// Start in the leaf and shape, row by row.
    pub rows: Vec<Result<Span>>,
    /// Shapes by number.
    pub shapes: Shapes,
}

impl Nested {
    /// Reads nested lists.
    pub fn of(array: &ArrayRef) -> Result<Self> {
        let mut leaf = plain(array)?;
        let mut shapes = Shapes::new();
        let top = leaf.nulls().cloned();
        let mut rows: Vec<Result<Span>> = (0..leaf.len())
            .map(|i| match &top {
                Some(nulls) if nulls.is_null(i) => Err(Error::decode("is null")),
                _ => Ok(Span { start: i, shape: 0 }),
            })
            .collect();
        while let Some(level) = Level::of(&leaf) {
            let nulls = leaf.nulls().filter(|n| n.null_count() > 0).cloned();
            for row in &mut rows {
                if let Ok(span) = row {
                    *row = level.descend(*span, nulls.as_ref(), &mut shapes);
                }
            }
            leaf = plain(&level.values)?;
        }
        Ok(Self { leaf, rows, shapes })
    }

    /// Keeps only the leaf values that rows refer to, so that a slice of a column does not pay for the complete column.
    pub fn narrow(&mut self) {
        let size = |span: &Span| self.shapes.get(span.shape).iter().product::<usize>();
        let spans = || self.rows.iter().filter_map(|r| r.as_ref().ok());
        let Some(start) = spans().map(|s| s.start).min() else {
            self.leaf = self.leaf.slice(0, 0);
            return;
        };
        let end = spans().map(|s| s.start + size(s)).max().unwrap_or(start).min(self.leaf.len());
        let start = start.min(end);
        self.leaf = self.leaf.slice(start, end - start);
        for span in self.rows.iter_mut().flatten() {
            span.start = span.start.saturating_sub(start);
        }
    }

    /// Rejects the rows with a null in their values.
    pub fn reject_nulls(&mut self, nulls: &NullBuffer, had_nulls: bool, element: Element) {
        for row in &mut self.rows {
            let Ok(span) = row else { continue };
            let size: usize = self.shapes.get(span.shape).iter().product();
            let Some(lost) = (span.start..span.start + size).find(|i| nulls.is_null(*i)) else { continue };
            *row = Err(Error::decode(if had_nulls && self.leaf.is_null(lost) {
                "holds a null".to_owned()
            } else {
                not_held(&self.leaf, lost, element)
            }));
        }
    }
}

/// One level of lists.
struct Level {
    lengths: Lengths,
    values: ArrayRef,
}

enum Lengths {
    Fixed(usize),
    Offsets(ScalarBuffer<i32>),
    LargeOffsets(ScalarBuffer<i64>),
}

impl Level {
    fn of(array: &ArrayRef) -> Option<Self> {
        Some(match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                Self { lengths: Lengths::Offsets(list.offsets().inner().clone()), values: list.values().clone() }
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                Self { lengths: Lengths::LargeOffsets(list.offsets().inner().clone()), values: list.values().clone() }
            }
            DataType::FixedSizeList(_, n) => {
                let list = array.as_fixed_size_list();
                Self { lengths: Lengths::Fixed(*n as usize), values: list.values().clone() }
            }
            _ => return None,
        })
    }

    fn range(&self, cell: usize) -> (usize, usize) {
        match &self.lengths {
            Lengths::Fixed(n) => (cell * n, *n),
            Lengths::Offsets(o) => (o[cell] as usize, (o[cell + 1] - o[cell]) as usize),
            Lengths::LargeOffsets(o) => (o[cell] as usize, (o[cell + 1] - o[cell]) as usize),
        }
    }

    /// Descends from the cells of a row at this level to those of the next level, which must all have the same length to be
    /// adjacent.
    fn descend(&self, span: Span, nulls: Option<&NullBuffer>, shapes: &mut Shapes) -> Result<Span> {
        let cells: usize = shapes.get(span.shape).iter().product();
        if cells == 0 {
            return Ok(Span { start: 0, shape: shapes.extended(span.shape, 0) });
        }
        if nulls.is_some_and(|n| n.slice(span.start, cells).null_count() > 0) {
            return Err(Error::decode("holds a null"));
        }
        let (start, length) = self.range(span.start);
        if !matches!(self.lengths, Lengths::Fixed(_)) {
            for cell in span.start + 1..span.start + cells {
                let (_, other) = self.range(cell);
                if other != length {
                    return Err(Error::decode(format!("is ragged: it has arrays of length {length} and {other}")));
                }
            }
        }
        Ok(Span { start, shape: shapes.extended(span.shape, length) })
    }
}

/// Decodes types that only encode others.
fn plain(array: &ArrayRef) -> Result<ArrayRef> {
    let target = match array.data_type() {
        DataType::Dictionary(_, values) => values.as_ref().clone(),
        DataType::ListView(field) => DataType::List(field.clone()),
        DataType::LargeListView(field) => DataType::LargeList(field.clone()),
        _ => return Ok(array.clone()),
    };
    Ok(cast(array, &target)?)
}
