//! One line that fits its terminal: the parts that matter most come first, and those that do not fit are left out whole.

use console::{measure_text_width, truncate_str};

/// Columns of a bar, its brackets included.
const BAR_COLUMNS: usize = 14;
/// Columns of a line from which on there is room for a bar.
const COLUMNS_WITH_BAR: usize = 60;

/// `name  [====>     ] part, part`, in at most `columns`; without a bar where there is no total or little room.
pub(super) fn fit(name: &str, bar: Option<f64>, parts: &[String], columns: usize) -> String {
    let bar = bar.filter(|_| columns >= COLUMNS_WITH_BAR).map(drawn);
    let mut line = name.to_owned();
    if let Some(bar) = bar {
        // The bar and the first part must fit beside the name.
        let rest = BAR_COLUMNS + 2 + parts.first().map_or(0, |part| measure_text_width(part));
        line = format!("{} {bar}", truncate_str(name, columns.saturating_sub(rest), "\u{2026}"));
    }
    for (index, part) in parts.iter().enumerate() {
        let joint = if index == 0 && measure_text_width(&line) > 0 { " " } else { ", " };
        if measure_text_width(&line) + joint.len() + measure_text_width(part) > columns {
            break;
        }
        line.push_str(joint);
        line.push_str(part);
    }
    truncate_str(&line, columns, "\u{2026}").into_owned()
}

fn drawn(share: f64) -> String {
    let inside = BAR_COLUMNS - 2;
    let full = ((share.clamp(0.0, 1.0) * inside as f64) as usize).min(inside);
    let head = if full < inside { ">" } else { "" };
    format!("[{}{head}{}]", "=".repeat(full), " ".repeat(inside - full - head.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_whole_parts_and_never_wraps() {
        let parts = ["45/180 updates", "12 s left", "epoch 3", "validation Top-1 61.2 %"].map(str::to_owned);
        let line = |columns| fit("trial 3/12: control, seed 2", Some(0.25), &parts, columns);
        assert_eq!(line(80), "trial 3/12: control, seed 2 [===>        ] 45/180 updates, 12 s left, epoch 3");
        assert_eq!(line(60), "trial 3/12: control, seed 2 [===>        ] 45/180 updates");
        assert_eq!(line(50), "trial 3/12: control, seed 2 45/180 updates");
        assert_eq!(line(20), "trial 3/12: control\u{2026}");
        for columns in 1..200 {
            assert!(measure_text_width(&line(columns)) <= columns, "{columns}: {}", line(columns));
        }
        let long = fit(&"x".repeat(90), Some(1.0), &parts, 80);
        assert!(long.ends_with("\u{2026} [============] 45/180 updates"), "{long}");
    }

    #[test]
    fn wide_letters_count_for_what_they_take() {
        let line = fit("\u{73bb}\u{7483}\u{73bb}\u{7483}", None, &["1/2 images".to_owned()], 12);
        assert!(measure_text_width(&line) <= 12, "{line}");
    }
}
