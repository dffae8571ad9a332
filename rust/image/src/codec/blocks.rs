//! The parts of a file that describe it.

/// The blocks of a file that describe it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Blocks<'a> {
    /// A structure of tags.
    pub exif: Option<&'a [u8]>,
    /// A text in XML.
    pub xmp: Option<&'a [u8]>,
}
