//! What is special about a stage: facts that decide what the contract checks of it.

/// A fact about a stage that is not the rule. Each is given with its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// A null in an input column is a value like others: `handleInvalid` is not about it.
    AcceptsNulls,
    /// With `handleInvalid="keep"` a row with a null has a result that is not null.
    MapsNulls,
    /// Params hold names of columns inside a text, so that columns cannot be renamed by the params that name columns.
    EmbedsColumnNames,
    /// The result holds names of columns as values.
    ReportsColumnNames,
    /// A dataset without rows is an error.
    RequiresRows,
    /// A table needs an active Spark session too.
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

/// Does a stage keep the columns that it does not name?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// They are in the result, as they were.
    Kept,
    /// They may be missing.
    Changed,
}
