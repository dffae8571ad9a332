//! Connections of those who are no workers of the job, and workers that are missing.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::AtomicUsize;
use std::thread::{scope, spawn};
use std::time::{Duration, Instant};

use mmlrs_core::Result;

use super::Limits;
use super::handshake::{self, Identity, MAGIC, Until, VERSION};
use super::proof::Token;
use super::testing::{PATIENT, TOKEN, errors, listeners};
use crate::reduce::Reduce;

const SHORT: Limits = Limits { connect: Duration::from_millis(300), silence: Duration::from_millis(300) };

/// A hello without a proof.
fn hello(version: u32, rank: u32, size: u32) -> Vec<u8> {
    [&MAGIC[..], &version.to_le_bytes(), &rank.to_le_bytes(), &size.to_le_bytes(), &[7; 32]].concat()
}

/// Connects two workers; before the second one starts, `foreign` connects to the first one. Returns how many it refused.
fn refused(foreign: impl FnOnce(&str) -> Vec<TcpStream>) -> Result<usize> {
    let (mut ports, addresses) = listeners(2);
    let (second, first) = (ports.pop().expect("two"), ports.pop().expect("two"));
    scope(|threads| {
        let addresses = &addresses;
        // Connections that say nothing would be waited for until the workers give up.
        let never = PATIENT.connect * 10;
        let waiting = threads.spawn(move || {
            let mut peers = first.connect_within(0, addresses, &TOKEN, PATIENT, never)?;
            peers.sum(&mut [1.0])?;
            Ok(peers.refused())
        });
        let open = foreign(&addresses[0]);
        let mut peers = second.connect(1, addresses, &TOKEN, PATIENT)?;
        let mut sum = [2.0_f32];
        peers.sum(&mut sum)?;
        assert_eq!((sum[0].to_bits(), peers.refused()), (3.0_f32.to_bits(), 0));
        drop(open);
        waiting.join().expect("no panic")
    })
}

/// Connects and sends bytes.
fn sends(address: &str, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.write_all(bytes).expect("sent");
    stream
}

