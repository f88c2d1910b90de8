//! What a record means: success, or which failure, and what to do about it.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{Cause, End, Enforced, Record, trace};
use crate::limits;
use crate::tes::failure::{Category, Failure};
use crate::tes::output;
use crate::tes::retry::Ending;
use crate::tes::script::Script;

/// A script that says by this code that trying later may help (`EX_TEMPFAIL` of sysexits.h).
const EX_TEMPFAIL: i32 = 75;
/// The step of a start that is about the folder for temporary files.
pub const TMPDIR: &str = "its TMPDIR";
/// SIGPIPE, as shells tell it of a program that they ran.
const SIGPIPE_OF_SHELL: i32 = 128 + 13;
const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;
const SIGXFSZ: i32 = 25;

/// Words with which interpreters say that they got no memory.
const OUT_OF_MEMORY: [&str; 5] = [
    "MemoryError",
    "Cannot allocate memory",
    "JavaScript heap out of memory",
    "out of memory",
    "std::bad_alloc",
];

/// What a script printed, as far as it was kept.
#[derive(Debug, Clone, Copy)]
pub struct Printed<'a> {
    /// The beginning of stdout.
    pub stdout: &'a str,
    /// The end of stderr.
    pub stderr: &'a str,
}

/// Reads a record: how the attempt ended, and its outputs.
pub fn read(script: &Script, record: &Record, printed: Printed<'_>) -> (Ending, Map<String, Value>) {
    if let Some(cause) = record.cause {
        return (by_cause(script, record, cause), Map::new());
    }
    match &record.end {
        End::Exited(0) => match output::read(&script.outputs, printed.stdout, record.truncated) {
            Ok(outputs) => (Ending::Succeeded, outputs),
            Err(failure) => (Ending::Failed(*failure), Map::new()),
        },
        End::Exited(code) => {
            let failure =
                held_back(exited(script, record, *code, printed), script, &record.enforced, printed);
            (Ending::Failed(failure), Map::new())
        }
        End::Signalled(signal) => (Ending::Failed(signalled(script, record, *signal, printed)), Map::new()),
        End::NotStarted { step, errno, message } => {
            let what = format!("it could not be started ({step}): {}", message.raw());
            if step == TMPDIR {
                let failure = Failure::new(Category::Resource, what)
                    .suggest("see what is there, as root where it is another user's, and move it away");
                return (Ending::Failed(failure), Map::new());
            }
            let sandbox = step.starts_with("sandbox");
            let category = match *errno {
                // What was to shut it in could not be put up, though nothing was used up.
                _ if sandbox && ![11, 12, 23, 24, 28].contains(errno) => Category::Permission,
                // ENOENT, ENOTDIR
                2 | 20 => Category::Dependency,
                // EPERM, EACCES
                1 | 13 => Category::Permission,
                // EAGAIN, ENOMEM, ENFILE, EMFILE, ENOSPC
                11 | 12 | 23 | 24 | 28 => Category::Resource,
                // E2BIG, ENOEXEC
                7 | 8 => Category::Validation,
                _ => Category::Execution,
            };
            let failure = Failure::new(category, what).fact("path", script.path.clone());
            let failure = if sandbox {
                failure
                    .suggest("`tsup doctor` says what this host can; what is in the sandbox's way may have changed since")
                    .suggest("set `security.sandbox` to `minimal` for a script that needs no bounds but those of its use")
            } else {
                not_started(failure, script, *errno)
            };
            (Ending::Failed(failure), Map::new())
        }
    }
}

fn not_started(failure: Failure, script: &Script, errno: i32) -> Failure {
    match (failure.category, errno) {
        (Category::Dependency, _) => {
            let program =
                script.interpreter.as_deref().or(script.runtime.interpreter()).unwrap_or(&script.path);
            failure.suggest(format!("see that {} exists, and that {program} is on the PATH", script.path))
        }
        (Category::Permission, _) => failure.suggest(format!("chmod +x {}", script.path)),
        (Category::Resource, _) => {
            failure.suggest("see `tsup doctor` for the limits of this host, and lower `[tes] slots`")
        }
        (Category::Validation, 8) => {
            failure.suggest("give the script a first line as `#!/usr/bin/env bash`, or name its interpreter")
        }
        _ => failure,
    }
}

