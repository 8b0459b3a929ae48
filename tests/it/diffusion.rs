//! The sampler against diffusers and k-diffusion, on the tiny bundle of `fixtures/ip2p`: every step's latents and every
//! byte of the picture, with difference 0 on one thread.

use std::path::{Path, PathBuf};

use augtrial::diffusion::{
    Bundle, Conditions, EditRequest, Editor, Guidance, Networks, Noise, NoiseKey, Rounding, Settings, Tokenizer,
    from_tensor, inspect, sample, schedule, to_tensor, verify,
};
use augtrial::digest::Digest;
use augtrial::plan::arm::{EditChecks, Fit, Ip2p, NullEditor, Scheduler};
use augtrial::seed::StudySeed;
use image::{RgbImage, imageops};
use serde::Deserialize;
use tch::{Device, Kind, Tensor};

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

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ip2p")
}

fn bundle() -> Bundle {
    tch::set_num_threads(1);
    Bundle::open(&fixtures().join("bundle")).unwrap()
}

fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(fixtures().join("cases.json")).unwrap();
    serde_json::from_str::<Record>(&text).unwrap().cases
}

fn source() -> RgbImage {
    image::open(fixtures().join("source_128x96.png")).unwrap().into_rgb8()
}

fn view(name: &str) -> RgbImage {
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

fn difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a.to_kind(Kind::Double) - b.to_kind(Kind::Double)).abs().max().double_value(&[])
}

