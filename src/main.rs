//! The `tsup` command.

use std::io::IsTerminal as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    // An agent waits while its hook runs.
    match tsup::cli::hook::called(&args, std::io::stdin().is_terminal()) {
        Some((call, home)) => tsup::cli::hook::main(&call, home.as_deref()),
        None => tsup::cli::main(args),
    }
}
