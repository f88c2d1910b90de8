//! The command line: what can be typed, one file per verb, and the way from arguments to exit code.

pub mod completions;
pub mod ctl;
pub mod demo;
pub mod detect;
pub mod doctor;
pub mod duration;
pub mod fake_agent;
pub mod hook;
pub mod hooks;
pub mod init;
pub mod launch;
pub mod listen;
pub mod man;
pub mod reload;
pub mod replay;
pub mod restart;
pub mod run;
pub mod shims;
pub mod start;
pub mod status;
pub mod stop;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use tsup_core::error::{Exit, UserError};

use crate::config::paths::Paths;
use crate::render::{Color, Out};

/// Everything that can be typed.
#[derive(Debug, Parser)]
#[command(name = "tsup", version, about, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    /// What holds for every verb.
    #[command(flatten)]
    pub global: Global,
    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Flags that every verb takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Global {
    /// Home directory of the supervisor [env: TSUP_HOME] [default: ~/.local/state/tsup]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Everywhere")]
    pub home: Option<PathBuf>,
    /// Configuration [default: ./tsup.toml, then ~/.config/tsup/tsup.toml]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    pub config: Option<PathBuf>,
    /// When to colour: auto, always, never
    #[arg(
        hide_possible_values = true,
        long,
        global = true,
        value_enum,
        default_value = "auto",
        value_name = "WHEN",
        help_heading = "Everywhere"
    )]
    pub color: Color,
}

impl Global {
    /// Where the supervisor's files are.
    pub fn paths(&self) -> Result<Paths, UserError> {
        Paths::resolve(self.home.as_deref())
    }
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the supervisor in the foreground
    Run(run::Args),
    /// Start the supervisor as a daemon; returns when it is ready
    Start(start::Args),
    /// Stop the supervisor; returns when it is gone. The agents stay
    Stop(stop::Args),
    /// Stop the supervisor when it runs, then start it
    Restart(restart::Args),
    /// Let the supervisor read its configuration again
    Reload(reload::Args),
    /// Say whether the supervisor runs, and how it is
    Status(status::Args),
    /// Write a commented tsup.toml
    Init(init::Args),
    /// Say what this host can do and what must be fixed
    Doctor(doctor::Args),
    /// Watch six fake agents live, crash and come back, on a private tmux server
    Demo(demo::Args),
    /// Say what captured screens show: which agent, what it does, and why
    Detect(detect::Args),
    /// Print the metrics that arrive: a small StatsD receiver
    Listen(listen::Args),
    /// Report to the supervisor; what an agent CLI's hooks call. Prints nothing, always succeeds
    Hook(hook::Args),
    /// Let agent CLIs report to tsup by their hooks: install, uninstall, show
    Hooks(hooks::Args),
    /// Run the rules again over what was recorded, and say where the verdict differs
    Replay(replay::Args),
    /// Talk to the running supervisor
    Ctl(ctl::Args),
    /// Print a shell's completions
    Completions(completions::Args),
    /// Print the manual page
    Man,
    /// Paint the screen of an agent; for demo and tests
    #[command(hide = true)]
    FakeAgent(fake_agent::Args),
    /// Become an agent with a clean environment; what tsup puts in front of the agents it starts
    #[command(hide = true)]
    Launch(launch::Args),
}

/// Why a verb ends early.
#[derive(Debug)]
pub enum Fail {
    /// Something a person must know.
    User(UserError),
    /// The reader of our output is gone, which is its right.
    Closed,
    /// What was waited for did not succeed, and has an exit code of its own.
    Code(u8),
}

impl From<UserError> for Fail {
    fn from(e: UserError) -> Self {
        Fail::User(e)
    }
}

/// How a verb ends.
pub type Outcome = Result<Exit, Fail>;

/// What a verb works with.
#[derive(Debug)]
pub struct Cx {
    /// Flags that every verb takes.
    pub global: Global,
    /// Where to write.
    pub out: Out,
}

/// From arguments to exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let (cli, json) = match parse(args) {
        Ok(parsed) => parsed,
        Err(e) => {
            // Help and version are answers; everything else is wrong usage. Nobody may be reading.
            let _ = e.print();
            return ExitCode::from(if e.use_stderr() { Exit::Usage.code() } else { Exit::Ok.code() });
        }
    };
    let cx = Cx { out: Out::new(cli.global.color, json), global: cli.global };
    crate::daemon::panic::report_bugs();
    // The hook has told the person; what is left is the exit code of a bug.
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| dispatch(&cx, cli.verb)));
    ExitCode::from(match outcome {
        Ok(outcome) => cx.out.conclude(outcome),
        Err(_) => Exit::Bug.code(),
    })
}

/// What was typed, and whether a document is wanted for it.
fn parse(args: impl IntoIterator<Item = OsString>) -> Result<(Cli, bool), clap::Error> {
    let mut command = Cli::command();
    let matches = command.try_get_matches_from_mut(args)?;
    let cli = Cli::from_arg_matches(&matches).map_err(|e| e.format(&mut command))?;
    Ok((cli, wants_json(&matches)))
}

fn wants_json(matches: &ArgMatches) -> bool {
    // Not every verb has the flag.
    let here = matches.try_get_one::<bool>("json").ok().flatten().copied();
    here == Some(true) || matches.subcommand().is_some_and(|(_, verb)| wants_json(verb))
}

fn dispatch(cx: &Cx, verb: Verb) -> Outcome {
    match verb {
        Verb::Run(args) => run::run(cx, &args),
        Verb::Start(args) => start::run(cx, &args),
        Verb::Restart(args) => restart::run(cx, &args),
        Verb::Stop(args) => stop::run(cx, &args),
        Verb::Reload(args) => reload::run(cx, &args),
        Verb::Status(args) => status::run(cx, &args),
        Verb::Init(args) => init::run(cx, &args),
        Verb::Doctor(args) => doctor::run(cx, &args),
        Verb::Demo(args) => demo::run(cx, &args),
        Verb::Detect(args) => detect::run(cx, &args),
        Verb::Listen(args) => listen::run(cx, &args),
        Verb::Hook(args) => hook::run(cx, &args),
        Verb::Hooks(args) => hooks::run(cx, &args),
        Verb::Replay(args) => replay::run(cx, &args),
        Verb::Ctl(args) => ctl::run(cx, args),
        Verb::Completions(args) => completions::run(cx, &args),
        Verb::Man => man::run(cx),
        Verb::FakeAgent(args) => Ok(fake_agent::run(&args).map(|()| Exit::Ok)?),
        Verb::Launch(args) => Ok(launch::run(&args).map(|()| Exit::Ok)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_document_is_wanted_where_it_is_asked_for() {
        let json = |line: &str| parse(line.split(' ').map(OsString::from)).unwrap().1;
        assert!(json("tsup status --json"));
        assert!(json("tsup ctl dead requeue 12 --json"));
        assert!(json("tsup ctl dead --json"));
        assert!(!json("tsup ctl jobs --state dead"));
        assert!(!json("tsup man"));
        // An argument of somebody else's program is none of ours.
        assert!(!json("tsup ctl spawn a/b --agent claude -- x --json"));
    }
}
