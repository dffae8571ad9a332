//! A network as JSON, the form in which it is saved and sent.
//!
//! ```json
//! {"version": 1, "input": [28, 28, 1],
//!  "layers": [{"kind": "convolution", "channels": 32, "kernel": [3, 3], "padding": "same"}, {"kind": "relu"},
//!             {"kind": "flatten"}, {"kind": "dense", "size": 10}],
//!  "loss": {"kind": "cross_entropy", "smoothing": 0.1}}
//! ```
//!
//! Images are height, width, channels. Layers are counted from 0.

mod layer;

pub use layer::{LayerDescription, MAX_DEPTH, PaddingDescription, PaddingName};

use mmlrs_core::{Error, Result};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use self::layer::{at_layer, connected, layers_by_number};
use crate::loss::Loss;
use crate::network::Network;
use crate::shape::{Shape, unfit};

/// The version of the form that this code writes. It reads this one and older ones.
pub const VERSION: u64 = 1;

/// A network: its input, layers and loss, without the parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    version: u64,
    /// The shape of a row of input.
    #[serde(serialize_with = "shape_to_sizes", deserialize_with = "shape_from_sizes")]
    pub input: Shape,
    /// The layers.
    #[serde(deserialize_with = "layers_by_number")]
    pub layers: Vec<LayerDescription>,
    /// The loss.
    pub loss: Loss,
}

impl Description {
    /// Describes a network.
    pub fn new(input: Shape, layers: Vec<LayerDescription>, loss: Loss) -> Self {
        Self { version: VERSION, input, layers, loss }
    }

    /// Reads a description.
    ///
    /// # Errors
    /// The text is not JSON of this form, has unknown kinds or members, or was written by a newer version.
    pub fn parse(text: &str) -> Result<Self> {
        let value: Value =
            serde_json::from_str(text).map_err(|e| Error::model(format!("the description of a network: {e}")))?;
        match value.get("version").and_then(Value::as_u64) {
            Some(version) if version > VERSION => Err(Error::model(format!(
                "the network was written by a newer version of mmlrs: its form has version {version}, and this mmlrs \
                 reads versions up to {VERSION}; update mmlrs"
            ))),
            Some(1..) => {
                serde_json::from_value(value).map_err(|e| Error::model(format!("the description of a network: {e}")))
            }
            _ => Err(Error::model("the description of a network has no `version`, a whole number from 1")),
        }
    }

    /// The description as JSON, which [`Self::parse`] reads.
    ///
    /// # Errors
    /// None that is known: every description has a form.
    pub fn json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| Error::runtime(format!("the description of a network: {e}")))
    }

    /// Connects the layers.
    ///
    /// # Errors
    /// A layer does not accept what the layer before it returns, a setting is outside its range, the last layer repeats what the
    /// loss does, or the network exceeds a limit.
    pub fn network(&self) -> Result<Network> {
        let twice = match (self.layers.last(), &self.loss) {
            (Some(LayerDescription::Softmax {}), Loss::CrossEntropy { .. }) => Some("cross_entropy"),
            (Some(LayerDescription::Sigmoid {}), Loss::SigmoidCrossEntropy {}) => Some("sigmoid_cross_entropy"),
            _ => None,
        };
        if let (Some(loss), Some(last)) = (twice, self.layers.last()) {
            let message = format!("the loss {loss} includes it; remove the layer");
            return Err(at_layer(&unfit(message), self.layers.len() - 1, last.kind()));
        }
        let layers = connected(&self.layers, self.input, 0, &mut 0)?;
        Network::new(self.input, layers, self.loss.clone())
    }
}

fn shape_to_sizes<S: Serializer>(shape: &Shape, serializer: S) -> Result<S::Ok, S::Error> {
    match *shape {
        Shape::Vector(size) => vec![size],
        Shape::Image { height, width, channels } => vec![height, width, channels],
    }
    .serialize(serializer)
}

