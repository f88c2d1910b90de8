//! Everything about agents and their sessions.
//!
//! `roster` knows which sessions and panes there are and looks for agents in them (`scan`). For each
//! session it has a supervisor started, with a `session` worker that knows the members and, beside it, one
//! `agent` actor each; `hands` starts and ends them. `breaker` paces relaunches over the whole fleet,
//! `transcripts` reads what agents' CLIs write about themselves, `records` keeps what was seen of an agent,
//! `drift` tells when profiles no longer fit.
//! `directory` holds the views that everybody may read; [`Fleet`] is what the rest of the house sees.

mod agent;
mod breaker;
mod directory;
mod drift;
mod gateways;
mod hands;
mod hooks;
mod ops;
pub mod profiles;
mod records;
mod roster;
mod scan;
pub mod screens;
mod session;
mod transcripts;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tsup_core::fleet::profile::Profiles;
use tsup_core::fleet::relaunch::Policy;
use tsup_core::fleet::spec::AgentSpec;
use tsup_core::fleet::state::AgentState;
use tsup_core::ids::{ActorPath, PaneId, SocketName};
use tsup_core::settings::{RestartPolicy, Settings};
use tsup_core::supervision::Strategy;
use tsup_core::telemetry::metric;
use tsup_core::tmux::report::{Answer, Ask, AskError, Report};
use tsup_core::wire::doc::{AgentDoc, SessionDoc};

use crate::actor::BoxFuture;
use crate::bus::Bus;
use crate::gate::{Capacity, Gate};
use crate::heirloom::Heirloom;
use crate::store::Store;
use crate::supervisor::{ChildSpec, SupervisorSpec, child, supervise};
use crate::telemetry::metrics::{Counter, Metrics, Timer};
use crate::telemetry::resources::ResourcesMsg;

use directory::Directory;

pub use gateways::Gateways;

/// The way to the tmux servers. One for the whole fleet; it must not block.
pub trait Tmux: Send + Sync + 'static {
    /// Asks the gateway of `socket`. The answer comes within a deadline.
    fn ask(&self, socket: &SocketName, ask: Ask) -> BoxFuture<Result<Answer, AskError>>;
    /// Wants the gateway of `socket` to tell everything again.
    fn resync(&self, socket: &SocketName);
    /// Tells the gateway of `socket` which panes have agents: it captures those. `false` means that it had no
    /// room and has to be told again.
    fn agents(&self, socket: &SocketName, panes: BTreeSet<PaneId>) -> bool;
    /// Wants a pane captured now.
    fn look(&self, socket: &SocketName, pane: PaneId);
}

/// What the fleet is made of.
pub struct Plan {
    /// The place of its supervisor, `root/system/fleet`.
    pub path: ActorPath,
    /// Identity of the home: panes with this mark are ours.
    pub home: String,
    /// This program, for the hidden verb that clears an agent's environment.
    pub exe: String,
    /// Where a spawned agent starts unless the request says.
    pub cwd: String,
    /// The configuration, followed as it changes.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// The profiles, followed as they change.
    pub profiles: watch::Receiver<Arc<Profiles>>,
    /// The tmux servers.
    pub tmux: Arc<dyn Tmux>,
    /// Where events go.
    pub bus: Bus,
    /// What outlives the supervisor.
    pub store: Store,
    /// Where it counts.
    pub metrics: Metrics,
    /// The sampler of process trees.
    pub resources: Gate<ResourcesMsg>,
}

