//! Implausible normalizations: (x * scale - mean) / std with values meant for another scale of pixels.

use std::fmt;

/// A value of a normalization and its source, such as "`normalizeMean`".
#[derive(Debug, Clone, Copy)]
pub struct Factor<'a, T> {
    /// The value.
    pub value: T,
    /// Its source.
    pub from: &'a str,
}

/// Why (x * `scale` - `mean`) / `std` is implausible for pixels x between 0 and 255; `None` if it is plausible. Empty lists
/// mean 0 and 1. Unusual but possible values, such as a deviation of 1 at any scale, are accepted.
pub fn normalization_doubt(
    mean: Factor<'_, &[f64]>,
    std: Factor<'_, &[f64]>,
    scale: Factor<'_, f64>,
) -> Option<String> {
    // Factors are often written with three digits.
    const SLACK: f64 = 1.01;
    let top = 255.0 * scale.value;
    let largest = |values: &[f64]| values.iter().fold(0.0, |max: f64, v| max.max(v.abs()));
    let pixels = format!("pixels times {} are between 0 and {}", Shown(scale.value), Shown(top));
    let remedy = |top: f64| {
        let factor = if top > 1.0 { "1.0" } else { "1/255" };
        format!("values for pixels of 0 to {} need the factor {factor} in {}", Shown(top), scale.from)
    };
    let (high_mean, high_std) = (largest(mean.value), largest(std.value));
    // A deviation of 1 is not a measured one, but a division without effect.
    let real = std.value.iter().map(|v| v.abs()).filter(|v| (v - 1.0).abs() > 1e-9);
    let low_std = real.clone().fold(f64::INFINITY, f64::min);
    if real.clone().any(|v| v > top * SLACK) {
        let wide = if high_std > 1.0 { 255.0 } else { 1.0 };
        return Some(format!(
            "{pixels}, but {} goes up to {}, so that all images look alike; {}",
            std.from,
            Shown(high_std),
            remedy(wide)
        ));
    }
    if high_mean > top * SLACK {
        let wide = if high_mean > 1.0 { 255.0 } else { 1.0 };
        return Some(format!("{pixels}, but {} goes up to {}; {}", mean.from, Shown(high_mean), remedy(wide)));
    }
    if high_mean > 0.0 && high_mean * 255.0 <= top {
        return Some(format!(
            "{pixels}, but {} goes up to {} only, as if the images were black; {}",
            mean.from,
            Shown(high_mean),
            remedy(1.0)
        ));
    }
    if low_std * 255.0 * SLACK < top {
        return Some(format!(
            "{pixels}, but {} goes down to {}, which gives values of up to {}; {}",
            std.from,
            Shown(low_std),
            Shown(top / low_std),
            remedy(1.0)
        ));
    }
    None
}

/// A number formatted with few digits.
struct Shown(f64);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = (self.0 * 1e4).round() / 1e4;
        write!(f, "{rounded}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubt(mean: &[f64], std: &[f64], scale: f64) -> Option<String> {
        normalization_doubt(
            Factor { value: mean, from: "the mean" },
            Factor { value: std, from: "the deviation" },
            Factor { value: scale, from: "the scale" },
        )
    }

    #[test]
    fn the_normalizations_of_the_field_are_believed() {
        for (mean, std, scale) in [
            (&[0.485, 0.456, 0.406][..], &[0.229, 0.224, 0.225][..], 1.0 / 255.0),
            (&[123.675, 116.28, 103.53], &[58.395, 57.12, 57.375], 1.0),
            (&[103.939, 116.779, 123.68], &[], 1.0),
            (&[127.5], &[127.5], 1.0),
            (&[127.0], &[128.0], 1.0),
            (&[1.0], &[1.0], 1.0 / 127.5),
            (&[0.5], &[0.5], 1.0 / 255.0),
            (&[0.1307], &[0.3081], 0.003_92),
            (&[0.0; 3], &[1.0; 3], 1.0 / 255.0),
            (&[1.77, 1.99, 2.1], &[1.0], 0.017),
            (&[], &[], 1.0),
            (&[], &[255.0], 1.0),
            (&[1.0, 2.0, 3.0], &[], 1.0),
        ] {
            assert_eq!(doubt(mean, std, scale), None, "{mean:?} {std:?} {scale}");
        }
    }

    #[test]
    fn numbers_for_another_scale_are_doubted_with_the_remedy() {
        let words = |mean: &[f64], std: &[f64], scale: f64| doubt(mean, std, scale).unwrap_or_default();
        let wide = words(&[127.0; 3], &[128.0; 3], 1.0 / 255.0);
        assert!(wide.contains("the deviation goes up to 128") && wide.contains("factor 1.0 in the scale"), "{wide}");
        assert!(words(&[0.5], &[2.0], 1.0 / 255.0).contains("look alike"));
        assert!(words(&[127.0], &[1.0], 1.0 / 255.0).contains("the mean goes up to 127"));
        let narrow = words(&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225], 1.0);
        assert!(narrow.contains("goes up to 0.485 only") && narrow.contains("factor 1/255"), "{narrow}");
        assert!(words(&[], &[0.229], 1.0).contains("values of up to 1113"));
    }
}
