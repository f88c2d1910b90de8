//! What people ask of the jobs, by the names they use.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tsup_core::error::{Exit, UserError};
use tsup_core::ids::{AgentId, JobId};
use tsup_core::limits;
use tsup_core::tes::job::{Edge, JobState};
use tsup_core::tes::kept::{Filter, JobRow};
use tsup_core::tes::queue::Parent;
use tsup_core::tes::select::{Selected, Selection};
use tsup_core::tes::show::{self, Now};
use tsup_core::tes::submission::{Around, accept};
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::VERSION;
use tsup_core::wire::doc::jobs::{GroupsDoc, JobDoc, JobsDoc, OutputDoc, ScriptsDoc};
use tsup_core::wire::doc::scripts::ScriptPage;
use tsup_core::wire::frame;
use tsup_core::wire::verb::Submit;

use super::queue::{Accepted, Msg};
use super::registry::{script_doc, script_page};
use super::shim::files;
use super::{NotSubmitted, Tes};
use crate::actor::blocking;
use crate::clock::{now_mono, now_wall};
use crate::gate::{CallError, Lane, Reply};
use crate::store::{Answer, JobStore, StoreError};

/// Which jobs are listed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// In one of these states; empty is any.
    pub states: Vec<JobState>,
    /// Of this script.
    pub script: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
}

/// Where a submission comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// The session.
    pub session: Option<String>,
    /// The agent.
    pub agent: Option<AgentId>,
}

/// A submission that the queue has, and has not answered.
#[derive(Debug)]
pub(crate) struct Handed(tokio::sync::oneshot::Receiver<Result<Accepted, UserError>>);

impl Tes {
    /// Takes a job in that comes from nowhere; answers once that is durable.
    pub async fn submit(&self, submit: Submit) -> Result<JobDoc, NotSubmitted> {
        self.submit_from(submit, Origin::default()).await
    }

    /// Takes a job in; answers once that is durable.
    pub async fn submit_from(&self, submit: Submit, origin: Origin) -> Result<JobDoc, NotSubmitted> {
        let handed = self.hand_over(submit, origin).await?;
        self.taken_in(handed).await
    }

    /// Gives a job to the queue. Of two that are handed over one after the other, the first one has the lower number.
    pub(crate) async fn hand_over(&self, submit: Submit, origin: Origin) -> Result<Handed, NotSubmitted> {
        let entry = {
            let shelf = self.shared.shelf.borrow();
            let shelf = shelf.as_ref().ok_or_else(starting)?;
            shelf.find(&submit.script).cloned().ok_or_else(|| no_script(&submit.script))?
        };
        let mut parents = Vec::new();
        for (job, edge) in &submit.after {
            parents.push(self.parent(job, *edge).await?);
        }
        let around = Around {
            id: draw(),
            now: now_wall(),
            session: origin.session,
            agent: origin.agent,
            after: parents.iter().map(|p| (p.id, p.edge)).collect(),
        };
        let job = accept(&entry.script, &submit, around).map_err(|failure| {
            self.shared.tell_refused(&submit, &failure);
            NotSubmitted::Misfit(failure)
        })?;
        let (reply, answer) = Reply::channel();
        let full = || not_answered(&CallError::Full(self.shared.queue.path().clone()));
        let message = Msg::Submit(Some(Box::new(job)), parents, reply);
        self.shared.queue.send(Lane::Work, message).map_err(|_| full())?;
        Ok(Handed(answer))
    }

    /// What became of a job that was handed over, once that is durable. There is no deadline: until the store has answered
    /// nobody knows whether it is kept.
    pub(crate) async fn taken_in(&self, handed: Handed) -> Result<JobDoc, NotSubmitted> {
        match handed.0.await.map_err(|_| began_anew())?? {
            Accepted::New(job, now) => Ok(show::doc(JobRow::new(*job), Some(now))),
            Accepted::Before { id, same: true } => Ok(self.doc(id).await?),
            Accepted::Before { id, same: false } => {
                let what = format!("this key was used before, for another submission: job {id}");
                let hint = format!("use another key; `tsup ctl job {id}` shows the other one");
                Err(UserError::new(Exit::Refused, what).hint(hint).into())
            }
        }
    }

