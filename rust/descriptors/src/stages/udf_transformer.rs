//! `UDFTransformer`.

use mmlrs_core::{FunctionRef, HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Adds a column that a Python function computes from the values of each row.
///
/// The function is called once per row with the values of the input columns in their order, None for a null, and what it
/// returns becomes a value of `returnType`, None a null. On Spark this is an Arrow-optimized Python UDF, so a value that does
/// not fit the type is an error and not a null. On a table the function is called in this process; the message of an error
/// names the column, the row and the cause. There a struct is a dict, which `row["field"]` reads as it reads Spark's `Row`; the type
/// is kept to more strictly: Spark also reads numbers from texts and makes texts of numbers.
///
/// A UDF made by `udf`, `pandas_udf` or `arrow_udf` of `PySpark` is taken as it is, with its own type: one that maps a row to a
/// value, or columns to a column; on a table the latter get columns of up to 4096 rows, as `pandas.Series` or `pyarrow.Array`. Iterators
/// and aggregations are refused.
///
/// Costs one trip of the input columns to Python and one Python call per row: a native stage is many times faster.
///
/// A saved stage holds the function's name, `module:name`, not its code. Whoever loads it allows that function,
/// `load(path, allow_functions=["module:name"])`, or for a pipeline `with mmlrs.allow_functions("module"):`; its module is
/// imported then, and Spark's workers need to have it. A lambda, and a function of a script or of another function, has no such name and is saved with
/// `allow_pickle=True` only, as a pickle, which is code: it is loaded with `allow_pickle=True` only. `docs/security.md` lists
/// what a saved stage may run.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "stages",
    body = python,
    example = r#"
import pyarrow as pa
from mmlrs.stages import UDFTransformer
table = pa.table({"name": ["ada", None], "year": [1815, 1906]})
length = UDFTransformer(
    inputCol="name", outputCol="n", udf=lambda name: name and len(name), returnType="int"
)
assert length.transform(table)["n"].to_pylist() == [3, None]
both = UDFTransformer(
    inputCols=["name", "year"], outputCol="who", udf=lambda name, year: f"{name} {year}", returnType="string"
)
assert both.transform(table)["who"].to_pylist() == ["ada 1815", "None 1906"]
"#
)]
pub struct UDFTransformer {
    /// Name of the column that the function reads. Set this or `inputCols`.
    #[param(non_empty, role = input, accepts(any))]
    pub input_col: Option<String>,
    /// Names of the columns that the function reads, one argument each. Set this or `inputCol`.
    #[param(non_empty, role = input, accepts(any))]
    pub input_cols: Option<Vec<String>>,
    /// Name of the column to add.
    #[param(default = uid("_output"), non_empty, role = output)]
    pub output_col: String,
    /// The function of a row's values, or a UDF of `PySpark`.
    #[param(required)]
    pub udf: FunctionRef,
    /// The type of what the function returns, as Spark writes it: "double", "array<string>", "struct<name:string,age:int>". A
    /// function needs it; a UDF of `PySpark` has one already.
    #[param(non_empty)]
    pub return_type: Option<String>,
}

impl HasSample for UDFTransformer {
    fn sample() -> Sample {
        let params =
            json!({"inputCol": "name", "outputCol": "text", "udf": {"function": "json:dumps"}, "returnType": "string"});
        Sample::new(params, plain_rows())
    }
}
