//! Numbers formatted as in Java, and so as in Spark's cast to string.

/// A double as `java.lang.Double.toString` writes it, with the fewest digits that distinguish it from its neighbours.
pub fn double_text(value: f64) -> String {
    text(value.is_finite(), value, &format!("{value:e}"))
}

/// A float as `java.lang.Float.toString` writes it, with the fewest digits that distinguish it from its neighbours.
pub fn float_text(value: f32) -> String {
    text(value.is_finite(), f64::from(value), &format!("{value:e}"))
}

/// `scientific` is the shortest form with an exponent, such as `1.25e-7`.
fn text(finite: bool, value: f64, scientific: &str) -> String {
    if !finite {
        return if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .to_owned();
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if value == 0.0 {
        return format!("{sign}0.0");
    }
    if !(-3..7).contains(&exponent) {
        return format!("{sign}{first}.{}E{exponent}", or_zero(rest));
    }
    let digits = format!("{first}{rest}");
    if exponent < 0 {
        return format!("{sign}0.{}{digits}", "0".repeat(exponent.unsigned_abs() as usize - 1));
    }
    let integer_digits = exponent as usize + 1;
    if digits.len() <= integer_digits {
        return format!("{sign}{digits}{}.0", "0".repeat(integer_digits - digits.len()));
    }
    format!("{sign}{}.{}", &digits[..integer_digits], &digits[integer_digits..])
}

fn or_zero(digits: &str) -> &str {
    if digits.is_empty() { "0" } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_read_as_in_java() {
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-2.5, "-2.5"),
            (0.1, "0.1"),
            (1e-3, "0.001"),
            (1.25e-4, "1.25E-4"),
            (100.0, "100.0"),
            (1_234_567.5, "1234567.5"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (123_456_789.5, "1.234567895E8"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::NEG_INFINITY, "-Infinity"),
            (f64::NAN, "NaN"),
        ];
        for (value, text) in cases {
            assert_eq!(double_text(value), text);
        }
        assert_eq!(float_text(0.1), "0.1");
        assert_eq!(float_text(1e10), "1.0E10");
    }
}
