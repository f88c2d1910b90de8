//! Where a job stands while it does not run, and what its end means for those that wait for it.

use super::{Effect, Entry, Kin, Parent, Queue, Ticket, Why};
use crate::clock::Mono;
use crate::ids::JobId;
use crate::tes::job::JobState;

impl Queue {
    pub(super) fn submitted(
        &mut self,
        ticket: &Ticket,
        parents: &[Parent],
        now: Mono,
        effects: &mut Vec<Effect>,
    ) {
        let id = ticket.id;
        if self.jobs.contains_key(&id) {
            debug_assert!(false, "a job is submitted once");
            return;
        }
        let refused = parents.iter().find(|p| p.ended.is_some_and(|end| !p.edge.takes(end)));
        let waits_for: Vec<_> =
            parents.iter().filter(|p| p.ended.is_none()).map(|p| (p.id, p.edge)).collect();
        for (parent, _) in &waits_for {
            if let Some(parent) = self.jobs.get_mut(parent) {
                parent.change(|rare| rare.kin.get_or_insert_default().children.push(id));
            }
        }
        if let Some(by) = ticket.start_by {
            self.due.insert((by, id));
        }
        self.bytes += u64::from(ticket.bytes);
        let lane = self.lanes.enter(ticket);
        let mut entry = Entry::new(ticket, lane, now);
        if !waits_for.is_empty() {
            entry.change(|rare| rare.kin = Some(Kin { parents: waits_for, children: Vec::new() }));
        }
        self.jobs.insert(id, Box::new(entry));
        match refused {
            Some(parent) => self.fail(id, Why::Parent(parent.id), effects),
            None => self.place(id, now, effects),
        }
    }

    /// Puts a job that does not run where it belongs now.
    pub(super) fn place(&mut self, job: JobId, now: Mono, effects: &mut Vec<Effect>) {
        let Some(entry) = self.jobs.get_mut(&job) else { return };
        let before = entry.state;
        let waits = entry.not_before().filter(|at| *at > now);
        let state = match (entry.held, entry.parents().is_empty(), waits) {
            (true, ..) => JobState::Held,
            (false, false, _) => JobState::Blocked,
            (false, true, Some(_)) => JobState::Delayed,
            (false, true, None) => JobState::Queued,
        };
        if state == JobState::Queued && before == JobState::Queued {
            return;
        }
        let (lane, place) = (entry.lane, (entry.ready, entry.seq));
        entry.state = state;
        if before == JobState::Queued {
            self.leave_lane(lane, place);
        }
        match (state, waits) {
            (JobState::Delayed, Some(at)) => {
                self.due.insert((at, job));
            }
            (JobState::Queued, _) => self.enter_lane(job, now),
            _ => {}
        }
        if state != before {
            effects.push(Effect::Became(job, state));
        }
    }

    fn enter_lane(&mut self, job: JobId, now: Mono) {
        let entry = self.jobs.get_mut(&job).expect("a job that is placed is in the queue");
        let since = if entry.rare.is_some() { entry.change(|rare| rare.since.take()) } else { None };
        entry.ready = since.map_or(now, |since| since.min(now));
        let session = self.lanes.name(entry.lane.session);
        self.usage.queued(entry.lane.session, session);
        self.lanes.put(entry.lane, (entry.ready, entry.seq), job);
    }

    fn leave_lane(&mut self, lane: super::Lane, place: (Mono, u64)) {
        self.lanes.take(lane, place);
        self.usage.not_queued(lane.session);
    }

    pub(super) fn set_held(&mut self, job: JobId, held: bool, now: Mono, effects: &mut Vec<Effect>) {
        let Some(entry) = self.jobs.get_mut(&job) else { return };
        entry.held = held;
        // A job that runs is held back from its next attempt.
        if entry.state != JobState::Running {
            self.place(job, now, effects);
        }
    }

    /// Ends a job that has no attempt under way, and all whose waiting that makes vain.
    pub(super) fn fail(&mut self, job: JobId, why: Why, effects: &mut Vec<Effect>) {
        effects.push(Effect::Fail(job, why));
        let mut ended = vec![(job, why.state())];
        while let Some((job, state)) = ended.pop() {
            for child in self.remove(job) {
                let Some(edge) = self.settle(child, job) else { continue };
                if !edge.takes(state) {
                    effects.push(Effect::Fail(child, Why::Parent(job)));
                    ended.push((child, Why::Parent(job).state()));
                } else if self.jobs.get(&child).is_some_and(|e| e.parents().is_empty()) {
                    // It may have to wait for its time still, which the look that follows sees.
                    self.due.insert((Mono::ZERO, child));
                }
            }
        }
    }

    /// Ends a job after its last attempt.
    pub(super) fn finish(&mut self, job: JobId, state: JobState, now: Mono, effects: &mut Vec<Effect>) {
        debug_assert!(state.is_final(), "{state} is no end");
        effects.push(Effect::Became(job, state));
        for child in self.remove(job) {
            let Some(edge) = self.settle(child, job) else { continue };
            if edge.takes(state) {
                self.place(child, now, effects);
            } else {
                self.fail(child, Why::Parent(job), effects);
            }
        }
    }

    /// One parent less; answers the end that the child waited for.
    fn settle(&mut self, child: JobId, parent: JobId) -> Option<crate::tes::job::Edge> {
        let entry = self.jobs.get_mut(&child)?;
        let parents = &mut entry.rare.as_mut()?.kin.as_mut()?.parents;
        let at = parents.iter().position(|(id, _)| *id == parent)?;
        Some(parents.swap_remove(at).1)
    }

    /// Takes a job out; answers who waits for it.
    fn remove(&mut self, job: JobId) -> Vec<JobId> {
        let Some(entry) = self.jobs.remove(&job) else { return Vec::new() };
        self.bytes -= u64::from(entry.bytes);
        if entry.state == JobState::Queued {
            self.leave_lane(entry.lane, (entry.ready, entry.seq));
        }
        self.usage.forget(self.lanes.leave(entry.lane));
        for at in [entry.start_by(), entry.not_before(), Some(Mono::ZERO)].into_iter().flatten() {
            self.due.remove(&(at, job));
        }
        entry.rare.and_then(|rare| rare.kin).map(|kin| kin.children).unwrap_or_default()
    }

    /// Jobs whose time has come, and jobs whose patience is at its end.
    pub(super) fn look_at_due(&mut self, now: Mono, effects: &mut Vec<Effect>) {
        while let Some((at, job)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, job));
            let Some(entry) = self.jobs.get(&job) else { continue };
            if entry.state == JobState::Running {
                continue;
            }
            if entry.start_by().is_some_and(|by| by <= now) {
                self.fail(job, Why::Expired, effects);
            } else {
                self.place(job, now, effects);
            }
        }
    }
}
