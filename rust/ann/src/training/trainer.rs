//! A worker's part of a training.

use std::time::Instant;

use mmlrs_core::{Error, Result, ThreadBudget};

use super::baseline::{Baseline, count_of};
use super::full_batch::Whole;
use super::local::Outer;
use super::method::Method;
use super::mini_batch::Epoch;
use super::rows::Dataset;
use super::settings::{Settings, Solver};
use super::state::{Finish, Header, Progress, State, StateReader, shared};
use super::sums::Sums;
use super::symmetric::Combiner;
use crate::layer::Mode;
use crate::network::Network;
use crate::optimizers::{Lbfgs, Step};
use crate::peers::OneBit;
use crate::reduce::Reduce;
use crate::vectors::{add_scaled, dot};

/// Rounds of local steps below which the step along the mean change must be small.
const FEW_ROUNDS: usize = 30;

/// A worker's part of a training: rows, parameters and optimizer.
#[expect(missing_debug_implementations, reason = "workers cannot be printed")]
pub struct Trainer {
    network: Network,
    settings: Settings,
    data: Dataset,
    workers: Box<dyn Reduce>,
    sums: Sums,
    totals: Totals,
    parameters: Vec<f32>,
    gradient: Vec<f32>,
    method: Method,
    outer: Option<Outer>,
    one_bit: Option<OneBit>,
    combiner: Option<Combiner>,
    done: usize,
    finish: Option<Finish>,
    best: Option<(f64, usize)>,
    best_parameters: Vec<f32>,
}

/// Sums over the rows of all workers.
#[derive(Debug, Clone)]
struct Totals {
    rows: f64,
    weight: f64,
    own_weight: f64,
    held_out: f64,
    /// Number of steps of an epoch.
    steps: usize,
    /// The best constant answer.
    baseline: Baseline,
}

impl Trainer {
    /// Starts a training, from a state or from parameters.
    ///
    /// # Errors
    /// There are no rows, or the state does not fit the network.
    pub fn new(
        network: Network,
        settings: Settings,
        mut data: Dataset,
        mut workers: Box<dyn Reduce>,
        threads: ThreadBudget,
        start: Start,
    ) -> Result<Self> {
        if settings.solver.is_full_batch() && network.has_statistics() {
            return Err(Error::runtime(
                "batch normalization needs batches; use the solver \"adam\", \"adamw\" or \"sgd\"",
            ));
        }
        let combiner = match settings.solver {
            Solver::SymSgd => Some(Combiner::new(&network, settings.seed)?),
            _ => None,
        };
        data.settle();
        let (own_weight, held_out) = (data.train.weight(), data.held_out.weight());
        let mut sums = vec![data.train.rows() as f64, own_weight, held_out];
        let about_rows = sums.len();
        sums.resize(about_rows + count_of(network.loss(), network.output().len()), 0.0);
        data.train.sum_targets(&mut sums[about_rows..]);
        workers.sum_f64(&mut sums)?;
        let (rows, weight, held_out) = (sums[0], sums[1], sums[2]);
        if rows == 0.0 || weight <= 0.0 {
            return Err(Error::runtime(if rows == 0.0 && held_out > 0.0 {
                "there are no rows to train on: all of them are held out"
            } else if rows == 0.0 {
                "there are no rows to train on"
            } else {
                "there is nothing to train on: the weights of all rows are 0"
            }));
        }
        let takes_own_steps = settings.local_steps > 0 || settings.solver == Solver::SymSgd;
        let share = if takes_own_steps { workers.size() } else { 1 };
        let steps = (rows / (settings.batch_size.saturating_mul(share)) as f64).ceil().max(1.0) as usize;
        let baseline = Baseline::of(network.loss(), &sums[about_rows..], weight);
        let totals = Totals { rows, weight, own_weight, held_out, steps, baseline };
        let block =
            if settings.solver.is_full_batch() { settings.block_size } else { block_of(&data, &settings, steps) };
        let buffers = Sums::new(&network, block, threads, &settings.augmentation);
        let count = network.parameter_count();
        let mut trainer = Self {
            method: Method::of(&settings, &network),
            outer: None,
            one_bit: (settings.one_bit && workers.size() > 1).then(|| OneBit::new(count)),
            combiner: combiner.filter(|_| workers.size() > 1),
            gradient: Vec::new(),
            parameters: Vec::new(),
            best_parameters: Vec::new(),
            sums: buffers,
            network,
            settings,
            data,
            workers,
            totals,
            done: 0,
            finish: None,
            best: None,
        };
        match start {
            Start::State { reader, root } => trainer.resume(reader, root)?,
            Start::Parameters(parameters) => trainer.parameters = parameters,
            Start::Seed => {
                let Self { network, totals, .. } = &trainer;
                let mut parameters = network.initial(trainer.settings.seed);
                network.set_answer(&totals.baseline.outputs(network.loss()), &mut parameters);
                trainer.parameters = parameters;
            }
        }
        if trainer.parameters.len() != count {
            let given = trainer.parameters.len();
            return Err(Error::runtime(format!("the network has {count} parameters, but {given} are given")));
        }
        if trainer.settings.local_steps > 0 && trainer.outer.is_none() {
            trainer.outer = Some(trainer.new_outer(vec![0.0; count]));
        }
        Ok(trainer)
    }

