//! Client side of the jobs.
//!
//! - `jobs/submit.rs`: one submission; `jobs/batch.rs`: many
//! - `jobs/vigil.rs`: the wait for ends, over a restart of the supervisor; `jobs/wait.rs` and `jobs/follow.rs` use it
//! - `jobs/many.rs`: several jobs at once, by their ids or by what they have in common
//! - `jobs/output.rs`: what was printed, read from the files; `jobs/progress.rs`: one line that is redrawn
//! - `jobs/exit.rs`: the exit code of a job

pub mod batch;
pub mod exit;
pub mod follow;
pub mod many;
pub mod output;
pub mod progress;
pub mod submit;
pub mod vigil;
pub mod wait;

use tsup_core::error::Exit;
use tsup_core::limits;
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::jobs::JobDoc;
use tsup_core::wire::verb::{Body, Verb};

use super::client::Client;
use super::{here, unexpected};
use crate::cli::{Cx, Outcome};
use crate::render::jobs;

/// `scripts`: what can be run.
pub fn scripts(cx: &Cx, client: &mut Client, json: bool) -> Outcome {
    match client.ask(Verb::Scripts)? {
        Body::Scripts(doc) if json => cx.out.json(&doc)?,
        Body::Scripts(doc) => cx.out.print(&jobs::scripts(&doc, cx.out.look))?,
        other => return Err(unexpected(&other).into()),
    }
    Ok(Exit::Ok)
}

/// `scripts NAME`: all about one.
pub fn script(cx: &Cx, client: &mut Client, script: String, json: bool) -> Outcome {
    match client.ask(Verb::Script { script })? {
        Body::Script(doc) if json => cx.out.json(&doc)?,
        Body::Script(doc) => cx.out.print(&jobs::script::draw(&doc.script, cx.out.look))?,
        other => return Err(unexpected(&other).into()),
    }
    Ok(Exit::Ok)
}

/// `jobs` and `dead`: a list, or `none`.
pub fn list(cx: &Cx, client: &mut Client, verb: Verb, none: &str, json: bool) -> Outcome {
    match client.ask(verb)? {
        Body::Jobs(doc) => {
            if json {
                cx.out.json(&doc)?;
            } else if doc.jobs.is_empty() {
                cx.out.print(none)?;
            } else {
                cx.out.print(&jobs::list(&doc.jobs, &here(), cx.out.look))?;
            }
            if doc.more {
                cx.out.say(&left_out(doc.jobs.len()));
            }
        }
        other => return Err(unexpected(&other).into()),
    }
    Ok(Exit::Ok)
}

fn left_out(shown: usize) -> String {
    let (most, mib) = (limits::JOBS_LISTED_MAX, limits::LISTED_BYTES_MAX >> 20);
    format!(
        "tsup: these are the youngest {shown}, and there are more; `--limit N` shows up to {most}, as far as {mib} MiB go"
    )
}

/// `job`: all about one.
pub fn show(cx: &Cx, client: &mut Client, job: String, json: bool) -> Outcome {
    match client.ask(Verb::Job { job })? {
        Body::Job(doc) if json => cx.out.json(&doc)?,
        Body::Job(doc) => cx.out.print(&jobs::page::draw(&doc.job, &here(), cx.out.look))?,
        other => return Err(unexpected(&other).into()),
    }
    Ok(Exit::Ok)
}

/// A verb that changes a job, and answers with what it is now.
pub fn change(cx: &Cx, client: &mut Client, verb: Verb, did: &str, json: bool) -> Outcome {
    match client.ask(verb)? {
        Body::Job(doc) if json => cx.out.json(&doc)?,
        Body::Job(doc) => cx.out.print(&changed(&doc.job, did))?,
        other => return Err(unexpected(&other).into()),
    }
    Ok(Exit::Ok)
}

fn changed(job: &JobDoc, did: &str) -> String {
    let script = Untrusted::new(job.script.as_str());
    let waits = jobs::waits(job, &here()).map_or_else(String::new, |waits| format!(", {waits}"));
    format!("{} {script} {did} {}{waits}", job.id, job.state)
}

/// `groups`: who shares which limit.
pub fn groups(cx: &Cx, client: &mut Client, json: bool) -> Outcome {
    match client.ask(Verb::Groups)? {
        Body::Groups(doc) if json => cx.out.json(&doc)?,
        Body::Groups(doc) => cx.out.print(&jobs::groups(&doc, cx.out.look))?,
        other => return Err(unexpected(&other).into()),
    }
    Ok(Exit::Ok)
}
