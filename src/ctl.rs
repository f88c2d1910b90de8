//! The client of the control socket, one file per noun; the mirror of `tsup_actors::edge::ctl`.
//!
//! It blocks and needs no runtime: a command that asks one thing should cost milliseconds.

pub mod agents;
pub mod client;
mod interrupt;
pub mod jobs;
pub mod metrics;
pub mod record;
pub mod schedules;
pub mod sessions;
pub mod supervisor;
pub mod tree;
pub mod watch;

use tsup_core::error::{Exit, UserError};
use tsup_core::wire::doc::VERSION;
use tsup_core::wire::verb::Body;

use crate::cli::{Cx, Outcome};

/// What was done, as a document.
#[derive(serde::Serialize)]
struct DoneDoc {
    version: u32,
    /// In words.
    done: String,
}

/// The end of a verb that has nothing to show but a sentence.
pub(crate) fn done(cx: &Cx, answer: Body, json: bool) -> Outcome {
    match answer {
        Body::Done(done) if json => cx.out.json(&DoneDoc { version: VERSION, done })?,
        Body::Done(words) => cx.out.print(&words)?,
        other => return Err(unexpected(&other).into()),
    }
    Ok(Exit::Ok)
}

/// The error for an answer that does not fit its question: two versions that do not match, or a bug.
pub(crate) fn unexpected(body: &Body) -> UserError {
    let name = match body {
        Body::Error(e) | Body::Later(e, _) => return e.clone(),
        Body::Done(_) => "done",
        Body::Status(_) => "status",
        Body::Tree(_) => "tree",
        Body::Sessions(_) => "sessions",
        Body::Agents(_) => "agents",
        Body::Capture { .. } => "capture",
        Body::Changed(_) => "changed",
        Body::Metrics(_) => "metrics",
        Body::Watching => "watching",
        Body::Event(_) => "event",
        Body::Explained(_) => "explained",
        Body::Record(_) => "record",
        Body::Job(_) => "job",
        Body::Jobs(_) => "jobs",
        Body::Refused(_) => "refused",
        Body::Batch(_) => "batch",
        Body::Scripts(_) => "scripts",
        Body::Groups(_) => "groups",
        Body::Output(_) => "output",
        Body::Schedules(_) => "schedules",
        Body::Selected(_) => "selected",
        Body::Script(_) => "script",
    };
    UserError::new(Exit::Bug, format!("the supervisor gave an answer of the wrong kind: {name}"))
        .hint("supervisor and command may be of different versions: `tsup restart`")
}

/// When and where the command is run.
pub(crate) fn here() -> crate::render::words::Here {
    crate::render::words::Here { now: now(), zone: jiff::tz::TimeZone::system() }
}

/// The wall clock's now, for ages in tables.
pub(crate) fn now() -> tsup_core::clock::Wall {
    tsup_core::clock::Wall::from_unix_ms(jiff::Timestamp::now().as_millisecond())
}
