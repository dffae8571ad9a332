//! Nested arrays of channels x rows x columns, filled image by image.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, Float64Array, ListArray};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field};
use mmlrs_core::{Error, Operation, Result};
use serde_json::Value;

use crate::image::ImageView;
use crate::tensor::ChannelOrder;

/// The type of a tensor's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    Float,
    Double,
}

impl Element {
    fn number(self) -> DataType {
        match self {
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
        }
    }

    /// The type of the column.
    pub fn data_type(self) -> DataType {
        (0..3).fold(self.number(), |inner, _| DataType::List(item(inner)))
    }
}

fn item(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new("item", data_type, true))
}

/// Value = (x * scale - mean\[c\]) / std\[c\].
#[derive(Debug, Clone, PartialEq)]
pub struct Normalize {
    pub mean: Vec<f64>,
    pub std: Vec<f64>,
    pub scale: f64,
}

impl Normalize {
    /// Reads the arguments of the operation `normalize` at `index`.
    pub fn read_operation(&mut self, index: usize, operation: &Operation) -> Result<()> {
        let invalid = |name: &str, want: &str, got: &Value| {
            Error::param("stages", format!("item {index} (`normalize`): argument `{name}` must be {want}, got {got}"))
        };
        for (name, value) in operation.args.iter().filter(|(_, value)| !value.is_null()) {
            let list = || {
                let items = value.as_array()?;
                items.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>()
            };
            match name.as_str() {
                "mean" => self.mean = list().ok_or_else(|| invalid(name, "a list of numbers", value))?,
                "std" => self.std = list().ok_or_else(|| invalid(name, "a list of numbers", value))?,
                "scale" => {
                    let scale = value.as_f64().filter(|v| *v > 0.0);
                    self.scale = scale.ok_or_else(|| invalid(name, "a number above 0", value))?;
                }
                _ => {
                    return Err(Error::param(
                        "stages",
                        format!(
                            "item {index} (`normalize`): argument `{name}` does not exist{}; the arguments are mean, std, \
                             scale",
                            mmlrs_core::suggestion(name, ["mean", "std", "scale"])
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Returns an error for lists of an invalid length and for a deviation of 0.
    pub fn check(&self) -> Result<()> {
        for (param, values) in [("normalizeMean", &self.mean), ("normalizeStd", &self.std)] {
            if ![0, 1, 3].contains(&values.len()) {
                return Err(Error::param(param, format!("must have 1 or 3 values, got {}", values.len())));
            }
        }
        if self.std.contains(&0.0) {
            return Err(Error::param("normalizeStd", "must not contain 0"));
        }
        Ok(())
    }

    /// Returns an error if the lists do not fit the number of channels.
    pub fn check_channels(&self, channels: usize) -> Result<()> {
        for (param, values) in [("normalizeMean", &self.mean), ("normalizeStd", &self.std)] {
            if ![0, 1, channels].contains(&values.len()) {
                return Err(Error::param(
                    param,
                    format!("has {} values, but the operations produce images of {channels} channel", values.len()),
                ));
            }
        }
        Ok(())
    }

    /// The result for each of the 256 pixel values.
    fn table(&self, channel: usize) -> [f64; 256] {
        let nth = |values: &[f64], empty: f64| match values {
            [] => empty,
            [one] => *one,
            many => many.get(channel).copied().unwrap_or(empty),
        };
        let (mean, std) = (nth(&self.mean, 0.0), nth(&self.std, 1.0));
        std::array::from_fn(|x| (x as f64 * self.scale - mean) / std)
    }
}

enum Values {
    Float(Vec<f32>),
    Double(Vec<f64>),
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Float(values) => values.len(),
            Self::Double(values) => values.len(),
        }
    }

    /// Appends one channel of the pixels.
    fn extend(&mut self, pixels: impl Iterator<Item = u8>, table: &[f64; 256]) {
        match self {
            Self::Float(values) => {
                let table = table.map(|v| v as f32);
                values.extend(pixels.map(|x| table[usize::from(x)]));
            }
            Self::Double(values) => values.extend(pixels.map(|x| table[usize::from(x)])),
        }
    }
}

/// Builds the column.
pub struct TensorArray {
    element: Element,
    order: ChannelOrder,
    normalize: Normalize,
    values: Values,
    /// End offsets: of pixel rows in values, of planes in pixel rows, of images in planes.
    ends: [Vec<i32>; 3],
    valid: NullBufferBuilder,
}

impl TensorArray {
    pub fn new(element: Element, order: ChannelOrder, normalize: Normalize) -> Self {
        let values = match element {
            Element::Float => Values::Float(Vec::new()),
            Element::Double => Values::Double(Vec::new()),
        };
        let ends = [vec![0], vec![0], vec![0]];
        Self { element, order, normalize, values, ends, valid: NullBufferBuilder::new(0) }
    }

    /// Appends an image without its alpha. After an error nothing is appended.
    pub fn push(&mut self, image: ImageView<'_>) -> Result<()> {
        let (height, width, stride) = (image.height(), image.width(), image.channels());
        let channels = if stride == 1 { 1 } else { 3 };
        let total = self.values.len() + height * width * channels;
        if i32::try_from(total).is_err() {
            return Err(Error::batch_too_large("the tensors", "numbers"));
        }
        let tables: Vec<[f64; 256]> = (0..channels).map(|c| self.normalize.table(c)).collect();
        for (channel, table) in tables.iter().enumerate() {
            let offset = match self.order {
                ChannelOrder::Rgb => channels - 1 - channel,
                ChannelOrder::Bgr => channel,
            };
            let start = self.values.len();
            self.values.extend(image.data().iter().skip(offset).step_by(stride).copied(), table);
            self.ends[0].extend((1..=height).map(|y| (start + y * width) as i32));
            self.ends[1].push(self.ends[0].len() as i32 - 1);
        }
        self.ends[2].push(self.ends[1].len() as i32 - 1);
        self.valid.append_non_null();
        Ok(())
    }

    pub fn push_null(&mut self) {
        self.ends[2].push(self.ends[1].len() as i32 - 1);
        self.valid.append_null();
    }

    pub fn finish(mut self) -> Result<ArrayRef> {
        let values: ArrayRef = match self.values {
            Values::Float(values) => Arc::new(Float32Array::from(values)),
            Values::Double(values) => Arc::new(Float64Array::from(values)),
        };
        let [rows, planes, images] = self.ends.map(|ends| OffsetBuffer::new(ScalarBuffer::from(ends)));
        let number = self.element.number();
        let row_type = DataType::List(item(number.clone()));
        let plane_type = DataType::List(item(row_type.clone()));
        let rows = ListArray::try_new(item(number), rows, values, None)?;
        let planes = ListArray::try_new(item(row_type), planes, Arc::new(rows), None)?;
        Ok(Arc::new(ListArray::try_new(item(plane_type), images, Arc::new(planes), self.valid.finish())?))
    }
}
