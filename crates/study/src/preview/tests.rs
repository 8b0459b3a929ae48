//! Odd experiment files, taken as far as `augtrial plan` takes them.

use std::fs;
use std::path::Path;

use image::RgbImage;
use proptest::collection::vec;
use proptest::prop_assert;

use super::preview;
use crate::Options;
use crate::data::tests::within;
use augtrial_base::testing::fuzz;
use augtrial_plan::Plan;
use augtrial_plan::testing::Edit;

/// Most of what an experiment file can say, over a folder of a few small pictures.
const EXPERIMENT: &str = r#"
[study]
name = "odd"
seed = 7
seeds = [1, 2]
alpha = 0.05
delta = 0.02
[dataset.folder]
path = "photos"
[ingest]
width_px = 16
height_px = 12
[split.stratified]
validation = 0.25
test = 0.25
[classifier]
architecture = "resnet18"
batch_size = 8
budget = { updates = 4 }
epoch_rule = "best-validation"
label_smoothing = 0.1
threads = 1
input = { width_px = 32, height_px = 32 }
[classifier.optimizer.sgd]
learning_rate = 0.02
momentum = 0.9
weight_decay = 5e-4
[classifier.schedule.cosine]
warmup = 0.05
[[arm]]
name = "control"
role = "control"
[[arm]]
name = "repeated"
repeat = 2
[[arm]]
name = "copies"
offline = [{ copies = 2, apply = [{ rotation = { degrees = 20.0 } }, { gaussian_noise = {} }] }]
[[arm]]
name = "online"
online = [{ horizontal_flip = {} }, { random_crop = { padding_px = 2 } }]
mix = { mixup = {} }
[[contrast]]
treatment = "copies"
control = "control"
"#;

fn photos(folder: &Path) {
    for class in ["glass", "cardboard"] {
        fs::create_dir_all(folder.join(class)).unwrap();
        for number in 0..8_u8 {
            let shade = image::Rgb([number * 20, class.len() as u8 * 20, 90]);
            RgbImage::from_pixel(16, 12, shade).save(folder.join(class).join(format!("{number}.png"))).unwrap();
        }
    }
}

#[test]
fn no_change_of_an_experiment_makes_its_preview_panic_or_end_without_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    photos(&folder.path().join("photos"));
    let runs = folder.path().join("runs");
    let parse = |text: &str| Plan::parse("odd.toml", text, folder.path().to_owned(), &[]);
    let look = |plan: &Plan| within(&runs, |context| preview(plan, &Options::default(), context)).0;
    let sound = parse(EXPERIMENT).unwrap_or_else(|error| panic!("{error}"));
    look(&sound).unwrap();

    fuzz("changed experiments, as far as the plan", 60, &vec(Edit::any(), 1..4), |edits| {
        let Ok(plan) = parse(&Edit::all(&edits, EXPERIMENT)) else { return Ok(()) };
        match look(&plan) {
            Ok(preview) => prop_assert!(!preview.arms.is_empty() && preview.trials.len() % preview.arms.len() == 0),
            Err(error) => prop_assert!((1..20_000).contains(&error.to_string().len()), "{error}"),
        }
        Ok(())
    });
}

#[test]
fn the_most_seeds_are_looked_at_in_seconds() {
    let folder = tempfile::tempdir().unwrap();
    photos(&folder.path().join("photos"));
    let runs = folder.path().join("runs");
    let seeds: Vec<u64> = (0..10_000).collect();
    let text = EXPERIMENT.replace("seeds = [1, 2]", &format!("seeds = {seeds:?}"));
    let plan = Plan::parse("odd.toml", &text, folder.path().to_owned(), &[]).unwrap();
    let begin = std::time::Instant::now();
    let preview = within(&runs, |context| preview(&plan, &Options::default(), context)).0.unwrap();
    assert_eq!(preview.trials.len(), 40_000);
    // A second or two by itself; a loaded machine may take longer.
    assert!(begin.elapsed().as_secs() < 30, "{:?}", begin.elapsed());
}
