//! A fleet under a supervisor of its own, over a tmux that is only processes.
#![expect(clippy::unwrap_used, reason = "a test's fixture fails by panicking")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::sync::watch;
use tsup_actors::actor::BoxFuture;
use tsup_actors::bus::{Bus, Subscription};
use tsup_actors::clock::{now_mono, now_wall};
use tsup_actors::fleet::{Fleet, Plan, Tmux};
use tsup_actors::gate::Gate;
use tsup_actors::store::Store;
use tsup_actors::supervisor::{Handle, SupervisorSpec, Tree, child, spawn};
use tsup_actors::telemetry::Metrics;
use tsup_actors::telemetry::registry::RegistryPlan;
use tsup_actors::telemetry::resources::{ResourcesMsg, ResourcesPlan};
use tsup_core::event::Event;
use tsup_core::fleet::profile::Profiles;
use tsup_core::ids::{ActorPath, PaneId, ProcId, SessionId, SocketName, WindowId};
use tsup_core::settings::{AgentSettings, EnvEntry, RestartPolicy, SessionSettings, Settings};
use tsup_core::supervision::Strategy;
use tsup_core::tmux::report::{
    Answer, Ask, AskError, Launch, Launched, LostWhy, OwnerTag, PaneFacts, Report, ServerFacts, SessionFacts,
};
use tsup_core::wire::doc::AgentDoc;

/// Longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(30);

pub(super) fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.tmux.sockets = vec![socket()];
    settings
}

/// Profiles of programs that paint nothing: their states come from their processes and their output.
fn plain() -> Profiles {
    let files = ["claude", "codex"].map(|name| {
        let text = "version = 1\nname = \"NAME\"\ntitle = \"NAME\"\n[recognise]\nnames = [\"NAME\"]\n\
                    [launch]\ncommand = [\"NAME\"]\n";
        (name, text.replace("NAME", name))
    });
    let (profiles, errors) = Profiles::parse(files.iter().map(|(name, text)| (*name, text.as_str())));
    assert!(errors.is_empty(), "{errors:?}");
    profiles
}

fn socket() -> SocketName {
    SocketName("test".into())
}

/// A declared session with one agent.
pub(super) fn agent(session: &str, name: &str, command: &[&str], restart: RestartPolicy) -> SessionSettings {
    let agent = AgentSettings {
        name: name.into(),
        role: None,
        agent: "claude".into(),
        command: command.iter().map(|c| (*c).to_owned()).collect(),
        cwd: "/".into(),
        restart,
        env: vec![EnvEntry::Pass("PATH".into())],
    };
    SessionSettings { name: session.into(), socket: None, agents: vec![agent] }
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
}

impl FakeTmux {
    fn new() -> Self {
        let server = Server { pid: 7, ..Server::default() };
        FakeTmux { server: Mutex::new(server), fleet: Mutex::new(None) }
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
struct Way(Arc<FakeTmux>);

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

    fn agents(&self, _: &SocketName, _: BTreeSet<PaneId>) {}

    fn look(&self, _: &SocketName, _: PaneId) {}

    fn resync(&self, _: &SocketName) {
        if self.0.server.lock().there {
            self.0.tell();
        }
    }
}

/// What a fleet needs around it.
pub(super) struct Parts {
    pub(super) fleet: Fleet,
    pub(super) bus: Bus,
    store: Store,
    metrics: Metrics,
    resources: Gate<ResourcesMsg>,
}

impl Parts {
    pub(super) fn new(home: &TempDir, settings: Settings, exe: &str, tmux: Arc<dyn Tmux>) -> Self {
        let (root, bus, metrics) = (ActorPath::root(), Bus::new(), Metrics::new(now_wall()));
        let store = Store::new(&root, "store", PathBuf::from(home.path()).join("tsup.db"));
        let resources = Gate::new(root.child("resources"));
        let fleet = Fleet::new(Plan {
            path: root.child("fleet"),
            home: "home".into(),
            exe: exe.into(),
            cwd: "/".into(),
            settings: watch::Sender::new(Arc::new(settings)).subscribe(),
            profiles: watch::channel(Arc::new(plain())).1,
            tmux,
            bus: bus.clone(),
            store: store.clone(),
            metrics: metrics.clone(),
            resources: resources.clone(),
        });
        Parts { fleet, bus, store, metrics, resources }
    }

