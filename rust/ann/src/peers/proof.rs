//! The proof that both ends of a connection know the token: HMAC-SHA-256 (RFC 2104) of numbers used once.

use sha2::{Digest, Sha256};

/// The secret of a job.
pub type Token = [u8; 32];

/// HMAC-SHA-256 of the parts of a message.
pub fn hmac(token: &Token, parts: &[&[u8]]) -> [u8; 32] {
    let padded = |pad: u8| {
        let mut key = [pad; 64];
        key.iter_mut().zip(token).for_each(|(key, byte)| *key ^= byte);
        key
    };
    let mut inner = Sha256::new().chain_update(padded(0x36));
    for part in parts {
        inner.update(part);
    }
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner.finalize()).finalize().into()
}

/// Whether two proofs are equal. The time does not depend on where they differ.
pub fn equal(left: &[u8; 32], right: &[u8; 32]) -> bool {
    let difference = left.iter().zip(right).fold(0, |all, (left, right)| std::hint::black_box(all | (left ^ right)));
    difference == 0
}

/// A number used once.
pub fn nonce() -> Result<[u8; 32], String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| format!("the system has no random numbers: {error}"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(start: &[u8]) -> Token {
        let mut token = [0; 32];
        token[..start.len()].copy_from_slice(start);
        token
    }

    fn hex(bytes: [u8; 32]) -> String {
        bytes
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|digit| char::from_digit(digit.into(), 16))
            .collect()
    }

    // A shorter key is padded with zeros.
    #[test]
    fn proofs_are_those_of_rfc_4231() {
        let first = hmac(&token(&[0x0b; 20]), &[b"Hi ", b"There"]);
        assert_eq!(hex(first), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        let second = hmac(&token(b"Jefe"), &[b"what do ya want for nothing?"]);
        assert_eq!(hex(second), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn proofs_that_differ_in_one_bit_are_not_equal() {
        let proof = hmac(&[7; 32], &[b"a"]);
        assert!(equal(&proof, &proof.clone()));
        for at in 0..32 {
            let mut other = proof;
            other[at] ^= 1 << (at % 8);
            assert!(!equal(&proof, &other));
        }
    }

    #[test]
    fn numbers_are_used_once() {
        assert_ne!(nonce(), nonce());
    }
}
