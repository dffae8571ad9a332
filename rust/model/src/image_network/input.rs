//! The requirements of a network for images: input size and layout, normalization, and the tensor with the features.

use std::sync::Arc;

use mmlrs_core::{Cache, Error, ModelSource, Result};
use mmlrs_image::Layout;

use crate::graph::cut::quoted;
use crate::graph::dim::Dim;
use crate::graph::element::Element;
use crate::graph::features::feature_tensor;
use crate::graph::image_meta::ImageMeta;
use crate::graph::info::{ModelInfo, ValueInfo};
use crate::graph::source::{load, sha256_of};
use crate::prepare::{model_info, prepared_for};

/// The image input of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageInput {
    /// Its name.
    pub name: String,
    /// Element type: float32, float16, float64 or uint8.
    pub element: Element,
    /// Order of the axes.
    pub layout: Layout,
    /// 3 or 1.
    pub channels: usize,
    /// Number of rows, if the model fixes it.
    pub height: Option<usize>,
    /// Number of columns, if the model fixes it.
    pub width: Option<usize>,
}

/// Finds the image input: the only input, with four dimensions, and 1 or 3 channels first or last.
pub fn image_input(info: &ModelInfo) -> Result<ImageInput> {
    let [input] = info.inputs.as_slice() else {
        let names: Vec<String> = info.inputs.iter().map(|i| i.name.clone()).collect();
        return Err(Error::model(format!("a network for images must have one input, got {}", quoted(&names))));
    };
    let refuse = |what: &str| Error::model(format!("input `{}` is a {}, which {what}", input.name, input.kind.words()));
    let element = input
        .element()
        .filter(|e| matches!(e, Element::F32 | Element::F16 | Element::F64 | Element::U8))
        .ok_or_else(|| refuse("cannot hold an image"))?;
    // If the exporter omitted even the rank, all dimensions are open.
    let open = [Dim::Any, Dim::Any, Dim::Any, Dim::Any];
    let [_, a, b, c] = input.shape().unwrap_or(&open) else {
        return Err(refuse("is not a batch of images with four dimensions"));
    };
    let colours = |dim: &Dim| matches!(dim, Dim::Fixed(1 | 3));
    let (layout, channels, height, width) = match (a, b, c) {
        (first, _, _) if colours(first) => (Layout::Nchw, first, b, c),
        (_, _, last) if colours(last) => (Layout::Nhwc, last, a, b),
        (Dim::Fixed(_), ..) => return Err(refuse("has neither 1 nor 3 channels")),
        // If the exporter left all dimensions open, channels are first.
        _ => (Layout::Nchw, &Dim::Fixed(3), b, c),
    };
    Ok(ImageInput {
        name: input.name.clone(),
        element,
        layout,
        channels: channels.size().unwrap_or(3),
        height: height.size(),
        width: width.size(),
    })
}

/// The requested tensor.
#[derive(Debug, Clone, Copy)]
pub struct TensorRequest<'a> {
    /// Whether features are requested rather than scores.
    pub headless: bool,
    /// Number of output layers to remove.
    pub cut_output_layers: usize,
    /// The feature tensor that the user names.
    pub feature: Option<&'a str>,
    /// The output that the user names.
    pub output: Option<&'a str>,
}

/// The tensor to fetch. It is the named one, else the output if no layer is removed, else the tensor in the metadata, else the
/// input of the last layers of the graph.
pub fn requested_tensor(source: &ModelSource, request: TensorRequest<'_>) -> Result<String> {
    if let Some(fetches) = prepared_for(source)?
        && let [only] = fetches.as_slice()
    {
        return Ok(only.clone());
    }
    let info = model_info(source)?;
    let output = match request.output {
        Some(name) => name.to_owned(),
        None => info.outputs.first().map(|o| o.name.clone()).unwrap_or_default(),
    };
    if !request.headless {
        return Ok(output);
    }
    if let Some(name) = request.feature {
        return Ok(name.to_owned());
    }
    let layers = request.cut_output_layers;
    if layers == 0 {
        return Ok(output);
    }
    let meta = ImageMeta::of(&info)?;
    if let Some(name) = meta.layer_names.get(layers) {
        return Ok(name.clone());
    }
    if !meta.layer_names.is_empty() {
        return Err(Error::param(
            "cutOutputLayers",
            format!("must be below {}, the number of named layers of the model, got {layers}", meta.layer_names.len()),
        ));
    }
    if let (1, Some(name)) = (layers, meta.feature_tensor) {
        return Ok(name);
    }
    searched(source, &output, layers)?.ok_or_else(|| {
        Error::model(format!(
            "the feature tensor cannot be determined from the graph for cutOutputLayers={layers}; set featureTensorName"
        ))
    })
}

type Search = (String, String, usize);

fn searched(source: &ModelSource, output: &str, layers: usize) -> Result<Option<String>> {
    static FEATURE_TENSORS: Cache<Search, Option<String>> = Cache::new("feature tensors", 256, 1 << 20);
    let key: Search = (sha256_of(source)?, output.to_owned(), layers);
    let tensor = FEATURE_TENSORS.get_or_make(key, || {
        let name = feature_tensor(&load(source)?.model.graph, output, layers);
        let bytes = name.as_ref().map_or(0, String::len);
        Ok((name, bytes))
    })?;
    Ok(tensor.as_ref().clone())
}

/// The conversion of a feature tensor to a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// Mean over rows and columns of each channel.
    Average,
    /// Largest value of each channel.
    Max,
    /// Mean of each channel over each quarter.
    Grid,
    /// Every value.
    None,
}

