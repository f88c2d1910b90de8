//! What is told of jobs: metrics and the execution log, which say the same.

use std::sync::Arc;

use tsup_core::ids::JobId;
use tsup_core::limits;
use tsup_core::telemetry::record::Entry;
use tsup_core::tes::failure::Failure;
use tsup_core::tes::job::{JobState, Priority};
use tsup_core::tes::kept::AttemptEnd;
use tsup_core::wire::verb::Submit;

use super::queue::QueueActor;
use super::{Common, Shared};
use crate::actor::Cx;
use crate::clock::now_wall;
use crate::telemetry::journal::JournalMsg;

impl Common {
    /// A line of the execution log. One that finds no room is lost, which the journal's gate counts.
    fn log(&self, entry: Entry) {
        let _ = self.journal.work(JournalMsg::Append(Box::new(entry)));
    }

    /// A submission was refused for what was submitted.
    pub(super) fn tell_refused(&self, submit: &Submit, failure: &Failure) {
        self.log(Entry::refused(submit, now_wall(), failure));
    }
}

/// Counts an entry and writes it, with the inputs from the store where they are not at hand.
fn tell(shared: &Shared, mut entry: Entry, inputs_of: Option<JobId>, cx: &mut Cx<QueueActor>) {
    shared.metrics.count(&entry);
    let Some(job) = inputs_of else { return shared.log(entry) };
    let (shared, store) = (shared.clone(), Arc::clone(&shared.store));
    cx.spawn(async move {
        // Without the store the line is written without them.
        let inputs = tokio::time::timeout(limits::CALL_TIMEOUT, store.inputs(job)).await;
        entry.inputs = inputs.ok().and_then(Result::ok).flatten().unwrap_or_default();
        shared.log(entry);
    });
}

impl QueueActor {
    /// An attempt starts.
    pub(super) fn tell_started(&self, job: JobId, cx: &mut Cx<Self>) {
        let Some(card) = self.card(job) else { return };
        let entry = Entry::started(&card.about(job), card.attempt, now_wall());
        tell(self.shared(), entry, (!card.has_inputs).then_some(job), cx);
    }

    /// An attempt ended.
    pub(super) fn tell_ended(&self, attempt: &AttemptEnd, cx: &mut Cx<Self>) {
        let Some(card) = self.card(attempt.job) else { return };
        let Some(entry) = Entry::ended(&card.about(attempt.job), attempt) else { return };
        tell(self.shared(), entry, (!card.has_inputs).then_some(attempt.job), cx);
    }

    /// A job ended without an attempt under way.
    pub(super) fn tell_unstarted(
        &self,
        job: JobId,
        end: JobState,
        failure: Option<&Failure>,
        cx: &mut Cx<Self>,
    ) {
        let Some(card) = self.card(job) else { return };
        let entry = Entry::finished(&card.about(job), card.attempt, end, now_wall(), failure);
        tell(self.shared(), entry, (!card.has_inputs).then_some(job), cx);
    }

    /// How many wait for their turn.
    pub(super) fn tell_depths(&self, depths: [usize; 5]) {
        for (priority, depth) in Priority::ALL.into_iter().zip(depths) {
            self.shared().metrics.depth(priority, depth);
        }
    }
}
