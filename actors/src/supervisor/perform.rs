//! What a supervisor does for its planner.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tsup_core::ids::Generation;
use tsup_core::supervision::{ChildId, Effect, Event, Notice, Timer};
use tsup_core::wire::doc::NodeState;

use crate::actor::Start;
use crate::clock::now_mono;
use crate::supervisor::handle::Msg;
use crate::supervisor::shell::{SHUTDOWN, Shell, Slot, words};
use crate::supervisor::spec::ChildSpec;
use crate::supervisor::view::{Status, View};

impl Shell {
    pub(super) async fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Start(id, generation) => self.start(id, generation).await,
            Effect::Ask(id, generation) => self.ask(&id, generation),
            Effect::Kill(id, _) => {
                if let Some(slot) = self.slots.get_mut(&id) {
                    slot.killed = true;
                    if let Some(cell) = &slot.cell {
                        cell.kill();
                    }
                }
            }
            Effect::Arm(timer, delay) => self.arm(timer, delay),
            Effect::Cancel(timer) => {
                if let Some(task) = self.timers.remove(&timer) {
                    task.abort();
                }
            }
            Effect::Answer(ticket, answer) => {
                self.incoming.retain(|(t, _)| *t != ticket);
                if let Some(mut reply) = self.replies.remove(&ticket) {
                    reply.send(answer);
                }
            }
            Effect::Tell(notice) => self.tell(&notice),
            Effect::Done(end) => {
                tracing::info!(actor = %self.core().path, end = %end, "supervisor ends");
                self.core().end.send_replace(Some(end.clone()));
                self.end = Some(end);
            }
        }
    }

    /// Gives a child its place in the list and in the tree.
    pub(super) fn seat(&mut self, spec: ChildSpec) {
        let path = self.core().path.child(spec.id());
        let (restarts, period) = match self.spec.policy.intensity {
            Some(intensity) => (intensity.restarts, intensity.period),
            None => (0, Duration::ZERO),
        };
        let status = watch::Sender::new(Status::starting(restarts, period));
        let view = View::new(path.clone(), Arc::clone(&spec.mailbox), status.subscribe(), spec.below.clone());
        self.core().members.send_modify(|members| members.push(view));
        self.slots.insert(spec.id.clone(), Slot { spec, path, cell: None, killed: false, status });
    }

    async fn start(&mut self, id: ChildId, generation: Generation) {
        self.core().generations.store(generation.0, Ordering::Relaxed);
        if !self.slots.contains_key(&id) {
            let at = self.incoming.iter().position(|(_, spec)| spec.id == id);
            let (_, spec) = self.incoming.remove(at.expect("an unknown child was asked to be added"));
            self.seat(spec);
        }
        let slot = self.slots.get_mut(&id).expect("a child that starts has its place");
        let (gate, name) = (self.spec.core.gate.clone(), id.clone());
        let ready = Box::new(move || {
            // The reserve for control covers one report of each child.
            if gate.control(Msg::Ready(name, generation)).is_err() {
                tracing::error!(actor = %gate.path(), "report of readiness lost");
            }
        });
        let start = Start { supervisor: self.me.clone(), generation, ready };
        let event = match (slot.spec.start)(start).await {
            Ok(cell) => {
                self.by_actor.insert(cell.get_id(), (id.clone(), generation));
                self.spec.core.alive.lock().insert(cell.get_id(), cell.clone());
                slot.cell = Some(cell);
                slot.killed = false;
                Event::Started(id, generation)
            }
            Err(failure) => Event::StartFailed(id, generation, words(&failure.0)),
        };
        self.next.push_back(event);
    }

    /// Asks a child to end: a worker by ractor's stop, a supervisor by a message, so that it goes on
    /// hearing of its children's ends while it stops them.
    fn ask(&self, id: &ChildId, generation: Generation) {
        let Some(slot) = self.slots.get(id) else { return };
        if let Some(below) = &slot.spec.below {
            let stop = Msg::Stop { incarnation: Some(generation), hurry: false };
            if below.gate.control(stop).is_ok() {
                return;
            }
        }
        if let Some(cell) = &slot.cell {
            cell.stop(Some(SHUTDOWN.to_owned()));
        }
    }

    fn arm(&mut self, timer: Timer, delay: Duration) {
        while self.tasks.try_join_next().is_some() {}
        let (gate, fired) = (self.spec.core.gate.clone(), timer.clone());
        let task = self.tasks.spawn(async move {
            tokio::time::sleep(delay).await;
            // The reserve for control covers one timer of each child.
            if gate.control(Msg::Fired(fired)).is_err() {
                tracing::error!(actor = %gate.path(), "timer lost");
            }
        });
        self.timers.insert(timer, task);
    }

    /// Writes what happened into the view, on the bus, and into the log.
    fn tell(&mut self, notice: &Notice) {
        if let Some(observer) = &self.spec.observer {
            observer(notice);
        }
        let now = now_mono();
        match notice {
            Notice::Started(id, _) => self.status(id, |s| s.runs(now)),
            Notice::Restarted { id, restarts, why, .. } => {
                self.status(id, |s| s.restarted(now, *restarts));
                self.publish(id, why, *restarts, false);
            }
            Notice::Exited(id, _, exit) => {
                let why = exit.why();
                self.status(id, |s| {
                    if s.state != NodeState::Stopping {
                        s.state = NodeState::Restarting;
                        s.last_error = Some(why);
                    }
                });
            }
            Notice::StartFailed(id, why) => self.status(id, |s| s.last_error = Some(Arc::clone(why))),
            Notice::Stopping(id) => self.status(id, |s| s.state = NodeState::Stopping),
            Notice::Waiting { id, delay } => self.status(id, |s| {
                s.state = NodeState::BackingOff;
                s.next_restart = Some(now + *delay);
            }),
            Notice::Quarantined { id, delay, restarts, why } => {
                self.status(id, |s| {
                    s.state = NodeState::Quarantined;
                    s.next_restart = Some(now + *delay);
                });
                self.publish(id, why, *restarts, true);
            }
            Notice::Down(id) => self.status(id, |s| {
                s.state = NodeState::Failed;
                s.next_restart = None;
            }),
            Notice::Held(id) => self.status(id, |s| s.state = NodeState::Restarting),
            Notice::Removed(id) => {
                if let Some(slot) = self.slots.remove(id) {
                    self.core().members.send_modify(|m| m.retain(|view| *view.path() != slot.path));
                }
            }
            Notice::Up => tracing::debug!(actor = %self.core().path, "children are up"),
        }
    }

    fn status(&self, id: &ChildId, change: impl FnOnce(&mut Status)) {
        if let Some(slot) = self.slots.get(id) {
            slot.status.send_modify(change);
        }
    }

    fn publish(&self, id: &ChildId, why: &str, restarts: u64, rests: bool) {
        let Some(slot) = self.slots.get(id) else { return };
        let (path, reason) = (slot.path.clone(), why.to_owned());
        if rests {
            tracing::error!(actor = %path, reason = why, restarts, "actor rests after too many restarts");
        } else {
            tracing::warn!(actor = %path, reason = why, restarts, "actor restarted");
        }
        if let Some(bus) = &self.spec.bus {
            bus.publish(if rests {
                tsup_core::event::Event::ActorQuarantined { path, reason, restarts }
            } else {
                tsup_core::event::Event::ActorRestarted { path, reason, restarts }
            });
        }
    }
}
