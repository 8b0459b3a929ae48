//! The sampler against diffusers and k-diffusion, on the tiny bundle of `fixtures/ip2p`, with the kernels that the fixture was
//! recorded with, on one thread: every step's latents and every byte of the picture.

use std::path::PathBuf;

use augtrial_augment::edit::{Bundle, Guidance, NoiseKey};
use augtrial_plan::arm::Scheduler;
use augtrial_plan::classifier::Kernels;
use augtrial_torch::diffusion::{
    Conditions, Denoiser, Networks, Noise, Rounding, Tokenizer, from_tensor, sample, schedule, to_tensor,
};
use image::{RgbImage, imageops};
use serde::Deserialize;
use tch::{Device, Kind, Tensor};

use crate::pinned::{
    BYTES_TOLERANCE, EMPTY_TEXT, LATENT_TOLERANCE, LEVEL_TOLERANCE, MARK, OUTPUT_TOLERANCE, TEXT, Tape, assert_near,
    computes_the_bits_of, difference, fixture_kernels, has_the_fixtures_kernels, pinned,
};

#[derive(Deserialize)]
struct Record {
    cases: Vec<Case>,
}

/// One run of a reference implementation (`make_fixtures.py`).
#[derive(Deserialize)]
struct Case {
    name: String,
    scheduler: Scheduler,
    steps: usize,
    views: Vec<String>,
    prompts: Vec<String>,
    seeds: Vec<i64>,
    text_guidance: f64,
    image_guidance: f64,
}

pub fn fixtures() -> PathBuf {
    crate::pinned::fixtures("ip2p")
}

pub fn bundle() -> Bundle {
    tch::set_num_threads(1);
    Bundle::open(&fixtures().join("bundle")).unwrap()
}

fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(fixtures().join("cases.json")).unwrap();
    serde_json::from_str::<Record>(&text).unwrap().cases
}

pub fn source() -> RgbImage {
    image::open(fixtures().join("source_128x96.png")).unwrap().into_rgb8()
}

pub fn view(name: &str) -> RgbImage {
    match name {
        "as-is" => source(),
        "rotate90" => imageops::rotate90(&source()),
        "flip-horizontal" => imageops::flip_horizontal(&source()),
        "flip-vertical" => imageops::flip_vertical(&source()),
        other => panic!("no view named {other}"),
    }
}

fn tensor(file: &str, name: &str) -> Tensor {
    let tensors = Tensor::read_safetensors(fixtures().join(file)).unwrap();
    tensors.into_iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("{file} has no {name}")).1
}

impl Case {
    fn file(&self) -> String {
        format!("case_{}.safetensors", self.name)
    }

    /// Latents after each step, `[steps, B, C, h, w]`, with the noise that `denoiser` predicts.
    fn steps(&self, denoiser: &dyn Denoiser, conditions: &Conditions) -> Tensor {
        let manifest = bundle();
        let mut schedule = schedule(self.scheduler, self.steps, &manifest.manifest().scheduler).unwrap();
        let (_, channels, height, width) = conditions.image_latents.size4().unwrap();
        let noise =
            |&seed: &i64| Noise::new(NoiseKey::Torch { seed }, [1, channels, height, width], 1 + schedule.draws());
        let mut noises: Vec<Noise> = self.seeds.iter().map(noise).collect();
        let guidance = Guidance { text: self.text_guidance, image: self.image_guidance, interval: None };
        let mut steps = Vec::new();
        let keep = |_: usize, latents: &Tensor| steps.push(latents.copy());
        let last = sample(denoiser, &mut *schedule, &guidance, None, conditions, &mut noises, keep).unwrap();
        assert_eq!(difference(&last, steps.last().unwrap()), 0.0);
        Tensor::stack(&steps, 0)
    }

    /// The pictures' bytes of the last latents.
    fn bytes(&self, networks: &Networks, last: &Tensor) -> Vec<u8> {
        let decoded = networks.decode(&(last / networks.bundle().manifest().latent.scale_factor)).unwrap();
        let rounding = if self.scheduler == Scheduler::KEulerAncestral { Rounding::Down } else { Rounding::Nearest };
        from_tensor(&decoded, rounding).into_iter().flat_map(|picture| picture.unwrap().into_raw()).collect()
    }

