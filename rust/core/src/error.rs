//! The error type: a kind, a cause, and the place, filled in by the code that knows it.

use std::fmt;

/// The result of every fallible function in mmlrs.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of an error, from a closed list. One `match` maps it to the Python exceptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A param has a value outside its range, or a required param is missing.
    InvalidParam,
    /// A stage reads a column that the data does not have.
    ColumnNotFound,
    /// A column has a type that the stage cannot read, or an output column already exists.
    SchemaMismatch,
    /// A cell could not be read: not an image, truncated, null where a value is needed.
    Decode,
    /// A model file is missing, damaged, or lacks a requested part.
    ModelLoad,
    /// A kernel or the model runtime failed.
    Runtime,
    /// A size limit was exceeded; checked before memory is allocated.
    LimitExceeded,
    /// A file could not be read or written.
    Io,
    /// The results of one batch exceed what a column can hold. Smaller batches succeed.
    BatchTooLarge,
    /// The user interrupted the work.
    Interrupted,
}

/// An error with its cause and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    place: Box<Place>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Place {
    stage: Option<String>,
    param: Option<String>,
    column: Option<String>,
    row: Option<usize>,
    /// Whether `row` is counted from the beginning of a table rather than of a batch.
    in_table: bool,
    origin: Option<String>,
    remedy: Option<&'static str>,
}