fn by_cause(script: &Script, record: &Record, cause: Cause) -> Ending {
    let seconds = |d: Option<Duration>| format!("{} s", d.unwrap_or_default().as_secs_f64());
    let size = |bytes: Option<u64>| format!("{} MB", bytes.unwrap_or_default() >> 20);
    let failure = match cause {
        Cause::Cancel => return Ending::Cancelled,
        Cause::Terminated => {
            return Ending::Interrupted(
                Failure::new(Category::Unknown, "its shim was told to end, as when the machine goes down")
                    .suggest("`tsup ctl retry` it; say `execution.idempotent` in its registry where running it twice does no harm"),
            );
        }
        Cause::Timeout => {
            let limit = seconds(script.times.run);
            Failure::new(
                Category::Timeout,
                format!("it ran for {:.1} s, {limit} are allowed", record.wall_seconds),
            )
            .fact("limit", limit)
            .suggest("raise `execution.timeout` in the registry, or submit with --timeout")
        }
        Cause::Silence => {
            let limit = seconds(script.times.silence);
            Failure::new(Category::Timeout, format!("it printed nothing for {limit}"))
                .fact("limit", limit)
                .suggest("let it print its progress on stderr, or raise `execution.silence_timeout_seconds`")
        }
        Cause::Memory if script.security.max_memory_bytes.is_none() => Failure::new(
            Category::Resource,
            "the kernel killed it: there was no memory left on this machine, or in the group that tsup runs in",
        )
        .fact("peak", size(Some(record.used.peak_memory_bytes)))
        .suggest("let less run at a time (`[tes] slots`, `max_slots`), or let it work in smaller pieces")
        .suggest("set `security.max_memory` in the registry, so that it is ended before it takes what others need"),
        Cause::Memory => {
            let limit = size(script.security.max_memory_bytes);
            let peak = size(Some(record.used.peak_memory_bytes));
            Failure::new(
                Category::Resource,
                format!("its processes used {peak} of memory, {limit} are allowed"),
            )
            .fact("limit", limit)
            .fact("peak", peak)
            .suggest("raise `security.max_memory` in the registry, or let it work in smaller pieces")
        }
        Cause::Processes => {
            let limit = script.security.max_processes.unwrap_or_default().to_string();
            Failure::new(Category::Resource, format!("it had more than {limit} processes"))
                .fact("limit", limit)
                .suggest("raise `security.max_processes` in the registry")
        }
    };
    Ending::Failed(failure)
}

/// Says where to read more, where there is more.
fn read_on(failure: Failure, record: &Record) -> Failure {
    let (job, attempt) = (record.id.job, record.id.attempt);
    let stream = match (record.stderr_bytes, record.stdout_bytes) {
        (0, 0) => return failure,
        (0, _) => "",
        _ => " --stderr",
    };
    failure.suggest(format!("read what it said: `tsup ctl output {job}{stream} --attempt {attempt}`"))
}

fn exited(script: &Script, record: &Record, code: i32, printed: Printed<'_>) -> Failure {
    let trace = trace::find(printed.stderr);
    let thrown = trace.as_ref().and_then(|t| trace::thrown(t.raw()));
    let last = printed.stderr.lines().rfind(|line| !line.trim().is_empty()).map(str::trim);
    let said = thrown.or(last).filter(|said| !said.is_empty());
    let message = match said {
        Some(said) => format!("it ended with {code}: {}", shortened(said)),
        None => format!("it ended with {code} and said nothing"),
    };
    let out_of_memory = script.security.max_memory_bytes.is_some()
        && OUT_OF_MEMORY.iter().any(|w| printed.stderr.contains(w));
    let failure = match code {
        _ if out_of_memory => Failure::new(Category::Resource, message)
            .suggest("raise `security.max_memory` in the registry, or let it work in smaller pieces"),
        126 => Failure::new(Category::Permission, message).suggest(format!(
            "126 is how a shell says that a program may not be run: chmod +x {}",
            script.path
        )),
        127 => Failure::new(Category::Dependency, message)
            .suggest("127 is how a shell says that a program was not found: install it, or set the PATH"),
        EX_TEMPFAIL => Failure::new(Category::Dependency, message).transient(),
        _ if script.permissions.network && reaches_nobody(said.unwrap_or_default()) => {
            Failure::new(Category::Dependency, message)
                .transient()
                .suggest("it reached nobody over the network; that may go away")
        }
        SIGPIPE_OF_SHELL => Failure::new(Category::Execution, message).suggest(
            "141 is how a shell says that a program wrote to one that had ended (SIGPIPE): with `pipefail`, `… | head` does that",
        ),
        _ => read_on(Failure::new(Category::Execution, message), record),
    };
    let mut failure = failure.fact("exit_code", code.to_string());
    failure.stack_trace = trace;
    failure.retry_after = retry_after(printed.stderr);
    failure
}

