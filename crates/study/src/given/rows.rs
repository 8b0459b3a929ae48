//! What rows of both kinds of tables have: an arm, a seed, a reason not to count.

use augtrial_base::text;
use augtrial_compare::ArmResults;
use augtrial_plan::arm::Role;
use augtrial_tables::Table;

use super::columns::Columns;
use super::error::GivenError;

/// States of a run that has a result.
const ENDED_WELL: [&str; 5] = ["finished", "completed", "complete", "success", "succeeded"];

/// A row's place: its arm's number, and the seed.
pub struct RowPlace {
    pub arm: usize,
    pub seed: u64,
}

/// The arms in the order of their first rows.
pub struct Known<'a> {
    table: &'a Table,
    columns: &'a Columns,
    pub arms: Vec<ArmResults>,
}

impl<'a> Known<'a> {
    pub fn new(table: &'a Table, columns: &'a Columns) -> Self {
        Self { table, columns, arms: Vec::new() }
    }

    /// Where a row belongs. Rows are counted as in the file: the first below the header is 1.
    pub fn place(&mut self, row: usize) -> Result<RowPlace, GivenError> {
        let name = self.table.get(row, self.columns.arm).to_string();
        if name.is_empty() {
            return Err(wrong(self.table, row, self.columns.arm, "no name of an arm"));
        }
        let seed = self.table.get(row, self.columns.seed).whole();
        let seed = seed.ok_or_else(|| wrong(self.table, row, self.columns.seed, "no whole number from 0"))?;
        let name = text::reason(&name);
        let arm = self.arms.iter().position(|arm| arm.name == name).unwrap_or_else(|| {
            let role = self.columns.role.map(|column| self.table.get(row, column).to_string());
            let role = if role.as_deref() == Some("control") { Role::Control } else { Role::Treatment };
            let (runs, excluded) = (Vec::new(), Vec::new());
            self.arms.push(ArmResults { name, role, runs, excluded, planned_images: 0, missing_images: 0 });
            self.arms.len() - 1
        });
        Ok(RowPlace { arm, seed })
    }

    /// Why a row does not count, if it does not.
    pub fn excluded(&self, row: usize) -> Option<String> {
        let text = |column: usize| self.table.get(row, column).to_string();
        let status = self.columns.status.map(text).filter(|status| !status.is_empty());
        if let Some(status) = status.filter(|status| !ENDED_WELL.contains(&status.to_lowercase().as_str())) {
            return Some(text::reason(&format!("the table says that it is {}", status.to_lowercase())));
        }
        let counts = self.columns.counts.and_then(|column| self.table.get(row, column).truth());
        (counts == Some(false)).then(|| "the table says that another attempt counts".to_owned())
    }

    /// What a row's run is called.
    pub fn run(&self, row: usize) -> String {
        let named = self.columns.run.map(|column| self.table.get(row, column).to_string());
        named.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("row {}", row + 1))
    }
}

/// A cell that cannot be used.
pub fn wrong(table: &Table, row: usize, column: usize, needs: &'static str) -> GivenError {
    let value = text::reason(&table.get(row, column).to_string());
    GivenError::Cell { row: row + 1, column: table.names()[column].clone(), value, needs }
}
