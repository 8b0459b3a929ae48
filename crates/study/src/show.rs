//! What the transforms of an arm make of some images, to look at: `augtrial show`.
//!
//! Offline copies are those of the arm's sets, from the same streams. Online, a row shows the passes of the first seed as if
//! the image stood at its place in the data set.

use augtrial_augment::{Augmenter as _, Batch, Mixer, Pipeline};
use augtrial_base::digest::Digest;
use augtrial_base::seed::Purpose;
use augtrial_base::words::nearest;
use augtrial_data::manifest::ImageRecord;
use augtrial_plan::Plan;
use augtrial_plan::arm::Arm;
use augtrial_plan::transform::traced;
use augtrial_report::SheetPicture;
use image::RgbImage;
use rand::seq::SliceRandom as _;

use super::prepared::{Draws, Prepared};
use super::{Context, Options, StudyError, trials};

/// Item of the stream `Purpose::Gallery`.
const DRAW_SHOWN: u64 = 2;

/// What to look at.
#[derive(Clone, Debug)]
pub struct ShowOptions {
    /// Names of arms; empty: all that transform.
    pub arms: Vec<String>,
    /// Paths of images below the data set's folder; empty: one of each class, drawn by the study's seed.
    pub images: Vec<String>,
    /// Pictures of each image and step.
    pub copies: u32,
}

/// Pictures in rows: the original, then what was made of it.
#[derive(Clone, Debug)]
pub struct ShownArm {
    pub cells: Vec<SheetPicture>,
    pub columns: u32,
    /// What cannot be shown, one sentence each.
    pub left_out: Vec<String>,
}

/// Applies the transforms of arms to images.
///
/// # Errors
/// An arm or an image that does not exist, an arm without transforms, and whatever reading the data gives.
pub fn show(plan: &Plan, of: &ShowOptions, context: &Context<'_>) -> Result<ShownArm, StudyError> {
    let options = Options { arms: of.arms.clone(), ..Options::default() };
    options.check(plan)?;
    // Where sets are redrawn, those of the first seed are as good as any.
    let draws = Draws::read(plan, context)?;
    let prepared = draws.first();
    let images = chosen(prepared, &of.images)?;
    let mut shown = ShownArm { cells: Vec::new(), columns: of.copies + 1, left_out: Vec::new() };
    for arm in prepared.arms(&options) {
        let ways = ways(plan, arm);
        shown.left_out.extend(left_out(arm));
        if ways.is_empty() && arm.mix.is_none() && !of.arms.is_empty() {
            let problem = "it transforms no image, so there is nothing to show".to_owned();
            return Err(StudyError::Arm { arm: arm.name.clone(), problem });
        }
        for way in &ways {
            for &(index, image) in &images {
                way.fill_row(prepared, arm, (index, image), of.copies, &mut shown.cells)?;
            }
        }
        mixed_rows(prepared, arm, &images, of.copies, &mut shown.cells)?;
    }
    if shown.cells.is_empty() {
        let problem = "no arm of the study transforms images, so there is nothing to show".to_owned();
        return Err(StudyError::Arm { arm: plan.arms[0].name.clone(), problem });
    }
    Ok(shown)
}

/// One way in which an arm transforms: an offline step, or what is online.
struct Way {
    name: String,
    pipeline: Pipeline,
    recipe: Digest,
    online: bool,
}

fn ways(plan: &Plan, arm: &Arm) -> Vec<Way> {
    let offline = arm.offline.iter().enumerate().map(|(number, step)| Way {
        name: format!("offline {}", number + 1),
        pipeline: Pipeline::new(&step.apply),
        recipe: step.digest(),
        online: false,
    });
    let (transforms, recipe) = trials::online(plan, arm);
    let online = (!transforms.is_empty()).then(|| Way {
        name: "online".to_owned(),
        pipeline: Pipeline::new(&transforms),
        recipe,
        online: true,
    });
    offline.chain(online).collect()
}

fn left_out(arm: &Arm) -> Vec<String> {
    let edit =
        arm.edit.as_ref().map(|_| format!("arm {}: edits are shown by `augtrial edit` and in the report", arm.name));
    let features = arm.features.as_ref().map(|_| format!("arm {}: samples made of features are no pictures", arm.name));
    edit.into_iter().chain(features).collect()
}

