//! The table of networks: all that is known of one without building it, one row each.
//!
//! Estimates of time and memory, checks, the JSON schema's help and the report's bibliography look up a row here;
//! `augtrial-torch` has a constructor for each and tests that it builds what the row says.

use std::borrow::Cow;
use std::fmt;

use augtrial_base::work::Work;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::classifier::Freeze;

/// One network.
#[derive(Debug)]
pub struct Network {
    /// As in experiment files and run records.
    pub name: &'static str,
    /// As in prose.
    pub title: &'static str,
    /// What it is, in one line.
    pub help: &'static str,
    /// Multiply-adds of one forward pass of a 224 x 224 image, in 1e9.
    pub forward_gmacs: f64,
    /// Trained values, with a head for 1000 classes.
    pub parameters: u64,
    /// Bytes of all layers' outputs per pixel of the input, in fp32: what a forward pass keeps for the backward pass.
    pub output_bytes_per_pixel: u64,
    /// By how much it shrinks an image before the global pooling: one of at most this size leaves one value per channel.
    pub stride_px: u32,
    /// Stages after which hidden values can be mixed; 0 is the input.
    pub stages: u32,
    /// Smallest side of an image that it takes.
    pub least_input_px: u32,
    /// Modules of the stem, which [`Freeze::Stem`] keeps as they are; none if it has no stem.
    pub stem: &'static [&'static str],
    /// Modules of the head: made anew for other classes, and all that [`Freeze::AllButHead`] trains.
    pub head: &'static [&'static str],
    /// What its input is normalized by.
    pub normalization: Normalization,
    /// Where it comes from.
    pub work: Work,
}

/// What estimates of time and memory, and the check of a lone image, ask of a network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Traits {
    /// Multiply-adds of one forward pass of a 224 x 224 image, in 1e9.
    pub forward_gmacs: f64,
    /// Trained values.
    pub parameters: u64,
    /// Bytes that a forward pass keeps for the backward pass, per pixel of the input, in fp32.
    pub output_bytes_per_pixel: u64,
    /// A lone image of at most this side leaves batch normalization one value per channel.
    pub lone_image_px: u32,
}

/// What the values of each channel, R G B, in 0 to 1 are normalized by: `(value - mean) / deviation`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalization {
    pub mean: [f32; 3],
    pub deviation: [f32; 3],
}

impl Normalization {
    /// ImageNet's (torchvision, `ImageClassification` presets).
    pub const IMAGENET: Self = Self { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };
    /// `(byte - 127) / 128`: TensorFlow's EfficientNet-Lite (`efficientnet_lite_builder.py`).
    pub const EFFICIENTNET_LITE: Self = Self { mean: [127.0 / 255.0; 3], deviation: [128.0 / 255.0; 3] };
}

/// Every network.
///
/// Multiply-adds: He et al. 2016, table 1. Parameters: torchvision's documentation. Outputs: torchsummary's
/// "forward/backward pass size" at 224 x 224 (62.79, 96.29 and 286.56 MiB), of which the forward half is kept. Those of networks
/// for small images are counted in the same way.
pub static NETWORKS: [Network; ROWS.len()] = ROWS;

const ROWS: [Network; 6] = [
    Network {
        name: "resnet18",
        title: "ResNet-18",
        help: "Residual network of 18 layers (He et al. 2016): the default.",
        forward_gmacs: 1.8,
        parameters: 11_689_512,
        output_bytes_per_pixel: 656,
        ..RESIDUAL
    },
    Network {
        name: "resnet34",
        title: "ResNet-34",
        help: "Residual network of 34 layers (He et al. 2016): about twice the time of `resnet18`.",
        forward_gmacs: 3.6,
        parameters: 21_797_672,
        output_bytes_per_pixel: 1006,
        ..RESIDUAL
    },
    Network {
        name: "resnet50",
        title: "ResNet-50",
        help: "Residual network of 50 layers with bottlenecks (He et al. 2016): more memory, 2048 features an image.",
        forward_gmacs: 4.1,
        parameters: 25_557_032,
        output_bytes_per_pixel: 2994,
        ..RESIDUAL
    },
    Network {
        name: "resnet20",
        title: "ResNet-20",
        help: "Residual network of 20 layers for images of some 32 px (He et al. 2016, section 4.2): 0.3 M weights.",
        forward_gmacs: 2.0,
        parameters: 336_824,
        output_bytes_per_pixel: 2640,
        ..SMALL
    },
    Network {
        name: "resnet56",
        title: "ResNet-56",
        help: "Residual network of 56 layers for images of some 32 px (He et al. 2016, section 4.2): three times the time of `resnet20`.",
        forward_gmacs: 6.2,
        parameters: 920_120,
        output_bytes_per_pixel: 7344,
        ..SMALL
    },
    Network {
        name: "efficientnet-lite0",
        title: "EfficientNet-Lite0",
        help: "EfficientNet-Lite0 (Tan and Le 2019): small and fast; `augtrial weights fetch` gets its ImageNet weights.",
        // TensorFlow's table of EfficientNet-Lite: 407 M multiply-adds, 4.7 M parameters. Outputs: measured as tools/
        // export_classifier.py does, of the package efficientnet-lite-pytorch 0.1.0.
        forward_gmacs: 0.407,
        parameters: 4_652_008,
        output_bytes_per_pixel: 1642,
        stride_px: 32,
        stages: 8,
        least_input_px: 32,
        stem: &["_conv_stem", "_bn0"],
        head: &["_fc"],
        normalization: Normalization::EFFICIENTNET_LITE,
        work: Work {
            key: "tan2019",
            kind: "inproceedings",
            authors: "Tan, Mingxing and Le, Quoc V.",
            title: "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
            venue: "International Conference on Machine Learning",
            year: 2019,
        },
    },
];

