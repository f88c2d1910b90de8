//! Owns: one attempt of a job, from its order to its end.
//! Receives: what its shim leaves behind, what the shim server tells, a wish to end it.
//! Sends: orders to the shims, one end to the queue.
//! Bounded by: one plan, one look and one watch at a time.
//! Restart: temporary; when it crashes, the queue starts another one, which goes on from what is on disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tsup_core::ids::ProcId;
use tsup_core::limits;
use tsup_core::tes::attempt::plan::Plan;
use tsup_core::tes::attempt::{Found, Known, Record, Recovery, recover};
use tsup_core::tes::failure::{Category, Failure as Failed};
use tsup_core::tes::retry::Ending;

use super::{Shared, queue, shims};
use crate::actor::{Actor, Cx, Failure};
use crate::gate::Lane;
use crate::os::pidfd;
use crate::tes::shim::files;
use crate::tes::shim::traces::Traces;

mod collect;
pub(super) mod place;
pub(super) mod plan;
mod stray;
mod words;

pub(super) use stray::end as end_strays;
pub(super) use words::{CAPACITY, Msg, Place, Seen, Task};

/// Why nothing is known of an attempt whose traces were removed.
const GONE: &str = "the file with its traces was removed or emptied";

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Something is being found out; what was wished meanwhile is seen to when it is known.
    Finding,
    /// Its shim was ordered from the server that runs.
    Ordered,
    /// Its shim is watched: another supervisor, or another server, ordered it.
    Adopted(ProcId),
}

/// Which shim is known to have been given it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    /// None.
    Nobody,
    /// One that died, before its claim or after it.
    Dead,
    /// One that had it.
    Known,
}

/// The actor.
pub(super) struct JobActor {
    shared: Shared,
    task: Arc<Task>,
    /// Whether nothing can have been ordered yet.
    fresh: bool,
    /// Whether somebody wants it to end.
    cancelled: bool,
    given: Given,
    at: At,
    /// The shim that was watched last.
    adopted: Option<ProcId>,
    /// Whether it may run where the server of now does not know of it.
    elsewhere: bool,
    /// Why no shim of the last order has it, until no shim of an order before that can have it either.
    unstarted: Option<i32>,
}

impl JobActor {
    /// For an attempt of which nothing was ordered when it is `fresh`; which is to end when it is `cancelled`.
    pub(super) fn new(shared: Shared, task: Arc<Task>, fresh: bool, cancelled: bool) -> Self {
        JobActor {
            shared,
            task,
            fresh,
            cancelled,
            given: Given::Nobody,
            at: At::Finding,
            adopted: None,
            elsewhere: !fresh,
            unstarted: None,
        }
    }

    fn folder(&self) -> PathBuf {
        files::folder(&self.shared.jobs_folder, self.task.id)
    }

    /// Makes the plan, from inputs that are at hand or are read first.
    fn plan(&mut self, inputs: Option<Box<str>>, cx: &mut Cx<Self>) {
        self.at = At::Finding;
        let Some(inputs) = inputs.or_else(|| self.task.inputs.clone()) else {
            let (store, job, gate) = (Arc::clone(&self.shared.store), self.task.id.job, cx.gate().clone());
            cx.spawn(async move {
                let inputs = loop {
                    match store.inputs(job).await {
                        Ok(inputs) => break inputs,
                        // It cannot run without; the store says itself what is wrong with it.
                        Err(_) => tokio::time::sleep(limits::JOBS_KEEP_AGAIN).await,
                    }
                };
                gate.insist(Lane::Control, Msg::Inputs(Some(inputs.unwrap_or_default().into()))).await;
            });
            return;
        };
        let Place::Slot(slot) = self.task.traces else { return self.sweep(GONE, cx) };
        let (shared, task) = (self.shared.clone(), Arc::clone(&self.task));
        cx.offload(move || plan::make(&shared, &task, slot, &inputs), |plan| Msg::Planned(Some(plan)));
    }

