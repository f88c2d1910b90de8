//! Jobs together: a list of them, those that have something in common, the wait for all of them.

use std::time::Duration;

use tsup_core::error::{Exit, UserError};
use tsup_core::ids::JobId;
use tsup_core::limits;
use tsup_core::tes::job::JobState;
use tsup_core::tes::kept::Filter;
use tsup_core::tes::select::{Selected, Selection};
use tsup_core::tes::show;
use tsup_core::wire::doc::VERSION;
use tsup_core::wire::doc::jobs::JobsDoc;
use tsup_core::wire::frame;

use crate::gate::Lane;
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

    async fn ended(&self, id: JobId) -> Result<(), UserError> {
        self.row(id).await?;
        self.patiently(Lane::Control, |reply| Msg::WaitEnd(id, reply)).await
    }
}
