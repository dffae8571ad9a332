//! Sending to all workers while receiving: one thread for each long parcel, so that no worker can block another.

use std::thread::{Builder, scope};

use super::connection::Connection;
use super::failure::{Event, Failure, Watch};
use super::frame::{Header, Kind};
use super::segments::pieces;

/// Up to this size a parcel is sent before anything is received. The buffers of the system hold it.
const SMALL_BYTES: usize = 16 << 10;

/// A call: what its pieces have in common.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// What the pieces are part of.
    pub kind: Kind,
    /// The number of the call.
    pub number: u64,
    /// The bytes of a piece.
    pub piece_bytes: usize,
}

impl Call {
    /// The header of a piece.
    pub fn header(&self, total: usize, bytes: usize) -> Header {
        Header { kind: self.kind, bytes: bytes as u32, call: self.number, total: total as u64 }
    }
}

/// What is sent to one worker.
#[derive(Debug, Clone, Copy)]
pub struct Parcel<'a> {
    /// The worker.
    pub to: &'a Connection,
    /// The bytes.
    pub bytes: &'a [u8],
    /// The values of the whole vector, or the bytes of the whole message.
    pub total: usize,
}

impl Parcel<'_> {
    fn send(&self, call: &Call, watch: &Watch) -> Result<(), Failure> {
        for piece in pieces(self.bytes.len(), call.piece_bytes) {
            if watch.stopped() {
                return Ok(());
            }
            let sent = self.to.send(call.header(self.total, piece.len()), &self.bytes[piece], watch);
            if let Err(failure) = sent {
                watch.broken_by(self.to.peer());
                return Err(failure);
            }
        }
        Ok(())
    }
}

/// Sends the parcels and calls `receive` at the same time. All threads have ended when it returns.
pub fn exchange<T>(
    call: &Call,
    parcels: &[Parcel<'_>],
    watch: &Watch,
    receive: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    scope(|threads| {
        let mut sending = Vec::new();
        let work = || {
            for parcel in parcels.iter().filter(|parcel| parcel.bytes.len() > SMALL_BYTES) {
                let thread = Builder::new().name("mmlrs-sum".to_owned());
                let started = thread.spawn_scoped(threads, || parcel.send(call, watch));
                sending.push(started.map_err(|e| Failure::noticed(format!("cannot start a thread that sends: {e}")))?);
            }
            for parcel in parcels.iter().filter(|parcel| parcel.bytes.len() <= SMALL_BYTES) {
                parcel.send(call, watch)?;
            }
            receive()
        };
        let received = work();
        if received.is_err() {
            watch.stop();
        }
        let mut sent = Ok(());
        for thread in sending {
            let ended =
                thread.join().unwrap_or_else(|_| Err(Failure::noticed("a thread that sends panicked".to_owned())));
            sent = sent.and(ended);
        }
        match (received, sent) {
            // The thread that failed knows why.
            (Err(failure), Err(cause)) if failure.event == Event::Elsewhere => Err(cause),
            (Err(failure), _) | (Ok(_), Err(failure)) => Err(failure),
            (Ok(value), Ok(())) => Ok(value),
        }
    })
}

/// Receives a parcel of a known length.
pub fn receive(
    call: &Call,
    from: &Connection,
    into: &mut [u8],
    total: usize,
    watch: &Watch,
    limit: std::time::Duration,
) -> Result<(), Failure> {
    for piece in pieces(into.len(), call.piece_bytes) {
        from.receive(call.header(total, piece.len()), &mut into[piece], watch, limit)?;
    }
    Ok(())
}
