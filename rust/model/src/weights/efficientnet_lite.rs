//! EfficientNet-Lite0, a classifier of 1,000 classes of `ImageNet`: Tan and Le, "`EfficientNet`: Rethinking Model Scaling for
//! Convolutional Neural Networks" (2019), without squeeze-and-excitation and with `ReLU6`. Batch normalizations are folded into the
//! convolutions before them.

use mmlrs_core::Result;
use onnx_protobuf::{AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto};

use super::torch_file::TorchFile;
use crate::graph::dim::Dim;
use crate::graph::element::Element;
use crate::graph::proto::{float_tensor, int, ints, node, tensor_info};

const SIDE: usize = 224;
const STEM: usize = 32;
const FEATURES: usize = 1280;
const CLASSES: usize = 1000;
/// The constant that the normalizations add to the variance.
const EPSILON: f64 = 1e-3;
const OPSET: i64 = 13;
const IR_VERSION: i64 = 8;

/// Blocks of the same shape.
struct Group {
    repeats: usize,
    kernel: usize,
    /// Of the first block; the others have 1.
    stride: usize,
    /// Number of channels inside a block, per input channel.
    expansion: usize,
    channels: usize,
}

const fn group(repeats: usize, kernel: usize, stride: usize, expansion: usize, channels: usize) -> Group {
    Group { repeats, kernel, stride, expansion, channels }
}

const GROUPS: [Group; 7] = [
    group(1, 3, 1, 1, 16),
    group(2, 3, 2, 6, 24),
    group(2, 5, 2, 6, 40),
    group(3, 3, 2, 6, 80),
    group(3, 5, 1, 6, 112),
    group(4, 5, 2, 6, 192),
    group(1, 3, 1, 6, 320),
];

/// The network with the weights of a file. Its input is `image`, its tensors include `features` and `logits`.
pub fn network(file: &TorchFile) -> Result<ModelProto> {
    let mut builder = Builder { file, nodes: Vec::new(), constants: Vec::new(), side: SIDE };
    builder.constant("zero", &[], vec![0.0]);
    builder.constant("six", &[], vec![6.0]);
    let stem = Conv { weights: "_conv_stem", norm: "_bn0", channels: (3, STEM), kernel: 3, stride: 2, groups: 1 };
    let mut current = builder.activated("image", &stem, "stem")?;
    let (mut channels, mut block) = (STEM, 0);
    for group in &GROUPS {
        for repeat in 0..group.repeats {
            let stride = if repeat == 0 { group.stride } else { 1 };
            current = builder.block(&current, block, group, (channels, stride))?;
            channels = group.channels;
            block += 1;
        }
    }
    let head =
        Conv { weights: "_conv_head", norm: "_bn1", channels: (channels, FEATURES), kernel: 1, stride: 1, groups: 1 };
    let last = builder.activated(&current, &head, "head")?;
    builder.push("GlobalAveragePool", &[&last], "pooled", Vec::new());
    builder.push("Flatten", &["pooled"], "features", Vec::new());
    let fc = file.get("_fc.weight", &[CLASSES, FEATURES])?.to_vec();
    builder.constant("fc.weight", &[CLASSES, FEATURES], fc);
    builder.constant("fc.bias", &[CLASSES], file.get("_fc.bias", &[CLASSES])?.to_vec());
    builder.push("Gemm", &["features", "fc.weight", "fc.bias"], "logits", vec![int("transB", 1)]);
    Ok(builder.model())
}

/// A convolution with the batch normalization after it.
struct Conv<'a> {
    weights: &'a str,
    norm: &'a str,
    /// Of the input and the output.
    channels: (usize, usize),
    kernel: usize,
    stride: usize,
    groups: usize,
}

struct Builder<'a> {
    file: &'a TorchFile,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    /// Rows, and columns, of the present tensor.
    side: usize,
}

