//! Workers that end, are silent, or are out of step.

use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::channel;
use std::thread::scope;
use std::time::{Duration, Instant};

use mmlrs_core::{Error, Result};

use super::connection::Connection;
use super::exchange::{Call, Parcel, exchange};
use super::failure::Watch;
use super::frame::Kind;
use super::handshake::{self, Identity, Until};
use super::segments::piece_bytes;
use super::testing::{PATIENT, TOKEN, errors, listeners, workers};
use super::{Limits, Peers};
use crate::reduce::Reduce;

/// A short limit of silence.
const SHORT: Limits = Limits { silence: Duration::from_millis(300), ..PATIENT };
/// A vector that no buffer of the system holds.
const LONG: usize = 8 << 20;

/// The names of the ports are not known in advance.
fn without_ports(text: &str) -> String {
    let mut parts = text.split("127.0.0.1:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "HOST" + part.trim_start_matches(|letter: char| letter.is_ascii_digit()))
}

/// The errors of two workers of which the third does something else; the third one's result is left out.
fn others<T: Send>(
    limits: Limits,
    last: impl Fn(Peers) + Sync,
    rest: impl Fn(&mut Peers) -> Result<T> + Sync,
) -> Vec<String> {
    let results = workers(3, limits, |mut peers| {
        if peers.rank() == 2 {
            last(peers);
            return Err(Error::runtime("did something else"));
        }
        let error = rest(&mut peers).err().expect("an error");
        let again = peers.sum(&mut [1.0]).expect_err("ended").to_string();
        assert_eq!(again, format!("the workers no longer work together: {}", error.message()));
        Err::<(), _>(error)
    });
    let mut texts: Vec<String> = errors(results).iter().map(|text| without_ports(text)).collect();
    texts.truncate(2);
    texts
}

/// An error says that worker 2 did `what`: noticed by this worker, or told by the other one.
fn assert_blamed(texts: &[String], what: &str) {
    for (rank, text) in texts.iter().enumerate() {
        let noticed = format!("worker 2 (HOST) {what}");
        let told = format!("worker {} (HOST) stopped: {noticed}", 1 - rank);
        assert!(*text == noticed || *text == told, "{text}");
    }
    assert!(texts.iter().any(|text| text.starts_with("worker 2")), "{texts:?}");
}

#[test]
fn a_worker_that_ends_is_named_at_once() {
    for length in [0, 10, LONG] {
        let texts = others(PATIENT, drop, |peers| peers.sum(&mut vec![1.0; length]));
        assert_blamed(&texts, "closed the connection: its process has ended or was killed");
    }
    let texts = others(PATIENT, drop, |peers| peers.gather(b"message"));
    assert_blamed(&texts, "closed the connection: its process has ended or was killed");
}

#[test]
fn a_worker_that_is_silent_is_named_with_the_limit() {
    for length in [10, LONG] {
        let (done, wait) = channel::<()>();
        let (done, wait) = (Mutex::new(Some(done)), Mutex::new(wait));
        let count = Mutex::new(0);
        let silent = |peers: Peers| {
            let _ = wait.lock().expect("one").recv();
            drop(peers);
        };
        let texts = others(SHORT, silent, |peers| {
            let result = peers.sum(&mut vec![1.0; length]);
            let mut ended = count.lock().expect("no panic");
            *ended += 1;
            if *ended == 2 {
                done.lock().expect("no panic").take();
            }
            result
        });
        assert_blamed(&texts, "has sent nothing for longer than the limit of 0.3 s");
    }
}

#[test]
fn a_worker_that_stops_tells_the_others_why() {
    for length in [10, LONG] {
        let stop = |mut peers: Peers| peers.abort("feature 3 of its rows is NaN");
        let texts = others(PATIENT, stop, |peers| peers.sum(&mut vec![1.0; length]));
        assert_eq!(texts, vec!["worker 2 (HOST) stopped: feature 3 of its rows is NaN"; 2]);
    }
}

#[test]
fn a_long_reason_is_cut_and_still_understood() {
    let stop = |mut peers: Peers| peers.abort(&"\u{e9}".repeat(5000));
    let texts = others(PATIENT, stop, |peers| peers.sum_f64(&mut [1.0]));
    for text in texts {
        assert!(text.starts_with("worker 2 (HOST) stopped: \u{e9}\u{e9}") && text.ends_with('\u{e9}'));
        assert!(text.len() < 4200, "{}", text.len());
    }
}

#[test]
fn workers_with_different_lengths_get_an_error() {
    let results = workers(2, PATIENT, |mut peers| {
        let length = 50 - 2 * peers.rank();
        peers.sum(&mut vec![1.0; length])
    });
    let texts = errors(results);
    let of = |rank: usize| without_ports(&texts[rank]);
    let (short, long) = ("sends 48 values where 50 are expected", "sends 50 values where 48 are expected");
    let told = |by: usize, who: usize, what: &str| format!("worker {by} (HOST) stopped: worker {who} (HOST) {what}");
    assert!([format!("worker 1 (HOST) {short}"), told(1, 0, long)].contains(&of(0)), "{texts:?}");
    assert!([format!("worker 0 (HOST) {long}"), told(0, 1, short)].contains(&of(1)), "{texts:?}");
}

#[test]
fn workers_in_different_calls_get_an_error() {
    let last = |mut peers: Peers| {
        let error = peers.broadcast(2, &mut [1.0; 50]).expect_err("out of step");
        assert!(error.to_string().contains("is at call 1, sum, where call 1, broadcast, is expected"), "{error}");
    };
    let texts = others(PATIENT, last, |peers| peers.sum(&mut [1.0; 50]));
    let what = "is at call 1, broadcast, where call 1, sum, is expected: all workers must make the same calls in the same order";
    assert_blamed(&texts, what);
}

#[test]
fn a_worker_that_skips_a_call_gets_an_error_with_the_numbers() {
    let results = workers(2, PATIENT, |mut peers| {
        let rank = peers.rank();
        for _ in 0..3 {
            peers.sum_f64(&mut [1.0])?;
        }
        if rank == 0 { peers.gather(b"a").map(|_| ()) } else { peers.sum_f64(&mut [1.0]) }
    });
    for text in errors(results) {
        let (gather, sum) = ("call 4, gather", "call 4, sum_f64");
        assert!(
            text.contains(&format!("is at {gather}, where {sum}"))
                || text.contains(&format!("is at {sum}, where {gather}"))
        );
    }
}

/// The error of worker 0 in a sum if worker 1 does something of its own with its connection.
fn beside(work: impl FnOnce(Connection) -> Connection) -> String {
    let (mut ports, addresses) = listeners(2);
    let port = ports.swap_remove(0);
    let error = scope(|threads| {
        let summing = threads.spawn(|| port.connect(0, &addresses, &TOKEN, SHORT)?.sum(&mut vec![1.0; LONG]));
        let first = AtomicUsize::new(0);
        let until = Until { deadline: Instant::now() + PATIENT.connect, number: 1, first: &first };
        let stream = TcpStream::connect(&addresses[0]).expect("a connection");
        handshake::connect(&stream, Identity { rank: 1, size: 2, token: &TOKEN }, 0, until).expect("a worker");
        let open = work(Connection::new(0, &addresses[0], stream).expect("a connection"));
        let result = summing.join().expect("no panic");
        drop(open);
        result.expect_err("worker 1 does not sum")
    });
    without_ports(&error.to_string())
}

/// Sends `bytes` of the segment that worker 0 sums.
fn send(to: &Connection, bytes: usize) {
    let call = Call { kind: Kind::Sum, number: 1, piece_bytes: piece_bytes(2) };
    let parcel = Parcel { to, bytes: &vec![0; bytes], total: LONG };
    exchange(&call, &[parcel], &Watch::new(PATIENT.silence), || Ok(())).expect("worker 0 reads");
}

#[test]
fn a_worker_that_sends_and_does_not_read_is_named_with_the_limit() {
    let error = beside(|connection| {
        send(&connection, LONG / 2 * size_of::<f32>());
        connection
    });
    assert_eq!(error, "worker 1 (HOST) has read nothing for longer than the limit of 0.6 s");
}

#[test]
fn a_worker_that_stops_in_the_middle_of_a_vector_is_named() {
    let silent = beside(|connection| {
        send(&connection, 3 * piece_bytes(2));
        connection
    });
    assert_eq!(silent, "worker 1 (HOST) has sent nothing for longer than the limit of 0.3 s");
    let told = beside(|connection| {
        send(&connection, 3 * piece_bytes(2));
        connection.say("worker 1 stopped: out of memory");
        connection
    });
    assert_eq!(told, "worker 1 stopped: out of memory");
}

#[test]
fn the_reason_of_a_worker_is_found_while_waiting_for_another_one() {
    let (done, wait) = channel::<()>();
    let (done, wait) = (Mutex::new(Some(done)), Mutex::new(wait));
    let results = workers(3, PATIENT, |mut peers| match peers.rank() {
        0 => {
            // Worker 1 waits for this one.
            let _ = wait.lock().expect("one").recv();
            Ok(String::new())
        }
        1 => {
            let error = peers.sum(&mut vec![1.0; LONG]).expect_err("worker 2 stopped");
            done.lock().expect("one").take();
            Ok(error.to_string())
        }
        _ => {
            peers.abort("the loss is NaN");
            Ok(String::new())
        }
    });
    let texts: Vec<String> = results.into_iter().map(|text| without_ports(&text.expect("handled"))).collect();
    assert_eq!(texts[1], "worker 2 (HOST) stopped: the loss is NaN");
}
