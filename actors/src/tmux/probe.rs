//! Short runs of the `tmux` program: whether anybody listens, and starting a server.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::{ChildStdin, Command};
use tsup_core::ids::SocketName;
use tsup_core::limits::{SERVER_START_DEADLINE, TMUX_DEADLINE, TMUX_REASON_BYTES_MAX, TMUX_RUN_BYTES_MAX};
use tsup_core::tmux::command::{Line, TMUX_MIN, probe_args, start_args};
use tsup_core::tmux::connection::{Probe, is_too_old};
use tsup_core::tmux::listing;
use tsup_core::tmux::report::{AskError, Launched};
use tsup_core::untrusted::Untrusted;

use super::asks::launched;
use super::place::Place;
use crate::os::child::end_with_parent;

/// What a run said.
struct Ran {
    ok: bool,
    out: String,
    err: String,
}

/// Looks for the server. `known`: the program was found fit before.
pub(super) async fn probe(place: &Place, socket: &SocketName, known: bool) -> Probe {
    if !known && let Err(unfit) = check_program(place).await {
        return unfit;
    }
    match tokio::time::timeout(TMUX_DEADLINE, UnixStream::connect(place.socket_path(socket))).await {
        Ok(Ok(_)) => {}
        // The queue of connections is full: it is there and takes none.
        Ok(Err(e)) if e.kind() == io::ErrorKind::WouldBlock => return Probe::Silent,
        Ok(Err(_)) => return Probe::Absent,
        Err(_) => return Probe::Silent,
    }
    match run(place, &probe_args(socket), None, TMUX_DEADLINE).await {
        Ok(ran) if ran.ok => {
            let sessions: Vec<_> = ran.out.lines().filter_map(listing::session).collect();
            if sessions.is_empty() { Probe::Absent } else { Probe::Sessions(sessions) }
        }
        Ok(_) => Probe::Absent,
        Err(e) if e.kind() == io::ErrorKind::TimedOut => Probe::Silent,
        Err(e) => Probe::NoBinary(missing(place, &e)),
    }
}

async fn check_program(place: &Place) -> Result<(), Probe> {
    match run(place, &["-V".to_owned()], None, TMUX_DEADLINE).await {
        Ok(ran) => {
            let version = ran.out.trim().strip_prefix("tmux ").unwrap_or(ran.out.trim());
            if is_too_old(version) {
                let version = Untrusted::bounded(version, 64);
                Err(Probe::TooOld(format!("{version}, at least {TMUX_MIN} is needed")))
            } else {
                Ok(())
            }
        }
        Err(e) => Err(Probe::NoBinary(missing(place, &e))),
    }
}

fn missing(place: &Place, error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    format!("{}: {words}; tmux {TMUX_MIN} or later is needed", place.program.display())
}

/// Runs a command line on the server of a socket, starting it when there is none.
pub(super) async fn start_server(
    place: &Place,
    socket: &SocketName,
    line: &Line,
) -> Result<Launched, AskError> {
    let args = start_args(socket, place.config.as_deref());
    let input = format!("{}\n", line.as_str());
    match run(place, &args, Some(input), SERVER_START_DEADLINE).await {
        Ok(ran) => launched(&ran.out).filter(|_| ran.ok).ok_or_else(|| {
            let said = if ran.err.trim().is_empty() { ran.out.trim() } else { ran.err.trim() };
            AskError::Refused(Untrusted::bounded(said, TMUX_REASON_BYTES_MAX))
        }),
        Err(e) if e.kind() == io::ErrorKind::TimedOut => {
            Err(AskError::Timeout(SERVER_START_DEADLINE.as_secs()))
        }
        Err(e) => Err(AskError::Invalid(missing(place, &e))),
    }
}

async fn run(place: &Place, args: &[String], input: Option<String>, deadline: Duration) -> io::Result<Ran> {
    let mut command = place.command(args);
    // A server that is started here must outlive this process, and the signal is not inherited by it.
    end_with_parent(&mut command);
    let mut command = Command::from(command);
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let talk = async {
        let ((), out, err) = tokio::join!(feed(stdin, input), all(stdout), all(stderr));
        let status = child.wait().await?;
        Ok(Ran { ok: status.success(), out: out?, err: err? })
    };
    match tokio::time::timeout(deadline, talk).await {
        Ok(ran) => ran,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn feed(stdin: Option<ChildStdin>, input: Option<String>) {
    if let (Some(mut stdin), Some(input)) = (stdin, input) {
        // A program that does not read says why on its error output.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
}

async fn all(from: Option<impl tokio::io::AsyncRead + Unpin>) -> io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(TMUX_RUN_BYTES_MAX as u64).read_to_end(&mut bytes).await?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
