//! The classifier section: architecture, input, optimizer, schedule and budget. Shared by every arm of a study.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::command::Command;
use super::transform::Transform;

pub use super::networks::Architecture;
use super::networks::Network;

/// How much training every trial gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// Passes over the arm's own training set: an arm with more images takes more optimizer steps.
    Epochs(u32),
    /// Optimizer steps, the same for every arm. An epoch, the period of evaluation, is then one pass over the
    /// *originals*, so that every arm is evaluated, and may be selected, equally often.
    Updates(u64),
}

/// Which epoch's weights meet the test split. Never chosen on the test split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EpochRule {
    /// The last epoch.
    Last,
    /// The epoch of the highest validation Top-1; of equals, the one of lower validation loss, then the earlier.
    #[default]
    BestValidation,
}

/// Where tensors live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// CUDA if there is a device, else the CPU.
    #[default]
    Auto,
    Cpu,
    Cuda(usize),
}

/// What a training step computes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    #[default]
    Fp32,
    /// Autocast: convolutions and matrix products in bf16, weights, statistics, loss and optimizer in f32. About twice as
    /// fast where the CPU or GPU has bf16 units. Where it has none, bf16 is emulated and takes about ten times as long.
    Bf16,
}

/// Which of LibTorch's CPU kernels compute. They decide the last bits of every result on a CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kernels {
    /// The fastest that the processor has. Another processor may compute other bits.
    #[default]
    Native,
    /// Those for AVX2, on every x86-64 processor that has AVX2, with the same bits (docs/repeatability.md). bf16 is emulated.
    Avx2,
    /// Those for SSE4.1, on every x86-64 processor, with the same bits. Several times as slow as the others.
    Portable,
}

impl Kernels {
    /// Every value, the fastest first.
    pub const ALL: [Self; 3] = [Self::Native, Self::Avx2, Self::Portable];

    /// Its name in experiment files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }

    /// Whether the processor decides.
    #[must_use]
    pub fn is_native(&self) -> bool {
        *self == Self::Native
    }
}

/// Which part of the pretrained weights stays as it is: no gradients, no optimizer state, no weight decay.
///
/// Frozen batch normalization uses its running statistics and keeps them, as in evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Freeze {
    /// Everything is trained.
    #[default]
    None,
    /// The first convolution and its batch normalization (`conv1` and `bn1` of a `ResNet`).
    Stem,
    /// Everything but the linear head (`fc` of a `ResNet`). Where an arm has no online transform and no mixing, the features of every
    /// image are computed once and the head is trained on them.
    AllButHead,
}

impl Freeze {
    /// Whether nothing is frozen.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// The optimizer, after PyTorch's definitions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    Sgd(Sgd),
    Adamw(AdamW),
}

/// Stochastic gradient descent with momentum (`torch.optim.SGD`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sgd {
    pub learning_rate: f64,
    pub momentum: f64,
    /// Coupled (L2) weight decay.
    pub weight_decay: f64,
    pub nesterov: bool,
}

impl Default for Sgd {
    fn default() -> Self {
        Self { learning_rate: 0.01, momentum: 0.9, weight_decay: 1e-4, nesterov: false }
    }
}

/// Adam with decoupled weight decay (`torch.optim.AdamW`; Loshchilov and Hutter 2019).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdamW {
    pub learning_rate: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub epsilon: f64,
    pub weight_decay: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        Self { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 1e-2 }
    }
}

/// How the learning rate changes. `warmup` is the share of the budget over which it rises linearly from zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    Constant(Constant),
    Step(Step),
    Cosine(Cosine),
}

impl Default for Schedule {
    fn default() -> Self {
        Self::Cosine(Cosine::default())
    }
}

/// The optimizer's rate throughout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Constant {
    /// Share of the budget, 0 to 1.
    pub warmup: f64,
}

/// Multiplied by `factor` every `every_epochs` epochs (`torch.optim.lr_scheduler.StepLR`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Step {
    pub every_epochs: u32,
    pub factor: f64,
    /// Share of the budget, 0 to 1.
    pub warmup: f64,
}

impl Default for Step {
    fn default() -> Self {
        Self { every_epochs: 40, factor: 0.1, warmup: 0.0 }
    }
}

/// Half a cosine over the updates after the warm-up, down to `floor` times the rate (Loshchilov and Hutter 2017).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cosine {
    /// Share of the initial rate that is left at the end, 0 to 1.
    pub floor: f64,
    /// Share of the budget, 0 to 1.
    pub warmup: f64,
}

