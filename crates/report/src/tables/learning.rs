//! The tables of learning curves: every arm at every number of real images, and what a treatment is worth in such images.

use super::{Column, Table, TableCell};
use augtrial_compare::{DesignComparison, Equivalent, LearningSlice, SeedWorth};

fn place_columns(comparison: &DesignComparison) -> Vec<Column> {
    let slice = comparison.learning.iter().flat_map(|learning| &learning.slices).next();
    let others = slice.map(|slice| slice.others.as_slice()).unwrap_or_default();
    others.iter().map(|(factor, _)| Column::text(factor, factor)).collect()
}

fn place_cells(slice: &LearningSlice) -> Vec<TableCell> {
    slice.others.iter().map(|(_, level)| TableCell::text(level)).collect()
}

/// Every arm at every number of real images.
pub(crate) fn curves(comparison: &DesignComparison) -> Table {
    let scale = comparison.measure().scale;
    let mut columns = place_columns(comparison);
    columns.extend([
        Column::text("Arm", "arm"),
        Column::text("Level", "level"),
        Column::count("Real images", "images"),
        Column::count("Seeds", "seeds"),
        Column::number("Mean", "mean"),
        Column::number("Low", "mean_low"),
        Column::number("High", "mean_high"),
    ]);
    let mut rows = Vec::new();
    for slice in comparison.learning.iter().flat_map(|learning| &learning.slices) {
        for arm in &slice.arms {
            for point in &arm.points {
                let mut row = place_cells(slice);
                row.extend([TableCell::text(&arm.arm), TableCell::text(&point.level)]);
                row.extend([TableCell::count(point.images), TableCell::count(point.n as u64)]);
                let interval = point.interval.as_ref().ok().map(|estimate| estimate.interval);
                let values = [point.mean.as_ref().ok().copied(), interval.map(|i| i.0), interval.map(|i| i.1)];
                row.extend(values.map(|value| TableCell::maybe(value, |value| scale.value(value))));
                rows.push(row);
            }
        }
    }
    let caption = "Every arm against the number of real training images: mean over seeds with its t interval";
    Table { name: "learning", caption: caption.to_owned(), columns, rows, total: false }
}

/// What each treatment is worth in real images.
pub(crate) fn worths(comparison: &DesignComparison) -> Table {
    let mut columns = place_columns(comparison);
    columns.extend([
        Column::text("Treatment", "treatment"),
        Column::text("Control", "control"),
        Column::count("Real images", "images"),
        Column::number("Equivalent over real images", "ratio"),
        Column::number("Low", "ratio_low"),
        Column::number("High", "ratio_high"),
        Column::count("Seeds", "seeds"),
        Column::count("Seeds beyond the curve", "beyond"),
        Column::text("Equivalent real images by seed", "by_seed"),
        Column::text("Why there is no ratio", "problem"),
    ]);
    let mut rows = Vec::new();
    for slice in comparison.learning.iter().flat_map(|learning| &learning.slices) {
        for of in &slice.worths {
            for worth in &of.worths {
                let mut row = place_cells(slice);
                row.extend([
                    TableCell::text(&of.contrast.treatment),
                    TableCell::text(&of.contrast.control),
                    TableCell::count(worth.images),
                ]);
                let ratio = worth.ratio.as_ref().ok();
                let values = [ratio.map(|r| r.point), ratio.map(|r| r.interval.0), ratio.map(|r| r.interval.1)];
                row.extend(values.map(|value| TableCell::maybe(value, |value| format!("{value:.2}"))));
                row.extend([TableCell::count(worth.seeds.len() as u64), TableCell::count(worth.beyond as u64)]);
                row.push(TableCell::text(&worth.seeds.iter().map(seed).collect::<Vec<_>>().join(", ")));
                row.push(TableCell::text(&worth.ratio.as_ref().err().map(ToString::to_string).unwrap_or_default()));
                rows.push(row);
            }
        }
    }
    let caption = "What each treatment is worth: real images at which the control's curve is as good, over those that the treatment \
                   had; mean and t interval over seeds on the log scale";
    Table { name: "worth", caption: caption.to_owned(), columns, rows, total: false }
}

fn seed(of: &SeedWorth) -> String {
    match of.equivalent {
        Equivalent::Within(n) => format!("{}: {n:.0}", of.seed),
        Equivalent::Beyond(n) if n >= 1e9 => format!("{}: {n:.1e}, beyond", of.seed),
        Equivalent::Beyond(n) => format!("{}: {n:.0}, beyond", of.seed),
        Equivalent::Below => format!("{}: below the curve", of.seed),
        Equivalent::Above => format!("{}: above the curve", of.seed),
    }
}
