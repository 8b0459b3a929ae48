//! Axes: ranges that hold all data, ticks at round numbers (Heckbert 1990), and the mapping to pixels.

use super::canvas::{Anchor, Canvas, FigureError};
use super::style;

/// A numeric axis: data range, ticks, and how ticks are written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    pub low: f64,
    pub high: f64,
    pub ticks: Vec<f64>,
    pub decimals: usize,
}

impl Axis {
    /// An axis over all finite values, in steps of 1, 2 or 5 times a power of ten, about `count` of them. It ends at ticks, but
    /// never leaves `bounds`.
    pub fn over(values: impl Iterator<Item = f64>, count: usize, bounds: (f64, f64)) -> Self {
        let (mut low, mut high) = values
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if high - low < 1e-9 * high.abs().max(1e-3) {
            // A single value: give it room.
            let room = if high == 0.0 { 1.0 } else { 0.01 * high.abs() };
            (low, high) = (low - room, high + room);
        }
        let step = round_step((high - low) / count.max(1) as f64);
        let first = (low / step + 1e-9).floor() * step;
        let last = (high / step - 1e-9).ceil() * step;
        let (low, high) = (first.max(bounds.0), last.min(bounds.1));
        let steps = ((last - first) / step).round() as i64;
        let ticks = (0..=steps).map(|i| first + i as f64 * step);
        let slack = 1e-9 * step;
        let ticks = ticks.filter(|tick| *tick >= low - slack && *tick <= high + slack).collect();
        let decimals = (-(step * 1.000_001).log10().floor()).max(0.0) as usize;
        Self { low, high, ticks, decimals }
    }

    /// Share of the axis at which a value lies, 0 to 1.
    pub fn share(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// Text of a tick.
    pub fn label(&self, tick: f64) -> String {
        let text = format!("{:.*}", self.decimals, tick.abs());
        let whole = self.decimals == 0 && tick.abs() >= 1e3;
        let text = if whole { augtrial_base::numbers::count(tick.abs().round() as u64) } else { text };
        if tick < -1e-12 { format!("\u{2212}{text}") } else { text }
    }
}

/// The next of 1, 2, 5 times a power of ten.
fn round_step(raw: f64) -> f64 {
    let power = 10.0_f64.powf(raw.log10().floor());
    [1.0, 2.0, 5.0, 10.0].iter().map(|m| m * power).find(|step| *step >= raw * 0.999_999).unwrap_or(10.0 * power)
}

/// A rectangle of the canvas with an axis below and one at the left.
#[derive(Clone, Debug)]
pub(super) struct Frame<'a> {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
    pub x: &'a Axis,
    pub y: &'a Axis,
}

impl Frame<'_> {
    pub fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (self.x_px(x), self.bottom - (self.bottom - self.top) * self.y.share(y))
    }

    pub fn x_px(&self, x: f64) -> f64 {
        self.left + (self.right - self.left) * self.x.share(x)
    }

    /// Grid and tick labels at the left.
    pub fn draw_y(&self, canvas: &Canvas<'_>, labels: bool) -> Result<(), FigureError> {
        for &tick in &self.y.ticks {
            let (_, y) = self.at(self.x.low, tick);
            canvas.line(&[(self.left, y), (self.right, y)], &style::GRID, 1.0)?;
            if labels {
                canvas.text(&self.y.label(tick), (self.left - 8.0, y), Anchor::Right, style::MUTED)?;
            }
        }
        Ok(())
    }

    /// Tick marks, labels and the base line below; with a vertical grid if asked.
    pub fn draw_x(&self, canvas: &Canvas<'_>, grid: bool) -> Result<(), FigureError> {
        for &tick in &self.x.ticks {
            let x = self.x_px(tick);
            if grid {
                canvas.line(&[(x, self.top), (x, self.bottom)], &style::GRID, 1.0)?;
            }
            canvas.line(&[(x, self.bottom), (x, self.bottom + 5.0)], &style::MUTED, 1.0)?;
            canvas.text(&self.x.label(tick), (x, self.bottom + 16.0), Anchor::Middle, style::MUTED)?;
        }
        canvas.line(&[(self.left, self.bottom), (self.right, self.bottom)], &style::MUTED, 1.0)
    }

    /// The name of the x axis, centered below its labels.
    pub fn name_x(&self, canvas: &Canvas<'_>, name: &str) -> Result<(), FigureError> {
        let at = (f64::midpoint(self.left, self.right), self.bottom + 38.0);
        canvas.text(name, at, Anchor::Middle, style::INK)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FREE: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

    #[test]
    fn ticks_are_round_and_labelled_to_their_step() {
        let axis = Axis::over([0.73, 0.91].into_iter(), 5, FREE);
        assert_eq!(
            axis.ticks.iter().map(|t| axis.label(*t)).collect::<Vec<_>>(),
            ["0.70", "0.75", "0.80", "0.85", "0.90", "0.95"]
        );
        let axis = Axis::over([-1.2, 3.4].into_iter(), 5, FREE);
        assert_eq!(axis.label(axis.ticks[0]), "−2");
    }

    #[test]
    fn no_data_and_one_value_still_give_an_axis() {
        assert!(Axis::over(std::iter::empty(), 5, FREE).ticks.len() > 2);
        let axis = Axis::over([f64::NAN, 0.5].into_iter(), 5, FREE);
        assert!(axis.low < 0.5 && axis.high > 0.5);
    }

    #[test]
    fn an_axis_of_percent_does_not_leave_0_to_100() {
        let axis = Axis::over([99.0, 99.9, 104.0].into_iter(), 4, (0.0, 100.0));
        assert_eq!(axis.high, 100.0);
        assert!(axis.ticks.iter().all(|t| *t <= 100.0 + 1e-9));
    }

    proptest! {
        #[test]
        fn all_data_lie_on_the_axis(values in proptest::collection::vec(-1e6..1e6_f64, 1..20), count in 2..10_usize) {
            let axis = Axis::over(values.iter().copied(), count, FREE);
            prop_assert!(values.iter().all(|v| (-1e-9..=1.0 + 1e-9).contains(&axis.share(*v))));
            prop_assert!(axis.ticks.len() >= 2 && axis.ticks.len() <= count + 3);
        }
    }
}
