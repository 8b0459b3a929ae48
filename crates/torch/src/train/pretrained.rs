//! Starting from torchvision's weights: a safetensors file of a state dict.
//!
//! A file counts as fitting when it has every tensor of the network under its name and with its shape, and nothing else
//! but what the network ignores. The head is exempt: one for another number of classes is left out, and
//! the network keeps the head that it was initialized with.

use std::fs;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{SafeTensorError, SafeTensors};

use super::state::HostTensor;
use crate::networks::{NamedTensor, Network, Part, constructor};
use augtrial_plan::networks::Architecture;
use augtrial_trial::TrainError;

/// How many names an error lists.
const LISTED: usize = 5;

/// What became of the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    Loaded,
    /// The file's head is for another number of classes.
    Remade,
}

/// Overwrites the tensors of an initialized network with those of a file.
///
/// # Errors
/// [`TrainError::PretrainedUnreadable`], or [`TrainError::PretrainedMisfit`] naming the tensors that are missing, unknown,
/// or of another shape or type. The network is then unchanged.
pub fn load(path: &Path, architecture: &str, network: &dyn Network) -> Result<Head, TrainError> {
    let tensors = network.tensors();
    let unreadable =
        |source: SafeTensorError| TrainError::PretrainedUnreadable { path: path.to_owned(), source: source.into() };
    let bytes = fs::read(path).map_err(|error| unreadable(SafeTensorError::IoError(error)))?;
    let file = SafeTensors::deserialize(&bytes).map_err(unreadable)?;
    let misfit = |problem| TrainError::PretrainedMisfit {
        path: path.to_owned(),
        architecture: architecture.to_owned(),
        problem,
    };
    check_names(&file, network, &tensors).map_err(misfit)?;

    let classes = |extents: &[i64]| extents.first().copied();
    let same_classes = tensors.iter().filter(|named| named.part == Part::Head).all(|named| {
        let in_file = |view: TensorView<'_>| view.shape().first().map(|&extent| extent as i64);
        file.tensor(&named.name).is_ok_and(|view| in_file(view) == classes(&named.tensor.size()))
    });
    let wanted = tensors.iter().filter(|named| same_classes || named.part != Part::Head);
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

/// Whether the weights in `file` fit a network, whatever classes its head is for.
///
/// # Errors
/// [`TrainError::PretrainedUnreadable`] or [`TrainError::PretrainedMisfit`], as for training with them.
pub fn check_weights(architecture: Architecture, file: &Path) -> Result<(), TrainError> {
    /// Of a head that the file's need not fit.
    const CLASSES: usize = 2;
    let network = constructor(architecture.network())(CLASSES, tch::Device::Cpu);
    load(file, architecture.name(), &*network).map(|_| ())
}

fn check_names(file: &SafeTensors<'_>, network: &dyn Network, tensors: &[NamedTensor]) -> Result<(), String> {
    let known = |name: &str| tensors.iter().any(|named| named.name == name);
    let missing: Vec<&str> =
        tensors.iter().map(|named| named.name.as_str()).filter(|name| file.tensor(name).is_err()).collect();
    let mut unknown: Vec<&str> = file.names().into_iter().map(String::as_str).collect();
    unknown.retain(|name| !known(name) && !network.ignores(name));
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

    use super::super::init::initialize;
    use super::super::state::{HostState, to_host};
    use super::*;
    use crate::networks::resnet::{Branch, ResNet, ResNetLayout, Stem};
    use augtrial_base::seed::StudySeed;
    use augtrial_base::testing::{Mutation, fuzz};

    const LAYOUT: ResNetLayout =
        ResNetLayout { stem: Stem::Quartering, branch: Branch::Bottleneck, depths: &[1, 1, 1, 1], width: 2 };

    fn network(classes: usize, seed: u64) -> ResNet {
        let network = ResNet::new(LAYOUT, classes, Device::Cpu);
        initialize(&network.tensors(), StudySeed(1), seed);
        network
    }

    fn state(network: &ResNet) -> HostState {
        to_host(&network.tensors())
    }

    fn file(state: &HostState) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let views = state.iter().map(|(name, tensor)| (name.as_str(), tensor.view()));
        safetensors::serialize_to_file(views, &None, file.path()).unwrap();
        file
    }

    fn problem(weights: &HostState) -> String {
        let target = network(3, 2);
        let before = state(&target);
        let error = load(file(weights).path(), "resnet", &target).unwrap_err();
        assert_eq!(state(&target), before, "a refused file changes nothing");
        error.to_string()
    }

    #[test]
    fn a_fitting_state_is_loaded_with_its_head() {
        let mut weights = state(&network(3, 1));
        let expected = weights.clone();
        weights.insert("bn1.num_batches_tracked".to_owned(), HostTensor::of(&Tensor::from_slice(&[7.0_f32])));
        let target = network(3, 2);
        assert_eq!(load(file(&weights).path(), "resnet", &target).unwrap(), Head::Loaded);
        assert_eq!(state(&target), expected);
    }

    #[test]
    fn a_head_for_other_classes_is_left_as_it_was_initialized() {
        let source = state(&network(5, 1));
        let target = network(3, 2);
        let fresh = state(&target);
        assert_eq!(load(file(&source).path(), "resnet", &target).unwrap(), Head::Remade);
        for (name, tensor) in state(&target) {
            let expected: &BTreeMap<_, _> = if name.starts_with("fc.") { &fresh } else { &source };
            assert_eq!(tensor, expected[&name], "{name}");
        }
    }

    #[test]
    fn missing_misnamed_and_misshapen_tensors_are_named() {
        let mut weights = state(&network(3, 1));
        let tensor = weights.remove("layer2.0.conv1.weight").unwrap();
        weights.insert("layer2.0.convolution.weight".to_owned(), tensor);
        let text = problem(&weights);
        assert!(text.contains("missing tensors `layer2.0.conv1.weight`"), "{text}");
        assert!(text.contains("unknown tensors `layer2.0.convolution.weight`"), "{text}");

        let mut weights = state(&network(3, 1));
        weights.insert("bn1.bias".to_owned(), HostTensor::of(&Tensor::from_slice(&[1.0_f32])));
        let text = problem(&weights);
        assert!(text.contains("`bn1.bias` has shape [1] instead of [2]"), "{text}");
    }

    #[test]
    fn a_file_that_is_not_safetensors_is_an_error_with_its_path() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = load(file.path(), "resnet", &network(3, 1)).unwrap_err();
        assert!(error.to_string().contains(&file.path().display().to_string()), "{error}");
    }

    #[test]
    fn no_change_of_a_weights_file_makes_its_reader_panic_or_changes_the_network_and_fails() {
        let sound = file(&state(&network(3, 1)));
        let sound = fs::read(sound.path()).unwrap();
        // The header tells names, shapes and places; it is where a change does most.
        let header = 8 + u64::from_le_bytes(sound[..8].try_into().unwrap()) as usize;
        let changed = tempfile::NamedTempFile::new().unwrap();
        let target = network(3, 2);
        let fresh = state(&target);
        let strategy = (proptest::bool::ANY, proptest::collection::vec(Mutation::any(), 1..5));
        fuzz("changed weights files", 60, &strategy, |(of_header, changes)| {
            let bytes = if of_header {
                [Mutation::all(&changes, &sound[..header]), sound[header..].to_vec()].concat()
            } else {
                Mutation::all(&changes, &sound)
            };
            fs::write(changed.path(), bytes).unwrap();
            match load(changed.path(), "resnet", &target) {
                Ok(_) => initialize(&target.tensors(), StudySeed(1), 2),
                Err(error) => {
                    proptest::prop_assert!(error.to_string().len() < 10_000);
                    proptest::prop_assert!(state(&target) == fresh, "a refused file changes nothing");
                }
            }
            Ok(())
        });
    }
}
