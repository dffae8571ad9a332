//! Dimensions of shapes.

/// One dimension of a shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// Always this size.
    Fixed(usize),
    /// Any size; dimensions of the same name have the same size.
    Symbol(String),
    /// Any size.
    Any,
}

impl Dim {
    /// The size, if it is fixed.
    pub fn size(&self) -> Option<usize> {
        match self {
            Self::Fixed(n) => Some(*n),
            _ => None,
        }
    }
}

impl std::fmt::Display for Dim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fixed(n) => write!(f, "{n}"),
            Self::Symbol(name) => f.write_str(name),
            Self::Any => f.write_str("?"),
        }
    }
}
