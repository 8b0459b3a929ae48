//! Colors of both themes, and the line of each arm.
//!
//! The colors of arms were searched at random for the largest of the smallest distances in `OKLab` (Ottosson 2020), seen with
//! normal, protanopic and deuteranopic eyes (Machado et al. 2009), among colors of a contrast of 3 : 1 or more to the page.
//! Texts keep 4.5 : 1, as WCAG 2.2 asks for at level AA. The tests compute both.

use std::fmt::Write as _;

/// A color in sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

/// Number of colors of arms before they repeat.
pub const ARM_COLORS: usize = 8;

/// Every color of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    /// The ground, and that of boxes on it.
    pub page: Rgb,
    pub panel: Rgb,
    /// Text, and text that steps back.
    pub ink: Rgb,
    pub muted: Rgb,
    /// Text in cells that are light or dark by their value.
    pub cell_ink: Rgb,
    /// Rules that carry nothing.
    pub grid: Rgb,
    pub line: Rgb,
    pub link: Rgb,
    pub focus: Rgb,
    pub warn: Rgb,
    pub warn_line: Rgb,
    /// The full color of a cell that shows a share or a gain, and of one that shows a loss.
    pub gain: Rgb,
    pub loss: Rgb,
    /// States of a trial, as text.
    pub finished: Rgb,
    pub running: Rgb,
    pub interrupted: Rgb,
    pub failed: Rgb,
    pub planned: Rgb,
    pub arms: [Rgb; ARM_COLORS],
}

pub const LIGHT: Theme = Theme {
    page: Rgb(0xff, 0xff, 0xff),
    panel: Rgb(0xf6, 0xf7, 0xf8),
    ink: Rgb(0x22, 0x22, 0x22),
    muted: Rgb(0x5c, 0x5c, 0x5c),
    cell_ink: Rgb(0x01, 0x01, 0x01),
    grid: Rgb(0xe0, 0xe0, 0xe0),
    line: Rgb(0xc9, 0xcc, 0xd0),
    link: Rgb(0x00, 0x54, 0x8c),
    focus: Rgb(0x00, 0x72, 0xb2),
    warn: Rgb(0xff, 0xf4, 0xd6),
    warn_line: Rgb(0xb3, 0x6b, 0x00),
    gain: Rgb(0x00, 0x54, 0x8d),
    loss: Rgb(0xad, 0x4c, 0x00),
    finished: Rgb(0x1b, 0x75, 0x48),
    running: Rgb(0x0b, 0x5c, 0xad),
    interrupted: Rgb(0x8a, 0x5a, 0x00),
    failed: Rgb(0xb3, 0x26, 0x1e),
    planned: Rgb(0x62, 0x68, 0x6e),
    arms: [
        Rgb(0x00, 0x00, 0x00),
        Rgb(0x0f, 0x57, 0xbc),
        Rgb(0xaa, 0x4c, 0x21),
        Rgb(0x3c, 0xa5, 0x79),
        Rgb(0x87, 0x36, 0x64),
        Rgb(0x14, 0x85, 0xad),
        Rgb(0x57, 0x36, 0x02),
        Rgb(0x3d, 0x10, 0x64),
    ],
};

pub const DARK: Theme = Theme {
    page: Rgb(0x14, 0x17, 0x1a),
    panel: Rgb(0x1d, 0x21, 0x25),
    ink: Rgb(0xe9, 0xea, 0xec),
    muted: Rgb(0xa6, 0xad, 0xb4),
    cell_ink: Rgb(0xff, 0xff, 0xff),
    grid: Rgb(0x31, 0x37, 0x3d),
    line: Rgb(0x46, 0x4d, 0x55),
    link: Rgb(0x7c, 0xc4, 0xf5),
    focus: Rgb(0x7c, 0xc4, 0xf5),
    warn: Rgb(0x3a, 0x2e, 0x12),
    warn_line: Rgb(0xe0, 0xa0, 0x30),
    gain: Rgb(0x1f, 0x74, 0xb3),
    loss: Rgb(0xb0, 0x54, 0x0c),
    finished: Rgb(0x57, 0xc9, 0x8d),
    running: Rgb(0x7d, 0xb7, 0xff),
    interrupted: Rgb(0xe0, 0xb0, 0x50),
    failed: Rgb(0xff, 0x8a, 0x80),
    planned: Rgb(0x9a, 0xa1, 0xa8),
    arms: [
        Rgb(0xf2, 0xf2, 0xf2),
        Rgb(0x56, 0x9c, 0xf5),
        Rgb(0xd2, 0x52, 0x23),
        Rgb(0x7b, 0xbb, 0x8d),
        Rgb(0xb5, 0x62, 0x90),
        Rgb(0x69, 0xcd, 0xfb),
        Rgb(0xf1, 0xda, 0x68),
        Rgb(0x79, 0x4d, 0xd2),
    ],
};

