//! A network from a file: its trunk is a `TorchScript` module, its head a linear layer of ours.
//!
//! The module, which `tools/export_classifier.py` writes, has the children `trunk` and `head` and the method `features`. Only
//! the trunk is run; the head of the file gives its values to a head for as many classes. Tensors have the names of the
//! network that was exported, so that its state dict loads them.

use std::cell::Cell;
use std::ffi::CStr;

use tch::{Device, Kind, TchError, Tensor};

use crate::networks::tensors::end_gradients;
use crate::networks::{
    Folded, FoldedHead, FoldedLinear, Law, Linear, Mode, NamedTensor, Network, Part, Role, channels_last,
};
use crate::script::{Graph, Member, Module};
use crate::train::aten::Bf16Region;
use augtrial_plan::classifier::{Freeze, Precision};
use augtrial_plan::networks::{Initial, Manifest, NetworkFile};
use augtrial_trial::TrainError;

const FEATURES: &CStr = c"features";
const TRUNK: &str = "trunk.";
const HEAD: [&str; 2] = ["head.weight", "head.bias"];
/// PyTorch counts batches beside running statistics; no result depends on it.
const BATCH_COUNT: &str = "num_batches_tracked";

/// A network from a file.
#[derive(Debug)]
pub struct ScriptNetwork {
    module: Module,
    head: Linear,
    /// Tensors of the trunk under their own names.
    trunk: Vec<NamedTensor>,
    head_name: String,
    /// How the head begins.
    head_law: Option<Law>,
    /// The stem's modules, by their names in the file.
    stem: Vec<String>,
    random_layers: bool,
    freeze: Freeze,
    /// The mode that the module is in.
    mode: Cell<Option<Mode>>,
    device: Device,
}

impl ScriptNetwork {
    /// Loads the network of a file, after its digest is found to be the manifest's, with a head for `classes`.
    ///
    /// A head of the file that was trained for as many classes is kept.
    ///
    /// # Errors
    /// [`TrainError::NetworkFile`], or [`TrainError::NetworkUnusable`] if the module is not what the manifest says.
    pub fn load(file: &NetworkFile, classes: usize, device: Device) -> Result<Self, TrainError> {
        let path = file.checked_path()?;
        let unusable = |problem: String| TrainError::NetworkUnusable { path: path.clone(), problem };
        let refused = |source: TchError| unusable(source.to_string());
        let manifest = file.manifest();
        let module = Module::load(&path, device).map_err(refused)?;
        let members = module.members().map_err(refused)?;
        if let Some(member) = members.iter().find(|member| !member.is_buffer && member.tensor.kind() != Kind::Float) {
            return Err(unusable(format!("its parameter `{}` is not of type float32", member.name)));
        }
        let (mut head, mut trunk) = (Vec::new(), Vec::new());
        for member in members {
            match HEAD.iter().position(|name| *name == member.name) {
                Some(place) => head.push((place, member.tensor)),
                None => trunk.extend(trunk_tensor(member, manifest).map_err(&unusable)?),
            }
        }
        let features = i64::from(manifest.head.features);
        let stored = i64::from(manifest.head.classes);
        let shapes: Vec<(usize, Vec<i64>)> = head.iter().map(|(place, tensor)| (*place, tensor.size())).collect();
        if shapes != [(0, vec![stored, features]), (1, vec![stored])] {
            return Err(unusable(format!("its head is not a linear layer from {features} to {stored} values")));
        }
        let linear = Linear::new(features, classes as i64, device);
        let keeps_head = manifest.pretrained && stored == classes as i64;
        if keeps_head {
            for (named, (_, values)) in linear.tensors("").iter().zip(&head) {
                tch::no_grad(|| named.tensor.shallow_clone().f_copy_(values)).map_err(refused)?;
            }
        }
        Ok(Self {
            module,
            head: linear,
            trunk,
            head_name: manifest.head.name.clone(),
            head_law: keeps_head.then_some(Law::Kept),
            stem: manifest.stem.iter().map(|name| format!("{TRUNK}{name}")).collect(),
            random_layers: manifest.random_layers,
            freeze: Freeze::None,
            mode: Cell::new(None),
            device,
        })
    }

