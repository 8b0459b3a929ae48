//! The operations of `AutoAugment` and of what came after it, as torchvision v2 applies them
//! (`_AutoAugmentBase._apply_image_or_video_transform`).

use image::RgbImage;
use serde::Deserialize;

use crate::kernels::{look_up, table, through_window};
use crate::{
    Motion, Sampling, adjust_brightness, adjust_contrast, adjust_saturation, adjust_sharpness, affine, autocontrast,
    equalize, invert, posterize, quarter_turns, shear_x, shear_y, solarize, trace,
};

/// One operation; what its magnitude means stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) enum Operation {
    /// None.
    Identity,
    /// Slope.
    ShearX,
    /// Slope.
    ShearY,
    /// Pixels to the right.
    TranslateX,
    /// Pixels down.
    TranslateY,
    /// Degrees, counter-clockwise.
    Rotate,
    /// Added to the factor 1.
    Brightness,
    /// Added to the factor 1 of the saturation.
    Color,
    /// Added to the factor 1.
    Contrast,
    /// Added to the factor 1.
    Sharpness,
    /// Bits that are kept.
    Posterize,
    /// Threshold, from 0 to 1.
    Solarize,
    /// Levels that dark values become brighter by; timm alone has it.
    SolarizeAdd,
    /// None.
    AutoContrast,
    /// None.
    Equalize,
    /// None.
    Invert,
}

impl Operation {
    /// Whether the sign of the magnitude is drawn.
    pub(crate) fn is_signed(self) -> bool {
        !matches!(
            self,
            Self::Identity
                | Self::Posterize
                | Self::Solarize
                | Self::SolarizeAdd
                | Self::AutoContrast
                | Self::Equalize
                | Self::Invert
        )
    }

    /// Applies the operation with a magnitude, 0 where it has none.
    pub(crate) fn apply(self, mut image: RgbImage, magnitude: f64, sampling: Sampling<'_>) -> RgbImage {
        trace::note(|| self.text(magnitude));
        match self {
            Self::Identity => {}
            Self::ShearX => return shear_x(image, sampling, magnitude),
            Self::ShearY => return shear_y(image, sampling, magnitude),
            // Whole pixels: no interpolation changes them.
            Self::TranslateX => return through_window(image, -(magnitude.trunc() as i64), 0, sampling.fill),
            Self::TranslateY => return through_window(image, 0, -(magnitude.trunc() as i64), sampling.fill),
            Self::Rotate => return rotated(image, sampling, magnitude),
            Self::Brightness => adjust_brightness(&mut image, 1.0 + magnitude),
            Self::Color => adjust_saturation(&mut image, 1.0 + magnitude),
            Self::Contrast => adjust_contrast(&mut image, 1.0 + magnitude),
            Self::Sharpness => return adjust_sharpness(image, 1.0 + magnitude),
            Self::Posterize => posterize(&mut image, magnitude as u32),
            Self::Solarize => solarize(&mut image, 255.0 * magnitude),
            Self::SolarizeAdd => solarize_add(&mut image, magnitude as u8),
            Self::AutoContrast => autocontrast(&mut image),
            Self::Equalize => equalize(&mut image),
            Self::Invert => invert(&mut image),
        }
        image
    }

    fn text(self, magnitude: f64) -> String {
        match self {
            Self::Identity => "identity".to_owned(),
            Self::ShearX => format!("shear x {magnitude:.2}"),
            Self::ShearY => format!("shear y {magnitude:.2}"),
            Self::TranslateX => format!("translate x {} px", magnitude.trunc()),
            Self::TranslateY => format!("translate y {} px", magnitude.trunc()),
            Self::Rotate => format!("rotate {magnitude:.1}°"),
            Self::Brightness => format!("brightness x{:.2}", 1.0 + magnitude),
            Self::Color => format!("color x{:.2}", 1.0 + magnitude),
            Self::Contrast => format!("contrast x{:.2}", 1.0 + magnitude),
            Self::Sharpness => format!("sharpness x{:.2}", 1.0 + magnitude),
            Self::Posterize => format!("posterize to {magnitude} bits"),
            Self::Solarize => format!("solarize from {:.0}", 255.0 * magnitude),
            Self::SolarizeAdd => format!("solarize add {magnitude}"),
            Self::AutoContrast => "autocontrast".to_owned(),
            Self::Equalize => "equalize".to_owned(),
            Self::Invert => "invert".to_owned(),
        }
    }
}

/// Makes values below the middle brighter, as timm's `solarize_add`.
fn solarize_add(image: &mut RgbImage, add: u8) {
    const MIDDLE: u8 = 128;
    look_up(image, &table(|value| if value < MIDDLE { value.saturating_add(add) } else { value }));
}

/// Rotates about the center as torchvision's `rotate`, which moves whole pixels where the angle allows it.
fn rotated(image: RgbImage, sampling: Sampling<'_>, degrees: f64) -> RgbImage {
    let angle = degrees.rem_euclid(360.0);
    let square = image.width() == image.height();
    match angle {
        0.0 => image,
        180.0 => quarter_turns(image, 2),
        90.0 if square => quarter_turns(image, 1),
        270.0 if square => quarter_turns(image, 3),
        _ => affine(image, sampling, &Motion { degrees: -angle, ..Motion::NONE }),
    }
}
