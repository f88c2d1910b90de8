//! The whole tree in one place.
//!
//! ```text
//! root                     rest_for_one
//! ├─ store                 the one writer of the database
//! └─ system                one_for_one: no domain's failure restarts another
//!    ├─ edge               audit log, control socket, hook socket
//!    ├─ telemetry          registry, one sink a StatsD target, resources, journal
//!    ├─ tmux               one gateway a socket
//!    ├─ tes                registry, shims, queue, an actor for each attempt that runs
//!    └─ fleet              breaker, roster, transcripts, records, drift, a supervisor a session
//! ```
//!
//! Gates and links are made here, before any actor, so that everybody can be told of everybody. `root/services.rs` makes telemetry
//! and the gateways.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tsup_core::error::{Exit, UserError};
use tsup_core::event::Event;
use tsup_core::fleet::profile::Profiles;
use tsup_core::ids::ActorPath;
use tsup_core::limits;
use tsup_core::settings::Settings;
use tsup_core::supervision::{Backoff, End, Strategy};

use crate::bus::Bus;
use crate::clock::{now_mono, now_wall};
use crate::edge::audit::{Audit, AuditMsg};
use crate::edge::ctl::Ctl;
use crate::edge::ctl::desk::{Admin, Desk, Identity, Parts};
use crate::edge::hooks::{Heard, Hooks};
use crate::fleet::{Fleet, Gateways, Plan};
use crate::gate::Gate;
use crate::store::{self, Store, StoreError};
use crate::supervisor::{self, SupervisorSpec, Tree, View, child, supervise};
use crate::telemetry::resources::ResourcesMsg;
use crate::telemetry::{JobMetrics, Metrics};
use crate::tes::{self, Tes};
use crate::tmux::Health;

mod services;

use services::{Telemetry, gates, gateways, telemetry};

/// What the tree is built from.
#[derive(Debug, Clone)]
pub struct RootConfig {
    /// The configuration, checked. A reload puts another one in its place; who reads a value when it
    /// needs it follows.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// The home directory, private to the user.
    pub home: PathBuf,
    /// Where the control socket goes.
    pub socket: PathBuf,
    /// Where the hooks' socket goes.
    pub hook_socket: PathBuf,
    /// The folder of the logs, which exists.
    pub log_dir: PathBuf,
    /// This program, for what it runs in panes of its own.
    pub exe: PathBuf,
    /// Where a spawned agent starts unless the request says.
    pub cwd: PathBuf,
    /// The profiles of agent CLIs, followed as they change.
    pub profiles: watch::Receiver<Arc<Profiles>>,
    /// What is wrong with the user's own profiles, for `status`.
    pub profile_complaints: watch::Receiver<Vec<String>>,
    /// The version to tell.
    pub version: String,
}

/// A tree that runs.
pub struct RunningRoot {
    tree: Tree,
    bus: Bus,
    ready: watch::Receiver<bool>,
    admin: mpsc::Receiver<Admin>,
    store: Store,
}

/// What a running tree tells its process.
#[derive(Debug)]
pub enum Next {
    /// Somebody asks over the control socket for what only the process can do.
    Asked(Admin),
    /// The tree has ended. An error when that was not asked for.
    Ended(Result<(), UserError>),
}

/// Restarts of the root's children that are too many: then the process ends, for the init above it.
const ROOT_INTENSITY: (u32, Duration) = (3, Duration::from_secs(60));
/// Restarts of a domain, or of a part of one, after which it rests.
const DOMAIN_INTENSITY: (u32, Duration) = (5, Duration::from_secs(60));
/// How long it rests.
const DOMAIN_REST: Duration = Duration::from_secs(30);
/// How restarts of such a part wait: a socket or a disk that is away comes back in seconds, not at once.
const DOMAIN_BACKOFF: Backoff = Backoff::exponential(Duration::from_millis(50), Duration::from_secs(10));

