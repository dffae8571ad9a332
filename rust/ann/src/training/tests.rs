//! Trainings from beginning to end.

use std::sync::Arc;
use std::time::Duration;

use mmlrs_core::{Result, ThreadBudget};

use super::{Dataset, Finish, Progress, Settings, Start, StateReader, Target, Trainer};
use crate::layers::{Activation, Dense};
use crate::loss::Loss;
use crate::network::Network;
use crate::peers::{Limits, Listener};
use crate::random::Random;
use crate::reduce::{Alone, Reduce};
use crate::shape::Shape;

/// Workers of this process, connected by TCP.
fn group(size: usize) -> Vec<Box<dyn Reduce>> {
    let listeners: Vec<Listener> = (0..size).map(|_| Listener::bind("127.0.0.1").expect("a port")).collect();
    let addresses: Vec<String> = listeners.iter().map(|listener| format!("127.0.0.1:{}", listener.port())).collect();
    let limits = Limits { connect: Duration::from_secs(30), silence: Duration::from_secs(30) };
    let joining: Vec<_> = listeners
        .into_iter()
        .enumerate()
        .map(|(rank, listener)| {
            let addresses = addresses.clone();
            std::thread::spawn(move || listener.connect(rank, &addresses, &[7; 32], limits))
        })
        .collect();
    let peers = joining.into_iter().map(|thread| thread.join().expect("no panic").expect("all connect"));
    peers.map(|peers| Box::new(peers) as Box<dyn Reduce>).collect()
}

fn settings(changes: &serde_json::Value) -> Settings {
    let mut all = serde_json::json!({
        "solver": "l-bfgs", "iterations": 20, "tolerance": 1e-6, "step_size": 0.05, "momentum": 0.9, "nesterov": true,
        "weight_decay": 0.0, "l2": 0.0, "batch_size": 16, "block_size": 32, "schedule": {"kind": "constant"}, "warm_up": 0.0,
        "seed": 5, "patience": 0, "validation_fraction": 0.0, "local_steps": 0, "outer_rate": null, "outer_momentum": null,
    });
    if let (Some(all), Some(changes)) = (all.as_object_mut(), changes.as_object()) {
        all.extend(changes.clone());
    }
    Settings::parse(&all.to_string()).expect("the settings are valid")
}

fn network() -> Network {
    let layers: Vec<Arc<dyn crate::Layer>> =
        vec![Arc::new(Dense { size: 8 }), Arc::new(Activation::Sigmoid), Arc::new(Dense { size: 3 })];
    Network::new(Shape::Vector(2), layers, Loss::CrossEntropy { smoothing: 0.0, class_weights: None })
        .expect("the layers fit")
}

/// Three rings of points around the origin, dealt to workers.
fn rings(workers: usize, fraction: f64) -> Vec<Dataset> {
    let mut random = Random::new(1);
    let mut parts: Vec<Dataset> = (0..workers).map(|_| Dataset::new(2, 0, fraction, 5)).collect();
    for at in 0..240 {
        let (class, angle) = (at % 3, random.unit() * std::f64::consts::TAU);
        let radius = class as f64 + 0.3 * random.unit();
        let row = [(radius * angle.cos()) as f32, (radius * angle.sin()) as f32];
        // One worker gets two thirds of the rows, and the last one of more than two gets none.
        let worker = match workers {
            1 => 0,
            2 => usize::from(at % 3 == 0),
            n => (at % 3).min(n - 2),
        };
        parts[worker].push(&row, Target::Class(class as u32), 1.0 + class as f32, None).expect("there is room");
    }
    parts
}

/// Trains with so many workers, and returns the history and the parameters of the first one.
fn train(workers: usize, threads: usize, changes: &serde_json::Value) -> (Vec<Progress>, Vec<f32>, Option<Finish>) {
    let settings = settings(changes);
    let of_worker = |(data, peers): (Dataset, Box<dyn Reduce>)| {
        let settings = settings.clone();
        std::thread::spawn(move || {
            let budget = ThreadBudget::new(threads);
            let mut trainer = Trainer::new(network(), settings, data, peers, budget, Start::Seed)?;
            let lines = trainer.run(usize::MAX, f64::INFINITY)?;
            Ok::<_, mmlrs_core::Error>((lines, trainer.parameters().to_vec(), trainer.finish()))
        })
    };
    let data = rings(workers, settings.validation_fraction);
    let running: Vec<_> = data.into_iter().zip(group(workers)).map(of_worker).collect();
    let mut done: Vec<_> =
        running.into_iter().map(|thread| thread.join().expect("no panic").expect("it trains")).collect();
    let first = done.remove(0);
    assert!(done.iter().all(|other| other.1 == first.1 || other.0.len() == first.0.len()));
    first
}

