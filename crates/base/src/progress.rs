//! How far long work is: one line each on a terminal, which fits it; plain lines elsewhere, ever more seldom; nothing when
//! quiet.
//!
//! Everything goes to standard error; standard output carries results only. What a process does for another is relayed to
//! that other's view.

mod fit;
mod pace;
mod relay;

use std::borrow::Cow;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::clock::{Clock, Stopwatch};
use crate::numbers::count;

pub use relay::{Mirror, Shown};

use fit::fit;
use pace::Pace;
use relay::Relay;

/// Plain lines of one stage are at least this far apart, and at least this share of the time that it has taken: a long study
/// fills no log.
const LINE_INTERVAL: Duration = Duration::from_secs(10);
const LINE_SHARE: u32 = 20;

/// Columns of a terminal that does not tell.
const COLUMNS: usize = 80;

/// Where progress is shown.
pub struct Progress {
    kind: View,
    /// Whether details are shown too.
    verbose: bool,
}

enum View {
    Bars(MultiProgress),
    Lines,
    Quiet,
    Relay(Relay),
}

/// One long piece of work, shown until it is dropped.
pub struct Stage<'a> {
    progress: &'a Progress,
    name: String,
    unit: Cow<'static, str>,
    total: AtomicU64,
    bar: Option<ProgressBar>,
    /// Part of a stage that is shown too: where there are plain lines, it has none of its own.
    is_part: bool,
    /// Names the stage to another process.
    relayed: u64,
    told: Mutex<Told>,
    watch: Stopwatch,
}

/// What a stage has reported so far.
#[derive(Default)]
struct Told {
    last: Option<Duration>,
    done: u64,
    pace: Pace,
}

