//! The calls that workers make together.

use std::time::{Duration, Instant};

use mmlrs_core::{Error, Result};

use super::connection::Connection;
use super::exchange::{Call, Parcel, exchange, receive};
use super::failure::{Event, Failure, Watch};
use super::frame::Kind;
use super::segments::{piece_bytes, pieces, segment};
use crate::reduce::{MAX_MESSAGE_BYTES, Reduce, check_from, check_message, check_parcels, ended};

/// The workers of a job, connected by TCP; see [`Listener::connect`](super::Listener::connect).
#[derive(Debug)]
pub struct Peers {
    rank: usize,
    /// By rank; `None` for this worker.
    connections: Vec<Option<Connection>>,
    name: String,
    silence: Duration,
    refused: usize,
    calls: u64,
    /// The pieces of all other workers, one after the other.
    received: Vec<f32>,
    sent_before: u64,
    seconds: f64,
    ended: Option<String>,
}

impl Peers {
    pub(super) fn new(
        rank: usize,
        address: &str,
        connections: Vec<Option<Connection>>,
        silence: Duration,
        refused: usize,
    ) -> Self {
        Self {
            rank,
            connections,
            name: format!("worker {rank} ({address})"),
            silence,
            refused,
            calls: 0,
            received: Vec::new(),
            sent_before: 0,
            seconds: 0.0,
            ended: None,
        }
    }

    /// The connections that were refused, because the other end was no worker of this job.
    pub fn refused(&self) -> usize {
        self.refused
    }

    /// Makes a call. If it fails, the other workers receive the reason.
    fn call<T>(&mut self, work: impl FnOnce(&mut Self, &Watch) -> Result<T, Failure>) -> Result<T> {
        if let Some(reason) = &self.ended {
            return Err(ended(reason));
        }
        self.calls += 1;
        let (start, watch) = (Instant::now(), Watch::new(self.silence));
        let result = work(self, &watch).map_err(|failure| self.fail(failure, &watch));
        self.seconds += start.elapsed().as_secs_f64();
        result
    }

    /// Ends the work: the error, which the others receive.
    fn fail(&mut self, mut failure: Failure, watch: &Watch) -> Error {
        if let Event::Broke(peer) = failure.event
            && let Some(text) = self.to(peer).and_then(|connection| connection.last_words(watch))
        {
            failure = Failure::told(text);
        }
        let told = failure.event == Event::Told;
        let reason = if told { failure.text.clone() } else { format!("{} stopped: {}", self.name, failure.text) };
        self.end(&reason, &failure.text, watch);
        Error::new(failure.kind, failure.text)
    }

    fn end(&mut self, told: &str, reason: &str, watch: &Watch) {
        if self.ended.is_some() {
            return;
        }
        self.sent_before = self.bytes_sent();
        self.ended = Some(reason.to_owned());
        let connections: Vec<Connection> = self.connections.iter_mut().filter_map(Option::take).collect();
        for connection in &connections {
            connection.say(told);
        }
        let deadline = Instant::now() + watch.grace();
        for connection in &connections {
            connection.drain(deadline);
        }
    }

    fn described(&self, kind: Kind) -> Call {
        Call { kind, number: self.calls, piece_bytes: piece_bytes(self.size()) }
    }

    fn to(&self, peer: usize) -> Option<&Connection> {
        self.connections.get(peer).and_then(Option::as_ref)
    }

    /// The connections to the workers after this one, in a circle: first all send to their next one.
    fn targets(&self) -> impl Iterator<Item = &Connection> {
        (1..self.size()).filter_map(|step| self.to((self.rank + step) % self.size()))
    }

    /// The connections to the workers before this one, in a circle: those that send to this one first.
    fn sources(&self) -> impl Iterator<Item = &Connection> {
        (1..self.size()).filter_map(|step| self.to((self.rank + self.size() - step) % self.size()))
    }

