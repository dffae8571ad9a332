//! A trained network as a file: the form of `safetensors`, which many tools read.
//!
//! The file has one tensor, `parameters`, and the description of the network as metadata under the key `mmlrs.network`.

use mmlrs_core::{Error, Result};
use serde_json::{Value, json};

use crate::description::Description;
use crate::loss::Loss;
use crate::network::Network;

/// The key of the description.
const KEY: &str = "mmlrs.network";
/// The only tensor.
const TENSOR: &str = "parameters";
/// Maximum number of bytes of the header.
const MAX_HEADER: usize = 16 << 20;

/// A network with its parameters.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The layers.
    pub network: Network,
    /// The parameters.
    pub parameters: Vec<f32>,
}

impl Trained {
    /// Reads a file.
    ///
    /// # Errors
    /// The file is damaged, not a network of mmlrs, or from a newer version.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let (description, parameters) = read(bytes)?;
        let network = description.network()?;
        if parameters.len() != network.parameter_count() * 4 {
            let (given, expected) = (parameters.len() / 4, network.parameter_count());
            return Err(damaged(&format!("it has {given} parameters, but its layers have {expected}")));
        }
        let parameters: Vec<f32> =
            parameters.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        if let Some(place) = parameters.iter().position(|value| !value.is_finite()) {
            return Err(damaged(&format!("parameter {place} is not a finite number")));
        }
        Ok(Self { network, parameters })
    }
}

impl Trained {
    /// Reads a part of the network in a file: the layers before `layer`, or those from it on.
    ///
    /// # Errors
    /// As for [`Self::parse`]; the network has fewer layers.
    pub fn parse_part(bytes: &[u8], layer: usize, is_first: bool) -> Result<Self> {
        let whole = Self::parse(bytes)?;
        let (mut description, _) = read(bytes)?;
        let cut = whole.network.places().nth(layer.wrapping_sub(1)).map(|(_, output, range)| (output, range.end));
        let (Some((shape, parameters)), true) = (cut, layer < description.layers.len()) else {
            return Err(damaged(&format!("layer {layer} is not inside it")));
        };
        if is_first {
            description.layers.truncate(layer);
            // The loss is that of the outputs.
            description.loss = Loss::SquaredError {};
            return Ok(Self { network: description.network()?, parameters: whole.parameters[..parameters].to_vec() });
        }
        description.layers.drain(..layer);
        description.input = shape;
        Ok(Self { network: description.network()?, parameters: whole.parameters[parameters..].to_vec() })
    }
}

/// The layers of a file before `layer`, as a file.
///
/// # Errors
/// As for [`Trained::parse_part`].
pub fn first_part(bytes: &[u8], layer: usize) -> Result<Vec<u8>> {
    let part = Trained::parse_part(bytes, layer, true)?;
    let (mut description, _) = read(bytes)?;
    description.layers.truncate(layer);
    description.loss = part.network.loss().clone();
    write(&description, &part.parameters)
}

/// Writes a file.
///
/// # Errors
/// None that is known.
pub fn write(description: &Description, parameters: &[f32]) -> Result<Vec<u8>> {
    let failed = |e| Error::runtime(format!("the network cannot be written: {e}"));
    let length = parameters.len() * 4;
    let text = serde_json::to_string(description).map_err(failed)?;
    let header = json!({
        "__metadata__": {KEY: text},
        TENSOR: {"dtype": "F32", "shape": [parameters.len()], "data_offsets": [0, length]},
    });
    let mut header = header.to_string().into_bytes();
    // The numbers are aligned.
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut bytes = Vec::with_capacity(8 + header.len() + length);
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header);
    bytes.extend(parameters.iter().flat_map(|value| value.to_le_bytes()));
    Ok(bytes)
}

/// The description of a file, and the bytes of its parameters.
///
/// # Errors
/// As for [`Trained::parse`].
pub fn read(bytes: &[u8]) -> Result<(Description, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(|| damaged("it is too short"))?;
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if length > MAX_HEADER || length > rest.len() {
        return Err(damaged("it does not start like a network"));
    }
    let (header, data) = rest.split_at(length);
    let header: Value = serde_json::from_slice(header).map_err(|e| damaged(&e.to_string()))?;
    let text = header["__metadata__"][KEY].as_str().ok_or_else(|| damaged("it has no description of a network"))?;
    let description = Description::parse(text)?;
    let tensor = &header[TENSOR];
    if tensor["dtype"] != "F32" || tensor["data_offsets"] != json!([0, data.len()]) || data.len() % 4 != 0 {
        return Err(damaged("its parameters are incomplete"));
    }
    Ok((description, data))
}

fn damaged(cause: &str) -> Error {
    Error::model(format!("the network cannot be read: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        r#"{"version": 1, "input": [2], "layers": [{"kind": "dense", "size": 1}], "loss": {"kind": "squared_error"}}"#;

    #[test]
    fn a_network_comes_back() -> Result<()> {
        let description = Description::parse(TEXT)?;
        let bytes = write(&description, &[1.0, -2.0, 0.5])?;
        let trained = Trained::parse(&bytes)?;
        assert_eq!(trained.parameters, [1.0, -2.0, 0.5]);
        assert_eq!(read(&bytes)?.0, description);
        Ok(())
    }

    #[test]
    fn damaged_files_are_errors() -> Result<()> {
        let description = Description::parse(TEXT)?;
        let good = write(&description, &[1.0, -2.0, 0.5])?;
        let cause = |bytes: &[u8]| Trained::parse(bytes).err().map(|e| e.to_string()).unwrap_or_default();
        for end in [0, 7, 20, good.len() - 1] {
            assert!(cause(&good[..end]).contains("cannot be read"), "{end}");
        }
        assert!(cause(&write(&description, &[1.0])?).contains("1 parameters, but its layers have 3"));
        assert!(cause(&write(&description, &[1.0, f32::NAN, 0.0])?).contains("parameter 1"));
        let place = good.windows(13).position(|bytes| bytes == br#"\"version\":1"#);
        let mut newer = good.clone();
        newer[place.ok_or_else(|| Error::runtime("the file has no version"))? + 12] = b'9';
        assert!(cause(&newer).contains("newer version"), "{}", cause(&newer));
        Ok(())
    }
}