/// What all actors of the fleet share.
struct Common {
    path: ActorPath,
    home: String,
    exe: String,
    cwd: String,
    settings: watch::Receiver<Arc<Settings>>,
    profiles: watch::Receiver<Arc<Profiles>>,
    tmux: Arc<dyn Tmux>,
    bus: Bus,
    store: Store,
    metrics: Metrics,
    counters: Counters,
    resources: Gate<ResourcesMsg>,
    directory: Directory,
    roster: Gate<roster::Msg>,
    breaker: Gate<breaker::Msg>,
    transcripts: Gate<transcripts::Msg>,
    followed: Heirloom<transcripts::Followed>,
    records: Gate<records::Msg>,
    drift: Gate<drift::Msg>,
    drift_memory: Heirloom<drift::Memory>,
    /// What fires about profiles.
    drifting: watch::Receiver<Vec<(Arc<str>, String)>>,
    /// Profiles that are tried beside the active ones.
    shadow: watch::Receiver<Option<Arc<Profiles>>>,
}

/// Handles that are used on every change of state.
struct Counters {
    state_changes: Counter,
    relaunches: Counter,
    hooks_late: Counter,
    time_in_state: BTreeMap<AgentState, Timer>,
}

/// See [`Common`].
type Shared = Arc<Common>;

impl Common {
    /// The profiles of now.
    fn profiles(&self) -> Arc<Profiles> {
        Arc::clone(&self.profiles.borrow())
    }

    /// How an agent is relaunched, by the configuration of now.
    fn policy(&self, restart: RestartPolicy) -> Policy {
        let relaunch = self.settings.borrow().relaunch.clone();
        Policy {
            restart,
            initial_delay: relaunch.initial_delay,
            max_delay: relaunch.max_delay,
            max_restarts: u32::try_from(relaunch.max_restarts).unwrap_or(u32::MAX),
            period: relaunch.period,
        }
    }

    /// Relaunches a minute over the whole fleet; 0 means no limit.
    fn limit(&self) -> usize {
        usize::try_from(self.settings.borrow().relaunch.fleet_breaker).unwrap_or(usize::MAX)
    }

    /// How long an agent without a pane stays listed.
    fn grace(&self) -> Duration {
        self.settings.borrow().fleet.missing_grace
    }
}

/// The fleet, as the rest of the house sees it. Cheap to clone.
#[derive(Clone)]
pub struct Fleet {
    shared: Shared,
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fleet({})", self.shared.path)
    }
}

impl Fleet {
    /// A fleet that does not run yet.
    pub fn new(plan: Plan) -> Self {
        let states = AgentState::ALL.iter();
        let counters = Counters {
            state_changes: plan.metrics.counter(metric::AGENT_STATE_CHANGES, &[]),
            relaunches: plan.metrics.counter(metric::AGENT_RELAUNCHES, &[]),
            hooks_late: plan.metrics.counter(metric::HOOKS_LATE, &[]),
            time_in_state: states
                .map(|s| (*s, plan.metrics.timer(metric::TIME_IN_STATE, &[("state", s.as_str())])))
                .collect(),
        };
        let drift = drift::Memory::default();
        let shared = Arc::new(Common {
            drift: Gate::new(plan.path.child("(drift)")),
            drifting: drift.firing.subscribe(),
            shadow: drift.shadow.subscribe(),
            drift_memory: Heirloom::new(drift),
            roster: Gate::new(plan.path.child("(roster)")),
            breaker: Gate::with_capacity(
                plan.path.child("(breaker)"),
                Capacity { control: 16_384, work: 0, telemetry: 0 },
            ),
            transcripts: Gate::new(plan.path.child("(transcripts)")),
            followed: Heirloom::new(transcripts::Followed::new()),
            records: Gate::with_capacity(plan.path.child("(records)"), RECORDS_CAPACITY),
            path: plan.path,
            home: plan.home,
            exe: plan.exe,
            cwd: plan.cwd,
            settings: plan.settings,
            profiles: plan.profiles,
            tmux: plan.tmux,
            bus: plan.bus,
            store: plan.store,
            metrics: plan.metrics,
            counters,
            resources: plan.resources,
            directory: Directory::new(),
        });
        Fleet { shared }
    }

