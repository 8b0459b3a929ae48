//! How fast work goes and how long the rest takes.

use std::time::Duration;

/// Measured from the first report on. What was done by then, such as the updates before a resumption, is no work of this
/// process and counts for no rate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    first: Option<(Duration, u64)>,
}

impl Pace {
    /// `done` pieces are done after `elapsed`.
    pub(super) fn report(&mut self, elapsed: Duration, done: u64) {
        self.first.get_or_insert((elapsed, done));
    }

    /// So many of the pieces reported from here on were done before: they count for no rate either.
    pub(super) fn skip(&mut self, pieces: u64) {
        if let Some((_, before)) = &mut self.first {
            *before += pieces;
        }
    }

    /// Pieces per second; none before there are two reports to compare.
    pub(super) fn per_sec(self, elapsed: Duration, done: u64) -> Option<f64> {
        let (since, before) = self.first?;
        let secs = elapsed.saturating_sub(since).as_secs_f64();
        (done > before && secs > 0.0).then(|| (done - before) as f64 / secs)
    }

    /// Time until `total` pieces are done.
    pub(super) fn left(self, elapsed: Duration, done: u64, total: u64) -> Option<Duration> {
        let rate = self.per_sec(elapsed, done)?;
        Some(Duration::from_secs_f64((total.saturating_sub(done) as f64 / rate).min(1e9)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn what_was_done_before_the_first_report_counts_for_no_rate() {
        let mut pace = Pace::default();
        assert_eq!(pace.per_sec(secs(1), 100), None);
        pace.report(secs(10), 900);
        assert_eq!(pace.left(secs(10), 900, 1000), None, "one report gives no rate");
        pace.report(secs(20), 920);
        assert_eq!(pace.per_sec(secs(20), 920), Some(2.0));
        assert_eq!(pace.left(secs(20), 920, 1000), Some(secs(40)));
        assert_eq!(pace.left(secs(20), 1100, 1000), Some(secs(0)), "more than was expected");
        pace.skip(60);
        assert_eq!(pace.per_sec(secs(20), 980), Some(2.0), "a part of it was there already");
    }
}
