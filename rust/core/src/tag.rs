//! Special properties of a stage, which decide what the contract suite checks.

/// An exceptional property of a stage. Each is declared with its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// A null in an input column is an ordinary value, to which `handleInvalid` does not apply.
    AcceptsNulls,
    /// With `handleInvalid="keep"` the result for a row with a null is not null.
    MapsNulls,
    /// Params contain column names inside a string, so renaming columns takes more than changing the params that name columns.
    EmbedsColumnNames,
    /// The result contains column names as values.
    ReportsColumnNames,
    /// An empty dataset is an error.
    RequiresRows,
    /// Even a table needs an active Spark session.
    RequiresSpark,
    /// The stage cannot be pickled.
    NotPicklable,
}

impl Tag {
    /// Every tag, for tests that loop over them.
    pub const ALL: [Self; 7] = [
        Self::AcceptsNulls,
        Self::MapsNulls,
        Self::EmbedsColumnNames,
        Self::ReportsColumnNames,
        Self::RequiresRows,
        Self::RequiresSpark,
        Self::NotPicklable,
    ];

    /// The name used in attributes and descriptors.
    pub fn name(self) -> &'static str {
        match self {
            Self::AcceptsNulls => "accepts_nulls",
            Self::MapsNulls => "maps_nulls",
            Self::EmbedsColumnNames => "embeds_column_names",
            Self::ReportsColumnNames => "reports_column_names",
            Self::RequiresRows => "requires_rows",
            Self::RequiresSpark => "requires_spark",
            Self::NotPicklable => "not_picklable",
        }
    }
}

/// Whether a stage keeps the columns that it does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// They are unchanged in the result.
    Kept,
    /// They may be missing.
    Changed,
}