impl Error {
    /// An error of `kind` with its cause, without a place.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), place: Box::default() }
    }

    /// An invalid param. The message reads "param `name` <message>".
    pub fn param(name: &str, message: impl Into<String>) -> Self {
        let mut error = Self::new(ErrorKind::InvalidParam, message);
        error.place.param = Some(name.to_owned());
        error
    }

    /// A column that does not exist in the data.
    pub fn column_not_found(column: &str, available: &[String]) -> Self {
        let names = available.iter().map(String::as_str);
        let text = format!("not found{}; the columns are {}", crate::suggestion(column, names), quoted(available));
        let mut error = Self::new(ErrorKind::ColumnNotFound, text);
        error.place.column = Some(column.to_owned());
        error
    }

    /// A column of a type that the stage cannot read or write.
    pub fn schema(column: &str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::SchemaMismatch, message).at_column(column)
    }

    /// A cell that could not be read.
    pub fn decode(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Decode, message)
    }

    /// A model that could not be loaded.
    pub fn model(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::ModelLoad, message)
    }

    /// A failure of a kernel or runtime.
    pub fn runtime(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Runtime, message)
    }

    /// An exceeded size limit.
    pub fn limit(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::LimitExceeded, message)
    }

    /// The results of one batch, such as "the strings", exceed what a column can hold, counted in `unit`, such as "bytes".
    pub fn batch_too_large(what: &str, unit: &str) -> Self {
        Self::batch_exceeds(what, &format!("2^31 {unit}"))
    }

    /// Like [`Self::batch_too_large`], with a lower limit than that of Arrow.
    pub fn batch_exceeds(what: &str, limit: &str) -> Self {
        Self::new(
            ErrorKind::BatchTooLarge,
            format!(
                "{what} of one batch exceed {limit}; make batches smaller (spark.sql.execution.arrow.maxRecordsPerBatch)"
            ),
        )
    }

    /// Counts the row from the beginning of a table, given the number of table rows before the batch.
    #[must_use]
    pub fn in_table(mut self, rows_before: usize) -> Self {
        if let Some(row) = &mut self.place.row {
            *row += rows_before;
        }
        self.place.in_table = true;
        self
    }

    /// A file that could not be read or written.
    pub fn io(path: impl fmt::Display, cause: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Io, format!("{path}: {cause}"))
    }

    /// Names the stage, unless a stage is already named.
    #[must_use]
    pub fn at_stage(mut self, stage: &str) -> Self {
        self.place.stage.get_or_insert_with(|| stage.to_owned());
        self
    }

    /// Names the column, unless a column is already named.
    #[must_use]
    pub fn at_column(mut self, column: &str) -> Self {
        self.place.column.get_or_insert_with(|| column.to_owned());
        self
    }

    /// Names the row of the batch (0-based), unless a row is already named.
    #[must_use]
    pub fn at_row(mut self, row: usize) -> Self {
        self.place.row.get_or_insert(row);
        self
    }

    /// Names the origin of the row, usually a path. Empty means unknown.
    #[must_use]
    pub fn from_origin(mut self, origin: Option<&str>) -> Self {
        if let Some(origin) = origin.filter(|o| !o.is_empty()) {
            self.place.origin.get_or_insert_with(|| origin.to_owned());
        }
        self
    }

    /// Adds what the user can do about the error, unless it is already there. It is not part of [`Self::reason`].
    #[must_use]
    pub fn with_remedy(mut self, remedy: &'static str) -> Self {
        self.place.remedy.get_or_insert(remedy);
        self
    }

    /// The kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The cause alone, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The param that is to blame.
    pub fn blamed_param(&self) -> Option<&str> {
        self.place.param.as_deref()
    }

    /// The cause and the row's origin, without stage, column and row: the content of an error column.
    pub fn reason(&self) -> String {
        match &self.place.origin {
            Some(origin) => format!("{} ({origin})", self.message),
            None => self.message.clone(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = &self.place;
        if let Some(stage) = &place.stage {
            write!(f, "{stage}: ")?;
        }
        if let Some(param) = &place.param {
            return write!(f, "param `{param}` {}", self.message);
        }
        let mut located = false;
        if let Some(column) = &place.column {
            write!(f, "column `{column}`")?;
            located = true;
        }
        if let Some(row) = place.row {
            let unit = if place.in_table { "table" } else { "batch" };
            write!(f, "{}row {row} of the {unit}", if located { ", " } else { "" })?;
            located = true;
        }
        if let Some(origin) = &place.origin {
            write!(f, "{}({origin})", if located { " " } else { "" })?;
            located = true;
        }
        write!(f, "{}{}", if located { ": " } else { "" }, self.message)?;
        place.remedy.map_or(Ok(()), |remedy| write!(f, "; {remedy}"))
    }
}

impl std::error::Error for Error {}

impl From<arrow_schema::ArrowError> for Error {
    fn from(error: arrow_schema::ArrowError) -> Self {
        Self::runtime(format!("Arrow: {error}"))
    }
}

fn quoted(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let shown: Vec<String> = names.iter().take(12).map(|n| format!("`{n}`")).collect();
    let more = names.len().saturating_sub(12);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_param_error_names_stage_and_param() {
        let error = Error::param("miniBatchSize", "must be at least 1, got 0").at_stage("ImageFeaturizer");
        assert_eq!(error.to_string(), "ImageFeaturizer: param `miniBatchSize` must be at least 1, got 0");
    }

    #[test]
    fn a_column_that_is_missing_is_compared_with_those_there_are() {
        let columns = ["id".to_owned(), "image".to_owned()];
        let message = |name| Error::column_not_found(name, &columns).to_string();
        assert_eq!(
            message("imgae"),
            "column `imgae`: not found (did you mean `image`?); the columns are `id`, `image`"
        );
        assert_eq!(message("text"), "column `text`: not found; the columns are `id`, `image`");
    }

    #[test]
    fn a_row_error_names_stage_column_row_and_origin() {
        let error = Error::decode("not an image")
            .at_row(3)
            .at_column("image")
            .at_stage("UnrollImage")
            .from_origin(Some("a.jpg"));
        assert_eq!(error.to_string(), "UnrollImage: column `image`, row 3 of the batch (a.jpg): not an image");
        assert_eq!(error.reason(), "not an image (a.jpg)");
        let error = error.with_remedy("skip it");
        assert!(error.to_string().ends_with("not an image; skip it"));
        assert_eq!(error.reason(), "not an image (a.jpg)");
    }
}
