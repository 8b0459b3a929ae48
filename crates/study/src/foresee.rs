//! What would fail, or mislead, only hours after a study was started, seen before: files and folders that are not there, weights
//! that do not fit, a device that is missing, batches, parts and sizes that do not work out.

use serde::Serialize;

use super::WorkerProgram;
use super::data::Division;
use super::key::pretrained;
use super::{StudyData, preview::ArmPreview};
use augtrial_augment::edit::{self, Size};
use augtrial_base::events::Split;
use augtrial_base::numbers::decimal;
use augtrial_base::words::{chain, plural};
use augtrial_data::extract::look;
use augtrial_data::ingest::survey;
use augtrial_data::source::Source;
use augtrial_plan::Plan;
use augtrial_plan::arm::{Arm, Edit};
use augtrial_plan::classifier::Device;
use augtrial_plan::dataset::Dataset;
use augtrial_plan::file::Contrast;

/// A shorter side of the input below which pretrained weights see little of what they were trained on.
const LEAST_PRETRAINED_PX: u32 = 112;
/// Test images of a class below which one of them weighs much.
const FEW_TEST_IMAGES: u64 = 5;

/// Something that was foreseen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Foreseen {
    /// Whether the study cannot be run to its end as things are.
    pub fails: bool,
    /// What it is, and what to do.
    pub text: String,
    /// Where to read more.
    pub docs: &'static str,
}

impl Foreseen {
    fn failure(text: String, docs: &'static str) -> Self {
        Self { fails: true, text, docs }
    }

    fn warning(text: String, docs: &'static str) -> Self {
        Self { fails: false, text, docs }
    }
}

/// What can be seen of a plan and this machine without reading the data.
#[must_use]
pub fn foresee(plan: &Plan, worker: Option<&WorkerProgram>) -> Vec<Foreseen> {
    let mut found = data(plan);
    found.extend(foresee_beside_data(plan, worker));
    found
}

/// The same of all but the data.
pub(super) fn foresee_beside_data(plan: &Plan, worker: Option<&WorkerProgram>) -> Vec<Foreseen> {
    let mut found = weights(plan, worker);
    found.extend(device(plan, worker));
    found.extend(plan.doubts().into_iter().map(|doubt| Foreseen::warning(doubt, "docs/reference.md, Transforms")));
    for arm in &plan.arms {
        found.extend(editor(plan, arm));
    }
    found.extend(unequal_tuning(plan));
    found
}

/// Contrasts of a treatment that was tuned with a control that was not.
fn unequal_tuning(plan: &Plan) -> Vec<Foreseen> {
    let unequal = plan.contrasts.iter().filter_map(|contrast| {
        let keys = plan.tuned_for_alone(&contrast.treatment, &contrast.control);
        let first = keys.first()?;
        let Contrast { treatment, control } = contrast;
        Some(Foreseen::warning(
            format!(
                "`{first}` is tuned for arm `{treatment}`, and nothing for its control `{control}`: a gain may come from the search \
                 alone; tune a key of both, such as the learning rate"
            ),
            "docs/designs.md, Equal tuning",
        ))
    });
    unequal.collect()
}

/// The data set: there, and listed as the plan says.
fn data(plan: &Plan) -> Vec<Foreseen> {
    let docs = "docs/reference.md, Data sources";
    if let Dataset::Parquet(parquet) = &plan.dataset {
        let looked = look(&plan.resolve_path(&parquet.path), parquet);
        return looked
            .err()
            .map(|error| Foreseen::failure(format!("the data set: {}", chain(&error)), docs))
            .into_iter()
            .collect();
    }
    let Some(source) = Source::from_plan(plan) else { return Vec::new() };
    match survey(&source, plan.ingest.max_pixels) {
        Err(error) => vec![Foreseen::failure(format!("the data set: {}", chain(&error)), docs)],
        Ok(found) => {
            let empty = found.classes.iter().zip(&found.counts).filter(|(_, count)| **count == 0);
            let message = |(class, _): (&String, &u64)| {
                Foreseen::failure(format!("class `{class}` has no image: add some, or remove the class"), docs)
            };
            empty.map(message).collect()
        }
    }
}

/// Pretrained weights: there, of the right layers and shapes, and given pictures of a size that they know.
fn weights(plan: &Plan, worker: Option<&WorkerProgram>) -> Vec<Foreseen> {
    let docs = "docs/pretrained.md";
    let Some(file) = &plan.classifier.pretrained else { return Vec::new() };
    let path = plan.resolve_path(file);
    let mut found = Vec::new();
    let problem = if path.is_file() {
        // Those of a network from a file are inside it.
        pretrained(plan).err().map(|error| chain(&error)).or_else(|| {
            let (worker, network) = worker.zip(plan.classifier.architecture)?;
            worker.check_weights(network, &path).err()
        })
    } else {
        Some(format!("the pretrained weights {} are not there", path.display()))
    };
    found.extend(problem.map(|problem| Foreseen::failure(problem, docs)));
    let (width, height) = plan.input_px();
    if width.min(height) < LEAST_PRETRAINED_PX {
        found.push(Foreseen::warning(
            format!(
                "the network sees pictures of {width}x{height} px, and ImageNet weights were trained on 224x224: they help \
                 more at `[ingest]` sizes of {LEAST_PRETRAINED_PX} px and above"
            ),
            docs,
        ));
    }
    found
}

