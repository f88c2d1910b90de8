//! The `tsup` command.

use std::io::IsTerminal as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    // Jobs wait while their shims are forked: from a process of one thread that has done nothing yet.
    if tsup::cli::shims::called(&args) {
        return tsup::cli::shims::main();
    }
    // An agent waits while its hook runs.
    match tsup::cli::hook::called(&args, std::io::stdin().is_terminal()) {
        Some((call, home)) => tsup::cli::hook::main(&call, home.as_deref()),
        None => tsup::cli::main(args),
    }
}
