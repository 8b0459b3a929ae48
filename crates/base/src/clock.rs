//! The one source of wall-clock time, so that tests and reports can fix it.

use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};

/// Tells the time. Durations come from a monotonic clock.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// Always the same instant; durations are zero.
    Fixed(DateTime<Utc>),
}

impl Clock {
    /// The time of day, UTC.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            Self::System => Utc::now(),
            Self::Fixed(at) => *at,
        }
    }

    /// Starts measuring a duration.
    #[must_use]
    pub fn start(&self) -> Stopwatch {
        match self {
            Self::System => Stopwatch(Some(Instant::now())),
            Self::Fixed(_) => Stopwatch(None),
        }
    }
}

/// A running measurement of a duration.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Option<Instant>);

impl Stopwatch {
    /// Time since the start; zero under a fixed clock.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.map_or(Duration::ZERO, |start| start.elapsed())
    }
}

/// RFC 3339 in UTC to the millisecond, e.g. `2026-01-31T12:00:00.000Z`: the form of every recorded time.
#[must_use]
pub fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
