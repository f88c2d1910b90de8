//! What the doctor asks of tmux: is it there, is it new enough, and does a server do as it is told?

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tsup_core::error::{Exit, UserError};
use tsup_core::ids::SocketName;
use tsup_core::settings::TmuxSettings;

use super::{Finding, Level};
use crate::config::plain;

/// The oldest tmux that works.
const MINIMUM: (u32, u32) = (3, 2);
/// Before this one, a paste into a dead pane ends the whole server.
const WANTED: (u32, u32) = (3, 4);
/// A tmux that answers later than this is not of use.
const DEADLINE: Duration = Duration::from_secs(5);

pub(super) fn look() -> Vec<Finding> {
    let program = program();
    let runs = program.runs;
    let mut findings = vec![program.finding];
    findings.extend(runs.then(behaviour));
    findings
}

/// Refuses where nothing could be done without a person: tmux is missing or too old.
pub(crate) fn require() -> Result<(), UserError> {
    let Finding { level: Level::Fix, says, todo, .. } = program().finding else { return Ok(()) };
    let says = if says.starts_with("tmux") { says } else { format!("tmux {says}") };
    Err(UserError::new(Exit::Failed, says).hint(todo.unwrap_or_default()))
}

/// What was found about the program.
struct Program {
    finding: Finding,
    /// Whether there is anything to try further.
    runs: bool,
}

fn program() -> Program {
    let version = match run(Command::new("tmux").arg("-V")) {
        Ok(text) => text,
        Err(e) => {
            let todo = format!(
                "install tmux {}.{} or later, for example `apt-get install tmux`",
                MINIMUM.0, MINIMUM.1
            );
            return Program {
                finding: Finding::fix("tmux", format!("cannot be run: {e}"), todo),
                runs: false,
            };
        }
    };
    let shown = version.trim();
    let finding = match parse(shown) {
        Some(v) if v < MINIMUM => Finding::fix(
            "tmux",
            format!("{shown} is too old"),
            format!("install tmux {}.{} or later", MINIMUM.0, MINIMUM.1),
        ),
        Some(v) if v < WANTED => Finding::warn(
            "tmux",
            format!(
                "{shown} works; before 3.4 a paste into a dead pane can end the server (tsup guards against it)"
            ),
            "a newer tmux is safer where one can be had",
        ),
        Some(_) => Finding::ok("tmux", shown),
        None => Finding::warn(
            "tmux",
            format!("`{shown}` is not a version that tsup knows"),
            "3.2 or later is needed",
        ),
    };
    Program { finding, runs: true }
}

/// `tmux 3.3a`, `tmux next-3.6`, `tmux openbsd-7.4` to a version; the last has none.
fn parse(text: &str) -> Option<(u32, u32)> {
    let word = text.strip_prefix("tmux ")?;
    let number = word.strip_prefix("next-").unwrap_or(word);
    let (major, minor) = number.split_once('.')?;
    let digits: String = minor.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, digits.parse().ok()?))
}

/// Starts a server of its own in a private folder, asks it one thing, ends it.
fn behaviour() -> Finding {
    let name = "tmux server";
    let folder = match private_folder() {
        Ok(folder) => folder,
        Err(e) => {
            return Finding::warn(name, format!("not tried: {e}"), "make the temporary folder writable");
        }
    };
    let socket = folder.join("s");
    let tmux = |args: &[&str]| {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(&socket).args(["-f", "/dev/null"]).args(args).env_remove("TMUX");
        run(&mut command)
    };
    // In words of its own: a user without a login shell can have agents, too.
    let asked = tmux(&["new-session", "-d", "-s", "doctor", "sleep", "60"])
        .and_then(|_| tmux(&["list-panes", "-t", "=doctor:", "-F", "#{pane_id} #{pane_pid}"]));
    // Whatever came of it, nothing is left behind; a server that did not start cannot be ended.
    let _ = tmux(&["kill-server"]);
    let _ = std::fs::remove_dir_all(&folder);
    match asked {
        Ok(text) if text.starts_with("%0 ") => Finding::ok(name, "starts, answers and ends"),
        Ok(text) => {
            Finding::fix(name, format!("answered `{}`", text.trim()), "see whether `tmux` is the real tmux")
        }
        Err(e) => {
            Finding::fix(name, format!("does not do as it is told: {e}"), "try `tmux new-session` by hand")
        }
    }
}

/// The servers that are to be watched: who answers, and who is not there yet. None is started.
pub(super) fn sockets(settings: &TmuxSettings) -> Vec<Finding> {
    if !on_path("tmux") {
        return Vec::new();
    }
    settings.sockets.iter().map(socket).collect()
}

fn socket(socket: &SocketName) -> Finding {
    let name = "tmux socket";
    let mut command = Command::new("tmux");
    command.arg(if socket.is_path() { "-S" } else { "-L" }).arg(&socket.0);
    command.args(["-f", "/dev/null", "list-sessions", "-F", "#{session_id}"]).env_remove("TMUX");
    match run(&mut command) {
        Ok(text) => {
            let sessions = text.lines().count() as u64;
            Finding::ok(name, format!("{socket}: {}", crate::render::words::count(sessions, "session")))
        }
        Err(e)
            if e.contains("no server running")
                || e.contains("error connecting")
                || e.contains("no sessions") =>
        {
            Finding::ok(name, format!("{socket}: no server yet; it is found when it starts"))
        }
        Err(e) => {
            Finding::warn(name, format!("{socket}: {e}"), "tsup cannot watch a server that does not answer")
        }
    }
}

fn private_folder() -> Result<PathBuf, String> {
    use std::os::unix::fs::DirBuilderExt;
    let path = std::env::temp_dir().join(format!("tsup-doctor-{}", std::process::id()));
    std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(|e| plain(&e))?;
    Ok(path)
}

/// Runs a command to its end, at most until the deadline; its output, or why not.
fn run(command: &mut Command) -> Result<String, String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| plain(&e))?;
    let deadline = Instant::now() + DEADLINE;
    let status = loop {
        match child.try_wait().map_err(|e| plain(&e))? {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("no answer within {} seconds", DEADLINE.as_secs()));
            }
            None => std::thread::park_timeout(Duration::from_millis(2)),
        }
    };
    let read = |from: Option<&mut dyn Read>| {
        let mut text = String::new();
        if let Some(from) = from {
            let _ = from.take(64 * 1024).read_to_string(&mut text);
        }
        text
    };
    let out = read(child.stdout.as_mut().map(|r| r as &mut dyn Read));
    if status.success() {
        return Ok(out);
    }
    let said = read(child.stderr.as_mut().map(|r| r as &mut dyn Read));
    Err(said.lines().next().map_or_else(|| status.to_string(), str::to_owned))
}

/// Whether a program of this name is on the path.
pub(super) fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| Path::new(&dir).join(name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart() {
        assert_eq!(parse("tmux 3.3a"), Some((3, 3)));
        assert_eq!(parse("tmux next-3.6"), Some((3, 6)));
        assert_eq!(parse("tmux 3.10"), Some((3, 10)));
        assert_eq!(parse("tmux 2.9"), Some((2, 9)));
        assert_eq!(parse("tmux openbsd-7.4"), None);
        assert_eq!(parse("screen 4"), None);
        assert!((3, 10) > WANTED);
    }
}