/// Lengths of line and gap in turn, px. As many as colors, so that any two of the first eight arms differ in both.
const DASHES: [&[f64]; ARM_COLORS] = [
    &[],
    &[9.0, 4.0],
    &[2.0, 3.0],
    &[9.0, 3.0, 2.0, 3.0],
    &[18.0, 4.0],
    &[5.0, 3.0],
    &[9.0, 3.0, 2.0, 3.0, 2.0, 3.0],
    &[18.0, 3.0, 5.0, 3.0],
];

/// How far the dashes move on when the colors begin anew.
const DASH_SHIFT: usize = 3;

/// How the line of an arm looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ArmLine {
    /// Index of its color in [`Theme::arms`].
    pub color: usize,
    pub dash: &'static [f64],
}

/// The line of the arm at `index` of the experiment file: no two arms look alike before the 64th.
#[must_use]
pub fn arm_line(index: usize) -> ArmLine {
    let (color, round) = (index % ARM_COLORS, index / ARM_COLORS);
    ArmLine { color, dash: DASHES[(color + DASH_SHIFT * round) % ARM_COLORS] }
}

impl Rgb {
    /// As SVG and CSS write it.
    #[must_use]
    pub fn hex(self) -> String {
        format!("#{:02X}{:02X}{:02X}", self.0, self.1, self.2)
    }

    /// This color laid over another with an opacity.
    #[must_use]
    pub fn over(self, ground: Self, opacity: f64) -> Self {
        let mix = |over: u8, under: u8| (f64::from(over) * opacity + f64::from(under) * (1.0 - opacity)).round() as u8;
        Self(mix(self.0, ground.0), mix(self.1, ground.1), mix(self.2, ground.2))
    }

    /// Linear light of the three channels.
    fn linear(self) -> [f64; 3] {
        [self.0, self.1, self.2].map(|channel| {
            let c = f64::from(channel) / 255.0;
            if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        })
    }
}

/// The contrast of two colors, 1 to 21 (WCAG 2.2, definition of contrast ratio).
#[must_use]
pub fn contrast(one: Rgb, other: Rgb) -> f64 {
    let luminance = |color: Rgb| {
        let [red, green, blue] = color.linear();
        0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05
    };
    let (one, other) = (luminance(one), luminance(other));
    one.max(other) / one.min(other)
}

/// The variables of both themes: as the system says, unless `data-theme` of the root says otherwise; on paper always light.
#[must_use]
pub fn css() -> String {
    let (light, dark) = (variables(&LIGHT, "light"), variables(&DARK, "dark"));
    let paper = variables(&Theme { ink: Rgb(0, 0, 0), muted: Rgb(0x44, 0x44, 0x44), ..LIGHT }, "light");
    format!(
        ":root {{ {light} }}\n:root[data-theme=\"dark\"] {{ {dark} }}\n\
         @media (prefers-color-scheme: dark) {{ :root:not([data-theme=\"light\"]) {{ {dark} }} }}\n\
         @media print {{ :root, :root[data-theme=\"dark\"], :root:not([data-theme=\"light\"]) {{ {paper} }} }}\n"
    )
}

