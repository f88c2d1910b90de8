//! Owns: who belongs to one session.
//! Receives: whole pictures from the roster, activity, losses of its server, agents that are gone.
//! Sends: facts and activity to its agents, their starts and ends to the supervisor they share.
//! Bounded by: limits::HANDS_QUEUE starts and ends that wait; the lanes of its gate.
//! Restart: permanent; asks the roster for its picture. Its agents live on beside it.

use std::sync::Arc;

use parking_lot::Mutex;
use tsup_core::clock::Mono;
use tsup_core::event::Event as Happened;
use tsup_core::fleet::roster::{Member, Picture};
use tsup_core::fleet::session::{Effect, Event, Session};
use tsup_core::ids::AgentId;
use tsup_core::limits;
use tsup_core::wire::doc::SessionDoc;

use super::directory::{AgentEntry, SessionEntry};
use super::hands::Hands;
use super::{Shared, agent, roster};
use crate::actor::{Actor, Cx, Failure};
use crate::gate::{Capacity, Gate, Lane};
use crate::store::Op;
use crate::supervisor::{Handle, child};

/// What a session receives.
#[derive(Debug)]
pub(super) enum Msg {
    /// What it looks like now.
    Picture(Box<Picture>),
    /// These agents are in another session now.
    Left(Vec<AgentId>),
    /// Something was written in the panes of these agents.
    Activity(Vec<AgentId>, Mono),
    /// Its server does not answer, or has ended.
    ServerLost {
        /// Whether it may still be alive.
        stalled: bool,
    },
    /// Its server answers.
    ServerBack,
    /// Nothing of an agent is left.
    Gone(AgentId),
    /// Time to let go of what an earlier incarnation left.
    Sweep,
}

/// The actor.
pub(super) struct SessionActor {
    shared: Shared,
    child: Arc<str>,
    entry: SessionEntry,
    handle: Handle,
    hands: Option<Hands>,
    session: Session,
    /// Whether its server's answer is known.
    heard: bool,
}

/// Waiting messages of one agent: a thousand agents wait in little memory.
const AGENT_CAPACITY: Capacity = Capacity { control: 256, work: 64, telemetry: 4 };

impl SessionActor {
    pub(super) fn new(shared: Shared, child: Arc<str>, entry: SessionEntry, handle: Handle) -> Self {
        let session = Session::default();
        SessionActor { shared, child, entry, handle, hands: None, session, heard: false }
    }

    fn step(&mut self, event: Event) {
        for effect in self.session.step(event) {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Start(member) => self.start(member),
            Effect::Tell(member) => self.tell(member),
            Effect::PaneGone(id) => self.send(id, agent::Msg::PaneGone),
            Effect::End { id, announce } => self.end(id, announce),
            Effect::Found => {
                let session = self.session.name().clone();
                self.shared
                    .bus
                    .publish(Happened::SessionFound { session, socket: self.entry.socket.clone() });
            }
            Effect::Lost => {
                let session = self.session.name().clone();
                self.shared.bus.publish(Happened::SessionGone { session, socket: self.entry.socket.clone() });
            }
            Effect::Empty => {
                let _ = self.shared.roster.control(roster::Msg::Empty(Arc::clone(&self.child)));
            }
        }
    }

    /// Starts an agent's actor, or meets one that lives beside an earlier incarnation of this one. The
    /// first thing it finds in its gate is what is known of it.
    fn start(&mut self, member: Box<Member>) {
        let id = member.id;
        let known = self.shared.directory.agent(id);
        let runs = known.as_ref().filter(|entry| entry.session == self.child);
        let entry = match runs {
            Some(entry) => entry.clone(),
            // The child's id is the agent's name of now; names change, the tree does not.
            None => AgentEntry {
                gate: Gate::with_capacity(self.handle.path().child(&self.child_id(&member)), AGENT_CAPACITY),
                socket: self.entry.socket.clone(),
                session: Arc::clone(&self.child),
                view: known.as_ref().map_or_else(Arc::default, |e| Arc::clone(&e.view)),
                memory: known.map_or_else(|| Arc::new(Mutex::new(None)), |e| e.memory),
            },
        };
        self.shared.directory.put_agent(id, entry.clone());
        self.tell(member);
        self.run(id, entry);
    }

    /// Has an agent's actor started, unless it runs.
    fn run(&self, id: AgentId, entry: AgentEntry) {
        let (shared, gate) = (self.shared.clone(), entry.gate.clone());
        let name = child_of(&gate);
        let spec = child(&name, gate, move || agent::AgentActor::new(shared.clone(), id, &entry));
        if !self.hands.as_ref().expect("a started session has hands").start(spec) {
            tracing::error!(agent = %id, "agent not started: too many wait");
        }
    }

