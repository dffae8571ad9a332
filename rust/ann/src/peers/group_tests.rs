//! What the calls return.

use super::segments::PIECE_BYTES;
use super::testing::{PATIENT, all, errors, workers};
use crate::random::Random;
use crate::reduce::Reduce;

/// The values of a worker, of very different sizes.
fn values(rank: usize, length: usize) -> Vec<f32> {
    let mut random = Random::new(rank as u64 + 1);
    (0..length).map(|at| random.symmetric(10_f64.powi(at as i32 % 9 - 4))).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn sums_are_those_of_f64_with_the_same_bits_on_all_workers() {
    for size in [1, 2, 3, 5] {
        for length in [0, 1, 4, 1001, 300_007] {
            let sums = all(size, |mut peers| {
                let mut own = values(peers.rank(), length);
                peers.sum(&mut own)?;
                Ok(own)
            });
            let mut expected = vec![0.0_f64; length];
            for rank in 0..size {
                expected.iter_mut().zip(values(rank, length)).for_each(|(sum, value)| *sum += f64::from(value));
            }
            let expected: Vec<f32> = expected.into_iter().map(|sum| sum as f32).collect();
            for sum in sums {
                assert_eq!(bits(&sum), bits(&expected), "{size} workers, {length} values");
            }
        }
    }
}

#[test]
fn vectors_far_larger_than_the_buffers_of_the_system_do_not_block() {
    let length = 12 * PIECE_BYTES / size_of::<f32>() + 3;
    let sums = all(2, |mut peers| {
        let mut own: Vec<f32> = (0..length).map(|at| (at % 1000) as f32 + peers.rank() as f32).collect();
        peers.sum(&mut own)?;
        let bytes = peers.bytes_sent();
        let expected = |at: usize| (at % 1000 * 2) as f32 + 1.0;
        Ok((own.iter().enumerate().all(|(at, sum)| sum.to_bits() == expected(at).to_bits()), bytes))
    });
    // Each worker sends half of its values and half of the sums, with a header for each piece.
    let least = (length * size_of::<f32>()) as u64;
    for (right, bytes) in sums {
        assert!(right && (least..least + 1000).contains(&(bytes + 4)), "{bytes} bytes");
    }
}

#[test]
fn calls_of_all_kinds_follow_each_other() {
    for size in [1, 2, 3, 5] {
        let results = all(size, |mut peers| {
            let rank = peers.rank();
            let mut seen = Vec::new();
            for round in 0..20_usize {
                let mut numbers = [0.1 * (rank + round) as f64, 1e-300];
                peers.sum_f64(&mut numbers)?;
                let mut sum = vec![rank as f32; round];
                peers.sum(&mut sum)?;
                let mut sent = vec![(rank * 100 + round) as f32; 7];
                peers.broadcast(round % size, &mut sent)?;
                let lines = peers.gather(format!("{rank}").repeat(round).as_bytes())?;
                seen.push((numbers.map(f64::to_bits), sum, sent, lines));
            }
            Ok(seen)
        });
        for round in 0..20_usize {
            let number: f64 = (0..size).map(|rank| 0.1 * (rank + round) as f64).sum();
            let tiny: f64 = (0..size).map(|_| 1e-300).sum();
            let sum = vec![(size * (size - 1) / 2) as f32; round];
            let sent = vec![(round % size * 100 + round) as f32; 7];
            let lines: Vec<Vec<u8>> = (0..size).map(|rank| format!("{rank}").repeat(round).into_bytes()).collect();
            for seen in &results {
                assert_eq!(seen[round], ([number.to_bits(), tiny.to_bits()], sum.clone(), sent.clone(), lines.clone()));
            }
        }
    }
}

#[test]
fn long_vectors_are_broadcast_from_any_worker() {
    for from in 0..3 {
        let received = all(3, |mut peers| {
            let mut own = values(peers.rank(), 700_001);
            peers.broadcast(from, &mut own)?;
            Ok(own)
        });
        let expected = bits(&values(from, 700_001));
        assert!(received.iter().all(|own| bits(own) == expected));
    }
}

#[test]
fn parcels_of_any_length_reach_their_worker() {
    let length = |from: usize, to: usize| (from * 3 + to) * 100_003;
    let received = all(3, |mut peers| {
        let rank = peers.rank();
        let parcels: Vec<Vec<u8>> = (0..3).map(|to| vec![(rank * 3 + to) as u8; length(rank, to)]).collect();
        let lengths: Vec<usize> = (0..3).map(|from| length(from, rank)).collect();
        peers.exchange(&parcels.iter().map(Vec::as_slice).collect::<Vec<_>>(), &lengths)
    });
    for (rank, parcels) in received.iter().enumerate() {
        for (from, parcel) in parcels.iter().enumerate() {
            assert_eq!(*parcel, vec![(from * 3 + rank) as u8; length(from, rank)]);
        }
    }
}

#[test]
fn nan_and_infinity_are_summed_like_other_numbers() {
    let sums = all(2, |mut peers| {
        let mut own = if peers.rank() == 0 { [f32::NAN, f32::INFINITY, f32::MAX] } else { [1.0, 1.0, f32::MAX] };
        peers.sum(&mut own)?;
        Ok(own)
    });
    assert!(sums.iter().all(|[nan, high, large]| nan.is_nan() && *high == f32::INFINITY && *large == f32::INFINITY));
}

#[test]
fn the_time_and_the_bytes_of_calls_are_counted() {
    let counted = all(2, |mut peers| {
        let before = (peers.bytes_sent(), peers.seconds());
        peers.gather(b"12345")?;
        Ok((before, peers.bytes_sent(), peers.seconds() > 0.0))
    });
    assert_eq!(counted, vec![((0, 0.0), 24 + 5, true); 2]);
}

#[test]
fn wrong_arguments_are_errors_before_anything_is_sent() {
    let found = errors(workers(2, PATIENT, |mut peers| {
        let wrong = peers.broadcast(2, &mut []);
        assert_eq!(peers.bytes_sent(), 0);
        // The workers still work together.
        peers.sum(&mut [1.0])?;
        wrong
    }));
    assert_eq!(found, vec!["param `from` must be the number of a worker, below 2, got 2"; 2]);
}