    /// The supervisor of everything here, to be started by whoever stands above.
    pub fn child(&self) -> ChildSpec {
        let shared = self.shared.clone();
        let spec = SupervisorSpec::new(shared.path.clone(), Strategy::OneForOne)
            .intensity(FLEET_RESTARTS, FLEET_PERIOD)
            .quarantine(FLEET_COOL_DOWN)
            .bus(&shared.bus);
        let handle = spec.handle();
        let for_breaker = shared.clone();
        let breaker = child("(breaker)", shared.breaker.clone(), move || {
            breaker::BreakerActor::new(for_breaker.clone())
        });
        let for_roster = shared.clone();
        let roster = child("(roster)", shared.roster.clone(), move || {
            roster::RosterActor::new(for_roster.clone(), handle.clone())
        });
        let for_transcripts = shared.clone();
        let transcripts = child("(transcripts)", shared.transcripts.clone(), move || {
            transcripts::TranscriptsActor::new(for_transcripts.clone())
        });
        let for_records = shared.clone();
        let records = child("(records)", shared.records.clone(), move || {
            records::RecordsActor::new(for_records.clone())
        });
        let for_drift = shared.clone();
        let drift = child("(drift)", shared.drift.clone(), move || drift::DriftActor::new(for_drift.clone()));
        supervise("fleet", spec.child(breaker).child(records).child(drift).child(transcripts).child(roster))
    }

    /// Takes a gateway's report. `false` means that there was no room: the gateway tells everything again
    /// later.
    pub fn hear(&self, socket: &SocketName, report: Report) -> bool {
        let activity = matches!(report, Report::Activity { .. } | Report::Screen { .. });
        let message = roster::Msg::Report(socket.clone(), Some(report));
        if activity {
            self.shared.roster.telemetry(message);
            return true;
        }
        self.shared.roster.work(message).is_ok()
    }

    /// The configuration changed: agents may be declared, or no longer be.
    pub fn reload(&self) {
        if self.shared.roster.control(roster::Msg::Reload).is_err() {
            tracing::error!("the roster has no room for a reload");
        }
    }

    /// The profiles changed: every pane is looked at for agents again, and every agent's screen is read again.
    pub fn read_again(&self) {
        if self.shared.roster.control(roster::Msg::Profiles).is_err() {
            tracing::error!("the roster has no room for other profiles");
        }
        for doc in self.agents() {
            let entry = self.shared.directory.agent(doc.id);
            if entry.is_some_and(|entry| entry.gate.control(agent::Msg::ReadAgain).is_err()) {
                tracing::warn!(agent = %doc.id, "it has no room to be read with other profiles");
            }
        }
    }

    /// All agents, sorted by session, then name. Asks nobody.
    pub fn agents(&self) -> Vec<AgentDoc> {
        self.shared.directory.agent_docs()
    }

    /// All sessions, sorted by socket, then name. Asks nobody.
    pub fn sessions(&self) -> Vec<SessionDoc> {
        self.shared.directory.session_docs()
    }

    /// How many agents are in each state. Asks nobody.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.shared.directory.counts().into_iter().map(|(state, n)| (state.to_string(), n)).collect()
    }

    /// Whether the store was read; before that, reports are let go, and asked for again after it.
    pub fn loaded(&self) -> watch::Receiver<bool> {
        self.shared.directory.loaded()
    }

    /// Whether each socket of the configuration was heard of, so that what is there is known.
    pub fn heard(&self) -> watch::Receiver<bool> {
        self.shared.directory.heard()
    }
}

/// Frames may hold whole screens, so few of them wait.
const RECORDS_CAPACITY: Capacity = Capacity { control: 256, work: 128, telemetry: 0 };
/// Crashes of one actor of the fleet after which it rests instead of taking others along.
const FLEET_RESTARTS: u32 = 10;
/// The period in which they count.
const FLEET_PERIOD: Duration = Duration::from_secs(60);
/// How long it rests.
const FLEET_COOL_DOWN: Duration = Duration::from_secs(15);

/// The agents that the configuration declares now.
fn declared(shared: &Shared) -> Vec<AgentSpec> {
    AgentSpec::declared(&shared.settings.borrow(), &shared.profiles())
}
