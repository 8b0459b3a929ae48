//! What was found and what was measured, as tables for other tools.

use augtrial_base::events::Split;
use augtrial_data::manifest::Manifest;
use augtrial_tables::{ColumnKind, Frame, FrameError, Value};

use crate::findings::Findings;
use crate::odd::size_scores;
use crate::survey::Survey;

/// One row per finding, the most pressing of each kind first.
pub(crate) fn findings(manifest: &Manifest, found: &Findings) -> Result<Frame, FrameError> {
    let mut frame = Frame::new([
        ("finding", ColumnKind::Text),
        ("rank", ColumnKind::Unsigned),
        ("image", ColumnKind::Text),
        ("class", ColumnKind::Text),
        ("part", ColumnKind::Text),
        ("other_image", ColumnKind::Text),
        ("other_class", ColumnKind::Text),
        ("other_part", ColumnKind::Text),
        ("contradicting", ColumnKind::Boolean),
        ("bits", ColumnKind::Unsigned),
        ("similarity", ColumnKind::Real),
        ("score", ColumnKind::Real),
        ("suggested_class", ColumnKind::Text),
    ]);
    let place = |image: usize| {
        let image = &manifest.images[image];
        [Value::from(image.path.as_str()), class(manifest, image.class), part(image.split)]
    };
    let none = || [Value::Null, Value::Null, Value::Null];
    let mut push = |finding: &str, rank: usize, first: usize, second: Option<usize>, measures: [Value; 5]| {
        let head = [Value::from(finding), Value::Unsigned(rank as u64 + 1)];
        let second = second.map_or_else(none, place);
        frame.push(head.into_iter().chain(place(first)).chain(second).chain(measures))
    };
    for (rank, same) in found.same.iter().enumerate() {
        let finding = if same.bytes { "same bytes" } else { "same pixels" };
        for &other in &same.images[1..] {
            let differ = manifest.images[other].class != manifest.images[same.images[0]].class;
            let measures = [differ.into(), Value::Unsigned(0), 1.0.into(), Value::Null, Value::Null];
            push(finding, rank, same.images[0], Some(other), measures)?;
        }
    }
    for (rank, near) in found.near.iter().enumerate() {
        let pair = near.pair;
        let bits = Value::Unsigned(pair.distance.into());
        let measures = [near.contradicting.into(), bits, pair.similarity.into(), Value::Null, Value::Null];
        push("look alike", rank, pair.a, Some(pair.b), measures)?;
    }
    for (rank, issue) in found.labels.iter().enumerate() {
        let score = issue.normalized_margin.into();
        let measures = [Value::Null, Value::Null, Value::Null, score, class(manifest, issue.suggested)];
        push("label", rank, issue.index, None, measures)?;
    }
    for (rank, pair) in found.alike.iter().enumerate() {
        let bits = Value::Unsigned(pair.distance.into());
        let measures = [pair.contradicting.into(), bits, Value::Null, pair.cosine.into(), Value::Null];
        push("alike to a network", rank, pair.a, Some(pair.b), measures)?;
    }
    for (rank, outlier) in found.outliers.iter().enumerate() {
        let measures = [Value::Null, Value::Null, Value::Null, outlier.distance.into(), Value::Null];
        push("stands apart", rank, outlier.image, None, measures)?;
    }
    for (rank, odd) in found.odd.iter().enumerate() {
        let measures = [Value::Null, Value::Null, Value::Null, odd.score.into(), Value::Null];
        push(odd.oddity.name(), rank, odd.image, None, measures)?;
    }
    Ok(frame)
}

/// One row per question about an image of an arm.
pub(crate) fn arms(manifest: &Manifest, found: &Findings) -> Result<Frame, FrameError> {
    let mut frame = Frame::new([
        ("finding", ColumnKind::Text),
        ("arm", ColumnKind::Text),
        ("image", ColumnKind::Text),
        ("class", ColumnKind::Text),
        ("source", ColumnKind::Text),
        ("other_image", ColumnKind::Text),
        ("score", ColumnKind::Real),
        ("note", ColumnKind::Text),
    ]);
    let path = |image: Option<usize>| {
        image.map_or(Value::Null, |image| Value::from(manifest.images[image].path.as_str())) //
    };
    for found in &found.arms {
        frame.push([
            Value::from(found.question.name()),
            found.arm.as_str().into(),
            found.image.as_str().into(),
            class(manifest, found.class),
            path(found.source),
            path(found.other),
            found.score.into(),
            found.note.as_str().into(),
        ])?;
    }
    Ok(frame)
}

/// One row per image: its measures and its group.
pub(crate) fn images(manifest: &Manifest, survey: &Survey, found: &Findings) -> Result<Frame, FrameError> {
    let mut frame = Frame::new([
        ("image", ColumnKind::Text),
        ("class", ColumnKind::Text),
        ("part", ColumnKind::Text),
        ("sha256", ColumnKind::Text),
        ("pixels_sha256", ColumnKind::Text),
        ("hash", ColumnKind::Text),
        ("width_px", ColumnKind::Unsigned),
        ("height_px", ColumnKind::Unsigned),
        ("dark", ColumnKind::Real),
        ("light", ColumnKind::Real),
        ("shape", ColumnKind::Real),
        ("low_information", ColumnKind::Real),
        ("blurry", ColumnKind::Real),
        ("size", ColumnKind::Real),
        ("group", ColumnKind::Unsigned),
    ]);
    let sizes: Vec<_> = survey.signatures.iter().map(|s| (s.width_px, s.height_px)).collect();
    let mut groups = vec![None; manifest.images.len()];
    for (number, group) in found.groups.iter().enumerate() {
        for &image in group {
            groups[image] = Some(number as u64 + 1);
        }
    }
    let rows = manifest.images.iter().zip(&survey.signatures).zip(size_scores(&sizes)).zip(groups);
    for (((image, signature), size), group) in rows {
        let scores = signature.scores;
        frame.push([
            Value::from(image.path.as_str()),
            class(manifest, image.class),
            part(image.split),
            image.digest.to_string().into(),
            signature.pixels.to_string().into(),
            signature.hash.to_string().into(),
            Value::Unsigned(signature.width_px.into()),
            Value::Unsigned(signature.height_px.into()),
            scores.dark.into(),
            scores.light.into(),
            scores.shape.into(),
            scores.low_information.into(),
            scores.blurry.into(),
            size.into(),
            group.map_or(Value::Null, Value::Unsigned),
        ])?;
    }
    Ok(frame)
}

fn class(manifest: &Manifest, class: u32) -> Value {
    manifest.classes[class as usize].as_str().into()
}

fn part(part: Option<Split>) -> Value {
    part.map(Split::name).into()
}