/// Builds the tree and starts it. Returns when the first children run; [`RunningRoot::ready`] tells when
/// everything is up.
pub async fn start(config: RootConfig) -> Result<RunningRoot, UserError> {
    let database = config.home.join("tsup.db");
    refuse_newer(&database)?;
    let settings = Arc::clone(&config.settings.borrow());
    let bus = Bus::new();
    let metrics = Metrics::new(now_wall());
    let (ready_tx, ready) = watch::channel(false);
    let (admin_tx, admin) = mpsc::channel(limits::ADMIN_WAITING_MAX);
    let root = ActorPath::root();
    let system = root.child("system");

    let store = Store::new(&root, "store", database);
    let Telemetry { spec: telemetry, resources, journal, journal_health } =
        telemetry(&system.child("telemetry"), &config, &settings, &metrics, &bus);
    let servers = system.child("tmux");
    let gates = gates(&servers, &settings, &metrics);
    let gateways_of: Gateways = gates.iter().map(|(s, g)| (s.clone(), g.gate.clone())).collect();
    let around = (bus.clone(), store.clone(), metrics.clone(), resources);
    let fleet = fleet(system.child("fleet"), &config, gateways_of, around);
    let health = Health::default();
    let listener = health.listener(fleet.listener());
    let servers = gateways(&servers, gates, settings.tmux.push, &listener, &metrics, &bus);

    let tes = Tes::new(tes::Plan {
        path: system.child("tes"),
        home: config.home.clone(),
        exe: config.exe.clone(),
        sockets: vec![config.socket.clone(), config.hook_socket.clone()],
        settings: config.settings.clone(),
        store: Arc::new(store.clone()),
        bus: bus.clone(),
        metrics: JobMetrics::new(&metrics),
        journal,
    });
    tes.watch(&metrics);
    let view = Arc::new(std::sync::OnceLock::<View>::new());
    let at_edge = system.child("edge");
    let audit = Gate::new(at_edge.child("audit"));
    let (audit_complains, audit_health) = watch::channel(None);
    metrics.watch_gate(&store.gate()).keep();
    metrics.watch_gate(&audit).keep();
    let desk = Desk::new(Parts {
        identity: identity(&config.home, &config.socket, config.version),
        ready: ready.clone(),
        bus: bus.clone(),
        tree: Arc::clone(&view),
        fleet: fleet.clone(),
        tes: tes.clone(),
        metrics: metrics.clone(),
        tmux: health,
        store: store.health(),
        audit: audit.clone(),
        audit_health,
        journal_health,
        profile_complaints: config.profile_complaints,
        admin: admin_tx,
    });
    let hooks: Gate<Heard> = Gate::new(at_edge.child("hooks"));
    metrics.watch_gate(&hooks).keep();
    let (hook_socket, for_hooks, table) = (config.hook_socket, fleet.clone(), metrics.clone());
    let hooks = child("hooks", hooks, move || Hooks::new(hook_socket.clone(), for_hooks.clone(), &table));
    let audit = (audit, audit_complains);
    let edge = edge(&at_edge, config.log_dir.join("audit.jsonl"), audit, config.socket, desk, &bus)
        .child(hooks.backoff(DOMAIN_BACKOFF));

    let system = part(SupervisorSpec::new(system, Strategy::OneForOne), &bus)
        .child(supervise("edge", edge).backoff(DOMAIN_BACKOFF))
        .child(supervise("telemetry", telemetry).backoff(DOMAIN_BACKOFF))
        .child(supervise("tmux", servers).backoff(DOMAIN_BACKOFF))
        .child(tes.child().backoff(DOMAIN_BACKOFF))
        .child(fleet.child().backoff(DOMAIN_BACKOFF));
    let (restarts, period) = ROOT_INTENSITY;
    let spec = SupervisorSpec::new(root, Strategy::RestForOne)
        .intensity(restarts, period)
        .bus(&bus)
        .child(child("store", store.gate(), {
            let store = store.clone();
            move || store.actor()
        }))
        .child(supervise("system", system));
    let tree = supervisor::spawn(spec)
        .await
        .map_err(|e| UserError::new(Exit::Failed, format!("cannot start the supervision tree: {e}")))?;
    let _ = view.set(tree.view().clone());
    tokio::spawn(announce(fleet.heard(), tes.loaded(), ready_tx, bus.clone()));
    tokio::spawn(reread(config.profiles, fleet.clone()));
    tokio::spawn(follow(config.settings, fleet));
    Ok(RunningRoot { tree, bus, ready, admin, store })
}

/// Tells the fleet of each new configuration, for as long as there can be one.
async fn follow(mut settings: watch::Receiver<Arc<Settings>>, fleet: Fleet) {
    while settings.changed().await.is_ok() {
        fleet.reload();
    }
}

/// Has all screens read again with other profiles, for as long as there can be others.
async fn reread(mut profiles: watch::Receiver<Arc<Profiles>>, fleet: Fleet) {
    while profiles.changed().await.is_ok() {
        fleet.read_again();
    }
}

