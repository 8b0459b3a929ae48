//! Prints the tables of docs/statistics.md: statistics, then metrics.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    let text = format!("{}\n{}", augtrial_compare::markdown_table(), augtrial_compare::metrics_table());
    std::io::stdout().write_all(text.as_bytes())
}
