//! Tag directories, as used by TIFF files and EXIF blocks.

/// A TIFF structure and its byte order.
#[derive(Debug, Clone, Copy)]
pub struct Tags<'a> {
    bytes: &'a [u8],
    big_endian: bool,
    /// `BigTIFF`: counts and offsets have 8 bytes.
    wide: bool,
    /// Position of the directory; the header states that of the first one.
    start: Option<usize>,
}

/// One entry of a directory.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub tag: u16,
    kind: u16,
    count: usize,
    /// Position of the first value.
    at: usize,
}

impl Entry {
    /// Bytes of one value; 0 for kinds without integers.
    fn size(&self) -> usize {
        if matches!(self.kind, ASCII | RATIONAL | SIGNED_RATIONAL | 11 | 12) { 0 } else { size_of_kind(self.kind) }
    }
}

const ASCII: u16 = 2;
const RATIONAL: u16 = 5;
const SIGNED_RATIONAL: u16 = 10;

/// Bytes of one value of a kind: BYTE, ASCII, SHORT, LONG, RATIONAL, their signed forms, floats, offsets, and the 8-byte forms of
/// `BigTIFF`.
fn size_of_kind(kind: u16) -> usize {
    match kind {
        1 | ASCII | 6 | 7 => 1,
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        RATIONAL | SIGNED_RATIONAL | 12 | 16..=18 => 8,
        _ => 0,
    }
}

impl<'a> Tags<'a> {
    /// The structure, if the bytes start with its header.
    pub fn open(bytes: &'a [u8]) -> Option<Self> {
        let (big_endian, wide) = match bytes.get(..4)? {
            b"II*\0" => (false, false),
            b"MM\0*" => (true, false),
            b"II+\0" => (false, true),
            b"MM\0+" => (true, true),
            _ => return None,
        };
        Some(Self { bytes, big_endian, wide, start: None })
    }

    /// The structure of an EXIF block, with or without the name that it has in JPEG files.
    pub fn of_exif(block: &'a [u8]) -> Option<Self> {
        Self::open(block.strip_prefix(b"Exif\0\0").unwrap_or(block))
    }

    /// The directory whose position is the value of a tag.
    pub fn directory_of(self, tag: u16) -> Option<Self> {
        let start = usize::try_from(self.first(tag)?).ok()?;
        Some(Self { start: Some(start), ..self })
    }

    /// The text of a tag up to the first zero byte, without spaces around it; None if it is blank. Bytes that are not UTF-8 are
    /// read as Latin-1.
    pub fn text(self, tag: u16) -> Option<String> {
        let entry = self.find(tag).filter(|entry| matches!(entry.kind, ASCII | 1 | 7))?;
        let bytes = self.bytes.get(entry.at..entry.at.checked_add(entry.count)?)?;
        let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        let text = std::str::from_utf8(bytes)
            .map_or_else(|_| bytes.iter().map(|byte| char::from(*byte)).collect(), str::to_owned);
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The rational numbers of a tag that are present; one with a denominator of zero is NaN.
    pub fn rationals(self, tag: u16) -> Vec<f64> {
        let Some(entry) = self.find(tag).filter(|entry| entry.kind == RATIONAL) else { return Vec::new() };
        let part = |at: usize| self.number_at(at, 4).map(|value| value as f64);
        (0..entry.count)
            .map_while(|i| {
                let at = entry.at.checked_add(i.checked_mul(8)?)?;
                let (numerator, denominator) = (part(at)?, part(at + 4)?);
                Some(if denominator == 0.0 { f64::NAN } else { numerator / denominator })
            })
            .collect()
    }

    /// Whether the file ends before the last entry of the first directory.
    pub fn is_cut_short(self) -> bool {
        let (_, count) = self.directory();
        self.entries().count() as u64 != count || count == 0
    }

    /// The entries of the first directory that are present.
    pub fn entries(self) -> impl Iterator<Item = Entry> + 'a {
        let (first, count) = self.directory();
        let size = if self.wide { 20 } else { 12 };
        (0..count).map_while(move |i| self.entry(first.checked_add(usize::try_from(i).ok()?.checked_mul(size)?)?))
    }

