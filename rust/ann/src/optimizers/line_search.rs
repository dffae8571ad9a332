//! A line search for the strong Wolfe conditions.

use mmlrs_core::Result;

/// Share of the expected decrease that is enough (Nocedal and Wright 2006, 3.6a).
const DECREASE: f64 = 1e-4;
/// Share of the slope that may remain (3.6b), the usual value for quasi-Newton methods.
const CURVATURE: f64 = 0.9;
/// Maximum number of evaluations of a search.
const EVALUATIONS: usize = 20;
/// Maximum growth of the step from one trial to the next.
const GROWTH: f64 = 10.0;

/// A point on the line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The length of the step.
    pub step: f64,
    /// The loss.
    pub loss: f64,
    /// The derivative of the loss by the step.
    pub slope: f64,
}

impl Point {
    fn is_finite(self) -> bool {
        self.loss.is_finite() && self.slope.is_finite()
    }
}

/// Finds a step that meets the strong Wolfe conditions (Nocedal and Wright 2006, algorithms 3.5 and 3.6). `at` computes the loss and
/// its slope for a step. It is called last for the step that is returned. `None` if no trial meets the first condition.
pub fn search(start: Point, first: f64, mut at: impl FnMut(f64) -> Result<Point>) -> Result<Option<Point>> {
    let enough = |point: Point| point.is_finite() && point.loss <= start.loss + DECREASE * point.step * start.slope;
    let is_flat = |point: Point| point.slope.abs() <= -CURVATURE * start.slope;
    let (mut before, mut step) = (start, first);
    let mut best: Option<Point> = None;
    let mut bracket: Option<(Point, Point)> = None;
    for trial in 0..EVALUATIONS {
        if let Some((low, high)) = bracket {
            step = between(low, high);
            if (step - low.step).abs() < 1e-12 * low.step.abs().max(1e-12) {
                break;
            }
        }
        let point = at(step)?;
        if enough(point) && best.is_none_or(|best| point.loss < best.loss) {
            best = Some(point);
        }
        bracket = match bracket {
            None if !enough(point) || (trial > 0 && point.loss >= before.loss) => Some((before, point)),
            None if is_flat(point) => return Ok(Some(point)),
            None if point.slope >= 0.0 => Some((point, before)),
            None => {
                let next = if before.step > 0.0 { cubic(before, point).unwrap_or(2.0 * step) } else { 2.0 * step };
                before = point;
                step = next.clamp(1.1 * point.step, GROWTH * point.step);
                None
            }
            Some((low, _)) if !enough(point) || point.loss >= low.loss => Some((low, point)),
            Some(_) if is_flat(point) => return Ok(Some(point)),
            Some((low, high)) if point.slope * (high.step - low.step) >= 0.0 => Some((point, low)),
            Some((_, high)) => Some((point, high)),
        };
    }
    // The last evaluation must be that of the result.
    best.map(|best| at(best.step)).transpose()
}

/// A step between two points, towards the minimum of the cubic through them, but not too close to either.
fn between(low: Point, high: Point) -> f64 {
    let width = high.step - low.step;
    let middle = low.step + 0.5 * width;
    let step = if high.is_finite() { cubic(low, high).unwrap_or(middle) } else { low.step + 0.1 * width };
    let (left, right) = (low.step.min(high.step), low.step.max(high.step));
    let margin = 0.1 * (right - left);
    step.clamp(left + margin, right - margin)
}

/// The minimum of the cubic with the losses and slopes of two points (Nocedal and Wright 2006, 3.59).
fn cubic(a: Point, b: Point) -> Option<f64> {
    let first = a.slope + b.slope - 3.0 * (a.loss - b.loss) / (a.step - b.step);
    let square = first * first - a.slope * b.slope;
    if square < 0.0 {
        return None;
    }
    let second = (b.step - a.step).signum() * square.sqrt();
    let step = b.step - (b.step - a.step) * (b.slope + second - first) / (b.slope - a.slope + 2.0 * second);
    step.is_finite().then_some(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(loss: impl Fn(f64) -> f64, slope: impl Fn(f64) -> f64, first: f64) -> (Option<Point>, usize, f64) {
        let at = |step: f64| Point { step, loss: loss(step), slope: slope(step) };
        let (mut count, mut last) = (0, 0.0);
        let made = search(at(0.0), first, |step| {
            (count, last) = (count + 1, step);
            Ok(at(step))
        });
        (made.expect("no error"), count, last)
    }

    #[test]
    fn the_conditions_hold_from_any_first_step() {
        // The functions of Moré and Thuente (1994), 5.1 and 5.2, and a parabola.
        type Function = Box<dyn Fn(f64) -> f64>;
        let functions: Vec<(Function, Function)> = vec![
            (Box::new(|a| (a - 3.0) * (a - 3.0)), Box::new(|a| 2.0 * (a - 3.0))),
            (Box::new(|a| -a / (a * a + 2.0)), Box::new(|a| (a * a - 2.0) / (a * a + 2.0).powi(2))),
            (
                Box::new(|a| (a + 0.004).powi(5) - 2.0 * (a + 0.004).powi(4)),
                Box::new(|a| 5.0 * (a + 0.004).powi(4) - 8.0 * (a + 0.004).powi(3)),
            ),
        ];
        for (number, (loss, slope)) in functions.iter().enumerate() {
            for first in [1e-3, 0.1, 1.0, 10.0, 1e3] {
                let (point, count, last) = found(loss, slope, first);
                let point = point.expect("a step");
                assert!(
                    point.loss <= loss(0.0) + DECREASE * point.step * slope(0.0),
                    "{number} from {first}: {point:?}"
                );
                // The slope of the last function is nearly 0 at the start.
                assert!(
                    number == 2 || point.slope.abs() <= CURVATURE * slope(0.0).abs(),
                    "{number} from {first}: {point:?}"
                );
                assert!(count <= EVALUATIONS + 1 && (last - point.step).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn losses_that_are_not_finite_are_avoided() {
        let (point, ..) = found(|a| if a > 0.5 { f64::NAN } else { -a }, |_| -1.0, 4.0);
        assert!(point.is_some_and(|point| point.step > 0.0 && point.step <= 0.5));
    }

    #[test]
    fn a_line_without_decrease_has_no_step() {
        assert_eq!(found(|a| a, |_| -1.0, 1.0).0, None);
    }
}
