//! `augtrial doctor`.

use std::collections::BTreeMap;

use super::CliError;
use super::args::{Global, Json};
use super::output::{json, line};
use super::table::table;
use augtrial_base::clock::Clock;
use augtrial_base::progress::human_bytes;
use augtrial_plan::classifier::{Device, Kernels};
use augtrial_registry::Registry;
use augtrial_trial::Setup;
use augtrial_trial::kernels::{self, EMULATED_BF16_SLOWDOWN};

pub(super) fn doctor(as_json: Json, global: &Global) -> Result<(), CliError> {
    let mut facts = vec![
        ["augtrial".to_owned(), env!("CARGO_PKG_VERSION").to_owned()],
        ["build".to_owned(), build().to_owned()],
        ["cores".to_owned(), std::thread::available_parallelism().map_or(0, usize::from).to_string()],
        [
            "thread waiting".to_owned(),
            std::env::var("OMP_WAIT_POLICY").unwrap_or_else(|_| "PASSIVE (set by `augtrial run`)".to_owned()),
        ],
    ];
    facts.extend(processor());
    facts.extend(training());
    let registry = match Registry::open(&global.runs, Clock::System) {
        Ok(registry) => format!("{}, {} studies", global.runs.display(), registry.studies()?.len()),
        Err(error) => format!("{}: {error}", global.runs.display()),
    };
    facts.push(["registry".to_owned(), registry]);
    if as_json.json {
        return json(&facts.into_iter().map(|[what, found]| (what, found)).collect::<BTreeMap<_, _>>());
    }
    let rows: Vec<Vec<String>> = facts.into_iter().map(Vec::from).collect();
    line(table(&["what", "found"], &rows))
}

/// Instruction sets that decide which kernels compute, and how fast.
const TOLD_FLAGS: [&str; 7] = ["sse4_1", "avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "avx_ne_convert"];

/// What the processor offers to kernels, and what is asked of it.
fn processor() -> Vec<[String; 2]> {
    let listed = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let flags = kernels::cpu_flags().map_or_else(
        || "not told by this system".to_owned(),
        |flags| {
            let (has, lacks): (Vec<&str>, Vec<&str>) =
                TOLD_FLAGS.into_iter().partition(|told| flags.iter().any(|flag| flag == told));
            format!("{}; without: {}", listed(has), listed(lacks))
        },
    );
    let usable = Kernels::ALL.into_iter().filter(|kernels| kernels::check_processor(*kernels).is_ok());
    let set: Vec<String> = kernels::set_here().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let bf16 = match kernels::emulates_bf16(Kernels::Native) {
        None => "not told by this system".to_owned(),
        Some(false) => "computed by the processor".to_owned(),
        Some(true) => {
            format!("emulated: training takes about {EMULATED_BF16_SLOWDOWN} times as long as in fp32; use fp32")
        }
    };
    vec![
        ["instruction sets".to_owned(), flags],
        ["`kernels` that work here".to_owned(), listed(usable.map(Kernels::name).collect())],
        ["kernels set from outside".to_owned(), listed(set.iter().map(String::as_str).collect())],
        ["bf16 on the CPU".to_owned(), bf16],
    ]
}

/// What kind of program this is.
fn build() -> &'static str {
    if super::libtorch::is_relocatable() {
        "to be installed anywhere: LibTorch of the Python environment or the folder that it lies in"
    } else {
        "from source, for this machine"
    }
}

/// Whether a GPU is used, with its free memory, or why none is.
fn gpu(setup: &Setup) -> String {
    if let Some(reason) = &setup.no_gpu {
        return format!("none: {reason}");
    }
    let free = setup.gpu_free_bytes.map(|free| format!("{} free", human_bytes(free)));
    ["used".to_owned()].into_iter().chain(setup.gpu_name.clone()).chain(free).collect::<Vec<_>>().join(", ")
}

/// What trains, as label and value.
fn training() -> Vec<[String; 2]> {
    let setup =
        super::torch::worker().map_err(|error| error.to_string()).and_then(|program| program.setup(Device::Auto));
    match setup {
        Ok(setup) => vec![
            ["LibTorch".to_owned(), format!("{} in {}", setup.libtorch, setup.folder.display())],
            ["device".to_owned(), setup.device.clone()],
            ["GPU".to_owned(), gpu(&setup)],
            ["CPU kernels".to_owned(), setup.cpu_capability],
            ["bit-identical reruns".to_owned(), if setup.bit_identical { "yes" } else { "not promised" }.to_owned()],
        ],
        Err(problem) => vec![["LibTorch".to_owned(), format!("unusable: {problem}")]],
    }
}
