//! Times transforms for `benches/peers/transforms.py`: reads the cases from standard input as JSON, and writes a line of JSON
//! for each. One thread.

#![expect(clippy::print_stdout, reason = "a program, whose result is what it prints")]

use std::hint::black_box;
use std::io;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use augtrial_base::seed::{Purpose, StudySeed};
use augtrial_transforms::{Augmenter as _, Pipeline, Transform};
use image::RgbImage;
use serde::Deserialize;

/// What is asked for.
#[derive(Deserialize)]
struct Asked {
    /// Raw images of one size, `[N, H, W, 3]`.
    images: std::path::PathBuf,
    width_px: u32,
    height_px: u32,
    /// Time of one round, and rounds of each case; the fastest counts.
    round_secs: f64,
    rounds: u32,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    transforms: Vec<Transform>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let asked: Asked = serde_json::from_reader(io::stdin())?;
    let bytes = std::fs::read(&asked.images)?;
    let size = (asked.width_px * asked.height_px * 3) as usize;
    let image =
        |bytes: &[u8]| RgbImage::from_raw(asked.width_px, asked.height_px, bytes.to_vec()).expect("a whole image");
    let images: Vec<RgbImage> = bytes.chunks_exact(size).map(image).collect();
    for case in &asked.cases {
        let pipeline = Pipeline::new(&case.transforms);
        let round = |_| time(&pipeline, &images, Duration::from_secs_f64(asked.round_secs));
        let fastest = (0..asked.rounds).map(round).fold(f64::INFINITY, f64::min);
        println!("{}", serde_json::json!({ "name": case.name, "secs": fastest }));
    }
    Ok(())
}

/// Seconds an image, with the copy that every caller makes.
fn time(pipeline: &Pipeline, images: &[RgbImage], at_least: Duration) -> f64 {
    let mut rng = StudySeed(1).stream(Purpose::Gallery, 0);
    let start = cpu_time();
    let mut done = 0_u32;
    while cpu_time() < start + at_least {
        for image in images {
            black_box(pipeline.apply(black_box(image.clone()), &mut rng));
            done += 1;
        }
    }
    (cpu_time().as_secs_f64() - start.as_secs_f64()) / f64::from(done)
}

/// Time that this thread has spent on a processor, so that other processes count less; wall time where the system does not
/// tell (`schedstat` of `proc_pid_schedstat(5)` is Linux's).
fn cpu_time() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.as_deref().and_then(|text| text.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| START.elapsed(), Duration::from_nanos)
}
