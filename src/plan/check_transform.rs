//! Checks of the parameters of transforms.

use super::check::Checker;
use super::transform::{Mix, Range, Transform};

/// Checks a list of transforms found at `path`.
pub(super) fn check(checker: &mut Checker<'_>, transforms: &[Transform], path: &str) {
    for (index, transform) in transforms.iter().enumerate() {
        check_one(checker, transform, &format!("{path}[{index}].{}", transform.name()));
    }
}

/// Checks a mix found at `path`.
pub(super) fn check_mix(checker: &mut Checker<'_>, mix: &Mix, path: &str) {
    let (parameters, name) = match mix {
        Mix::Mixup(parameters) => (parameters, "mixup"),
        Mix::Cutmix(parameters) => (parameters, "cutmix"),
    };
    checker.positive(parameters.alpha, &format!("{path}.{name}.alpha"));
    checker.within(parameters.p, 0.0, 1.0, &format!("{path}.{name}.p"));
}

fn check_one(checker: &mut Checker<'_>, transform: &Transform, path: &str) {
    let at = |key: &str| format!("{path}.{key}");
    match transform {
        Transform::HorizontalFlip(t) | Transform::VerticalFlip(t) => checker.within(t.p, 0.0, 1.0, &at("p")),
        Transform::Rotation(t) => checker.within(t.degrees, 0.0, 180.0, &at("degrees")),
        Transform::QuarterTurns(t) => {
            let fits = !t.turns.is_empty() && t.turns.iter().all(|turn| *turn <= 3);
            checker.require(fits, &at("turns"), || "`turns` must list numbers from 0 to 3".to_owned());
        }
        Transform::RandomResizedCrop(t) => {
            interval(checker, t.scale, 1e-4, 1.0, &at("scale"));
            interval(checker, t.ratio, 1e-2, 1e2, &at("ratio"));
            for (side, key) in [(t.width_px, "width_px"), (t.height_px, "height_px")] {
                checker.within(side.map_or(1.0, f64::from), 1.0, 8192.0, &at(key));
            }
        }
        Transform::RandomCrop(t) => checker.within(t.padding_px.into(), 0.0, 4096.0, &at("padding_px")),
        Transform::Shift(t) => {
            checker.within(t.x, 0.0, 1.0, &at("x"));
            checker.within(t.y, 0.0, 1.0, &at("y"));
        }
        Transform::ColorJitter(t) => {
            checker.within(t.brightness, 0.0, 10.0, &at("brightness"));
            checker.within(t.contrast, 0.0, 10.0, &at("contrast"));
            checker.within(t.saturation, 0.0, 10.0, &at("saturation"));
            checker.within(t.hue, 0.0, 0.5, &at("hue"));
        }
        Transform::HsvScale(t) => {
            for (range, key) in [(t.hue, "hue"), (t.saturation, "saturation"), (t.value, "value")] {
                interval(checker, range, 0.0, 10.0, &at(key));
            }
        }
        Transform::LabScale(t) => {
            for (range, key) in [(t.lightness, "lightness"), (t.a, "a"), (t.b, "b")] {
                interval(checker, range, 0.0, 10.0, &at(key));
            }
        }
        Transform::GaussianNoise(t) => interval(checker, t.sigma, 0.0, 1.0, &at("sigma")),
        Transform::SaltAndPepper(t) => {
            interval(checker, t.amount, 0.0, 1.0, &at("amount"));
            checker.within(t.salt, 0.0, 1.0, &at("salt"));
            checker.within(t.block_px.into(), 1.0, 1024.0, &at("block_px"));
        }
        Transform::GaussianBlur(t) => {
            let fits = t.kernel_px % 2 == 1 && t.kernel_px <= 255;
            checker.require(fits, &at("kernel_px"), || {
                format!("`kernel_px` must be an odd number up to 255, not {}", t.kernel_px)
            });
            interval(checker, t.sigma, 1e-3, 100.0, &at("sigma"));
        }
        Transform::RandomErasing(t) => {
            checker.within(t.p, 0.0, 1.0, &at("p"));
            interval(checker, t.scale, 1e-4, 1.0, &at("scale"));
            interval(checker, t.ratio, 1e-2, 1e2, &at("ratio"));
        }
        Transform::Cutout(t) => {
            checker.within(t.side_px.into(), 1.0, 8192.0, &at("side_px"));
            checker.within(t.holes.into(), 1.0, 1000.0, &at("holes"));
        }
    }
}

fn interval(checker: &mut Checker<'_>, [low, high]: Range, least: f64, most: f64, path: &str) {
    checker.within(low, least, most, path);
    checker.within(high, least, most, path);
    checker.require(low <= high, path, || format!("the interval [{low}, {high}] ends before it begins"));
}
