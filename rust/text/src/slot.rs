//! Maps a term to its slot, like Spark's `HashingTF` since version 3.

/// The seed of `HashingTF`, and so the hash of a null.
const SEED: u32 = 42;

/// 32-bit `MurmurHash3` for x86.
#[inline]
pub fn murmur3(bytes: &[u8]) -> u32 {
    let mut hash = SEED;
    let (blocks, tail) = bytes.as_chunks::<4>();
    for block in blocks {
        hash ^= mixed(u32::from_le_bytes(*block));
        hash = hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    if !tail.is_empty() {
        let mut last = 0;
        for (i, byte) in tail.iter().enumerate() {
            last |= u32::from(*byte) << (8 * i);
        }
        hash ^= mixed(last);
    }
    hash ^= bytes.len() as u32;
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85eb_ca6b);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

#[inline]
fn mixed(block: u32) -> u32 {
    block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593)
}

/// Number of slots, and the mapping of a hash to one of them.
#[derive(Debug, Clone, Copy)]
pub struct Slots {
    number: i32,
    /// Number of slots minus one, if it is a mask.
    mask: Option<i32>,
}

impl Slots {
    /// `number` slots, at least 1.
    pub fn new(number: i32) -> Self {
        let number = number.max(1);
        Self { number, mask: (number & (number - 1) == 0).then_some(number - 1) }
    }

    /// The number of slots.
    pub fn number(self) -> usize {
        self.number as usize
    }

    /// The slot of a term.
    #[inline]
    pub fn of(self, term: &[u8]) -> i32 {
        self.of_hash(murmur3(term))
    }

    /// The slot of a null.
    pub fn of_null(self) -> i32 {
        self.of_hash(SEED)
    }

    #[inline]
    fn of_hash(self, hash: u32) -> i32 {
        let hash = hash as i32;
        match self.mask {
            Some(mask) => hash & mask,
            None => hash.rem_euclid(self.number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Results of pyspark 4.3.
    #[test]
    fn slots_are_those_of_spark() {
        let slots = Slots::new(1 << 18);
        let slots_of_terms: Vec<i32> =
            ["a", "bc", "xyz", "word", "words", ""].iter().map(|t| slots.of(t.as_bytes())).collect();
        assert_eq!(slots_of_terms, SPARK);
        assert_eq!(slots.of_null(), 42);
    }

    const SPARK: [i32; 6] = [107_107, 171_051, 25_652, 24_031, 151_864, 249_180];

    #[test]
    fn slots_are_never_negative() {
        let (mask, other) = (Slots::new(1024), Slots::new(1000));
        for term in 0..5000_u32 {
            let hash = murmur3(&term.to_le_bytes());
            assert_eq!(mask.of(&term.to_le_bytes()), (hash as i32).rem_euclid(1024));
            assert!((0..1000).contains(&other.of(&term.to_le_bytes())));
        }
        assert_eq!(Slots::new(1).of(b"a"), 0);
    }
}
