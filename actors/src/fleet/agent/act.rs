//! What persons, and the loss of its server, do to an agent: starts, ends, pauses.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tsup_core::error::{Exit, UserError};
use tsup_core::fleet::agent::{Agent, Event, History};
use tsup_core::fleet::hook::heed::Heed;
use tsup_core::fleet::relaunch::{self, Cause, Kept, Relaunch};
use tsup_core::fleet::roster::Member;
use tsup_core::fleet::spec::AgentSpec;
use tsup_core::ids::{AgentId, SocketName};
use tsup_core::limits;
use tsup_core::settings::RestartPolicy;
use tsup_core::tmux::report::{Answer, Ask, AskError, OwnerTag};
use tsup_core::untrusted::Untrusted;

use super::{AgentActor, Done, Msg};
use super::{back, see};
use crate::actor::Cx;
use crate::clock::now_wall;
use crate::fleet::directory::{Memory, Stored};
use crate::fleet::{Shared, roster};
use crate::gate::Lane;
use crate::store::{AgentRecord, Op, Paused, StoreError};

/// What an agent begins with: what the store knew of it, if anything.
pub(in crate::fleet) fn begin(
    shared: &Shared,
    id: AgentId,
    socket: &SocketName,
    stored: Option<Stored>,
) -> Memory {
    let now = AgentActor::now();
    let (record, history) = stored.unwrap_or_else(|| {
        let record = AgentRecord {
            id,
            socket: socket.clone(),
            session: Untrusted::default(),
            name: Untrusted::default(),
            profile: String::new(),
            spec: None,
            owned: false,
            process: None,
            first_seen: now.wall,
            kept: Kept::default(),
            paused: None,
        };
        (record, History::default())
    });
    let mut agent = Agent::new(now, record.owned, shared.grace());
    let last = history.last().map(|change| (change.to, change.at));
    agent.restore(history, last);
    let mut relaunch = Relaunch::new(shared.policy(RestartPolicy::Never), record.kept, now);
    if let Some(paused) = record.paused {
        let until = match paused {
            Paused::Until(wall) => Some(now.mono + wall.since(now.wall)),
            Paused::UntilResumed => None,
        };
        relaunch.step(relaunch::Event::Pause { until }, now.mono);
    }
    Memory {
        agent,
        relaunch,
        paused: record.paused,
        record,
        member: None,
        session: Untrusted::default(),
        launches: 0,
        heed: Heed::default(),
        announced: false,
        shown: None,
        recording: None,
        view: watch::Sender::new(None),
    }
}

/// The store could not keep what a person asked for.
pub(super) fn not_stored(e: &StoreError) -> UserError {
    UserError::new(Exit::Failed, format!("it is not stored: {e}"))
}

pub(in crate::fleet) fn failed(e: &AskError) -> UserError {
    let exit = match e {
        AskError::Gone(_) => Exit::NotFound,
        AskError::NotOwned(_) | AskError::Refused(_) => Exit::Refused,
        AskError::Timeout(_) => Exit::TimedOut,
        AskError::Invalid(_) => Exit::Usage,
        AskError::NoServer(_) => Exit::Failed,
    };
    UserError::new(exit, e.to_string())
}

impl AgentActor {
    pub(super) fn spec(&self) -> Option<Arc<AgentSpec>> {
        self.held.member.as_ref()?.spec.clone()
    }

    /// Takes over what the roster's facts decide.
    pub(super) fn follow(&mut self, member: &Member) {
        let spec = member.spec.as_deref();
        self.held.record.owned = member.owned;
        self.held.record.name = member.name.clone();
        self.held.record.session =
            spec.map_or_else(|| self.held.session.clone(), |s| s.session.as_str().into());
        self.held.record.profile = member.profile.to_string();
        self.held.record.spec = spec.filter(|s| !s.declared && s.set.is_empty()).cloned();
        self.held.agent.keep_listed(spec.is_some(), self.shared.grace());
        if let Some(profile) = see::profile(&self.shared.profiles(), &member.profile) {
            self.held.agent.set_nature(see::nature(profile));
        }
        self.held.relaunch.set_policy(self.shared.policy(spec.map_or(RestartPolicy::Never, |s| s.restart)));
    }

    pub(super) fn forget_pane(&mut self) {
        self.pane = None;
        if let Some(member) = &mut self.held.member {
            member.pane = None;
        }
        self.describe();
    }

    pub(super) fn server_lost(&mut self, stalled: bool, cx: &mut Cx<Self>) {
        self.step(Event::ServerLost { stalled }, cx);
        if !stalled && self.held.record.owned {
            self.forget_pane();
            self.way_back(relaunch::Event::Down { cause: Cause::ServerLost, draw: back::draw() }, cx);
        }
    }

    fn not_ours(&self, what: &str) -> UserError {
        let doc = self.doc();
        UserError::new(Exit::Refused, format!("agent {}/{} was not made by tsup", doc.session, doc.name))
            .hint(format!(
                "tsup {what}s only agents that it started: declared in tsup.toml, or by `tsup ctl spawn`"
            ))
    }

