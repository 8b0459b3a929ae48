//! Prepares items on worker threads ahead of their use, in an order that does not depend on the number of workers.

use std::ops::Range;
use std::sync::mpsc::sync_channel;
use std::thread;

/// Items that each worker may have ready before it waits.
const READY_PER_WORKER: usize = 2;

/// Calls `consume` with every job's item, in order, on the calling thread, until it fails.
///
/// Job `k` goes to worker `k mod workers`; `worker` makes each worker's function from job to item, which must depend on the
/// job alone.
///
/// # Errors
/// The first error of `consume`; later items are dropped.
///
/// # Panics
/// If a worker panics.
pub fn prefetch<T, E, W>(
    jobs: Range<u64>,
    workers: usize,
    worker: impl Fn() -> W,
    mut consume: impl FnMut(u64, T) -> Result<(), E>,
) -> Result<(), E>
where
    T: Send,
    W: FnMut(u64) -> T + Send,
{
    let workers = workers.max(1);
    thread::scope(|scope| {
        let mut lanes = Vec::new();
        for number in 0..workers {
            let (sender, receiver) = sync_channel(READY_PER_WORKER);
            let mut make = worker();
            let own_jobs = jobs.clone().skip(number).step_by(workers);
            scope.spawn(move || {
                for job in own_jobs {
                    if sender.send(make(job)).is_err() {
                        return; // the consumer has stopped
                    }
                }
            });
            lanes.push(receiver);
        }
        for (job, lane) in jobs.clone().zip((0..workers).cycle()) {
            let item = lanes[lane].recv().expect("a worker ends early only by a panic");
            consume(job, item)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn items_arrive_in_order_for_any_number_of_workers() {
        for workers in [0, 1, 2, 3, 7, 40] {
            let mut seen = Vec::new();
            let done: Result<(), Infallible> = prefetch(
                5..32,
                workers,
                || |job| job * 10,
                |job, item| {
                    seen.push((job, item));
                    Ok(())
                },
            );
            assert!(done.is_ok());
            assert_eq!(seen, (5..32).map(|job| (job, job * 10)).collect::<Vec<_>>(), "{workers}");
        }
    }

    #[test]
    fn a_failing_consumer_stops_the_workers() {
        let mut seen = 0;
        let done = prefetch(
            0..u64::MAX,
            2,
            || |job| job,
            |job, _| {
                seen += 1;
                if job == 3 { Err("enough") } else { Ok(()) }
            },
        );
        assert_eq!((done, seen), (Err("enough"), 4));
    }
}
