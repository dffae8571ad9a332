//! Columns that are computed in pieces of rows, in parallel.

use std::ops::Range;

use arrow_array::{Array, ArrayRef};

use crate::Result;
use crate::policy::{HandleInvalid, Rejects, RowError};
use crate::threads::{ThreadBudget, in_pieces, pieces_of};

/// Computes columns in pieces, in parallel within the budget. `work` returns the arrays of a range of rows, and rejects rows by
/// their numbers in the batch. The result is the whole columns, and the rejected rows.
pub fn columns_in_pieces(
    budget: ThreadBudget,
    rows: usize,
    policy: HandleInvalid,
    work: impl Fn(Range<usize>, &mut Rejects) -> Result<Vec<ArrayRef>> + Sync + Send,
) -> Result<(Vec<ArrayRef>, Vec<RowError>)> {
    let one = |range| {
        let mut rejects = Rejects::new(policy);
        let arrays = work(range, &mut rejects)?;
        Ok((arrays, rejects.into_rows()))
    };
    let mut pieces = in_pieces(budget, rows, pieces_of(budget), one)?;
    if pieces.is_empty() {
        pieces.push(one(0..0)?);
    }
    if pieces.len() == 1 {
        return Ok(pieces.remove(0));
    }
    let (arrays, invalid): (Vec<Vec<ArrayRef>>, Vec<Vec<RowError>>) = pieces.into_iter().unzip();
    let columns = (0..arrays[0].len())
        .map(|column| {
            let parts: Vec<&dyn Array> = arrays.iter().map(|piece| piece[column].as_ref()).collect();
            Ok(arrow_select::concat::concat(&parts)?)
        })
        .collect::<Result<_>>()?;
    Ok((columns, invalid.concat()))
}
