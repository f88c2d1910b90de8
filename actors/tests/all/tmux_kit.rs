//! A real tmux on a private socket, and a gateway that watches it.
#![expect(clippy::unwrap_used, reason = "a helper of tests: what fails here fails the test")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tsup_actors::gate::{Gate, Lane};
use tsup_actors::supervisor::{SupervisorSpec, Tree, child, spawn};
use tsup_actors::telemetry::Metrics;
use tsup_actors::tmux::{Gateway, GatewaySettings, Msg, Place, Refused};
use tsup_core::clock::{Mono, Wall};
use tsup_core::ids::{ActorPath, PaneId, SessionId, SocketName};
use tsup_core::settings::PushMode;
use tsup_core::supervision::Strategy;
use tsup_core::tmux::report::{
    Answer, Ask, AskError, Launch, Launched, LostWhy, OwnerTag, PaneFacts, Report, ServerFacts,
};

/// Longest wait for anything that should happen.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// A tmux server of its own. It ends with the test.
pub(crate) struct Tmux {
    dir: TempDir,
    pub(crate) socket: SocketName,
}

impl Tmux {
    /// A place for a server; none runs.
    pub(crate) fn absent() -> Self {
        let dir = tempfile::Builder::new().prefix("tsup-tmux-").tempdir().unwrap();
        Tmux { dir, socket: SocketName("t".into()) }
    }

    /// A server with one session that runs `command`.
    pub(crate) fn with_session(name: &str, command: &str) -> Self {
        let tmux = Tmux::absent();
        tmux.session(name, command);
        tmux
    }

    pub(crate) fn place(&self) -> Place {
        let tmpdir = Some(self.dir.path().to_path_buf());
        Place { program: PathBuf::from("tmux"), tmpdir, config: Some("/dev/null".into()) }
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.dir.path()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.env("TMUX_TMPDIR", self.dir.path()).env_remove("TMUX").env("LC_ALL", "C.UTF-8");
        // What a test types into a shell is no part of its user's history.
        command.env("HISTFILE", "/dev/null");
        command.args(["-u", "-f", "/dev/null", "-L", &self.socket.0]).args(args).stdin(Stdio::null());
        command
    }