fn variables(theme: &Theme, scheme: &str) -> String {
    let Theme { page, panel, ink, muted, cell_ink, grid, line, link, focus, warn, warn_line, gain, loss, .. } = *theme;
    let Theme { finished, running, interrupted, failed, planned, arms, .. } = *theme;
    let named = [
        ("page", page),
        ("panel", panel),
        ("ink", ink),
        ("muted", muted),
        ("cell-ink", cell_ink),
        ("grid", grid),
        ("line", line),
        ("link", link),
        ("focus", focus),
        ("warn", warn),
        ("warn-line", warn_line),
        ("gain", gain),
        ("loss", loss),
        ("finished", finished),
        ("running", running),
        ("interrupted", interrupted),
        ("failed", failed),
        ("planned", planned),
    ];
    let mut text = format!("color-scheme: {scheme};");
    for (name, color) in named {
        let _ = write!(text, " --{name}: {};", color.hex());
    }
    for (index, color) in arms.iter().enumerate() {
        let _ = write!(text, " --arm-{index}: {};", color.hex());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEMES: [Theme; 2] = [LIGHT, DARK];

    /// Matrices of Machado, Oliveira and Fernandes (2009), table 1, severity 1: normal, protanopia, deuteranopia.
    const EYES: [[[f64; 3]; 3]; 3] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.152_286, 1.052_583, -0.204_868], [0.114_503, 0.786_281, 0.099_216], [-0.003_882, -0.048_116, 1.051_998]],
        [[0.367_322, 0.860_646, -0.227_968], [0.280_085, 0.672_501, 0.047_413], [-0.011_820, 0.042_940, 0.968_881]],
    ];

    /// A color in `OKLab`, as seen through a matrix of linear light (Ottosson 2020).
    fn oklab(color: Rgb, eyes: &[[f64; 3]; 3]) -> [f64; 3] {
        let light = color.linear();
        let dot = |row: &[f64; 3], of: &[f64; 3]| row.iter().zip(of).map(|(a, b)| a * b).sum::<f64>();
        let seen = eyes.map(|row| dot(&row, &light).clamp(0.0, 1.0));
        let cones = [
            [0.412_221_47, 0.536_332_54, 0.051_445_99],
            [0.211_903_50, 0.680_699_55, 0.107_396_96],
            [0.088_302_46, 0.281_718_84, 0.629_978_70],
        ]
        .map(|row| dot(&row, &seen).cbrt());
        [
            [0.210_454_26, 0.793_617_79, -0.004_072_05],
            [1.977_998_50, -2.428_592_20, 0.450_593_71],
            [0.025_904_04, 0.782_771_77, -0.808_675_77],
        ]
        .map(|row| dot(&row, &cones))
    }

    #[test]
    fn texts_have_a_contrast_of_4_5_in_both_themes() {
        for theme in THEMES {
            for ground in [theme.page, theme.panel] {
                let texts = [theme.ink, theme.muted, theme.link, theme.finished, theme.running, theme.interrupted];
                for text in texts.into_iter().chain([theme.failed, theme.planned]) {
                    let found = contrast(text, ground);
                    assert!(found >= 4.5, "{} on {}: {found:.2}", text.hex(), ground.hex());
                }
            }
            assert!(contrast(theme.ink, theme.warn) >= 4.5);
        }
    }

    #[test]
    fn marks_have_a_contrast_of_3_to_the_page_in_both_themes() {
        for theme in THEMES {
            for mark in theme.arms.into_iter().chain([theme.focus, theme.warn_line, theme.gain, theme.loss]) {
                let found = contrast(mark, theme.page);
                assert!(found >= 3.0, "{} on {}: {found:.2}", mark.hex(), theme.page.hex());
            }
        }
    }

    #[test]
    fn colors_of_arms_are_told_apart_by_eyes_of_three_kinds() {
        // Okabe and Ito's eight colors come to 0.08 by the same measure, and two of them to a contrast of 2.3.
        for (theme, eyes) in THEMES.iter().flat_map(|theme| EYES.iter().map(move |eyes| (theme, eyes))) {
            for (index, &one) in theme.arms.iter().enumerate() {
                for &other in &theme.arms[..index] {
                    let (a, b) = (oklab(one, eyes), oklab(other, eyes));
                    let distance = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                    assert!(distance > 0.12, "{} and {}: {distance:.3}", one.hex(), other.hex());
                }
            }
        }
    }

    #[test]
    fn the_first_eight_arms_differ_in_color_and_dash_and_the_first_64_in_one_of_them() {
        let lines: Vec<ArmLine> = (0..64).map(arm_line).collect();
        for (index, one) in lines.iter().enumerate() {
            for (before, other) in lines[..index].iter().enumerate() {
                assert_ne!(one, other, "arms {before} and {index}");
                assert!(
                    index >= 8 || (one.color != other.color && one.dash != other.dash),
                    "arms {before} and {index}"
                );
            }
        }
    }

    #[test]
    fn contrast_is_what_the_guidelines_say() {
        assert!((contrast(Rgb(0, 0, 0), Rgb(255, 255, 255)) - 21.0).abs() < 1e-12);
        // The gray that is known to just pass on white.
        assert!((contrast(Rgb(0x76, 0x76, 0x76), Rgb(255, 255, 255)) - 4.54).abs() < 0.005);
    }
}
