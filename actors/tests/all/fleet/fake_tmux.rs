//! A tmux that is only processes: its panes are children of the test.
#![expect(clippy::unwrap_used, reason = "a test's fixture fails by panicking")]

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tsup_actors::actor::BoxFuture;
use tsup_actors::clock::now_mono;
use tsup_actors::fleet::{Fleet, Tmux};
use tsup_core::ids::{PaneId, ProcId, SessionId, SocketName, WindowId};
use tsup_core::tmux::report::{
    Answer, Ask, AskError, Launch, Launched, LostWhy, OwnerTag, PaneFacts, Report, ServerFacts, SessionFacts,
};

pub(super) fn socket() -> SocketName {
    SocketName("test".into())
}

#[derive(Default)]
struct Server {
    pid: u32,
    sessions: Vec<String>,
    panes: Vec<(PaneFacts, Child)>,
    next: u32,
    launches: usize,
    there: bool,
}

/// The tmux: panes are child processes of this test.
pub(super) struct FakeTmux {
    server: Mutex<Server>,
    fleet: Mutex<Option<Fleet>>,
    /// Lists of agents that are still refused.
    refusals: AtomicUsize,
    told: Mutex<BTreeSet<PaneId>>,
}

impl FakeTmux {
    pub(super) fn new() -> Self {
        let server = Server { pid: 7, ..Server::default() };
        FakeTmux {
            server: Mutex::new(server),
            fleet: Mutex::new(None),
            refusals: AtomicUsize::new(0),
            told: Mutex::default(),
        }
    }

    /// Whom it tells what it sees.
    pub(super) fn tells(&self, fleet: &Fleet) {
        *self.fleet.lock() = Some(fleet.clone());
    }

    /// Has no room for so many lists of agents.
    pub(super) fn refuse_agents(&self, times: usize) {
        self.refusals.store(times, Ordering::SeqCst);
    }

    /// The panes that are known to have agents.
    pub(super) fn agents(&self) -> BTreeSet<PaneId> {
        self.told.lock().clone()
    }

    fn told_agents(&self, panes: BTreeSet<PaneId>) -> bool {
        let full =
            self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
        if !full {
            *self.told.lock() = panes;
        }
        !full
    }

    fn hear(&self, report: Report) {
        let fleet = self.fleet.lock().clone().expect("the fleet is there");
        assert!(fleet.hear(&socket(), report));
    }

    /// A pane in which `bash -c script` runs. Answers its pid.
    pub(super) fn pane(&self, session: &str, window: &str, script: &str) -> u32 {
        self.start(session, window, &["bash", "-c", script], None).pid
    }

