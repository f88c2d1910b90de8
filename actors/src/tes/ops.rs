//! What people ask of the jobs, by the names they use.
//!
//! - `ops/submit.rs`: submissions
//! - `ops/list.rs`: jobs together, and the wait for them
//! - `ops/change.rs`: what people do to jobs, and to the queue as a whole

use tsup_core::error::{Exit, UserError};
use tsup_core::ids::JobId;
use tsup_core::limits;
use tsup_core::tes::job::JobState;
use tsup_core::tes::kept::JobRow;
use tsup_core::tes::show::{self, Now};
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::VERSION;
use tsup_core::wire::doc::jobs::{GroupsDoc, JobDoc, OutputDoc, ScriptsDoc};
use tsup_core::wire::doc::scripts::ScriptPage;

use super::Tes;
use super::queue::Msg;
use super::registry::{script_doc, script_page};
use super::shim::files;
use crate::actor::blocking;
use crate::gate::{CallError, Lane, Reply};
use crate::store::{Answer, JobStore, StoreError};

mod change;
mod list;
mod submit;

pub use list::Listing;
pub use submit::Origin;

impl Tes {
    /// One job, by its id or a unique beginning of it.
    pub async fn job(&self, job: &str) -> Result<JobDoc, UserError> {
        let id = self.find(job).await?;
        self.doc(id).await
    }

    /// Where what an attempt printed is kept.
    pub async fn output(&self, job: &str, attempt: Option<u32>) -> Result<OutputDoc, UserError> {
        let id = self.find(job).await?;
        let doc = self.doc(id).await?;
        let number = attempt.unwrap_or(doc.attempt);
        if number == 0 || number > doc.attempt {
            let what = match doc.attempt {
                0 => format!("job {id} has not started: {}", doc.state),
                last => format!("job {id} has no attempt {number}: its last one is {last}"),
            };
            return Err(UserError::new(Exit::NotFound, what));
        }
        let id_of = tsup_core::tes::attempt::AttemptId { job: id, attempt: number, epoch: 0 };
        let folder = files::folder(&self.shared.jobs_folder, id_of);
        let shown = |name: &str| folder.join(name).display().to_string();
        let runs = doc.state == JobState::Running && number == doc.attempt;
        let attempt = doc.attempts.iter().find(|a| a.attempt == number);
        Ok(OutputDoc {
            version: VERSION,
            job: id,
            attempt: number,
            ended: !runs,
            stdout: shown("stdout"),
            stderr: shown("stderr"),
            stdout_tail: shown("stdout.tail"),
            stderr_tail: shown("stderr.tail"),
            truncated: attempt.is_some_and(|a| a.truncated),
        })
    }

    /// Who shares which limit.
    pub async fn groups(&self) -> Result<GroupsDoc, UserError> {
        self.ask(Msg::Groups).await
    }

    /// The registered scripts, and whether each can run here.
    pub async fn scripts(&self) -> Result<ScriptsDoc, UserError> {
        let shelf = self.shared.shelf.borrow().clone().ok_or_else(starting)?;
        let shared = self.shared.clone();
        let outside = shared.settings.borrow().tes.allow_outside_root;
        let docs = blocking(move || {
            let scripts = shelf.scripts.values().map(|entry| script_doc(entry, outside, &shared.own_env));
            ScriptsDoc { version: VERSION, scripts: scripts.collect(), problems: shelf.problems.clone() }
        });
        docs.await.ok_or_else(starting)
    }

    /// Everything about one script, and what would hold it back here.
    pub async fn script(&self, asked: &str) -> Result<ScriptPage, UserError> {
        let shelf = self.shared.shelf.borrow().clone().ok_or_else(starting)?;
        let entry = shelf.find(asked).cloned().ok_or_else(|| no_script(asked))?;
        let shared = self.shared.clone();
        blocking(move || script_page(&shared, &entry)).await.ok_or_else(starting)
    }