fn close(left: &[f32], right: &[f32], limit: f32) -> bool {
    left.iter().zip(right).all(|(left, right)| (left - right).abs() <= limit * right.abs().max(1.0))
}

#[test]
fn the_rows_of_a_worker_do_not_matter_to_a_full_batch() {
    for solver in ["l-bfgs", "gd"] {
        let changes = serde_json::json!({"solver": solver, "l2": 0.01, "iterations": 5});
        let (one, parameters, _) = train(1, 1, &changes);
        for (workers, threads) in [(1, 3), (2, 1), (4, 2)] {
            let (many, other, _) = train(workers, threads, &changes);
            let pairs = one.iter().zip(&many);
            assert!(pairs.clone().all(|(a, b)| (a.loss - b.loss).abs() < 1e-5 * a.loss.abs()), "{one:?} {many:?}");
            assert!(close(&parameters, &other, 1e-3), "{solver} {workers}");
        }
        assert_eq!(train(2, 2, &changes).1, train(2, 2, &changes).1, "seeds repeat exactly");
    }
}

#[test]
fn every_solver_learns() {
    let easy = [
        serde_json::json!({"solver": "l-bfgs", "iterations": 60}),
        serde_json::json!({"solver": "gd", "step_size": 0.5, "iterations": 300}),
        serde_json::json!({"solver": "sgd", "iterations": 60}),
        serde_json::json!({"solver": "adam", "iterations": 60, "schedule": {"kind": "cosine"}, "warm_up": 2.0}),
        serde_json::json!({"solver": "adamw", "iterations": 60, "weight_decay": 0.01}),
        serde_json::json!({"solver": "adam", "iterations": 60, "local_steps": 4}),
        serde_json::json!({"solver": "sgd", "iterations": 60, "one_bit": true}),
    ];
    for changes in easy {
        for workers in [1, 3] {
            let (lines, _, finish) = train(workers, 1, &changes);
            let (first, last) = (lines[0].loss, lines[lines.len() - 1].loss);
            assert!(last < 0.45 * first, "{changes} {workers}: {first} {last}");
            assert!(matches!(finish, Some(Finish::Iterations | Finish::Converged)));
        }
    }
}

#[test]
fn training_goes_on_from_a_state() -> Result<()> {
    for changes in [
        serde_json::json!({"solver": "l-bfgs", "iterations": 8}),
        serde_json::json!({"solver": "gd", "iterations": 8}),
        serde_json::json!({"solver": "sgd", "iterations": 8}),
        serde_json::json!({"solver": "adam", "iterations": 8, "patience": 5, "validation_fraction": 0.2}),
    ] {
        let (all, parameters, _) = train(1, 1, &changes);
        let settings = settings(&changes);
        let (mut lines, mut start) = (Vec::new(), Start::Seed);
        for round in [3, 2, 9] {
            let data = rings(1, settings.validation_fraction).remove(0);
            let budget = ThreadBudget::new(1);
            let mut trainer = Trainer::new(network(), settings.clone(), data, Box::new(Alone::new()), budget, start)?;
            lines.extend(trainer.run(round, f64::INFINITY)?);
            let mut reader = StateReader::default();
            trainer.state()?.pieces().try_for_each(|piece| reader.push(&piece))?;
            start = Start::State { root: 0, reader: Some(reader) };
            if round == 9 {
                assert_eq!(trainer.parameters(), parameters, "{changes}");
            }
        }
        let losses = |lines: &[Progress]| lines.iter().map(|line| (line.iteration, line.loss)).collect::<Vec<_>>();
        assert_eq!(losses(&lines), losses(&all));
    }
    Ok(())
}

#[test]
fn training_stops_early_with_the_best_parameters() {
    let changes = serde_json::json!({
        "solver": "adam", "step_size": 0.3, "iterations": 200, "patience": 3, "validation_fraction": 0.3, "batch_size": 4,
    });
    let (lines, _, finish) = train(2, 1, &changes);
    assert_eq!(finish, Some(Finish::Stopped));
    let losses: Vec<f64> = lines.iter().filter_map(|line| line.validation_loss).collect();
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(losses.iter().position(|loss| *loss <= best), Some(losses.len() - 4));
    assert!(lines.iter().all(|line| line.validation_metric.is_some_and(|metric| (0.0..=1.0).contains(&metric))));
}

