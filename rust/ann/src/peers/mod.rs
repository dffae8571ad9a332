//! Sums over the workers of a job, by TCP.
//!
//! Every worker has a connection to every other one. The addresses and a secret token are exchanged beforehand, on Spark by
//! `allGather` of a barrier job. Both ends of a connection prove that they know the token, without sending it. What follows is
//! neither encrypted nor signed: the network between the workers must be trusted, as for Spark's own traffic without TLS.
//!
//! A sum is a reduce-scatter and an all-gather. Every worker owns a segment of the vector, receives this segment of all others,
//! sums it in the order of the workers, and sends the sum to all. So all workers have the same bits, independent of timing.
//! Vectors are sent in pieces with the memory of a few MiB, and are sent and received at the same time.

mod connection;
mod exchange;
mod failure;
#[cfg(test)]
mod fault_tests;
mod frame;
mod group;
#[cfg(test)]
mod group_tests;
mod handshake;
mod listener;
#[cfg(test)]
mod listener_tests;
mod one_bit;
#[cfg(test)]
mod one_bit_tests;
mod proof;
mod segments;
#[cfg(test)]
mod testing;

pub use group::Peers;
pub use listener::{Limits, Listener};
pub use one_bit::OneBit;
