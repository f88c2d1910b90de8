//! Ends and failed starts: what is charged, what comes back and when.

use std::sync::Arc;

use super::{Deferred, Origin, Phase, Planner, Seq, State, Then, Wait};
use crate::clock::Mono;
use crate::supervision::{
    AutoShutdown, Effect, End, Exit, Notice, OnIntensity, Refusal, Restart, Strategy, TimerKind,
};

impl Planner {
    /// An incarnation runs.
    pub(super) fn started(&mut self, seq: Seq, now: Mono, out: &mut Vec<Effect>) {
        let child = self.child_mut(seq);
        let State::Starting(origin) = child.state else { return };
        child.state = State::Running;
        child.since = now;
        let (id, generation) = (child.id.clone(), child.generation);
        let again = match (origin, &self.phase) {
            (Origin::Restart, _) => true,
            (Origin::Phase, Phase::Starting { culprit, .. }) => culprit.is_some(),
            _ => false,
        };
        if again {
            let child = self.child_mut(seq);
            child.restarts += 1;
            let (restarts, why) = (child.restarts, Arc::clone(&child.why));
            out.push(Effect::Tell(Notice::Restarted { id, generation, restarts, why }));
        } else {
            out.push(Effect::Tell(Notice::Started(id, generation)));
        }
        if let Origin::Added(ticket) | Origin::Asked(ticket) = origin {
            out.push(Effect::Answer(ticket, Ok(())));
        }
        match &self.phase {
            Phase::Starting { current, .. } if *current == Some(seq) => self.start_next(now, out),
            // Everything is being stopped, and its turn came while it was starting.
            Phase::Stopping { current, .. } if *current == Some(seq) => self.ask(seq, out),
            _ => {}
        }
    }

    /// An incarnation could not be started. Initial children take the supervisor along, restarts are
    /// tried again and charged, requests are answered (OTP: `init_children`, `try_again_restart`,
    /// `handle_start_child`).
    pub(super) fn start_failed(&mut self, seq: Seq, why: &Arc<str>, now: Mono, out: &mut Vec<Effect>) {
        let child = self.child_mut(seq);
        let State::Starting(origin) = child.state else { return };
        child.state = State::Down;
        child.why = Arc::clone(why);
        let id = child.id.clone();
        out.push(Effect::Tell(Notice::StartFailed(id.clone(), Arc::clone(why))));
        match origin {
            Origin::Added(ticket) => {
                self.remove(seq, out);
                out.push(Effect::Answer(ticket, Err(Refusal::StartFailed(id.clone(), Arc::clone(why)))));
            }
            Origin::Asked(ticket) => {
                out.push(Effect::Answer(ticket, Err(Refusal::StartFailed(id.clone(), Arc::clone(why)))));
            }
            Origin::Restart | Origin::Phase => {}
        }
        if let Phase::Stopping { current, .. } = &self.phase {
            // It is to be stopped, and is down without being asked.
            if *current == Some(seq) {
                self.stop_next(now, out);
            }
            return;
        }
        let initial = matches!(&self.phase, Phase::Starting { culprit: None, .. });
        match origin {
            Origin::Phase if initial => {
                self.stop_all(End::StartFailed { child: id, why: Arc::clone(why) }, now, out);
            }
            Origin::Phase | Origin::Restart => {
                // Those not reached yet stay down until the next try, which has the same order.
                self.phase = Phase::Idle;
                self.fail(seq, why, true, now, out);
                self.drain(now, out);
            }
            Origin::Added(_) | Origin::Asked(_) => {}
        }
    }

    /// An incarnation ended.
    pub(super) fn exited(&mut self, seq: Seq, exit: Exit, now: Mono, out: &mut Vec<Effect>) {
        let child = self.child_mut(seq);
        if matches!(child.state, State::Starting(_)) {
            // Whoever starts it sees the failure; an end before that is the same failure told twice.
            return;
        }
        if !matches!(child.state, State::Running | State::Stopping) {
            return;
        }
        let was_stopping = child.state == State::Stopping;
        let generation = child.generation;
        child.why = exit.why();
        out.push(Effect::Tell(Notice::Exited(child.id.clone(), generation, exit.clone())));
        if was_stopping {
            self.stopping_ended(seq, now, out);
            return;
        }
        match &self.phase {
            Phase::Idle => self.decide(seq, &exit, now, out),
            // Its turn to be stopped has not come, and need not come any more.
            Phase::Stopping { queue, .. } if queue.contains(&seq) => {
                self.child_mut(seq).state = State::Gone;
            }
            _ => {
                self.child_mut(seq).state = State::Gone;
                self.backlog.push_back(Deferred::Exit(seq, generation, exit));
            }
        }
    }

    /// A child that we were stopping has ended.
    fn stopping_ended(&mut self, seq: Seq, now: Mono, out: &mut Vec<Effect>) {
        out.push(Effect::Cancel(self.timer(seq, TimerKind::Grace)));
        for ticket in std::mem::take(&mut self.child_mut(seq).terminators) {
            out.push(Effect::Answer(ticket, Ok(())));
        }
        if matches!(&self.phase, Phase::Stopping { current, .. } if *current == Some(seq)) {
            self.stopped(seq, out);
            self.stop_next(now, out);
        } else {
            self.put_down(seq, out);
            self.drain(now, out);
        }
    }

