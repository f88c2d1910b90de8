//! What is asked of the queue: submissions, cancels, ends of jobs, and what the last runs were.

use std::collections::BTreeMap;
use std::sync::Arc;

use tsup_core::clock::Wall;
use tsup_core::error::{Exit, UserError};
use tsup_core::ids::JobId;
use tsup_core::limits;
use tsup_core::settings::ScheduleSettings;
use tsup_core::tes::job::JobState;
use tsup_core::tes::schedule::{Event, Last, key, keys_of, run_of_key, submission};
use tsup_core::wire::doc::jobs::JobDoc;

use super::super::{NotSubmitted, Tes};
use super::{Msg, SchedulesActor};
use crate::actor::Cx;
use crate::gate::{Gate, Lane};

impl SchedulesActor {
    pub(super) fn submit(&mut self, schedule: Arc<str>, due: Wall, cx: &mut Cx<Self>) {
        let (tes, gate) = (self.tes(), cx.gate().clone());
        let Some(settings) = self.settings_of(&schedule).cloned() else {
            let event = Event::NotSubmitted { schedule, again: false };
            cx.spawn(async move { gate.insist(Lane::Control, Msg::Answered(event, None)).await });
            return;
        };
        cx.spawn(async move {
            let (event, refused) = submitted(&tes, &settings, schedule, due).await;
            gate.insist(Lane::Control, Msg::Answered(event, refused)).await;
        });
    }

    pub(super) fn answered(&mut self, event: Event, refused: Option<String>, cx: &mut Cx<Self>) {
        match &event {
            Event::Submitted(schedule, last) => {
                self.refused.remove(&**schedule);
                if !last.state.is_final() {
                    self.wait(Arc::clone(schedule), last.job, cx);
                }
            }
            Event::NotSubmitted { schedule, again } => {
                let why = refused.unwrap_or_default();
                tracing::warn!(%schedule, again, %why, "a run of a schedule was not submitted");
                self.refused.insert(schedule.to_string(), why);
            }
            _ => {}
        }
        self.step(event, cx);
    }

    pub(super) fn cancel(&mut self, schedule: Arc<str>, job: JobId, cx: &mut Cx<Self>) {
        let (tes, gate) = (self.tes(), cx.gate().clone());
        cx.spawn(async move {
            let event = match tes.cancel(&job.to_string()).await {
                Ok(doc) if doc.state.is_final() => Event::Job(schedule, job, doc.state),
                // It may have ended by itself just now.
                _ => match tes.job(&job.to_string()).await {
                    Ok(doc) if doc.state.is_final() => Event::Job(schedule, job, doc.state),
                    _ => Event::NotCancelled(schedule),
                },
            };
            gate.insist(Lane::Control, Msg::Heard(event)).await;
        });
    }

    /// Waits for the end of the last job of a schedule, instead of the one before.
    pub(super) fn wait(&mut self, schedule: Arc<str>, job: JobId, cx: &mut Cx<Self>) {
        if self.waits.get(&schedule).is_some_and(|(waited, _)| *waited == job) {
            return;
        }
        let (tes, gate, name) = (self.tes(), cx.gate().clone(), Arc::clone(&schedule));
        let wait = cx.spawn(async move {
            let state = end_of(&tes, job).await;
            gate.insist(Lane::Control, Msg::Heard(Event::Job(name, job, state))).await;
        });
        if let Some((_, before)) = self.waits.insert(schedule, (job, wait)) {
            before.abort();
        }
    }
}

/// Submits a run. Whatever went wrong, one whose key is known was submitted.
async fn submitted(
    tes: &Tes,
    settings: &ScheduleSettings,
    schedule: Arc<str>,
    due: Wall,
) -> (Event, Option<String>) {
    let error = match tes.submit(submission(settings, due)).await {
        Ok(doc) => {
            let last = Last { due, job: doc.id, state: doc.state };
            return (Event::Submitted(schedule, last), None);
        }
        Err(NotSubmitted::Misfit(failure)) => {
            let why = failure.message.to_string();
            return (Event::NotSubmitted { schedule, again: false }, Some(why));
        }
        Err(NotSubmitted::Error(e)) => e,
    };
    if error.exit == Exit::NotFound {
        return (Event::NotSubmitted { schedule, again: false }, Some(error.what));
    }
    match of_key(tes, &key(&settings.name, due)).await {
        Ok(Some(doc)) => (Event::Submitted(schedule, Last { due, job: doc.id, state: doc.state }), None),
        _ => (Event::NotSubmitted { schedule, again: true }, Some(error.what)),
    }
}

/// How a job ended. One that nobody knows any more has ended.
async fn end_of(tes: &Tes, job: JobId) -> JobState {
    loop {
        match tes.wait(&[job.to_string()], None).await {
            Ok(docs) => {
                if let Some(doc) = docs.jobs.first().filter(|doc| doc.state.is_final()) {
                    return doc.state;
                }
            }
            Err(e) if e.exit == Exit::NotFound => return JobState::Interrupted,
            Err(_) => {}
        }
        tokio::time::sleep(limits::SCHEDULE_RETRY).await;
    }
}

/// The job with the last of the keys that begin so.
async fn of_key(tes: &Tes, prefix: &str) -> Result<Option<JobDoc>, UserError> {
    let Some(id) = tes.last_of_key(prefix).await? else { return Ok(None) };
    match tes.job(&id.to_string()).await {
        Ok(doc) => Ok(Some(doc)),
        // It was forgotten just now.
        Err(e) if e.exit == Exit::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Waits until the queue can be asked, and asks for the last run of each schedule.
pub(super) async fn find_last(tes: Tes, gate: Gate<Msg>) {
    let mut shelf = tes.shared.shelf.subscribe();
    let mut loaded = tes.shared.loaded.subscribe();
    if shelf.wait_for(Option::is_some).await.is_err() || loaded.wait_for(|loaded| *loaded).await.is_err() {
        return;
    }
    let schedules = tes.shared.settings.borrow().tes.schedules.clone();
    let mut found = BTreeMap::new();
    for schedule in schedules {
        // Times sort as their texts do, so that the last key is that of the last run.
        let doc = loop {
            match of_key(&tes, &keys_of(&schedule.name)).await {
                Ok(doc) => break doc,
                Err(e) => tracing::warn!(error = %e.what, "what schedules ran last cannot be read"),
            }
            tokio::time::sleep(limits::SCHEDULE_RETRY).await;
        };
        let last = doc.and_then(|doc| {
            let (_, due) = run_of_key(doc.key.as_ref()?.raw())?;
            Some(Last { due, job: doc.id, state: doc.state })
        });
        found.extend(last.map(|last| (schedule.name, last)));
    }
    gate.insist(Lane::Control, Msg::Begin(found)).await;
}
