//! The editor on the tiny bundle of `fixtures/ip2p`: what decides an edit, what does not, and what is refused.

use augtrial_augment::edit::{EditRequest, Editor as _, Guidance, NoiseKey, Settings, inspect};
use augtrial_base::digest::Digest;
use augtrial_base::seed::StudySeed;
use augtrial_plan::arm::{EditChecks, Fit, Ip2p, NullEditor, Scheduler};
use augtrial_torch::diffusion::{NativeEditor, schedule, verify};
use image::RgbImage;
use tch::Device;

use crate::golden::{bundle, fixtures, source, view};

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
    Settings { steps: 3, ..Settings::new(&Ip2p::of_bundle(""), augtrial_plan::classifier::Device::Cpu) }
}

fn editor(settings: Settings) -> NativeEditor {
    tch::set_num_threads(1);
    NativeEditor::open(&fixtures().join("bundle"), settings).unwrap()
}

fn key(image: Digest, copy: u32) -> NoiseKey {
    NoiseKey::Stream { study: StudySeed(7), recipe: Digest::of_bytes(b"recipe"), image, copy, attempt: 0 }
}

fn request<'a>(source: &'a RgbImage, instruction: &'a str, copy: u32) -> EditRequest<'a> {
    let image = Digest::of_bytes(source.as_raw());
    EditRequest { source, image, instruction, noise: key(image, copy) }
}

fn only(editor: &mut NativeEditor, request: EditRequest<'_>) -> RgbImage {
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
