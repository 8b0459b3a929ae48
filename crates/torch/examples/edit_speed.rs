//! What options of `[arm.edit.ip2p]` cost and change: edits of one picture, case by case, each against the case `exact`.
//!
//!     cargo run --example edit_speed BUNDLE IMAGE CASES.toml [CASE...]
//!
//! CASES.toml has a table for each case, with the fields of `[arm.edit.ip2p]` but bundle and instructions; see
//! `benches/peers/cases.toml`. Prints a JSON line for each case, of one edit when everything is loaded: seconds by the clock
//! and of processor time (which other work on the machine disturbs less), the process's largest memory so far, the seconds
//! spent outside the networks (fitting the picture, bytes to numbers and back), and how far the result is from `exact`'s in
//! 8-bit levels. Give one CASE to measure its memory.

#![expect(clippy::print_stdout, reason = "an example prints what it found")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use augtrial_augment::edit::{EditRequest, Editor as _, NoiseKey, Settings};
use augtrial_base::digest::Digest;
use augtrial_plan::arm::{EditChecks, Fit, Ip2p};
use augtrial_plan::classifier::Device;
use augtrial_torch::diffusion::{Fitted, NativeEditor, Rounding, from_tensor, to_tensor};
use augtrial_torch::train::{setup_of, use_threads};
use image::{RgbImage, imageops};
use serde::Deserialize as _;

const INSTRUCTION: &str = "make it look metallic";
const SEED: i64 = 1234;
const EXACT: &str = "exact";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bundle, image, cases, wanted @ ..] = arguments.as_slice() else {
        return Err("usage: edit_speed BUNDLE IMAGE CASES.toml [CASE...]".into());
    };
    use_threads(None);
    let picture = image::open(image)?.into_rgb8();
    let cases: toml::Table = std::fs::read_to_string(cases)?.parse()?;
    // `exact` first: the others are compared with it.
    let mut names: Vec<&String> = cases.keys().filter(|name| wanted.is_empty() || wanted.contains(name)).collect();
    names.sort_by_key(|name| (*name != EXACT, *name));
    let mut exact = None;
    for name in names {
        let fields = cases[name].as_table().ok_or("every case is a table")?;
        let (edited, secs, cpu_secs) = run(Path::new(bundle), &picture, &plan(fields)?)?;
        let deviation = exact.as_ref().map(|exact| deviation(exact, &edited));
        let line = serde_json::json!({
            "case": name, "secs": secs, "cpu_secs": cpu_secs, "outside_secs": outside_secs(&picture), "peak_bytes": peak_bytes(),
            "mean_levels": deviation.map(|(mean, _)| mean), "max_levels": deviation.map(|(_, max)| max),
        });
        println!("{line}");
        if name == EXACT {
            exact = Some(edited);
        }
    }
    Ok(())
}

fn plan(fields: &toml::Table) -> Result<Ip2p, toml::de::Error> {
    let mut fields = fields.clone();
    fields.insert("bundle".to_owned(), String::new().into());
    Ip2p::deserialize(toml::Value::Table(fields))
}

fn run(bundle: &Path, picture: &RgbImage, plan: &Ip2p) -> Result<(RgbImage, f64, Option<f64>), Box<dyn Error>> {
    let checks = EditChecks { min_spread_levels: 0.0, min_change_levels: 0.0 };
    let settings = Settings { checks, ..Settings::new(plan, Device::Auto) };
    let mut editor = NativeEditor::open(bundle, settings)?;
    // Everything is loaded by an edit of another picture, whose encodings serve nobody else. A GPU also chooses its kernels by the
    // size; on a CPU a small picture saves the time.
    let on_gpu = setup_of(Device::Auto)?.device != "cpu";
    let other = if on_gpu { imageops::flip_horizontal(picture) } else { imageops::thumbnail(picture, 64, 64) };
    edit(&mut editor, &other, "")?;
    let (start, cpu_start) = (Instant::now(), cpu_secs());
    let edited = edit(&mut editor, picture, INSTRUCTION)?;
    let spent = cpu_secs().zip(cpu_start).map(|(end, start)| end - start);
    Ok((edited, start.elapsed().as_secs_f64(), spent))
}

fn edit(editor: &mut NativeEditor, source: &RgbImage, instruction: &str) -> Result<RgbImage, Box<dyn Error>> {
    let (image, noise) = (Digest::of_bytes(source.as_raw()), NoiseKey::Torch { seed: SEED });
    let mut edits = editor.edit(&[EditRequest { source, image, instruction, noise }])?;
    edits.remove(0).map(|edit| edit.image).map_err(|reason| reason.to_string().into())
}

/// What one edit costs beside its networks: all that could be done on other threads meanwhile.
fn outside_secs(picture: &RgbImage) -> f64 {
    let start = Instant::now();
    let fitted = Fitted::new(picture, Fit::Pad, 64, None);
    let pictures = from_tensor(&to_tensor(&[&fitted.image]), Rounding::Nearest);
    std::hint::black_box(pictures);
    start.elapsed().as_secs_f64()
}

/// Mean and largest difference, levels.
fn deviation(a: &RgbImage, b: &RgbImage) -> (f64, u8) {
    let differences = || a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| a.abs_diff(*b));
    let sum: u64 = differences().map(u64::from).sum();
    (sum as f64 / a.as_raw().len() as f64, differences().max().unwrap_or(0))
}

/// Processor time of all threads so far; Linux.
fn cpu_secs() -> Option<f64> {
    /// Linux reports in hundredths of a second, whatever its own clock is.
    const TICKS_PER_SEC: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // After the program's name, in brackets: user and system time are the 12th and the 13th field.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SEC)
}

/// Largest resident memory of this process; Linux.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}
