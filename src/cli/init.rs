//! `augtrial init`.

use std::fs::File;
use std::io::Write as _;

use super::CliError;
use super::args::InitArgs;
use super::output::line;

const TEMPLATE: &str = include_str!("template.toml");

/// The template's own data section, replaced if the user names a folder.
const RENDERED_DATA: &str = "[dataset.synthetic]\nimages = 600\nwidth_px = 64\nheight_px = 48\n";

pub(super) fn init(args: &InitArgs) -> Result<(), CliError> {
    let text = match &args.data {
        None => TEMPLATE.to_owned(),
        Some(folder) => {
            let folder = std::path::absolute(folder).map_err(CliError::Output)?;
            let path = toml::Value::String(folder.display().to_string());
            TEMPLATE.replace(RENDERED_DATA, &format!("[dataset.folder]\npath = {path}\n"))
        }
    };
    let failed = |source| CliError::Write { path: args.file.clone(), source };
    let mut file = File::create_new(&args.file).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    line(format_args!("wrote {}; next: augtrial plan {0}", args.file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;

    #[test]
    fn the_template_is_a_valid_experiment_with_rendered_or_own_data() {
        let parse = |text: &str| Plan::parse("t", text, std::path::PathBuf::new(), &[]).map_err(|e| e.to_string());
        parse(TEMPLATE).unwrap();
        assert!(TEMPLATE.contains(RENDERED_DATA));
        parse(&TEMPLATE.replace(RENDERED_DATA, "[dataset.folder]\npath = \"x\"\n")).unwrap();
    }
}