    /// The job that is meant by its id, or by a beginning of it that only one has.
    async fn find(&self, asked: &str) -> Result<JobId, UserError> {
        if let Ok(id) = asked.parse::<JobId>() {
            return Ok(id);
        }
        let shown = Untrusted::bounded(asked, 40);
        let none = || UserError::new(Exit::NotFound, format!("no job \"{shown}\""));
        let is_prefix = !asked.is_empty() && asked.len() < 12 && asked.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_prefix {
            return Err(none().hint("a job's id is 12 digits of 0-9 and a-f; `tsup ctl jobs` lists them"));
        }
        let prefix = asked.to_ascii_lowercase();
        let found = self.read(|store| store.find(&prefix, limits::JOB_PREFIX_MATCHES)).await?;
        match found[..] {
            [] => Err(none()),
            [one] => Ok(one),
            ref several => {
                let list = several.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                Err(UserError::new(Exit::Usage, format!("\"{shown}\" means several jobs"))
                    .hint(format!("say which: {list}")))
            }
        }
    }

    /// Asks the store when it is this question's turn.
    async fn read<T>(
        &self,
        question: impl FnOnce(&dyn JobStore) -> Answer<T> + Send,
    ) -> Result<T, UserError> {
        // It is never closed, so there is always a turn.
        let _turn = self.shared.asking.acquire().await;
        question(&*self.shared.store).await.map_err(|e| unread(&e))
    }

    /// Of the jobs of which the key begins so, the one with the last key.
    pub(super) async fn last_of_key(&self, prefix: &str) -> Result<Option<JobId>, UserError> {
        self.read(|store| store.last_of_key(prefix)).await
    }

    async fn row(&self, id: JobId) -> Result<JobRow, UserError> {
        let row = self.read(|store| store.job(id)).await?;
        row.ok_or_else(|| no_job(id))
    }

    async fn doc(&self, id: JobId) -> Result<JobDoc, UserError> {
        // First what it does now: one that ends between the two is shown as it ended.
        let now: Vec<Option<Now>> = self.ask(|reply| Msg::Now(vec![id], reply)).await?;
        let row = self.row(id).await?;
        let now = now.into_iter().next().flatten().filter(|_| !row.state.is_final());
        Ok(show::doc(row, now))
    }

    /// Asks what is answered at once.
    async fn ask<R: Send + 'static>(
        &self,
        make: impl FnOnce(Reply<R>) -> Msg + Send,
    ) -> Result<R, UserError> {
        let answer = self.shared.queue.call(Lane::Control, limits::CALL_TIMEOUT, make).await;
        answer.map_err(|e| not_answered(&e))
    }

    /// Asks what is answered when it is durable, or has happened.
    async fn patiently<R: Send + 'static>(
        &self,
        lane: Lane,
        make: impl FnOnce(Reply<R>) -> Msg + Send,
    ) -> Result<R, UserError> {
        let (reply, answer) = Reply::channel();
        let full = || not_answered(&CallError::Full(self.shared.queue.path().clone()));
        self.shared.queue.send(lane, make(reply)).map_err(|_| full())?;
        answer.await.map_err(|_| began_anew())
    }
}

fn began_anew() -> UserError {
    UserError::new(Exit::Failed, "the queue began anew and what became of this is not known")
        .hint("see `tsup ctl jobs`; a submission with --key can be repeated safely")
}

fn starting() -> UserError {
    UserError::new(Exit::Refused, "the registries are still being read")
        .hint("try again in a moment")
        .retry_after(limits::SUBMIT_RETRY_AFTER)
}

fn no_job(id: JobId) -> UserError {
    UserError::new(Exit::NotFound, format!("no job \"{id}\""))
}

fn no_script(asked: &str) -> UserError {
    let shown = Untrusted::bounded(asked, limits::SCRIPT_ID_MAX);
    UserError::new(Exit::NotFound, format!("no script \"{shown}\""))
        .hint("`tsup ctl scripts` lists them, and says what is wrong with the registries")
}

fn unread(e: &StoreError) -> UserError {
    UserError::new(Exit::Failed, format!("jobs cannot be read: {e}"))
}

fn not_answered(e: &CallError) -> UserError {
    let error =
        UserError::new(Exit::Refused, e.to_string()).hint("try again; `tsup status` says what is wrong");
    // What was not taken in by a full mailbox has not happened; of the others it is not known.
    if matches!(e, CallError::Full(_)) { error.retry_after(limits::SUBMIT_RETRY_AFTER) } else { error }
}
