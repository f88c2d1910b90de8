//! The whole tree in one place.
//!
//! ```text
//! root                     rest_for_one
//! ├─ store                 the one writer of the database
//! └─ system                one_for_one: no domain's failure restarts another
//!    ├─ edge               audit log, control socket
//!    ├─ telemetry          registry, one sink a StatsD target, resources
//!    ├─ tmux               one gateway a socket
//!    └─ fleet              roster, a supervisor a session
//! ```
//!
//! Gates and links are made here, before any actor, so that everybody can be told of everybody.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tsup_core::error::{Exit, UserError};
use tsup_core::event::Event;
use tsup_core::fleet::profile::Profiles;
use tsup_core::ids::{ActorPath, SocketName};
use tsup_core::limits;
use tsup_core::settings::Settings;
use tsup_core::supervision::{Backoff, End, Strategy};
use tsup_core::tmux::report::{Answer, Ask, AskError, Report};

use crate::actor::{BoxFuture, Failure};
use crate::bus::Bus;
use crate::clock::{now_mono, now_wall};
use crate::edge::audit::Audit;
use crate::edge::ctl::Ctl;
use crate::edge::ctl::desk::{Admin, Desk, Identity, Parts};
use crate::fleet::{Fleet, Plan, Tmux};
use crate::gate::{Gate, Lane};
use crate::store::Store;
use crate::supervisor::{self, SupervisorSpec, Tree, View, child, supervise};
use crate::telemetry::Metrics;
use crate::telemetry::registry::Registry;
use crate::telemetry::resources::{ResourcesMsg, ResourcesPlan};
use crate::telemetry::statsd::{self, StatsdPlan};
use crate::tmux::{self, Gateway, GatewaySettings, Listener, Place, Refused};

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
    /// The folder of the logs, which exists.
    pub log_dir: PathBuf,
    /// This program, for what it runs in panes of its own.
    pub exe: PathBuf,
    /// Where a spawned agent starts unless the request says.
    pub cwd: PathBuf,
    /// The profiles of agent CLIs.
    pub profiles: Profiles,
    /// The version to tell.
    pub version: String,
}