/// Tells that everything is up, once each tmux socket was heard of and the jobs of before are known: then what is
/// there is known. A socket that says nothing at all does not keep the rest from being used.
async fn announce(
    mut heard: watch::Receiver<bool>,
    mut loaded: watch::Receiver<bool>,
    ready: watch::Sender<bool>,
    bus: Bus,
) {
    let all = async {
        let _ = heard.wait_for(|heard| *heard).await;
        let _ = loaded.wait_for(|loaded| *loaded).await;
    };
    if tokio::time::timeout(limits::READY_AT_LATEST, all).await.is_err() {
        tracing::warn!("ready, though not every tmux socket was heard of");
    }
    ready.send_replace(true);
    bus.publish(Event::Ready);
}

/// A supervisor whose children fail alone: they back off, and rest when they fail too often.
fn part(spec: SupervisorSpec, bus: &Bus) -> SupervisorSpec {
    let (restarts, period) = DOMAIN_INTENSITY;
    spec.intensity(restarts, period).quarantine(DOMAIN_REST).bus(bus)
}

/// A database that is merely broken degrades the store; one of a newer tsup must not be touched.
fn refuse_newer(database: &Path) -> Result<(), UserError> {
    match store::check(database) {
        Err(e @ StoreError::Newer { .. }) => Err(UserError::new(Exit::Refused, e.to_string())),
        _ => Ok(()),
    }
}

/// Everything about agents, with what is around it.
fn fleet(
    path: ActorPath,
    config: &RootConfig,
    tmux: Gateways,
    (bus, store, metrics, resources): (Bus, Store, Metrics, Gate<ResourcesMsg>),
) -> Fleet {
    Fleet::new(Plan {
        path,
        home: config.home.display().to_string(),
        exe: config.exe.display().to_string(),
        cwd: config.cwd.display().to_string(),
        settings: config.settings.clone(),
        profiles: config.profiles.clone(),
        tmux: Arc::new(tmux),
        bus,
        store,
        metrics,
        resources,
    })
}

/// Who this supervisor is.
fn identity(home: &Path, socket: &Path, version: String) -> Identity {
    Identity {
        pid: std::process::id(),
        started_at: now_wall(),
        started: now_mono(),
        home: home.display().to_string(),
        socket: socket.display().to_string(),
        version,
    }
}

/// The audit log and the control socket. The hook socket, which speaks to the fleet, joins them in [`start`].
fn edge(
    path: &ActorPath,
    log: PathBuf,
    (audit, health): (Gate<AuditMsg>, watch::Sender<Option<String>>),
    socket: PathBuf,
    desk: Desk,
    bus: &Bus,
) -> SupervisorSpec {
    let ctl = Gate::new(path.child("ctl"));
    part(SupervisorSpec::new(path.clone(), Strategy::OneForOne), bus)
        .child(child("audit", audit, move || Audit::new(log.clone(), health.clone())).backoff(DOMAIN_BACKOFF))
        .child(child("ctl", ctl, move || Ctl::new(socket.clone(), desk.clone())).backoff(DOMAIN_BACKOFF))
}

impl RunningRoot {
    /// Whether everything is up.
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.clone()
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What happens.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// What the process must know next. May be dropped while it waits; nothing is lost.
    pub async fn next(&mut self) -> Next {
        tokio::select! {
            biased;
            Some(asked) = self.admin.recv() => Next::Asked(asked),
            end = ended(&mut self.tree) => Next::Ended(end),
        }
    }

    /// Begins an ordered stop. Agents stay.
    pub fn drain(&self) {
        self.bus.publish(Event::Draining);
        self.tree.stop();
    }

    /// Makes a stop that is under way kill instead of ask.
    pub fn hurry(&self) {
        self.tree.hurry();
    }
}

/// Waits for the end. An error when it was not asked for.
async fn ended(tree: &mut Tree) -> Result<(), UserError> {
    match tree.ended().await {
        Some(End::Shutdown) => Ok(()),
        Some(end) => Err(UserError::new(Exit::Failed, format!("the supervision tree gave up: {end}"))
            .hint("the log says what failed; start tsup again, the agents stay")),
        None => Err(UserError::new(Exit::Bug, "the root supervisor died")
            .hint("please report this with the log; start tsup again, the agents stay")),
    }
}

#[cfg(test)]
mod tests;
