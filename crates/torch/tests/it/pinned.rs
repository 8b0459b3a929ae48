//! Tests in a process whose kernels are pinned, and whether this processor then computes the bits that a fixture records.
//!
//! A fixture states the kernels that it was recorded with and a probe: digests of what its networks give for fixed inputs
//! (`fixtures/ip2p/probe.py`). Where the probe gives the same digests, every result must be equal to the bit. Where it does
//! not, a tolerance applies. What needs no network is exact on every processor that has the fixture's kernels and square roots.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{Write as _, stderr};
use std::path::Path;
use std::process::Command;

use augtrial_augment::edit::Bundle;
use augtrial_base::digest::Digest;
use augtrial_plan::classifier::Kernels;
use augtrial_torch::diffusion::Networks;
use augtrial_trial::kernels;
use serde::Deserialize;
use tch::{Device, Kind, Tensor};

/// Largest difference of a latent where the kernels are not the fixture's, relative to the largest latent of the run, which
/// may be 300. Measured in 23 cases with native kernels of an AVX2 processor, with an Intel processor's and with portable ones:
/// 1.0e-5. It is the rounding of f32, amplified by up to twenty steps.
pub const LATENT_TOLERANCE: f64 = 5e-5;
/// Largest difference of a byte of a picture then; measured: 1 level, in 0.02 % of the bytes.
pub const LEVEL_TOLERANCE: u8 = 1;
/// Share of the bytes that may differ then.
pub const BYTES_TOLERANCE: f64 = 1e-3;
/// Largest difference of a network's single output then, relative to its largest value; measured: 4.3e-6.
pub const OUTPUT_TOLERANCE: f64 = 5e-5;

/// Runs `body`, the test named `name` (with its module), in a process with these kernels: this one, or a new one of this test
/// alone. What that process prints is shown even if the test passes.
pub fn pinned(kernels: Kernels, name: &str, body: impl FnOnce()) {
    if kernels::in_force(kernels) {
        return body();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]);
    kernels::pin(&mut command, kernels);
    let output = command.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{name} under {}:\n{printed}{}",
        kernels.name(),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(printed.contains("1 passed"), "there is no test named {name}:\n{printed}");
    // Past the capture of the test harness: a log must say which of the two cases held.
    for said in printed.lines().filter_map(|line| Some(&line[line.find(MARK)?..])) {
        writeln!(stderr(), "{said} ({name})").unwrap();
    }
}

/// Begins what a test says of its kernels.
pub const MARK: &str = "kernels: ";

/// Kernels of the fixtures, or, on a processor that does not have them, those that come nearest.
pub fn fixture_kernels() -> Kernels {
    if kernels::check_processor(Kernels::Avx2).is_ok() { Kernels::Avx2 } else { Kernels::Portable }
}

/// Bits of values and of the square roots that the fixtures' processor (of AMD) gave for them, under the pinned kernels: found from
/// the recorded steps of `case_euler_a_10` and `case_euler_a_20`. MKL refines the processor's own approximation (RSQRTPS), and
/// processors of Intel approximate otherwise: an Emerald Rapids gives another last bit for each of these.
const ROOTS: [(u32, u32); 7] = [
    (0x405a_80dc, 0x3fec_827e),
    (0x3db5_7dfa, 0x3e98_6acb),
    (0x4112_39d2, 0x4041_7a6d),
    (0x4117_7e46, 0x4044_eea1),
    (0x3fb4_c266, 0x3f98_1bf3),
    (0x3f26_3615, 0x3f4e_46d7),
    (0x3f0a_bf8c, 0x3f3c_7760),
];

/// Whether this process has the fixture's kernels, and its processor their square roots: then arithmetic without networks gives
/// its bits. Other kernels have other square roots, logarithms and normal draws.
pub fn has_the_fixtures_kernels() -> bool {
    let root = |bits: u32| Tensor::from(f32::from_bits(bits)).sqrt().double_value(&[]) as f32;
    kernels::in_force(Kernels::Avx2) && ROOTS.iter().all(|&(value, expected)| root(value).to_bits() == expected)
}