    /// Sums the segment that this worker owns.
    fn reduce(&mut self, values: &mut [f32], watch: &Watch) -> Result<(), Failure> {
        let (total, size, call) = (values.len(), self.size(), self.described(Kind::Sum));
        let (before, own, after) = split(values, segment(total, self.rank, size));
        let piece = call.piece_bytes / size_of::<f32>();
        let stride = piece.min(own.len());
        let mut received = std::mem::take(&mut self.received);
        received.resize((size - 1) * stride, 0.0);
        let parcels: Vec<Parcel<'_>> = self
            .targets()
            .map(|to| {
                let range = segment(total, to.peer(), size);
                let part = if to.peer() < self.rank {
                    &before[range]
                } else {
                    let start = total - after.len();
                    &after[range.start - start..range.end - start]
                };
                Parcel { to, bytes: bytemuck::cast_slice(part), total }
            })
            .collect();
        let result = exchange(&call, &parcels, watch, || {
            for piece in pieces(own.len(), piece) {
                let length = piece.len();
                for from in self.sources() {
                    let slot = stride * (from.peer() - usize::from(from.peer() > self.rank));
                    let into: &mut [u8] = bytemuck::cast_slice_mut(&mut received[slot..slot + length]);
                    from.receive(call.header(total, into.len()), into, watch, watch.silence())?;
                }
                sum_by_rank(&mut own[piece], self.rank, &received, stride);
            }
            Ok(())
        });
        drop(parcels);
        self.received = received;
        result
    }

    /// Sends the segment that this worker owns to all, and receives theirs.
    fn share(&self, kind: Kind, values: &mut [f32], watch: &Watch) -> Result<(), Failure> {
        let (total, size, call) = (values.len(), self.size(), self.described(kind));
        let (before, own, after) = split(values, segment(total, self.rank, size));
        let own: &[u8] = bytemuck::cast_slice(own);
        let parcels: Vec<Parcel<'_>> = self.targets().map(|to| Parcel { to, bytes: own, total }).collect();
        exchange(&call, &parcels, watch, || {
            for from in self.sources() {
                let range = segment(total, from.peer(), size);
                let part = if from.peer() < self.rank {
                    &mut before[range]
                } else {
                    let start = total - after.len();
                    &mut after[range.start - start..range.end - start]
                };
                receive(&call, from, bytemuck::cast_slice_mut(part), total, watch, watch.patience())?;
            }
            Ok(())
        })
    }

    /// The worker `from` sends each worker the segment that it owns.
    fn scatter(&self, from: usize, values: &mut [f32], watch: &Watch) -> Result<(), Failure> {
        let (total, size, call) = (values.len(), self.size(), self.described(Kind::Broadcast));
        if let Some(source) = self.to(from) {
            let own = bytemuck::cast_slice_mut(&mut values[segment(total, self.rank, size)]);
            return receive(&call, source, own, total, watch, watch.silence());
        }
        let part = |to: &Connection| bytemuck::cast_slice(&values[segment(total, to.peer(), size)]);
        let parcels: Vec<Parcel<'_>> = self.targets().map(|to| Parcel { to, bytes: part(to), total }).collect();
        exchange(&call, &parcels, watch, || Ok(()))
    }

    /// Sends parcels and returns those of all workers, by rank, whose lengths and totals are known.
    fn swap(
        &self,
        kind: Kind,
        parcels: &[&[u8]],
        lengths: &[usize],
        unit: usize,
        watch: &Watch,
    ) -> Result<Vec<Vec<u8>>, Failure> {
        let call = self.described(kind);
        let outgoing: Vec<Parcel<'_>> = self
            .targets()
            .map(|to| Parcel { to, bytes: parcels[to.peer()], total: parcels[to.peer()].len() / unit })
            .collect();
        let mut all = vec![Vec::new(); self.size()];
        all[self.rank] = parcels[self.rank].to_vec();
        exchange(&call, &outgoing, watch, || {
            for from in self.sources() {
                let length = lengths[from.peer()];
                let mut parcel = vec![0; length];
                receive(&call, from, &mut parcel, length / unit, watch, watch.silence())?;
                all[from.peer()] = parcel;
            }
            Ok(())
        })?;
        Ok(all)
    }
}

