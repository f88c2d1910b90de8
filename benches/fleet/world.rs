//! A tmux server full of stand-ins for agents, and a supervisor that watches it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tsup::ctl::client::Client;
use tsup_core::wire::doc::AgentDoc;
use tsup_core::wire::verb::{Body, Verb};

use crate::common::{end, unique};

/// How panes are spread: sessions, windows in each, panes in each window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) sessions: usize,
    pub(crate) windows: usize,
    pub(crate) panes: usize,
}

impl Shape {
    pub(crate) fn total(self) -> usize {
        self.sessions * self.windows * self.panes
    }

    pub(crate) fn name(self) -> String {
        match self.panes {
            1 => format!("{} sessions × {} windows", self.sessions, self.windows),
            n => format!("{} sessions × {} windows × {n} panes", self.sessions, self.windows),
        }
    }
}

/// Patience with tmux and the supervisor.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct World {
    dir: PathBuf,
    pub(crate) tmux_pid: u32,
}

impl World {
    /// Builds the server. A stand-in is `sleep` under the name of an agent: it costs nothing, so that
    /// what is measured is the watching.
    pub(crate) fn new(shape: Shape) -> World {
        let dir = std::env::temp_dir().join(format!("tsup-bench-{}-{}", std::process::id(), unique()));
        fs::create_dir_all(dir.join("bin")).unwrap();
        let sleep = ["/bin/sleep", "/usr/bin/sleep"].into_iter().find(|p| Path::new(p).exists()).unwrap();
        symlink(sleep, dir.join("bin/claude")).unwrap();
        let mut world = World { dir, tmux_pid: 0 };
        let agent = format!("{}/bin/claude 86400", world.dir.display());
        let mut script = String::new();
        for s in 0..shape.sessions {
            for w in 0..shape.windows {
                let _ = match w {
                    0 => writeln!(script, "new-session -d -s s{s} -n a0 -x 200 -y 50 {agent}"),
                    _ => writeln!(script, "new-window -d -t s{s}: -n a{w} {agent}"),
                };
                for _ in 1..shape.panes {
                    let _ = writeln!(
                        script,
                        "split-window -d -t s{s}:a{w} {agent}\nselect-layout -t s{s}:a{w} tiled"
                    );
                }
            }
        }
        fs::write(world.dir.join("script"), script).unwrap();
        world.tmux(&["-f", "/dev/null", "start-server", ";", "source-file", &world.path("script")]);
        world.tmux_pid = world.tmux(&["display-message", "-p", "#{pid}"]).trim().parse().unwrap();
        let deadline = Instant::now() + PATIENCE;
        while world.panes().len() != shape.total() {
            assert!(
                Instant::now() < deadline,
                "tmux made {} of {} panes",
                world.panes().len(),
                shape.total()
            );
            std::thread::park_timeout(Duration::from_millis(50));
        }
        world
    }

    /// Where its files are.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    pub(crate) fn tmux(&self, args: &[&str]) -> String {
        let out = Command::new("tmux")
            .arg("-S")
            .arg(self.dir.join("tmux.sock"))
            .args(args)
            .env_remove("TMUX")
            .output()
            .unwrap();
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// The terminal device of each pane.
    pub(crate) fn panes(&self) -> HashMap<String, PathBuf> {
        let list = self.tmux(&["list-panes", "-a", "-F", "#{pane_id} #{pane_tty}"]);
        list.lines().filter_map(|l| l.split_once(' ')).map(|(id, tty)| (id.to_owned(), tty.into())).collect()
    }

    /// Starts a supervisor and returns when it is ready and has found all of `agents`.
    pub(crate) fn supervise(&self, agents: usize) -> Supervisor {
        let config = format!("[tmux]\nsockets = [\"{}\"]\n", self.path("tmux.sock"));
        fs::write(self.dir.join("tsup.toml"), config).unwrap();
        let home = self.dir.join(format!("home{}", unique()));
        let began = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_tsup"))
            .args(["run", "--foreground", "--home"])
            .arg(&home)
            .args(["--config", &self.path("tsup.toml")])
            .env_remove("TSUP_HOME")
            .env_remove("TSUP_SOCKET")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.dir.join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut supervisor = Supervisor {
            child,
            socket: home.join("ctl.sock"),
            ready_after: Duration::ZERO,
            complete_after: Duration::ZERO,
        };
        let deadline = began + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "{}", fs::read_to_string(self.dir.join("log")).unwrap());
            if let Ok(Body::Status(status)) = supervisor.try_ask(Verb::Status) {
                let found: u64 = status.agents.values().sum();
                if status.ready && supervisor.ready_after.is_zero() {
                    supervisor.ready_after = began.elapsed();
                }
                if status.ready && found as usize == agents {
                    supervisor.complete_after = began.elapsed();
                    return supervisor;
                }
            }
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
        let _ = fs::remove_dir_all(&self.dir);
    }
}

pub(crate) struct Supervisor {
    child: Child,
    pub(crate) socket: PathBuf,
    /// From its start until it said that it is ready.
    pub(crate) ready_after: Duration,
    /// From its start until it had found every agent.
    pub(crate) complete_after: Duration,
}

impl Supervisor {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn try_ask(&self, verb: Verb) -> Result<Body, tsup_core::error::UserError> {
        Client::connect(&self.socket)?.ask(verb)
    }

    pub(crate) fn agents(&self) -> Vec<AgentDoc> {
        match self.try_ask(Verb::Agents).unwrap() {
            Body::Agents(doc) => doc.agents,
            other => panic!("{other:?}"),
        }
    }

    /// The supervisor and every process below it.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let mut all = vec![self.pid()];
        let mut at = 0;
        while at < all.len() {
            let threads = fs::read_dir(format!("/proc/{}/task", all[at])).into_iter().flatten().flatten();
            for thread in threads {
                let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
                all.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
            }
            at += 1;
        }
        all
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        end(&mut self.child, &self.socket);
    }
}