/// A tree that runs.
pub struct RunningRoot {
    tree: Tree,
    bus: Bus,
    ready: watch::Receiver<bool>,
    admin: mpsc::Receiver<Admin>,
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
pub async fn start(config: RootConfig) -> Result<RunningRoot, Failure> {
    let settings = Arc::clone(&config.settings.borrow());
    let bus = Bus::new();
    let metrics = Metrics::new(now_wall());
    let (ready_tx, ready) = watch::channel(false);
    let (admin_tx, admin) = mpsc::channel(4);
    let root = ActorPath::root();
    let system = root.child("system");

    let store = Store::new(&root, "store", config.home.join("tsup.db"));
    let (telemetry, resources) = telemetry(&system.child("telemetry"), &settings, &metrics, &bus);
    let (servers, gateways) = gateways(&system.child("tmux"), &settings, &metrics, &bus);
    let fleet = Fleet::new(Plan {
        path: system.child("fleet"),
        home: config.home.display().to_string(),
        exe: config.exe.display().to_string(),
        cwd: config.cwd.display().to_string(),
        settings: config.settings.clone(),
        profiles: Arc::new(config.profiles),
        tmux: Arc::new(gateways.clone()),
        bus: bus.clone(),
        store: store.clone(),
        metrics: metrics.clone(),
        resources,
    });
    gateways.speak_to(&fleet);

    let view = Arc::new(std::sync::OnceLock::<View>::new());
    let edge = {
        let path = system.child("edge");
        let audit = Gate::new(path.child("audit"));
        let desk = Desk::new(Parts {
            identity: Identity {
                pid: std::process::id(),
                started_at: now_wall(),
                started: now_mono(),
                home: config.home.display().to_string(),
                socket: config.socket.display().to_string(),
                version: config.version.clone(),
            },
            ready: ready.clone(),
            bus: bus.clone(),
            tree: Arc::clone(&view),
            fleet: fleet.clone(),
            metrics: metrics.clone(),
            store: store.health(),
            audit: audit.clone(),
            admin: admin_tx,
        });
        let (log, socket) = (config.log_dir.join("audit.jsonl"), config.socket.clone());
        part(SupervisorSpec::new(path.clone(), Strategy::OneForOne), &bus)
            .child(child("audit", audit, move || Audit::new(log.clone())).backoff(DOMAIN_BACKOFF))
            .child(
                child("ctl", Gate::new(path.child("ctl")), move || Ctl::new(socket.clone(), desk.clone()))
                    .backoff(DOMAIN_BACKOFF),
            )
    };

    let system = part(SupervisorSpec::new(system, Strategy::OneForOne), &bus)
        .child(supervise("edge", edge).backoff(DOMAIN_BACKOFF))
        .child(supervise("telemetry", telemetry).backoff(DOMAIN_BACKOFF))
        .child(supervise("tmux", servers).backoff(DOMAIN_BACKOFF))
        .child(fleet.child().backoff(DOMAIN_BACKOFF));
    let (restarts, period) = ROOT_INTENSITY;
    let spec = SupervisorSpec::new(root, Strategy::RestForOne)
        .intensity(restarts, period)
        .bus(&bus)
        .child(child("store", store.gate(), move || store.actor()))
        .child(supervise("system", system));
    let tree = supervisor::spawn(spec).await?;
    let _ = view.set(tree.view().clone());
    tokio::spawn(announce(fleet.heard(), ready_tx, bus.clone()));
    tokio::spawn(follow(config.settings, fleet));
    Ok(RunningRoot { tree, bus, ready, admin })
}

/// Tells the fleet of each new configuration, for as long as there can be one.
async fn follow(mut settings: watch::Receiver<Arc<Settings>>, fleet: Fleet) {
    while settings.changed().await.is_ok() {
        fleet.reload();
    }
}

/// Tells that everything is up, once each tmux socket was heard of: then what is there is known. A socket
/// that says nothing at all does not keep the rest from being used.
async fn announce(mut heard: watch::Receiver<bool>, ready: watch::Sender<bool>, bus: Bus) {
    let all = heard.wait_for(|heard| *heard);
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

/// The metrics and where they go. A dead sink never restarts anything else.
fn telemetry(
    path: &ActorPath,
    settings: &Settings,
    metrics: &Metrics,
    bus: &Bus,
) -> (SupervisorSpec, Gate<ResourcesMsg>) {
    let mut sinks = Vec::new();
    let mut spec = part(SupervisorSpec::new(path.clone(), Strategy::OneForOne), bus);
    let statsd = settings.statsd.clone().unwrap_or_default();
    let targets = if settings.statsd.is_some() { statsd.targets.clone() } else { Vec::new() };
    for (n, target) in targets.into_iter().enumerate() {
        let id = if n == 0 { "statsd".to_owned() } else { format!("statsd-{}", n + 1) };
        let gate = statsd::gate(path.child(&id));
        metrics.watch_gate(&gate).keep();
        sinks.push(gate.clone());
        let plan = StatsdPlan::new(target, &statsd, metrics.clone());
        spec = spec.child(child(&id, gate, move || plan.make()).backoff(DOMAIN_BACKOFF));
    }
    let registry = Gate::new(path.child("registry"));
    let resources = Gate::new(path.child("resources"));
    metrics.watch_gate(&registry).keep();
    metrics.watch_gate(&resources).keep();
    let (table, events, every) = (metrics.clone(), bus.clone(), statsd.flush);
    let sampler = ResourcesPlan::new(metrics.clone());
    let to_sampler = resources.clone();
    let spec = spec
        .child(
            child("registry", registry, move || {
                Registry::new(table.clone(), events.clone(), sinks.clone(), every)
            })
            .backoff(DOMAIN_BACKOFF),
        )
        .child(child("resources", resources, move || sampler.make()).backoff(DOMAIN_BACKOFF));
    (spec, to_sampler)
}

/// The gateways, one for each socket, and the way to them.
fn gateways(
    path: &ActorPath,
    settings: &Settings,
    metrics: &Metrics,
    bus: &Bus,
) -> (SupervisorSpec, Gateways) {
    let gateways = Gateways::default();
    let mut spec = part(SupervisorSpec::new(path.clone(), Strategy::OneForOne), bus);
    let mut all = BTreeMap::new();
    for socket in &settings.tmux.sockets {
        // A socket given by its path is a child by a name without slashes, which a person can type.
        let id = socket.0.trim_start_matches('/').replace('/', ":");
        let gate = Gate::new(path.child(&id));
        metrics.watch_gate(&gate).keep();
        all.insert(socket.clone(), gate.clone());
        let plan =
            GatewaySettings { socket: socket.clone(), push: settings.tmux.push, place: Place::from_env() };
        let (listener, table) = (Arc::new(gateways.clone()), metrics.clone());
        spec = spec.child(
            child(&id, gate, move || {
                let listener: Arc<dyn Listener> = Arc::clone(&listener) as _;
                Gateway::new(plan.clone(), listener, &table)
            })
            .backoff(DOMAIN_BACKOFF),
        );
    }
    let _ = gateways.gates.set(all);
    (spec, gateways)
}

/// The wire between the gateways and the fleet, which know nothing of each other.
#[derive(Clone, Default)]
struct Gateways {
    gates: Arc<OnceLock<BTreeMap<SocketName, Gate<tmux::Msg>>>>,
    fleet: Arc<OnceLock<Fleet>>,
}

impl Gateways {
    fn speak_to(&self, fleet: &Fleet) {
        let _ = self.fleet.set(fleet.clone());
    }

    fn gate(&self, socket: &SocketName) -> Option<Gate<tmux::Msg>> {
        self.gates.get()?.get(socket).cloned()
    }
}

impl Listener for Gateways {
    fn hear(&self, socket: &SocketName, report: Report) -> Result<(), Refused> {
        match self.fleet.get() {
            Some(fleet) if fleet.hear(socket, report) => Ok(()),
            _ => Err(Refused),
        }
    }
}

impl Tmux for Gateways {
    fn ask(&self, socket: &SocketName, ask: Ask) -> BoxFuture<Result<Answer, AskError>> {
        let (gate, socket) = (self.gate(socket), socket.clone());
        Box::pin(async move {
            let gate =
                gate.ok_or_else(|| AskError::Invalid(format!("tmux socket {socket} is not watched")))?;
            // The gateway keeps the deadline; this one is for a gateway that is being restarted.
            let patience = limits::TMUX_DEADLINE + limits::CALL_TIMEOUT;
            let answer = gate.call(Lane::Control, patience, |reply| tmux::Msg::Ask(ask, reply)).await;
            answer.unwrap_or(Err(AskError::Timeout(patience.as_secs())))
        })
    }

    fn resync(&self, socket: &SocketName) {
        if let Some(gate) = self.gate(socket)
            && gate.control(tmux::Msg::Resync).is_err()
        {
            tracing::error!(%socket, "the tmux gateway has no room for a resync");
        }
    }
}

impl RunningRoot {
    /// Whether everything is up.
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.clone()
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
