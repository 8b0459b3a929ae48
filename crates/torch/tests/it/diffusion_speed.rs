//! What makes edits faster, against what the networks themselves compute (`fixtures/ip2p_reuse/make_fixtures.py`): feature
//! reuse, other number types, batches by memory, and pictures larger than the model was trained for.

use std::path::{Path, PathBuf};

use augtrial_augment::edit::{Bundle, EditRequest, Editor as _, Guidance, NoiseKey, Settings};
use augtrial_base::digest::Digest;
use augtrial_plan::arm::{EditChecks, EditorPrecision, FeatureReuse, Fit, Ip2p, Scheduler};
use augtrial_torch::diffusion::{Conditions, Denoiser, NativeEditor, Networks, Noise, sample, schedule, verify};
use image::RgbImage;
use image::imageops::{self, FilterType};
use tch::{Device, Tensor};

use crate::pinned::{
    LATENT_TOLERANCE, OUTPUT_TOLERANCE, Tape, assert_near, computes_the_bits_of, difference, fixture_kernels,
    has_the_fixtures_kernels, pinned,
};

/// Of `make_fixtures.py`.
const STEPS: usize = 7;
const EVERY: u32 = 3;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn bundle() -> Bundle {
    tch::set_num_threads(1);
    Bundle::open(&fixtures().join("ip2p_reuse/bundle")).unwrap()
}

fn networks(precision: EditorPrecision) -> Networks {
    Networks::with_precision(bundle(), Device::Cpu, precision).unwrap()
}

fn expected(name: &str) -> Tensor {
    let tensors = Tensor::read_safetensors(fixtures().join("ip2p_reuse/expected.safetensors")).unwrap();
    tensors.into_iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("there is no {name}")).1
}

/// Largest differences of the whole run's noise, and of the noise by the last layer on another input.
fn differences(precision: EditorPrecision, kind: &str) -> [f64; 2] {
    let (networks, text) = (networks(precision), expected("text"));
    let (noise, features) = networks.predict_with_features(&expected("first"), 801.0, &text).unwrap();
    let later = networks.predict_from_features(&expected("second"), 761.0, &text, &features).unwrap();
    assert_eq!(difference(&noise, &networks.predict_noise(&expected("first"), 801.0, &text).unwrap()), 0.0);
    let of = |name: &str| expected(&format!("{kind}/{name}"));
    [difference(&noise, &of("noise")), difference(&later, &of("later"))]
}

/// Whether this process computes the fixture's bits.
fn is_exact() -> bool {
    computes_the_bits_of(&fixtures().join("ip2p_reuse/versions.json"))
}

#[test]
fn each_method_of_the_unet_is_the_references() {
    pinned(fixture_kernels(), "diffusion_speed::each_method_of_the_unet_is_the_references", || {
        let tolerance = if is_exact() { 0.0 } else { OUTPUT_TOLERANCE };
        let [noise, later] = differences(EditorPrecision::Bundle, "fp32");
        assert!(noise <= tolerance && later <= tolerance, "{noise} {later}");
        // The last bits of bf16 depend on the processor's instructions; they are some hundredths of these values.
        let [noise, later] = differences(EditorPrecision::Bf16, "bf16");
        assert!(noise < 0.1 && later < 0.1, "{noise} {later}");
        assert_ne!(differences(EditorPrecision::Bf16, "fp32"), [0.0; 2]);
        let [noise, later] = differences(EditorPrecision::Fp16, "fp32");
        assert!((1e-6..0.1).contains(&noise) && later < 0.1, "{noise} {later}");
    });
}