/// Reads until the other end closes.
fn read_all(mut stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A connection that is reset is closed as well.
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

#[test]
fn silent_connections_are_refused_and_delay_nobody() -> Result<()> {
    // More than the port takes at the same time.
    assert_eq!(refused(|address| (0..150).map(|_| sends(address, b"")).collect())?, 150);
    Ok(())
}

#[test]
fn garbage_is_refused_at_once() -> Result<()> {
    let count = refused(|address| {
        let stream = sends(address, b"GET / HTTP/1.1\r\n\r\n");
        assert_eq!(read_all(&stream), b"");
        vec![]
    })?;
    assert_eq!(count, 1);
    Ok(())
}

#[test]
fn an_old_version_a_wrong_rank_and_a_wrong_number_of_workers_are_refused() -> Result<()> {
    let count = refused(|address| {
        for (version, rank, size) in [(0, 1, 2), (VERSION, 0, 2), (VERSION, 2, 2), (VERSION, 1, 3)] {
            assert_eq!(read_all(&sends(address, &hello(version, rank, size))), b"");
        }
        vec![]
    })?;
    assert_eq!(count, 4);
    Ok(())
}

#[test]
fn a_wrong_token_is_refused_and_gets_no_proof() -> Result<()> {
    let count = refused(|address| {
        let mut stream = sends(address, &hello(VERSION, 1, 2));
        stream.write_all(&[9; 32]).expect("sent");
        let answer = read_all(&stream);
        assert_eq!(answer.len(), 52, "a hello and nothing else");
        assert!(!answer.windows(32).any(|window| window == TOKEN));
        vec![]
    })?;
    assert_eq!(count, 1);
    Ok(())
}

#[test]
fn a_second_worker_of_the_same_rank_is_refused() -> Result<()> {
    let (mut ports, addresses) = listeners(3);
    let port = ports.swap_remove(0);
    scope(|threads| {
        let waiting = threads.spawn(|| port.connect(0, &addresses, &TOKEN, PATIENT).map(|peers| peers.refused()));
        let first = AtomicUsize::new(0);
        let until = Until { deadline: Instant::now() + PATIENT.connect, number: 1, first: &first };
        let worker = |rank| {
            let stream = TcpStream::connect(&addresses[0]).expect("a connection");
            let me = Identity { rank, size: 3, token: &TOKEN };
            handshake::connect(&stream, me, 0, until).expect("it knows the token");
            stream
        };
        let open = [worker(2), worker(2), worker(1)];
        assert_eq!(waiting.join().expect("no panic")?, 1);
        drop(open);
        Ok(())
    })
}

#[test]
fn a_worker_that_is_missing_is_named_with_its_address() {
    let (ports, addresses) = listeners(3);
    let mut ports = ports.into_iter();
    let (first, second) = (ports.next().expect("three"), ports.next().expect("three"));
    // Nobody listens for worker 2.
    drop(ports);
    let results = scope(|threads| {
        let join = |rank, port: super::Listener| {
            let addresses = &addresses;
            threads.spawn(move || port.connect(rank, addresses, &TOKEN, SHORT))
        };
        [join(0, first), join(1, second)].map(|thread| thread.join().expect("no panic"))
    });
    for (rank, error) in errors(results.into()).into_iter().enumerate() {
        let expected = format!(
            "1 of 2 other workers are connected to worker {rank} ({}) after 0.3 s; missing: worker 2 ({}): has not connected",
            addresses[rank], addresses[2]
        );
        assert_eq!(error, expected);
    }
}

/// The error of worker 1 if `server` answers in place of worker 0.
fn answered(server: impl FnOnce(TcpListener) + Send + 'static) -> String {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address").to_string();
    let thread = spawn(move || server(socket));
    let (mut ports, mut addresses) = listeners(2);
    addresses[0].clone_from(&address);
    let error = ports.pop().expect("two").connect(1, &addresses, &TOKEN, SHORT).expect_err("no worker");
    thread.join().expect("no panic");
    error.to_string().replace(&address, "there")
}

/// Answers connections until the worker gives up, which ends in a connection that says nothing.
fn answers(bytes: Vec<u8>) -> impl FnOnce(TcpListener) {
    move |socket| {
        let (mut stream, _) = socket.accept().expect("a connection");
        let mut received = [0; 52];
        stream.read_exact(&mut received).expect("a hello");
        let _ = stream.write_all(&bytes);
        let _ = read_all(&stream);
        drop((stream, socket));
    }
}

#[test]
fn whoever_answers_in_place_of_a_worker_is_not_believed() {
    let silent = answered(|socket| {
        let (stream, _) = socket.accept().expect("a connection");
        drop((read_all(&stream), socket));
    });
    assert!(silent.ends_with("missing: worker 0 (there): does not answer"), "{silent}");
    let proof_of_nothing = [hello(VERSION, 0, 2), vec![1; 32]].concat();
    let wrong = answered(move |socket| {
        answers(proof_of_nothing.clone())(socket.try_clone().expect("a socket"));
        answers(proof_of_nothing)(socket);
    });
    assert!(wrong.contains("missing: worker 0 (there): "), "{wrong}");
}

#[test]
fn wrong_arguments_name_the_param() {
    let connect = |rank, addresses: &[&str], limits| {
        let (mut ports, _) = listeners(1);
        let addresses: Vec<String> = addresses.iter().map(|address| (*address).to_owned()).collect();
        let token: Token = TOKEN;
        ports.pop().expect("one").connect(rank, &addresses, &token, limits).expect_err("wrong").to_string()
    };
    let none = Limits { silence: Duration::ZERO, ..SHORT };
    assert_eq!(connect(0, &[], SHORT), "param `addresses` must be those of 1 to 256 workers, got 0");
    assert_eq!(connect(0, &["a"], SHORT), "param `addresses` must have the form \"host:port\", got \"a\"");
    assert_eq!(connect(0, &["a:0"], SHORT), "param `addresses` must have the form \"host:port\", got \"a:0\"");
    assert_eq!(connect(1, &["a:1"], SHORT), "param `rank` must be below the number of addresses, 1, got 1");
    assert_eq!(connect(0, &["a:1"], none), "param `silence` must be longer than 0 seconds");
}

#[test]
fn a_host_that_is_not_of_this_machine_falls_back_to_all_interfaces() -> Result<()> {
    let port = super::Listener::bind("192.0.2.1")?;
    assert!(port.port() > 0);
    assert!(TcpStream::connect(("127.0.0.1", port.port())).is_ok());
    Ok(())
}
