//! `augtrial show`: a contact sheet of what the transforms of an arm make of images.

use super::CliError;
use super::args::{Global, ShowArgs};
use super::edit::write_png;
use super::output::{line, tell};
use super::session::Session;
use augtrial_base::disk;
use augtrial_report::contact_sheet;
use augtrial_study::{ShowOptions, show as look};

pub(super) fn show(args: &ShowArgs, global: &Global) -> Result<(), CliError> {
    let session = Session::open(&args.experiment, global)?;
    session.listen_to_signals()?;
    let options = ShowOptions { arms: args.arms.clone(), images: args.images.clone(), copies: args.copies };
    let shown = look(&session.plan, &options, &session.context())?;
    shown.left_out.iter().for_each(|sentence| tell(format_args!("{sentence}")));
    let name = &session.plan.study.name;
    let file = args.output.clone().unwrap_or_else(|| global.reports.join(name).join("show.png"));
    let folder = disk::parent(&file);
    disk::create_folder(folder).map_err(|source| CliError::Write { path: folder.to_owned(), source })?;
    let title = format!("what the transforms of {name} make of its images");
    write_png(&file, &contact_sheet(&shown.cells, shown.columns), &[("Description", &title)])?;
    line(file.display())
}