    /// The jobs, the youngest first, as many as fit into an answer.
    pub async fn jobs(&self, listing: Listing) -> Result<JobsDoc, UserError> {
        let limit = listing.limit.map_or(limits::JOBS_LISTED, |n| n as usize).min(limits::JOBS_LISTED_MAX);
        let (ended, live): (Vec<_>, Vec<_>) = listing.states.iter().copied().partition(|s| s.is_final());
        let (mut rows, mut more) = (Vec::new(), false);
        if listing.states.is_empty() || !ended.is_empty() {
            let filter = Filter { states: ended, script: listing.script.clone(), limit };
            let listed = self.read(|store| store.jobs(filter)).await?;
            (rows, more) = (listed.rows, listed.more);
        }
        if !live.is_empty() {
            let here = self.ask(|reply| Msg::In(live, listing.script, limit + 1, reply)).await?;
            more |= here.len() > limit;
            let mut bytes = 0;
            for id in here {
                let Some(row) = self.read(|store| store.job(id)).await? else { continue };
                let row = row.short();
                bytes += frame::size(&show::doc(row.clone(), None));
                rows.push(row);
                if bytes > limits::LISTED_BYTES_MAX {
                    more = true;
                    break;
                }
            }
        }
        rows.sort_by_key(|row| std::cmp::Reverse(row.job.seq));
        more |= rows.len() > limit;
        rows.truncate(limit);
        let ids = rows.iter().map(|row| row.job.id).collect();
        let now = self.ask(|reply| Msg::Now(ids, reply)).await?;
        let docs = rows.into_iter().zip(now).map(|(row, now)| show::doc(row, now));
        // What changed since it was asked for is shown as it is now, or not at all.
        let docs = docs.filter(|d| listing.states.is_empty() || listing.states.contains(&d.state));
        let mut bytes = 0;
        let mut jobs = Vec::new();
        for doc in docs {
            bytes += frame::size(&doc);
            if bytes > limits::LISTED_BYTES_MAX {
                more = true;
                break;
            }
            jobs.push(doc);
        }
        Ok(JobsDoc { version: VERSION, jobs, more })
    }

    /// Which jobs are meant: those that live, or those that have ended, as the states say.
    pub async fn select(&self, which: Selection) -> Result<Selected, UserError> {
        match which.states.iter().filter(|state| state.is_final()).count() {
            0 => self.ask(|reply| Msg::Select(Box::new(which), reply)).await,
            ended if ended == which.states.len() => self.read(|store| store.select(which)).await,
            _ => Err(UserError::new(
                Exit::Usage,
                "jobs that live and jobs that have ended are not meant together",
            )),
        }
    }

    /// One job, by its id or a unique beginning of it.
    pub async fn job(&self, job: &str) -> Result<JobDoc, UserError> {
        let id = self.find(job).await?;
        self.doc(id).await
    }

    /// Waits until all of these have ended.
    pub async fn wait(&self, jobs: &[String], at_most: Option<Duration>) -> Result<JobsDoc, UserError> {
        if jobs.len() > limits::WAITED_FOR_MAX {
            let what = format!("one request waits for {} jobs at most", limits::WAITED_FOR_MAX);
            return Err(UserError::new(Exit::Usage, what).hint("wait for them in several"));
        }
        let mut ids = Vec::new();
        for job in jobs {
            ids.push(self.find(job).await?);
        }
        let all = async {
            for id in &ids {
                self.ended(*id).await?;
            }
            Ok::<(), UserError>(())
        };
        match at_most {
            None => all.await?,
            Some(limit) => match tokio::time::timeout(limit, all).await {
                Ok(ended) => ended?,
                Err(_) => {
                    return Err(UserError::new(Exit::TimedOut, "not all of these jobs have ended in time"));
                }
            },
        }
        let (mut docs, mut bytes) = (Vec::new(), 0);
        for id in ids {
            let doc = self.doc(id).await?;
            // What does not fit any more is told without what is large: how it ended is wanted of each.
            let doc = if bytes + frame::size(&doc) > limits::LISTED_BYTES_MAX { doc.bare() } else { doc };
            bytes += frame::size(&doc);
            docs.push(doc);
        }
        Ok(JobsDoc { version: VERSION, jobs: docs, more: false })
    }

    /// Ends a job; answers when it has ended.
    pub async fn cancel(&self, job: &str) -> Result<JobDoc, UserError> {
        let id = self.find(job).await?;
        let was_here = self.patiently(Lane::Control, |reply| Msg::Cancel(id, reply)).await??;
        let doc = self.doc(id).await?;
        if was_here {
            return Ok(doc);
        }
        Err(UserError::new(Exit::Refused, format!("job {id} has ended: {}", doc.state)))
    }