impl Reduce for Peers {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.connections.len()
    }

    fn sum(&mut self, values: &mut [f32]) -> Result<()> {
        self.call(|peers, watch| {
            if peers.size() == 1 {
                return Ok(());
            }
            peers.reduce(values, watch)?;
            peers.share(Kind::Summed, values, watch)
        })
    }

    fn sum_f64(&mut self, values: &mut [f64]) -> Result<()> {
        check_message("values", size_of_val(values))?;
        let bytes: Vec<u8> = bytemuck::cast_slice(values).to_vec();
        let size = self.size();
        let all = self.call(|peers, watch| {
            peers.swap(Kind::Numbers, &vec![&bytes[..]; size], &vec![bytes.len(); size], size_of::<f64>(), watch)
        })?;
        if size > 1 {
            values.fill(0.0);
            for worker in &all {
                for (value, number) in values.iter_mut().zip(worker.chunks_exact(size_of::<f64>())) {
                    *value += bytemuck::pod_read_unaligned::<f64>(number);
                }
            }
        }
        Ok(())
    }

    fn broadcast(&mut self, from: usize, values: &mut [f32]) -> Result<()> {
        check_from(from, self.size())?;
        self.call(|peers, watch| {
            peers.scatter(from, values, watch)?;
            peers.share(Kind::Passed, values, watch)
        })
    }

    fn gather(&mut self, message: &[u8]) -> Result<Vec<Vec<u8>>> {
        check_message("message", message.len())?;
        self.call(|peers, watch| {
            let call = Call { piece_bytes: MAX_MESSAGE_BYTES, ..peers.described(Kind::Gather) };
            let total = message.len();
            let outgoing: Vec<Parcel<'_>> = peers.targets().map(|to| Parcel { to, bytes: message, total }).collect();
            let mut all = vec![Vec::new(); peers.size()];
            all[peers.rank] = message.to_vec();
            exchange(&call, &outgoing, watch, || {
                for from in peers.sources() {
                    all[from.peer()] = from.receive_message(call.kind, call.number, MAX_MESSAGE_BYTES, watch)?;
                }
                Ok(())
            })?;
            Ok(all)
        })
    }

    fn exchange(&mut self, parcels: &[&[u8]], lengths: &[usize]) -> Result<Vec<Vec<u8>>> {
        check_parcels(parcels, lengths, self.rank, self.size())?;
        self.call(|peers, watch| peers.swap(Kind::Exchange, parcels, lengths, 1, watch))
    }

    fn abort(&mut self, reason: &str) {
        let told = format!("{} stopped: {reason}", self.name);
        self.end(&told, reason, &Watch::new(self.silence));
    }

    fn bytes_sent(&self) -> u64 {
        self.sent_before + self.connections.iter().flatten().map(Connection::sent).sum::<u64>()
    }

    fn seconds(&self) -> f64 {
        self.seconds
    }
}

/// The values before a segment, in it, and after it.
fn split(values: &mut [f32], at: std::ops::Range<usize>) -> (&mut [f32], &mut [f32], &mut [f32]) {
    let (before, rest) = values.split_at_mut(at.start);
    let (own, after) = rest.split_at_mut(at.len());
    (before, own, after)
}

/// Sums values in the order of the workers. `received` has the values of the others, each beginning at a multiple of `stride`.
fn sum_by_rank(own: &mut [f32], rank: usize, received: &[f32], stride: usize) {
    const BLOCK: usize = 512;
    let others = received.len().checked_div(stride).unwrap_or(0);
    for (at, block) in own.chunks_mut(BLOCK).enumerate() {
        let mut sums = [0.0_f64; BLOCK];
        let mut add = |values: &[f32]| sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(*value));
        for worker in 0..=others {
            if worker == rank {
                add(block);
            } else {
                let start = stride * (worker - usize::from(worker > rank)) + at * BLOCK;
                add(&received[start..start + block.len()]);
            }
        }
        block.iter_mut().zip(sums).for_each(|(value, sum)| *value = sum as f32);
    }
}
