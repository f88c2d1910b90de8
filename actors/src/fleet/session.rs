//! Owns: who belongs to one session.
//! Receives: whole pictures from the roster, activity, losses of its server, agents that are gone.
//! Sends: facts and activity to its agents, their starts and ends to the supervisor they share.
//! Bounded by: limits::HANDS_QUEUE starts and ends that wait; the lanes of its gate.
//! Restart: permanent; asks the roster for its picture. Its agents live on beside it.

use std::sync::Arc;

use tsup_core::clock::Mono;
use tsup_core::event::Event as Happened;
use tsup_core::fleet::roster::{Member, Picture};
use tsup_core::fleet::session::{Effect, Event, Session};
use tsup_core::ids::AgentId;
use tsup_core::limits;
use tsup_core::tmux::report::Screen;
use tsup_core::wire::doc::SessionDoc;

use super::directory::{AgentEntry, SessionEntry, SessionMemory, Stored};
use super::hands::Hands;
use super::{Shared, agent, roster};
use crate::actor::{Actor, Cx, Failure};
use crate::gate::{Capacity, Gate, Lane};
use crate::heirloom::{Heirloom, Held};
use crate::store::Op;
use crate::supervisor::{Handle, child};

/// What a session receives.
#[derive(Debug)]
pub(super) enum Msg {
    /// What it looks like now, and what the store knew of agents that may be new in it.
    Picture(Box<Picture>, Vec<Stored>),
    /// These agents are in another session now.
    Left(Vec<AgentId>),
    /// Something was written in the panes of these agents.
    Activity(Vec<AgentId>, Mono),
    /// What an agent's pane shows. `None` once taken.
    Screen(AgentId, Option<Box<Screen>>),
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
    held: Held<SessionMemory>,
    handle: Handle,
    hands: Option<Hands>,
    session: Session,
    /// What the store knew of agents of the picture in hand.
    stored: Vec<Stored>,
    /// Whether its server's answer is known.
    heard: bool,
}

/// Waiting messages of one agent: a thousand agents wait in little memory.
const AGENT_CAPACITY: Capacity = Capacity { control: 256, work: 64, telemetry: 8 };

impl SessionActor {
    pub(super) fn new(shared: Shared, child: Arc<str>, entry: SessionEntry, handle: Handle) -> Self {
        SessionActor {
            shared,
            child,
            held: entry.memory.reach(),
            entry,
            handle,
            hands: None,
            session: Session::default(),
            stored: Vec::new(),
            heard: false,
        }
    }

    fn step(&mut self, event: Event, cx: &mut Cx<Self>) {
        for effect in self.session.step(event) {
            self.perform(effect, cx);
        }
    }

    fn perform(&mut self, effect: Effect, cx: &mut Cx<Self>) {
        match effect {
            Effect::Start(member) => self.start(member),
            Effect::Tell(member) => self.tell(member),
            Effect::PaneGone(id) => self.send(id, agent::Msg::PaneGone),
            Effect::End { id, announce: true } => self.end(id),
            Effect::End { id, announce: false } => self.leave(id, cx),
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
            Effect::Empty => self.empty(),
        }
    }

    /// Starts an agent's actor, or meets one that lives beside an earlier incarnation of this one. The
    /// first thing it finds in its gate is what is known of it.
    fn start(&mut self, member: Box<Member>) {
        let id = member.id;
        let known = self.held.agents.borrow().get(&id).cloned();
        let entry = if let Some(entry) = known {
            AgentEntry { left: None, ..entry }
        } else {
            // The child's id is the agent's name of now; names change, the tree does not.
            let path = self.handle.path().child(&self.child_id(&member));
            self.entry_of(id, Gate::with_capacity(path, AGENT_CAPACITY))
        };
        self.held.agents.send_modify(|all| drop(all.insert(id, entry.clone())));
        self.tell(member);
        self.run(id, entry);
    }

    /// A new entry: with the memory of an agent that comes from another session, else with what the
    /// store knew.
    fn entry_of(&mut self, id: AgentId, gate: Gate<agent::Msg>) -> AgentEntry {
        let (socket, session) = (self.entry.socket.clone(), self.entry.gate.clone());
        if let Some(elsewhere) = self.shared.directory.anywhere(id) {
            return AgentEntry { gate, socket, session, left: None, ..elsewhere };
        }
        let at = self.stored.iter().position(|(record, _)| record.id == id);
        let stored = at.map(|at| self.stored.swap_remove(at));
        let memory = agent::begin(&self.shared, id, &socket, stored);
        let view = memory.view.subscribe();
        AgentEntry { gate, socket, session, view, memory: Heirloom::new(Box::new(memory)), left: None }
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
        let agents = self.held.agents.borrow();
        let taken = agents.iter().any(|(id, entry)| *id != member.id && *entry.gate.path() == path);
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
        if let Some(entry) = self.held.agents.borrow().get(&id)
            && entry.gate.control(message).is_err()
        {
            tracing::error!(agent = %id, "an agent has no room for a report");
        }
    }

    /// The agents that are here now.
    fn here(&self) -> Vec<(AgentId, AgentEntry)> {
        let all = self.held.agents.borrow();
        all.iter().filter(|(_, e)| e.left.is_none()).map(|(id, e)| (*id, e.clone())).collect()
    }

