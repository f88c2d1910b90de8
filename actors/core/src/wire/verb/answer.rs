//! What comes back.

use std::time::Duration;

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use super::Verb;
use crate::error::UserError;
use crate::event::Stamped;
use crate::tes::select::Selected;
use crate::untrusted::Untrusted;
use crate::wire::doc;

/// One answer, or one item of a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// The request's id.
    pub id: u64,
    /// The answer.
    pub body: Body,
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Body {
    /// It could not be done.
    Error(UserError),
    /// Done; nothing to show but a sentence.
    Done(String),
    /// To [`Verb::Status`].
    Status(Box<doc::StatusDoc>),
    /// To [`Verb::Tree`].
    Tree(doc::TreeDoc),
    /// To [`Verb::Sessions`].
    Sessions(doc::SessionsDoc),
    /// To [`Verb::Agents`].
    Agents(doc::AgentsDoc),
    /// To [`Verb::Capture`].
    Capture {
        /// The pane's text, line by line.
        text: Untrusted,
    },
    /// To [`Verb::Spawn`], [`Verb::Kill`], [`Verb::Restart`], [`Verb::Pause`], [`Verb::Resume`]: the
    /// agents as they are now.
    Changed(doc::AgentsDoc),
    /// To [`Verb::Metrics`].
    Metrics(doc::MetricsDoc),
    /// To [`Verb::Watch`]: that it began, then events.
    Watching,
    /// One event.
    Event(Box<Stamped>),
    /// To [`Verb::Explain`].
    Explained(Box<doc::explain::Explained>),
    /// To [`Verb::Record`].
    Record(doc::RecordDoc),
    /// To [`Verb::Submit`], [`Verb::Job`], [`Verb::Cancel`], [`Verb::Retry`], [`Verb::Hold`], [`Verb::Release`]:
    /// the job as it is now.
    Job(Box<doc::jobs::JobAnswer>),
    /// To [`Verb::Jobs`] and [`Verb::Wait`].
    Jobs(doc::jobs::JobsDoc),
    /// To [`Verb::Submit`]: what was asked for does not fit.
    Refused(Box<doc::jobs::RefusedDoc>),
    /// To [`Verb::SubmitBatch`], in its order.
    Batch(Vec<doc::jobs::Submitted>),
    /// To [`Verb::Scripts`].
    Scripts(doc::jobs::ScriptsDoc),
    /// To [`Verb::Groups`].
    Groups(doc::jobs::GroupsDoc),
    /// To [`Verb::Output`].
    Output(doc::jobs::OutputDoc),
    /// To [`Verb::Schedules`].
    Schedules(doc::schedules::SchedulesDoc),
    /// It could not be done now, and may be after so many milliseconds. Only on the wire: a reader unpacks it.
    Later(UserError, u64),
    /// To [`Verb::Select`].
    Selected(Selected),
    /// To [`Verb::Script`].
    Script(Box<doc::scripts::ScriptAnswer>),
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Body {
    /// As it is written: an error that says when to ask again has a form of its own, which those who know only the
    /// others do not mistake for anything.
    #[must_use]
    pub fn packed(self) -> Body {
        match self {
            Body::Error(UserError { retry_after: Some(after), what, hint, exit }) => {
                Body::Later(UserError { retry_after: None, what, hint, exit }, ms(after))
            }
            Body::Batch(answers) => {
                Body::Batch(answers.into_iter().map(doc::jobs::Submitted::packed).collect())
            }
            other => other,
        }
    }

    /// As it was before it was written.
    #[must_use]
    pub fn unpacked(self) -> Body {
        match self {
            Body::Later(e, after_ms) => Body::Error(e.retry_after(Duration::from_millis(after_ms))),
            Body::Batch(answers) => {
                Body::Batch(answers.into_iter().map(doc::jobs::Submitted::unpacked).collect())
            }
            other => other,
        }
    }
}