/// Whether two tensors are equal to the bit, or, if not `exact`, within `tolerance` of the largest expected value.
pub fn assert_near(found: &Tensor, expected: &Tensor, exact: bool, tolerance: f64, what: &str) {
    let allowed = if exact { 0.0 } else { tolerance * expected.abs().max().double_value(&[]) };
    let difference = difference(found, expected);
    assert!(difference <= allowed, "{what}: differs by {difference:e}, and {allowed:e} is allowed");
}

/// What a fixture says of its making.
#[derive(Deserialize)]
pub struct Made {
    kernels: Pin,
    probe: Vec<Probe>,
}

#[derive(Deserialize)]
struct Pin {
    name: Kernels,
    environment: BTreeMap<String, String>,
    threads: u32,
}

#[derive(Deserialize)]
struct Probe {
    part: String,
    method: String,
    input: Vec<i64>,
    sha256: Digest,
}

/// `fixtures/<name>`.
pub fn fixtures(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// Whether this process computes the bits of the fixture whose record is `file` and whose networks are in `bundle` beside it.
/// Says so.
pub fn computes_the_bits_of(file: &Path) -> bool {
    let made: Made = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let set: BTreeMap<_, _> = kernels::environment(made.kernels.name)
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert_eq!(set, made.kernels.environment, "the tables here and in tools/pinned_kernels.py are one");
    assert_eq!(made.kernels.threads, 1);
    tch::set_num_threads(1);
    let networks = Networks::new(Bundle::open(&file.with_file_name("bundle")).unwrap(), Device::Cpu);
    let differing: Vec<_> = made.probe.iter().filter(|probe| digest(&networks, probe) != probe.sha256).collect();
    let same_roots = has_the_fixtures_kernels();
    let same = kernels::in_force(made.kernels.name) && differing.is_empty() && same_roots;
    if same {
        println!(
            "{MARK}{} computes the fixture's bits here: everything must be equal to the bit",
            made.kernels.name.name()
        );
    } else {
        let mut names: Vec<_> = differing.iter().map(|probe| format!("{} {:?}", probe.method, probe.input)).collect();
        names.extend((!same_roots).then(|| "square roots".to_owned()));
        println!("{MARK}other bits than the fixture's here, in {}: tolerances apply", names.join(", "));
    }
    same
}

/// `7919 i + 12345` at flat index `i`.
fn count(shape: &[i64]) -> Tensor {
    Tensor::arange(shape.iter().product::<i64>(), (Kind::Int64, Device::Cpu)).view(shape) * 7919 + 12345
}

/// `f32` in `[-1, 1)`, exact.
fn values(shape: &[i64]) -> Tensor {
    count(shape).remainder(65521).to_kind(Kind::Float) / 32768.0 - 1.0
}

/// What a network gives for the probe's inputs.
fn digest(networks: &Networks, probe: &Probe) -> Digest {
    const TIMESTEP: f64 = 801.0;
    let text = networks.bundle().manifest().text;
    let (rows, input) = (probe.input[0], || values(&probe.input));
    let states = || values(&[rows, text.length.into(), text.width.into()]);
    let output = match (probe.part.as_str(), probe.method.as_str()) {
        ("text_encoder", _) => {
            let ids: Vec<i64> = Vec::try_from(count(&probe.input).remainder(49408).view([-1])).unwrap();
            networks.encode_text(&ids.chunks(text.length as usize).collect::<Vec<_>>())
        }
        ("vae_encoder", _) => networks.encode_image(&input()),
        ("vae_decoder", _) => networks.decode(&input()),
        ("unet", "forward") => networks.predict_noise(&input(), TIMESTEP, &states()),
        ("unet", "with_features") => {
            networks.predict_with_features(&input(), TIMESTEP, &states()).map(|(noise, _)| noise)
        }
        ("unet", "from_features") => {
            let (_, features) = networks.predict_with_features(&input(), TIMESTEP, &states()).unwrap();
            networks.predict_from_features(&-input(), TIMESTEP, &states(), &features)
        }
        other => panic!("the probe has an unknown part: {other:?}"),
    };
    sha256(&output.unwrap())
}

/// SHA-256 of `f32` values in C order, little-endian.
pub fn sha256(tensor: &Tensor) -> Digest {
    let values: Vec<f32> = Vec::try_from(tensor.contiguous().view([-1])).unwrap();
    Digest::of_bytes(&values.into_iter().flat_map(f32::to_le_bytes).collect::<Vec<_>>())
}

/// Largest absolute difference.
pub fn difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a.to_kind(Kind::Double) - b.to_kind(Kind::Double)).abs().max().double_value(&[])
}

