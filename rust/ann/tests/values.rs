//! What layers compute, beside values computed by hand.

use mmlrs_ann::{Description, Mode};
use mmlrs_core::Result;

/// The outputs of one layer without parameters, for one row.
fn outputs(input: &str, layer: &str, x: &[f32], mode: Mode) -> Result<Vec<f32>> {
    let text = format!(r#"{{"version":1,"input":{input},"layers":[{layer}],"loss":{{"kind":"squared_error"}}}}"#);
    let network = Description::parse(&text)?.network()?;
    Ok(network.forward(&network.initial(1), x, mode, &mut network.workspace(1))?.to_vec())
}

fn assert_close(made: &[f32], right: &[f32]) {
    let is_close = made.iter().zip(right).all(|(made, right)| (made - right).abs() < 1e-6);
    assert!(made.len() == right.len() && is_close, "{made:?} instead of {right:?}");
}

#[test]
fn activations_are_those_of_the_tables() -> Result<()> {
    let x = [-3.0, -1.0, 0.0, 0.5, 2.0];
    for (layer, right) in [
        ("sigmoid", [0.047_425_9, 0.268_941_4, 0.5, 0.622_459_3, 0.880_797_1]),
        ("tanh", [-0.995_054_8, -0.761_594_2, 0.0, 0.462_117_2, 0.964_027_6]),
        ("relu", [0.0, 0.0, 0.0, 0.5, 2.0]),
        ("gelu", [-0.004_049_7, -0.158_655_3, 0.0, 0.345_731_2, 1.954_499_7]),
        ("softmax", [0.004_761_8, 0.035_185_4, 0.095_643_9, 0.157_690_2, 0.706_718_5]),
    ] {
        assert_close(&outputs("[5]", &format!(r#"{{"kind":"{layer}"}}"#), &x, Mode::Scoring)?, &right);
    }
    Ok(())
}

#[test]
fn a_softmax_of_an_image_is_that_of_each_pixel() -> Result<()> {
    let x = [0.0, 0.0, 3.0_f32.ln(), 0.0];
    assert_close(&outputs("[1,2,2]", r#"{"kind":"softmax"}"#, &x, Mode::Scoring)?, &[0.5, 0.5, 0.75, 0.25]);
    Ok(())
}

#[test]
fn the_border_does_not_count_in_a_pooling() -> Result<()> {
    let x = [-1.0, -2.0, -3.0, -4.0, -5.0, -6.0];
    let pooled = |kind: &str, more: &str| {
        outputs("[2,3,1]", &format!(r#"{{"kind":"{kind}","kernel":[2,2]{more}}}"#), &x, Mode::Scoring)
    };
    assert_close(&pooled("max_pooling", "")?, &[-1.0]);
    assert_close(&pooled("max_pooling", r#","padding":"same""#)?, &[-1.0, -3.0]);
    assert_close(&pooled("average_pooling", r#","padding":"same""#)?, &[-3.0, -4.5]);
    let shifted = r#","stride":[1,1],"padding":[1,1,0,0]"#;
    assert_close(&pooled("average_pooling", shifted)?, &[-1.0, -1.5, -2.5, -2.5, -3.0, -4.0]);
    assert_close(&outputs("[2,3,1]", r#"{"kind":"global_pooling"}"#, &x, Mode::Scoring)?, &[-3.5]);
    Ok(())
}

#[test]
fn nan_is_not_hidden() -> Result<()> {
    let x = [1.0, f32::NAN, 5.0, 2.0];
    for layer in [r#"{"kind":"max_pooling","kernel":[2,2]}"#, r#"{"kind":"global_pooling"}"#] {
        assert!(outputs("[2,2,1]", layer, &x, Mode::Scoring)?[0].is_nan(), "{layer}");
    }
    for layer in ["relu", "sigmoid", "tanh", "gelu"] {
        assert!(outputs("[4]", &format!(r#"{{"kind":"{layer}"}}"#), &x, Mode::Scoring)?[1].is_nan(), "{layer}");
    }
    Ok(())
}

#[test]
fn a_dropout_keeps_the_mean_while_training_and_everything_else() -> Result<()> {
    let (x, layer) = (vec![1.0; 20_000], r#"{"kind":"dropout","rate":0.25}"#);
    let dropped = outputs("[20000]", layer, &x, Mode::Training { seed: 5 })?;
    let zeros = dropped.iter().filter(|value| **value == 0.0).count();
    assert!((4_700..5_300).contains(&zeros), "{zeros}");
    assert!(dropped.iter().all(|value| *value == 0.0 || (value - 4.0 / 3.0).abs() < 1e-6));
    assert_ne!(dropped, outputs("[20000]", layer, &x, Mode::Training { seed: 6 })?);
    assert_eq!(dropped, outputs("[20000]", layer, &x, Mode::Training { seed: 5 })?);
    assert_eq!(x, outputs("[20000]", layer, &x, Mode::Scoring)?);
    let two = outputs("[20000]", &format!("{layer},{layer}"), &x, Mode::Training { seed: 5 })?;
    let zeros = two.iter().filter(|value| **value == 0.0).count();
    // The two drop different values: 1 - 0.75 * 0.75.
    assert!((8_400..9_100).contains(&zeros), "{zeros}");
    Ok(())
}
