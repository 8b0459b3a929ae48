//! The quality of the sets: a row for each arm, the floor and the ceiling; and for each class and instruction.

use super::{Column, Table, TableCell};
use crate::view::StudyView;
use augtrial_quality::{MEASURES, QualityRow, RowPart};

/// One row per set, about all of its images; empty where nothing was measured.
pub(crate) fn set_quality(view: &StudyView) -> Table {
    let caption = "Quality of the sets, beside floor and ceiling".to_owned();
    table(view, "set-quality", caption, |row| row.part == RowPart::All, false)
}

/// One row per set and class, or set and instruction.
pub(crate) fn set_quality_parts(view: &StudyView) -> Table {
    let caption = "Quality of the sets by class and instruction".to_owned();
    table(view, "set-quality-parts", caption, |row| row.part != RowPart::All, true)
}

fn table(
    view: &StudyView,
    name: &'static str,
    caption: String,
    wanted: impl Fn(&QualityRow) -> bool,
    parts: bool,
) -> Table {
    let rows: Vec<&QualityRow> =
        view.quality.iter().flat_map(|view| &view.quality.rows).filter(|row| wanted(row)).collect();
    let used: Vec<_> =
        MEASURES.iter().filter(|measure| rows.iter().any(|row| row.values.contains_key(measure.key))).collect();
    let mut columns = vec![Column::text("Set", "set")];
    if parts {
        columns.extend([Column::text("Part", "part"), Column::text("Of", "of")]);
    }
    columns.push(Column::count("Images", "images"));
    columns.extend(used.iter().map(|measure| Column::number(measure.title, measure.key)));
    let row = |row: &&QualityRow| {
        let mut cells = vec![TableCell::text(row.subject.name())];
        if parts {
            let (part, of) = row.part.names();
            cells.extend([TableCell::text(part), TableCell::text(&augtrial_base::text::reason(of))]);
        }
        cells.push(TableCell::count(row.images as u64));
        cells.extend(used.iter().map(|measure| {
            TableCell::maybe(row.values.get(measure.key).copied(), |value| measure.unit.show(value)) //
        }));
        cells
    };
    Table { name, caption, rows: rows.iter().map(row).collect(), columns, total: false }
}