/// What residual networks share.
const RESIDUAL: Network = Network {
    name: "",
    title: "",
    help: "",
    forward_gmacs: 0.0,
    parameters: 0,
    output_bytes_per_pixel: 0,
    stride_px: 32,
    stages: 4,
    // Five halvings leave a pixel of it.
    least_input_px: 32,
    stem: &["conv1", "bn1"],
    head: &["fc"],
    normalization: Normalization::IMAGENET,
    work: Work {
        key: "he2016",
        kind: "inproceedings",
        authors: "He, Kaiming and Zhang, Xiangyu and Ren, Shaoqing and Sun, Jian",
        title: "Deep Residual Learning for Image Recognition",
        venue: "IEEE Conference on Computer Vision and Pattern Recognition",
        year: 2016,
    },
};

/// What residual networks for small images share: their stem keeps the size, and two of three stages halve it.
const SMALL: Network = Network { stride_px: 4, stages: 3, least_input_px: 8, ..RESIDUAL };

/// The names, for messages about a name that is none of them.
static NAMES: [&str; ROWS.len()] = {
    let mut names = [""; ROWS.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = ROWS[index].name;
        index += 1;
    }
    names
};

impl Network {
    /// Whether it has the part that `freeze` keeps as it is, or, of [`Freeze::AllButHead`], the part that is trained.
    #[must_use]
    pub fn can_freeze(&self, freeze: Freeze) -> bool {
        match freeze {
            Freeze::None => true,
            Freeze::Stem => !self.stem.is_empty(),
            Freeze::AllButHead => !self.head.is_empty(),
        }
    }

    /// What estimates ask of it.
    #[must_use]
    pub fn traits(&self) -> Traits {
        Traits {
            forward_gmacs: self.forward_gmacs,
            parameters: self.parameters,
            output_bytes_per_pixel: self.output_bytes_per_pixel,
            lone_image_px: self.stride_px,
        }
    }
}

/// The network that an experiment names: a row of [`NETWORKS`], written as its name.
#[derive(Clone, Copy)]
pub struct Architecture(&'static Network);

impl Architecture {
    /// The network of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        NETWORKS.iter().find(|network| network.name == name).map(Self)
    }

    /// Every network, in the table's order.
    pub fn all() -> impl Iterator<Item = Self> {
        NETWORKS.iter().map(Self)
    }

    /// The name in experiment files.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// What is known of it.
    #[must_use]
    pub fn network(self) -> &'static Network {
        self.0
    }
}

impl Default for Architecture {
    fn default() -> Self {
        Self(&NETWORKS[0])
    }
}

impl PartialEq for Architecture {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Architecture {}

impl fmt::Debug for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Architecture {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Architecture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::named(&name).ok_or_else(|| serde::de::Error::unknown_variant(&name, &NAMES))
    }
}

impl JsonSchema for Architecture {
    fn schema_name() -> Cow<'static, str> {
        "Architecture".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        let row = |network: &Network| {
            json_schema!({ "type": "string", "const": network.name, "description": network.help }) //
        };
        json_schema!({
            "oneOf": NETWORKS.iter().map(row).collect::<Vec<_>>(),
            "description": "Which network is trained.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_is_read_and_written_by_its_name() {
        for architecture in Architecture::all() {
            let text = serde_json::to_string(&architecture).unwrap();
            assert_eq!(text, format!("\"{}\"", architecture.name()));
            assert_eq!(serde_json::from_str::<Architecture>(&text).unwrap(), architecture);
        }
        assert_eq!(Architecture::all().count(), NETWORKS.len());
        assert_eq!(Architecture::default().name(), "resnet18");
    }

    #[test]
    fn a_name_that_is_none_is_refused_with_those_that_are() {
        let error = serde_json::from_str::<Architecture>("\"resnet19\"").unwrap_err().to_string();
        assert!(
            error.contains(
                "unknown variant `resnet19`, expected one of `resnet18`, `resnet34`, `resnet50`, `resnet20`, `resnet56`, `efficientnet-lite0`"
            ),
            "{error}"
        );
    }

    #[test]
    fn names_are_unique_and_no_row_is_left_unfilled() {
        for (index, network) in NETWORKS.iter().enumerate() {
            assert!(NETWORKS[..index].iter().all(|other| other.name != network.name), "{}", network.name);
            assert!(!network.title.is_empty() && !network.help.is_empty(), "{}", network.name);
            assert!(network.forward_gmacs > 0.0 && network.parameters > 0 && network.output_bytes_per_pixel > 0);
            assert!(network.stride_px > 0 && network.least_input_px > 0);
        }
    }

    #[test]
    fn a_network_without_a_stem_has_none_to_freeze() {
        let bare = Network { stem: &[], ..RESIDUAL };
        assert!(bare.can_freeze(Freeze::None) && bare.can_freeze(Freeze::AllButHead) && !bare.can_freeze(Freeze::Stem));
    }
}