impl Progress {
    /// One line a stage if standard error is a terminal, else plain lines; nothing if `quiet`.
    #[must_use]
    pub fn new(quiet: bool, verbose: bool) -> Self {
        let kind = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => View::Quiet,
            (false, true) => View::Bars(MultiProgress::with_draw_target(ProgressDrawTarget::stderr())),
            (false, false) => View::Lines,
        };
        Self { kind, verbose }
    }

    /// Shows nothing.
    #[must_use]
    pub fn quiet() -> Self {
        Self { kind: View::Quiet, verbose: false }
    }

    /// Hands everything to `send`, for the view of another process.
    #[must_use]
    pub fn relayed(send: impl Fn(Shown) + Send + Sync + 'static) -> Self {
        Self { kind: View::Relay(Relay::new(send)), verbose: true }
    }

    /// One line that stays.
    pub fn note(&self, line: &str) {
        match &self.kind {
            View::Relay(relay) => relay.note(line),
            View::Bars(bars) => drop(bars.println(crate::text::screen(line))),
            View::Lines => to_stderr(format_args!("{line}")),
            View::Quiet => {}
        }
    }

    /// One line that stays, for those who want to know more (`--verbose`).
    pub fn detail(&self, line: &str) {
        match &self.kind {
            View::Relay(relay) => relay.detail(line),
            _ if self.verbose => self.note(line),
            _ => {}
        }
    }

    /// Starts a stage of `total` pieces of work (0: not known yet), each a `unit` (plural, e.g. `images`).
    pub fn stage(&self, name: impl Into<String>, total: u64, unit: impl Into<Cow<'static, str>>) -> Stage<'_> {
        self.open(name.into(), total, unit.into(), false)
    }

    /// Starts a stage that is a part of another one that is shown too.
    pub fn part(&self, name: impl Into<String>, total: u64, unit: impl Into<Cow<'static, str>>) -> Stage<'_> {
        self.open(name.into(), total, unit.into(), true)
    }

    fn open(&self, name: String, total: u64, unit: Cow<'static, str>, is_part: bool) -> Stage<'_> {
        let bar = match &self.kind {
            View::Bars(bars) => {
                let bar = ProgressBar::new(total);
                bar.set_style(ProgressStyle::with_template("{wide_msg}").expect("the template is well-formed"));
                // The whole comes last, below its parts.
                let bar = if is_part { bars.insert(0, bar) } else { bars.add(bar) };
                bar.set_message(name.clone());
                Some(bar)
            }
            View::Lines | View::Quiet | View::Relay(_) => None,
        };
        let relayed = if let View::Relay(relay) = &self.kind { relay.new_stage() } else { 0 };
        let (total, watch) = (AtomicU64::new(total), Clock::System.start());
        Stage { progress: self, name, unit, total, bar, is_part, relayed, told: Mutex::default(), watch }
    }
}

impl Stage<'_> {
    /// `done` pieces are done; `message` says what there is to say of them, its parts separated by `, `, the one that matters
    /// most first.
    pub fn set(&self, done: u64, message: &str) {
        match &self.progress.kind {
            View::Lines if !self.is_part => self.line(done, message),
            View::Relay(relay) => self.relay(relay, done, message),
            View::Bars(_) => self.draw(done, message),
            View::Lines | View::Quiet => {}
        }
    }

    /// As [`set`](Self::set), for work whose total is known only when it is under way.
    pub fn set_of(&self, done: u64, total: u64, message: &str) {
        self.total.store(total, Ordering::Relaxed);
        self.set(done, message);
    }

    /// So many of the pieces reported from here on were done before, by another process: they count for no rate.
    pub fn skip(&self, pieces: u64) {
        if let Ok(mut told) = self.told.lock() {
            told.pace.skip(pieces);
        }
    }

    fn draw(&self, done: u64, message: &str) {
        let (Some(bar), Ok(mut told)) = (&self.bar, self.told.lock()) else { return };
        if done < told.done {
            return;
        }
        let elapsed = self.watch.elapsed();
        told.pace.report(elapsed, done);
        told.done = done;
        let total = self.total.load(Ordering::Relaxed);
        let share = (total > 0).then(|| done as f64 / total as f64);
        let columns = Term::stderr().size_checked().map_or(COLUMNS, |(_, columns)| usize::from(columns));
        bar.set_message(fit(&self.name, share, &self.parts(&told, elapsed, message), columns));
    }

    /// What there is to say, the most important first.
    fn parts(&self, told: &Told, elapsed: Duration, message: &str) -> Vec<String> {
        let total = self.total.load(Ordering::Relaxed);
        let of = if total > 0 { format!("/{}", count(total)) } else { String::new() };
        let mut parts = vec![format!("{}{of} {}", count(told.done), self.unit)];
        let left = told.pace.left(elapsed, told.done, total).filter(|_| told.done < total);
        parts.extend(left.map(|left| format!("{} left", human_duration(left))));
        parts.extend(message.split(", ").filter(|part| !part.is_empty()).map(str::to_owned));
        let rate = told.pace.per_sec(elapsed, told.done);
        parts.extend(rate.map(|rate| format!("{rate:.1} {}/s", self.unit)));
        parts
    }

    fn line(&self, done: u64, message: &str) {
        let elapsed = self.watch.elapsed();
        let total = self.total.load(Ordering::Relaxed);
        let Ok(mut told) = self.told.lock() else { return };
        // Workers report out of order; the count shown never falls.
        if done < told.done {
            return;
        }
        told.done = done;
        told.pace.report(elapsed, done);
        let interval = LINE_INTERVAL.max(elapsed / LINE_SHARE);
        let due = elapsed.saturating_sub(told.last.unwrap_or_default()) >= interval;
        if !due && done < total {
            return;
        }
        if done >= total && told.last.is_none() && elapsed < Duration::from_secs(1) {
            return; // too quick to be worth a line
        }
        told.last = Some(elapsed);
        to_stderr(format_args!("{}: {}", self.name, self.parts(&told, elapsed, message).join(", ")));
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if let View::Relay(relay) = &self.progress.kind {
            relay.over(self.relayed);
        }
    }
}

/// Writes a line to standard error. If that cannot be written to (a full disk, a closed terminal), the work goes on: nothing
/// that is said there is a result.
pub fn to_stderr(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{}", crate::text::screen(&line.to_string()));
}

/// A duration for people: `45 s`, `12 min`, `3 h 20 min`.
#[must_use]
pub fn human_duration(duration: Duration) -> String {
    let secs = duration.as_secs_f64().round() as u64;
    match secs {
        0..120 => format!("{secs} s"),
        120..7200 => format!("{} min", secs.div_ceil(60)),
        _ => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
    }
}

/// A size for people, in powers of 1000: `640 kB`, `1.2 GB`.
#[must_use]
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 || value >= 9.95 {
        format!("{value:.0} {}", UNITS[unit])
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_readable() {
        assert_eq!(human_duration(Duration::from_secs(45)), "45 s");
        assert_eq!(human_duration(Duration::from_secs(700)), "12 min");
        assert_eq!(human_duration(Duration::from_mins(200)), "3 h 20 min");
        assert_eq!(human_bytes(640), "640 B");
        assert_eq!(human_bytes(999_600), "1.0 MB");
        assert_eq!(human_bytes(1_234_000_000), "1.2 GB");
    }

    #[test]
    fn a_quiet_stage_takes_reports() {
        let progress = Progress::quiet();
        let stage = progress.stage("x", 2, "images");
        stage.set(1, "");
        stage.set(2, "done");
    }

    #[test]
    fn a_stage_says_first_how_far_it_is_and_how_long_the_rest_takes() {
        let progress = Progress::quiet();
        let stage = progress.stage("x", 2000, "updates");
        let mut told = Told { done: 1000, ..Told::default() };
        told.pace.report(Duration::from_secs(10), 900);
        let parts = stage.parts(&told, Duration::from_secs(20), "epoch 3, validation Top-1 61.2 %");
        assert_eq!(
            parts,
            ["1,000/2,000 updates", "100 s left", "epoch 3", "validation Top-1 61.2 %", "10.0 updates/s"]
        );
    }
}
