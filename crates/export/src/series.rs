//! A run's measurements as series of points, named the same in every tool: `top1/validation`, `loss_nats/train`.
//!
//! The record holds the wall time of a run's turns and the seconds of each epoch's parts. The time of a point is the last
//! recorded time before it plus the seconds since; after an interruption it goes on from the time of the resumption.

use chrono::DateTime;

use super::ExportError;
use augtrial_base::events::{EpochMetrics, RunEvent, Split};
use augtrial_registry::RunId;

/// One value of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub series: &'static str,
    /// The epoch, from 1; of a result on the test split, the selected epoch.
    pub step: u32,
    /// Wall time, milliseconds since 1970 UTC.
    pub at_ms: i64,
    pub value: f64,
}

/// Milliseconds since 1970 of a recorded time.
pub(super) fn unix_ms(run: RunId, text: &str) -> Result<i64, ExportError> {
    let wrong = |_| ExportError::Time { run, text: text.to_owned() };
    DateTime::parse_from_rfc3339(text).map(|at| at.timestamp_millis()).map_err(wrong)
}

/// Every point of a run, in the order of its record. `created_ms` stands in until the first recorded time.
pub(super) fn points(run: RunId, created_ms: i64, events: &[RunEvent]) -> Result<Vec<Point>, ExportError> {
    let mut points = Vec::new();
    let (mut turn_ms, mut since_secs, mut selected) = (created_ms, 0.0, 0);
    for event in events {
        match event {
            RunEvent::Started { at } | RunEvent::Resumed { at, .. } | RunEvent::TestOpened { at } => {
                (turn_ms, since_secs) = (unix_ms(run, at)?, 0.0);
            }
            RunEvent::Epoch { metrics } => {
                since_secs += metrics.elapsed_secs;
                points.extend(of_epoch(metrics, turn_ms + (since_secs * 1e3).round() as i64));
            }
            RunEvent::Selected { epoch, .. } => selected = *epoch,
            RunEvent::Tested { result } => {
                let point = |series, value| Point { series, step: selected, at_ms: turn_ms, value };
                points.push(point("top1/test", result.top1));
                points.push(point("loss_nats/test", result.loss_nats));
                points.push(point("selected_epoch", f64::from(selected)));
            }
            RunEvent::Prepared { .. }
            | RunEvent::FeaturesComputed { .. }
            | RunEvent::Checkpointed { .. }
            | RunEvent::Evaluated { .. }
            | RunEvent::Cost { .. }
            | RunEvent::Finished { .. }
            | RunEvent::Failed { .. } => {}
        }
    }
    Ok(points)
}

fn of_epoch(metrics: &EpochMetrics, at_ms: i64) -> Vec<Point> {
    let point = |series, value| Point { series, step: metrics.epoch, at_ms, value };
    let [top1, loss_nats] = match metrics.split {
        Split::Train => ["top1/train", "loss_nats/train"],
        Split::Validation => ["top1/validation", "loss_nats/validation"],
        Split::Test => ["top1/test", "loss_nats/test"],
    };
    let mut points = vec![point(top1, metrics.top1), point(loss_nats, metrics.loss_nats)];
    // What both parts of an epoch state alike is told once; `updates` lets arms be compared by their steps.
    if metrics.split == Split::Train {
        points.push(point("learning_rate", metrics.learning_rate));
        points.push(point("updates", metrics.updates as f64));
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use augtrial_registry::testing::*;

    const AT_MS: i64 = 1_769_860_800_000;

    fn run() -> RunId {
        "00000000000000ff".parse().unwrap()
    }

    #[test]
    fn an_epochs_parts_follow_each_other_in_time_and_a_resumption_sets_the_clock() {
        let [first, second, _] = epoch_events(1);
        let resumed = RunEvent::Resumed { at: "2026-01-31T13:00:00Z".to_owned(), epoch: 1 };
        let later = epoch_events(2).into_iter().next().unwrap();
        let points = points(run(), 0, &[started(), first, second, resumed, later]).unwrap();
        let times: Vec<_> = points.iter().map(|p| (p.series, p.step, p.at_ms - AT_MS)).collect();
        assert_eq!(
            times,
            [
                ("top1/train", 1, 100),
                ("loss_nats/train", 1, 100),
                ("learning_rate", 1, 100),
                ("updates", 1, 100),
                ("top1/validation", 1, 200),
                ("loss_nats/validation", 1, 200),
                ("top1/train", 2, 3_600_100),
                ("loss_nats/train", 2, 3_600_100),
                ("learning_rate", 2, 3_600_100),
                ("updates", 2, 3_600_100),
            ]
        );
    }

    #[test]
    fn the_result_on_the_test_split_stands_at_the_selected_epoch() {
        let points = points(run(), 0, &end_events()).unwrap();
        let found: Vec<_> = points.iter().map(|p| (p.series, p.step, p.value)).collect();
        assert_eq!(found, [("top1/test", 2, 2.0 / 3.0), ("loss_nats/test", 2, 0.5), ("selected_epoch", 2, 2.0)]);
    }

    #[test]
    fn a_damaged_time_names_the_run() {
        let error = points(run(), 0, &[RunEvent::Started { at: "noon".to_owned() }]).unwrap_err();
        assert!(error.to_string().contains("00000000000000ff") && error.to_string().contains("noon"), "{error}");
    }
}