/// Latents after each step of a run that reuses features, with the noise that `denoiser` predicts.
fn reusing_run(denoiser: &dyn Denoiser) -> Tensor {
    let mut schedule = schedule(Scheduler::Euler, STEPS, &bundle().manifest().scheduler).unwrap();
    let conditions = Conditions {
        text: expected("run_text"),
        empty_text: expected("run_empty"),
        image_latents: expected("run_image"),
    };
    let guidance = Guidance { text: 7.5, image: 1.5, interval: None };
    let mut noises = [Noise::new(NoiseKey::Torch { seed: 1234 }, [1, 4, 6, 8], 1)];
    let mut steps = Vec::new();
    let keep = |_: usize, latents: &Tensor| steps.push(latents.copy());
    let reuse = Some(FeatureReuse { every: EVERY });
    let last = sample(denoiser, &mut *schedule, &guidance, reuse, &conditions, &mut noises, keep).unwrap();
    assert_eq!(difference(&last, &steps[STEPS - 1]), 0.0);
    Tensor::stack(&steps, 0)
}

#[test]
fn a_run_that_reuses_features_is_the_references_at_every_step() {
    pinned(fixture_kernels(), "diffusion_speed::a_run_that_reuses_features_is_the_references_at_every_step", || {
        let found = reusing_run(&networks(EditorPrecision::Bundle));
        assert_near(&found, &expected("run_latents"), is_exact(), LATENT_TOLERANCE, "latents");
    });
}

#[test]
fn a_run_that_reuses_features_is_the_references_on_recorded_outputs() {
    pinned(
        fixture_kernels(),
        "diffusion_speed::a_run_that_reuses_features_is_the_references_on_recorded_outputs",
        || {
            let tape = Tape::new(expected("run_noise_raw"), None, None);
            assert_near(
                &reusing_run(&tape),
                &expected("run_latents"),
                has_the_fixtures_kernels(),
                LATENT_TOLERANCE,
                "latents",
            );
            assert_eq!(tape.played(), STEPS as i64);
        },
    );
}

fn source() -> RgbImage {
    image::open(fixtures().join("ip2p/source_128x96.png")).unwrap().into_rgb8()
}

fn settings() -> Settings {
    let checks = EditChecks { min_spread_levels: 0.0, min_change_levels: 0.0 };
    Settings { steps: 5, checks, ..Settings::new(&Ip2p::of_bundle(""), augtrial_plan::classifier::Device::Cpu) }
}

fn reusing(every: u32) -> Settings {
    Settings { feature_reuse: Some(FeatureReuse { every }), ..settings() }
}

fn editor(settings: Settings) -> NativeEditor {
    tch::set_num_threads(1);
    NativeEditor::open(&fixtures().join("ip2p_reuse/bundle"), settings).unwrap()
}

fn request(source: &RgbImage, seed: i64) -> EditRequest<'_> {
    let (image, noise) = (Digest::of_bytes(source.as_raw()), NoiseKey::Torch { seed });
    EditRequest { source, image, instruction: "make it rusty", noise }
}

fn only(editor: &mut NativeEditor, source: &RgbImage) -> RgbImage {
    editor.edit(&[request(source, 1)]).unwrap().remove(0).unwrap().image
}

fn mean_change(a: &RgbImage, b: &RgbImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let sum: u64 = a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.as_raw().len() as f64
}

#[test]
fn features_of_every_step_change_no_bit_and_kept_ones_change_some() {
    let source = source();
    let mut editor = editor(settings());
    let exact = only(&mut editor, &source);
    editor.set(reusing(1)).unwrap();
    assert_eq!(only(&mut editor, &source), exact);
    editor.set(reusing(2)).unwrap();
    let twice = only(&mut editor, &source);
    assert_ne!(twice, exact);
    // More than there are steps: one whole run.
    editor.set(reusing(5)).unwrap();
    let once = only(&mut editor, &source);
    editor.set(reusing(500)).unwrap();
    assert_eq!(only(&mut editor, &source), once);
    assert_ne!(once, twice);
}