impl Builder<'_> {
    fn constant(&mut self, name: &str, dims: &[usize], values: Vec<f32>) {
        let dims: Vec<i64> = dims.iter().map(|dim| *dim as i64).collect();
        self.constants.push(float_tensor(name, &dims, values));
    }

    fn push(&mut self, op_type: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>) {
        self.nodes.push(node(op_type, inputs, &[output], attributes));
    }

    /// Adds a convolution with its normalization, under TensorFlow's padding "same".
    fn conv(&mut self, input: &str, conv: &Conv<'_>, name: &str) -> Result<()> {
        let (from, to) = conv.channels;
        let kernel = conv.kernel;
        let weights = self.file.get(&format!("{}.weight", conv.weights), &[to, from / conv.groups, kernel, kernel])?;
        let norm = |part: &str| self.file.get(&format!("{}.{part}", conv.norm), &[to]);
        let (gamma, beta, mean, variance) =
            (norm("weight")?, norm("bias")?, norm("running_mean")?, norm("running_var")?);
        let factors: Vec<f64> =
            gamma.iter().zip(variance).map(|(g, v)| f64::from(*g) / (f64::from(*v) + EPSILON).sqrt()).collect();
        let per_channel = (weights.len() / to).max(1);
        let folded: Vec<f32> = weights
            .chunks_exact(per_channel)
            .zip(&factors)
            .flat_map(|(chunk, factor)| chunk.iter().map(move |w| (f64::from(*w) * factor) as f32))
            .collect();
        let bias: Vec<f32> = factors
            .iter()
            .zip(beta.iter().zip(mean))
            .map(|(factor, (b, m))| (f64::from(*b) - f64::from(*m) * factor) as f32)
            .collect();
        let rows = self.side.div_ceil(conv.stride);
        let padding = ((rows - 1) * conv.stride + kernel).saturating_sub(self.side);
        let (low, high) = ((padding / 2) as i64, padding.div_ceil(2) as i64);
        let (kernel_size, stride) = (kernel as i64, conv.stride as i64);
        let (weight_name, bias_name) = (format!("{name}.weight"), format!("{name}.bias"));
        let attributes = vec![
            ints("kernel_shape", &[kernel_size, kernel_size]),
            ints("strides", &[stride, stride]),
            ints("pads", &[low, low, high, high]),
            int("group", conv.groups as i64),
        ];
        self.constant(&weight_name, &[to, from / conv.groups, kernel, kernel], folded);
        self.constant(&bias_name, &[to], bias);
        self.push("Conv", &[input, &weight_name, &bias_name], name, attributes);
        self.side = rows;
        Ok(())
    }

    /// Adds a convolution and `ReLU6`, and returns the name of its output.
    fn activated(&mut self, input: &str, conv: &Conv<'_>, name: &str) -> Result<String> {
        self.conv(input, conv, name)?;
        let output = format!("{name}.relu6");
        self.push("Clip", &[name, "zero", "six"], &output, Vec::new());
        Ok(output)
    }

    /// Adds an inverted residual block: expand, convolve each channel, project.
    fn block(&mut self, input: &str, block: usize, group: &Group, (from, stride): (usize, usize)) -> Result<String> {
        let (path, name) = (format!("_blocks.{block}"), format!("block{block}"));
        let inner = from * group.expansion;
        let mut current = input.to_owned();
        if group.expansion != 1 {
            let expand = Conv {
                weights: &format!("{path}._expand_conv"),
                norm: &format!("{path}._bn0"),
                channels: (from, inner),
                kernel: 1,
                stride: 1,
                groups: 1,
            };
            current = self.activated(&current, &expand, &format!("{name}.expand"))?;
        }
        let depthwise = Conv {
            weights: &format!("{path}._depthwise_conv"),
            norm: &format!("{path}._bn1"),
            channels: (inner, inner),
            kernel: group.kernel,
            stride,
            groups: inner,
        };
        current = self.activated(&current, &depthwise, &format!("{name}.depthwise"))?;
        let project = Conv {
            weights: &format!("{path}._project_conv"),
            norm: &format!("{path}._bn2"),
            channels: (inner, group.channels),
            kernel: 1,
            stride: 1,
            groups: 1,
        };
        let projected = format!("{name}.project");
        self.conv(&current, &project, &projected)?;
        if stride != 1 || from != group.channels {
            return Ok(projected);
        }
        let sum = format!("{name}.sum");
        self.push("Add", &[&projected, input], &sum, Vec::new());
        Ok(sum)
    }

    fn model(self) -> ModelProto {
        let fixed = |sizes: &[usize]| -> Vec<Dim> {
            std::iter::once(Dim::Symbol("N".into())).chain(sizes.iter().map(|size| Dim::Fixed(*size))).collect()
        };
        let info = |name: &str, sizes: &[usize]| tensor_info(name, Element::F32, Some(&fixed(sizes)));
        let graph = GraphProto {
            name: "efficientnet-lite0".to_owned(),
            node: self.nodes,
            initializer: self.constants,
            input: vec![info("image", &[3, SIDE, SIDE])],
            output: vec![info("logits", &[CLASSES])],
            value_info: vec![info("features", &[FEATURES])],
            ..GraphProto::default()
        };
        ModelProto {
            ir_version: IR_VERSION,
            producer_name: "mmlrs".to_owned(),
            graph: Some(graph).into(),
            opset_import: vec![OperatorSetIdProto { version: OPSET, ..OperatorSetIdProto::default() }],
            ..ModelProto::default()
        }
    }
}
