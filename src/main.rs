//! The `tsup` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    tsup::cli::main(std::env::args_os())
}
