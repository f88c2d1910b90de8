//! Every command line that tsup sends to tmux.
//!
//! An argument of tmux is a program: formats run shell commands, a newline begins another command, an
//! empty line detaches the client, a leading `-` is an option. So a [`Line`] is made here and nowhere
//! else. Options and ids are written by this file; whatever comes from outside is quoted, stands behind
//! `--` or as an option's value, and reaches no place that tmux expands as a format.

use std::time::Duration;

use crate::ids::{PaneId, SessionId, SocketName};
use crate::limits::{CAPTURE_HISTORY_MAX, COMMAND_LINE_BYTES_MAX, DECLARED_NAME_MAX};
use crate::settings::check::is_name;
use crate::tmux::report::{AskError, Launch, OwnerTag};

mod quote;
#[cfg(test)]
mod tests;

pub use quote::quote;

/// The oldest tmux that is watched: 3.2 brought `attach-session -f`, `pause-after` and `-N`.
pub const TMUX_MIN: &str = "3.2";

/// The user option of a pane that holds its [`OwnerTag`].
pub const OWNER_OPTION: &str = "@tsup_agent";

/// Columns and rows of a session that tsup makes: agents draw for a wide terminal.
const SIZE: (u16, u16) = (200, 50);

/// What is printed of a pane that was started.
const LAUNCHED: &str = "#{session_id}\t#{window_id}\t#{pane_id}\t#{pane_pid}";

/// What is printed of a pane beside its text.
const LOOK_FORMAT: &str = "#{pane_width}\t#{pane_title}";

/// What the other branch of an owner check prints.
pub const NOT_OWNED: &str = "tsup-not-owned";

/// One line of control-mode input: not empty, without a line break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line(String);

