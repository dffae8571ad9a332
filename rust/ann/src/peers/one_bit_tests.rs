//! Sums of one bit for each number.

use super::testing::all;
use crate::peers::OneBit;
use crate::random::Random;
use crate::reduce::{Alone, Reduce};

fn gradient(rank: usize, step: usize, length: usize) -> Vec<f32> {
    let mut random = Random::new((rank * 1000 + step) as u64);
    (0..length).map(|at| random.symmetric(1.0) + 0.3 * (at as f32 * 0.01).sin()).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn over_many_sums_nothing_is_lost() {
    let steps = 60;
    for size in [2, 3, 5] {
        for length in [1, 3, 1030, 5003] {
            let results = all(size, |mut peers| {
                let mut compressed = OneBit::new(length);
                let (mut total, mut last) = (vec![0.0_f64; length], Vec::new());
                for step in 0..steps {
                    let mut values = gradient(peers.rank(), step, length);
                    compressed.sum_signs(&mut peers, &mut values)?;
                    total.iter_mut().zip(&values).for_each(|(total, value)| *total += f64::from(*value));
                    last = values;
                }
                Ok((total, bits(&last)))
            });
            let mut exact = vec![0.0_f64; length];
            for (rank, step) in (0..size).flat_map(|rank| (0..steps).map(move |step| (rank, step))) {
                exact.iter_mut().zip(gradient(rank, step, length)).for_each(|(sum, value)| *sum += f64::from(value));
            }
            assert!(results.iter().all(|(_, last)| *last == results[0].1), "the workers have the same bits");
            // What remains is the error of the last steps, whatever the number of steps; the totals grow with it.
            let farthest =
                exact.iter().zip(&results[0].0).map(|(exact, total)| (exact - total).abs()).fold(0.0, f64::max);
            assert!(farthest < 8.0 * size as f64, "{size} workers, {length} values: {farthest}");
        }
    }
}

#[test]
fn a_sum_sends_a_twenty_fifth_of_the_bytes() {
    let length = 1 << 20;
    let sent = all(2, |mut peers| {
        let mut values = gradient(peers.rank(), 0, length);
        OneBit::new(length).sum_signs(&mut peers, &mut values)?;
        let compressed = peers.bytes_sent();
        peers.sum(&mut values)?;
        Ok((compressed, peers.bytes_sent() - compressed))
    });
    for (compressed, plain) in sent {
        assert!(compressed * 25 < plain, "{compressed} of {plain} bytes");
    }
}

#[test]
fn values_of_two_sizes_are_sent_exactly() {
    let sums = all(2, |mut peers| {
        let mut compressed = OneBit::new(4);
        let mut values = [1.5, 1.5, -2.0, -2.0].map(|value| value * (peers.rank() + 1) as f32);
        compressed.sum_signs(&mut peers, &mut values)?;
        Ok((values, compressed.error().to_vec()))
    });
    assert_eq!(sums, vec![([4.5, 4.5, -6.0, -6.0], vec![0.0; 4]); 2]);
}

#[test]
fn a_single_worker_keeps_its_values_and_nan_is_not_hidden() {
    let mut values = [1.0, -3.0, 0.5];
    assert_eq!(OneBit::new(3).sum_signs(&mut Alone::new(), &mut values), Ok(()));
    assert_eq!(bits(&values), bits(&[1.0, -3.0, 0.5]));
    let sums = all(2, |mut peers| {
        let mut values = [1.0, f32::NAN, 2.0, if peers.rank() == 0 { f32::NAN } else { 1.0 }];
        OneBit::new(4).sum_signs(&mut peers, &mut values)?;
        Ok(values)
    });
    assert!(sums.iter().all(|values| values[1].is_nan() && values[3].is_nan()));
}

#[test]
fn another_number_of_values_is_an_error() {
    let error = OneBit::new(3).sum_signs(&mut Alone::new(), &mut [1.0]).map_err(|error| error.to_string());
    assert_eq!(error, Err("param `values` must have 3 values, as before, got 1".to_owned()));
}
