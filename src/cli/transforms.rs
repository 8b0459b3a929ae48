//! `augtrial transforms`: what a recipe may name, and one of it with its parameters.

use clap::Args;

use super::CliError;
use super::args::Json;
use super::output::{json, line};
use super::reference::RECIPES;
use super::table::table;
use augtrial_base::catalog::{Parameter, Row};
use augtrial_base::words::nearest;

#[derive(Debug, Args)]
pub(super) struct TransformsArgs {
    /// Show its parameters with defaults and bounds, and where it comes from.
    name: Option<String>,
    #[command(flatten)]
    json: Json,
}

pub(super) fn transforms(args: &TransformsArgs) -> Result<(), CliError> {
    match (&args.name, args.json.json) {
        (None, false) => line(list()),
        (Some(name), false) => line(describe(find(name)?)),
        (None, true) => json(&rows().map(as_json).collect::<Vec<_>>()),
        (Some(name), true) => json(&as_json(find(name)?)),
    }
}

fn rows() -> impl Iterator<Item = &'static Row> {
    RECIPES.iter().flat_map(|section| section.rows)
}

fn find(name: &str) -> Result<&'static Row, CliError> {
    rows().find(|row| row.name == name).ok_or_else(|| {
        let help = nearest(name, rows().map(|row| row.name)).map_or_else(
            || "`augtrial transforms` lists all that exist".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        CliError::Arguments(format!("no transform is named `{name}`; {help}"))
    })
}

fn as_json(row: &Row) -> serde_json::Value {
    let of = |Parameter { name, help, kind, default, required, unit, bounds }| {
        serde_json::json!({
            "name": name, "value": kind, "default": default, "required": required, "unit": unit, "bounds": bounds,
            "meaning": help,
        })
    };
    serde_json::json!({
        "name": row.name,
        "does": row.help(),
        "parameters": row.parameters().into_iter().map(of).collect::<Vec<_>>(),
        "source": row.source,
        "cite": row.works.iter().map(augtrial_base::work::Work::text).collect::<Vec<_>>(),
    })
}

fn list() -> String {
    let table_of = |rows: &[Row]| {
        table(
            &["name", "what it does"],
            &rows.iter().map(|row| vec![row.name.to_owned(), row.help()]).collect::<Vec<_>>(),
        )
    };
    let sections = RECIPES.iter().map(|section| format!("{}\n{}", section.title, table_of(section.rows)));
    format!("{}\nParameters of one: augtrial transforms NAME", sections.collect::<Vec<_>>().join("\n\n"))
}

fn describe(row: &Row) -> String {
    let of = |Parameter { name, help, kind, default, unit, bounds, .. }| {
        vec![name, kind, default.unwrap_or_default(), unit, bounds, help]
    };
    let parameters: Vec<_> = row.parameters().into_iter().map(of).collect();
    let details = Some(row.details()).filter(|details| !details.is_empty());
    let mut lines = vec![format!("{}: {}", row.name, row.help())];
    lines.extend(details);
    lines.push(table(&["parameter", "value", "default", "unit", "bounds", "meaning"], &parameters).to_string());
    lines.push(recipe(row));
    lines.extend((!row.source.is_empty()).then(|| format!("Source: {}", row.source)));
    lines.extend(row.works.iter().map(|work| format!("Cite: {}", work.text())));
    lines.join("\n")
}

/// How it stands in a file.
fn recipe(row: &Row) -> String {
    let required = row.parameters().into_iter().filter(|parameter| parameter.required);
    let required: Vec<_> = required.map(|Parameter { name, kind, .. }| format!("{name} = {kind}")).collect();
    match required.as_slice() {
        [] => format!("In a recipe: {{ {} = {{}} }} takes the defaults.", row.name),
        some => format!("In a recipe: {{ {} = {{ {} }} }}.", row.name, some.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_every_row_and_each_shows_its_parameters() {
        let list = list();
        for row in rows() {
            assert!(list.contains(row.name), "{}", row.name);
            let shown = describe(row);
            assert!(row.parameters().iter().all(|parameter| shown.contains(&parameter.name)), "{shown}");
            assert!(row.works.iter().all(|work| shown.contains(work.title)), "{shown}");
            assert_eq!(
                shown.contains("takes the defaults"),
                !row.parameters().iter().any(|own| own.required),
                "{shown}"
            );
        }
    }

    #[test]
    fn an_unknown_name_gets_a_suggestion_only_if_one_is_near() {
        let message = |name: &str| find(name).unwrap_err().to_string();
        assert_eq!(message("cutot"), "no transform is named `cutot`; did you mean `cutout`?");
        assert!(message("thin_plate_spline").ends_with("`augtrial transforms` lists all that exist"));
    }
}
