//! The `sluicegate` binary.

fn main() -> std::process::ExitCode {
    sluicegate::cli::run()
}