    /// Does at most so many iterations or epochs, and starts none after so many seconds of the first worker. Returns a line
    /// for each.
    ///
    /// # Errors
    /// A worker cannot be reached, or the work was interrupted.
    pub fn run(&mut self, iterations: usize, seconds: f64) -> Result<Vec<Progress>> {
        let (mut lines, started) = (Vec::new(), Instant::now());
        if self.gradient.is_empty() && !matches!(self.settings.solver, Solver::Lbfgs) {
            self.gradient = vec![0.0; self.parameters.len()];
        }
        for at in 0..iterations {
            if self.finish.is_none() && self.done >= self.settings.iterations {
                self.finish = Some(Finish::Iterations);
            }
            if self.finish.is_some() || (at > 0 && self.is_late(started, seconds)?) {
                break;
            }
            self.iteration(&mut lines)?;
        }
        if self.finish.is_none() && self.done >= self.settings.iterations {
            self.finish = Some(Finish::Iterations);
        }
        Ok(lines)
    }

    /// Whether more seconds have passed for the first worker. All workers get the same answer.
    fn is_late(&mut self, started: Instant, seconds: f64) -> Result<bool> {
        if seconds.is_infinite() {
            return Ok(false);
        }
        let is_late = self.workers.rank() == 0 && started.elapsed().as_secs_f64() >= seconds;
        let mut late = [f64::from(u8::from(is_late))];
        self.workers.sum_f64(&mut late)?;
        Ok(late[0] > 0.0)
    }

    /// The workers, for their counters.
    pub fn workers(&mut self) -> &mut dyn Reduce {
        &mut *self.workers
    }

    /// Measures so many gradients of all rows, and so many sums of a gradient over the workers. Returns the median seconds of
    /// each.
    ///
    /// # Errors
    /// A worker cannot be reached, or the work was interrupted.
    pub fn time(&mut self, gradients: usize, sums: usize) -> Result<[f64; 2]> {
        let mut gradient = vec![0.0; self.parameters.len()];
        let rows = (&self.data.train, self.data.train.order());
        let how = (Mode::Training { seed: 0 }, (1.0 / self.totals.weight) as f32);
        let mut seconds = [Vec::new(), Vec::new()];
        for _ in 0..gradients {
            let started = Instant::now();
            self.sums.gradient(&self.network, &self.parameters, rows, how, &mut gradient)?;
            seconds[0].push(started.elapsed().as_secs_f64());
        }
        gradient.fill(0.0);
        // Workers begin together.
        self.workers.sum(&mut gradient)?;
        for _ in 0..sums {
            let started = Instant::now();
            self.workers.sum(&mut gradient)?;
            seconds[1].push(started.elapsed().as_secs_f64());
        }
        Ok(seconds.map(median))
    }

    /// The best constant answer, from the targets of all workers.
    pub fn baseline(&self) -> &Baseline {
        &self.totals.baseline
    }

    /// Why the training is over, if it is.
    pub fn finish(&self) -> Option<Finish> {
        self.finish
    }

    /// The parameters: the best ones if the training stops early, else the last ones.
    pub fn parameters(&self) -> &[f32] {
        if self.settings.patience > 0 && !self.best_parameters.is_empty() {
            &self.best_parameters
        } else {
            &self.parameters
        }
    }