    /// Runs a job that has ended once more.
    pub async fn retry(&self, job: &str) -> Result<JobDoc, UserError> {
        let id = self.find(job).await?;
        let row = self.row(id).await?;
        match row.state {
            JobState::Succeeded => {
                return Err(UserError::new(Exit::Refused, format!("job {id} succeeded"))
                    .hint("submit it again to run it once more"));
            }
            state if !state.is_final() => {
                return Err(UserError::new(Exit::Refused, format!("job {id} has not ended")));
            }
            _ => {}
        }
        let made = row.attempts.last().map_or(0, |a| a.attempt);
        let attempts = made.saturating_add(self.shared.script(&row.job.script).retry.max_attempts.max(1));
        let make = |reply| Msg::Requeue(Some(Box::new(row)), attempts, reply);
        if self.patiently(Lane::Control, make).await?? {
            return self.doc(id).await;
        }
        Err(UserError::new(Exit::Refused, format!("job {id} is wanted already, by somebody else"))
            .hint(format!("see `tsup ctl job {id}`")))
    }

    /// Holds a job back, or releases it.
    pub async fn hold(&self, job: &str, held: bool) -> Result<JobDoc, UserError> {
        let id = self.find(job).await?;
        let changed = self.patiently(Lane::Control, |reply| Msg::Hold(id, held, reply)).await??;
        let doc = self.doc(id).await?;
        if changed {
            return Ok(doc);
        }
        if !doc.state.is_final() {
            let what = format!("job {id} is ending just now; its end is on its way to the store");
            return Err(
                UserError::new(Exit::Refused, what).hint(format!("see `tsup ctl job {id}` in a moment"))
            );
        }
        Err(UserError::new(Exit::Refused, format!("job {id} has ended: {}", doc.state)))
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

    /// Forgets a job of the dead set; answers what it was.
    pub async fn drop_dead(&self, job: &str) -> Result<JobDoc, UserError> {
        let id = self.find(job).await?;
        let doc = self.doc(id).await?;
        if doc.state != JobState::Dead {
            return Err(UserError::new(Exit::Refused, format!("job {id} is not dead: {}", doc.state)));
        }
        if self.patiently(Lane::Control, |reply| Msg::Drop(id, reply)).await?? {
            return Ok(doc);
        }
        Err(UserError::new(Exit::Refused, format!("job {id} is not dead any more")))
    }

    /// Starts nothing any more, and answers when nothing runs.
    pub async fn drain(&self, at_most: Option<Duration>) -> Result<String, UserError> {
        let drained = self.patiently(Lane::Control, Msg::Drain);
        match at_most {
            None => drained.await?,
            Some(limit) => match tokio::time::timeout(limit, drained).await {
                Ok(drained) => drained?,
                Err(_) => {
                    return Err(UserError::new(Exit::TimedOut, "jobs still run")
                        .hint("no others are started; `tsup ctl drain --end` starts jobs again"));
                }
            },
        }
        Ok("nothing runs, and nothing is started until `tsup ctl drain --end` or a restart".to_owned())
    }

    /// Ends a drain.
    pub async fn end_drain(&self) -> Result<String, UserError> {
        let was = self.ask(Msg::EndDrain).await?;
        Ok(if was { "jobs are started again" } else { "there was no drain; jobs are started" }.to_owned())
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

    /// One that is to be waited for, and how it ended if it has.
    async fn parent(&self, job: &str, edge: Edge) -> Result<Parent, UserError> {
        let id = self.find(job).await?;
        let row = self.row(id).await?;
        Ok(Parent { id, edge, ended: row.state.is_final().then_some(row.state) })
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
        row.ok_or_else(|| UserError::new(Exit::NotFound, format!("no job \"{id}\"")))
    }

    async fn doc(&self, id: JobId) -> Result<JobDoc, UserError> {
        // First what it does now: one that ends between the two is shown as it ended.
        let now: Vec<Option<Now>> = self.ask(|reply| Msg::Now(vec![id], reply)).await?;
        let row = self.row(id).await?;
        let now = now.into_iter().next().flatten().filter(|_| !row.state.is_final());
        Ok(show::doc(row, now))
    }

    async fn ended(&self, id: JobId) -> Result<(), UserError> {
        self.row(id).await?;
        self.patiently(Lane::Control, |reply| Msg::WaitEnd(id, reply)).await
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

fn draw() -> JobId {
    JobId::drawn(RandomState::new().hash_one(now_mono()))
}

fn starting() -> UserError {
    UserError::new(Exit::Refused, "the registries are still being read")
        .hint("try again in a moment")
        .retry_after(limits::SUBMIT_RETRY_AFTER)
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
