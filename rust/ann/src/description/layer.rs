//! A layer as JSON.

use std::sync::Arc;

use mmlrs_core::{Error, Result};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::layer::Layer;
use crate::layers::{
    Activation, BatchNormalization, Convolution, Dense, Depthwise, Dropout, Flatten, Gelu, GlobalMean, Kind, Padding,
    Pooling, Residual, Softmax, Window,
};
use crate::shape::Shape;

/// Maximum number of residuals inside each other.
pub const MAX_DEPTH: usize = 32;

/// A layer and its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum LayerDescription {
    /// [`Dense`].
    Dense {
        /// Number of outputs.
        size: usize,
    },
    /// [`Activation::Sigmoid`].
    Sigmoid {},
    /// [`Activation::Relu`].
    Relu {},
    /// [`Activation::Tanh`].
    Tanh {},
    /// [`Gelu`].
    Gelu {},
    /// [`Convolution`].
    Convolution {
        /// Number of filters, the channels of the output.
        channels: usize,
        /// Height and width of the window.
        kernel: [usize; 2],
        /// Rows and columns from one place to the next.
        #[serde(default = "one_pixel")]
        stride: [usize; 2],
        /// The border.
        #[serde(default)]
        padding: PaddingDescription,
    },
    /// [`Depthwise`].
    Depthwise {
        /// Height and width of the window.
        kernel: [usize; 2],
        /// Rows and columns from one place to the next.
        #[serde(default = "one_pixel")]
        stride: [usize; 2],
        /// The border.
        #[serde(default)]
        padding: PaddingDescription,
    },
    /// [`Pooling`] of [`Kind::Maximum`].
    MaxPooling {
        /// Height and width of the window.
        kernel: [usize; 2],
        /// Rows and columns from one place to the next; those of the window if not set.
        #[serde(default)]
        stride: Option<[usize; 2]>,
        /// The border.
        #[serde(default)]
        padding: PaddingDescription,
    },
    /// [`Pooling`] of [`Kind::Mean`].
    AveragePooling {
        /// Height and width of the window.
        kernel: [usize; 2],
        /// Rows and columns from one place to the next; those of the window if not set.
        #[serde(default)]
        stride: Option<[usize; 2]>,
        /// The border.
        #[serde(default)]
        padding: PaddingDescription,
    },
    /// [`GlobalMean`].
    GlobalPooling {},
    /// [`Flatten`].
    Flatten {},
    /// [`Dropout`].
    Dropout {
        /// Share of the values that are set to 0.
        rate: f32,
    },
    /// [`BatchNormalization`].
    BatchNormalization {
        /// Added to the variance.
        #[serde(default = "epsilon")]
        epsilon: f32,
        /// Share of the new values in the running values.
        #[serde(default = "momentum")]
        momentum: f32,
    },
    /// [`Softmax`].
    Softmax {},
    /// [`Residual`].
    Residual {
        /// The layers, whose output is added to the input.
        #[serde(deserialize_with = "layers_by_number")]
        layers: Vec<LayerDescription>,
    },
}

/// The border of a window, see [`Padding`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected \"same\", \"valid\" or [top, left, bottom, right]")]
pub enum PaddingDescription {
    /// `"valid"` or `"same"`.
    Name(PaddingName),
    /// Top, left, bottom, right.
    Sides([usize; 4]),
}

/// A border by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaddingName {
    /// [`Padding::Valid`].
    Valid,
    /// [`Padding::Same`].
    Same,
}

impl Default for PaddingDescription {
    fn default() -> Self {
        Self::Name(PaddingName::Valid)
    }
}

impl From<PaddingDescription> for Padding {
    fn from(padding: PaddingDescription) -> Self {
        match padding {
            PaddingDescription::Name(PaddingName::Valid) => Self::Valid,
            PaddingDescription::Name(PaddingName::Same) => Self::Same,
            PaddingDescription::Sides(sides) => Self::Sides(sides),
        }
    }
}

fn one_pixel() -> [usize; 2] {
    [1, 1]
}

fn epsilon() -> f32 {
    BatchNormalization::default().epsilon
}

fn momentum() -> f32 {
    BatchNormalization::default().momentum
}

