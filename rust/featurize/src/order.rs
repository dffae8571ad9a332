//! Doubles as integers with the same order, which are faster to hash, compare and sort.

/// An integer with the order of the double. Both zeros have the same key. NaN has no key.
#[inline]
pub fn key_of(value: f64) -> i64 {
    let bits = (value + 0.0).to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// The double of a key.
#[inline]
pub fn of_key(key: i64) -> f64 {
    f64::from_bits((key ^ (((key >> 63) as u64) >> 1) as i64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_as_the_doubles_do() {
        let ascending =
            [f64::NEG_INFINITY, f64::MIN, -1.5, -f64::MIN_POSITIVE, 0.0, 5e-324, 1.0, f64::MAX, f64::INFINITY];
        assert!(ascending.windows(2).all(|pair| key_of(pair[0]) < key_of(pair[1])));
        assert!(ascending.iter().all(|v| of_key(key_of(*v)).to_bits() == v.to_bits()));
        assert_eq!(key_of(-0.0), key_of(0.0));
    }
}