/// A device that is asked for by name.
fn device(plan: &Plan, worker: Option<&WorkerProgram>) -> Option<Foreseen> {
    if matches!(plan.classifier.device, Device::Auto | Device::Cpu) {
        return None;
    }
    let problem = worker?.setup(plan.classifier.device).err()?;
    Some(Foreseen::failure(
        format!("{problem}; `device = \"auto\"` takes what is there, and `augtrial doctor` shows it"),
        "README.md, LibTorch",
    ))
}

/// The editor of an arm: its bundle or table is there, and the pictures have a size that it was trained for.
fn editor(plan: &Plan, arm: &Arm) -> Option<Foreseen> {
    let docs = "docs/ip2p.md";
    match arm.edit.as_ref()? {
        Edit::Ip2p(ip2p) => {
            let folder = plan.resolve_path(&ip2p.bundle);
            match edit::Bundle::open_pinned(&folder, ip2p.bundle_digest.as_deref()) {
                Err(error) => Some(Foreseen::failure(format!("arm `{}`: {}", arm.name, chain(&error)), docs)),
                Ok(found) => {
                    let Size { width, height } = found.manifest().working_px?;
                    let (own_width, own_height) = (plan.ingest.width_px, plan.ingest.height_px);
                    let text = format!(
                        "arm `{}`: its editor works at {width}x{height} px at most; pictures of {own_width}x{own_height} px are reduced, \
                     edited and enlarged again, so edited copies are blurred and others are not",
                        arm.name
                    );
                    (own_width > width || own_height > height).then(|| Foreseen::warning(text, docs))
                }
            }
        }
        Edit::Folder(folder) => {
            let path = plan.resolve_path(&folder.table);
            let text = format!("arm `{}`: the table of edits {} is not there", arm.name, path.display());
            (!path.is_file()).then(|| Foreseen::failure(text, docs))
        }
    }
}

/// What can be seen once the data are read and divided.
pub(super) fn foresee_with(plan: &Plan, data: &StudyData, arms: &[ArmPreview]) -> Vec<Foreseen> {
    let mut found: Vec<Foreseen> = arms.iter().filter_map(|arm| lone_sample(plan, arm)).collect();
    if let Division::BySource(partition) = &data.division {
        let parts = [
            (Split::Train, data.class_counts(partition.train.sources().iter())),
            (Split::Validation, data.class_counts(partition.validation.images())),
            (Split::Test, data.class_counts(partition.test.images())),
        ];
        found.extend(parts.iter().filter_map(|(part, counts)| absent(&data.manifest.classes, *part, counts)));
        found.extend(few(&data.manifest.classes, &parts[2].1));
        found.extend(margin(plan, parts[2].1.iter().sum()));
    }
    found.extend(
        arms.iter()
            .flat_map(|arm| &arm.sets)
            .filter_map(|set| set.problem.clone())
            .map(|problem| Foreseen::failure(problem, "docs/ip2p.md")),
    );
    found
}

/// Where it is said what test images decide.
const FEW_DOCS: &str = "docs/scope.md";

/// The last batch of a pass that holds a single sample which the network shrinks to one value a channel.
fn lone_sample(plan: &Plan, arm: &ArmPreview) -> Option<Foreseen> {
    let samples: u64 = arm.counts.iter().sum();
    let batch = u64::from(plan.classifier.batch_size);
    let (width, height) = plan.input_px();
    // How a command batches and fits images is its own affair.
    let trains = plan.classifier.command.is_none();
    let alone = samples % batch == 1 && width.max(height) <= plan.network_traits().lone_image_px;
    (trains && alone).then(|| {
        Foreseen::failure(
            format!(
                "arm `{}`: {samples} images in batches of {batch} leave a last batch of one, which batch normalization cannot \
                 use at {width}x{height} px; choose another `batch_size`, such as {}",
                arm.name,
                (2..batch).rev().find(|other| samples % other != 1).unwrap_or(2)
            ),
            "docs/reference.md",
        )
    })
}

/// Classes without an image in a part.
fn absent(classes: &[String], part: Split, counts: &[u64]) -> Option<Foreseen> {
    let names: Vec<&str> =
        classes.iter().zip(counts).filter(|(_, count)| **count == 0).map(|(class, _)| class.as_str()).collect();
    (!names.is_empty()).then(|| {
        Foreseen::warning(
            format!(
                "no image of {} is in the {} part: add images, or give that part a larger share in [split]",
                names.join(", "),
                part.name()
            ),
            FEW_DOCS,
        )
    })
}