    fn start(&self, session: &str, window: &str, argv: &[&str], owner: Option<OwnerTag>) -> Launched {
        let child = Command::new(argv[0])
            .args(&argv[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut all = self.server.lock();
        all.there = true;
        let session_at = all.sessions.iter().position(|s| s == session).unwrap_or_else(|| {
            all.sessions.push(session.to_owned());
            all.sessions.len() - 1
        });
        all.next += 1;
        let facts = PaneFacts {
            pane: PaneId(all.next),
            window: WindowId(all.next),
            session: SessionId(u32::try_from(session_at).unwrap()),
            window_name: window.into(),
            window_index: all.next,
            pane_index: 0,
            window_panes: 1,
            pid: child.id(),
            tty: String::new(),
            dead: None,
            in_mode: false,
            title: "".into(),
            owner,
        };
        let launched =
            Launched { session: facts.session, window: facts.window, pane: facts.pane, pid: facts.pid };
        all.panes.push((facts, child));
        launched
    }

    /// Tells everything there is.
    pub(super) fn tell(&self) {
        let report = {
            let all = self.server.lock();
            Report::Snapshot {
                server: ServerFacts {
                    socket: socket(),
                    process: ProcId { pid: all.pid, start_ticks: 1 },
                    version: "3.3a".into(),
                },
                sessions: all
                    .sessions
                    .iter()
                    .enumerate()
                    .map(|(n, name)| SessionFacts {
                        id: SessionId(u32::try_from(n).unwrap()),
                        name: name.as_str().into(),
                    })
                    .collect(),
                panes: all.panes.iter().map(|(facts, _)| facts.clone()).collect(),
            }
        };
        self.hear(report);
    }

    /// Moves the pane of a process to another session.
    pub(super) fn move_to(&self, pid: u32, session: &str) {
        let mut all = self.server.lock();
        all.sessions.push(session.to_owned());
        let id = SessionId(u32::try_from(all.sessions.len() - 1).unwrap());
        let (facts, _) = all.panes.iter_mut().find(|(facts, _)| facts.pid == pid).expect("a known pid");
        facts.session = id;
    }

    /// Renames the window of a process.
    pub(super) fn rename(&self, pid: u32, window: &str) {
        let mut all = self.server.lock();
        let (facts, _) = all.panes.iter_mut().find(|(facts, _)| facts.pid == pid).expect("a known pid");
        facts.window_name = window.into();
    }

    pub(super) fn no_server(&self) {
        self.hear(Report::Lost { why: LostWhy::NoServer });
    }

    pub(super) fn lose(&self, why: LostWhy) {
        self.hear(Report::Lost { why });
    }

    pub(super) fn activity(&self) {
        let panes = self.server.lock().panes.iter().map(|(facts, _)| facts.pane).collect();
        self.hear(Report::Activity { panes, at: now_mono() });
    }

    /// Kills one process of the panes. It stays a zombie, as under a tmux that lost its signal.
    pub(super) fn kill(&self, pid: u32) {
        let mut all = self.server.lock();
        let (_, child) = all.panes.iter_mut().find(|(facts, _)| facts.pid == pid).expect("a known pid");
        child.kill().unwrap();
    }

    /// Processes started by the fleet.
    pub(super) fn launches(&self) -> usize {
        self.server.lock().launches
    }

    fn launch(&self, launch: &Launch) -> Launched {
        let command: Vec<&str> =
            launch.argv.iter().skip_while(|a| *a != "--").skip(1).map(String::as_str).collect();
        assert_eq!(launch.argv[1..3], ["launch", "--keep"]);
        self.server.lock().launches += 1;
        self.start(&launch.tag.session, &launch.tag.name, &command, Some(launch.tag.clone()))
    }

    fn answer(&self, ask: Ask) -> Result<Answer, AskError> {
        match ask {
            Ask::Capture { .. } => Ok(Answer::Screen("a screen".into())),
            Ask::Launch(launch) => Ok(Answer::Launched(self.launch(&launch))),
            Ask::Respawn { pane, launch } => {
                self.remove(pane)?;
                Ok(Answer::Launched(self.launch(&launch)))
            }
            Ask::Kill { pane, .. } => {
                self.remove(pane)?;
                Ok(Answer::Killed)
            }
        }
    }

    fn remove(&self, pane: PaneId) -> Result<(), AskError> {
        let mut all = self.server.lock();
        let at = all.panes.iter().position(|(facts, _)| facts.pane == pane).ok_or(AskError::Gone(pane))?;
        let (_, mut child) = all.panes.remove(at);
        child.kill().unwrap();
        child.wait().unwrap();
        Ok(())
    }
}

impl Drop for FakeTmux {
    fn drop(&mut self) {
        for (_, child) in &mut self.server.lock().panes {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The fake as the fleet sees it.
pub(super) struct Way(pub(super) Arc<FakeTmux>);

impl Tmux for Way {
    fn ask(&self, _: &SocketName, ask: Ask) -> BoxFuture<Result<Answer, AskError>> {
        let tmux = Arc::clone(&self.0);
        Box::pin(async move {
            let changes = !matches!(ask, Ask::Capture { .. });
            let answer = tmux.answer(ask);
            if changes {
                tmux.tell();
            }
            answer
        })
    }

    fn agents(&self, _: &SocketName, panes: BTreeSet<PaneId>) -> bool {
        self.0.told_agents(panes)
    }

    fn look(&self, _: &SocketName, _: PaneId) {}

    fn resync(&self, _: &SocketName) {
        if self.0.server.lock().there {
            self.0.tell();
        }
    }
}