fn shape_from_sizes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Shape, D::Error> {
    match *Vec::<usize>::deserialize(deserializer)? {
        [size] => Ok(Shape::Vector(size)),
        [height, width, channels] => Ok(Shape::Image { height, width, channels }),
        _ => Err(D::Error::custom(unfit("the input must be [size] or [height, width, channels]"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MAX_PARAMETERS, Mode};

    /// A description of an image network with these layers, and squared error.
    fn described(layers: &str) -> String {
        format!(r#"{{"version":1,"input":[8,6,3],"layers":[{layers}],"loss":{{"kind":"squared_error"}}}}"#)
    }

    fn refused(text: &str) -> String {
        let made = Description::parse(text).and_then(|description| description.network());
        made.expect_err("a bad description").to_string()
    }

    const EVERY_KIND: &str = r#"{"kind":"convolution","channels":4,"kernel":[3,3],"padding":"same"},{"kind":"relu"},
        {"kind":"depthwise","kernel":[3,2],"stride":[1,1],"padding":[1,0,1,1]},{"kind":"tanh"},{"kind":"sigmoid"},
        {"kind":"max_pooling","kernel":[2,2]},{"kind":"average_pooling","kernel":[2,2],"stride":[1,1],"padding":"same"},
        {"kind":"gelu"},{"kind":"dropout","rate":0.5},{"kind":"batch_normalization"},{"kind":"softmax"},
        {"kind":"residual","layers":[{"kind":"depthwise","kernel":[3,3],"padding":"same"},{"kind":"relu"}]},
        {"kind":"flatten"},{"kind":"dense","size":5}"#;

    #[test]
    fn every_kind_is_read_written_and_connected() -> Result<()> {
        let description = Description::parse(&described(EVERY_KIND))?;
        assert_eq!(Description::parse(&description.json()?)?, description);
        let network = description.network()?;
        assert_eq!(network.output(), Shape::Vector(5));
        assert_eq!(network.parameter_count(), (27 + 1) * 4 + (6 + 1) * 4 + 17 + (9 + 1) * 4 + (4 * 3 * 4 + 1) * 5);
        let mut workspace = network.workspace(2);
        let outputs = network.forward(&network.initial(1), &[0.5; 2 * 8 * 6 * 3], Mode::Scoring, &mut workspace)?;
        assert!(outputs.iter().all(|value| value.is_finite()) && outputs[..5] == outputs[5..]);
        // Every layer of the list names itself as in the text.
        let kinds = described(EVERY_KIND);
        assert!(description.layers.iter().all(|layer| kinds.contains(&format!("\"kind\":\"{}\"", layer.kind()))));
        Ok(())
    }

    #[test]
    fn optional_members_have_defaults() -> Result<()> {
        let text = r#"{"version":1,"input":[4],"layers":[{"kind":"dense","size":2}],"loss":{"kind":"cross_entropy"}}"#;
        let description = Description::parse(text)?;
        assert_eq!(description.loss, Loss::CrossEntropy { smoothing: 0.0, class_weights: None });
        let huber = Description::parse(&text.replace("cross_entropy", "huber"))?;
        assert_eq!(huber.loss, Loss::Huber { delta: 1.0 });
        let convolution = Description::parse(&described(r#"{"kind":"convolution","channels":4,"kernel":[3,3]}"#))?;
        assert_eq!(convolution.network()?.output(), Shape::Image { height: 6, width: 4, channels: 4 });
        Ok(())
    }

    #[test]
    fn layers_that_do_not_fit_are_named() {
        assert_eq!(
            refused(&described(r#"{"kind":"relu"},{"kind":"dense","size":3}"#)),
            "layer 1 (dense): a dense layer reads vectors, got an image of 8 x 6 pixels with 3 channels; put Flatten \
             before it"
        );
        let error = refused(&described(r#"{"kind":"max_pooling","kernel":[9,2]}"#));
        assert!(error.starts_with("layer 0 (max_pooling): a pooling with a window of 9 x 2 pixels"), "{error}");
        let error = refused(&described(r#"{"kind":"dropout","rate":1.0}"#));
        assert!(error.starts_with("layer 0 (dropout): the share of a dropout"), "{error}");
    }

    #[test]
    fn unknown_kinds_and_members_are_named() {
        let error = refused(&described(r#"{"kind":"relu"},{"kind":"dens","size":3}"#));
        assert!(error.contains("layer 1 (dens): unknown variant `dens`, expected one of `dense`"), "{error}");
        let error = refused(&described(r#"{"kind":"relu","slope":1}"#));
        assert!(error.contains("layer 0 (relu): unknown field `slope`"), "{error}");
        let error = refused(&described(r#"{"kind":"convolution","channels":1,"kernel":[3,3],"padding":"all"}"#));
        assert!(error.contains("layer 0 (convolution): expected \"same\", \"valid\" or [top"), "{error}");
        let error = refused(&described("").replace("\"layers\"", "\"stages\""));
        assert!(error.contains("unknown field `stages`"), "{error}");
        let error = refused(&described("").replace("squared_error", "squared"));
        assert!(error.contains("unknown variant `squared`"), "{error}");
        let error = refused(&described("").replace("[8,6,3]", "[8,6]"));
        assert!(error.contains("the input must be [size] or [height, width, channels]"), "{error}");
    }

    #[test]
    fn layers_of_residuals_are_named() {
        let residual = |layers: &str| described(&format!(r#"{{"kind":"residual","layers":[{layers}]}}"#));
        let error = refused(&residual(r#"{"kind":"relu"},{"kind":"dense","size":3}"#));
        assert!(error.starts_with("layer 0 (residual), layer 1 (dense): a dense layer reads vectors"), "{error}");
        let error = refused(&residual(r#"{"kind":"dens"}"#));
        assert!(error.contains("layer 0 (residual), layer 0 (dens): unknown variant"), "{error}");
        let error = refused(&residual(r#"{"kind":"max_pooling","kernel":[2,2]}"#));
        assert!(error.contains("must return the shape that they read, an image of 8 x 6 pixels"), "{error}");
        assert!(refused(&residual("")).starts_with("layer 0 (residual): a network must have"));
    }

    #[test]
    fn residuals_are_nested_up_to_the_limit() {
        let nested = |depth: usize| {
            let (open, close) = (r#"{"kind":"residual","layers":["#.repeat(depth), "]}".repeat(depth));
            described(&format!(r#"{open}{{"kind":"relu"}}{close}"#))
        };
        assert!(Description::parse(&nested(MAX_DEPTH)).and_then(|description| description.network()).is_ok());
        assert!(refused(&nested(MAX_DEPTH + 1)).contains("more than 32 residuals are inside each other"));
        assert!(refused(&nested(10_000)).contains("recursion limit exceeded"));
    }

    #[test]
    fn a_last_layer_that_the_loss_includes_is_refused() {
        let vector = |layer: &str, loss: &str| {
            described(&format!(r#"{{"kind":"flatten"}},{{"kind":"{layer}"}}"#)).replace("squared_error", loss)
        };
        assert_eq!(
            refused(&vector("softmax", "cross_entropy")),
            "layer 1 (softmax): the loss cross_entropy includes it; remove the layer"
        );
        assert!(refused(&vector("sigmoid", "sigmoid_cross_entropy")).starts_with("layer 1 (sigmoid): the loss"));
        for (layer, loss) in [("softmax", "squared_error"), ("sigmoid", "cross_entropy")] {
            assert!(Description::parse(&vector(layer, loss)).and_then(|description| description.network()).is_ok());
        }
    }

    #[test]
    fn newer_versions_are_refused() {
        let newer = described("").replace("\"version\":1", "\"version\":2,\"backend\":\"x\"");
        assert!(refused(&newer).contains("written by a newer version of mmlrs"));
        assert!(refused(&described("").replace("\"version\":1", "\"version\":0")).contains("has no `version`"));
        assert!(refused("[]").contains("has no `version`"));
        assert!(refused("{").contains("the description of a network: EOF"));
    }

    #[test]
    fn huge_networks_are_refused_before_memory_is_allocated() {
        let vector = described(r#"{"kind":"flatten"},{"kind":"dense","size":18446744073709551615}"#);
        let error = refused(&vector);
        assert!(error.contains("layer 1") && error.contains(&MAX_PARAMETERS.to_string()), "{error}");
        let error = refused(&described(
            r#"{"kind":"convolution","channels":4294967296,"kernel":[4294967296,4294967296],"padding":"same"}"#,
        ));
        assert!(error.contains("layer 0"), "{error}");
        let error = refused(&described("{\"kind\":\"relu\"}").replace("[8,6,3]", "[4294967296,4294967296,8]"));
        assert!(error.contains("a network must have 1 to"), "{error}");
    }

    #[test]
    fn settings_of_the_loss_are_checked() {
        let with =
            |loss: &str| format!(r#"{{"version":1,"input":[4],"layers":[{{"kind":"dense","size":2}}],"loss":{loss}}}"#);
        let error = refused(&with(r#"{"kind":"cross_entropy","class_weights":[1,2,3]}"#));
        assert!(error.contains("there are 3 class weights, but the network has 2 outputs"), "{error}");
        let error = refused(&with(r#"{"kind":"cross_entropy","class_weights":[1,-2]}"#));
        assert!(error.contains("the weight of class 1 must be at least 0, got -2"), "{error}");
        assert!(refused(&with(r#"{"kind":"cross_entropy","smoothing":1.0}"#)).contains("smoothing"));
        assert!(refused(&with(r#"{"kind":"huber","delta":0}"#)).contains("delta"));
    }
}
