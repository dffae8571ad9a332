//! The header in front of every piece, by which workers notice that they are out of step.

/// The number of bytes of a header.
pub const HEADER_BYTES: usize = 24;

/// What a piece is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Values that their owner sums.
    Sum = 1,
    /// Sums that their owner sends to all.
    Summed = 2,
    /// Numbers of `f64` that everyone sums.
    Numbers = 3,
    /// Values that the worker `from` sends to the owners of their segments.
    Broadcast = 4,
    /// Values that their owner passes on to all.
    Passed = 5,
    /// A message for all.
    Gather = 6,
    /// A parcel for one worker.
    Exchange = 7,
    /// Why the sender stops.
    Abort = 255,
}

const KINDS: [Kind; 8] =
    [Kind::Sum, Kind::Summed, Kind::Numbers, Kind::Broadcast, Kind::Passed, Kind::Gather, Kind::Exchange, Kind::Abort];

impl Kind {
    fn call(self) -> &'static str {
        match self {
            Self::Sum | Self::Summed => "sum",
            Self::Numbers => "sum_f64",
            Self::Broadcast | Self::Passed => "broadcast",
            Self::Gather => "gather",
            Self::Exchange => "exchange",
            Self::Abort => "abort",
        }
    }

    fn unit(self) -> &'static str {
        if matches!(self, Self::Gather | Self::Exchange | Self::Abort) { "bytes" } else { "values" }
    }
}

/// The header of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the piece is part of.
    pub kind: Kind,
    /// The bytes of the piece.
    pub bytes: u32,
    /// The number of the call, from 1.
    pub call: u64,
    /// The values of the whole vector, or the bytes of the whole message.
    pub total: u64,
}

impl Header {
    /// The header as bytes.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&(self.kind as u32).to_le_bytes());
        bytes[4..8].copy_from_slice(&self.bytes.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.call.to_le_bytes());
        bytes[16..].copy_from_slice(&self.total.to_le_bytes());
        bytes
    }

    /// The header that bytes contain; `None` if they are none.
    pub fn from_bytes(bytes: [u8; HEADER_BYTES]) -> Option<Self> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        let kind = *KINDS.iter().find(|kind| **kind as u32 == word(0))?;
        Some(Self { kind, bytes: word(4), call: long(8), total: long(16) })
    }

    /// Compares the header with the expected one: what the sender does wrong, after its name.
    pub fn check(self, expected: Self) -> Result<(), String> {
        self.check_call(expected.kind, expected.call)?;
        if self.total != expected.total {
            let unit = expected.kind.unit();
            return Err(format!("sends {} {unit} where {} are expected", self.total, expected.total));
        }
        if self.bytes != expected.bytes {
            return Err(format!("sends a piece of {} bytes where {} are expected", self.bytes, expected.bytes));
        }
        Ok(())
    }

    /// Compares the kind and the number of the call.
    pub fn check_call(self, kind: Kind, call: u64) -> Result<(), String> {
        if (self.kind, self.call) == (kind, call) {
            return Ok(());
        }
        Err(format!(
            "is at call {}, {}, where call {call}, {}, is expected: all workers must make the same calls in the same order",
            self.call,
            self.kind.call(),
            kind.call()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header { kind: Kind::Sum, bytes: 200, call: 7, total: (3 << 32) + 50 };

    #[test]
    fn headers_survive_the_way() {
        for kind in KINDS {
            let header = Header { kind, ..HEADER };
            assert_eq!(Header::from_bytes(header.to_bytes()), Some(header));
        }
        let mut bytes = HEADER.to_bytes();
        bytes[0] = 77;
        assert_eq!(Header::from_bytes(bytes), None);
    }

    #[test]
    fn a_header_that_is_not_expected_says_what_is_wrong() {
        let expected = Header { total: 50, ..HEADER };
        let wrong = |header: Header| header.check(expected).expect_err("differs");
        assert_eq!(wrong(Header { total: 48, ..expected }), "sends 48 values where 50 are expected");
        assert_eq!(wrong(Header { bytes: 4, ..expected }), "sends a piece of 4 bytes where 200 are expected");
        let text = "is at call 7, broadcast, where call 7, sum, is expected: ";
        assert!(wrong(Header { kind: Kind::Broadcast, ..expected }).starts_with(text));
        let text = "is at call 9, sum, where call 7, sum, is expected: ";
        assert!(wrong(Header { call: 9, ..expected }).starts_with(text));
        assert_eq!(expected.check(expected), Ok(()));
    }
}
