//! What workers that train together tell each other.

use mmlrs_core::{Error, Result};

/// The largest number of bytes of a message that workers gather.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// The workers that train together, seen from one of them. Every worker must make the same calls in the same order.
///
/// After an error the workers no longer work together: every further call is an error that repeats the reason.
pub trait Reduce: Send {
    /// The number of this worker, from 0.
    fn rank(&self) -> usize;

    /// The number of workers.
    fn size(&self) -> usize;

    /// Replaces `values` by the sum of the workers' values, with the same bits on every worker. Each number is summed in `f64`
    /// and rounded once.
    ///
    /// # Errors
    /// A worker has failed, is silent for too long, or has another number of values.
    fn sum(&mut self, values: &mut [f32]) -> Result<()>;

    /// Like [`Reduce::sum`], for a few numbers such as losses and weights, summed in the order of the workers.
    ///
    /// # Errors
    /// As [`Reduce::sum`]; the numbers have more than [`MAX_MESSAGE_BYTES`].
    fn sum_f64(&mut self, values: &mut [f64]) -> Result<()>;

    /// Replaces `values` by those of the worker `from`.
    ///
    /// # Errors
    /// As [`Reduce::sum`]; there is no worker `from`.
    fn broadcast(&mut self, from: usize, values: &mut [f32]) -> Result<()>;

    /// The messages of all workers, by rank. They may have different lengths, up to [`MAX_MESSAGE_BYTES`].
    ///
    /// # Errors
    /// As [`Reduce::sum`]; the message is too long.
    fn gather(&mut self, message: &[u8]) -> Result<Vec<Vec<u8>>>;

    /// Sends each worker its own parcel, and returns the parcels for this worker, by rank. The receiver knows their lengths.
    ///
    /// # Errors
    /// As [`Reduce::sum`]; a parcel has another length than its receiver expects.
    fn exchange(&mut self, parcels: &[&[u8]], lengths: &[usize]) -> Result<Vec<Vec<u8>>>;

    /// Tells the other workers why this one stops. Their next call, or the one that they are in, is an error with the reason.
    fn abort(&mut self, reason: &str);

    /// The bytes that this worker has sent to others.
    fn bytes_sent(&self) -> u64;

    /// The seconds that this worker has spent in these calls, waiting included.
    fn seconds(&self) -> f64;
}

/// A single worker.
#[derive(Debug, Clone, Default)]
pub struct Alone {
    ended: Option<String>,
}

impl Alone {
    /// A single worker.
    pub fn new() -> Self {
        Self::default()
    }

    fn check(&self) -> Result<()> {
        self.ended.as_deref().map_or(Ok(()), |reason| Err(ended(reason)))
    }
}

impl Reduce for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn sum(&mut self, _values: &mut [f32]) -> Result<()> {
        self.check()
    }

    fn sum_f64(&mut self, values: &mut [f64]) -> Result<()> {
        self.check()?;
        check_message("values", size_of_val(values))
    }

    fn broadcast(&mut self, from: usize, _values: &mut [f32]) -> Result<()> {
        self.check()?;
        check_from(from, 1)
    }

    fn gather(&mut self, message: &[u8]) -> Result<Vec<Vec<u8>>> {
        self.check()?;
        check_message("message", message.len())?;
        Ok(vec![message.to_vec()])
    }

    fn exchange(&mut self, parcels: &[&[u8]], lengths: &[usize]) -> Result<Vec<Vec<u8>>> {
        self.check()?;
        check_parcels(parcels, lengths, 0, 1)?;
        Ok(parcels.iter().map(|parcel| parcel.to_vec()).collect())
    }

    fn abort(&mut self, reason: &str) {
        self.ended.get_or_insert_with(|| reason.to_owned());
    }

    fn bytes_sent(&self) -> u64 {
        0
    }

    fn seconds(&self) -> f64 {
        0.0
    }
}

/// The error of a call after the work has ended.
pub fn ended(reason: &str) -> Error {
    Error::runtime(format!("the workers no longer work together: {reason}"))
}

/// Checks the worker whose values are sent to all.
pub fn check_from(from: usize, size: usize) -> Result<()> {
    if from < size {
        return Ok(());
    }
    Err(Error::param("from", format!("must be the number of a worker, below {size}, got {from}")))
}

/// Checks the length of a message that all workers receive.
pub fn check_message(param: &str, bytes: usize) -> Result<()> {
    if bytes <= MAX_MESSAGE_BYTES {
        return Ok(());
    }
    Err(Error::param(param, format!("must have at most {MAX_MESSAGE_BYTES} bytes, got {bytes}")))
}

/// Checks that there is a parcel for each worker and one from each, and that this worker's own one has the expected length.
pub fn check_parcels(parcels: &[&[u8]], lengths: &[usize], rank: usize, size: usize) -> Result<()> {
    if parcels.len() != size {
        return Err(Error::param("parcels", format!("must be one for each of {size} workers, got {}", parcels.len())));
    }
    if lengths.len() != size {
        return Err(Error::param("lengths", format!("must be one for each of {size} workers, got {}", lengths.len())));
    }
    let (own, expected) = (parcels[rank].len(), lengths[rank]);
    if own != expected {
        return Err(Error::param("lengths", format!("expects {expected} bytes of this worker, which sends {own}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_worker_keeps_its_values() -> Result<()> {
        let reduce: &mut dyn Reduce = &mut Alone::new();
        let (mut values, mut numbers) = ([1.0, -0.0, 3.5], [0.1, 0.2]);
        reduce.sum(&mut values)?;
        reduce.broadcast(0, &mut values)?;
        reduce.sum_f64(&mut numbers)?;
        assert_eq!((values.map(f32::to_bits), numbers), ([1.0, -0.0, 3.5].map(f32::to_bits), [0.1, 0.2]));
        assert_eq!(reduce.gather(b"loss 1")?, [b"loss 1"]);
        assert_eq!(reduce.exchange(&[b"abc"], &[3])?, [b"abc"]);
        assert_eq!((reduce.rank(), reduce.size(), reduce.bytes_sent()), (0, 1, 0));
        Ok(())
    }

    #[test]
    fn wrong_arguments_name_the_param() {
        let mut alone = Alone::new();
        let from = alone.broadcast(1, &mut []).map_err(|e| e.to_string());
        assert_eq!(from, Err("param `from` must be the number of a worker, below 1, got 1".to_owned()));
        let long = alone.gather(&vec![0; MAX_MESSAGE_BYTES + 1]).map_err(|e| e.to_string());
        assert_eq!(long, Err("param `message` must have at most 1048576 bytes, got 1048577".to_owned()));
        assert!(alone.gather(&vec![0; MAX_MESSAGE_BYTES]).is_ok());
        let none = alone.exchange(&[], &[]).map_err(|e| e.to_string());
        assert_eq!(none, Err("param `parcels` must be one for each of 1 workers, got 0".to_owned()));
        assert!(alone.exchange(&[b"abc"], &[2]).is_err());
    }

    #[test]
    fn after_an_abort_every_call_repeats_the_first_reason() {
        let mut alone = Alone::new();
        alone.abort("the loss is NaN");
        alone.abort("something else");
        let error = alone.sum(&mut [1.0]).map_err(|e| e.to_string());
        assert_eq!(error, Err("the workers no longer work together: the loss is NaN".to_owned()));
        assert!(alone.gather(b"").is_err() && alone.sum_f64(&mut []).is_err() && alone.broadcast(0, &mut []).is_err());
    }
}
