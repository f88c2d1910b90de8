//! A temporary home with scripts, and a supervisor that runs them as jobs. No tmux server is there: its socket
//! is a path at which nothing listens.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tsup::ctl::client::Client;
use tsup_core::wire::verb::{Body, Verb};

use crate::common::{end, unique};

/// What does not come within this time does not come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct World {
    pub(crate) dir: PathBuf,
    registry: String,
    /// Whether the folder stays, for a look at what went wrong.
    pub(crate) keep: bool,
}

impl World {
    pub(crate) fn new(name: &str) -> World {
        let dir = std::env::temp_dir().join(format!("tsup-{name}-{}-{}", std::process::id(), unique()));
        fs::DirBuilder::new().mode(0o700).create(&dir).unwrap();
        fs::create_dir(dir.join("scripts")).unwrap();
        World { dir, registry: String::new(), keep: false }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.dir.join("home")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.home().join("ctl.sock")
    }

    /// `[tes]` besides its registry.
    pub(crate) fn configure(&self, tes: &str) {
        let text = format!(
            "[tmux]\nsockets = [\"{}\"]\n[tes]\nregistries = [\"scripts/registry.toml\"]\n{tes}\n",
            self.dir.join("no-tmux").display()
        );
        fs::write(self.dir.join("tsup.toml"), text).unwrap();
    }

    /// Registers a shell script; `more` are further lines of its entry.
    pub(crate) fn script(&mut self, name: &str, text: &str, more: &str) {
        let path = self.dir.join("scripts").join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self.register(name, "shell_script", &format!("execution.interpreter = \"sh\"\n{more}"));
    }

    /// Registers what stands in the scripts' folder under that name.
    pub(crate) fn register(&mut self, name: &str, kind: &str, more: &str) {
        let permissions = "execution.permissions = [\"read_file\", \"write_file\", \"network\"]\n";
        let permissions = if more.contains("execution.permissions") { "" } else { permissions };
        let _ = write!(
            self.registry,
            "[[scripts]]\nid = \"{name}\"\npath = \"{name}\"\nexecution.type = \"{kind}\"\n{permissions}{more}\n"
        );
        fs::write(self.dir.join("scripts/registry.toml"), &self.registry).unwrap();
    }

    /// The command line of a supervisor in the foreground.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tsup"));
        command.args(["run", "--foreground"]);
        self.surround(&mut command);
        command
    }

    /// Gives a command this world's home and nothing of the caller's supervisor or tmux.
    pub(crate) fn surround(&self, command: &mut Command) {
        let log = fs::File::options().create(true).append(true).open(self.dir.join("log")).unwrap();
        command
            .env("TSUP_HOME", self.home())
            .env_remove("TSUP_SOCKET")
            .env_remove("TMUX")
            .env_remove("TMUX_PANE")
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
    }

    /// Starts a supervisor and returns when it is ready; `None` when it does not become so.
    pub(crate) fn start_with(&self, mut command: Command) -> Option<Supervisor> {
        let supervisor = Supervisor { child: command.spawn().unwrap(), socket: self.socket() };
        let deadline = Instant::now() + PATIENCE;
        while !is_ready(&self.socket()) {
            if Instant::now() > deadline {
                return None;
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
        Some(supervisor)
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !self.keep {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// Whether a supervisor answers there that it is ready.
pub(crate) fn is_ready(socket: &Path) -> bool {
    let asked = Client::connect(socket).and_then(|mut client| client.ask(Verb::Status));
    matches!(asked, Ok(Body::Status(status)) if status.ready)
}

/// A supervisor that is ended in order when this goes.
pub(crate) struct Supervisor {
    child: Child,
    pub(crate) socket: PathBuf,
}

impl Supervisor {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        end(&mut self.child, &self.socket);
    }
}