    pub(super) fn kill(&mut self, mut reply: Done, cx: &mut Cx<Self>) {
        if !self.held.record.owned {
            return reply.send(Err(self.not_ours("kill")));
        }
        self.step(Event::EndAsked, cx);
        self.way_back(relaunch::Event::StopAsked, cx);
        self.end_waits.push(reply);
        self.enough_timer = Some(cx.after(limits::END_WAIT, Lane::Control, Msg::Enough));
        let tag = self.spec().map_or_else(
            || OwnerTag {
                home: self.shared.home.clone(),
                session: self.held.record.session.raw().to_owned(),
                name: self.held.record.name.raw().to_owned(),
            },
            |spec| spec.tag(&self.shared.home),
        );
        let pane = self.held.member.as_ref().and_then(|m| m.pane).or(self.pane);
        let (shared, socket, gate) = (self.shared.clone(), self.entry.socket.clone(), cx.gate().clone());
        let record = self.record();
        cx.spawn(async move {
            if let Err(e) = shared.store.write(Op::PutAgent(Box::new(record))).await {
                tracing::warn!(error = %e, "an end that was asked for is not stored");
            }
            let answer = match pane {
                Some(pane) => shared.tmux.ask(&socket, Ask::Kill { pane, tag }).await,
                None => Ok(Answer::Killed),
            };
            gate.insist(Lane::Control, Msg::EndAsked(Box::new(answer))).await;
        });
    }

    pub(super) fn end_asked(&mut self, answer: Result<Answer, AskError>, cx: &mut Cx<Self>) {
        match answer {
            Ok(_) | Err(AskError::Gone(_)) => {
                self.forget_pane();
                if self.held.agent.is_alive() {
                    self.step(Event::PaneGone, cx);
                } else {
                    self.ended_as_asked();
                }
            }
            Err(e) => {
                for mut waiting in std::mem::take(&mut self.end_waits) {
                    waiting.send(Err(failed(&e)));
                }
            }
        }
    }

    /// Tells those who asked for its end, and lets go of what was only spawned.
    pub(super) fn ended_as_asked(&mut self) {
        for mut waiting in std::mem::take(&mut self.end_waits) {
            waiting.send(Ok(self.doc()));
        }
        let spawned = self.spec().is_some_and(|spec| !spec.declared);
        if spawned && self.held.relaunch.is_stopped() {
            let _ = self.shared.roster.control(roster::Msg::Disown(self.id));
        }
    }

    pub(super) fn restart(&mut self, mut reply: Done, cx: &mut Cx<Self>) {
        if !self.held.record.owned {
            return reply.send(Err(self.not_ours("restart")));
        }
        if self.spec().is_none() {
            let error = UserError::new(Exit::Refused, "its declaration is gone")
                .hint("declare it in tsup.toml again, or end it with `tsup ctl kill`");
            return reply.send(Err(error));
        }
        if self.held.agent.is_alive() {
            self.step(Event::EndAsked, cx);
        }
        self.start_waits.push(reply);
        self.enough_timer = Some(cx.after(limits::START_WAIT, Lane::Control, Msg::Enough));
        self.way_back(relaunch::Event::StartAsked, cx);
    }

    pub(super) fn pause(&mut self, time: Option<Duration>, reply: Done, cx: &mut Cx<Self>) {
        let until = time.map(|time| cx.now() + time);
        self.held.paused = Some(match time {
            Some(time) => {
                // Shown as over when it is over.
                cx.after(time, Lane::Control, Msg::LookDue).detach();
                let ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
                let end = now_wall().unix_ms().saturating_add(ms);
                Paused::Until(tsup_core::clock::Wall::from_unix_ms(end))
            }
            None => Paused::UntilResumed,
        });
        self.way_back(relaunch::Event::Pause { until }, cx);
        self.keep(reply, cx);
    }

    pub(super) fn resume(&mut self, reply: Done, cx: &mut Cx<Self>) {
        self.held.paused = None;
        self.way_back(relaunch::Event::Resume, cx);
        if self.held.record.owned && self.held.member.as_ref().is_some_and(|m| m.pane.is_none()) {
            self.absent(cx);
        }
        self.keep(reply, cx);
    }

    /// Answers once what changed is durable.
    fn keep(&mut self, mut reply: Done, cx: &mut Cx<Self>) {
        let (shared, record, gate) = (self.shared.clone(), self.record(), cx.gate().clone());
        cx.spawn(async move {
            let stored = Box::new(shared.store.write(Op::PutAgent(Box::new(record))).await);
            gate.insist(Lane::Control, Msg::Stored(stored, reply.take())).await;
        });
    }

    /// A person has waited long enough for an end or a start.
    pub(super) fn enough(&mut self) {
        let late = |what: &str| UserError::new(Exit::TimedOut, format!("it has not {what} yet"));
        for mut waiting in std::mem::take(&mut self.end_waits) {
            waiting.send(Err(late("ended")));
        }
        for mut waiting in std::mem::take(&mut self.start_waits) {
            waiting.send(Err(late("started")));
        }
    }
}