impl Pooling {
    /// Parses the param. "auto" means the mean over rows and columns.
    pub fn parse(text: &str) -> Self {
        match text {
            "max" => Self::Max,
            "grid" => Self::Grid,
            "none" => Self::None,
            _ => Self::Average,
        }
    }

    /// Number of values of a channel; None for all of them.
    fn values(self) -> Option<usize> {
        match self {
            Self::Average | Self::Max => Some(1),
            Self::Grid => Some(GRID * GRID),
            Self::None => None,
        }
    }

    /// Length of the vector for a row of this shape.
    pub fn size(self, shape: &[usize]) -> usize {
        match (shape, self.values()) {
            ([channels, _, _], Some(values)) => channels * values,
            (all, _) => all.iter().product(),
        }
    }

    /// Like [`Self::size`], as far as the graph declares it.
    pub fn known_size(self, output: &ValueInfo) -> Option<usize> {
        match (output.row_shape()?, self.values()) {
            ([channels, _, _], Some(values)) => Some(channels.size()? * values),
            (all, _) => all.iter().map(Dim::size).product(),
        }
    }

    /// Writes the vector for a row of this shape.
    pub fn apply(self, row: &[f32], shape: &[usize], out: &mut [f32]) {
        let (&[_, height, width], Some(values)) = (shape, self.values()) else {
            out.copy_from_slice(row);
            return;
        };
        for (channel, pooled) in row.chunks_exact((height * width).max(1)).zip(out.chunks_exact_mut(values)) {
            match self {
                Self::Max => pooled[0] = channel.iter().copied().fold(f32::NEG_INFINITY, f32::max),
                Self::Grid => quarters(channel, (height, width), pooled),
                _ => pooled[0] = mean(channel.iter()),
            }
        }
    }
}

/// Number of rows and of columns of the grid.
const GRID: usize = 2;

fn mean<'a>(values: impl ExactSizeIterator<Item = &'a f32>) -> f32 {
    let count = values.len() as f64;
    (values.map(|value| f64::from(*value)).sum::<f64>() / count) as f32
}

/// The means over the cells of a grid, row by row. A row or column in the middle belongs to both sides, as in adaptive average
/// pooling.
fn quarters(channel: &[f32], (height, width): (usize, usize), out: &mut [f32]) {
    let part = |i: usize, size: usize| (i * size / GRID, ((i + 1) * size).div_ceil(GRID));
    for (cell, pooled) in out.iter_mut().enumerate() {
        let ((top, bottom), (left, right)) = (part(cell / GRID, height), part(cell % GRID, width));
        let rows = channel.chunks_exact(width).take(bottom).skip(top);
        let sum: f64 = rows.flat_map(|row| &row[left..right]).map(|value| f64::from(*value)).sum();
        *pooled = (sum / ((bottom - top) * (right - left)) as f64) as f32;
    }
}

/// The image settings in a model's metadata.
pub fn image_meta(source: &ModelSource) -> Result<(Arc<ModelInfo>, ImageMeta)> {
    let info = model_info(source)?;
    let meta = ImageMeta::of(&info)?;
    Ok((info, meta))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::info::ValueKind;

    fn input(dims: &[usize]) -> Result<ImageInput> {
        let dims = dims.iter().map(|d| if *d == 0 { Dim::Any } else { Dim::Fixed(*d) }).collect();
        let input = ValueInfo { name: "x".into(), kind: ValueKind::Tensor(Element::F32, Some(dims)) };
        image_input(&ModelInfo { inputs: vec![input], ..ModelInfo::default() })
    }

    #[test]
    fn the_layout_follows_from_where_the_channels_are() {
        let nchw = input(&[1, 3, 224, 200]).expect("a picture input");
        assert_eq!((nchw.layout, nchw.height, nchw.width), (Layout::Nchw, Some(224), Some(200)));
        let nhwc = input(&[0, 224, 200, 3]).expect("a picture input");
        assert_eq!((nhwc.layout, nhwc.height, nhwc.width), (Layout::Nhwc, Some(224), Some(200)));
        let open = input(&[0, 0, 0, 0]).expect("a picture input");
        assert_eq!((open.layout, open.channels, open.height), (Layout::Nchw, 3, None));
        assert!(input(&[1, 7, 224, 224]).is_err() && input(&[1, 4]).is_err());
    }

    #[test]
    fn pooling_takes_the_mean_or_the_largest_of_each_channel() {
        let row = [1.0, 2.0, 3.0, 6.0, 0.0, 0.0, 0.0, 4.0];
        let mut out = [0.0; 2];
        Pooling::Average.apply(&row, &[2, 2, 2], &mut out);
        assert_eq!(out.map(f32::to_bits), [3.0f32, 1.0].map(f32::to_bits));
        Pooling::Max.apply(&row, &[2, 2, 2], &mut out);
        assert_eq!(out.map(f32::to_bits), [6.0f32, 4.0].map(f32::to_bits));
        let nine: Vec<f32> = (1..=9).map(|value| value as f32).collect();
        let mut grid = [0.0; 4];
        Pooling::Grid.apply(&nine, &[1, 3, 3], &mut grid);
        assert_eq!(grid.map(f32::to_bits), [3.0f32, 4.0, 6.0, 7.0].map(f32::to_bits));
        Pooling::Grid.apply(&[5.0, 7.0], &[1, 1, 2], &mut grid);
        assert_eq!(grid.map(f32::to_bits), [5.0f32, 7.0, 5.0, 7.0].map(f32::to_bits));
        assert_eq!([Pooling::Grid.size(&[6, 7, 7]), Pooling::Grid.size(&[6])], [24, 6]);
        assert_eq!(Pooling::None.size(&[2, 2, 2]), 8);
        assert_eq!(Pooling::Average.size(&[5]), 5);
    }
}