    fn planned(&mut self, plan: Result<Box<Plan>, Box<Failed>>, cx: &mut Cx<Self>) {
        match plan {
            _ if self.cancelled => self.revoke(cx),
            Ok(plan) => {
                self.at = At::Ordered;
                let (shims, gate) = (self.shared.shims.clone(), cx.gate().clone());
                // There is a place for each that runs; one that finds none was counted wrong, and waits.
                if let Err(full) = shims.work(shims::Msg::Start(Some(plan), gate)) {
                    cx.spawn(async move { shims.insist(Lane::Work, full.message).await });
                }
            }
            Err(failure) => self.end(Ending::Failed(*failure), None, cx),
        }
    }

    /// Looks at what it left; when it has ended, what it printed is read on the same way.
    fn look(&mut self, cx: &mut Cx<Self>) {
        self.at = At::Finding;
        let Place::Slot(slot) = self.task.traces else { return self.sweep(GONE, cx) };
        let (shared, task, folder) = (self.shared.clone(), Arc::clone(&self.task), self.folder());
        let begun = self.given == Given::Known;
        self.unstarted = None;
        let look = move || {
            // With it, whether nothing means that there never was anything.
            let find = || -> std::io::Result<(Found, bool)> {
                let Some(traces) = Traces::find(&shared.traces)? else {
                    return Ok((Found::default(), false));
                };
                Ok((traces.look_for(slot, task.id, task.order)?, traces.is_whole()?))
            };
            let (mut found, mut is_whole) = find()?;
            // Whatever became of its traces, what runs with its mark was begun; or it begins just now, and they are
            // there by the time that it runs.
            let runs = found == Found::default() && stray::any(task.id);
            if runs {
                (found, is_whole) = find()?;
            }
            let shim = found.claim.as_ref().map(|claim| claim.shim).filter(|shim| shim.pid != 0);
            let known = Known { id: task.id, started_in: &task.started_in, begun };
            Ok(match recover(known, found, &shared.boot_id) {
                Recovery::Collect(record) => {
                    Seen::Ended(Box::new(collect::read(&shared, &task, &folder, *record)))
                }
                Recovery::Adopt => Seen::Runs(shim),
                Recovery::Interrupted(why) => Seen::Lost(why),
                Recovery::Start if runs => Seen::Lost("its traces are gone, and it runs"),
                Recovery::Start if !is_whole => Seen::Lost(GONE),
                Recovery::Start => Seen::Nothing,
            })
        };
        cx.offload(look, |seen| Msg::Looked(Some(seen)));
    }

    /// Its shim told how it ended. Where it printed nothing, nothing has to be read.
    fn done(&mut self, record: Record, cx: &mut Cx<Self>) {
        self.at = At::Finding;
        let (shared, task, folder) = (self.shared.clone(), Arc::clone(&self.task), self.folder());
        if record.stdout_bytes == 0 && record.stderr_bytes == 0 {
            return self.tell(Box::new(collect::read(&shared, &task, &folder, record)), cx);
        }
        let read = move || Box::new(collect::read(&shared, &task, &folder, record));
        cx.offload(read, |ended| Msg::Collected(Some(ended)));
    }

    fn look_later(after: Duration, cx: &mut Cx<Self>) {
        cx.after(after, Lane::Control, Msg::Look).detach();
    }

    fn looked(&mut self, seen: std::io::Result<Seen>, cx: &mut Cx<Self>) {
        match seen {
            Ok(Seen::Ended(ended)) => self.tell(ended, cx),
            Ok(Seen::Runs(Some(shim))) => self.adopt(shim, cx),
            Ok(Seen::Runs(None)) => Self::look_later(limits::CLAIM_LOOK_AGAIN, cx),
            Ok(Seen::Lost(why)) => self.sweep(why, cx),
            Ok(Seen::Nothing) if self.cancelled => self.revoke(cx),
            Ok(Seen::Nothing) => self.plan(None, cx),
            Err(e) => {
                tracing::warn!(job = %self.task.id.job, error = %e, "what an attempt left cannot be read");
                Self::look_later(limits::JOBS_KEEP_AGAIN, cx);
            }
        }
    }

