//! Jobs together: a list of them, those that have something in common, the wait for all of them.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::sync::oneshot::Receiver;
use tsup_core::error::{Exit, UserError};
use tsup_core::ids::JobId;
use tsup_core::limits;
use tsup_core::tes::job::JobState;
use tsup_core::tes::kept::{Filter, JobRow};
use tsup_core::tes::select::{Selected, Selection};
use tsup_core::tes::show;
use tsup_core::wire::doc::VERSION;
use tsup_core::wire::doc::jobs::{JobDoc, JobsDoc};
use tsup_core::wire::frame;

use super::{began_anew, no_job};
use crate::gate::{Lane, Reply};
use crate::tes::Tes;
use crate::tes::queue::Msg;

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

impl Tes {
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
            let mut left = &here[..];
            while !left.is_empty() {
                if bytes > limits::LISTED_BYTES_MAX {
                    more = true;
                    break;
                }
                let read = self.rows(&mut left).await?.into_iter().filter_map(|(_, row)| row);
                let read = read.map(JobRow::short);
                rows.extend(read.inspect(|row| bytes += frame::size(&show::doc(row.clone(), None))));
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
        // One job may be meant several times.
        let mut seen = HashSet::new();
        let distinct: Vec<JobId> = ids.iter().copied().filter(|id| seen.insert(*id)).collect();
        let all = async {
            let (waits, ends): (Vec<_>, Vec<_>) = distinct.iter().map(|id| waiting(*id)).unzip();
            let others = {
                // Whole crowds wait; each has its turn.
                let _turn = self.shared.entering.acquire().await;
                self.patiently(Lane::Control, |reply| Msg::WaitEnd(waits, reply)).await?
            };
            // One that is not there is told before others have ended.
            for some in others.chunks(limits::ROWS_READ) {
                if let Some(missing) = self.read(|store| store.missing(some.to_vec())).await?.first() {
                    return Err(no_job(*missing));
                }
            }
            for end in ends {
                end.await.map_err(|_| began_anew())?;
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
        let mut told = self.tell(&distinct).await?;
        let are_distinct = ids.len() == distinct.len();
        let jobs = ids.iter().filter_map(|id| told.take(*id, are_distinct)).collect();
        Ok(JobsDoc { version: VERSION, jobs, more: false })
    }

    /// Reads how these jobs ended; one that somebody wanted again meanwhile is told as it is.
    async fn tell(&self, mut left: &[JobId]) -> Result<Told, UserError> {
        let mut told = Told::default();
        while !left.is_empty() {
            for (id, row) in self.rows(&mut left).await? {
                let row = row.ok_or_else(|| no_job(id))?;
                let doc = if row.state.is_final() { show::doc(row, None) } else { self.doc(id).await? };
                told.add(doc);
            }
        }
        Ok(told)
    }

    /// Reads the rows of the first of these jobs; what is left are the others.
    async fn rows(&self, ids: &mut &[JobId]) -> Result<Vec<(JobId, Option<JobRow>)>, UserError> {
        let some: Vec<JobId> = ids.iter().take(limits::ROWS_READ).copied().collect();
        let rows = self.read(|store| store.rows(some.clone())).await?;
        *ids = ids.get(rows.len().max(1)..).unwrap_or_default();
        Ok(some.into_iter().zip(rows).collect())
    }
}

/// How jobs ended.
#[derive(Debug, Default)]
struct Told {
    docs: HashMap<JobId, JobDoc>,
    bytes: usize,
}

impl Told {
    /// How a job ended; whoever asks again is told without what is large.
    fn take(&mut self, id: JobId, is_last: bool) -> Option<JobDoc> {
        let doc = self.docs.remove(&id)?;
        if !is_last {
            self.docs.insert(id, doc.clone().bare());
        }
        Some(doc)
    }

    fn add(&mut self, doc: JobDoc) {
        // What does not fit any more is told without what is large: how it ended is wanted of each.
        let doc = if self.bytes + frame::size(&doc) > limits::LISTED_BYTES_MAX { doc.bare() } else { doc };
        self.bytes += frame::size(&doc);
        self.docs.insert(doc.id, doc);
    }
}

/// A wait for a job's end, and where the end is told.
fn waiting(id: JobId) -> ((JobId, Reply<()>), Receiver<()>) {
    let (reply, end) = Reply::channel();
    ((id, reply), end)
}