    /// The state, from which another worker can go on.
    ///
    /// # Errors
    /// None that is known.
    pub fn state(&self) -> Result<State<'_>> {
        let mut header = Header { done: self.done, finish: self.finish, best: self.best, ..Header::default() };
        let mut vectors: Vec<&[f32]> = vec![&self.parameters, &self.best_parameters];
        match &self.outer {
            // Each worker has its own moments when it takes steps alone; they start anew.
            Some(outer) => vectors.push(&outer.velocity),
            None => vectors.extend(self.method.saved(&mut header)),
        }
        State::new(header, vectors)
    }

    /// Goes on from a state, which the worker `root` has read.
    ///
    /// # Errors
    /// The state does not fit the network.
    pub fn resume(&mut self, reader: Option<StateReader>, root: usize) -> Result<()> {
        let (header, vectors) = shared(reader, root, &mut *self.workers)?;
        let count = self.network.parameter_count();
        let mut vectors = vectors.into_iter();
        let mut next = || match vectors.next() {
            Some(vector) if vector.is_empty() || vector.len() == count => Ok(vector),
            Some(_) => {
                Err(Error::runtime(format!("the state of the training is not of a network with {count} parameters")))
            }
            None => Err(Error::runtime("the state of the training lacks a vector")),
        };
        (self.done, self.finish, self.best) = (header.done, header.finish, header.best);
        (self.parameters, self.best_parameters) = (next()?, next()?);
        if self.settings.local_steps > 0 {
            let velocity = next()?;
            self.outer = Some(self.new_outer(velocity));
            return Ok(());
        }
        self.method.resume(&header, &mut next)
    }

    fn new_outer(&self, velocity: Vec<f32>) -> Outer {
        let rounds = self.totals.steps.div_ceil(self.settings.local_steps.max(1)) * self.settings.iterations;
        let (rate, momentum) = if rounds < FEW_ROUNDS { (0.4, 0.8) } else { (0.7, 0.9) };
        Outer {
            rate: self.settings.outer_rate.unwrap_or(rate),
            momentum: self.settings.outer_momentum.unwrap_or(momentum),
            velocity,
            start: Vec::new(),
        }
    }

    /// Does one iteration or epoch.
    fn iteration(&mut self, lines: &mut Vec<Progress>) -> Result<()> {
        let (started, sent) = (Instant::now(), self.workers.bytes_sent());
        let rates = self.settings.rates(self.totals.steps);
        let (loss, passes, rate) = match self.settings.solver {
            Solver::Lbfgs => {
                if matches!(self.method, Method::Lbfgs(None)) {
                    let loss = self.start_lbfgs()?;
                    self.finish_line(lines, (loss, 1, None), started, sent)?;
                    if self.finish.is_some() {
                        return Ok(());
                    }
                    return self.iteration(lines);
                }
                let (loss, passes) = self.lbfgs_step()?;
                (loss, passes, None)
            }
            Solver::Descent => (self.descend()?, 1, Some(rates.at(self.done))),
            Solver::Sgd | Solver::SymSgd | Solver::Adam | Solver::AdamW => {
                let loss = self.epoch()?;
                (loss, 1, Some(rates.at((self.done + 1) * self.totals.steps - 1)))
            }
        };
        self.done += 1;
        self.finish_line(lines, (loss, passes, rate), started, sent)
    }

    fn whole(&mut self) -> (Whole<'_>, &mut Vec<f32>, &mut Method, &mut Vec<f32>) {
        let whole = Whole {
            network: &self.network,
            rows: &self.data.train,
            sums: &mut self.sums,
            workers: &mut *self.workers,
            weight: self.totals.weight,
            l2: self.settings.l2,
            evaluations: 0,
        };
        (whole, &mut self.parameters, &mut self.method, &mut self.gradient)
    }

    fn start_lbfgs(&mut self) -> Result<f64> {
        let (mut whole, parameters, method, _) = self.whole();
        let lbfgs = Lbfgs::start(parameters, &mut |x: &[f32], g: &mut [f32]| whole.evaluate(x, g))?;
        let loss = lbfgs.loss;
        *method = Method::Lbfgs(Some(lbfgs));
        Ok(loss)
    }

    fn lbfgs_step(&mut self) -> Result<(f64, usize)> {
        let tolerance = self.settings.tolerance;
        let (mut whole, parameters, method, _) = self.whole();
        let Method::Lbfgs(Some(lbfgs)) = method else {
            return Err(Error::runtime("L-BFGS has not started"));
        };
        let step = lbfgs.step(parameters, &mut |x: &[f32], g: &mut [f32]| whole.evaluate(x, g))?;
        let (loss, evaluations) = (lbfgs.loss, whole.evaluations);
        let is_over = match step {
            Step::Smaller(share) => share < tolerance,
            Step::Minimum => true,
        };
        if is_over {
            self.finish = Some(Finish::Converged);
        }
        Ok((loss, evaluations))
    }

    fn descend(&mut self) -> Result<f64> {
        let (rate, tolerance) = (self.settings.rates(1).at(self.done), self.settings.tolerance);
        let (mut whole, parameters, _, gradient) = self.whole();
        let loss = whole.evaluate(parameters, gradient)?;
        let change = rate * dot(gradient, gradient).sqrt();
        // The test of Spark's gradient descent.
        let is_over = change < tolerance * dot(parameters, parameters).sqrt().max(1.0);
        add_scaled(parameters, -rate as f32, gradient);
        if is_over {
            self.finish = Some(Finish::Converged);
        }
        Ok(loss)
    }

    fn epoch(&mut self) -> Result<f64> {
        let Method::Batches(optimizer) = &mut self.method else {
            return Err(Error::runtime("the solver does not work with batches"));
        };
        let (own, all) = (self.totals.own_weight, self.totals.weight);
        let mut epoch = Epoch {
            network: &self.network,
            rows: &self.data.train,
            sums: &mut self.sums,
            workers: &mut *self.workers,
            optimizer,
            gradient: &mut self.gradient,
            one_bit: self.one_bit.as_mut(),
            rates: self.settings.rates(self.totals.steps),
            l2: self.settings.l2,
            weight_decay: if self.settings.solver == Solver::AdamW { self.settings.weight_decay } else { 0.0 },
            number: self.done,
            steps: self.totals.steps,
            seed: self.settings.seed,
        };
        let loss = match (&mut self.outer, &mut self.combiner) {
            (Some(outer), _) => epoch.run_alone(&mut self.parameters, (own, all), self.settings.local_steps, outer)?,
            (None, Some(combiner)) => epoch.run_symmetric(&mut self.parameters, own, combiner)?,
            (None, None) => epoch.run(&mut self.parameters, all)?,
        };
        let mut sum = [loss];
        self.workers.sum_f64(&mut sum)?;
        let weights = self.network.weights();
        let squares: f64 =
            weights.into_iter().map(|range| dot(&self.parameters[range.clone()], &self.parameters[range])).sum();
        Ok(sum[0] / all + 0.5 * self.settings.l2 * squares)
    }

    /// Measures the held-out rows, appends a line to the history and decides whether to go on.
    fn finish_line(
        &mut self,
        lines: &mut Vec<Progress>,
        (loss, passes, step_size): (f64, usize, Option<f64>),
        started: Instant,
        sent: u64,
    ) -> Result<()> {
        let (mut validation_loss, mut validation_metric) = (None, None);
        if self.totals.held_out > 0.0 {
            let measured = self.sums.measure(&self.network, &self.parameters, &self.data.held_out)?;
            let mut sums = [measured.loss, measured.score];
            self.workers.sum_f64(&mut sums)?;
            let [loss, score] = sums.map(|sum| sum / self.totals.held_out);
            validation_loss = Some(loss);
            validation_metric = Some(if self.network.has_classes() { score } else { score.sqrt() });
        }
        let seconds = started.elapsed().as_secs_f64();
        lines.push(Progress {
            iteration: self.done,
            loss,
            validation_loss,
            validation_metric,
            step_size,
            seconds,
            rows_per_second: self.totals.rows * passes as f64 / seconds.max(1e-9),
            bytes_sent: self.workers.bytes_sent() - sent,
        });
        if !loss.is_finite() || validation_loss.is_some_and(|loss| !loss.is_finite()) {
            self.finish = Some(Finish::Diverged);
            return Ok(());
        }
        if let (Some(loss), true) = (validation_loss, self.settings.patience > 0) {
            if self.best.is_none_or(|(best, _)| loss < best) {
                self.best = Some((loss, self.done));
                if self.workers.rank() == 0 {
                    self.best_parameters.clone_from(&self.parameters);
                }
            } else if self.best.is_some_and(|(_, at)| self.done - at >= self.settings.patience) {
                self.finish = Some(Finish::Stopped);
            }
        }
        Ok(())
    }
}

/// Where a training starts.
#[derive(Debug)]
pub enum Start {
    /// At parameters that follow from the seed.
    Seed,
    /// At these parameters.
    Parameters(Vec<f32>),
    /// Where another one ended.
    State {
        /// The worker that has the state.
        root: usize,
        /// The state, if it is this one.
        reader: Option<StateReader>,
    },
}

/// The median, or 0 of nothing.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The number of rows of the buffers: the largest share of a batch that this worker has, or a block.
fn block_of(data: &Dataset, settings: &Settings, steps: usize) -> usize {
    data.train.rows().div_ceil(steps).clamp(1, settings.block_size)
}