#[test]
fn training_that_diverges_says_so() {
    let changes = serde_json::json!({"solver": "sgd", "step_size": 1e38, "iterations": 50});
    let (lines, _, finish) = train(2, 1, &changes);
    assert_eq!(finish, Some(Finish::Diverged));
    assert!(lines.len() < 10);
}

/// The loss of rows after steps of this solver by so many workers, of batches of so many rows, and the same rows for all.
fn held_out_loss(workers: usize, changes: &serde_json::Value) -> f64 {
    let (width, classes) = (40, 3);
    let mut random = Random::new(3);
    let truth: Vec<f32> = (0..width * classes).map(|_| random.symmetric(1.0)).collect();
    let mut parts: Vec<Dataset> = (0..workers).map(|_| Dataset::new(width, 0, 0.0, 5)).collect();
    for at in 0..4000 {
        let row: Vec<f32> = (0..width).map(|_| random.symmetric(1.0)).collect();
        let score = |class: usize| -> f32 {
            row.iter().enumerate().map(|(at, x)| x * truth[at * classes + class]).sum::<f32>() + 0.3 * class as f32
        };
        let noisy: Vec<f32> = (0..classes).map(|class| score(class) + random.symmetric(1.0)).collect();
        let class = super::sums::largest(&noisy) as u32;
        parts[at % workers].push(&row, Target::Class(class), 1.0, Some(at >= 3200)).expect("there is room");
    }
    let settings = settings(changes);
    let running: Vec<_> = parts
        .into_iter()
        .zip(group(workers))
        .map(|(data, peers)| {
            let settings = settings.clone();
            std::thread::spawn(move || {
                let layers: Vec<Arc<dyn crate::Layer>> = vec![Arc::new(Dense { size: classes })];
                let loss = Loss::CrossEntropy { smoothing: 0.0, class_weights: None };
                let network = Network::new(Shape::Vector(width), layers, loss)?;
                let mut trainer = Trainer::new(network, settings, data, peers, ThreadBudget::new(1), Start::Seed)?;
                trainer.run(usize::MAX, f64::INFINITY)
            })
        })
        .collect();
    let lines: Vec<_> =
        running.into_iter().map(|thread| thread.join().expect("no panic").expect("it trains")).collect();
    let last = lines[0].last().expect("a line");
    last.validation_loss.expect("rows are held out")
}

/// With many workers plain averaging takes fewer steps than one worker, and symmetric steps are close to those of one worker.
#[test]
fn symmetric_steps_are_close_to_sequential_ones() {
    let [sequential, symmetric, averaged] = compared(0.05);
    assert!((symmetric - sequential).abs() < 0.02 * sequential, "{symmetric} {sequential}");
    assert!(averaged > 1.1 * sequential, "{averaged} {sequential}");
}

/// With rounds of ten steps the loss would be 1.7 times that of sequential ones.
#[test]
fn symmetric_steps_are_close_to_sequential_ones_with_a_large_step_size() {
    let [sequential, symmetric, _] = compared(0.5);
    assert!((symmetric - sequential).abs() < 0.1 * sequential, "{symmetric} {sequential}");
}

/// The losses of sequential steps, and of symmetric steps and averages of eight workers.
fn compared(step_size: f64) -> [f64; 3] {
    let common = serde_json::json!({
        "iterations": 2, "step_size": step_size, "momentum": 0.0, "nesterov": false, "batch_size": 4,
    });
    let with = |changes: serde_json::Value| {
        let mut all = common.clone();
        if let (Some(all), Some(changes)) = (all.as_object_mut(), changes.as_object()) {
            all.extend(changes.clone());
        }
        all
    };
    let sequential = held_out_loss(1, &with(serde_json::json!({"solver": "sgd"})));
    let alone = held_out_loss(1, &with(serde_json::json!({"solver": "symsgd"})));
    assert!((alone - sequential).abs() < 1e-6 * sequential, "one worker: {alone} {sequential}");
    let symmetric = held_out_loss(8, &with(serde_json::json!({"solver": "symsgd"})));
    let averaged = with(serde_json::json!({
        "solver": "sgd", "local_steps": 20, "outer_rate": 1.0, "outer_momentum": 0.0,
    }));
    [sequential, symmetric, held_out_loss(8, &averaged)]
}
