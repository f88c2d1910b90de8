//! Owns: which sessions, panes and agents there are on all tmux servers.
//! Receives: the gateways' reports, what looks at the process tree saw, spawns, ends of agents.
//! Sends: whole pictures and activity to the sessions, their starts and ends to the supervisor.
//! Bounded by: one look at a time for each server; the lanes of its gate.
//! Restart: permanent; asks the gateways for everything. Sessions and agents live on and are met again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tsup_core::event::Event as Happened;
use tsup_core::fleet::roster::{Effect, Event, Looked, Picture, Roster, SessionKey};
use tsup_core::fleet::spec::AgentSpec;
use tsup_core::ids::{AgentId, PaneId, ProcId, SocketName};
use tsup_core::limits;
use tsup_core::supervision::Strategy;
use tsup_core::tmux::report::Report;

use super::directory::{RosterMemory, SessionEntry, Stored};
use super::hands::Hands;
use super::{Shared, agent, declared, scan, session};
use crate::actor::{Actor, Cx, Failure, Timer, blocking};
use crate::gate::{Gate, Lane};
use crate::heirloom::Held;
use crate::os::proc;
use crate::store::{Loaded, StoreError};
use crate::supervisor::{Handle, SupervisorSpec, child, supervise};
use crate::telemetry::metrics::AgentGauges;

/// What the roster receives.
#[derive(Debug)]
pub(super) enum Msg {
    /// A gateway told something. `None` once taken.
    Report(SocketName, Option<Report>),
    /// The process tree was looked at.
    Looked(SocketName, ProcId, Vec<Looked>),
    /// What outlived the last supervisor.
    Loaded(Box<Result<Loaded, StoreError>>),
    /// A person spawned an agent.
    Own(Box<AgentSpec>),
    /// A spawned agent was ended by a person.
    Disown(AgentId),
    /// A found agent's process ended.
    Ended(AgentId),
    /// Nothing is left of a session.
    Empty(Arc<str>),
    /// A session's actor begins anew and wants its picture.
    Repeat(Arc<str>),
    /// The configuration changed.
    Reload,
    /// The profiles are others.
    Profiles,
    /// The gateway of this socket is to be told again which panes have agents.
    AgentsRefused(SocketName),
    /// Panes are due to be looked at.
    LookDue,
    /// Time to let go of what an earlier incarnation left.
    Sweep,
    /// Time to count.
    Count,
}

/// How often the gauges of agents by state are set.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// The actor.
pub(super) struct RosterActor {
    shared: Shared,
    held: Held<RosterMemory>,
    roster: Roster,
    handle: Handle,
    hands: Option<Hands>,
    sessions: BTreeMap<SessionKey, (Arc<str>, Gate<session::Msg>)>,
    /// What the store knew of agents that were not met yet.
    stored: BTreeMap<AgentId, Stored>,
    /// Reports before the load are of no use: it ends with a call for everything.
    loaded: bool,
    heard: BTreeMap<SocketName, bool>,
    look_timer: Option<Timer>,
    gauges: AgentGauges,
}

impl RosterActor {
    pub(super) fn new(shared: Shared, handle: Handle) -> Self {
        let sockets = shared.settings.borrow().tmux.sockets.clone();
        RosterActor {
            held: shared.directory.roster.reach(),
            roster: Roster::new(shared.home.clone()),
            handle,
            hands: None,
            sessions: BTreeMap::new(),
            stored: BTreeMap::new(),
            loaded: false,
            heard: sockets.into_iter().map(|s| (s, false)).collect(),
            look_timer: None,
            gauges: shared.metrics.agent_gauges(),
            shared,
        }
    }

    fn step(&mut self, event: Event, cx: &mut Cx<Self>) {
        for effect in self.roster.step(event, cx.now()) {
            self.perform(effect, cx);
        }
    }

    fn perform(&mut self, effect: Effect, cx: &mut Cx<Self>) {
        match effect {
            Effect::Look { socket, server, panes } => {
                let profiles = self.shared.profiles();
                cx.offload(
                    move || scan::look(&profiles, panes),
                    move |looks| Msg::Looked(socket, server, looks),
                );
            }
            Effect::LookAgain(after) => self.look_timer = Some(cx.after(after, Lane::Work, Msg::LookDue)),
            Effect::Open { key, socket, child } => self.open(key, socket, child),
            Effect::Update(key, picture) => self.update(key, picture),
            Effect::Left(key, agents) => self.tell(key, Lane::Work, session::Msg::Left(agents)),
            Effect::Close(key) => self.close(key),
            Effect::Activity(key, agents, at) => {
                self.tell(key, Lane::Telemetry, session::Msg::Activity(agents, at));
            }
            Effect::Screen(key, agent, screen) => {
                self.tell(key, Lane::Telemetry, session::Msg::Screen(agent, Some(screen)));
            }
            Effect::Agents { socket, panes } => self.tell_agents(socket, panes, cx),
            Effect::ServerLost { socket, sessions, stalled, again } => {
                for key in sessions {
                    self.tell(key, Lane::Work, session::Msg::ServerLost { stalled });
                }
                if !again {
                    self.shared.bus.publish(Happened::TmuxLost { socket });
                }
            }
            Effect::ServerBack { socket, sessions } => {
                for key in sessions {
                    self.tell(key, Lane::Work, session::Msg::ServerBack);
                }
                self.shared.bus.publish(Happened::TmuxBack { socket });
            }
        }
    }