/// What mixing makes of the images as one batch, after the online transforms: a row for each image, a column for each pass.
fn mixed_rows(
    prepared: &Prepared<'_>,
    arm: &Arm,
    images: &[(usize, &ImageRecord)],
    copies: u32,
    cells: &mut Vec<SheetPicture>,
) -> Result<(), StudyError> {
    let Some(mix) = &arm.mix else { return Ok(()) };
    let plan = prepared.plan;
    let (transforms, recipe) = trials::online(plan, arm);
    let (pipeline, mixer, seed) = (Pipeline::new(&transforms), Mixer::new(mix), plan.study.seeds[0]);
    let classes = &prepared.data.manifest.classes;
    let (width_px, height_px) = (plan.ingest.width_px, plan.ingest.height_px);
    let picture = |rgb: &[u8]| {
        RgbImage::from_raw(width_px, height_px, rgb.to_vec()).expect("the originals are of the working size")
    };
    let originals = prepared.pool()?.originals();
    let mut rows: Vec<Vec<SheetPicture>> = images
        .iter()
        .map(|(index, record)| {
            let label = format!("{}, mixed\n{}\n{}", arm.name, record.path, classes[record.class as usize]);
            Ok(vec![SheetPicture { picture: picture(&originals.rgb(*index)?), label }])
        })
        .collect::<Result<_, StudyError>>()?;
    for pass in 0..u64::from(copies) {
        let mut values = Vec::new();
        let mut targets = vec![0.0; images.len() * classes.len()];
        for ((index, record), row) in images.iter().zip(targets.chunks_exact_mut(classes.len())) {
            let mut rng = plan.study.seed.stream(Purpose::Online { recipe, seed, pass }, *index as u64);
            let shown = pipeline.apply(picture(&originals.rgb(*index)?), &mut rng);
            values.extend(shown.iter().map(|&byte| f32::from(byte)));
            row[record.class as usize] = 1.0;
        }
        let (width_px, height_px) = (width_px as usize, height_px as usize);
        let mut batch = Batch { images: &mut values, targets: &mut targets, len: images.len(), width_px, height_px };
        let hidden = mixer.apply(&mut batch, &mut plan.study.seed.stream(Purpose::Mix { recipe, seed, pass }, 0));
        let inside = hidden.map_or_else(String::new, |hidden| format!("\nmixed after stage {}", hidden.layer));
        let made = values.chunks_exact(3 * width_px * height_px).zip(targets.chunks_exact(classes.len()));
        for (row, (values, shares)) in rows.iter_mut().zip(made) {
            let bytes: Vec<u8> = values.iter().map(|value| value.round().clamp(0.0, 255.0) as u8).collect();
            let of = shares.iter().zip(classes).filter(|(share, _)| **share > 0.0);
            let shares: Vec<String> = of.map(|(share, class)| format!("{share:.2} {class}")).collect();
            row.push(SheetPicture { picture: picture(&bytes), label: shares.join("\n") + &inside });
        }
    }
    cells.extend(rows.into_iter().flatten());
    Ok(())
}

impl Way {
    /// The original, then so many copies, each with what was drawn.
    fn fill_row(
        &self,
        prepared: &Prepared<'_>,
        arm: &Arm,
        (index, record): (usize, &ImageRecord),
        copies: u32,
        cells: &mut Vec<SheetPicture>,
    ) -> Result<(), StudyError> {
        let plan = prepared.plan;
        let originals = prepared.pool()?.originals();
        let rgb = originals.rgb(index)?.into_owned();
        let original = RgbImage::from_raw(plan.ingest.width_px, plan.ingest.height_px, rgb)
            .expect("the originals are of the working size");
        let class = &prepared.data.manifest.classes[record.class as usize];
        let label = format!("{}, {}\n{}\n{class}", arm.name, self.name, record.path);
        cells.push(SheetPicture { picture: original.clone(), label });
        for copy in 0..copies {
            let (purpose, item) = if self.online {
                let seed = plan.study.seeds[0];
                (Purpose::Online { recipe: self.recipe, seed, pass: copy.into() }, index as u64)
            } else {
                (Purpose::Offline { recipe: self.recipe, image: record.digest }, copy.into())
            };
            let mut rng = plan.study.seed.stream(purpose, item);
            let (picture, notes) = traced(|| self.pipeline.apply(original.clone(), &mut rng));
            let label = if notes.is_empty() { "unchanged".to_owned() } else { notes.join("\n") };
            cells.push(SheetPicture { picture, label });
        }
        Ok(())
    }
}

/// The images that are asked for with their places in the manifest, or one of each class.
fn chosen<'p>(prepared: &'p Prepared<'_>, asked: &[String]) -> Result<Vec<(usize, &'p ImageRecord)>, StudyError> {
    let images = &prepared.data.manifest.images;
    if asked.is_empty() {
        let sources = prepared.data.augmentable();
        let mut digests: Vec<Digest> = sources.iter().map(|image| image.digest).collect();
        digests.sort_unstable();
        digests.shuffle(&mut prepared.plan.study.seed.stream(Purpose::Gallery, DRAW_SHOWN));
        let first_of = |class: usize| {
            let of_class =
                |digest: &&Digest| images.iter().position(|i| i.digest == **digest && i.class as usize == class);
            digests.iter().find_map(|digest| of_class(&digest)).map(|index| (index, &images[index]))
        };
        return Ok((0..prepared.data.manifest.classes.len()).filter_map(first_of).collect());
    }
    let find = |name: &String| {
        let found = images.iter().position(|image| image.path == *name).map(|index| (index, &images[index]));
        found.ok_or_else(|| StudyError::UnknownImage {
            name: name.clone(),
            help: nearest(name, images.iter().map(|image| image.path.as_str())).map_or_else(
                || format!("name one as `{}`, below the folder of the data set", images[0].path),
                |near| format!("did you mean `{near}`?"),
            ),
        })
    };
    asked.iter().map(find).collect()
}