/// Words with which programs say that they were not allowed to.
const DENIED: [&str; 4] = ["Permission denied", "EACCES", "PermissionError", "Read-only file system"];
/// And that they found no network.
const UNREACHABLE: [&str; 5] = [
    "Network is unreachable",
    "ENETUNREACH",
    "EAI_AGAIN",
    "Temporary failure in name resolution",
    "Could not resolve host",
];

/// Whether what a program said last is that names could not be resolved, or nobody was reached: that goes away by itself. A
/// program that says such a thing and goes on to say another has its own reason.
fn reaches_nobody(said: &str) -> bool {
    UNREACHABLE.iter().chain(&["Connection timed out", "ETIMEDOUT"]).any(|word| said.contains(word))
}

/// Says what of a failure may be the sandbox' doing: only its permissions can tell the script's author why a file
/// that is there cannot be read.
fn held_back(failure: Failure, script: &Script, enforced: &Enforced, printed: Printed<'_>) -> Failure {
    let says = |words: &[&str]| words.iter().any(|w| printed.stderr.contains(w));
    let granted = &script.permissions;
    let mut failure = failure;
    let network = &*enforced.network;
    if !granted.network
        && ["netns", "seccomp", "landlock"].contains(&network)
        && (says(&UNREACHABLE) || says(&DENIED))
    {
        failure = failure
            .fact("network", network)
            .suggest("it has no network: add `network` to its permissions if it needs one");
    }
    if enforced.fs.starts_with("landlock") && says(&DENIED) {
        failure = failure.fact("files", enforced.fs.clone()).suggest(match (granted.read, granted.write) {
            (false, _) => {
                "it reads the system and its own file only: add `read_file` to its permissions for the \
                           registry's folder and its inputs of type file"
            }
            (true, false) => {
                "it writes to its TMPDIR only: add `write_file` to its permissions for the registry's folder"
            }
            (true, true) => {
                "it reaches the registry's folder, its TMPDIR, and to read the system and its inputs of \
                             type file; `minimal` as `security.sandbox` lets it reach all that you do"
            }
        });
    }
    failure
}

fn signalled(script: &Script, record: &Record, signal: i32, printed: Printed<'_>) -> Failure {
    let name = name(signal);
    let failure = match signal {
        SIGXCPU => Failure::new(Category::Resource, "it used all the CPU time that it may use")
            .suggest("raise `execution.timeout` in the registry"),
        SIGXFSZ => Failure::new(Category::Resource, "it wrote a file larger than it may write")
            .suggest("let it write smaller files"),
        SIGKILL => Failure::new(Category::Execution, "it was killed by SIGKILL, and not by tsup").suggest(
            "see the kernel's log: it kills the largest program when the whole machine has no memory",
        ),
        _ => read_on(Failure::new(Category::Execution, format!("it was killed by {name}")), record),
    };
    let mut failure = failure.fact("signal", name).fact("path", script.path.clone());
    failure.stack_trace = trace::find(printed.stderr);
    failure
}

/// The usual names of the signals that end processes.
fn name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        SIGKILL => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        SIGXCPU => "SIGXCPU",
        SIGXFSZ => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

/// What a script asks for on a line of its own, as HTTP spells it: `retry-after: SECONDS`.
fn retry_after(stderr: &str) -> Option<Duration> {
    let line = stderr.lines().rev().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("retry-after").then_some(value.trim())
    })?;
    Duration::try_from_secs_f64(line.parse().ok()?).ok()
}

fn shortened(said: &str) -> &str {
    let end = said.char_indices().nth(limits::FAILURE_WORDS_CHARS).map_or(said.len(), |(at, _)| at);
    &said[..end]
}

#[cfg(test)]
mod tests;