    pub(super) fn tree(self) -> SupervisorSpec {
        let (plan, at_store) = (ResourcesPlan::new(self.metrics.clone()), self.store.clone());
        let reader = RegistryPlan::new(self.metrics, &self.bus, Vec::new(), Duration::from_secs(1));
        let registry = Gate::new(ActorPath::root().child("registry"));
        SupervisorSpec::new(ActorPath::root(), Strategy::OneForOne)
            .bus(&self.bus)
            .child(child("registry", registry, move || reader.make()))
            .child(child("store", self.store.gate(), move || at_store.actor()))
            .child(child("resources", self.resources, move || plan.make()))
            .child(self.fleet.child())
    }
}

/// Everything together.
pub(super) struct World {
    pub(super) fleet: Fleet,
    pub(super) tmux: Arc<FakeTmux>,
    pub(super) metrics: Metrics,
    events: Subscription,
    seen: Vec<Event>,
    tree: Tree,
    home: TempDir,
}

impl World {
    pub(super) async fn new(settings: Settings) -> Self {
        Self::in_home(tempfile::tempdir().unwrap(), settings).await
    }

    async fn in_home(home: TempDir, settings: Settings) -> Self {
        let tmux = Arc::new(FakeTmux::new());
        let way = Arc::new(Way(Arc::clone(&tmux)));
        let parts = Parts::new(&home, settings, "/usr/bin/tsup", way);
        *tmux.fleet.lock() = Some(parts.fleet.clone());
        let (fleet, metrics, events) = (parts.fleet.clone(), parts.metrics.clone(), parts.bus.subscribe());
        let tree = spawn(parts.tree()).await.unwrap();
        let world = World { fleet, tmux, metrics, events, seen: Vec::new(), tree, home };
        let mut loaded = world.fleet.loaded();
        tokio::time::timeout(DEADLINE, loaded.wait_for(|l| *l)).await.expect("the store is read").unwrap();
        world
    }

    /// The same home under another supervisor, and a tmux without panes.
    pub(super) async fn again(mut self, settings: Settings) -> Self {
        self.tree.stop();
        self.tree.ended().await;
        Self::in_home(self.home, settings).await
    }

    /// The next event of that kind.
    pub(super) async fn event(&mut self, which: impl Fn(&Event) -> bool) -> Event {
        let wait = async {
            loop {
                let next = self.events.next().await.expect("the bus is there").event.clone();
                self.seen.push(next.clone());
                if which(&next) {
                    return next;
                }
            }
        };
        let Ok(event) = tokio::time::timeout(DEADLINE, wait).await else {
            panic!("it did not happen; this did: {:#?}", self.seen)
        };
        event
    }

    /// Everything that happened so far, in order.
    pub(super) fn events(&mut self) -> Vec<Event> {
        while let Some(Some(next)) = futures_now(self.events.next()) {
            self.seen.push(next.event.clone());
        }
        self.seen.clone()
    }

    /// Waits until something holds.
    pub(super) async fn until(&self, holds: impl Fn(&World) -> bool) {
        let deadline = tokio::time::Instant::now() + DEADLINE;
        while !holds(self) {
            assert!(tokio::time::Instant::now() < deadline, "agents: {:#?}", self.fleet.agents());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until the agent is like that.
    pub(super) async fn agent(&self, name: &str, like: impl Fn(&AgentDoc) -> bool) -> AgentDoc {
        let find = |w: &World| {
            let docs = w.fleet.agents().into_iter();
            docs.filter(|a| format!("{}/{}", a.session, a.name) == name).find(|a| like(a))
        };
        self.until(|w| find(w).is_some()).await;
        find(self).expect("it was there a moment ago")
    }

    /// Crashes an actor below the fleet and waits until it runs again.
    pub(super) async fn crash(&self, supervisor: &str, name: &str) {
        let path =
            if supervisor.is_empty() { "root/fleet".to_owned() } else { format!("root/fleet/{supervisor}") };
        let restarts = |w: &World| w.tree.view().find(&format!("{path}/{name}")).map(|n| n.node().restarts);
        let handle: Handle = self.tree.view().find(&path).expect("the supervisor").handle().expect("is one");
        let mut before = restarts(self);
        // It may be about to be started again after an earlier crash.
        let deadline = tokio::time::Instant::now() + DEADLINE;
        while let Err(e) = handle.crash(name).await {
            assert!(tokio::time::Instant::now() < deadline, "{path}/{name}: {e}");
            tokio::time::sleep(Duration::from_millis(5)).await;
            before = restarts(self);
        }
        self.until(|w| restarts(w) != before).await;
    }
}

/// What a future has ready now, if anything.
fn futures_now<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut cx) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}
