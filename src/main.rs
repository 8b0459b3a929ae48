//! `augtrial`: every command; what needs tensors is done by `augtrial-torch`.

mod carried;

fn main() -> std::process::ExitCode {
    augtrial::cli::main(None, carried::QUICKSTART)
}