/// Size of the network's input and how evaluation images reach it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Input {
    /// Width, px; the working width of `[ingest]` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width_px: Option<u32>,
    /// Height, px; the working height of `[ingest]` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height_px: Option<u32>,
    /// For evaluation, the shorter side is resized to this and the center is cropped to the input size (torchvision
    /// `Resize` then `CenterCrop`). If absent, the whole image is resized to the input size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eval_resize_px: Option<u32>,
}

/// A network that augtrial does not bring along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CustomNetwork {
    /// A folder that `tools/export_classifier.py` wrote: a scripted module and its manifest (docs/networks.md).
    Torchscript(String),
}

impl CustomNetwork {
    /// Its folder, from that of the experiment file.
    #[must_use]
    pub fn folder(&self) -> &str {
        let Self::Torchscript(folder) = self;
        folder
    }
}

/// `[classifier]`: what every arm is trained with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Classifier {
    /// One of the networks that augtrial brings along; `resnet18` if absent. Not beside `network`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<Architecture>,
    /// Any other network, from a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<CustomNetwork>,
    /// Safetensors file with the network's own parameter names; the head is re-made if its classes differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretrained: Option<String>,
    /// SHA-256 of the file of `pretrained`, as 64 hexadecimal digits: a file of another content is refused. Any file if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights_digest: Option<String>,
    /// What of the pretrained weights is left untrained.
    #[serde(default, skip_serializing_if = "Freeze::is_none")]
    pub freeze: Freeze,
    /// Learning rate of the linear head under the same schedule; the optimizer's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_learning_rate: Option<f64>,
    pub budget: Budget,
    #[serde(default = "default_batch_size")]
    pub batch_size: u32,
    #[serde(default)]
    pub epoch_rule: EpochRule,
    /// `eps` of label smoothing (Szegedy et al. 2016), 0 to 1.
    #[serde(default)]
    pub label_smoothing: f64,
    /// `"auto"`, `"cpu"` or `"cuda:N"`.
    #[serde(default)]
    #[schemars(with = "String", regex(pattern = r"^(auto|cpu|cuda(:\d+)?)$"))]
    pub device: Device,
    #[serde(default)]
    pub precision: Precision,
    /// CPU kernels, in training and in edits. `"native"` is fastest; `"avx2"` and `"portable"` give the same bits on
    /// different x86-64 processors, but for what docs/repeatability.md names.
    #[serde(default, skip_serializing_if = "Kernels::is_native")]
    pub kernels: Kernels,
    /// On a GPU: LibTorch's deterministic algorithms alone, so that a rerun gives the same bits; what has none is an error. A
    /// CPU is always deterministic.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deterministic: bool,
    /// Threads of one trial; all cores if absent. Results are bit-identical for equal thread counts only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
    #[serde(default)]
    pub input: Input,
    #[serde(default = "default_optimizer")]
    pub optimizer: Optimizer,
    #[serde(default)]
    pub schedule: Schedule,
    /// Online transforms that *every* arm shares, the control too, before an arm's own.
    #[serde(default)]
    pub transforms: Vec<Transform>,
    /// A trainer of your own instead of augtrial's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
}

fn default_batch_size() -> u32 {
    32
}

fn default_optimizer() -> Optimizer {
    Optimizer::Sgd(Sgd::default())
}

impl Classifier {
    /// The row of the network that is trained, if it is one of the table.
    #[must_use]
    pub fn row(&self) -> Option<&'static Network> {
        (self.network.is_none() && self.command.is_none()).then(|| self.architecture.unwrap_or_default().network())
    }

    /// The rate of the head before any schedule.
    #[must_use]
    pub fn head_rate(&self) -> f64 {
        self.head_learning_rate.unwrap_or_else(|| self.optimizer.learning_rate())
    }
}

impl Optimizer {
    /// The rate before any schedule.
    #[must_use]
    pub fn learning_rate(&self) -> f64 {
        match self {
            Self::Sgd(sgd) => sgd.learning_rate,
            Self::Adamw(adamw) => adamw.learning_rate,
        }
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl std::str::FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| format!("`{text}` is not a device: expected `auto`, `cpu` or `cuda:N`")),
        }
    }
}

impl Serialize for Device {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Device {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