    fn adopt(&mut self, shim: ProcId, cx: &mut Cx<Self>) {
        self.elsewhere = true;
        self.at = At::Adopted(shim);
        let gate = cx.gate().clone();
        // Where the server of now runs it, that tells of the end; its shim goes on to other attempts.
        let _ = self.shared.shims.control(shims::Msg::Follow(self.task.id, self.task.slots, gate.clone()));
        // A script may have written another process into its claim: then the lock says more than that one's end.
        let again = self.adopted.replace(shim) == Some(shim);
        cx.spawn(async move {
            if again {
                tokio::time::sleep(limits::JOBS_KEEP_AGAIN).await;
            }
            let _ = tokio::time::timeout(limits::ADOPTED_LOOK, pidfd::died(shim)).await;
            gate.insist(Lane::Control, Msg::ShimEnded).await;
        });
        if self.cancelled {
            place::terminate(shim, self.task.id);
        }
    }

    /// Ends what a killed shim left behind, before anybody is told that nothing runs any more.
    fn sweep(&mut self, why: &'static str, cx: &mut Cx<Self>) {
        self.at = At::Finding;
        let (shared, id, place) = (self.shared.clone(), self.task.id, self.task.traces);
        let end = move || {
            let shim = match place {
                Place::Slot(slot) => stray::shim(&shared.traces, slot, id, &shared.boot_id),
                Place::Gone => None,
            };
            stray::end(id, shim)
        };
        cx.offload(end, move |ended| Msg::Swept(why, ended));
    }

    /// Makes the claim in a shim's place, so that none can begin any more.
    fn revoke(&mut self, cx: &mut Cx<Self>) {
        self.at = At::Finding;
        let Place::Slot(slot) = self.task.traces else { return self.sweep(GONE, cx) };
        let (shared, id, order) = (self.shared.clone(), self.task.id, self.task.order);
        let revoke = move || Traces::make(&shared.traces)?.revoke(slot, id, order, &shared.boot_id);
        cx.offload(revoke, move |done: std::io::Result<bool>| {
            if let Err(e) = &done {
                tracing::warn!(job = %id.job, error = %e, "an attempt that has not begun cannot be called off yet");
            }
            Msg::Revoked(done.ok())
        });
    }

    fn cancel(&mut self, cx: &mut Cx<Self>) {
        self.cancelled = true;
        match self.at {
            At::Finding => {}
            At::Ordered => {
                // On the lane of the orders, so that it stays behind the one that it is about.
                if let Err(full) = self.shared.shims.work(shims::Msg::Stop(self.task.id)) {
                    let shims = self.shared.shims.clone();
                    cx.spawn(async move { shims.insist(Lane::Work, full.message).await });
                }
            }
            At::Adopted(shim) => place::terminate(shim, self.task.id),
        }
    }

    /// Nothing of it ran. What the system lacks it has again later; what is wrong with the folder stays so.
    fn not_started(&mut self, errno: i32, cx: &mut Cx<Self>) {
        self.at = At::Finding;
        let (shared, folder) = (self.shared.clone(), self.folder());
        cx.offload(
            move || place::unusable(&shared, &folder, errno).map(Box::new),
            move |failure| Msg::Unusable(errno, failure),
        );
    }

    fn not_begun(&mut self, errno: i32, cx: &mut Cx<Self>) {
        let message = queue::Msg::NotBegun(self.task.id, errno);
        let (queue, gate) = (self.shared.queue.clone(), cx.gate().clone());
        cx.spawn(async move {
            queue.insist(Lane::Control, message).await;
            gate.insist(Lane::Control, Msg::Told).await;
        });
    }

    fn end(&mut self, ending: Ending, record: Option<Record>, cx: &mut Cx<Self>) {
        let ended = queue::Ended { id: self.task.id, ending, record, outputs: None };
        self.tell(Box::new(ended), cx);
    }

    fn interrupted(&mut self, why: &str, left: u32, cx: &mut Cx<Self>) {
        self.end(Ending::Interrupted(lost(why, left)), None, cx);
    }