    /// A name in the tree that no other agent of the session has.
    fn child_id(&self, member: &Member) -> String {
        let wanted = member.name.to_string();
        let path = self.handle.path().child(&wanted);
        let taken = self.shared.directory.agents_of(&self.child).into_iter().any(|id| {
            id != member.id && self.shared.directory.agent(id).is_some_and(|e| *e.gate.path() == path)
        });
        if taken || wanted.is_empty() || wanted.starts_with('(') {
            format!("{wanted}#{}", member.id)
        } else {
            wanted
        }
    }

    fn tell(&self, member: Box<Member>) {
        let id = member.id;
        self.send(id, agent::Msg::Tell(member, self.session.name().clone()));
    }

    fn send(&self, id: AgentId, message: agent::Msg) {
        if let Some(entry) = self.shared.directory.agent(id)
            && entry.gate.control(message).is_err()
        {
            tracing::error!(agent = %id, "an agent has no room for a report");
        }
    }

    fn end(&mut self, id: AgentId, announce: bool) {
        let Some(entry) = self.shared.directory.remove_agent(id, &self.child) else { return };
        let hands = self.hands.as_ref().expect("a started session has hands");
        hands.end(&child_of(&entry.gate));
        if announce {
            if let Some(doc) = &*entry.view.borrow() {
                self.shared.bus.publish(Happened::AgentGone(agent::reference(doc)));
            }
            let _ = self.shared.resources.control(crate::telemetry::resources::ResourcesMsg::Untrack { id });
            self.shared.store.write_lazily(Op::ForgetAgent(id));
        }
    }

    fn picture(&mut self, picture: Picture) {
        let doc = SessionDoc {
            name: picture.name.clone(),
            id: picture.tmux.map(|id| id.to_string()).unwrap_or_default(),
            socket: self.entry.socket.to_string(),
            owned: picture.owned,
            panes: picture.panes,
            agents: std::collections::BTreeMap::new(),
            present: picture.tmux.is_some(),
        };
        self.entry.view.send_if_modified(|before| {
            let changed = before.as_ref() != Some(&doc);
            *before = Some(doc);
            changed
        });
        self.heard = picture.heard;
        self.step(Event::Picture(picture));
    }

    /// Lets go of agents that an earlier incarnation kept and that did not show up since.
    fn sweep(&mut self, cx: &mut Cx<Self>) {
        if !self.heard {
            return cx.after(limits::SWEEP_AFTER, Lane::Control, Msg::Sweep).detach();
        }
        for id in self.shared.directory.agents_of(&self.child) {
            if !self.session.holds(id) {
                self.end(id, true);
            }
        }
    }
}

/// The name of an agent's actor under its session's supervisor.
fn child_of(gate: &Gate<agent::Msg>) -> String {
    let path = gate.path().as_str();
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

impl Actor for SessionActor {
    type Msg = Msg;

    async fn started(&mut self, cx: &mut Cx<Self>) -> Result<(), Failure> {
        self.hands = Some(Hands::new(self.handle.clone(), cx));
        // Agents go on before anybody tells of them: their deaths must not be missed meanwhile.
        for id in self.shared.directory.agents_of(&self.child) {
            if let Some(entry) = self.shared.directory.agent(id) {
                self.run(id, entry);
            }
        }
        let _ = self.shared.roster.control(roster::Msg::Repeat(Arc::clone(&self.child)));
        cx.after(limits::SWEEP_AFTER, Lane::Control, Msg::Sweep).detach();
        cx.ready();
        Ok(())
    }

    async fn handle(&mut self, message: &mut Msg, cx: &mut Cx<Self>) -> Result<(), Failure> {
        match message {
            Msg::Picture(picture) => {
                let picture = (**picture).clone();
                self.picture(picture);
            }
            Msg::Left(ids) => self.step(Event::Left(std::mem::take(ids))),
            Msg::Activity(ids, at) => {
                for id in ids {
                    if let Some(entry) = self.shared.directory.agent(*id) {
                        entry.gate.telemetry(agent::Msg::Activity(*at));
                    }
                }
            }
            Msg::ServerLost { stalled } => {
                for id in self.shared.directory.agents_of(&self.child) {
                    self.send(id, agent::Msg::ServerLost { stalled: *stalled });
                }
            }
            Msg::ServerBack => {
                for id in self.shared.directory.agents_of(&self.child) {
                    self.send(id, agent::Msg::ServerBack);
                }
            }
            Msg::Gone(id) => self.step(Event::Gone(*id)),
            Msg::Sweep => self.sweep(cx),
        }
        Ok(())
    }
}
