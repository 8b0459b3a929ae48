//! What `augtrial init` proposes for a data set: a study that can be run within an hour or so, whose design can show something.
//!
//! Rules of thumb, each said in the file that is written: seeds that let an exact test reach alpha (docs/statistics.md), a
//! margin of more than one test image, a test part of enough images, and a working size that keeps the pictures' shape.

use std::path::{Path, PathBuf};

use augtrial_base::numbers::{count, decimal};
use augtrial_base::words::plural;
use augtrial_data::ingest::Survey;
use augtrial_stats::pairs_to_reach;

/// Level of significance that the template has.
const ALPHA: f64 = 0.05;
/// Longer side of the proposed pictures, px: what two cores train on within minutes, and what ImageNet weights know.
const LONG_SIDE_PX: u32 = 96;
const PRETRAINED_SIDE_PX: u32 = 224;
/// Sides are multiples of this, and no smaller than the smallest that the networks take.
const SIDE_STEP_PX: u32 = 8;
const LEAST_SIDE_PX: u32 = 32;
/// Up to this longer side, px, a network for small images is proposed: others leave one value of such a picture.
const SMALL_SIDE_PX: u32 = 40;
/// Share of pictures of either orientation from which on a square serves both.
const MIXED_SHARE: f64 = 0.2;
/// Test images that are aimed at, and the shares that they may take.
const TEST_IMAGES: f64 = 90.0;
const TEST_SHARES: (f64, f64) = (0.2, 0.35);
const VALIDATION_SHARE: f64 = 0.15;
/// Margins that are proposed: the smallest that is worth this many test images.
const MARGINS: [f64; 5] = [0.01, 0.02, 0.03, 0.05, 0.1];
const MARGIN_IMAGES: f64 = 1.5;
/// Passes over the originals that a trial makes about, and the updates that it may take.
const PASSES: f64 = 30.0;
const PRETRAINED_PASSES: f64 = 12.0;
const UPDATES: (f64, f64) = (150.0, 3000.0);
/// The largest pictures that the bundled editor edits without loss.
const EDITOR_PX: (u32, u32) = (96, 72);

const TEMPLATE: &str = include_str!("template.toml");

/// Where the images come from, as an experiment file says it.
pub(super) enum Data {
    /// Rendered by augtrial.
    Rendered,
    /// A folder or a CSV file that was looked at; the path as the experiment file names it.
    Read { path: String, is_table: bool, survey: Box<Survey> },
}

/// What is known when a study is proposed.
pub(super) struct Known {
    /// Name of the study.
    pub(super) name: String,
    pub(super) data: Data,
    /// Network and path of weights to start from.
    pub(super) pretrained: Option<(&'static str, String)>,
    /// Path of the bundled editor, if it was found.
    pub(super) editor: Option<String>,
}

/// A proposed study.
#[derive(Debug, PartialEq)]
pub(super) struct Proposal {
    pub(super) size_px: (u32, u32),
    pub(super) seeds: usize,
    pub(super) delta: f64,
    /// Shares of validation and test; nothing where the data set prescribes its parts.
    pub(super) shares: Option<(f64, f64)>,
    pub(super) test_images: u64,
    pub(super) updates: u64,
    pub(super) batch_size: u32,
    pub(super) arms: Vec<&'static str>,
}

impl Proposal {
    /// A study of what is known.
    pub(super) fn of(known: &Known) -> Self {
        let size_px = size(&known.data, known.pretrained.is_some());
        let edited = known.editor.is_some() && size_px.0 <= EDITOR_PX.0 && size_px.1 <= EDITOR_PX.1;
        let mut arms = vec!["control", "repeated", "flip-and-crop"];
        arms.extend(edited.then_some("edited"));
        let seeds = pairs_to_reach(ALPHA, arms.len() - 1).unwrap_or(7);
        let (images, parts) = match &known.data {
            Data::Rendered => (600, None),
            Data::Read { survey, .. } => (survey.images(), survey.parts.as_ref()),
        };
        let of_parts = parts.map(|parts| parts.each_ref().map(|counts| counts.iter().sum::<u64>()));
        let (shares, train, test_images) = match of_parts {
            Some([train, _, test]) if test > 0 => (None, train, test),
            _ => {
                let test = twentieths((TEST_IMAGES / images as f64).clamp(TEST_SHARES.0, TEST_SHARES.1));
                let train = (images as f64 * (1.0 - test - VALIDATION_SHARE)) as u64;
                (Some((VALIDATION_SHARE, test)), train, (images as f64 * test).round() as u64)
            }
        };
        let batch_size = if train < 128 { 16 } else { 32 };
        let passes = if known.pretrained.is_some() { PRETRAINED_PASSES } else { PASSES };
        let updates = (passes * train as f64 / f64::from(batch_size)).clamp(UPDATES.0, UPDATES.1);
        let least = MARGIN_IMAGES / test_images.max(1) as f64;
        let delta = MARGINS.into_iter().find(|margin| *margin >= least).unwrap_or(MARGINS[MARGINS.len() - 1]);
        Self {
            size_px,
            seeds,
            delta,
            shares,
            test_images,
            updates: (updates / 50.0).round() as u64 * 50,
            batch_size,
            arms,
        }
    }

