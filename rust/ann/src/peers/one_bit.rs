//! Sums of one bit for each number, with error feedback (Seide et al. 2014).

use mmlrs_core::{Error, Result};

use super::segments::segment;
use crate::reduce::Reduce;

/// The numbers that share a pair of scales.
const BLOCK: usize = 1024;
const SCALES_BYTES: usize = 2 * size_of::<f32>();

/// Sums of which only the signs are sent: one bit for each number instead of 32, and two scales for 1,024 numbers.
///
/// A number is sent as the mean of the numbers of its block that have its sign. What is lost is added to the number of the next
/// sum, so that over many sums nothing is lost. This happens twice: the owner of a segment adds up what it receives and its own
/// exact numbers, and sends the sum to all in the same form. All workers receive the same bits.
///
/// Pays where the network is slow. It suits gradients of plain SGD, not numbers that must be exact: sum those with
/// [`Reduce::sum`]. NaN and infinity spread over their block and stay.
///
/// F. Seide, H. Fu, J. Droppo, G. Li, D. Yu: 1-Bit Stochastic Gradient Descent and its Application to Data-Parallel Distributed
/// Training of Speech DNNs. Interspeech 2014.
#[derive(Debug, Clone)]
pub struct OneBit {
    /// What the last sums lost of this worker's numbers.
    error: Vec<f32>,
    /// What they lost of the sums of this worker's segment.
    sum_error: Vec<f32>,
}

impl OneBit {
    /// For sums of `length` numbers. Nothing is lost yet.
    pub fn new(length: usize) -> Self {
        Self { error: vec![0.0; length], sum_error: Vec::new() }
    }

    /// What the sums so far lost of this worker's numbers. It is added to the next ones.
    pub fn error(&self) -> &[f32] {
        &self.error
    }

    /// Replaces `values` by the sum of the workers' values, approximately. A single worker keeps its values.
    ///
    /// # Errors
    /// As [`Reduce::sum`]; there are more or fewer values than in [`OneBit::new`].
    pub fn sum_signs(&mut self, workers: &mut dyn Reduce, values: &mut [f32]) -> Result<()> {
        if values.len() != self.error.len() {
            let message = format!("must have {} values, as before, got {}", self.error.len(), values.len());
            return Err(Error::param("values", message));
        }
        let (rank, size) = (workers.rank(), workers.size());
        if size == 1 {
            return workers.sum(values);
        }
        let own = segment(values.len(), rank, size);
        self.reduce(workers, values)?;
        self.sum_error.resize(own.len(), 0.0);
        let sums = encode(&mut values[own], &mut self.sum_error);
        let lengths: Vec<usize> =
            (0..size).map(|worker| encoded_bytes(segment(values.len(), worker, size).len())).collect();
        let all = workers.exchange(&vec![&sums[..]; size], &lengths)?;
        for (worker, bytes) in all.iter().enumerate() {
            let part = segment(values.len(), worker, size);
            decode(bytes, &mut values[part], |value, decoded| *value = decoded);
        }
        Ok(())
    }

    /// Sums the segment that this worker owns.
    fn reduce(&mut self, workers: &mut dyn Reduce, values: &mut [f32]) -> Result<()> {
        let (rank, size) = (workers.rank(), workers.size());
        let mut parcels = Vec::with_capacity(size);
        for worker in 0..size {
            let part = segment(values.len(), worker, size);
            parcels.push(if worker == rank {
                Vec::new()
            } else {
                encode(&mut values[part.clone()], &mut self.error[part])
            });
        }
        let own = segment(values.len(), rank, size);
        let mut lengths = vec![encoded_bytes(own.len()); size];
        lengths[rank] = 0;
        let parcels: Vec<&[u8]> = parcels.iter().map(Vec::as_slice).collect();
        let received = workers.exchange(&parcels, &lengths)?;
        let mut sums = vec![0.0_f32; own.len()];
        for (worker, bytes) in received.iter().enumerate() {
            if worker == rank {
                sums.iter_mut().zip(&values[own.clone()]).for_each(|(sum, value)| *sum += value);
            } else {
                decode(bytes, &mut sums, |sum, decoded| *sum += decoded);
            }
        }
        values[own].copy_from_slice(&sums);
        Ok(())
    }
}

/// The bytes of a number of values.
fn encoded_bytes(values: usize) -> usize {
    values.div_ceil(8) + values.div_ceil(BLOCK) * SCALES_BYTES
}

/// The signs and scales of `values` plus `errors`. The errors become those of this step; `values` is used as scratch.
fn encode(values: &mut [f32], errors: &mut [f32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(encoded_bytes(values.len()));
    for (values, errors) in values.chunks_mut(BLOCK).zip(errors.chunks_mut(BLOCK)) {
        values.iter_mut().zip(errors.iter()).for_each(|(value, error)| *value += error);
        let scales = scales(values);
        bytes.extend(scales.iter().flat_map(|scale| scale.to_le_bytes()));
        for (values, errors) in values.chunks(8).zip(errors.chunks_mut(8)) {
            let mut bits = 0_u8;
            for (at, (value, error)) in values.iter().zip(errors).enumerate() {
                let positive = is_positive(*value);
                bits |= u8::from(positive) << at;
                *error = value - scales[usize::from(positive)];
            }
            bytes.push(bits);
        }
    }
    bytes
}

/// The means of the negative and of the other values.
fn scales(values: &[f32]) -> [f32; 2] {
    const LANES: usize = 8;
    // Several sums, so that the additions do not wait for each other.
    let (mut negative, mut positive, mut count) = ([0.0_f64; LANES], [0.0_f64; LANES], [0_u32; LANES]);
    for values in values.chunks(LANES) {
        for (at, value) in values.iter().enumerate() {
            let sign = is_positive(*value);
            positive[at] += f64::from(if sign { *value } else { 0.0 });
            negative[at] += f64::from(if sign { 0.0 } else { *value });
            count[at] += u32::from(sign);
        }
    }
    let count = count.iter().sum::<u32>() as usize;
    let mean = |sums: [f64; LANES], count: usize| (sums.iter().sum::<f64>() / count.max(1) as f64) as f32;
    [mean(negative, values.len() - count), mean(positive, count)]
}

fn is_positive(value: f32) -> bool {
    value >= 0.0
}

/// Calls `take` for each value and its decoded number.
fn decode(bytes: &[u8], values: &mut [f32], take: impl Fn(&mut f32, f32)) {
    for (values, bytes) in values.chunks_mut(BLOCK).zip(bytes.chunks(BLOCK / 8 + SCALES_BYTES)) {
        let (scales, bits) = bytes.split_at(SCALES_BYTES);
        let scale = |at: usize| f32::from_le_bytes([scales[at], scales[at + 1], scales[at + 2], scales[at + 3]]);
        let scales = [scale(0), scale(4)];
        for (values, bits) in values.chunks_mut(8).zip(bits) {
            for (at, value) in values.iter_mut().enumerate() {
                take(value, scales[usize::from(bits >> at & 1)]);
            }
        }
    }
}