/// The layers, the first of which reads rows of this shape, inside `depth` residuals. `dropouts` counts the dropouts of the network.
pub fn connected(
    layers: &[LayerDescription],
    mut shape: Shape,
    depth: usize,
    dropouts: &mut u64,
) -> Result<Vec<Arc<dyn Layer>>> {
    let mut connected = Vec::with_capacity(layers.len());
    for (number, description) in layers.iter().enumerate() {
        let layer = description.layer(shape, depth, dropouts).map_err(|e| at_layer(&e, number, description.kind()))?;
        shape = layer.output(shape).map_err(|e| at_layer(&e, number, description.kind()))?;
        connected.push(layer);
    }
    Ok(connected)
}

/// The same error with the number and the kind of the layer.
pub fn at_layer(error: &Error, number: usize, kind: &str) -> Error {
    Error::new(error.kind(), in_layer(number, kind, error.message()))
}

/// A message with the number and the kind of the layer. The layers of a residual follow it: "layer 2 (residual), layer 0 (dense): ".
fn in_layer(number: usize, kind: &str, message: &str) -> String {
    let separator = if message.starts_with("layer ") { "," } else { ":" };
    format!("layer {number} ({kind}){separator} {message}")
}

impl LayerDescription {
    fn layer(&self, input: Shape, depth: usize, dropouts: &mut u64) -> Result<Arc<dyn Layer>> {
        Ok(match *self {
            Self::Dense { size } => Arc::new(Dense { size }),
            Self::Sigmoid {} => Arc::new(Activation::Sigmoid),
            Self::Relu {} => Arc::new(Activation::Relu),
            Self::Tanh {} => Arc::new(Activation::Tanh),
            Self::Gelu {} => Arc::new(Gelu),
            Self::Convolution { channels, kernel, stride, padding } => {
                let window = Window { size: kernel, stride, padding: padding.into() };
                Arc::new(Convolution { filters: channels, window })
            }
            Self::Depthwise { kernel, stride, padding } => {
                Arc::new(Depthwise { window: Window { size: kernel, stride, padding: padding.into() } })
            }
            Self::MaxPooling { kernel, stride, padding } => {
                let window = Window { size: kernel, stride: stride.unwrap_or(kernel), padding: padding.into() };
                Arc::new(Pooling { kind: Kind::Maximum, window })
            }
            Self::AveragePooling { kernel, stride, padding } => {
                let window = Window { size: kernel, stride: stride.unwrap_or(kernel), padding: padding.into() };
                Arc::new(Pooling { kind: Kind::Mean, window })
            }
            Self::GlobalPooling {} => Arc::new(GlobalMean),
            Self::Flatten {} => Arc::new(Flatten),
            Self::Dropout { rate } => {
                *dropouts += 1;
                Arc::new(Dropout { share: rate, number: *dropouts })
            }
            Self::BatchNormalization { epsilon, momentum } => Arc::new(BatchNormalization { epsilon, momentum }),
            Self::Softmax {} => Arc::new(Softmax),
            Self::Residual { ref layers } => {
                if depth == MAX_DEPTH {
                    return Err(Error::limit(format!("more than {MAX_DEPTH} residuals are inside each other")));
                }
                Arc::new(Residual::new(input, connected(layers, input, depth + 1, dropouts)?)?)
            }
        })
    }

    /// The name of the kind in the description.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Dense { .. } => "dense",
            Self::Sigmoid {} => "sigmoid",
            Self::Relu {} => "relu",
            Self::Tanh {} => "tanh",
            Self::Gelu {} => "gelu",
            Self::Convolution { .. } => "convolution",
            Self::Depthwise { .. } => "depthwise",
            Self::MaxPooling { .. } => "max_pooling",
            Self::AveragePooling { .. } => "average_pooling",
            Self::GlobalPooling {} => "global_pooling",
            Self::Flatten {} => "flatten",
            Self::Dropout { .. } => "dropout",
            Self::BatchNormalization { .. } => "batch_normalization",
            Self::Softmax {} => "softmax",
            Self::Residual { .. } => "residual",
        }
    }
}

/// Reads layers one by one, so that an error names the layer.
pub fn layers_by_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<LayerDescription>, D::Error> {
    let layers = Vec::<Value>::deserialize(deserializer)?;
    let read = |(number, layer): (usize, Value)| {
        let kind = layer.get("kind").and_then(Value::as_str).unwrap_or("of no kind").to_owned();
        serde_json::from_value(layer).map_err(|e| D::Error::custom(in_layer(number, &kind, &e.to_string())))
    };
    layers.into_iter().enumerate().map(read).collect()
}