    fn expected_bytes(&self) -> Vec<u8> {
        Vec::try_from(tensor(&self.file(), "image_u8").view([-1])).unwrap()
    }

    /// Differences from the reference, by the networks.
    fn differences(&self, networks: &Networks, tokenizer: &Tokenizer) -> Differences {
        let tokens = |text: &str| tokenizer.encode(text).unwrap().ids;
        let encode =
            |texts: Vec<Vec<i64>>| networks.encode_text(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
        let views: Vec<RgbImage> = self.views.iter().map(|name| view(name)).collect();
        let conditions = Conditions {
            text: encode(self.prompts.iter().map(|prompt| tokens(prompt)).collect()),
            empty_text: encode(vec![tokens(""); self.prompts.len()]),
            image_latents: networks.encode_image(&to_tensor(&views.iter().collect::<Vec<_>>())).unwrap(),
        };
        let steps = self.steps(networks, &conditions);
        let (bytes, expected) = (self.bytes(networks, &steps.get(-1)), self.expected_bytes());
        assert_eq!(bytes.len(), expected.len());
        let levels = bytes.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b));
        let latents = tensor(&self.file(), "latents");
        Differences {
            latents: difference(&steps, &latents) / latents.abs().max().double_value(&[]),
            level: levels.clone().max().unwrap(),
            bytes: levels.filter(|level| *level > 0).count() as f64 / expected.len() as f64,
        }
    }
}

/// Largest differences of a run from its reference.
#[derive(Clone, Copy, Debug, Default)]
struct Differences {
    /// Of latents, relative to the largest one.
    latents: f64,
    /// Of bytes, in levels.
    level: u8,
    /// Share of bytes that differ.
    bytes: f64,
}

impl Differences {
    const NONE: Self = Self { latents: 0.0, level: 0, bytes: 0.0 };
    const TOLERATED: Self = Self { latents: LATENT_TOLERANCE, level: LEVEL_TOLERANCE, bytes: BYTES_TOLERANCE };

    fn exceed(&self, allowed: &Self) -> bool {
        self.latents > allowed.latents || self.level > allowed.level || self.bytes > allowed.bytes
    }

    fn max(self, other: Self) -> Self {
        Self {
            latents: self.latents.max(other.latents),
            level: self.level.max(other.level),
            bytes: self.bytes.max(other.bytes),
        }
    }
}

