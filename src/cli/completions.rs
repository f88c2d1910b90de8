//! `tsup completions SHELL`.

use clap::CommandFactory;
use clap_complete::Shell;
use tsup_core::error::Exit;

use super::{Cli, Cx, Outcome};

/// Arguments of `tsup completions`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Prints the completions.
pub fn run(cx: &Cx, args: &Args) -> Outcome {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tsup", &mut text);
    cx.out.bytes(&text)?;
    Ok(Exit::Ok)
}
