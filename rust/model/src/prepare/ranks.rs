//! The rank of an output that the graph does not declare. If an input has no declared rank either, that of its column decides,
//! as determined by a run on synthetic rows.

use arrow_schema::DataType;
use mmlrs_core::{Cache, types as kinds};

use super::probe;
use crate::graph::dim::Dim;
use crate::graph::info::{ModelInfo, ValueInfo, ValueKind};
use crate::graph::prepared::{Batch, Prepared};
use crate::runtime::session::{SessionOptions, open};

/// Number of dimensions of an output, including the batch, for columns of these types, by the inputs they feed. `None` if no
/// run can determine it. Computed once per process.
pub fn learned_rank(prepared: &Prepared, output: &str, columns: &[(&str, &DataType)]) -> Option<usize> {
    type Key = (String, String, Vec<ValueInfo>);
    static RANKS: Cache<Key, Option<usize>> = Cache::new("ranks of outputs", 256, 1 << 20);
    let column_of = |input: &ValueInfo| columns.iter().find(|(name, _)| *name == input.name).map(|(_, ty)| *ty);
    let inputs: Option<Vec<ValueInfo>> =
        prepared.info.inputs.iter().map(|input| shaped(input, column_of(input)?)).collect();
    let key: Key = (prepared.sha256().to_owned(), output.to_owned(), inputs?);
    let info = ModelInfo { inputs: key.2.clone(), ..prepared.info.clone() };
    let rank = RANKS.get_or_make(key, || Ok((rank_of_run(prepared, &info, output), size_of::<Option<usize>>())));
    rank.ok().and_then(|rank| *rank)
}

fn rank_of_run(prepared: &Prepared, info: &ModelInfo, output: &str) -> Option<usize> {
    let mut session = open(prepared.content(), prepared.folder(), SessionOptions::plain()).ok()?;
    let at = session.outputs().iter().position(|o| o.name() == output)?;
    let rows = if let Batch::Fixed(n) = prepared.batch { n } else { 2 };
    let results = probe::run_rows(&mut session, info, &(0..rows).collect::<Vec<_>>()).ok()?;
    results.into_iter().nth(at)?.ok().map(|result| result.shape.len())
}

/// The input with the shape of data of this type; `None` if rows of that type may have any rank.
fn shaped(input: &ValueInfo, data_type: &DataType) -> Option<ValueInfo> {
    let (ValueKind::Tensor(element, None), false) = (&input.kind, kinds::is_tensor(data_type)) else {
        return input.shape().map(|_| input.clone());
    };
    let mut shape = vec![Dim::Any];
    let mut inner = data_type;
    loop {
        inner = match inner {
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item) => {
                shape.push(Dim::Any);
                item.data_type()
            }
            DataType::FixedSizeList(item, size) => {
                shape.push(Dim::Fixed(*size as usize));
                item.data_type()
            }
            _ => break,
        };
    }
    Some(ValueInfo { name: input.name.clone(), kind: ValueKind::Tensor(*element, Some(shape)) })
}
