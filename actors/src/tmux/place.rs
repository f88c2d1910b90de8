//! How the `tmux` program is run, and where its sockets are.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;

use tsup_core::ids::SocketName;

/// Variables that a `tmux` process of ours keeps. A server that it starts hands them to every pane, so
/// nothing that could be a secret is among them.
const KEPT: [&str; 10] =
    ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "XDG_RUNTIME_DIR"];

/// Where tmux is: its program and the directory of its sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The program, looked up in `PATH` when it is a bare name.
    pub program: PathBuf,
    /// `TMUX_TMPDIR`: the directory that holds the directory of the sockets.
    pub tmpdir: Option<PathBuf>,
    /// A configuration file for servers that tsup starts; tmux's own choice when `None`.
    pub config: Option<String>,
}

impl Place {
    /// As a person at this terminal would have it.
    pub fn from_env() -> Self {
        let tmpdir = std::env::var_os("TMUX_TMPDIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        Place { program: PathBuf::from("tmux"), tmpdir, config: None }
    }

    /// The path of a socket, as tmux makes it: `TMUX_TMPDIR` or `/tmp`, `tmux-UID`, the name.
    pub fn socket_path(&self, socket: &SocketName) -> PathBuf {
        if socket.is_path() {
            return PathBuf::from(&socket.0);
        }
        let dir = self.tmpdir.clone().unwrap_or_else(|| PathBuf::from("/tmp"));
        dir.join(format!("tmux-{}", rustix::process::getuid().as_raw())).join(&socket.0)
    }

    /// A `tmux` process with these arguments and almost no environment: neither `TMUX` and `TMUX_PANE` of
    /// a terminal that tsup was started from, nor anything that a session would take over.
    pub(super) fn command(&self, arguments: &[String]) -> std::process::Command {
        let mut command = std::process::Command::new(&self.program);
        command.args(arguments).env_clear().envs(kept());
        if let Some(dir) = &self.tmpdir {
            command.env("TMUX_TMPDIR", dir);
        }
        command.current_dir("/").stderr(Stdio::null());
        command
    }
}

fn kept() -> Vec<(&'static str, OsString)> {
    let mut kept: Vec<_> = KEPT.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))).collect();
    for (name, value) in [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("TERM", "screen")] {
        if !kept.iter().any(|(n, _)| *n == name) {
            kept.push((name, value.into()));
        }
    }
    kept
}
