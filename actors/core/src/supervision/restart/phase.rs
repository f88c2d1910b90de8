//! Ordered stop and ordered start.

use std::collections::VecDeque;

use super::{Deferred, Origin, Phase, Planner, Seq, State, Then};
use crate::clock::Mono;
use crate::supervision::{Effect, End, Notice, Refusal, Restart, Shutdown, Strategy, TimerKind};

impl Planner {
    pub(super) fn begin(&mut self, now: Mono, out: &mut Vec<Effect>) {
        let queue: VecDeque<Seq> = self.children.keys().copied().collect();
        self.phase = Phase::Starting { queue, current: None, culprit: None };
        self.start_next(now, out);
    }

    /// Starts the next one of an ordered start, or ends the phase.
    pub(super) fn start_next(&mut self, now: Mono, out: &mut Vec<Effect>) {
        let Phase::Starting { queue, current, culprit } = &mut self.phase else { return };
        if let Some(next) = queue.pop_front() {
            *current = Some(next);
            self.start(next, Origin::Phase, out);
            return;
        }
        if culprit.is_none() {
            out.push(Effect::Tell(Notice::Up));
        }
        self.phase = Phase::Idle;
        self.drain(now, out);
    }

    /// The children that share the fate of `culprit`, in start order.
    pub(super) fn group(&self, culprit: Seq) -> Vec<Seq> {
        match self.policy.strategy {
            Strategy::OneForOne => vec![culprit],
            Strategy::OneForAll => self.children.keys().copied().collect(),
            Strategy::RestForOne => self.children.range(culprit..).map(|(seq, _)| *seq).collect(),
        }
    }

    /// Begins to stop `queue` from its end.
    pub(super) fn stop_group(&mut self, queue: Vec<Seq>, then: Then, now: Mono, out: &mut Vec<Effect>) {
        self.phase = Phase::Stopping { queue, current: None, then };
        self.stop_next(now, out);
    }

    /// Stops the next one of an ordered stop, or does what follows it.
    pub(super) fn stop_next(&mut self, now: Mono, out: &mut Vec<Effect>) {
        loop {
            let Phase::Stopping { queue, current, .. } = &mut self.phase else { return };
            *current = None;
            let Some(seq) = queue.pop() else { break };
            let Some(child) = self.children.get(&seq) else { continue };
            match child.state {
                State::Down | State::Held | State::Gone => self.stopped(seq, out),
                State::Waiting { .. } => {
                    self.call_off(seq, out);
                    self.stopped(seq, out);
                }
                State::Running => {
                    self.ask(seq, out);
                    self.wait_for(seq);
                    return;
                }
                State::Stopping if self.hurry => {
                    out.push(Effect::Kill(child.id.clone(), child.generation));
                    self.wait_for(seq);
                    return;
                }
                State::Stopping | State::Starting(_) => {
                    self.wait_for(seq);
                    return;
                }
            }
        }
        let Phase::Stopping { then, .. } = std::mem::replace(&mut self.phase, Phase::Idle) else { return };
        match then {
            Then::Finish(end) => self.finish(end, out),
            Then::Restart { culprit, wait: None } => self.start_group(culprit, now, out),
            Then::Restart { culprit, wait: Some(wait) } => {
                self.hold_group(culprit, out);
                self.await_restart(culprit, wait, out);
                self.drain(now, out);
            }
        }
    }

    fn wait_for(&mut self, seq: Seq) {
        if let Phase::Stopping { current, .. } = &mut self.phase {
            *current = Some(seq);
        }
    }

    /// Asks a running child to end, in the way its policy says.
    pub(super) fn ask(&mut self, seq: Seq, out: &mut Vec<Effect>) {
        let shutdown = if self.hurry { Shutdown::BrutalKill } else { self.child(seq).policy.shutdown };
        let grace = self.timer(seq, TimerKind::Grace);
        let child = self.child_mut(seq);
        child.state = State::Stopping;
        out.push(Effect::Tell(Notice::Stopping(child.id.clone())));
        match shutdown {
            Shutdown::BrutalKill => out.push(Effect::Kill(child.id.clone(), child.generation)),
            Shutdown::Infinity => out.push(Effect::Ask(child.id.clone(), child.generation)),
            Shutdown::After(time) => {
                out.push(Effect::Ask(child.id.clone(), child.generation));
                out.push(Effect::Arm(grace, time));
            }
        }
    }

    /// A child of an ordered stop is down. A temporary one is not started again with its group, so it
    /// is forgotten (OTP: `terminate_children`).
    pub(super) fn stopped(&mut self, seq: Seq, out: &mut Vec<Effect>) {
        let restarting = matches!(&self.phase, Phase::Stopping { then: Then::Restart { .. }, .. });
        if restarting && self.child(seq).policy.restart == Restart::Temporary {
            self.remove(seq, out);
        } else if self.child(seq).state != State::Down {
            let child = self.child_mut(seq);
            child.state = State::Down;
            out.push(Effect::Tell(Notice::Down(child.id.clone())));
        }
    }

    /// Starts the group of `culprit` in start order.
    fn start_group(&mut self, culprit: Seq, now: Mono, out: &mut Vec<Effect>) {
        let queue = self.group(culprit).into();
        self.phase = Phase::Starting { queue, current: None, culprit: Some(culprit) };
        self.start_next(now, out);
    }

    /// The group of `culprit` is down and waits for its timer.
    fn hold_group(&mut self, culprit: Seq, out: &mut Vec<Effect>) {
        for seq in self.group(culprit) {
            let child = self.child_mut(seq);
            if seq != culprit && child.state == State::Down {
                child.state = State::Held;
                out.push(Effect::Tell(Notice::Held(child.id.clone())));
            }
        }
    }

    /// Stops everything, from whatever state.
    pub(super) fn stop(&mut self, hurry: bool, now: Mono, out: &mut Vec<Effect>) {
        self.hurry |= hurry;
        let ending = matches!(&self.phase, Phase::Stopping { then: Then::Finish(_), .. });
        if !ending {
            self.stop_all(End::Shutdown, now, out);
        } else if hurry && let Phase::Stopping { current: Some(seq), .. } = self.phase {
            // One that is still starting is killed when it has started.
            let child = self.child(seq);
            if child.state == State::Stopping {
                out.push(Effect::Kill(child.id.clone(), child.generation));
            }
        }
    }

    /// Stops all children in reverse start order and ends like `end`. A stop that waits for somebody
    /// goes on; a start that is under way is waited for first.
    pub(super) fn stop_all(&mut self, end: End, now: Mono, out: &mut Vec<Effect>) {
        for deferred in self.backlog.drain(..) {
            if let Deferred::Command(_, ticket) = deferred {
                out.push(Effect::Answer(ticket, Err(Refusal::ShuttingDown)));
            }
        }
        let queue = self.children.keys().copied().collect();
        self.stop_group(queue, Then::Finish(end), now, out);
    }

    fn finish(&mut self, end: End, out: &mut Vec<Effect>) {
        self.phase = Phase::Ended;
        out.push(Effect::Done(end));
    }
}
