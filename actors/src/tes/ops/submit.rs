//! Submissions: what is asked for becomes a job, and its answer comes when that is durable.

use std::hash::{BuildHasher as _, RandomState};

use tsup_core::error::{Exit, UserError};
use tsup_core::ids::{AgentId, JobId};
use tsup_core::tes::job::Edge;
use tsup_core::tes::kept::JobRow;
use tsup_core::tes::queue::Parent;
use tsup_core::tes::show;
use tsup_core::tes::submission::{Around, accept};
use tsup_core::wire::doc::jobs::JobDoc;
use tsup_core::wire::verb::Submit;

use super::{began_anew, no_script, not_answered, starting};
use crate::clock::{now_mono, now_wall};
use crate::gate::{CallError, Lane, Reply};
use crate::tes::queue::{Accepted, Msg};
use crate::tes::{NotSubmitted, Tes};

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

    /// One that is to be waited for, and how it ended if it has.
    async fn parent(&self, job: &str, edge: Edge) -> Result<Parent, UserError> {
        let id = self.find(job).await?;
        let row = self.row(id).await?;
        Ok(Parent { id, edge, ended: row.state.is_final().then_some(row.state) })
    }
}

fn draw() -> JobId {
    JobId::drawn(RandomState::new().hash_one(now_mono()))
}
