//! An agent's way back: its process ended, what follows, a new one runs.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::time::Duration;

use jiff::tz::TimeZone;
use tsup_core::clock::Wall;
use tsup_core::error::{Exit, UserError};
use tsup_core::event::Event as Happened;
use tsup_core::fleet::agent::Event;
use tsup_core::fleet::process::ExitFacts;
use tsup_core::fleet::relaunch::{self, Cause, Hold, Phase, Trouble};
use tsup_core::fleet::state::Detail;
use tsup_core::fleet::transcript::reset::Zones;
use tsup_core::limits;
use tsup_core::tmux::report::{Answer, Ask, AskError};

use super::act::failed;
use super::{AgentActor, Msg, watch};
use crate::actor::{Cx, blocking};
use crate::clock::{now_mono, now_wall};
use crate::fleet::{breaker, roster};
use crate::gate::Lane;
use crate::os::proc;
use crate::store::Op;
use crate::telemetry::resources::ResourcesMsg;

/// A number between 0 and 1 that nobody foresees, for the jitter.
pub(super) fn draw() -> f64 {
    let bits = RandomState::new().hash_one(now_mono());
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

impl AgentActor {
    /// Its process ended: an owned agent may come back, a found one makes room in its pane.
    pub(super) fn down(&mut self, facts: ExitFacts, cx: &mut Cx<Self>) {
        self.watch = None;
        self.sample = None;
        let _ = self.shared.resources.work(ResourcesMsg::Untrack { id: self.id });
        self.forget_transcript();
        if self.held.record.owned {
            let lost = self.held.agent.verdict().detail == Some(Detail::LostServer);
            let cause = match self.held.agent.trouble() {
                _ if lost => Cause::ServerLost,
                Some(trouble) => Cause::Troubled(facts, trouble),
                None => Cause::Ended(facts),
            };
            // A hold from before this supervisor is still what it is down for.
            self.show_hold(cx);
            self.way_back(relaunch::Event::Down { cause, draw: draw() }, cx);
        } else {
            let _ = self.shared.roster.control(roster::Msg::Ended(self.id));
        }
        self.publish();
        self.ended_as_asked();
    }

    /// A process runs: whoever waited for it is told.
    pub(super) fn came_up(&mut self, cx: &mut Cx<Self>) {
        self.unheard = false;
        self.way_back(relaunch::Event::Up, cx);
        self.publish();
        if std::mem::take(&mut self.relaunching) {
            let relaunches = self.held.relaunch.total();
            self.shared.bus.publish(Happened::AgentRelaunched { agent: self.reference(), relaunches });
        }
        for mut waiting in std::mem::take(&mut self.start_waits) {
            waiting.send(Ok(self.doc()));
        }
        self.shared.store.write_lazily(Op::PutAgent(Box::new(self.record())));
    }

    /// Shows that it is held once that is stored: what was shown outlives the supervisor. Without the store it is
    /// held all the same.
    fn hold(&self, cx: &mut Cx<Self>) {
        let (shared, record, gate) = (self.shared.clone(), self.record(), cx.gate().clone());
        cx.spawn(async move {
            if let Err(e) = shared.store.write(Op::PutAgent(Box::new(record))).await {
                tracing::warn!(error = %e, "it is not stored that an agent stays down");
            }
            gate.insist(Lane::Control, Msg::HoldKept).await;
        });
    }

    pub(super) fn show_hold(&mut self, cx: &mut Cx<Self>) {
        if let Some(hold) = self.held.relaunch.hold().filter(|_| !self.held.agent.is_alive()) {
            self.step(Event::Held(hold.shown(Self::now())), cx);
        }
    }

    /// A hold that an earlier supervisor left goes on.
    pub(super) fn wait_on(&mut self, cx: &mut Cx<Self>) {
        if self.held.relaunch.phase() == Phase::Waiting {
            self.way_back(relaunch::Event::Due, cx);
        }
    }

    /// Has what its process said last read soon: a listing that shows the pane as dead may take longer.
    pub(super) fn listen(&mut self, cx: &mut Cx<Self>) {
        self.unheard = true;
        let ended = Msg::Unheard(self.held.launches);
        self.words_timer = Some(cx.after(limits::LAST_WORDS_READ, Lane::Control, ended));
    }

    /// It ended a moment ago; without a pane there is nothing to read.
    pub(super) fn still_unheard(&mut self, number: u64, cx: &mut Cx<Self>) {
        if number == self.held.launches && self.unheard {
            self.read_last_words(cx);
            if std::mem::take(&mut self.unheard) {
                self.last_words(number, None, cx);
            }
        }
    }

    /// Its pane is dead, as tmux says, or as it must be by now, so what tmux took of its process's words stands
    /// there: has it read for what it said last. Time zones lie on the disk.
    pub(super) fn read_last_words(&mut self, cx: &mut Cx<Self>) {
        let Some(pane) = self.held.member.as_ref().and_then(|m| m.pane).or(self.pane) else { return };
        if !std::mem::take(&mut self.unheard) {
            return;
        }
        let number = self.held.launches;
        let (shared, socket, gate) = (self.shared.clone(), self.entry.socket.clone(), cx.gate().clone());
        cx.spawn(async move {
            // Tmux moves the screen up by the line on which it writes that the pane is dead.
            let trouble = match shared.tmux.ask(&socket, Ask::Capture { pane, history: 1 }).await {
                Ok(Answer::Screen(text)) => blocking(move || {
                    let named = |name: &str| TimeZone::get(name).ok();
                    let zones = Zones { local: TimeZone::system(), named: &named };
                    relaunch::last_words(&text, now_wall(), &zones)
                })
                .await
                .flatten(),
                _ => None,
            };
            gate.insist(Lane::Control, Msg::LastWords(number, trouble)).await;
        });
    }

    pub(super) fn last_words(&mut self, number: u64, trouble: Option<Trouble<Wall>>, cx: &mut Cx<Self>) {
        // What an earlier process said is no news once another was started.
        if number == self.held.launches {
            let trouble = trouble.map(|trouble| trouble.decides(Self::now()));
            self.way_back(relaunch::Event::LastWords { trouble, draw: draw() }, cx);
        }
    }

    /// What a person can do about what keeps it down.
    pub(super) fn held_notes(&self) -> Option<String> {
        let name = format!("{}/{}", self.held.session, self.doc().name);
        Some(match self.held.relaunch.hold()? {
            Hold::Restarts => format!("it is held; `tsup ctl restart {name}` starts it again"),
            Hold::Login => format!(
                "it is held, for it would end the same way again: log in with its CLI, then \
                 `tsup ctl restart {name}`. What it said last stands in its pane"
            ),
            hold @ Hold::Limit { .. } => match hold.shown(Self::now()) {
                Hold::Limit { until, .. } => {
                    format!("it is started again at {until}; `tsup ctl restart {name}` does so now")
                }
                _ => return None,
            },
        })
    }

    /// Goes on where the last incarnation was: nobody else will.
    pub(super) fn go_on(&mut self, cx: &mut Cx<Self>) {
        match self.held.agent.process().filter(|_| self.held.agent.is_alive()) {
            Some(process) => self.attach(process, cx),
            None => self.arm(cx),
        }
        let apart = self.held.member.as_deref().and_then(watch::apart);
        self.watch_pane(apart, cx);
        if self.held.relaunch.is_listening() {
            self.listen(cx);
        }
        match self.held.relaunch.phase() {
            Phase::Waiting | Phase::Parked => self.wait(limits::RELAUNCH_RESUME, cx),
            Phase::Queued => self.relaunch_due(cx),
            // Whether the last incarnation's launch was done is not known; the roster will tell.
            Phase::Launching => {
                self.way_back(relaunch::Event::Down { cause: Cause::LaunchFailed, draw: draw() }, cx);
            }
            Phase::Up | Phase::Held | Phase::Down => {}
        }
    }

    fn wait(&mut self, after: Duration, cx: &mut Cx<Self>) {
        self.relaunch_timer = Some(cx.after(after, Lane::Control, Msg::RelaunchDue));
    }

    pub(super) fn relaunch_due(&mut self, cx: &mut Cx<Self>) {
        if self.held.relaunch.phase() == Phase::Queued {
            self.ask_breaker(cx);
        } else {
            self.way_back(relaunch::Event::Due, cx);
        }
    }

    fn ask_breaker(&mut self, cx: &mut Cx<Self>) {
        let _ = self.shared.breaker.control(breaker::Msg::Ask(self.id));
        // A breaker that began anew does not remember; asking twice holds one place.
        self.wait(limits::BREAKER_ASK_AGAIN, cx);
    }

    /// Steps the way back and does what follows.
    pub(super) fn way_back(&mut self, event: relaunch::Event, cx: &mut Cx<Self>) {
        let first = event == relaunch::Event::First;
        for effect in self.held.relaunch.step(event, cx.now()) {
            match effect {
                relaunch::Effect::Wait(after) => self.wait(after, cx),
                relaunch::Effect::AskBreaker => self.ask_breaker(cx),
                relaunch::Effect::Launch { .. } => {
                    self.relaunching = !first;
                    if !first {
                        self.shared.counters.relaunches.inc();
                    }
                    self.launch(cx);
                }
                relaunch::Effect::Hold(_) => self.hold(cx),
                relaunch::Effect::Listen => self.listen(cx),
            }
        }
        self.publish();
    }

    /// An owned agent has no pane: it is started for the first time, or its end was not seen.
    pub(super) fn absent(&mut self, cx: &mut Cx<Self>) {
        if self.pane.is_some()
            || self.held.relaunch.phase() != Phase::Up
            || self.held.relaunch.is_paused(cx.now())
        {
            return;
        }
        if self.held.agent.is_alive() {
            self.step(Event::PaneGone, cx);
        } else if self.held.agent.process().is_none() && self.held.record.process.is_none() {
            self.way_back(relaunch::Event::First, cx);
        } else {
            self.step(Event::PaneDead { facts: ExitFacts::UNKNOWN }, cx);
        }
    }

    /// Stores the launch, then starts a process: in its dead pane, else in a pane of its own.
    fn launch(&mut self, cx: &mut Cx<Self>) {
        let Some(spec) = self.spec() else { return };
        self.held.launches += 1;
        self.pane = None;
        let launch = spec.launch(&self.shared.home, &self.shared.exe, |name| std::env::var(name).ok());
        let ask = match self.held.member.as_ref().and_then(|m| m.pane) {
            Some(pane) => Ask::Respawn { pane, launch },
            None => Ask::Launch(launch),
        };
        let (number, record) = (self.held.launches, self.record());
        let (shared, socket, gate) = (self.shared.clone(), self.entry.socket.clone(), cx.gate().clone());
        cx.spawn(async move {
            // Without the store the count may be lost with the supervisor; the agent is not.
            if let Err(e) = shared.store.write(Op::PutAgent(Box::new(record))).await {
                tracing::warn!(error = %e, "a relaunch is not stored");
            }
            let answer = Box::new(shared.tmux.ask(&socket, ask).await);
            gate.insist(Lane::Control, Msg::Launched(number, answer)).await;
        });
    }

    pub(super) fn launched(&mut self, number: u64, answer: Result<Answer, AskError>, cx: &mut Cx<Self>) {
        if number != self.held.launches || self.held.relaunch.phase() != Phase::Launching {
            return;
        }
        let mut cause = Cause::LaunchFailed;
        let error = match answer {
            Ok(Answer::Launched(launched)) => {
                self.pane = Some(launched.pane);
                self.replaced = self.pane_pid.replace(launched.pid).filter(|old| *old != launched.pid);
                if let Ok(process) = proc::identify(launched.pid) {
                    self.describe();
                    return self.attach(process, cx);
                }
                cause = Cause::EndedAtOnce;
                UserError::new(Exit::Failed, "it ended as soon as it was started")
            }
            Ok(_) => UserError::new(Exit::Bug, "tmux gave an answer to another question"),
            Err(AskError::Gone(pane)) if self.held.member.as_ref().is_some_and(|m| m.pane == Some(pane)) => {
                self.forget_pane();
                return self.launch(cx);
            }
            Err(e) => failed(&e),
        };
        tracing::warn!(agent = %self.id, %error, "agent not started");
        for mut waiting in std::mem::take(&mut self.start_waits) {
            waiting.send(Err(error.clone()));
        }
        self.way_back(relaunch::Event::Down { cause, draw: draw() }, cx);
    }
}