#[test]
fn features_are_made_anew_where_guidance_begins_and_ends() {
    let source = source();
    let mut editor = editor(settings());
    let interval = Some([0.5, 5.0]);
    let guidance = Guidance { interval, ..settings().guidance };
    editor.set(Settings { guidance, ..settings() }).unwrap();
    let exact = only(&mut editor, &source);
    editor.set(Settings { guidance, ..reusing(1) }).unwrap();
    assert_eq!(only(&mut editor, &source), exact);
    editor.set(Settings { guidance, ..reusing(100) }).unwrap();
    assert_ne!(only(&mut editor, &source), exact);
}

#[test]
fn another_precision_changes_little_and_can_be_undone() {
    let source = source();
    let mut editor = editor(settings());
    let exact = only(&mut editor, &source);
    for precision in [EditorPrecision::Bf16, EditorPrecision::Fp16] {
        editor.set(Settings { precision, ..settings() }).unwrap();
        let change = mean_change(&only(&mut editor, &source), &exact);
        assert!(change > 0.0 && change < 8.0, "{precision:?}: {change}");
    }
    editor.set(settings()).unwrap();
    assert_eq!(only(&mut editor, &source), exact);
}

#[test]
fn memory_decides_the_batch_and_the_batch_hardly_a_bit() {
    let (a, b) = (source(), imageops::flip_horizontal(&source()));
    let requests = [request(&a, 1), request(&b, 2), request(&a, 3)];
    let images = |settings: Settings| -> Vec<RgbImage> {
        editor(settings).edit(&requests).unwrap().into_iter().map(|edit| edit.unwrap().image).collect()
    };
    let together = images(settings());
    let alone = images(Settings { batch_memory_mb: 1, ..settings() });
    for (a, b) in together.iter().zip(&alone) {
        assert!(mean_change(a, b) < 0.01);
    }
}

#[test]
fn a_bundle_without_the_means_says_so() {
    let folder = fixtures().join("ip2p/bundle");
    let refusal = |settings| NativeEditor::open(&folder, settings).err().unwrap().to_string();
    let expected = |wanted: &str| {
        format!("{} cannot {wanted}: export it again with the current tools/export_ip2p.py", folder.display())
    };
    assert_eq!(
        refusal(Settings { precision: EditorPrecision::Bf16, ..settings() }),
        expected("change its `precision`")
    );
    assert_eq!(refusal(reusing(2)), expected("reuse features"));
    assert!(verify(&fixtures().join("ip2p_reuse/bundle"), Device::Cpu).unwrap().passed());
}

/// The bundle, for pictures up to 64 x 48 px.
fn small_bundle() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(fixtures().join("ip2p_reuse/bundle")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let path = folder.path().join("manifest.json");
    let mut manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    manifest["working_px"] = serde_json::json!({ "width": 64, "height": 48 });
    std::fs::write(&path, manifest.to_string()).unwrap();
    folder
}

#[test]
fn a_picture_beyond_the_working_size_is_edited_within_it() {
    tch::set_num_threads(1);
    let (folder, source) = (small_bundle(), source());
    let small = imageops::resize(&source, 64, 48, FilterType::Triangle);
    let portrait = imageops::rotate90(&source);
    let mut limited = NativeEditor::open(folder.path(), settings()).unwrap();
    let edits = limited.edit(&[request(&source, 1), request(&small, 1), request(&portrait, 1)]).unwrap();
    let edits: Vec<_> = edits.into_iter().map(Result::unwrap).collect();
    let sizes: Vec<_> = edits.iter().map(|edit| (edit.edited_at_px, edit.image.dimensions())).collect();
    assert_eq!(sizes, [((64, 48), (128, 96)), ((64, 48), (64, 48)), ((36, 48), (96, 128))]);
    // What is small enough is edited as without the limit, and the limit is part of the bundle's digest.
    assert_eq!(edits[1].image, only(&mut editor(settings()), &small));
    assert_ne!(Bundle::open(folder.path()).unwrap().digest(), bundle().digest());
    let refusal = NativeEditor::open(folder.path(), Settings { fit: Fit::Original, ..settings() }).err().unwrap();
    assert!(refusal.to_string().contains("trained for at most 64 x 48"));
}