    /// What follows the end of a child that nobody was stopping (OTP: `do_restart`).
    pub(super) fn decide(&mut self, seq: Seq, exit: &Exit, now: Mono, out: &mut Vec<Effect>) {
        let child = self.child(seq);
        let comes_back = match child.policy.restart {
            Restart::Permanent => true,
            Restart::Transient => !exit.is_normal(),
            Restart::Temporary => false,
        };
        if comes_back {
            let why = Arc::clone(&child.why);
            self.fail(seq, &why, false, now, out);
            return;
        }
        let (id, significant) = (child.id.clone(), child.policy.significant);
        self.put_down(seq, out);
        let ends = significant
            && match self.policy.auto_shutdown {
                AutoShutdown::Never => false,
                AutoShutdown::AnySignificant => true,
                AutoShutdown::AllSignificant => {
                    !self.children.values().any(|c| c.policy.significant && c.state != State::Down)
                }
            };
        if ends {
            self.stop_all(End::AutoShutdown(id), now, out);
        }
    }

    /// A child that must come back is down: charges the failure, then restarts, waits, rests or
    /// escalates. A failed start is tried again only after other events had their turn.
    pub(super) fn fail(
        &mut self,
        seq: Seq,
        why: &Arc<str>,
        start_failed: bool,
        now: Mono,
        out: &mut Vec<Effect>,
    ) {
        let jitter = &mut self.jitter;
        let child = self.children.get_mut(&seq).expect("a child that fails is known");
        let backoff = child.policy.backoff;
        let was_stable = !start_failed && now.since(child.since) >= backoff.stable_after;
        child.failures = if was_stable { 1 } else { child.failures.saturating_add(1) };
        let mut delay = backoff.delay(child.failures, jitter);
        child.state = State::Down;
        let mut resting = false;
        if let Some(intensity) = self.policy.intensity {
            match self.policy.on_intensity {
                OnIntensity::Escalate => {
                    if !self.window.charge(intensity, now) {
                        let end = End::Escalated { child: child.id.clone(), why: Arc::clone(why) };
                        out.push(Effect::Tell(Notice::Down(child.id.clone())));
                        self.stop_all(end, now, out);
                        return;
                    }
                }
                OnIntensity::Quarantine(cool_down) => {
                    if !child.window.charge(intensity, now) {
                        child.window.clear();
                        child.failures = 0;
                        delay = cool_down;
                        resting = true;
                    }
                }
            }
        }
        let at_once = delay.is_zero() && !start_failed && !resting;
        let wait = (!at_once).then_some(Wait { delay, resting });
        match (self.policy.strategy, wait) {
            (Strategy::OneForOne, None) => self.start(seq, Origin::Restart, out),
            (Strategy::OneForOne, Some(wait)) => self.await_restart(seq, wait, out),
            (_, wait) => {
                self.stop_group(self.group(seq), Then::Restart { culprit: seq, wait }, now, out);
            }
        }
    }

    /// Arms the timer of a pending restart.
    pub(super) fn await_restart(&mut self, seq: Seq, wait: Wait, out: &mut Vec<Effect>) {
        let Wait { delay, resting } = wait;
        self.child_mut(seq).state = State::Waiting { resting };
        out.push(Effect::Arm(self.timer(seq, TimerKind::Restart), delay));
        let child = self.child(seq);
        let id = child.id.clone();
        out.push(Effect::Tell(if resting {
            Notice::Quarantined { id, delay, restarts: child.restarts, why: Arc::clone(&child.why) }
        } else {
            Notice::Waiting { id, delay }
        }));
    }

    /// A timer fired for the latest incarnation of a child.
    pub(super) fn fired(&mut self, seq: Seq, kind: TimerKind, now: Mono, out: &mut Vec<Effect>) {
        let child = self.child(seq);
        match (kind, &child.state) {
            (TimerKind::Grace, State::Stopping) => {
                out.push(Effect::Kill(child.id.clone(), child.generation));
            }
            (TimerKind::Restart, State::Waiting { .. }) if !self.is_free() => {
                let generation = child.generation;
                self.backlog.push_back(Deferred::Fired(seq, generation));
            }
            (TimerKind::Restart, State::Waiting { .. }) => self.restart_due(seq, now, out),
            _ => {}
        }
    }

    /// A pending restart is due.
    pub(super) fn restart_due(&mut self, seq: Seq, now: Mono, out: &mut Vec<Effect>) {
        self.child_mut(seq).state = State::Down;
        if self.policy.strategy == Strategy::OneForOne {
            self.start(seq, Origin::Restart, out);
        } else {
            let then = Then::Restart { culprit: seq, wait: None };
            self.stop_group(self.group(seq), then, now, out);
        }
    }
}
