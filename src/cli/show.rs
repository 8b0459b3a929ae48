//! `augtrial show`: a contact sheet of what the transforms of an arm make of images.

use std::path::PathBuf;

use clap::Args;

use super::CliError;
use super::args::{Experiment, Global};
use super::edit::write_png;
use super::output::{line, tell};
use super::session::Session;
use augtrial_base::disk;
use augtrial_report::contact_sheet;
use augtrial_study::{ShowOptions, show as look};

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    pub(super) experiment: Experiment,
    /// Only these arms.
    #[arg(long = "arm", value_name = "NAME")]
    pub(super) arms: Vec<String>,
    /// Only these images, by their paths below the data set's folder; one of each class if absent.
    #[arg(long = "image", value_name = "PATH")]
    pub(super) images: Vec<String>,
    /// Pictures that are made of each image.
    #[arg(long, default_value_t = 12, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) copies: u32,
    /// The PNG file; `show.png` in the study's folder of reports if absent.
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

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
