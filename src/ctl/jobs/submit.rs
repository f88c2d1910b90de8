//! One submission.

use tsup_core::error::{Exit, UserError};
use tsup_core::limits::REQUEST_BYTES_MAX;
use tsup_core::tes::failure::Failure;
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::VERSION;
use tsup_core::wire::doc::jobs::{ErrorDoc, JobAnswer, JobDoc, RefusedDoc};
use tsup_core::wire::frame::{self, HEADER_BYTES, Kind};
use tsup_core::wire::verb::{Body, Request, Submit, Verb};

use super::vigil::Vigil;
use super::{exit, follow, wait};
use crate::cli::ctl::submit::{NoSubmit, SubmitArgs, too_large};
use crate::cli::{Cx, Fail, Outcome};
use crate::ctl::client::Client;
use crate::ctl::{here, unexpected};
use crate::render::jobs;

/// `submit`: hands a job in, and does what is wanted then.
pub fn run(cx: &Cx, args: &SubmitArgs) -> Outcome {
    let submit = match args.submit() {
        Ok(submit) => submit,
        Err(NoSubmit::User(e)) => return Err(e.into()),
        Err(NoSubmit::Misfit(failure)) => return refused(cx, misfit(*failure), args.json.json),
    };
    if let Some(failure) = does_not_fit(&submit) {
        return refused(cx, misfit(failure), args.json.json);
    }
    let mut client = Client::connect(&cx.global.paths()?.socket)?;
    let key = submit.key.clone();
    let answer = client.exchange(Verb::Submit(Box::new(submit))).map_err(|e| unknown(&e, key.as_deref()))?;
    // Whoever waits long must not hold two connections.
    drop(client);
    let answer = match answer {
        Body::Job(answer) => *answer,
        Body::Refused(doc) => return refused(cx, doc.error, args.json.json),
        Body::Error(e) => return Err(e.into()),
        other => return Err(unexpected(&other).into()),
    };
    if args.follow {
        follow::job(cx, &answer.job)
    } else if args.wait {
        show_end(cx, &answer.job, args.json.json)
    } else {
        show(cx, &answer, args.json.json)
    }
}

/// The id is data, the rest is talk.
fn show(cx: &Cx, answer: &JobAnswer, json: bool) -> Outcome {
    let told = if json { cx.out.json(answer) } else { cx.out.print(&format!("{}\n", answer.job.id)) };
    if told.is_err() {
        // It is nowhere else, and the job runs.
        cx.out.say(&format!("tsup: job {} was taken in", answer.job.id));
    } else if !json {
        cx.out.say(&taken_in(&answer.job));
    }
    told.map(|()| Exit::Ok)
}

/// How a job stands that was just taken in.
fn taken_in(job: &JobDoc) -> String {
    let waits = jobs::waits(job, &here()).map_or_else(String::new, |waits| format!(", {waits}"));
    format!("{} is {}{waits}", Untrusted::new(job.script.as_str()), job.state)
}

fn show_end(cx: &Cx, job: &JobDoc, json: bool) -> Outcome {
    let id = job.id.to_string();
    // First of all, so that whoever is interrupted can find it; standard output is for what became of it.
    cx.out.say(&format!("tsup: job {id}"));
    let ended = wait::until_ended(cx, std::slice::from_ref(&id), Vigil::of_taken(cx, id.clone())?);
    // Without its id nobody could ask for it again.
    if let Err(Fail::User(_)) = &ended {
        cx.out.say(&format!("tsup: the job was taken in; `tsup ctl wait {id}` waits for it again"));
    }
    let ended = ended?;
    for job in &ended {
        if json {
            cx.out.json(&JobAnswer { version: VERSION, job: job.clone() })?;
        } else {
            cx.out.print(&jobs::page::draw(job, &here(), cx.out.look))?;
        }
    }
    exit::like(&ended)
}

/// Whether a submission is larger than a request may be: then it would not even be read.
pub(super) fn does_not_fit(submit: &Submit) -> Option<Failure> {
    let request = Request { id: u64::MAX, verb: Verb::Submit(Box::new(submit.clone())) };
    let bytes = frame::encode(Kind::Request, &request).map_or(usize::MAX, |bytes| bytes.len() - HEADER_BYTES);
    // Some bytes for the frame of a batch.
    (bytes + 64 > REQUEST_BYTES_MAX as usize).then(|| {
        let size = if bytes == usize::MAX { "too many bytes".to_owned() } else { format!("{bytes} bytes") };
        too_large("the submission", &size)
    })
}

/// A failure as it stands on a document.
pub(super) fn misfit(failure: Failure) -> ErrorDoc {
    ErrorDoc::of(failure, None)
}

/// What was submitted does not fit.
fn refused(cx: &Cx, error: ErrorDoc, json: bool) -> Outcome {
    if json {
        cx.out.json(&RefusedDoc { version: VERSION, error })?;
    } else {
        cx.out.say(jobs::page::refusal(&error).trim_end());
    }
    Ok(Exit::Refused)
}

/// The way broke while the answer was awaited: nobody here knows whether the job was taken in.
pub(super) fn unknown(e: &UserError, key: Option<&str>) -> UserError {
    let hint = match key {
        Some(key) => format!(
            "repeat the command: under --key {} it is taken in once, however often it is asked",
            Untrusted::new(key)
        ),
        None => {
            "look at `tsup ctl jobs` before you repeat it; with --key KEY a repetition is always safe".into()
        }
    };
    UserError::new(e.exit, format!("whether the job was taken in is unknown: {}", e.what)).hint(hint)
}
