//! `tsup hook NAME`: what an agent CLI's hooks call.
//!
//! It stands in the way of the agent, so it prints nothing, ends within 100 ms and exits 0 whatever
//! happens: `main` comes here before anything else. It reads what the CLI writes, condenses it by the
//! table of the CLI's profile into one report, and sends that to the supervisor in one datagram that
//! nobody answers. A supervisor that is away, or has no room, misses a report; the screen makes up for it.

mod caller;
mod input;
mod log;
mod send;
mod table;

use std::ffi::{OsStr, OsString};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::JoinHandle;
use std::time::Instant;

use tsup_core::error::Exit;
use tsup_core::fleet::hook::condense::{Call, condense};
use tsup_core::limits;

pub(super) use self::table::{Table, own_names, table};
use super::{Cx, Outcome};
use crate::config::paths::Paths;

/// Arguments of `tsup hook`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// The agent CLI: claude, codex, gemini, …
    pub name: Option<String>,
    /// The event, when the CLI's JSON does not name it; or that JSON itself, instead of standard input
    #[arg(value_name = "EVENT|JSON")]
    pub event: Option<OsString>,
}

/// The call in a command line, when it is one. Nothing of it can be wrong: what no verb would take, before
/// the word `hook` or behind it, is passed over. Only a person at a terminal gets help instead.
pub fn called(args: &[OsString], at_terminal: bool) -> Option<(Args, Option<PathBuf>)> {
    let rest = args.get(1..)?;
    let asks = |a: &OsString| ["--help", "-h", "--version", "-V"].iter().any(|flag| a == flag);
    if at_terminal && rest.iter().any(asks) {
        return None;
    }
    let mut rest = rest.iter();
    let (mut call, mut home) = (Args::default(), None);
    find_verb(&mut rest, &mut home)?;
    while let Some(arg) = rest.next() {
        let is_option = arg.to_string_lossy().starts_with('-');
        if is_global(arg, &mut rest, &mut home) || is_option {
            continue;
        }
        if call.name.is_none() {
            call.name = Some(arg.to_string_lossy().into_owned());
        } else if call.event.is_none() {
            call.event = Some(arg.clone());
        }
    }
    Some((call, home.filter(|home| !home.as_os_str().is_empty())))
}

/// Goes behind the word `hook`, when it is the verb of the command line.
fn find_verb(rest: &mut std::slice::Iter<'_, OsString>, home: &mut Option<PathBuf>) -> Option<()> {
    // Behind an option that nobody knows stands its value, or the verb.
    let mut unsure = false;
    while let Some(arg) = rest.next() {
        let before = rest.as_slice();
        if arg == "hook" {
            return Some(());
        } else if is_global(arg, rest, home) {
            // `--home $UNSET hook claude` loses a word, and `hook` stands where the folder should.
            let swallowed = before.len() > rest.len() && before.first().is_some_and(|value| value == "hook");
            if swallowed && !rest.as_slice().first().is_some_and(|word| is_verb(word)) {
                *home = None;
                return Some(());
            }
        } else if arg.to_string_lossy().starts_with('-') {
            unsure = true;
        } else if !unsure || is_verb(arg) {
            return None;
        }
    }
    None
}

/// Goes over the value of a flag that every verb takes.
fn is_global(arg: &OsStr, rest: &mut std::slice::Iter<'_, OsString>, home: &mut Option<PathBuf>) -> bool {
    let text = arg.to_string_lossy();
    let (flag, value) = text.split_once('=').map_or((&*text, None), |(flag, value)| (flag, Some(value)));
    if !["--home", "--config", "--color"].contains(&flag) {
        return false;
    }
    let value = value.map(PathBuf::from).or_else(|| rest.next().map(PathBuf::from));
    if flag == "--home" {
        *home = value;
    }
    true
}

fn is_verb(word: &OsStr) -> bool {
    use clap::CommandFactory as _;
    word == "help" || super::Cli::command().find_subcommand(word).is_some()
}

/// Reports the call; always a success.
pub fn main(call: &Args, home: Option<&Path>) -> ExitCode {
    let began = Instant::now();
    // Not even a bug may be seen by the CLI.
    std::panic::set_hook(Box::new(|_| {}));
    guarded(guard(began), || report(call, home, began))
}

/// Ends the process at the deadline, whatever it waits for then.
#[expect(clippy::exit, reason = "nothing else ends a process whose other thread may wait for ever")]
fn guard(began: Instant) -> std::io::Result<JoinHandle<()>> {
    let guard = move || {
        while let Some(left) = limits::HOOK_DEADLINE.checked_sub(began.elapsed()) {
            std::thread::park_timeout(left);
        }
        std::process::exit(0)
    };
    std::thread::Builder::new().stack_size(limits::HOOK_GUARD_STACK_BYTES).spawn(guard)
}

/// Does what may wait. Without a guard nothing is begun: a report that is missing costs less than an agent that
/// waits for its hook.
fn guarded<T>(guard: std::io::Result<T>, report: impl FnOnce()) -> ExitCode {
    if let Ok(_held) = guard {
        let _ = std::panic::catch_unwind(AssertUnwindSafe(report));
    }
    ExitCode::SUCCESS
}

/// As a verb among others, for command lines that `called` does not know.
pub fn run(cx: &Cx, args: &Args) -> Outcome {
    main(args, cx.global.home.as_deref());
    Ok(Exit::Ok)
}

fn report(call: &Args, home: Option<&Path>, began: Instant) {
    let order = caller::boot_nanoseconds();
    let at = tsup_actors::clock::now_wall();
    let log = log::Log::from_env();
    let Some(cli) = call.name.as_deref() else { return log.write("?", "no name was given", &[]) };
    let paths = Paths::resolve(home);
    let own = paths.as_ref().ok().and_then(|paths| table::folder(&paths.profiles));
    let Some(table) = table(cli, own.as_deref(), began + limits::HOOK_PROFILES_WAIT) else {
        return log.write(cli, "no profile has hooks under this name", &[]);
    };
    let given = call.event.as_ref().map(|event| event.to_string_lossy());
    let json = given.as_deref().filter(|event| event.trim_start().starts_with('{'));
    let payload = match json {
        Some(json) => json.as_bytes().to_vec(),
        None => input::read(began + limits::HOOK_INPUT_WAIT),
    };
    let named = given.as_deref().filter(|_| json.is_none());
    let whence = caller::caller(&table.recognise.unwrap_or_default());
    let Some(hooks) = table.hooks else { return };
    let call = Call { cli, named, payload: &payload };
    let Some(report) = condense(&hooks, &call, whence, at, order) else {
        return log.write(cli, "it names no event", &payload);
    };
    let sent = match paths {
        Ok(paths) => send::send(&paths.hook, &report),
        Err(e) => Err(e.to_string()),
    };
    match sent {
        Ok(()) => log.write(cli, &format!("sent: {} means {}", report.event, report.says), &payload),
        Err(why) => log.write(cli, &format!("not sent: {why}"), &payload),
    }
}

#[cfg(test)]
mod tests;