    /// The experiment file.
    pub(super) fn to_file(&self, known: &Known) -> String {
        let Self { size_px: (width, height), seeds, delta, test_images, updates, batch_size, .. } = self;
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let seed_list: Vec<String> = (1..=*seeds).map(|seed| seed.to_string()).collect();
        let contrasts = plural(self.arms.len() - 1, "contrast");
        let scratch = if (*width).max(*height) <= SMALL_SIDE_PX { "resnet20" } else { "resnet18" };
        let (network, rate) = known.pretrained.as_ref().map_or((scratch, "0.02"), |(network, _)| (*network, "0.001"));
        let replacements = [
            ("@NAME@", quoted(&known.name)),
            ("@TITLE@", quoted("Do flips and crops help?")),
            ("@SEEDS@", format!("[{}]", seed_list.join(", "))),
            ("@SEEDS_WHY@", format!("{seeds} let an exact test of {contrasts} reach alpha")),
            ("@DELTA@", delta.to_string()),
            (
                "@DELTA_WHY@",
                format!(
                    "{} points, where one of {} is worth {}",
                    decimal(100.0 * delta, 0),
                    plural(*test_images as usize, "test image"),
                    decimal(100.0 / (*test_images).max(1) as f64, 2)
                ),
            ),
            ("@DATASET@\n", dataset(&known.data)),
            ("@SIZE_WHY@", size_why(known, *width, *height)),
            ("@WIDTH@", width.to_string()),
            ("@HEIGHT@", height.to_string()),
            ("@SPLIT@\n", split(self.shares)),
            ("@NETWORK@", quoted(network)),
            ("@BATCH@", batch_size.to_string()),
            ("@UPDATES@", updates.to_string()),
            ("@PRETRAINED@\n", pretrained(known.pretrained.as_ref().map(|(_, path)| path.as_str()))),
            ("@RATE@", rate.to_owned()),
            ("@EDITED@\n", edited(known.editor.as_deref(), self.arms.contains(&"edited"))),
        ];
        replacements.iter().fold(TEMPLATE.to_owned(), |text, (mark, value)| text.replace(mark, value))
    }
}

/// To the nearest twentieth.
fn twentieths(share: f64) -> f64 {
    (share * 20.0).round() / 20.0
}

/// A working size of the pictures' own shape.
fn size(data: &Data, pretrained: bool) -> (u32, u32) {
    let Data::Read { survey, .. } = data else { return (64, 48) };
    let long = f64::from(if pretrained { PRETRAINED_SIDE_PX } else { LONG_SIDE_PX });
    let (width, height) = typical(survey).unwrap_or((4.0, 3.0));
    let longer = width.max(height);
    // Pictures are not enlarged, but for weights that know larger ones.
    let scale = if pretrained || longer > long { long / longer } else { 1.0 };
    let step = f64::from(SIDE_STEP_PX);
    let side = |side: f64| (((side * scale / step).round() * step) as u32).max(LEAST_SIDE_PX);
    (side(width), side(height))
}

/// Median width and height of the pictures; a square where both orientations are common.
fn typical(survey: &Survey) -> Option<(f64, f64)> {
    let median = |mut sides: Vec<u32>| {
        sides.sort_unstable();
        sides.get(sides.len() / 2).map(|side| f64::from(*side))
    };
    let (width, height) = (
        median(survey.sizes.iter().map(|size| size.0).collect())?,
        median(survey.sizes.iter().map(|size| size.1).collect())?,
    );
    let share = |of: fn(&(u32, u32)) -> bool| {
        survey.sizes.iter().filter(|size| of(size)).count() as f64 / survey.sizes.len() as f64
    };
    let mixed = share(|(w, h)| w > h) >= MIXED_SHARE && share(|(w, h)| w < h) >= MIXED_SHARE;
    Some(if mixed { (width.max(height), width.max(height)) } else { (width, height) })
}

/// What the pictures are like, and why they get this size.
fn size_why(known: &Known, width: u32, height: u32) -> String {
    let Data::Read { survey, .. } = &known.data else {
        return "Larger pictures cost time by their area.".to_owned();
    };
    let seen = typical(survey).map_or_else(
        || "No picture could be opened.".to_owned(),
        |(width, height)| format!("Yours are about {width:.0}x{height:.0} px."),
    );
    let cost = 224.0 * 224.0 / (f64::from(width) * f64::from(height));
    if known.pretrained.is_some() {
        format!("{seen} ImageNet weights were trained on 224x224.")
    } else {
        format!("{seen}\n# 224x224 may score higher, and takes about {cost:.0} times as long.")
    }
}

fn dataset(data: &Data) -> String {
    match data {
        Data::Rendered => {
            "# Where the images come from: [dataset.folder], [dataset.index], [dataset.csv], [dataset.parquet], or rendered images:\n\
             [dataset.synthetic]\nimages = 600\nwidth_px = 64\nheight_px = 48\n\n"
                .to_owned()
        }
        Data::Read { path, is_table, survey } => {
            let (least, most) =
                (survey.counts.iter().min().copied().unwrap_or(0), survey.counts.iter().max().copied().unwrap_or(0));
            let span = if least == most { least.to_string() } else { format!("{least} to {most}") };
            let quoted = toml::Value::String(path.clone()).to_string();
            let (kind, key) = if *is_table { ("csv", "file") } else { ("folder", "path") };
            format!(
                "# {} images of {} classes, {span} of each.\n[dataset.{kind}]\n{key} = {quoted}\n\n",
                count(survey.images()),
                survey.classes.len(),
            )
        }
    }
}

fn split(shares: Option<(f64, f64)>) -> String {
    shares.map_or_else(
        || {
            "# The data set prescribes its parts; validation is taken from train where there is none.\n\
            [split.given]\nvalidation_from_train = 0.15\n\n"
                .to_owned()
        },
        |(validation, test)| {
            format!(
                "[split.stratified]\nvalidation = {validation}\ntest = {test}\n\
                 group_near_duplicates = true # images that look alike stay in one part: docs/audit.md\n\n"
            )
        },
    )
}

fn pretrained(path: Option<&str>) -> String {
    path.map_or_else(
        || {
            "# pretrained = \"resnet18-imagenet.safetensors\" # how to get the file: docs/pretrained.md\n\
             # freeze = \"all-but-head\"   # what is not trained; or \"stem\"\n\
             # head_learning_rate = 0.01 # of the last layer; the optimizer's learning rate if absent\n\n"
                .to_owned()
        },
        |path| {
            format!(
                "pretrained = {}\nhead_learning_rate = 0.01 # of the last layer, which is new\n\
                 # freeze = \"all-but-head\"   # what is not trained; or \"stem\"\n\n",
                toml::Value::String(path.to_owned())
            )
        },
    )
}

/// An arm of the bundled editor, as a comment where the pictures are too large for it.
fn edited(bundle: Option<&str>, fits: bool) -> String {
    let Some(bundle) = bundle else { return "\n".to_owned() };
    let bundle = toml::Value::String(bundle.to_owned());
    let arm = format!(
        "[[arm]]\nname = \"edited\"\n\n[arm.edit.ip2p]\nbundle = {bundle}\nscheduler = \"euler\"\nsteps = 4\n\
         text_guidance = 1.0\nimage_guidance = 1.0\ninstructions = {{ \"*\" = [\"make it night\", \"make it sunset\", \
         \"put it in cold light\", \"make it darker\", \"make it brighter\", \"add fog\"] }}\n"
    );
    let (width, height) = EDITOR_PX;
    if fits {
        format!(
            "\n# One edit of every original by the small bundled editor; models/editor-small/CARD.md shows what it can do.\n{arm}\n"
        )
    } else {
        let lines = arm.lines().map(|line| format!("# {line}").trim_end().to_owned());
        let head = format!(
            "\n# The small bundled editor works at {width}x{height} px at most. At such a working size, this arm may be added:"
        );
        format!("{head}\n{}\n\n", lines.collect::<Vec<_>>().join("\n"))
    }
}

/// The bundled editor, in `models` of this folder, of one above it, or of one above the program.
pub(super) fn bundled_editor() -> Option<PathBuf> {
    let starts = [std::env::current_dir().ok(), std::env::current_exe().ok()];
    let above = starts.iter().flatten().flat_map(|start| start.ancestors());
    above.map(|folder| folder.join("models/editor-small")).find(|bundle| bundle.join("manifest.json").is_file())
}

/// A name for the study: the file's, or the data's where the file has the usual name.
pub(super) fn study_name(file: &Path, data: Option<&Path>) -> String {
    let stem = |path: &Path| path.file_stem().map(|stem| slug(&stem.to_string_lossy())).filter(|name| !name.is_empty());
    let own = stem(file).filter(|name| name != "experiment");
    own.or_else(|| stem(data?)).filter(|name| name != "latest").unwrap_or_else(|| "my-study".to_owned())
}

fn slug(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use augtrial_plan::Plan;
    use augtrial_plan::dataset::Dataset;

    fn survey(counts: &[u64], sizes: &[(u32, u32)]) -> Survey {
        let classes = (0..counts.len()).map(|index| format!("class-{index}")).collect();
        Survey { classes, counts: counts.to_vec(), sizes: sizes.to_vec(), ..Survey::default() }
    }

    fn known(survey: Survey) -> Known {
        Known {
            name: "photos".to_owned(),
            data: Data::Read { path: "photos".to_owned(), is_table: false, survey: Box::new(survey) },
            pretrained: None,
            editor: Some("models/editor-small".to_owned()),
        }
    }

    fn parsed(known: &Known) -> Plan {
        let text = Proposal::of(known).to_file(known);
        assert!(!text.contains('@'), "{text}");
        Plan::parse("proposal", &text, PathBuf::new(), &[]).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn photos_get_their_shape_enough_seeds_test_images_and_a_margin_of_more_than_one() {
        let known = known(survey(&[40; 6], &[(512, 384); 9]));
        let proposal = Proposal::of(&known);
        assert_eq!((proposal.size_px, proposal.seeds, proposal.delta), ((96, 72), 7, 0.02));
        assert_eq!((proposal.shares, proposal.test_images), (Some((0.15, 0.35)), 84));
        assert_eq!(proposal.arms.last(), Some(&"edited"));
        insta::assert_snapshot!(proposal.to_file(&known));
        assert_eq!(parsed(&known).arms.len(), 4);
    }

    #[test]
    fn every_proposal_is_a_valid_experiment() {
        let mut rendered = known(survey(&[40; 2], &[(512, 384)]));
        rendered.data = Data::Rendered;
        assert_eq!(parsed(&rendered).input_px(), (64, 48));
        let mixed = known(survey(&[9000; 3], &[(300, 400), (400, 300), (400, 300)]));
        assert_eq!(parsed(&mixed).input_px(), (96, 96));
        assert_eq!(parsed(&mixed).arms.len(), 3, "the editor takes no such size");
        let small = known(survey(&[12, 9], &[(28, 28)]));
        let plan = parsed(&small);
        assert_eq!((plan.input_px(), plan.classifier.row().map(|row| row.name)), ((32, 32), Some("resnet20")));
        let mut weights = known(survey(&[400; 5], &[(512, 384)]));
        weights.pretrained = Some(("resnet34", "weights.safetensors".to_owned()));
        let plan = parsed(&weights);
        assert_eq!(
            (plan.input_px(), plan.classifier.row().map(|network| network.name)),
            ((224, 168), Some("resnet34"))
        );
        let mut given = survey(&[50; 2], &[(64, 64)]);
        given.parts = Some([vec![40; 2], vec![0; 2], vec![10; 2]]);
        let given = known(given);
        assert_eq!((Proposal::of(&given).shares, Proposal::of(&given).delta), (None, 0.1));
        assert!(Proposal::of(&given).to_file(&given).contains("[split.given]"));
    }

    #[test]
    fn names_come_from_the_file_or_the_data() {
        let name = |file: &str, data: Option<&str>| study_name(Path::new(file), data.map(Path::new));
        assert_eq!(name("My Study.toml", None), "my-study");
        assert_eq!(name("experiment.toml", Some("/data/Trash_Net")), "trash-net");
        assert_eq!(name("experiment.toml", None), "my-study");
        assert_eq!(name("latest.toml", Some("\u{73bb}\u{7483}")), "my-study");
    }

    /// The TOML of a line that is only a comment.
    fn option(line: &str) -> Option<&str> {
        let text = line.strip_prefix("# ")?;
        let assigns = text.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
        (assigns || text.starts_with("[[") || text.starts_with("[arm")).then_some(text)
    }

    /// What a comment of the template offers must be what the tables have.
    #[test]
    fn what_the_template_offers_in_comments_exists() {
        let mut all = known(survey(&[40; 2], &[(512, 512)]));
        all.data = Data::Rendered;
        let text = Proposal::of(&all).to_file(&all);
        let offered = text.lines().filter(|line| option(line).is_some()).count();
        assert!(offered >= 7, "{offered}");
        let typed: Vec<_> = text.lines().map(|line| option(line).unwrap_or(line)).collect();
        let plan = Plan::parse("t", &typed.join("\n"), PathBuf::new(), &[]);
        plan.unwrap_or_else(|error| panic!("{error}"));

        let named: Vec<_> = text.split("[dataset.").skip(1).filter_map(|rest| rest.split(']').next()).collect();
        for row in Dataset::ROWS {
            assert!(named.contains(&row.name), "the template does not name [dataset.{}]", row.name);
        }
        assert!(named.iter().all(|name| Dataset::ROWS.iter().any(|row| row.name == *name)), "{named:?}");
    }
}
