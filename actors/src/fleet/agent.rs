//! Owns: one agent: its state, the hold on its process, its way back.
//! Receives: facts and activity from its session, reports of its hooks, ends of its process, timers, requests of people.
//! Sends: events to the bus, its document to its view, asks to tmux, its record to the store.
//! Bounded by: one look timer, one relaunch timer, one ask under way for its process; the lanes of its gate.
//! Restart: permanent; its memory passes from one incarnation to the next.

use std::time::Duration;

use tokio::task::AbortHandle;
use tsup_core::clock::{Mono, Wall};
use tsup_core::error::UserError;
use tsup_core::event::Event as Happened;
use tsup_core::fleet::agent::{Effect, Event, Front, Moment};
use tsup_core::fleet::hook::HookReport;
use tsup_core::fleet::process::ExitFacts;
use tsup_core::fleet::relaunch::{self, Trouble};
use tsup_core::fleet::roster::Member;
use tsup_core::fleet::screen::Shot;
use tsup_core::fleet::state::AgentState;
use tsup_core::fleet::transcript::Heard;
use tsup_core::ids::{AgentId, PaneId, ProcId};
use tsup_core::telemetry::resources::Sample;
use tsup_core::tmux::report::{Answer, AskError, Screen};
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::AgentDoc;
use tsup_core::wire::doc::explain::Explained;

use super::directory::{AgentEntry, Memory};
use super::{Shared, breaker, session};
use crate::actor::{Actor, Cx, Failure, Timer};
use crate::clock::{now_mono, now_wall};
use crate::gate::{Lane, Reply};
use crate::heirloom::Held;
use crate::store::{Op, StoreError};
use crate::telemetry::resources::ResourcesMsg;

mod act;
mod back;
mod doc;
mod drift;
mod explain;
mod hook;
pub(super) mod record;
mod see;
mod transcript;
mod version;
mod watch;

pub(super) use act::{begin, failed};
pub(super) use doc::reference;

/// The answer to a request of a person.
pub(super) type Done = Reply<Result<AgentDoc, UserError>>;

/// What an agent receives.
#[derive(Debug)]
pub(super) enum Msg {
    /// Its facts, and its session's name.
    Tell(Box<Member>, Untrusted),
    /// Its pane is not there any more.
    PaneGone,
    /// Something was written in its pane.
    Activity(Mono),
    /// What its pane shows. `None` once taken.
    Screen(Option<Box<Screen>>),
    /// Its server does not answer, or has ended.
    ServerLost {
        /// Whether it may still be alive.
        stalled: bool,
    },
    /// Its server answers.
    ServerBack,
    /// A process of it ended.
    Died(ProcId, ExitFacts),
    /// The process that tmux started in its pane ended; it is not its own.
    PaneProcessDied(ProcId, ExitFacts),
    /// The profiles are others: its screen is read again.
    ReadAgain,
    /// Its state may change by time alone.
    LookDue,
    /// Its delay is over.
    RelaunchDue,
    /// The breaker lets it through.
    Granted,
    /// What became of the launch of that number.
    Launched(u64, Box<Result<Answer, AskError>>),
    /// What the process that the launch of that number follows said last.
    LastWords(u64, Option<Trouble<Wall>>),
    /// The process that the launch of that number follows ended a moment ago.
    Unheard(u64),
    /// That it stays down is stored, or cannot be.
    HoldKept,
    /// What became of the end a person asked for.
    EndAsked(Box<Result<Answer, AskError>>),
    /// One of its CLI's hooks was called.
    Hook(Box<HookReport>),
    /// What its process tree uses.
    Sample(Sample),
    /// Its CLI's transcript says something else than before.
    Transcript(Box<Heard>),
    /// End it.
    Kill(Done),
    /// Start it again.
    Restart(Done),
    /// Leave it alone, for so long or until it is resumed.
    Pause(Option<Duration>, Done),
    /// Leave it alone no longer.
    Resume(Done),
    /// Keep what is seen of it, for so long.
    Record(Duration, record::Recorded),
    /// The record of that number has ended.
    RecordEnded(u64),
    /// Say why it is in its state.
    Explain(Reply<Box<Explained>>),
    /// A pause is stored.
    Stored(Box<Result<(), StoreError>>, Done),
    /// A person who asked for an end or a start has waited long enough.
    Enough,
}

