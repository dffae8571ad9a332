//! What a training returns to continue from, in pieces of bytes.

use mmlrs_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::reduce::Reduce;

/// The version of the format.
const VERSION: u32 = 1;
/// Maximum number of bytes of a piece.
const PIECE_BYTES: usize = 4 << 20;

/// One line of the history of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Number of iterations or epochs done. 0 is the loss of the initial parameters.
    pub iteration: usize,
    /// Mean loss of the rows, weighted, with the regularization.
    pub loss: f64,
    /// Mean loss of the held-out rows.
    pub validation_loss: Option<f64>,
    /// Accuracy of the held-out rows for classes, root mean squared error for values.
    pub validation_metric: Option<f64>,
    /// Rate of learning of the last step.
    pub step_size: Option<f64>,
    /// Seconds of this iteration.
    pub seconds: f64,
    /// Rows read per second, by all workers.
    pub rows_per_second: f64,
    /// Bytes that the first worker sent to others.
    pub bytes_sent: u64,
}

/// Why a training is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The loss no longer improves.
    Converged,
    /// The number of iterations is reached.
    Iterations,
    /// The loss of the held-out rows no longer improves.
    Stopped,
    /// The loss is not a number.
    Diverged,
}

/// What a state holds besides vectors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    pub version: u32,
    /// Number of iterations or epochs done.
    pub done: usize,
    pub finish: Option<Finish>,
    /// The best loss of the held-out rows, and the iteration.
    pub best: Option<(f64, usize)>,
    /// The optimizer's steps so far.
    pub steps: i32,
    /// The loss at the parameters, for L-BFGS.
    pub loss: Option<f64>,
    /// For each step that L-BFGS remembers, 1 over the product with the change of the gradient.
    pub inverses: Vec<f64>,
    /// The lengths of the vectors: the parameters, the best ones and those of the optimizer.
    pub lengths: Vec<usize>,
}

/// A state to write: first the header, then the vectors in pieces. Only one piece is in memory besides the vectors.
#[derive(Debug)]
pub struct State<'a> {
    header: Vec<u8>,
    pieces: Vec<&'a [f32]>,
}

impl<'a> State<'a> {
    /// A state of these vectors, whose lengths are written to the header.
    pub(super) fn new(mut header: Header, vectors: Vec<&'a [f32]>) -> Result<Self> {
        header.version = VERSION;
        header.lengths = vectors.iter().map(|vector| vector.len()).collect();
        let failed = |e| Error::runtime(format!("the state of the training cannot be written: {e}"));
        let pieces = vectors.into_iter().flat_map(|vector| vector.chunks(PIECE_BYTES / 4)).collect();
        Ok(Self { header: serde_json::to_vec(&header).map_err(failed)?, pieces })
    }

    /// The number of bytes of each piece.
    pub fn lengths(&self) -> Vec<usize> {
        std::iter::once(self.header.len()).chain(self.pieces.iter().map(|piece| size_of_val(*piece))).collect()
    }

    /// The bytes of a piece, or none if there is no such piece.
    pub fn piece(&self, at: usize) -> Option<Vec<u8>> {
        match at.checked_sub(1) {
            None => Some(self.header.clone()),
            Some(at) => Some(self.pieces.get(at)?.iter().flat_map(|value| value.to_le_bytes()).collect()),
        }
    }

    /// All pieces.
    pub fn pieces(&self) -> impl Iterator<Item = Vec<u8>> {
        (0..=self.pieces.len()).filter_map(|at| self.piece(at))
    }
}

/// Gives all workers the state that one of them has read.
pub fn shared(reader: Option<StateReader>, root: usize, workers: &mut dyn Reduce) -> Result<(Header, Vec<Vec<f32>>)> {
    let own = reader.map(StateReader::finish).transpose()?;
    if workers.size() == 1 {
        return own.ok_or_else(|| Error::runtime("the state of the training is empty"));
    }
    let failed = |e| Error::runtime(format!("the state of the training is damaged: {e}"));
    let text = own.as_ref().map(|(header, _)| serde_json::to_vec(header)).transpose().map_err(failed)?;
    let texts = workers.gather(&text.unwrap_or_default())?;
    let header: Header = serde_json::from_slice(texts.get(root).map_or(&[][..], |text| text)).map_err(failed)?;
    let mut vectors = match own {
        Some((_, vectors)) => vectors,
        None => header.lengths.iter().map(|length| vec![0.0; *length]).collect(),
    };
    vectors.iter_mut().try_for_each(|vector| workers.broadcast(root, vector))?;
    Ok((header, vectors))
}