/// Latents after each step and the pictures, computed here.
fn run(networks: &Networks, tokenizer: &Tokenizer, case: &Case) -> (Vec<Tensor>, Vec<Option<RgbImage>>) {
    let manifest = networks.bundle().manifest();
    let tokens = |text: &str| tokenizer.encode(text).unwrap().ids;
    let encode =
        |texts: Vec<Vec<i64>>| networks.encode_text(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
    let views: Vec<RgbImage> = case.views.iter().map(|name| view(name)).collect();
    let conditions = Conditions {
        text: encode(case.prompts.iter().map(|prompt| tokens(prompt)).collect()),
        empty_text: encode(vec![tokens(""); case.prompts.len()]),
        image_latents: networks.encode_image(&to_tensor(&views.iter().collect::<Vec<_>>())).unwrap(),
    };
    let mut schedule = schedule(case.scheduler, case.steps, &manifest.scheduler).unwrap();
    let (_, channels, height, width) = conditions.image_latents.size4().unwrap();
    let noise = |&seed: &i64| Noise::new(NoiseKey::Torch { seed }, [1, channels, height, width], 1 + schedule.draws());
    let mut noises: Vec<Noise> = case.seeds.iter().map(noise).collect();
    let guidance = Guidance { text: case.text_guidance, image: case.image_guidance, interval: None };
    let mut steps = Vec::new();
    let keep = |_: usize, latents: &Tensor| steps.push(latents.copy());
    let last = sample(networks, &mut *schedule, &guidance, None, &conditions, &mut noises, keep).unwrap();
    let decoded = networks.decode(&(last / manifest.latent.scale_factor)).unwrap();
    let rounding = if case.scheduler == Scheduler::KEulerAncestral { Rounding::Down } else { Rounding::Nearest };
    (steps, from_tensor(&decoded, rounding))
}

#[test]
fn every_step_and_every_byte_is_the_references() {
    let bundle = bundle();
    let tokenizer = Tokenizer::load(&bundle).unwrap();
    let networks = Networks::new(bundle, Device::Cpu);
    let cases = cases();
    assert!(cases.len() > 20);
    let mut wrong = Vec::new();
    for case in &cases {
        let file = format!("case_{}.safetensors", case.name);
        let (steps, pictures) = run(&networks, &tokenizer, case);
        let per_step = difference(&Tensor::stack(&steps, 0), &tensor(&file, "latents"));
        let bytes: Vec<u8> = pictures.into_iter().flat_map(|picture| picture.unwrap().into_raw()).collect();
        let expected: Vec<u8> = Vec::try_from(tensor(&file, "image_u8").view([-1])).unwrap();
        let levels = bytes.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
        if per_step != 0.0 || bytes != expected {
            wrong.push(format!("{}: latents differ by {per_step:e}, bytes by {levels:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn timesteps_and_noise_levels_are_the_references() {
    let diffusion = bundle().manifest().scheduler;
    let tables = Tensor::read_safetensors(fixtures().join("schedules.safetensors")).unwrap();
    assert!(tables.len() > 60);
    for (key, expected) in &tables {
        let (name, rest) = key.split_once('/').unwrap();
        let (steps, what) = rest.split_once('/').unwrap();
        let scheduler = serde_json::from_str(&format!("\"{name}\"")).unwrap();
        let ours = schedule(scheduler, steps.parse().unwrap(), &diffusion).unwrap();
        let expected: Vec<f64> = Vec::try_from(expected.to_kind(Kind::Double)).unwrap();
        let found: Vec<f64> = match what {
            "timesteps" => (0..ours.steps()).map(|step| ours.timestep(step)).collect(),
            _ => (0..ours.steps()).map(|step| f64::from(ours.sigma(step))).chain([0.0]).collect(),
        };
        assert_eq!(found, expected, "{key}");
    }
    for steps in ["kdiffusion_1", "kdiffusion_10"] {
        let expected: Vec<f64> = Vec::try_from(tensor(&format!("case_{steps}.safetensors"), "timesteps")).unwrap();
        let ours = schedule(Scheduler::KEulerAncestral, expected.len(), &diffusion).unwrap();
        assert_eq!((0..ours.steps()).map(|step| ours.timestep(step)).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn what_precedes_the_first_step_is_the_references() {
    let bundle = bundle();
    let tokenizer = Tokenizer::load(&bundle).unwrap();
    let networks = Networks::new(bundle, Device::Cpu);
    let encode = |text: &str| networks.encode_text(&[&tokenizer.encode(text).unwrap().ids]).unwrap();
    let common = |name: &str| tensor("common.safetensors", name);
    assert_eq!(difference(&encode("make it look metallic"), &common("prompt_embeds")), 0.0);
    assert_eq!(difference(&encode(""), &common("null_embeds")), 0.0);
    let latents = networks.encode_image(&to_tensor(&[&source()])).unwrap();
    assert_eq!(difference(&latents, &common("image_latents")), 0.0);
}

#[test]
fn runs_that_a_scheduler_does_not_have_are_refused_with_the_reason() {
    let diffusion = bundle().manifest().scheduler;
    let refusal = |scheduler, steps| schedule(scheduler, steps, &diffusion).err().map(|error| error.to_string());
    assert!(refusal(Scheduler::Euler, 0).unwrap().contains("between 1 and 1000"));
    assert!(refusal(Scheduler::Lcm, 51).unwrap().contains("50 steps"));
    assert!(refusal(Scheduler::Ddim, 1000).unwrap().contains("beyond the last one, 999"));
    assert_eq!(refusal(Scheduler::Ddim, 999), None);
}

fn settings() -> Settings {
    Settings { steps: 3, ..Settings::new(&Ip2p::of_bundle(""), Device::Cpu) }
}

fn editor(settings: Settings) -> Editor {
    tch::set_num_threads(1);
    Editor::open(&fixtures().join("bundle"), settings).unwrap()
}

fn key(image: Digest, copy: u32) -> NoiseKey {
    NoiseKey::Stream { study: StudySeed(7), recipe: Digest::of_bytes(b"recipe"), image, copy, attempt: 0 }
}

fn request<'a>(source: &'a RgbImage, instruction: &'a str, copy: u32) -> EditRequest<'a> {
    let image = Digest::of_bytes(source.as_raw());
    EditRequest { source, image, instruction, noise: key(image, copy) }
}

fn only(editor: &mut Editor, request: EditRequest<'_>) -> RgbImage {
    editor.edit(&[request]).unwrap().remove(0).unwrap().image
}

fn largest_change(a: &RgbImage, b: &RgbImage) -> u8 {
    assert_eq!(a.dimensions(), b.dimensions());
    a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn an_edit_depends_neither_on_its_batch_nor_on_its_place_in_it() {
    let sources = [view("as-is"), view("flip-horizontal"), view("rotate90"), view("flip-vertical")];
    let texts = ["make it rusty", "", "Turn it upside-down!", "make it look metallic"];
    let requests: Vec<_> =
        sources.iter().zip(texts).enumerate().map(|(copy, (image, text))| request(image, text, copy as u32)).collect();
    let mut editor = editor(settings());
    let together: Vec<_> = editor.edit(&requests).unwrap().into_iter().map(|edit| edit.unwrap().image).collect();
    let backwards: Vec<_> = requests.iter().rev().copied().collect();
    let mut reordered: Vec<_> = editor.edit(&backwards).unwrap().into_iter().map(|edit| edit.unwrap().image).collect();
    reordered.reverse();
    for (index, request) in requests.iter().enumerate() {
        let alone = only(&mut self::editor(settings()), *request);
        // The noise is the same; a batch may round the networks' sums differently, in their last bits.
        assert!(largest_change(&alone, &together[index]) <= 1, "{index}");
        assert!(largest_change(&alone, &reordered[index]) <= 1, "{index}");
        assert_eq!(alone.dimensions(), sources[index].dimensions());
    }
}

#[test]
fn every_input_of_an_edit_changes_it() {
    let (a, b) = (view("as-is"), view("flip-horizontal"));
    let base = request(&a, "make it rusty", 0);
    let mut editor = editor(settings());
    let edited = only(&mut editor, base);
    assert_eq!(only(&mut editor, base), edited);
    assert_ne!(only(&mut editor, request(&a, "make it look metallic", 0)), edited);
    assert_ne!(only(&mut editor, request(&a, "make it rusty", 1)), edited);
    assert_ne!(only(&mut editor, EditRequest { source: &b, image: Digest::of_bytes(b.as_raw()), ..base }), edited);
    let guidance = settings().guidance;
    let others = [
        Settings { scheduler: Scheduler::Euler, ..settings() },
        Settings { steps: 4, ..settings() },
        Settings { guidance: Guidance { text: 5.0, ..guidance }, ..settings() },
        Settings { guidance: Guidance { image: 1.2, ..guidance }, ..settings() },
        Settings { guidance: Guidance { interval: Some([0.1, 5.0]), ..guidance }, ..settings() },
        Settings { null: Some(NullEditor::VaeRoundTrip), ..settings() },
        Settings { null: Some(NullEditor::EmptyInstruction), ..settings() },
    ];
    for other in others {
        editor.set(other).unwrap();
        assert_ne!(only(&mut editor, base), edited, "{other:?}");
    }
}

#[test]
fn null_editors_ignore_the_instruction_and_the_round_trip_ignores_the_noise() {
    let source = source();
    let (one, two) = (request(&source, "make it rusty", 0), request(&source, "make it look metallic", 0));
    let mut editor = editor(Settings { null: Some(NullEditor::EmptyInstruction), ..settings() });
    assert_eq!(only(&mut editor, one), only(&mut editor, two));
    editor.set(Settings { null: Some(NullEditor::VaeRoundTrip), ..settings() }).unwrap();
    assert_eq!(only(&mut editor, one), only(&mut editor, request(&source, "", 5)));
}

#[test]
fn an_interval_that_holds_every_noise_level_changes_nothing() {
    let source = source();
    let base = request(&source, "make it rusty", 0);
    let mut editor = editor(settings());
    let edited = only(&mut editor, base);
    let interval = Some([0.0, 1e3]);
    editor.set(Settings { guidance: Guidance { interval, ..settings().guidance }, ..settings() }).unwrap();
    assert_eq!(only(&mut editor, base), edited);
}

#[test]
fn sides_of_any_length_come_back_as_they_were() {
    let odd = image::open(fixtures().join("source_101x77.png")).unwrap().into_rgb8();
    let mut editor = editor(settings());
    assert_eq!(only(&mut editor, request(&odd, "make it rusty", 0)).dimensions(), (101, 77));
    editor.set(Settings { fit: Fit::Resize, ..settings() }).unwrap();
    assert_eq!(only(&mut editor, request(&odd, "make it rusty", 0)).dimensions(), (96, 64));
}

#[test]
fn long_instructions_are_cut_and_counted() {
    let source = source();
    let mut editor = editor(settings());
    let long = "rust ".repeat(100);
    let edits = editor.edit(&[request(&source, &long, 0), request(&source, "rust", 0)]).unwrap();
    let cuts: Vec<_> = edits.into_iter().map(|edit| edit.unwrap().cut_tokens).collect();
    assert_eq!(cuts, [25, 0]);
}

#[test]
fn failed_checks_are_reasons_and_leave_the_other_edits_alone() {
    let checks = EditChecks { min_spread_levels: 0.0, min_change_levels: 255.0 };
    let source = source();
    let mut editor = editor(Settings { checks, ..settings() });
    let edits = editor.edit(&[request(&source, "make it rusty", 0)]).unwrap();
    assert_eq!(edits[0].as_ref().unwrap_err().name(), "unchanged");
    let nothing = RgbImage::new(0, 5);
    assert!(editor.edit(&[request(&nothing, "", 0)]).unwrap_err().to_string().contains("has no pixel"));
}

#[test]
fn a_bundle_is_inspected_without_and_verified_with_its_networks() {
    let folder = fixtures().join("bundle");
    let inspection = inspect(&folder).unwrap();
    assert_eq!(inspection.manifest.latent.scale_factor, 0.18215);
    let verification = verify(&folder, Device::Cpu).unwrap();
    assert!(verification.passed());
    assert_eq!(verification.digest, inspection.digest);
    assert_eq!(verification.parts.iter().map(|part| part.bytes).sum::<u64>(), inspection.total_bytes);
}

#[test]
fn networks_of_other_shapes_than_the_manifest_promises_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(fixtures().join("bundle")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let path = folder.path().join("manifest.json");
    let mut manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    manifest["text"]["width"] = 64.into();
    std::fs::write(&path, manifest.to_string()).unwrap();
    let message = verify(folder.path(), Device::Cpu).unwrap_err().to_string();
    assert_eq!(message, "the bundle's text_encoder gave shape [1, 77, 32] where its manifest promises [1, 77, 64]");
}
