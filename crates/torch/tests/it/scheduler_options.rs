//! Options of a checkpoint's scheduler config, carried by the manifest, against diffusers' schedulers on given noise
//! predictions (`fixtures/scheduler_options/make_fixtures.py`): every step, exact with the fixture's kernels.

use augtrial_augment::edit::{Diffusion, Guidance, NoiseKey, Spacing};
use augtrial_plan::arm::Scheduler;
use augtrial_torch::diffusion::{Conditions, Noise, sample, schedule};
use serde::Deserialize;
use tch::{Device, Kind, Tensor};

use crate::pinned::{
    EMPTY_TEXT, LATENT_TOLERANCE, MARK, TEXT, Tape, assert_near, fixture_kernels, fixtures, has_the_fixtures_kernels,
    pinned,
};

/// Of Euler's times under Karras' levels, which diffusers finds through numpy's single-precision logarithm and LibTorch's has
/// other last bits; in training timesteps. Measured: 3.1e-5.
const KARRAS_TIME_TOLERANCE: f64 = 1e-3;

#[derive(Deserialize)]
struct Record {
    seed: i64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    scheduler: Scheduler,
    steps: usize,
    options: Options,
}

/// As diffusers names them.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    timestep_spacing: Option<Spacing>,
    use_karras_sigmas: bool,
    clip_sample: bool,
    clip_sample_range: f64,
    set_alpha_to_one: bool,
}

impl Case {
    /// The manifest that the exporter writes for these options.
    fn diffusion(&self) -> Diffusion {
        let Options { timestep_spacing, use_karras_sigmas, clip_sample, clip_sample_range, set_alpha_to_one } =
            self.options;
        Diffusion {
            train_timesteps: 1000,
            beta_start: 0.000_85,
            beta_end: 0.012,
            steps_offset: 1,
            set_alpha_to_one,
            timestep_spacing,
            use_karras_sigmas,
            clip_sample_range: clip_sample.then_some(clip_sample_range),
        }
    }
}

#[test]
fn every_option_of_the_manifest_gives_diffusers_steps() {
    pinned(fixture_kernels(), "scheduler_options::every_option_of_the_manifest_gives_diffusers_steps", || {
        let exact = has_the_fixtures_kernels();
        let folder = fixtures("scheduler_options");
        let record: Record = serde_json::from_slice(&std::fs::read(folder.join("cases.json")).unwrap()).unwrap();
        let tensors = Tensor::read_safetensors(folder.join("expected.safetensors")).unwrap();
        let find = |name: &str| Some(tensors.iter().find(|(found, _)| found == name)?.1.shallow_clone());
        assert!(record.cases.len() > 60);
        let mut most: f64 = 0.0;
        for (index, case) in record.cases.iter().enumerate() {
            let what = format!("{:?}, {} steps, {:?}", case.scheduler, case.steps, case.options);
            let expected = |name: &str| find(&format!("{index}/{name}"));
            let mut schedule = schedule(case.scheduler, case.steps, &case.diffusion()).unwrap();
            let times: Vec<f64> = (0..schedule.steps()).map(|step| schedule.timestep(step)).collect();
            let (times, found_in_karras) = (Tensor::from_slice(&times), case.options.use_karras_sigmas);
            if found_in_karras && case.scheduler == Scheduler::Euler {
                let off = crate::pinned::difference(&times, &expected("timesteps").unwrap());
                most = most.max(off);
                assert!(off <= KARRAS_TIME_TOLERANCE, "{what}: times differ by {off:e}");
            } else {
                assert_near(&times, &expected("timesteps").unwrap(), true, 0.0, &what);
            }
            if let Some(sigmas) = expected("sigmas") {
                let found: Vec<f32> = (0..schedule.steps()).map(|step| schedule.sigma(step)).chain([0.0]).collect();
                assert_near(&Tensor::from_slice(&found), &sigmas, exact, LATENT_TOLERANCE, &what);
            }
            let latents = expected("latents").unwrap();
            let (_, _, channels, height, width) = latents.size5().unwrap();
            let shape = [1, channels, height, width];
            let mut noises = [Noise::new(NoiseKey::Torch { seed: record.seed }, shape, 1 + schedule.draws())];
            let text = |value: f64| Tensor::full([1, 1, 1], value, (Kind::Float, Device::Cpu));
            let image_latents = Tensor::zeros(shape, (Kind::Float, Device::Cpu));
            let conditions = Conditions { text: text(TEXT), empty_text: text(EMPTY_TEXT), image_latents };
            // Without guidance, the prediction is the output.
            let guidance = Guidance { text: 1.0, image: 1.0, interval: None };
            let mut steps = Vec::new();
            let tape = Tape::new(find("outputs").unwrap(), None, None);
            let keep = |_: usize, latents: &Tensor| steps.push(latents.copy());
            let last = sample(&tape, &mut *schedule, &guidance, None, &conditions, &mut noises, keep).unwrap();
            assert_near(&last, &steps[case.steps - 1], true, 0.0, &what);
            assert_near(&Tensor::stack(&steps, 0), &latents, exact, LATENT_TOLERANCE, &what);
        }
        println!("{MARK}Euler's times under Karras' levels differ by {most:.1e} timesteps");
    });
}

#[test]
fn runs_that_a_spacing_does_not_have_are_refused_with_the_reason() {
    let case = |spacing| Case {
        scheduler: Scheduler::Euler,
        steps: 1,
        options: Options { timestep_spacing: Some(spacing), ..Options::default() },
    };
    let (leading, trailing) = (case(Spacing::Leading).diffusion(), case(Spacing::Trailing).diffusion());
    let refusal =
        |scheduler, steps, diffusion| schedule(scheduler, steps, diffusion).err().map(|error| error.to_string());
    assert!(refusal(Scheduler::Euler, 1000, &leading).unwrap().contains("beyond the last one, 999"));
    assert!(refusal(Scheduler::Unipc, 1000, &leading).unwrap().contains("has at most 999 steps"));
    assert_eq!(refusal(Scheduler::Ddim, 500, &trailing), None);
    // Latent consistency and the original repository's sampler have times of their own.
    assert_eq!(refusal(Scheduler::Lcm, 4, &trailing), None);
    assert_eq!(refusal(Scheduler::KEulerAncestral, 1000, &leading), None);
}
