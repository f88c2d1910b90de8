//! Attempts that cannot begin, and why.

use std::collections::HashMap;
use std::io;

use tsup_core::clock::Mono;
use tsup_core::ids::JobId;
use tsup_core::limits;

use super::{Msg, QueueActor};
use crate::actor::Cx;
use crate::gate::Lane;
use crate::tes::places;

/// What keeps attempts from beginning.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// For which error of the system the last attempt of these jobs could not begin.
    jobs: HashMap<JobId, i32>,
    /// How many could not in a row, and when the last one could not.
    row: (u32, Mono),
    /// Whether the places of attempts are looked at, now or soon.
    looks: bool,
}

impl Trouble {
    /// A job's attempt has ended, so it had begun.
    pub(super) fn begun(&mut self, job: JobId) {
        self.jobs.remove(&job);
        self.row.0 = 0;
    }

    /// A job is not there any more.
    pub(super) fn forget(&mut self, job: JobId) {
        self.jobs.remove(&job);
    }

    /// What a job waits for whose attempt could not begin.
    pub(super) fn of(&self, job: JobId) -> Option<String> {
        let why = why(*self.jobs.get(&job)?);
        Some(format!("what its start lacked ({why}); it is tried again each second"))
    }
}

fn why(errno: i32) -> String {
    io::Error::from_raw_os_error(errno).to_string()
}

impl QueueActor {
    /// An attempt could not begin.
    pub(super) fn troubled(&mut self, job: JobId, errno: i32, cx: &mut Cx<Self>) {
        if !self.cards.contains_key(&job) {
            return;
        }
        self.trouble.jobs.insert(job, errno);
        let row = &mut self.trouble.row;
        *row = (row.0.saturating_add(1), cx.now());
        if row.0 >= limits::ATTEMPTS_NOT_BEGUN {
            let why = why(errno);
            self.shared.troubled.send_replace(Some(format!(
                "attempts cannot begin: {why}; they are tried again each second"
            )));
        }
        if !std::mem::replace(&mut self.trouble.looks, true) {
            self.look_at_places(cx);
        }
    }

    /// Looks whether it is for the places that attempts have.
    pub(super) fn look_at_places(&self, cx: &mut Cx<Self>) {
        let shared = self.shared.clone();
        cx.offload(move || places::fault(&shared.home, &shared.traces), Msg::Places);
    }

    /// What was found of these places. It is looked again until all is well, and has been for a while.
    pub(super) fn places(&mut self, fault: Option<String>, cx: &mut Cx<Self>) {
        if let Some(fault) = fault.as_ref().filter(|fault| self.closed.place.as_ref() != Some(*fault)) {
            tracing::error!(%fault, "no attempt can begin");
        }
        self.closed.place = fault;
        self.reconsider(cx);
        let calm = cx.now().since(self.trouble.row.1) > limits::ATTEMPTS_NOT_BEGUN_CALM;
        if calm || self.trouble.row.0 == 0 {
            self.trouble.row.0 = 0;
            self.shared.troubled.send_if_modified(|told| told.take().is_some());
        }
        self.trouble.looks = self.closed.place.is_some() || self.trouble.row.0 > 0;
        if self.trouble.looks {
            cx.after(limits::ATTEMPT_BEGIN_AGAIN, Lane::Control, Msg::LookAtPlaces).detach();
        }
    }
}
