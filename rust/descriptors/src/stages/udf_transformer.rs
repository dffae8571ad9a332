//! `UDFTransformer`.

use mmlrs_core::{FunctionRef, HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Adds a column that a Python function computes from the values of each row.
///
/// The function is called once per row with the values of the input columns in their order. None stands for null, both in the
/// arguments and in the result. The result is converted to `returnType`. On Spark this is an Arrow-optimized Python UDF, so a
/// value that does not fit the type is an error rather than null. On a table the function is called in this process, and an
/// error names the column, the row and the cause. There a struct is a dict, so `row["field"]` works as on Spark's `Row`. Types
/// are stricter on a table: only Spark reads numbers from strings and formats numbers as strings.
///
/// A UDF created by `PySpark`'s `udf`, `pandas_udf` or `arrow_udf` is used with its own type. It may map a row to a value, or
/// columns to a column. On a table the latter receives columns of up to 4096 rows, as `pandas.Series` or `pyarrow.Array`. UDFs
/// of iterators and aggregations are rejected.
///
/// It costs one transfer of the input columns to Python and one Python call per row. A native stage is many times faster.
///
/// A saved stage holds the function's name, `module:name`, not its code. To load it, allow that function with `load(path,
/// allow_functions=["module:name"])`, or for a pipeline `with mmlrs.allow_functions("module"):`. Its module is imported then,
/// and Spark's workers need the module too. A lambda, a function in a script and a nested function have no such name. They are
/// saved as a pickle, which is code, so saving and loading need `allow_pickle=True`. `docs/security.md` lists what a saved
/// stage may run.
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
    /// The function of a row's values, or a `PySpark` UDF.
    #[param(required)]
    pub udf: FunctionRef,
    /// The type of the function's result in Spark's notation: "double", "array<string>", "struct<name:string,age:int>".
    /// Required for a function; a `PySpark` UDF has a type already.
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
