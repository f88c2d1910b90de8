//! A fleet under a supervisor of its own, over a tmux that is only processes ([`super::fake_tmux`]).
#![expect(clippy::unwrap_used, reason = "a test's fixture fails by panicking")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::watch;
use tsup_actors::bus::{Bus, Subscription};
use tsup_actors::clock::now_wall;
use tsup_actors::fleet::{Fleet, Plan, Tmux};
use tsup_actors::gate::Gate;
use tsup_actors::store::Store;
use tsup_actors::supervisor::{Handle, SupervisorSpec, Tree, child, spawn};
use tsup_actors::telemetry::Metrics;
use tsup_actors::telemetry::registry::RegistryPlan;
use tsup_actors::telemetry::resources::{ResourcesMsg, ResourcesPlan};
use tsup_core::event::Event;
use tsup_core::fleet::profile::Profiles;
use tsup_core::ids::ActorPath;
use tsup_core::settings::{AgentSettings, EnvEntry, RestartPolicy, SessionSettings, Settings};
use tsup_core::supervision::Strategy;
use tsup_core::wire::doc::AgentDoc;

use super::fake_tmux::{FakeTmux, Way, socket};

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
        tmux.tells(&parts.fleet);
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

    /// Crashes an actor below the fleet and does not wait until it runs again.
    pub(super) async fn crash_now(&self, supervisor: &str, name: &str) {
        let path = format!("root/fleet/{supervisor}");
        let handle: Handle = self.tree.view().find(&path).expect("the supervisor").handle().expect("is one");
        handle.crash(name).await.expect("it runs");
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