    /// The position of the first directory's entries, and their stated number.
    fn directory(self) -> (usize, u64) {
        let (pointer, head) = if self.wide { (8, 8) } else { (4, 2) };
        let first = || self.number_at(pointer, pointer).and_then(|at| usize::try_from(at).ok());
        let start = self.start.or_else(first);
        let count = start.and_then(|at| self.number_at(at, head)).unwrap_or(0);
        (start.unwrap_or(0).saturating_add(head), count)
    }

    fn entry(self, at: usize) -> Option<Entry> {
        let tag = self.number_at(at, 2)? as u16;
        let kind = self.number_at(at + 2, 2)? as u16;
        let (wide, field) = if self.wide { (8, at + 12) } else { (4, at + 8) };
        let count = usize::try_from(self.number_at(at + 4, wide)?).ok()?;
        self.number_at(field, wide)?;
        let inline = count.saturating_mul(size_of_kind(kind)) <= wide;
        let at = if inline { field } else { usize::try_from(self.number_at(field, wide)?).ok()? };
        Some(Entry { tag, kind, count, at })
    }

    /// The first entry of a tag.
    pub fn find(self, tag: u16) -> Option<Entry> {
        self.entries().find(|entry| entry.tag == tag)
    }

    /// One value of an entry, if it is an integer and is present.
    pub fn value(self, entry: Entry, index: usize) -> Option<u64> {
        if index >= entry.count || entry.size() == 0 {
            return None;
        }
        self.number_at(entry.at.checked_add(index.checked_mul(entry.size())?)?, entry.size())
    }

    /// The first value of a tag.
    pub fn first(self, tag: u16) -> Option<u64> {
        self.value(self.find(tag)?, 0)
    }

    /// All values of a tag that are present.
    pub fn all(self, tag: u16) -> Vec<u64> {
        let Some(entry) = self.find(tag) else { return Vec::new() };
        (0..entry.count).map_while(|i| self.value(entry, i)).collect()
    }

    /// Writes the first value of an entry in a copy of the structure.
    pub fn write(self, copy: &mut [u8], entry: Entry, value: u8) {
        let last = if self.big_endian { entry.size().saturating_sub(1) } else { 0 };
        for i in 0..entry.size() {
            if let Some(byte) = copy.get_mut(entry.at + i) {
                *byte = if i == last { value } else { 0 };
            }
        }
    }

    fn number_at(self, at: usize, size: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(size)?)?;
        let shift = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        Some(if self.big_endian { bytes.iter().fold(0, shift) } else { bytes.iter().rev().fold(0, shift) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_in_either_order_and_any_width() {
        // A directory at offset 8 with a big-endian LONG, then a SHORT of count 3, whose values are stored elsewhere.
        let big = [
            b"MM\0*\0\0\0\x08".as_slice(),
            &[0, 2, 1, 0x12, 0, 4, 0, 0, 0, 1, 0, 0, 0, 6],
            &[1, 2, 0, 3, 0, 0, 0, 3, 0, 0, 0, 38, 0, 0, 0, 0],
            &[0, 8, 0, 9, 0, 10],
        ]
        .concat();
        let Some(tags) = Tags::open(&big) else { return };
        assert_eq!(tags.first(0x112), Some(6));
        assert_eq!(tags.all(0x102), [8, 9, 10]);
        assert!(tags.find(1).is_none());
    }

    #[test]
    fn a_structure_that_ends_early_has_the_entries_that_are_there() {
        for length in 0..8 {
            let bytes = &b"II*\0\x08\0\0\0"[..length];
            assert_eq!(Tags::open(bytes).map_or(0, |tags| tags.entries().count()), 0);
        }
        let endless = b"II*\0\x08\0\0\0\xff\xff\x12\x01\x03\0\xff\xff\xff\xff\xff\xff\xff\xff";
        let tags = Tags::open(endless);
        assert_eq!(tags.map(|t| (t.entries().count(), t.first(0x112), t.all(0x112).len())), Some((1, None, 0)));
    }
}
