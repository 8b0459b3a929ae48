//! Starting from torchvision's weights: a safetensors file of a state dict.
//!
//! A file counts as fitting when it has every tensor of the network under its name and with its shape, and nothing else
//! but the counts of batches that torchvision keeps. The head is exempt: one for another number of classes is left out, and
//! the network keeps the head that it was initialised with.

use std::fs;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{SafeTensorError, SafeTensors};

use super::error::TrainError;
use super::state::{HostTensor, NamedTensor};

const HEAD: [&str; 2] = ["fc.weight", "fc.bias"];
/// torchvision counts batches beside running statistics; no result depends on it.
const IGNORED_SUFFIX: &str = ".num_batches_tracked";
/// How many names an error lists.
const LISTED: usize = 5;

/// What became of the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    Loaded,
    /// The file's head is for another number of classes.
    Remade,
}

/// Overwrites the tensors of an initialised network with those of a file.
///
/// # Errors
/// [`TrainError::PretrainedUnreadable`], or [`TrainError::PretrainedMisfit`] naming the tensors that are missing, unknown,
/// or of another shape or type. The network is then unchanged.
pub fn load(path: &Path, architecture: &str, tensors: &[NamedTensor]) -> Result<Head, TrainError> {
    let unreadable = |source| TrainError::PretrainedUnreadable { path: path.to_owned(), source };
    let bytes = fs::read(path).map_err(|error| unreadable(SafeTensorError::IoError(error)))?;
    let file = SafeTensors::deserialize(&bytes).map_err(unreadable)?;
    let misfit = |problem| TrainError::PretrainedMisfit {
        path: path.to_owned(),
        architecture: architecture.to_owned(),
        problem,
    };
    check_names(&file, tensors).map_err(misfit)?;

    let same_classes = tensors.iter().filter(|named| HEAD.contains(&named.name.as_str())).all(|named| {
        file.tensor(&named.name).is_ok_and(|view| view.shape()[0] as i64 == named.tensor.size()[0]) //
    });
    let wanted = tensors.iter().filter(|named| same_classes || !HEAD.contains(&named.name.as_str()));
    let values: Vec<(&NamedTensor, HostTensor)> = wanted
        .map(|named| {
            let view = file.tensor(&named.name).map_err(unreadable)?;
            Ok((named, read(named, &view).map_err(misfit)?))
        })
        .collect::<Result<_, TrainError>>()?;
    for (named, value) in values {
        value.write_to(&named.tensor);
    }
    Ok(if same_classes { Head::Loaded } else { Head::Remade })
}

fn check_names(file: &SafeTensors<'_>, tensors: &[NamedTensor]) -> Result<(), String> {
    let known = |name: &str| tensors.iter().any(|named| named.name == name);
    let missing: Vec<&str> =
        tensors.iter().map(|named| named.name.as_str()).filter(|name| file.tensor(name).is_err()).collect();
    let mut unknown: Vec<&str> = file.names().into_iter().map(String::as_str).collect();
    unknown.retain(|name| !known(name) && !name.ends_with(IGNORED_SUFFIX));
    unknown.sort_unstable();
    let problems: Vec<String> = [("missing", missing), ("unknown", unknown)]
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{what} tensors {}", list(&names)))
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

fn list(names: &[&str]) -> String {
    let shown: Vec<String> = names.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(LISTED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn read(named: &NamedTensor, view: &TensorView<'_>) -> Result<HostTensor, String> {
    let expected: Vec<usize> = named.tensor.size().iter().map(|&extent| extent as usize).collect();
    if view.shape() != expected {
        return Err(format!("`{}` has shape {:?} instead of {expected:?}", named.name, view.shape()));
    }
    HostTensor::read(view).map_err(|dtype| format!("`{}` has type {dtype:?}, which is not a float", named.name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tch::{Device, Tensor};

    use super::super::init::initialise;
    use super::super::resnet::{Branch, Layout, ResNet};
    use super::super::state::{HostState, to_host};
    use super::*;
    use crate::seed::StudySeed;

    const LAYOUT: Layout = Layout { branch: Branch::Bottleneck, depths: [1, 1, 1, 1], width: 2 };

    fn network(classes: usize, seed: u64) -> Vec<NamedTensor> {
        let tensors = ResNet::new(LAYOUT, classes, Device::Cpu).named_tensors();
        initialise(&tensors, StudySeed(1), seed);
        tensors
    }

    fn file(state: &HostState) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let views = state.iter().map(|(name, tensor)| (name.as_str(), tensor.view()));
        safetensors::serialize_to_file(views, &None, file.path()).unwrap();
        file
    }

    fn problem(state: &HostState) -> String {
        let target = network(3, 2);
        let before = to_host(&target);
        let error = load(file(state).path(), "resnet", &target).unwrap_err();
        assert_eq!(to_host(&target), before, "a refused file changes nothing");
        error.to_string()
    }

    #[test]
    fn a_fitting_state_is_loaded_with_its_head() {
        let mut state = to_host(&network(3, 1));
        let expected = state.clone();
        state.insert("bn1.num_batches_tracked".to_owned(), HostTensor::of(&Tensor::from_slice(&[7.0_f32])));
        let target = network(3, 2);
        assert_eq!(load(file(&state).path(), "resnet", &target).unwrap(), Head::Loaded);
        assert_eq!(to_host(&target), expected);
    }

    #[test]
    fn a_head_for_other_classes_is_left_as_it_was_initialised() {
        let source = to_host(&network(5, 1));
        let target = network(3, 2);
        let fresh = to_host(&target);
        assert_eq!(load(file(&source).path(), "resnet", &target).unwrap(), Head::Remade);
        for (name, tensor) in to_host(&target) {
            let expected: &BTreeMap<_, _> = if name.starts_with("fc.") { &fresh } else { &source };
            assert_eq!(tensor, expected[&name], "{name}");
        }
    }

    #[test]
    fn missing_misnamed_and_misshapen_tensors_are_named() {
        let mut state = to_host(&network(3, 1));
        let tensor = state.remove("layer2.0.conv1.weight").unwrap();
        state.insert("layer2.0.convolution.weight".to_owned(), tensor);
        let text = problem(&state);
        assert!(text.contains("missing tensors `layer2.0.conv1.weight`"), "{text}");
        assert!(text.contains("unknown tensors `layer2.0.convolution.weight`"), "{text}");

        let mut state = to_host(&network(3, 1));
        state.insert("bn1.bias".to_owned(), HostTensor::of(&Tensor::from_slice(&[1.0_f32])));
        let text = problem(&state);
        assert!(text.contains("`bn1.bias` has shape [1] instead of [2]"), "{text}");
    }

    #[test]
    fn a_file_that_is_not_safetensors_is_an_error_with_its_path() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = load(file.path(), "resnet", &network(3, 1)).unwrap_err();
        assert!(error.to_string().contains(&file.path().display().to_string()), "{error}");
    }
}
