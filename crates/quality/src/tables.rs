//! What was measured, as tables for other tools.

use augtrial_tables::{ColumnKind, Frame, FrameError, Value};

use crate::measure::ImageFound;
use crate::result::SetQuality;
use crate::table::MEASURES;
use crate::view::ArmImages;

/// One row per arm, class and instruction, and per floor and ceiling; a column for each measure.
pub(crate) fn rows(quality: &SetQuality) -> Result<Frame, FrameError> {
    let head = [
        ("subject", ColumnKind::Text),
        ("part", ColumnKind::Text),
        ("of", ColumnKind::Text),
        ("images", ColumnKind::Unsigned),
    ];
    let mut frame = Frame::new(head.into_iter().chain(MEASURES.iter().map(|measure| (measure.key, ColumnKind::Real))));
    for row in &quality.rows {
        let (part, of) = row.part.names();
        let head = [row.subject.name().into(), part.into(), of.into(), Value::Unsigned(row.images as u64)];
        let value = |key: &str| row.values.get(key).map_or(Value::Null, |value| (*value).into());
        frame.push(head.into_iter().chain(MEASURES.iter().map(|measure| value(measure.key))))?;
    }
    Ok(frame)
}

/// One row per derived image.
pub(crate) fn images(classes: &[String], arms: &[ArmImages], found: &[Vec<ImageFound>]) -> Result<Frame, FrameError> {
    let mut frame = Frame::new([
        ("arm", ColumnKind::Text),
        ("image", ColumnKind::Text),
        ("source", ColumnKind::Text),
        ("copy", ColumnKind::Unsigned),
        ("class", ColumnKind::Text),
        ("instruction", ColumnKind::Text),
        ("change_levels", ColumnKind::Real),
        ("change_ssim", ColumnKind::Real),
        ("change_features", ColumnKind::Real),
        ("predicted", ColumnKind::Text),
        ("confidence", ColumnKind::Real),
        ("too_easy", ColumnKind::Boolean),
        ("mislabeled", ColumnKind::Boolean),
    ]);
    let class = |class: u32| Value::from(classes[class as usize].as_str());
    let maybe = |value: Option<f64>| value.map_or(Value::Null, Value::from);
    for (arm, found) in arms.iter().zip(found) {
        for (image, found) in arm.images.iter().zip(found) {
            let verdict = found.verdict;
            frame.push([
                arm.name.as_str().into(),
                image.file.as_str().into(),
                image.source_path.as_str().into(),
                Value::Unsigned(image.copy.into()),
                class(image.class),
                image.instruction.as_deref().map_or(Value::Null, Value::from),
                image.change.levels.into(),
                maybe(image.change.ssim),
                maybe(found.change_features),
                verdict.map_or(Value::Null, |verdict| class(verdict.predicted)),
                maybe(verdict.map(|verdict| verdict.confidence)),
                verdict.map_or(Value::Null, |verdict| verdict.too_easy.into()),
                verdict.map_or(Value::Null, |verdict| verdict.mislabeled.into()),
            ])?;
        }
    }
    Ok(frame)
}
