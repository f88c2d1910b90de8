//! Requests at run time, with OTP's answers.

use super::{Deferred, Origin, Phase, Planner, Seq, State, Then};
use crate::clock::Mono;
use crate::supervision::{ChildId, ChildPolicy, Command, Effect, Refusal, Ticket};

impl Planner {
    /// Somebody asks for something. It waits while a phase is under way, or while the child is on its
    /// way down or up.
    pub(super) fn asked(&mut self, command: Command, ticket: Ticket, now: Mono, out: &mut Vec<Effect>) {
        if matches!(&self.phase, Phase::Stopping { then: Then::Finish(_), .. }) {
            out.push(Effect::Answer(ticket, Err(Refusal::ShuttingDown)));
            return;
        }
        let seq = self.index.get(command.child().as_str()).copied();
        let in_between = seq.is_some_and(|seq| match self.child(seq).state {
            State::Starting(_) => true,
            State::Stopping => !matches!(command, Command::Terminate(_)),
            _ => false,
        });
        if !self.is_free() || in_between {
            self.backlog.push_back(Deferred::Command(command, ticket));
            return;
        }
        let answer = match (command, seq) {
            (Command::Start(id, policy), None) => match self.add(id, policy) {
                Ok(seq) => {
                    self.start(seq, Origin::Added(ticket), out);
                    return;
                }
                Err(spec) => Err(Refusal::Spec(spec)),
            },
            (Command::Start(id, policy), Some(seq)) => Err(self.present(id, policy, seq)),
            (command, None) => Err(Refusal::NotFound(command.child().clone())),
            (Command::Terminate(_), Some(seq)) => {
                self.terminate(seq, ticket, now, out);
                return;
            }
            (Command::Restart(id), Some(seq)) => match self.child(seq).state {
                State::Down => {
                    self.start(seq, Origin::Asked(ticket), out);
                    return;
                }
                State::Waiting { .. } | State::Held => Err(Refusal::Restarting(id)),
                _ => Err(Refusal::Running(id)),
            },
            (Command::Delete(id), Some(seq)) => match self.child(seq).state {
                State::Down => {
                    self.remove(seq, out);
                    Ok(())
                }
                State::Waiting { .. } | State::Held => Err(Refusal::Restarting(id)),
                _ => Err(Refusal::Running(id)),
            },
            (Command::Crash(id), Some(seq)) => {
                let child = self.child(seq);
                if child.state == State::Running {
                    out.push(Effect::Kill(id, child.generation));
                    Ok(())
                } else {
                    Err(Refusal::NotRunning(id))
                }
            }
        };
        out.push(Effect::Answer(ticket, answer));
    }

    fn present(&self, id: ChildId, policy: ChildPolicy, seq: Seq) -> Refusal {
        match self.policy.check(&id, &policy) {
            Err(spec) => Refusal::Spec(spec),
            Ok(()) if self.child(seq).state == State::Running => Refusal::AlreadyStarted(id),
            Ok(()) => Refusal::AlreadyPresent(id),
        }
    }

    /// Stops one child. Its end neither restarts it nor counts as the end of a significant child.
    fn terminate(&mut self, seq: Seq, ticket: Ticket, now: Mono, out: &mut Vec<Effect>) {
        match self.child(seq).state {
            State::Running => {
                self.child_mut(seq).terminators.push(ticket);
                self.ask(seq, out);
            }
            State::Stopping => self.child_mut(seq).terminators.push(ticket),
            State::Waiting { .. } => {
                self.call_off(seq, out);
                self.put_down(seq, out);
                out.push(Effect::Answer(ticket, Ok(())));
                self.release(seq, now, out);
            }
            _ => {
                if self.child(seq).state == State::Held {
                    self.put_down(seq, out);
                }
                out.push(Effect::Answer(ticket, Ok(())));
            }
        }
    }

    /// The culprit of a group that was held is no longer waited for: the others are started. (OTP
    /// leaves them down until somebody asks.)
    fn release(&mut self, culprit: Seq, now: Mono, out: &mut Vec<Effect>) {
        let held: Vec<Seq> =
            self.group(culprit).into_iter().filter(|s| self.child(*s).state == State::Held).collect();
        if !held.is_empty() {
            self.phase = Phase::Starting { queue: held.into(), current: None, culprit: Some(culprit) };
            self.start_next(now, out);
        }
    }
}