    /// Tells the queue, and ends. The queue's gate outlives the queue.
    fn tell(&mut self, ended: Box<queue::Ended>, cx: &mut Cx<Self>) {
        self.at = At::Finding;
        if self.elsewhere {
            let _ = self.shared.shims.control(shims::Msg::Over(self.task.id));
        }
        let message = queue::Msg::Ended(Some(ended));
        match self.shared.queue.control(message) {
            Ok(()) => cx.stop(),
            Err(full) => {
                let (queue, gate) = (self.shared.queue.clone(), cx.gate().clone());
                cx.spawn(async move {
                    queue.insist(Lane::Control, full.message).await;
                    gate.insist(Lane::Control, Msg::Told).await;
                });
            }
        }
    }
}

/// The failure of an attempt that cannot be known, of which so many processes were ended.
pub(super) fn lost(why: &str, left: u32) -> Failed {
    Failed::new(Category::Unknown, format!("what became of it is not known: {why}"))
        .fact("processes_ended", left.to_string())
        .suggest("see what it has done, then `tsup ctl retry` it; say `execution.idempotent` in its registry where running it twice does no harm")
}

impl Actor for JobActor {
    type Msg = Msg;

    async fn started(&mut self, cx: &mut Cx<Self>) -> Result<(), Failure> {
        if self.fresh {
            self.plan(None, cx);
        } else {
            // It counts as one that runs until it is known that it does not.
            let follow = shims::Msg::Follow(self.task.id, self.task.slots, cx.gate().clone());
            let _ = self.shared.shims.control(follow);
            self.look(cx);
        }
        Ok(())
    }

    async fn handle(&mut self, message: &mut Msg, cx: &mut Cx<Self>) -> Result<(), Failure> {
        match message {
            Msg::Inputs(inputs) => self.plan(inputs.take(), cx),
            Msg::Planned(plan) => {
                if let Some(plan) = plan.take() {
                    self.planned(plan, cx);
                }
            }
            Msg::Done(record) if self.at != At::Finding => {
                if let Some(record) = record.take() {
                    self.done(*record, cx);
                }
            }
            Msg::ShimEnded if self.at != At::Finding => {
                self.given = Given::Known;
                self.look(cx);
            }
            Msg::ServerGone => {
                self.elsewhere = true;
                if self.at != At::Finding {
                    self.look(cx);
                }
            }
            Msg::ShimDied if self.at != At::Finding => {
                // One that finds nothing again and again has its traces taken away.
                self.given = if self.given == Given::Nobody { Given::Dead } else { Given::Known };
                self.look(cx);
            }
            Msg::Look => self.look(cx),
            Msg::NotStarted(errno) if self.at == At::Ordered && self.elsewhere => {
                // A shim of an order before may be about to begin: it must find that it must not.
                self.unstarted = Some(*errno);
                self.revoke(cx);
            }
            Msg::NotStarted(errno) if self.at == At::Ordered => self.not_started(*errno, cx),
            Msg::Unusable(errno, failure) => match failure.take().filter(|_| !self.cancelled) {
                Some(failure) => self.end(Ending::Failed(*failure), None, cx),
                None => self.not_begun(*errno, cx),
            },
            // What is being found out will show it.
            Msg::Done(_) | Msg::ShimEnded | Msg::ShimDied | Msg::NotStarted(_) => {}
            Msg::Collected(ended) => {
                if let Some(ended) = ended.take() {
                    self.tell(ended, cx);
                }
            }
            Msg::Looked(seen) => {
                if let Some(seen) = seen.take() {
                    self.looked(seen, cx);
                }
            }
            Msg::Told => cx.stop(),
            Msg::Swept(why, left) => self.interrupted(why, *left, cx),
            Msg::Revoked(Some(true)) => match self.unstarted.take() {
                Some(errno) => self.not_started(errno, cx),
                None => self.end(Ending::Cancelled, None, cx),
            },
            Msg::Revoked(None) => Self::look_later(limits::JOBS_KEEP_AGAIN, cx),
            // A shim was faster: what it does is ended the usual way.
            Msg::Revoked(Some(false)) => Self::look_later(limits::CLAIM_LOOK_AGAIN, cx),
            Msg::Cancel => self.cancel(cx),
        }
        Ok(())
    }
}
