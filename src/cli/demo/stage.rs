//! Where the demo plays: a temporary home with its own tmux server, cleared at the end.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tsup_core::error::{Exit, UserError};
use tsup_core::wire::verb::{Body, Verb};

use super::feed::Feed;
use super::jobs;
use crate::config::plain;
use crate::ctl::client::Client;

/// Session, name, role, look, life of each fake agent. The last one crashes once.
const CAST: [(&str, &str, &str, &str, &str); 6] = [
    ("web", "pm", "pm", "claude", "start 1, idle 4, busy 3, loop"),
    ("web", "dev", "developer", "claude", "start 1, busy 5, idle 4, loop"),
    ("web", "qa", "qa", "codex", "start 2, idle 2, busy 3, ask 4, tool 2, loop"),
    ("api", "dev", "developer", "codex", "start 1, busy 8, idle 5, loop"),
    ("api", "review", "reviewer", "gemini", "start 2, idle 5, busy 2, limit 5, loop"),
    ("api", "flaky", "developer", "gemini", "start 1, busy 4, crash, idle 3, busy 4, loop"),
];

/// The supervisor may take this long to come up and to go down.
const PATIENCE: Duration = Duration::from_secs(20);

/// The stage. Whatever way the demo ends, dropping it clears it.
pub(super) struct Stage {
    dir: PathBuf,
    supervisor: Mutex<Option<Child>>,
}

impl Stage {
    /// Builds the home, writes the configuration, starts the supervisor.
    pub(super) fn build(feed: &Feed) -> Result<Stage, UserError> {
        let fail = |what: &str, e: std::io::Error| {
            UserError::new(Exit::Failed, format!("demo: cannot {what}: {}", plain(&e)))
        };
        let dir = std::env::temp_dir().join(format!("tsup-demo-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&dir).map_err(|e| fail("make its folder", e))?;
        let stage = Stage { dir, supervisor: Mutex::new(None) };
        let exe = std::env::current_exe().map_err(|e| fail("find its own program", e))?;
        fs::create_dir(stage.dir.join("bin")).map_err(|e| fail("make its folder", e))?;
        for look in ["claude", "codex", "gemini"] {
            symlink(&exe, stage.dir.join("bin").join(look)).map_err(|e| fail("make its agents", e))?;
        }
        jobs::write(&stage.dir).map_err(|e| fail("write its scripts", e))?;
        fs::write(stage.dir.join("tsup.toml"), stage.configuration(feed.port()))
            .map_err(|e| fail("write its configuration", e))?;
        let log = fs::File::create(stage.dir.join("supervisor.log")).map_err(|e| fail("make its log", e))?;
        let mut supervisor = Command::new(exe);
        // The user's own settings say where real logs and metrics go.
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_setting(name)) {
            supervisor.env_remove(name);
        }
        let child = supervisor
            .args(["run", "--foreground", "--home"])
            .arg(stage.dir.join("home"))
            .arg("--config")
            .arg(stage.dir.join("tsup.toml"))
            .env_remove("TMUX")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            // Ctrl-C is for the demo alone, which ends its supervisor in order.
            .process_group(0)
            .spawn()
            .map_err(|e| fail("start its supervisor", e))?;
        *stage.supervisor.lock() = Some(child);
        Ok(stage)
    }

    fn configuration(&self, statsd_port: u16) -> String {
        let dir = self.dir.display();
        let mut text = format!(
            "[tmux]\nsockets = [\"{dir}/tmux.sock\"]\n[statsd]\ntargets = [\"127.0.0.1:{statsd_port}\"]\n\
             [relaunch]\ninitial_delay_seconds = 1.0\n[tes]\nregistries = [\"{dir}/registry.json\"]\nslots = 2\n"
        );
        let mut session = "";
        for (of, name, role, look, life) in CAST {
            if of != session {
                let _ = write!(text, "[[session]]\nname = \"{of}\"\n");
                session = of;
            }
            let _ = write!(
                text,
                "[[session.agent]]\nname = \"{name}\"\nrole = \"{role}\"\nagent = \"{look}\"\ncwd = \"{dir}\"\n\
                 command = [\"{dir}/bin/{look}\", \"fake-agent\", \"--look\", \"{look}\", \"--life\", \"{life}\", \
                 \"--once\", \"{dir}/{name}.crashed\"]\n"
            );
        }
        text
    }

    /// The control socket of the demo's supervisor.
    pub(super) fn socket(&self) -> PathBuf {
        self.dir.join("home/ctl.sock")
    }

    /// Waits until the supervisor answers, and shows what it said when it does not.
    pub(super) fn until_up(&self) -> Result<(), UserError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(Body::Status(_)) = Client::connect(&self.socket()).and_then(|mut c| c.ask(Verb::Status))
            {
                return Ok(());
            }
            let ended = self.supervisor.lock().as_mut().and_then(|c| c.try_wait().ok().flatten());
            if ended.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(self.dir.join("supervisor.log")).unwrap_or_default();
                let last = log.lines().last().unwrap_or("it said nothing").to_owned();
                return Err(UserError::new(
                    Exit::Failed,
                    format!("the demo's supervisor did not come up: {last}"),
                )
                .hint("`tsup doctor` shows what this host is missing"));
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Ends the jobs and the supervisor: in order, and by force when it takes too long.
    fn end(&self, mut child: Child) {
        if let Ok(mut desk) = Client::connect(&self.socket()) {
            let _ = jobs::end_all(&mut desk);
            let _ = desk.ask(Verb::Shutdown);
        }
        let deadline = Instant::now() + PATIENCE;
        while matches!(child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                return;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Ends what runs of the supervisor and the tmux server, and takes the folder away. Done again it finds
    /// nothing.
    pub(super) fn clear(&self) -> Result<(), UserError> {
        if let Some(child) = self.supervisor.lock().take() {
            self.end(child);
        }
        let socket = self.dir.join("tmux.sock");
        if socket.exists() {
            // The server is the demo's own: it was started on a socket in the demo's own folder.
            let _ = Command::new("tmux")
                .arg("-S")
                .arg(&socket)
                .arg("kill-server")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
        }
        remove(&self.dir)
    }
}

/// Whether a variable configures tsup.
fn is_setting(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("TSUP_") || name.starts_with("METACLAUDE_"))
}

/// Agents that are ending may still write into the folder for a moment.
fn remove(dir: &Path) -> Result<(), UserError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match fs::remove_dir_all(dir) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) if Instant::now() > deadline => {
                let what = format!("the demo's folder {} cannot be removed: {}", dir.display(), plain(&e));
                return Err(UserError::new(Exit::Failed, what).hint("remove it by hand"));
            }
            Err(_) => std::thread::park_timeout(Duration::from_millis(50)),
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.clear();
    }
}