impl Line {
    /// The line without its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a command line cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCommand {
    /// A NUL byte ends a text for tmux and for the kernel.
    #[error("a NUL byte in {0}")]
    Nul(&'static str),
    /// Longer than `COMMAND_LINE_BYTES_MAX`.
    #[error("the command is longer than {COMMAND_LINE_BYTES_MAX} bytes")]
    TooLong,
    /// A name that tmux would change or that means something to it.
    #[error("{what} {name:?} must be 1 to {DECLARED_NAME_MAX} letters, digits, _ or -, and not begin with -")]
    Name {
        /// Which name.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A working directory is absolute.
    #[error("working directory {0:?} is not an absolute path")]
    Relative(String),
    /// There is no program to run.
    #[error("the command is empty")]
    NoProgram,
    /// A variable's name is letters, digits and `_`.
    #[error("{0:?} is not the name of an environment variable")]
    Variable(String),
}

impl From<BadCommand> for AskError {
    fn from(e: BadCommand) -> Self {
        AskError::Invalid(e.to_string())
    }
}

/// Which panes a listing shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All.
    All,
    /// Those of windows in which something was written at this moment or later, in seconds of the
    /// server's wall clock.
    Since(u64),
}

/// What identifies the server: its process, its version.
pub fn server_facts() -> Line {
    Builder::new("display-message -p").own("#{pid}\t#{version}").end()
}

/// All sessions, in the form that [`crate::tmux::listing`] reads.
pub fn list_sessions() -> Line {
    Builder::new("list-sessions -F").own(super::listing::SESSION_FORMAT).end()
}

/// Panes, in the form that [`crate::tmux::listing`] reads.
pub fn list_panes(scope: Scope) -> Line {
    let b = Builder::new("list-panes -a -F").own(super::listing::PANE_FORMAT);
    match scope {
        Scope::All => b.end(),
        Scope::Since(s) => b.word("-f").own(&format!("#{{e|>=:#{{window_activity}},{s}}}")).end(),
    }
}

/// What a pane shows, with `history` lines from above.
pub fn capture(pane: PaneId, history: u32) -> Line {
    let b = Builder::new("capture-pane -p -t").word(&pane.to_string());
    match history.min(CAPTURE_HISTORY_MAX) {
        0 => b.end(),
        lines => b.word("-S").word(&format!("-{lines}")).end(),
    }
}

/// What a pane shows with its attributes, and its width and title of the same moment.
pub fn look(pane: PaneId) -> [Line; 2] {
    let pane = pane.to_string();
    [
        Builder::new("capture-pane -p -e -t").word(&pane).end(),
        Builder::new("display-message -p -t").word(&pane).own(LOOK_FORMAT).end(),
    ]
}

/// Lets the output of a paused pane through again.
pub fn continue_output(pane: PaneId) -> Line {
    Builder::new("refresh-client -A").own(&format!("{pane}:continue")).end()
}

/// Prints a word; ends a question.
pub fn mark(word: &str) -> Line {
    Builder::new("display-message -p").own(word).end()
}

/// Starts a program in a new session named after the tag. The pane is tagged, and told to stay when its
/// program ends, in the same turn of the server, before the program can be seen to end.
pub fn launch_session(launch: &Launch) -> Result<Line, BadCommand> {
    check_names(&launch.tag)?;
    let here = format!("={}:", launch.tag.session);
    let (x, y) = SIZE;
    Builder::new("new-session -d -E -P -F")
        .own(LAUNCHED)
        .word(&format!("-x {x} -y {y} -s"))
        .own(&launch.tag.session)
        .word("-n")
        .own(&launch.tag.name)
        .program(launch)?
        .own_pane(&here, &launch.tag)
        .checked()
}

/// Starts a program in a new window of the session named after the tag, without showing it to whoever
/// looks at the session. The window is made under the name `alias`, which nothing else has, so that the
/// rest of the line finds it; then it gets its own.
pub fn launch_window(launch: &Launch, alias: &str) -> Result<Line, BadCommand> {
    check_names(&launch.tag)?;
    let session = &launch.tag.session;
    let here = format!("={session}:={alias}");
    Builder::new("new-window -d -P -F")
        .own(LAUNCHED)
        .word("-n")
        .own(alias)
        .word("-t")
        .own(&format!("={session}:"))
        .program(launch)?
        .own_pane(&here, &launch.tag)
        .word("; rename-window -t")
        .own(&here)
        .own(&launch.tag.name)
        .checked()
}

/// Starts a program in a pane of ours, ending what runs there. tmux checks the tag in the same turn.
pub fn respawn(pane: PaneId, launch: &Launch) -> Result<Line, BadCommand> {
    Builder::new("if-shell -F -t")
        .word(&pane.to_string())
        .own(&carries(&launch.tag))
        .word(&format!("{{ respawn-pane -k -t {pane}"))
        .program(launch)?
        .own_pane(&pane.to_string(), &launch.tag)
        .word(&format!("; display-message -p -t {pane}"))
        .own(LAUNCHED)
        .word("}")
        .otherwise(pane)
        .checked()
}

/// Ends a pane of ours. tmux checks the tag in the same turn.
pub fn kill(pane: PaneId, tag: &OwnerTag) -> Result<Line, BadCommand> {
    Builder::new("if-shell -F -t")
        .word(&pane.to_string())
        .own(&carries(tag))
        .word(&format!("{{ kill-pane -t {pane} }}"))
        .otherwise(pane)
        .checked()
}

/// Arguments of the `tmux` program that reach the server of a socket and never start one. `-u`: a poor
/// locale must not blind titles.
pub fn client_args(socket: &SocketName) -> Vec<String> {
    let flag = if socket.is_path() { "-S" } else { "-L" };
    ["-N", "-u", flag, &socket.0].map(str::to_owned).to_vec()
}

/// Arguments that list sessions, to find out whether and where to attach.
pub fn probe_args(socket: &SocketName) -> Vec<String> {
    let mut args = client_args(socket);
    args.extend(["list-sessions", "-F", super::listing::SESSION_FORMAT].map(str::to_owned));
    args
}

/// Arguments of a control client. `-E` keeps the session's environment, `ignore-size` its size; a client
/// that gets output is paused rather than fed when it falls behind, so that it holds up no pane.
pub fn attach_args(
    socket: &SocketName,
    session: SessionId,
    output: bool,
    pause_after: Duration,
) -> Vec<String> {
    let seconds = pause_after.as_secs().max(1);
    let flags = if output { "" } else { ",no-output" };
    let mut args = client_args(socket);
    args.extend(["-C", "attach-session", "-E", "-f"].map(str::to_owned));
    args.push(format!("ignore-size,pause-after={seconds}{flags}"));
    args.extend(["-t".to_owned(), session.to_string()]);
    args
}

/// Arguments that start a server, when there is none, and run the command lines on standard input.
pub fn start_args(socket: &SocketName, config: Option<&str>) -> Vec<String> {
    let flag = if socket.is_path() { "-S" } else { "-L" };
    let mut args = ["-u", flag, &socket.0].map(str::to_owned).to_vec();
    if let Some(config) = config {
        args.extend(["-f", config].map(str::to_owned));
    }
    args.extend(["start-server", ";", "source-file", "-"].map(str::to_owned));
    args
}

fn carries(tag: &OwnerTag) -> String {
    format!("#{{==:#{{{OWNER_OPTION}}},{}}}", tag.encode())
}

fn check_names(tag: &OwnerTag) -> Result<(), BadCommand> {
    for (what, name) in [("session name", &tag.session), ("agent name", &tag.name)] {
        if !is_name(name) {
            return Err(BadCommand::Name { what, name: name.clone() });
        }
    }
    Ok(())
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.as_bytes()[0].is_ascii_digit()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

struct Builder(String);

impl Builder {
    fn new(command: &str) -> Self {
        Builder(command.to_owned())
    }

    /// Text of this file: commands, options, ids.
    fn word(mut self, text: &str) -> Self {
        self.0.push(' ');
        self.0.push_str(text);
        self
    }

    /// An argument without NUL, quoted.
    fn own(mut self, text: &str) -> Self {
        self.0.push(' ');
        quote(&mut self.0, text);
        self
    }

    /// An argument from outside, quoted.
    fn arg(self, what: &'static str, text: &str) -> Result<Self, BadCommand> {
        if text.contains('\0') { Err(BadCommand::Nul(what)) } else { Ok(self.own(text)) }
    }

    /// Working directory, environment and program. tmux gives a single word to a shell and expands the
    /// directory as a format; where that could matter, `sh` with a fixed script stands between and
    /// becomes the program.
    fn program(mut self, launch: &Launch) -> Result<Self, BadCommand> {
        if !launch.cwd.starts_with('/') {
            return Err(BadCommand::Relative(launch.cwd.clone()));
        }
        let Some((program, arguments)) = launch.argv.split_first() else { return Err(BadCommand::NoProgram) };
        let expands = launch.cwd.contains('#');
        self = self.word("-c").arg("the working directory", if expands { "/" } else { &launch.cwd })?;
        for (name, value) in &launch.env {
            if !is_variable(name) {
                return Err(BadCommand::Variable(name.clone()));
            }
            self = self.word("-e").arg("the environment", &format!("{name}={value}"))?;
        }
        self = self.word("--");
        if expands {
            self = self.own("/bin/sh").own("-c").own("cd \"$0\" && exec \"$@\"");
            self = self.arg("the working directory", &launch.cwd)?;
        } else if arguments.is_empty() {
            self = self.own("/bin/sh").own("-c").own("exec \"$0\"");
        }
        self = self.arg("the program", program)?;
        for argument in arguments {
            self = self.arg("an argument", argument)?;
        }
        Ok(self)
    }

    fn own_pane(self, target: &str, tag: &OwnerTag) -> Self {
        self.word("; set-option -p -t")
            .own(target)
            .word("remain-on-exit on ; set-option -p -t")
            .own(target)
            .word(OWNER_OPTION)
            .own(&tag.encode())
    }

    /// What is done when the tag does not fit: an error when the pane is gone, else a fixed word.
    fn otherwise(self, pane: PaneId) -> Self {
        self.word(&format!("{{ has-session -t {pane} ; display-message -p")).own(NOT_OWNED).word("}")
    }

    fn end(self) -> Line {
        debug_assert!(!self.0.contains(['\n', '\r', '\0']));
        Line(self.0)
    }

    fn checked(self) -> Result<Line, BadCommand> {
        if self.0.len() > COMMAND_LINE_BYTES_MAX { Err(BadCommand::TooLong) } else { Ok(self.end()) }
    }
}