/// Classes with few test images.
fn few(classes: &[String], counts: &[u64]) -> Option<Foreseen> {
    let names: Vec<String> = classes
        .iter()
        .zip(counts)
        .filter(|(_, count)| (1..FEW_TEST_IMAGES).contains(*count))
        .map(|(class, count)| format!("{class} ({count})"))
        .collect();
    (!names.is_empty()).then(|| {
        Foreseen::warning(
            format!(
                "few test images of {}: their accuracy is known only roughly; raise `test` in [split]",
                names.join(", ")
            ),
            FEW_DOCS,
        )
    })
}

/// A margin that is smaller than a test image.
fn margin(plan: &Plan, images: u64) -> Option<Foreseen> {
    let delta = plan.study.delta;
    (images > 0 && delta * (images as f64) < 1.0).then(|| {
        Foreseen::warning(
            format!(
                "the margin of {} points is less than one of {} is worth ({} points); raise `delta`, or `test` in [split]",
                decimal(100.0 * delta, 2),
                plural(images as usize, "test image"),
                decimal(100.0 / images as f64, 2)
            ),
            "docs/statistics.md",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(data: &str, classifier: &str, arm: &str) -> Plan {
        let text = format!(
            "[study]\nname = \"s\"\nseeds = [1]\ndelta = 0.01\n{data}\n[ingest]\nwidth_px = 64\nheight_px = 48\n\
             [classifier]\n{classifier}\n[classifier.budget]\nepochs = 1\n[[arm]]\nname = \"c\"\nrole = \"control\"\n{arm}"
        );
        Plan::parse("test", &text, std::path::PathBuf::new(), &[]).unwrap()
    }

    const RENDERED: &str = "[dataset.synthetic]\nimages = 60";

    #[test]
    fn what_is_not_there_is_foreseen_with_where_to_read_more() {
        assert_eq!(foresee(&plan(RENDERED, "", ""), None), []);
        let arm = "[[arm]]\nname = \"e\"\n[arm.edit.ip2p]\nbundle = \"no/bundle\"\ninstructions = { \"*\" = [\"x\"] }\n\
                   [[arm]]\nname = \"f\"\n[arm.edit.folder]\ntable = \"no/table.csv\"\n";
        let all = plan("[dataset.folder]\npath = \"no/photos\"", "pretrained = \"no/weights.safetensors\"", arm);
        let found = foresee(&all, None);
        let fails: Vec<&str> = found.iter().filter(|one| one.fails).map(|one| one.docs).collect();
        let docs = ["docs/reference.md, Data sources", "docs/pretrained.md", "docs/ip2p.md", "docs/ip2p.md"];
        assert_eq!(fails, docs, "{found:#?}");
        let small = found.iter().find(|one| !one.fails).unwrap();
        assert!(small.text.contains("64x48"), "pictures too small for the weights: {}", small.text);
    }

    #[test]
    fn parts_without_a_class_few_images_and_a_margin_below_one_are_warned_of() {
        let classes = ["glass", "paper", "trash"].map(str::to_owned);
        let absent = absent(&classes, Split::Validation, &[3, 0, 0]).unwrap();
        assert!(absent.text.contains("paper, trash is in the validation part"), "{}", absent.text);
        let few = few(&classes, &[5, 4, 0]).unwrap();
        assert!(few.text.contains("paper (4)") && !few.text.contains("glass"), "{}", few.text);
        let plan = plan(RENDERED, "", "");
        assert!(margin(&plan, 99).unwrap().text.contains("(1.01 points)"));
        assert_eq!(margin(&plan, 100), None);
    }

    #[test]
    fn a_batch_of_one_is_foreseen_where_one_value_a_channel_is_left() {
        let arm = |images: u64| ArmPreview {
            name: "c".to_owned(),
            role: augtrial_plan::arm::Role::Control,
            counts: vec![images],
            epochs: 1,
            updates: 1,
            samples: images,
            sets: Vec::new(),
        };
        let small = plan(RENDERED, "batch_size = 13\ninput = { width_px = 32, height_px = 32 }", "");
        let alone = lone_sample(&small, &arm(144)).unwrap();
        assert!(alone.fails && alone.text.contains("such as 12"), "{}", alone.text);
        assert_eq!(lone_sample(&small, &arm(143)), None);
        assert_eq!(lone_sample(&plan(RENDERED, "batch_size = 13", ""), &arm(144)), None, "larger pictures leave more");

        // A network from a file says itself what it makes of small images.
        let folder = tempfile::tempdir().unwrap();
        let manifest = include_str!("../fixtures/network.json");
        std::fs::write(folder.path().join("manifest.json"), manifest).unwrap();
        std::fs::write(folder.path().join("network.pt"), b"module").unwrap();
        let network = format!("batch_size = 13\nnetwork = {{ torchscript = '{}' }}", folder.path().display());
        let of_file = plan(RENDERED, &network, "");
        assert!(lone_sample(&of_file, &arm(144)).is_some(), "64x48 px are one value a channel for this network");
        assert_eq!(lone_sample(&of_file, &arm(143)), None);
    }
}