    /// Without the list the gateway captures no new agent's screen, so one that has no room is told again.
    fn tell_agents(&self, socket: SocketName, panes: BTreeSet<PaneId>, cx: &mut Cx<Self>) {
        if !self.shared.tmux.agents(&socket, panes) {
            tracing::warn!(%socket, "a gateway has no room for the list of agents; it is told again");
            cx.after(limits::AGENTS_AGAIN, Lane::Control, Msg::AgentsRefused(socket)).detach();
        }
    }

    /// Sends a session its picture, with what the store knew of its agents.
    fn update(&mut self, key: SessionKey, picture: Picture) {
        let Some((child, gate)) = self.sessions.get(&key) else { return };
        // Before its server was heard of, a session meets nobody.
        let met = picture.members.iter().filter(|_| picture.heard);
        let stored = met.filter_map(|m| self.stored.remove(&m.id)).collect();
        if let Err(full) = gate.work(session::Msg::Picture(Box::new(picture), stored)) {
            // It gets the next one, or asks for this one when it begins anew.
            tracing::warn!(session = %child, "a session has no room for its picture");
            if let session::Msg::Picture(_, stored) = full.message {
                self.stored.extend(stored.into_iter().map(|known| (known.0.id, known)));
            }
        }
    }

    fn tell(&self, key: SessionKey, lane: Lane, message: session::Msg) {
        if let Some((child, gate)) = self.sessions.get(&key)
            && gate.send(lane, message).is_err()
        {
            // It asks for its picture when it has room again, or begins anew.
            tracing::warn!(session = %child, "a session has no room for a report");
        }
    }

    /// Has a supervisor started for a session: its worker, and beside it agents as they come.
    fn open(&mut self, key: SessionKey, socket: SocketName, name: String) {
        let path = self.shared.path.child(&name);
        let id: Arc<str> = name.into();
        let hands = self.hands.as_ref().expect("a started roster has hands");
        // A session that lives on from before an earlier incarnation of this actor is met again.
        let known = self.held.sessions.borrow().get(&id).cloned();
        if known.as_ref().is_some_and(|entry| entry.socket != socket) {
            hands.end(&id);
        }
        let entry = known
            .filter(|entry| entry.socket == socket)
            .unwrap_or_else(|| SessionEntry::new(Gate::new(path.child("(session)")), socket));
        self.held.sessions.send_modify(|all| drop(all.insert(Arc::clone(&id), entry.clone())));
        self.sessions.insert(key, (Arc::clone(&id), entry.gate.clone()));
        let spec = SupervisorSpec::new(path, Strategy::OneForOne)
            .intensity(super::FLEET_RESTARTS, super::FLEET_PERIOD)
            .quarantine(super::FLEET_COOL_DOWN)
            .bus(&self.shared.bus);
        let (shared, handle, child_id, gate) =
            (self.shared.clone(), spec.handle(), Arc::clone(&id), entry.gate.clone());
        let worker = child("(session)", gate, move || {
            session::SessionActor::new(shared.clone(), Arc::clone(&child_id), entry.clone(), handle.clone())
        });
        if !hands.start(supervise(&id, spec.child(worker))) {
            tracing::error!(session = %id, "session not started: too many wait");
        }
    }

    fn close(&mut self, key: SessionKey) {
        if let Some((id, _)) = self.sessions.remove(&key) {
            self.held.sessions.send_modify(|all| drop(all.remove(&id)));
            self.hands.as_ref().expect("a started roster has hands").end(&id);
        }
    }

    /// Ends sessions of an earlier incarnation that did not show up since.
    fn sweep(&mut self) {
        let all = self.held.sessions.borrow().clone();
        for (child, session) in all.into_iter().filter(|(child, _)| self.key_of(child).is_none()) {
            self.hands.as_ref().expect("a started roster has hands").end(&child);
            self.held.sessions.send_modify(|all| drop(all.remove(&child)));
            for entry in session.agents.borrow().values().filter(|entry| entry.left.is_none()) {
                if let Some(doc) = &*entry.view.borrow() {
                    self.shared.bus.publish(Happened::AgentGone(agent::reference(doc)));
                }
            }
        }
    }

    fn key_of(&self, child: &str) -> Option<SessionKey> {
        self.sessions.iter().find(|(_, (id, _))| &**id == child).map(|(key, _)| *key)
    }

