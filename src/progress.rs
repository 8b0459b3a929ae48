//! How far long work is: bars with rate and time left on a terminal, plain lines elsewhere, nothing when quiet.
//!
//! Everything goes to standard error; standard output carries results only. What a process does for another is relayed to
//! that other's view.

mod relay;

use std::borrow::Cow;
use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::clock::{Clock, Stopwatch};

pub use relay::{Mirror, Shown};

use relay::Relay;

/// Plain lines of one stage are at least this far apart.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Where progress is shown.
pub struct Progress {
    kind: View,
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
    /// Names the stage to another process.
    relayed: u64,
    lines: Mutex<Lines>,
    watch: Stopwatch,
}

struct Lines {
    last: Option<Duration>,
    done: u64,
}

impl Progress {
    /// Bars if standard error is a terminal, else lines; nothing if `quiet`.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        let kind = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => View::Quiet,
            (false, true) => View::Bars(MultiProgress::with_draw_target(ProgressDrawTarget::stderr())),
            (false, false) => View::Lines,
        };
        Self { kind }
    }

    /// Shows nothing.
    #[must_use]
    pub fn quiet() -> Self {
        Self { kind: View::Quiet }
    }

    /// Hands everything to `send`, for the view of another process.
    #[must_use]
    pub fn relayed(send: impl Fn(Shown) + Send + Sync + 'static) -> Self {
        Self { kind: View::Relay(Relay::new(send)) }
    }

    /// One line that stays.
    pub fn note(&self, line: &str) {
        match &self.kind {
            View::Relay(relay) => relay.note(line),
            View::Bars(bars) => drop(bars.println(line)),
            View::Lines => eprintln!("{line}"),
            View::Quiet => {}
        }
    }

    /// Starts a stage of `total` pieces of work (0: not known yet), each a `unit` (plural, e.g. `images`).
    pub fn stage(&self, name: impl Into<String>, total: u64, unit: impl Into<Cow<'static, str>>) -> Stage<'_> {
        let (name, unit) = (name.into(), unit.into());
        let bar = match &self.kind {
            View::Bars(bars) => {
                let bar = bars.add(ProgressBar::new(total));
                let template =
                    format!("{{prefix}} {{wide_bar:.cyan/dim}} {{pos}}/{{len}} {unit} {{per_sec}} eta {{eta}} {{msg}}");
                bar.set_style(ProgressStyle::with_template(&template).expect("the template is well-formed"));
                bar.set_prefix(name.clone());
                bar.enable_steady_tick(Duration::from_millis(200));
                Some(bar)
            }
            View::Lines | View::Quiet | View::Relay(_) => None,
        };
        let relayed = if let View::Relay(relay) = &self.kind { relay.new_stage() } else { 0 };
        let lines = Mutex::new(Lines { last: None, done: 0 });
        let (total, watch) = (AtomicU64::new(total), Clock::System.start());
        Stage { progress: self, name, unit, total, bar, relayed, lines, watch }
    }
}

impl Stage<'_> {
    /// `done` pieces are done; `message` says what there is to say of them.
    pub fn set(&self, done: u64, message: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            if !message.is_empty() {
                bar.set_message(message.to_owned());
            }
        }
        match &self.progress.kind {
            View::Lines => self.line(done, message),
            View::Relay(relay) => self.relay(relay, done, message),
            View::Bars(_) | View::Quiet => {}
        }
    }

    /// As [`set`](Self::set), for work whose total is known only when it is under way.
    pub fn set_of(&self, done: u64, total: u64, message: &str) {
        if self.total.swap(total, Ordering::Relaxed) != total
            && let Some(bar) = &self.bar
        {
            bar.set_length(total);
        }
        self.set(done, message);
    }

    fn line(&self, done: u64, message: &str) {
        let elapsed = self.watch.elapsed();
        let total = self.total.load(Ordering::Relaxed);
        let Ok(mut lines) = self.lines.lock() else { return };
        // Workers report out of order; the count shown never falls.
        if done < lines.done {
            return;
        }
        lines.done = done;
        let due = lines.last.map_or(elapsed >= LINE_INTERVAL, |last| elapsed.saturating_sub(last) >= LINE_INTERVAL);
        if !due && done < total {
            return;
        }
        if done >= total && lines.last.is_none() && elapsed < Duration::from_secs(1) {
            return; // too quick to be worth a line
        }
        lines.last = Some(elapsed);
        let rate = done as f64 / elapsed.as_secs_f64().max(1e-9);
        let left = Duration::from_secs_f64((total.saturating_sub(done) as f64 / rate.max(1e-9)).min(1e9));
        let message = if message.is_empty() { String::new() } else { format!(", {message}") };
        eprintln!("{}: {done}/{total} {} ({rate:.1}/s, {} left{message})", self.name, self.unit, human_duration(left));
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
}
