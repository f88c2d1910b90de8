//! `tsup launch`: becomes an agent with only those variables of the environment that it may have.
//!
//! tmux gives a pane the environment of its server, which holds what people once exported. This verb
//! stands in front of the agent's program, lets go of all the rest, and becomes the program: same pid,
//! no process between.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use tsup_core::error::{Exit, UserError};

/// Arguments of `tsup launch`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Variables to keep, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    keep: Vec<String>,
    /// Program and arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// What a program in a pane needs to know about the pane.
const ALWAYS: [&str; 4] = ["TMUX", "TMUX_PANE", "TERM", "COLORTERM"];

/// Becomes the program; returns only when it cannot.
pub fn run(args: &Args) -> Result<(), UserError> {
    let (program, arguments) = args.command.split_first().expect("clap requires a command");
    let kept = ALWAYS.into_iter().chain(args.keep.iter().map(String::as_str));
    let kept = kept.filter_map(|name| std::env::var_os(name).map(|value| (name, value)));
    let error = Command::new(program).args(arguments).env_clear().envs(kept).exec();
    let shown = program.to_string_lossy();
    let exit = if error.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Failed };
    Err(UserError::new(exit, format!("cannot start {shown:?}: {error}"))
        .hint("the agent's command must be a program on its PATH; its PATH is that of the supervisor"))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn names_and_the_command_are_told_apart() {
        let cli = Cli::parse_from(["launch", "--keep", "HOME,PATH", "--", "claude", "--keep", "x"]);
        assert_eq!(cli.args.keep, ["HOME", "PATH"]);
        assert_eq!(cli.args.command, ["claude", "--keep", "x"]);
        let bare = Cli::parse_from(["launch", "--keep", "", "--", "claude"]);
        assert_eq!(bare.args.keep, [""]);
        assert!(Cli::try_parse_from(["launch", "--keep", "HOME"]).is_err());
    }

    #[test]
    fn a_program_that_is_not_there_is_told() {
        let args = Args { keep: Vec::new(), command: vec!["/no/such/program".into()] };
        let error = run(&args).unwrap_err();
        assert_eq!(error.exit, Exit::NotFound);
        assert!(error.what.starts_with("cannot start \"/no/such/program\""), "{error}");
    }
}
