//! `augtrial-torch`: the same commands, in a process that is linked with LibTorch.

fn main() -> std::process::ExitCode {
    augtrial::cli::main(Some(&augtrial_torch::LibTorch), &[])
}