    fn remove(&self, id: AgentId) -> Option<AgentEntry> {
        let mut removed = None;
        self.held.agents.send_modify(|all| removed = all.remove(&id));
        removed
    }

    /// An agent is gone for everybody.
    fn end(&mut self, id: AgentId) {
        let Some(entry) = self.remove(id) else { return };
        let hands = self.hands.as_ref().expect("a started session has hands");
        hands.end(&child_of(&entry.gate));
        if let Some(doc) = &*entry.view.borrow() {
            self.shared.bus.publish(Happened::AgentGone(agent::reference(doc)));
        }
        let _ = self.shared.resources.control(crate::telemetry::resources::ResourcesMsg::Untrack { id });
        let _ = self.shared.transcripts.work(super::transcripts::Msg::Forget(id));
        let _ = self.shared.records.control(super::records::Msg::End(id, "the agent is gone".to_owned()));
        self.shared.store.write_lazily(Op::ForgetAgent(id));
    }

    /// An agent goes on in another session, whose actor finds its memory here, now or in a moment.
    fn leave(&mut self, id: AgentId, cx: &mut Cx<Self>) {
        let now = cx.now();
        let mut gate = None;
        self.held.agents.send_modify(|all| {
            if let Some(entry) = all.get_mut(&id).filter(|entry| entry.left.is_none()) {
                entry.left = Some(now);
                gate = Some(entry.gate.clone());
            }
        });
        if let Some(gate) = gate {
            self.hands.as_ref().expect("a started session has hands").end(&child_of(&gate));
            cx.after(limits::SWEEP_AFTER, Lane::Control, Msg::Sweep).detach();
        }
    }

    /// Nothing is left here, unless memories wait to be taken up elsewhere.
    fn empty(&self) {
        if self.held.agents.borrow().is_empty() {
            let _ = self.shared.roster.control(roster::Msg::Empty(Arc::clone(&self.child)));
        }
    }

    fn picture(&mut self, picture: Picture, cx: &mut Cx<Self>) {
        let doc = SessionDoc {
            name: picture.name.clone(),
            id: picture.tmux.map(|id| id.to_string()).unwrap_or_default(),
            socket: self.entry.socket.to_string(),
            owned: picture.owned,
            panes: picture.panes,
            agents: std::collections::BTreeMap::new(),
            present: picture.tmux.is_some(),
        };
        self.held.view.send_if_modified(|before| {
            let changed = before.as_ref() != Some(&doc);
            *before = Some(doc);
            changed
        });
        self.heard = picture.heard;
        self.step(Event::Picture(picture), cx);
    }

    /// Lets go of agents that an earlier incarnation kept and that did not show up since, and of
    /// memories that nobody takes up any more.
    fn sweep(&mut self, cx: &mut Cx<Self>) {
        if !self.heard {
            return cx.after(limits::SWEEP_AFTER, Lane::Control, Msg::Sweep).detach();
        }
        for (id, _) in self.here() {
            if self.session.holds(id) {
                continue;
            }
            // Nobody may have told that it left, but its next session knows that it came.
            if self.shared.directory.is_beside(id, &self.child) {
                self.leave(id, cx);
            } else {
                self.end(id);
            }
        }
        let now = cx.now();
        let stays = |e: &AgentEntry| e.left.is_none_or(|at| now.since(at) < limits::SWEEP_AFTER);
        self.held.agents.send_if_modified(|all| {
            let before = all.len();
            all.retain(|_, entry| stays(entry));
            all.len() != before
        });
        if self.session.is_empty() {
            self.empty();
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
        self.held.filled().await;
        self.hands = Some(Hands::new(self.handle.clone(), cx));
        // Agents go on before anybody tells of them: their deaths must not be missed meanwhile.
        for (id, entry) in self.here() {
            self.run(id, entry);
        }
        let _ = self.shared.roster.control(roster::Msg::Repeat(Arc::clone(&self.child)));
        cx.after(limits::SWEEP_AFTER, Lane::Control, Msg::Sweep).detach();
        cx.ready();
        Ok(())
    }

    async fn handle(&mut self, message: &mut Msg, cx: &mut Cx<Self>) -> Result<(), Failure> {
        match message {
            Msg::Picture(picture, stored) => {
                // Both stay in the message until it is done with.
                self.stored.clone_from(stored);
                let picture = (**picture).clone();
                self.picture(picture, cx);
                self.stored = Vec::new();
            }
            Msg::Left(ids) => self.step(Event::Left(ids.clone()), cx),
            Msg::Activity(ids, at) => {
                let agents = self.held.agents.borrow();
                for id in ids {
                    if let Some(entry) = agents.get(id) {
                        entry.gate.telemetry(agent::Msg::Activity(*at));
                    }
                }
            }
            Msg::Screen(id, screen) => {
                if let (Some(entry), Some(screen)) = (self.held.agents.borrow().get(id), screen.take()) {
                    entry.gate.telemetry(agent::Msg::Screen(Some(screen)));
                }
            }
            Msg::ServerLost { stalled } => {
                for (id, _) in self.here() {
                    self.send(id, agent::Msg::ServerLost { stalled: *stalled });
                }
            }
            Msg::ServerBack => {
                for (id, _) in self.here() {
                    self.send(id, agent::Msg::ServerBack);
                }
            }
            Msg::Gone(id) => self.step(Event::Gone(*id), cx),
            Msg::Sweep => self.sweep(cx),
        }
        Ok(())
    }
}