    /// Puts the module into a mode, if it is in another.
    fn enter(&self, mode: Mode) -> Result<(), TchError> {
        let mode = if self.freeze == Freeze::AllButHead { Mode::Evaluate } else { mode };
        if self.mode.get() == Some(mode) {
            return Ok(());
        }
        match (mode, self.freeze) {
            (Mode::Evaluate, _) => self.module.evaluate()?,
            (Mode::Train, Freeze::Stem) => self.module.train(&self.stem)?,
            (Mode::Train, _) => self.module.train(&[])?,
        }
        self.mode.set(Some(mode));
        Ok(())
    }
}

/// A tensor of the trunk as training sees it; none if no result depends on it, or if it is a constant.
fn trunk_tensor(member: Member, manifest: &Manifest) -> Result<Option<NamedTensor>, String> {
    let Member { name, is_buffer, mut tensor } = member;
    let Some(name) = name.strip_prefix(TRUNK).map(str::to_owned) else {
        return Err(format!("its tensor `{name}` is neither in `trunk` nor in `head`"));
    };
    if is_buffer && (tensor.kind() != Kind::Float || name.rsplit('.').next() == Some(BATCH_COUNT)) {
        return Ok(None);
    }
    let law = match manifest.initial.get(&name) {
        Some(Initial::Normal(deviation)) => Law::Normal { deviation: *deviation },
        Some(Initial::Uniform(bound)) => Law::Uniform { bound: *bound },
        None => Law::Kept,
    };
    if tensor.dim() == 4 {
        tensor.set_data(&channels_last(&tensor.detach()));
    }
    let in_stem = |module: &String| name.strip_prefix(module.as_str()).is_some_and(|rest| rest.starts_with('.'));
    let part = if manifest.stem.iter().any(in_stem) { Part::Stem } else { Part::Body };
    let role = if is_buffer { Role::Buffer } else { Role::Parameter };
    Ok(Some(NamedTensor { name, role, part, law, tensor }))
}

impl Network for ScriptNetwork {
    fn trunk(&self, images: &Tensor, mode: Mode) -> Result<Tensor, TchError> {
        self.enter(mode)?;
        let [features] = self.module.call(FEATURES, &[images], Graph::AsItIs)?;
        Ok(features)
    }

    fn head(&self, features: &Tensor) -> Result<Tensor, TchError> {
        self.head.forward(features)
    }

    fn tensors(&self) -> Vec<NamedTensor> {
        let head = self.head.tensors(&self.head_name).map(|named| {
            let law = self.head_law.unwrap_or(named.law);
            NamedTensor { law, ..named }
        });
        self.trunk.iter().map(NamedTensor::shared).chain(head).collect()
    }

    fn ignores(&self, name: &str) -> bool {
        name.rsplit('.').next() == Some(BATCH_COUNT)
    }

    fn has_random_layers(&self) -> bool {
        self.random_layers
    }

    fn freeze(&mut self, freeze: Freeze) {
        self.freeze = freeze;
        self.mode.set(None);
        end_gradients(&self.tensors(), freeze);
    }

    fn folded(&self, precision: Precision) -> Result<Box<dyn Folded>, TchError> {
        let module = self.module.copy()?;
        module.evaluate()?;
        let head = self.head.folded(precision)?;
        Ok(Box::new(FoldedScript { module, head, precision, device: self.device }))
    }

    fn folded_head(&self, precision: Precision) -> Result<Box<dyn FoldedHead>, TchError> {
        Ok(Box::new(self.head.folded(precision)?))
    }
}

/// A network from a file for evaluation alone: a copy in evaluation mode. Nothing is folded: what could be is not known.
#[derive(Debug)]
struct FoldedScript {
    module: Module,
    head: FoldedLinear,
    precision: Precision,
    device: Device,
}

impl FoldedHead for FoldedScript {
    fn scores(&self, features: &Tensor) -> Result<Tensor, TchError> {
        self.head.scores(features)
    }
}

impl Folded for FoldedScript {
    fn features(&self, images: &Tensor) -> Result<Tensor, TchError> {
        let _region = match self.precision {
            Precision::Fp32 => None,
            Precision::Bf16 => Some(Bf16Region::begin(self.device)?),
        };
        let [features] = self.module.call(FEATURES, &[images], Graph::AsItIs)?;
        features.f_to_kind(Kind::Float)
    }
}