    fn loaded(&mut self, loaded: Result<Loaded, StoreError>, cx: &mut Cx<Self>) {
        match loaded {
            Ok(loaded) => {
                let specs: Vec<AgentSpec> =
                    loaded.agents.iter().filter_map(|(record, _)| record.spec.clone()).collect();
                self.stored = loaded.agents.into_iter().map(|known| (known.0.id, known)).collect();
                for spec in specs {
                    self.step(Event::Own(spec), cx);
                }
            }
            Err(e) => tracing::error!(error = %e, "what is known of the agents cannot be read"),
        }
        self.loaded = true;
        self.step(Event::Declare(declared(&self.shared)), cx);
        self.held.loaded.send_replace(true);
        for socket in &self.shared.settings.borrow().tmux.sockets {
            self.shared.tmux.resync(socket);
        }
        cx.ready();
    }

    fn report(&mut self, socket: SocketName, report: Report, cx: &mut Cx<Self>) {
        if !self.loaded {
            return;
        }
        if matches!(report, Report::Snapshot { .. } | Report::Lost { .. }) {
            self.heard.insert(socket.clone(), true);
            let all = self.heard.values().all(|heard| *heard);
            self.held.heard.send_if_modified(|before| std::mem::replace(before, all) != all);
        }
        self.step(Event::Report { socket, report }, cx);
    }
}

/// Reads the store, and forgets found agents whose processes are no more.
async fn load(shared: Shared) -> Result<Loaded, StoreError> {
    let mut loaded = shared.store.load().await?;
    let same_boot = loaded.same_boot;
    let agents = std::mem::take(&mut loaded.agents);
    let kept = blocking(move || {
        agents.into_iter().partition(|(record, _)| {
            let lives = || record.process.is_some_and(|p| proc::identify(p.pid).is_ok_and(|now| now == p));
            record.owned || (same_boot && lives())
        })
    });
    let (kept, gone): (Vec<_>, Vec<_>) = kept.await.unwrap_or_default();
    for (record, _) in gone {
        shared.store.write_lazily(crate::store::Op::ForgetAgent(record.id));
    }
    loaded.agents = kept;
    Ok(loaded)
}

impl Actor for RosterActor {
    type Msg = Msg;

    async fn started(&mut self, cx: &mut Cx<Self>) -> Result<(), Failure> {
        self.held.filled().await;
        let hands = Hands::new(self.handle.clone(), cx);
        cx.after(limits::SWEEP_AFTER, Lane::Control, Msg::Sweep).detach();
        self.hands = Some(hands);
        let (shared, gate) = (self.shared.clone(), cx.gate().clone());
        cx.spawn(async move {
            let loaded = Box::new(load(shared).await);
            gate.insist(Lane::Control, Msg::Loaded(loaded)).await;
        });
        cx.after(COUNT_EVERY, Lane::Telemetry, Msg::Count).detach();
        Ok(())
    }

    async fn handle(&mut self, message: &mut Msg, cx: &mut Cx<Self>) -> Result<(), Failure> {
        match message {
            Msg::Report(socket, report) => {
                if let Some(report) = report.take() {
                    self.report(socket.clone(), report, cx);
                }
            }
            Msg::Looked(socket, server, looks) => {
                let (socket, looks) = (socket.clone(), std::mem::take(looks));
                self.step(Event::Looked { socket, server: *server, looks }, cx);
            }
            Msg::Loaded(loaded) => {
                let taken = std::mem::replace(&mut **loaded, Ok(Loaded::default()));
                self.loaded(taken, cx);
            }
            Msg::Own(spec) => self.step(Event::Own((**spec).clone()), cx),
            Msg::Disown(id) => self.step(Event::Disown(*id), cx),
            Msg::Ended(id) => self.step(Event::Ended(*id), cx),
            Msg::Empty(child) => {
                if let Some(key) = self.key_of(child) {
                    self.step(Event::Empty(key), cx);
                }
            }
            Msg::Repeat(child) => {
                if let Some(effect) = self.key_of(child).and_then(|key| self.roster.repeat(key)) {
                    self.perform(effect, cx);
                }
            }
            Msg::Reload => self.step(Event::Declare(declared(&self.shared)), cx),
            Msg::Profiles => {
                // Declared agents may get their command from a profile.
                self.step(Event::Declare(declared(&self.shared)), cx);
                self.step(Event::Profiles, cx);
            }
            Msg::AgentsRefused(socket) => self.step(Event::AgentsRefused(socket.clone()), cx),
            Msg::LookDue => self.step(Event::LookDue, cx),
            Msg::Sweep => self.sweep(),
            Msg::Count => {
                self.gauges.set(&self.shared.directory.counts());
                cx.after(COUNT_EVERY, Lane::Telemetry, Msg::Count).detach();
            }
        }
        Ok(())
    }
}