    /// Runs tmux and gives what it printed; it must succeed.
    pub(crate) fn run(&self, args: &[&str]) -> String {
        let out = self.command(args).output().unwrap();
        assert!(out.status.success(), "tmux {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    /// A session of 80 columns by 24 rows.
    pub(crate) fn session(&self, name: &str, command: &str) {
        self.run(&["new-session", "-d", "-s", name, "-x", "80", "-y", "24", command]);
    }

    /// The only or active pane of a target, with its process and terminal.
    pub(crate) fn pane(&self, target: &str) -> (PaneId, u32, PathBuf) {
        let said = self.run(&["display-message", "-p", "-t", target, "#{pane_id} #{pane_pid} #{pane_tty}"]);
        let words: Vec<&str> = said.split_whitespace().collect();
        (words[0].parse().unwrap(), words[1].parse().unwrap(), PathBuf::from(words[2]))
    }

    pub(crate) fn server_pid(&self) -> u32 {
        self.run(&["display-message", "-p", "#{pid}"]).trim().parse().unwrap()
    }

    pub(crate) fn is_there(&self) -> bool {
        std::os::unix::net::UnixStream::connect(self.place().socket_path(&self.socket)).is_ok()
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = self.command(&["kill-server"]).stderr(Stdio::null()).status();
    }
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    rustix::process::kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

/// A stopped process. It goes on when this is dropped, so that a failed test can end its server.
pub(crate) struct Stopped(u32);

impl Stopped {
    pub(crate) fn new(pid: u32) -> Self {
        signal(pid, Signal::STOP);
        Stopped(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal(self.0, Signal::CONT);
    }
}

/// Control clients of this socket that run now.
pub(crate) fn clients(tmux: &Tmux) -> Vec<u32> {
    let mark = format!("TMUX_TMPDIR={}", tmux.path().display());
    let is_ours = |pid: &u32| {
        let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let (args, env) = (read("cmdline"), read("environ"));
        args.split(|b| *b == 0).any(|a| a == b"-C") && env.split(|b| *b == 0).any(|v| v == mark.as_bytes())
    };
    let dirs = std::fs::read_dir("/proc").unwrap().flatten();
    dirs.filter_map(|d| d.file_name().to_str()?.parse().ok()).filter(is_ours).collect()
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What a listener knows that heard all reports.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) server: Option<ServerFacts>,
    pub(crate) sessions: BTreeMap<SessionId, String>,
    pub(crate) panes: BTreeMap<PaneId, PaneFacts>,
    pub(crate) activity: BTreeMap<PaneId, Vec<Mono>>,
    pub(crate) screens: BTreeMap<PaneId, String>,
    pub(crate) lost: Vec<LostWhy>,
    pub(crate) snapshots: usize,
}

impl Known {
    fn hear(&mut self, report: Report) {
        match report {
            Report::Snapshot { server, sessions, panes } => {
                self.server = Some(server);
                self.sessions = sessions.into_iter().map(|s| (s.id, s.name.raw().to_owned())).collect();
                self.panes = panes.into_iter().map(|p| (p.pane, p)).collect();
                self.snapshots += 1;
            }
            Report::Delta { sessions, sessions_gone, panes, panes_gone } => {
                self.sessions.extend(sessions.into_iter().map(|s| (s.id, s.name.raw().to_owned())));
                self.panes.extend(panes.into_iter().map(|p| (p.pane, p)));
                self.sessions.retain(|id, _| !sessions_gone.contains(id));
                self.panes.retain(|id, _| !panes_gone.contains(id));
            }
            Report::Activity { panes, at } => {
                for pane in panes {
                    self.activity.entry(pane).or_default().push(at);
                }
            }
            Report::Screen { pane, screen } => {
                self.screens.insert(pane, screen.text.raw().to_owned());
            }
            Report::Lost { why } => self.lost.push(why),
        }
    }

    pub(crate) fn titles(&self) -> Vec<&str> {
        self.panes.values().map(|p| p.title.raw()).collect()
    }

    pub(crate) fn has_session(&self, name: &str) -> bool {
        self.sessions.values().any(|n| n == name)
    }
}

/// A gateway under a supervisor, and what it has told.
pub(crate) struct Watching {
    pub(crate) gate: Gate<Msg>,
    pub(crate) known: Known,
    pub(crate) metrics: Metrics,
    reports: mpsc::Receiver<Report>,
    tree: Tree,
}

impl Watching {
    pub(crate) async fn start(tmux: &Tmux, push: PushMode) -> Self {
        Self::with_place(tmux.socket.clone(), tmux.place(), push).await
    }

    pub(crate) async fn with_place(socket: SocketName, place: Place, push: PushMode) -> Self {
        let (tell, reports) = mpsc::channel(100_000);
        let path = ActorPath::root().child("tmux");
        let gate = Gate::new(path.child(&socket.0));
        let metrics = Metrics::new(Wall::from_unix_ms(0));
        let settings = GatewaySettings { socket, push, place };
        let table = metrics.clone();
        let make = move || {
            let tell = tell.clone();
            let listener = move |_: &SocketName, report: Report| tell.try_send(report).map_err(|_| Refused);
            Gateway::new(settings.clone(), Arc::new(listener), &table)
        };
        let spec = SupervisorSpec::new(path, Strategy::OneForOne).child(child("gateway", gate.clone(), make));
        let tree = spawn(spec).await.unwrap();
        Watching { gate, known: Known::default(), metrics, reports, tree }
    }

    /// Takes in what has been told by now.
    pub(crate) fn catch_up(&mut self) {
        while let Ok(report) = self.reports.try_recv() {
            self.known.hear(report);
        }
    }

    /// Hears reports until something is known.
    pub(crate) async fn until(&mut self, what: &str, mut holds: impl FnMut(&Known) -> bool) {
        let deadline = tokio::time::Instant::now() + LONG;
        self.catch_up();
        while !holds(&self.known) {
            let heard = tokio::time::timeout_at(deadline, self.reports.recv()).await;
            let Ok(Some(report)) = heard else {
                panic!("not in time: {what}; sessions {:?}, lost {:?}", self.known.sessions, self.known.lost)
            };
            self.known.hear(report);
        }
    }

    /// Waits for the first snapshot.
    pub(crate) async fn up(&mut self) {
        self.until("a snapshot", |k| k.snapshots > 0).await;
    }

    pub(crate) async fn ask(&self, ask: Ask) -> Result<Answer, AskError> {
        self.gate.call(Lane::Control, LONG, |reply| Msg::Ask(ask, reply)).await.expect("an answer")
    }

    pub(crate) async fn launch(&self, launch: Launch) -> Result<Launched, AskError> {
        match self.ask(Ask::Launch(launch)).await? {
            Answer::Launched(launched) => Ok(launched),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn capture(&self, pane: PaneId) -> Result<String, AskError> {
        match self.ask(Ask::Capture { pane, history: 0 }).await? {
            Answer::Screen(text) => Ok(text.raw().to_owned()),
            other => panic!("{other:?}"),
        }
    }

    /// Stops in order; the gateway's clients end before.
    pub(crate) async fn stop(mut self) {
        self.tree.stop();
        tokio::time::timeout(LONG, self.tree.ended()).await.expect("the tree ends");
    }
}

pub(crate) fn tag(session: &str, name: &str) -> OwnerTag {
    OwnerTag { home: "/home/test".into(), session: session.into(), name: name.into() }
}

pub(crate) fn launch(session: &str, name: &str, argv: &[&str]) -> Launch {
    Launch {
        tag: tag(session, name),
        cwd: "/".into(),
        argv: argv.iter().map(|a| (*a).to_owned()).collect(),
        env: Vec::new(),
    }
}