/// The actor.
pub(super) struct AgentActor {
    shared: Shared,
    id: AgentId,
    entry: AgentEntry,
    held: Held<Box<Memory>>,
    /// The pane it was launched into, until the roster tells of it.
    pane: Option<PaneId>,
    sample: Option<Sample>,
    /// Whether its process ended by itself with a failing status, and what it said last was not read yet.
    unheard: bool,
    /// What the event in hand was read from.
    shot: Option<Shot>,
    /// When shadow profiles last read its screen otherwise, and how.
    shadowed: Option<(Mono, String)>,
    /// Which version of its CLI it runs.
    version: version::Known,
    /// Who had its terminal when that was last looked at.
    seen_front: Front,
    /// When the youngest process below it was started: by the kernel's clock, and by ours.
    tool: Option<(u64, Mono)>,
    /// The hold on its process.
    watch: Option<AbortHandle>,
    /// The hold on its pane's process where that is another one.
    pane_watch: Option<(ProcId, AbortHandle)>,
    /// A process of its pane whose end was told.
    pane_ended: Option<ProcId>,
    /// The pid of the process that was last started in its pane.
    pane_pid: Option<u32>,
    /// That of the process which the last launch replaced.
    replaced: Option<u32>,
    look_timer: Option<Timer>,
    relaunch_timer: Option<Timer>,
    words_timer: Option<Timer>,
    enough_timer: Option<Timer>,
    /// Whether the launch under way is counted as a relaunch.
    relaunching: bool,
    end_waits: Vec<Done>,
    start_waits: Vec<Done>,
}

impl AgentActor {
    pub(super) fn new(shared: Shared, id: AgentId, entry: &AgentEntry) -> Self {
        AgentActor {
            id,
            held: entry.memory.reach(),
            entry: entry.clone(),
            pane: None,
            sample: None,
            unheard: false,
            shot: None,
            shadowed: None,
            version: version::Known::default(),
            seen_front: Front::default(),
            tool: None,
            watch: None,
            pane_watch: None,
            pane_ended: None,
            pane_pid: None,
            replaced: None,
            look_timer: None,
            relaunch_timer: None,
            words_timer: None,
            enough_timer: None,
            relaunching: false,
            end_waits: Vec::new(),
            start_waits: Vec::new(),
            shared,
        }
    }

    fn now() -> Moment {
        Moment { mono: now_mono(), wall: now_wall() }
    }

    /// Steps the state and does what follows; a death is on the bus before anything else is done.
    fn step(&mut self, event: Event, cx: &mut Cx<Self>) {
        let before = (self.held.agent.verdict().state, self.held.agent.since().mono);
        let saw = self.saw(&event);
        let effects = self.held.agent.step(event, Self::now());
        self.recorded(saw);
        // A death is told with the process that died; everything else with what is there now.
        if !effects.iter().any(|e| matches!(e, Effect::Died(_))) {
            self.publish();
        }
        let mut died = None;
        for effect in effects {
            match effect {
                Effect::Died(facts) => {
                    died = Some(facts);
                    let agent = self.reference();
                    let (exit_code, signal) = (facts.status, facts.signal);
                    self.shared.bus.publish(Happened::AgentDied { agent, exit_code, signal });
                }
                Effect::WantScreen => self.want_screen(),
                Effect::Changed(change) => {
                    let agent = self.reference();
                    let (to, detail) = (change.to.state, change.to.detail);
                    let because = change.because.to_string();
                    self.shared.bus.publish(Happened::AgentState {
                        agent,
                        from: change.from,
                        to,
                        detail,
                        because,
                    });
                    self.count(before, to);
                    if change.lasts() {
                        self.shared.store.write_lazily(Op::AddChange(self.id, change));
                    }
                }
                Effect::Gone => {
                    let _ = self.entry.session.control(session::Msg::Gone(self.id));
                }
            }
        }
        if let Some(facts) = died {
            self.down(facts, cx);
        }
        self.arm(cx);
        self.publish();
    }

    fn count(&self, before: (AgentState, Mono), to: AgentState) {
        // What it is busy with is no other state.
        if before.0 == to {
            return;
        }
        let counters = &self.shared.counters;
        counters.state_changes.inc();
        if let Some(timer) = counters.time_in_state.get(&before.0) {
            timer.record(now_mono().since(before.1));
        }
        let (was_busy, is_busy) = (before.0 == AgentState::Busy, to == AgentState::Busy);
        if was_busy != is_busy {
            let _ = self.shared.resources.work(ResourcesMsg::Busy { id: self.id, busy: is_busy });
        }
    }

    fn arm(&mut self, cx: &mut Cx<Self>) {
        self.look_timer =
            self.held.agent.next_look(cx.now()).map(|after| cx.after(after, Lane::Control, Msg::LookDue));
    }

