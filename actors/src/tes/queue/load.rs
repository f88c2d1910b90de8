//! The beginning: what the store had, and what is answered until it has said so.

use std::collections::HashSet;

use tsup_core::ids::JobId;
use tsup_core::limits;
use tsup_core::tes::job::JobState;
use tsup_core::tes::kept::Live;
use tsup_core::tes::queue::Event;

use super::left::Left;
use super::words::{Msg, Waiter};
use super::{QueueActor, card};
use crate::actor::Cx;
use crate::gate::Lane;
use crate::store::LoadedJobs;
use crate::tes::places;

impl QueueActor {
    pub(super) fn load(&self, cx: &mut Cx<Self>) {
        let (store, gate) = (std::sync::Arc::clone(&self.shared.store), cx.gate().clone());
        let (mut shelf, jobs) = (self.shared.shelf.subscribe(), self.jobs.clone());
        let (home, traces) = (self.shared.home.clone(), self.shared.traces.clone());
        let removing = std::sync::Arc::clone(&self.shared.removing);
        cx.spawn(async move {
            // Actors of an earlier incarnation answer to nobody; their attempts are met by their traces.
            for left in jobs.members() {
                let name = left.path().as_str().rsplit('/').next().unwrap_or_default().to_owned();
                let _ = jobs.terminate_child(&name).await;
            }
            // Nor is anything removed that may be wanted again from here on.
            drop(removing.acquire_owned().await);
            // What an attempt gave is read by what its script declares, so these have to be known first.
            let _ = shelf.wait_for(Option::is_some).await;
            let loaded = store.load_jobs().await.map_err(|e| e.to_string());
            let look = move || {
                let left = Left::read(&traces).map_err(|e| format!("{}: {e}", traces.display()));
                left.and_then(|left| places::fault(&home, &traces).map_or(Ok(left), Err))
            };
            let left = crate::actor::blocking(look).await.transpose();
            let all = loaded.and_then(|loaded| Ok((loaded, left?.unwrap_or_default())));
            gate.insist(Lane::Control, Msg::Loaded(Some(all))).await;
        });
    }

    pub(super) fn loaded(&mut self, loaded: Result<(LoadedJobs, Left), String>, cx: &mut Cx<Self>) {
        let (loaded, left) = match loaded {
            Ok(loaded) => loaded,
            Err(e) => {
                self.closed.store = Some(e);
                self.reconsider(cx);
                self.again_timer = Some(cx.after(limits::JOBS_KEEP_AGAIN, Lane::Control, Msg::KeepAgain));
                return;
            }
        };
        self.last_seq = loaded.last_seq;
        for (state, n) in loaded.counts {
            let at = JobState::ALL.iter().position(|s| *s == state).unwrap_or(0);
            self.counts[at] = n;
        }
        let (mut adopted, live) = (0, loaded.live.len());
        // Beyond all that were ever sent and have not claimed anything yet: what comes late of these has a smaller one.
        self.orders = left.newest + limits::ORDERS_LEAP;
        let mut all = loaded.live;
        // Who has no slot was written down by a release that kept traces elsewhere.
        let elsewhere = |live: &Live| live.starting_in.is_some() && live.slot.is_none();
        let elsewhere: HashSet<JobId> = all.iter().filter(|l| elsewhere(l)).map(|l| l.job.id).collect();
        self.keep_slots(&mut all, &left);
        for live in all {
            let id = card::attempt_id(live.job.id, live.attempt);
            let is_found = live.slot.and_then(|slot| left.found.get(&slot)) == Some(&id);
            let is_lost = (left.is_new && !is_found) || elsewhere.contains(&live.job.id);
            adopted += usize::from(self.recovered(live, is_lost, cx));
        }
        if live > 0 {
            tracing::info!(jobs = live, running = adopted, "jobs were found again");
        }
        self.closed.loading = false;
        (self.closed.store, self.closed.place) = (None, None);
        // The scripts are known by now, and so are their bounds.
        self.step(Event::Caps(self.shared.caps()), None, cx);
        let ended: Vec<JobId> =
            self.waiters.keys().filter(|job| !self.cards.contains_key(*job)).copied().collect();
        ended.iter().filter_map(|job| self.waiters.remove(job)).flatten().for_each(Waiter::tell);
        for question in std::mem::take(&mut self.early).into_iter().filter(is_wanted) {
            match question {
                Msg::In(states, script, limit, mut reply) => {
                    reply.send(self.in_states(&states, script.as_deref(), limit));
                }
                Msg::Select(which, mut reply) => reply.send(self.select(&which)),
                _ => {}
            }
        }
        self.reconsider(cx);
        self.shared.schedules.loaded(loaded.schedules);
        self.shared.loaded.send_replace(true);
        cx.ready();
    }

    /// Who has a slot keeps it, before any is given out anew.
    fn keep_slots(&mut self, all: &mut [Live], left: &Left) {
        let under_way = |live: &&mut Live| live.starting_in.is_some() && live.slot.is_some();
        let mut all: Vec<&mut Live> = all.iter_mut().filter(under_way).collect();
        let of =
            |live: &&mut Live| (card::attempt_id(live.job.id, live.attempt), live.slot.unwrap_or_default());
        let attempts: Vec<_> = all.iter().map(of).collect();
        for (live, keeps) in all.iter_mut().zip(self.slots.adopt(&attempts, &left.found)) {
            live.slot = live.slot.filter(|_| keeps);
        }
    }

    /// Keeps a question until the jobs are known; those of people who gave up are let go.
    fn ask_later(&mut self, question: Msg) {
        self.early.retain(is_wanted);
        self.early.push(question);
    }

    /// Answers what must not be answered from a queue that knows no jobs yet. `false` for everything else.
    pub(super) fn answer_early(&mut self, message: &mut Msg) -> bool {
        let closed = self.closed.clone();
        let early = || closed.early("changed");
        match message {
            Msg::WaitEnd(jobs, others) => others.send(self.wait_ends(jobs)),
            // Nobody is to take a queue that is being read for an empty one.
            Msg::In(states, script, limit, reply) => {
                let question = Msg::In(std::mem::take(states), script.take(), *limit, reply.take());
                self.ask_later(question);
            }
            Msg::Select(which, reply) => self.ask_later(Msg::Select(which.clone(), reply.take())),
            Msg::Cancel(_, reply)
            | Msg::Hold(_, _, reply)
            | Msg::Drop(_, reply)
            | Msg::Requeue(_, _, reply) => reply.send(Err(early())),
            // What the queue before this one found and did is found again.
            Msg::Forgettable(jobs) => {
                jobs.clear();
                return false;
            }
            Msg::FilesGone(jobs, _) => {
                jobs.clear();
                return false;
            }
            _ => return false,
        }
        true
    }
}

/// Whether somebody waits for the answer to a question that was kept.
fn is_wanted(question: &Msg) -> bool {
    match question {
        Msg::In(_, _, _, reply) => reply.is_wanted(),
        Msg::Select(_, reply) => reply.is_wanted(),
        _ => false,
    }
}