/// The parameters of a finished training: the best ones if it stops early, else the last ones.
///
/// # Errors
/// The state is incomplete.
pub fn parameters_of(reader: StateReader, patience: usize) -> Result<Vec<f32>> {
    let (_, vectors) = reader.finish()?;
    let mut vectors = vectors.into_iter();
    let (last, best) = (vectors.next().unwrap_or_default(), vectors.next().unwrap_or_default());
    Ok(if patience > 0 && !best.is_empty() { best } else { last })
}

/// Reads a state piece by piece, so that it is never in memory twice.
#[derive(Debug, Default)]
pub struct StateReader {
    header: Option<Header>,
    vectors: Vec<Vec<f32>>,
}

impl StateReader {
    /// Reads the next piece.
    ///
    /// # Errors
    /// The state is damaged, or from a newer version.
    pub fn push(&mut self, piece: &[u8]) -> Result<()> {
        let Some(header) = &self.header else {
            #[derive(Deserialize)]
            struct Version {
                version: u32,
            }
            let damaged = |e| Error::runtime(format!("the state of the training is damaged: {e}"));
            let Version { version } = serde_json::from_slice(piece).map_err(damaged)?;
            if version > VERSION {
                return Err(Error::runtime("the state of the training is from a newer version of mmlrs"));
            }
            self.header = Some(serde_json::from_slice(piece).map_err(damaged)?);
            return Ok(());
        };
        let is_full = |(vector, length): (&Vec<f32>, &usize)| vector.len() == *length;
        while self.vectors.last().zip(header.lengths.get(self.vectors.len().wrapping_sub(1))).is_none_or(is_full) {
            let Some(length) = header.lengths.get(self.vectors.len()) else {
                return Err(Error::runtime("the state of the training is damaged: it has too many numbers"));
            };
            let mut vector = Vec::new();
            vector
                .try_reserve_exact(*length)
                .map_err(|_| Error::runtime(format!("no memory for {length} parameters")))?;
            self.vectors.push(vector);
            if *length > 0 {
                break;
            }
        }
        let length = header.lengths[self.vectors.len() - 1];
        let (values, rest) = piece.as_chunks::<4>();
        match self.vectors.last_mut() {
            Some(vector) if rest.is_empty() && vector.len() + values.len() <= length => {
                vector.extend(values.iter().map(|bytes| f32::from_le_bytes(*bytes)));
                Ok(())
            }
            _ => Err(Error::runtime("the state of the training is damaged: a piece has a wrong length")),
        }
    }

    /// The whole state.
    ///
    /// # Errors
    /// Pieces are missing.
    pub fn finish(mut self) -> Result<(Header, Vec<Vec<f32>>)> {
        let header = self.header.ok_or_else(|| Error::runtime("the state of the training is empty"))?;
        while header.lengths.get(self.vectors.len()) == Some(&0) {
            self.vectors.push(Vec::new());
        }
        if !header.lengths.iter().copied().eq(self.vectors.iter().map(Vec::len)) {
            return Err(Error::runtime("the state of the training is incomplete"));
        }
        Ok((header, self.vectors))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_comes_back() -> Result<()> {
        let long: Vec<f32> = (0..PIECE_BYTES / 4 + 3).map(|at| at as f32).collect();
        let header = Header { done: 3, finish: Some(Finish::Stopped), best: Some((0.1, 2)), ..Header::default() };
        for vectors in [vec![&long[..], &[], &[1.0, -2.0], &[]], vec![&[][..], &long], vec![&[1.0][..]], vec![]] {
            let state = State::new(header.clone(), vectors.clone())?;
            let pieces: Vec<Vec<u8>> = state.pieces().collect();
            assert!(pieces.iter().map(Vec::len).eq(state.lengths()) && state.piece(pieces.len()).is_none());
            assert!(pieces.iter().all(|piece| piece.len() <= PIECE_BYTES));
            let mut reader = StateReader::default();
            pieces.iter().try_for_each(|piece| reader.push(piece))?;
            let (read, back) = reader.finish()?;
            assert_eq!((read.done, read.best), (3, Some((0.1, 2))));
            assert_eq!(back, vectors);
        }
        Ok(())
    }

    #[test]
    fn damaged_states_are_errors() -> Result<()> {
        let pieces: Vec<Vec<u8>> = State::new(Header::default(), vec![&[1.0, 2.0]])?.pieces().collect();
        let read = |pieces: &[&[u8]]| {
            let mut reader = StateReader::default();
            pieces.iter().try_for_each(|piece| reader.push(piece)).and_then(|()| reader.finish())
        };
        assert!(read(&[&pieces[0], &pieces[1]]).is_ok());
        let wrong: [&[&[u8]]; 6] = [
            &[],
            &[&pieces[0]],
            &[&pieces[0], &pieces[1], &pieces[1]],
            &[&pieces[0], &pieces[1][..3]],
            &[b"{}"],
            &[b"{\"version\": 2}"],
        ];
        for pieces in wrong {
            assert!(read(pieces).is_err());
        }
        Ok(())
    }
}