    /// Takes in what the roster knows of it.
    fn told(&mut self, mut member: Box<Member>, session: Untrusted, cx: &mut Cx<Self>) {
        self.held.session = session;
        // A listing from before a launch tells of the process that was replaced: its end is not this one's.
        if self.replaced.is_some() && member.pane_pid == self.replaced {
            member.process = self.held.agent.process();
            member.pane_process = member.process;
            member.pane_pid = self.pane_pid;
            member.dead = None;
        }
        self.pane_pid = member.pane_pid.or(self.pane_pid);
        if member.pane.is_some() {
            self.pane = None;
        }
        self.follow(&member);
        let (process, dead, pane) = (member.process, member.dead, member.pane);
        let (pane_process, apart) = (member.pane_process, watch::apart(&member));
        let title = self.held.member.replace(member).map(|before| before.title);
        self.describe();
        if !std::mem::replace(&mut self.held.announced, true) {
            // Its process is attached below, which may change its state: who hears of that has met it.
            self.shared.bus.publish(Happened::AgentFound(self.reference()));
            self.shared.store.write_lazily(Op::PutAgent(Box::new(self.record())));
            self.wait_on(cx);
        }
        let ended = dead.is_some() || (pane_process.is_some() && self.pane_ended == pane_process);
        if pane.is_some() && !ended {
            self.step(Event::PaneThere, cx);
            self.titled(title.as_ref(), cx);
        }
        match process {
            Some(process) if self.held.agent.process() != Some(process) => {
                self.attach(process, cx);
            }
            _ => {}
        }
        if let Some(dead) = dead {
            let facts = ExitFacts { status: dead.status, signal: dead.signal };
            // The end of a shell above it says nothing about how it ended, or whether it did.
            let event = if apart.is_some() { Event::PaneEnding { facts } } else { Event::PaneDead { facts } };
            self.step(event, cx);
            self.read_last_words(cx);
            // How it ended may be known only now, and is less than why it stays down.
            self.show_hold(cx);
        } else {
            self.watch_pane(apart, cx);
        }
        if self.held.record.owned && pane.is_none() && process.is_none() {
            self.absent(cx);
        }
    }
}

impl Actor for AgentActor {
    type Msg = Msg;

    async fn started(&mut self, cx: &mut Cx<Self>) -> Result<(), Failure> {
        // After a move the incarnation before ends beside another session's actor.
        self.held.filled().await;
        if self.held.announced {
            self.go_on(cx);
        }
        cx.ready();
        Ok(())
    }

    async fn handle(&mut self, message: &mut Msg, cx: &mut Cx<Self>) -> Result<(), Failure> {
        match message {
            Msg::Tell(member, session) => {
                let (member, session) = (member.clone(), session.clone());
                self.told(member, session, cx);
            }
            Msg::PaneGone => {
                if let Some(member) = &mut self.held.member {
                    member.pane = None;
                }
                self.step(Event::PaneGone, cx);
            }
            Msg::Activity(at) => self.step(Event::Activity { at: *at }, cx),
            Msg::Screen(screen) => {
                if let Some(screen) = screen.take() {
                    self.screen(*screen, cx);
                }
            }
            Msg::ServerLost { stalled } => self.server_lost(*stalled, cx),
            Msg::ServerBack => self.step(Event::ServerBack, cx),
            Msg::Died(process, facts) => self.step(Event::Died { process: *process, facts: *facts }, cx),
            Msg::PaneProcessDied(process, facts) => self.pane_process_died(*process, *facts, cx),
            Msg::ReadAgain => self.read_again(cx),
            Msg::LookDue => self.step(Event::Look, cx),
            Msg::RelaunchDue => self.relaunch_due(cx),
            Msg::Granted => self.way_back(relaunch::Event::Granted, cx),
            Msg::Launched(number, answer) => {
                let answer = std::mem::replace(&mut **answer, Ok(Answer::Killed));
                self.launched(*number, answer, cx);
            }
            Msg::LastWords(number, trouble) => self.last_words(*number, *trouble, cx),
            Msg::Unheard(number) => self.still_unheard(*number, cx),
            Msg::HoldKept => self.show_hold(cx),
            Msg::EndAsked(answer) => {
                let answer = std::mem::replace(&mut **answer, Ok(Answer::Killed));
                self.end_asked(answer, cx);
            }
            Msg::Hook(report) => self.hook(report, cx),
            Msg::Sample(sample) => {
                self.sampled(*sample, cx);
                self.publish();
            }
            Msg::Transcript(heard) => self.heard(heard, cx),
            Msg::Kill(reply) => self.kill(reply.take(), cx),
            Msg::Restart(reply) => self.restart(reply.take(), cx),
            Msg::Pause(time, reply) => self.pause(*time, reply.take(), cx),
            Msg::Resume(reply) => self.resume(reply.take(), cx),
            Msg::Record(for_, reply) => self.record_begins(*for_, reply.take(), cx),
            Msg::RecordEnded(number) => self.record_ended(*number),
            Msg::Explain(reply) => reply.send(Box::new(self.explain())),
            Msg::Stored(stored, reply) => match &**stored {
                Ok(()) => reply.send(Ok(self.doc())),
                Err(e) => reply.send(Err(act::not_stored(e))),
            },
            Msg::Enough => self.enough(),
        }
        Ok(())
    }

    async fn stopping(&mut self, _cx: &mut Cx<Self>) {
        let _ = self.shared.breaker.control(breaker::Msg::Forget(self.id));
    }
}