/// Compares every case that `wanted` names; says the largest differences.
fn assert_cases_within(allowed: Differences, wanted: impl Fn(&Case) -> bool) {
    let bundle = bundle();
    let tokenizer = Tokenizer::load(&bundle).unwrap();
    let networks = Networks::new(bundle, Device::Cpu);
    let cases = cases().into_iter().filter(wanted);
    let found: Vec<_> = cases.map(|case| (case.differences(&networks, &tokenizer), case.name)).collect();
    let wrong: Vec<_> = found.iter().filter(|(differences, _)| differences.exceed(&allowed)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let Differences { latents, level, bytes } = found.iter().fold(Differences::NONE, |most, (one, _)| most.max(*one));
    println!("{MARK}{} cases: latents within {latents:.1e}, {:.3} % of bytes by {level}", found.len(), bytes * 100.0);
}

#[test]
fn every_step_and_every_byte_is_the_references() {
    pinned(fixture_kernels(), "golden::every_step_and_every_byte_is_the_references", || {
        assert!(cases().len() > 20);
        if computes_the_bits_of(&fixtures().join("cases.json")) {
            assert_cases_within(Differences::NONE, |_| true);
        } else {
            assert_cases_within(Differences::TOLERATED, |_| true);
        }
    });
}

/// Holds the tolerance on every processor, with kernels that are not the fixture's.
#[test]
fn other_kernels_stay_within_the_tolerance() {
    pinned(Kernels::Portable, "golden::other_kernels_stay_within_the_tolerance", || {
        assert!(!computes_the_bits_of(&fixtures().join("cases.json")), "portable kernels are not those of AVX2");
        assert_cases_within(Differences::TOLERATED, |case| case.steps <= 10);
    });
}

/// Schedulers, guidance, order of branches and of draws, without a network: exact on every processor that has the kernels.
#[test]
fn every_step_is_the_references_on_recorded_outputs() {
    pinned(fixture_kernels(), "golden::every_step_is_the_references_on_recorded_outputs", || {
        let exact = has_the_fixtures_kernels();
        for case in cases() {
            let recorded = |name: &str| tensor(&case.file(), name);
            let digests: Vec<u8> = Vec::try_from(recorded("unet_input_sha256").view([-1])).unwrap();
            let digests = digests.chunks(32).map(|bytes| bytes.try_into().unwrap()).collect();
            let timesteps: Vec<f64> = Vec::try_from(recorded("timesteps")).unwrap();
            let tape = Tape::new(recorded("noise_raw"), exact.then_some(digests), exact.then_some(timesteps));
            let texts = |value: f64| Tensor::full([case.prompts.len() as i64, 1, 1], value, (Kind::Float, Device::Cpu));
            let image_latents = recorded("image_latents");
            let conditions = Conditions { text: texts(TEXT), empty_text: texts(EMPTY_TEXT), image_latents };
            let steps = case.steps(&tape, &conditions);
            assert_eq!(tape.played(), case.steps as i64, "{}", case.name);
            assert_near(&steps, &recorded("latents"), exact, LATENT_TOLERANCE, &case.name);
        }
    });
}

#[test]
fn timesteps_and_noise_levels_are_the_references() {
    pinned(fixture_kernels(), "golden::timesteps_and_noise_levels_are_the_references", || {
        let diffusion = bundle().manifest().scheduler;
        let tables = Tensor::read_safetensors(fixtures().join("schedules.safetensors")).unwrap();
        assert!(tables.len() > 60);
        for (key, expected) in &tables {
            let (name, rest) = key.split_once('/').unwrap();
            let (steps, what) = rest.split_once('/').unwrap();
            let scheduler = serde_json::from_str(&format!("\"{name}\"")).unwrap();
            let ours = schedule(scheduler, steps.parse().unwrap(), &diffusion).unwrap();
            let found: Vec<f64> = match what {
                "timesteps" => (0..ours.steps()).map(|step| ours.timestep(step)).collect(),
                _ => (0..ours.steps()).map(|step| f64::from(ours.sigma(step))).chain([0.0]).collect(),
            };
            let expected = expected.to_kind(Kind::Double);
            assert_near(&Tensor::from_slice(&found), &expected, has_the_fixtures_kernels(), OUTPUT_TOLERANCE, key);
        }
        for steps in ["kdiffusion_1", "kdiffusion_10"] {
            let expected = tensor(&format!("case_{steps}.safetensors"), "timesteps");
            let ours = schedule(Scheduler::KEulerAncestral, expected.size1().unwrap() as usize, &diffusion).unwrap();
            let found: Vec<f64> = (0..ours.steps()).map(|step| ours.timestep(step)).collect();
            assert_near(&Tensor::from_slice(&found), &expected, has_the_fixtures_kernels(), OUTPUT_TOLERANCE, steps);
        }
    });
}

#[test]
fn what_precedes_the_first_step_is_the_references() {
    pinned(fixture_kernels(), "golden::what_precedes_the_first_step_is_the_references", || {
        let exact = computes_the_bits_of(&fixtures().join("cases.json"));
        let bundle = bundle();
        let tokenizer = Tokenizer::load(&bundle).unwrap();
        let networks = Networks::new(bundle, Device::Cpu);
        let encode = |text: &str| networks.encode_text(&[&tokenizer.encode(text).unwrap().ids]).unwrap();
        let latents = networks.encode_image(&to_tensor(&[&source()])).unwrap();
        let pairs = [
            (encode("make it look metallic"), "prompt_embeds"),
            (encode(""), "null_embeds"),
            (latents, "image_latents"),
        ];
        for (ours, name) in pairs {
            assert_near(&ours, &tensor("common.safetensors", name), exact, OUTPUT_TOLERANCE, name);
        }
    });
}

/// `torch.randn` has AVX2 code of its own, with other logarithms and cosines.
#[test]
fn torch_noise_is_pytorchs() {
    pinned(fixture_kernels(), "golden::torch_noise_is_pytorchs", || {
        let ours = Noise::new(NoiseKey::Torch { seed: 1234 }, [1, 4, 12, 16], 1).draw();
        let expected = tensor("common.safetensors", "noise");
        assert_near(&ours, &expected, has_the_fixtures_kernels(), OUTPUT_TOLERANCE, "noise");
    });
}