/// Value of every element of the texts and of the empty texts that a [`Tape`] is given: they tell the rows apart.
pub const TEXT: f64 = 1.0;
pub const EMPTY_TEXT: f64 = 2.0;

/// The outputs that a reference's U-Net gave, one a call, in place of a network. Each call must be the recorded one.
pub struct Tape {
    /// `[calls, rows, C, h, w]`.
    outputs: Tensor,
    /// Of each call's latents and image, if they are to be checked.
    inputs: Option<Vec<[u8; 32]>>,
    /// Of each call, if recorded.
    timesteps: Option<Vec<f64>>,
    played: Cell<i64>,
}

impl Tape {
    pub fn new(outputs: Tensor, inputs: Option<Vec<[u8; 32]>>, timesteps: Option<Vec<f64>>) -> Self {
        Self { outputs, inputs, timesteps, played: Cell::new(0) }
    }

    /// Calls so far.
    pub fn played(&self) -> i64 {
        self.played.get()
    }

    fn play(&self, input: &Tensor, timestep: f64, text: &Tensor) -> Tensor {
        let call = self.played.replace(self.played.get() + 1);
        if let Some(inputs) = &self.inputs {
            assert_eq!(sha256(input).as_bytes(), &inputs[call as usize], "the input of call {call}");
        }
        if let Some(timesteps) = &self.timesteps {
            // The network is told the time in f32.
            assert_eq!(timestep as f32, timesteps[call as usize] as f32, "the time of call {call}");
            let rows: Vec<f64> = Vec::try_from(text.select(-1, 0).select(-1, 0).to_kind(Kind::Double)).unwrap();
            let images = if rows.len() == 1 { 1 } else { rows.len() / 3 };
            let expected = (0..rows.len()).map(|row| if row < images { TEXT } else { EMPTY_TEXT });
            assert_eq!(rows, expected.collect::<Vec<_>>(), "the texts of call {call}");
        }
        self.outputs.get(call)
    }
}

mod tape {
    use augtrial_augment::edit::BundleError;
    use augtrial_torch::diffusion::{Denoiser, Features};
    use tch::{Device, Tensor};

    use super::Tape;

    impl Denoiser for Tape {
        fn device(&self) -> Device {
            Device::Cpu
        }

        fn predict_noise(&self, input: &Tensor, timestep: f64, text: &Tensor) -> Result<Tensor, BundleError> {
            Ok(self.play(input, timestep, text))
        }

        fn predict_with_features(
            &self,
            input: &Tensor,
            timestep: f64,
            text: &Tensor,
        ) -> Result<(Tensor, Features), BundleError> {
            Ok((self.play(input, timestep, text), Features::new(input.shallow_clone())))
        }

        fn predict_from_features(
            &self,
            input: &Tensor,
            timestep: f64,
            text: &Tensor,
            _: &Features,
        ) -> Result<Tensor, BundleError> {
            Ok(self.play(input, timestep, text))
        }
    }
}
