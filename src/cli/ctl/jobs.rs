//! What can be asked about jobs.

use std::time::Duration;

use clap::Subcommand;
use tsup_core::error::{Exit, UserError};
use tsup_core::limits::JOBS_LISTED_MAX;
use tsup_core::tes::job::JobState;
use tsup_core::wire::verb::Verb;

use super::many::{Many, Meant};
use super::submit::SubmitArgs;
use super::{Cx, Json, Outcome, duration};
use crate::ctl::client::Client;
use crate::ctl::jobs::many::Change;
use crate::ctl::jobs::{self, batch, follow, submit, wait};

#[derive(Debug, Subcommand)]
pub(super) enum Ask {
    /// The scripts that can be run, and whether they can run here now; or everything about one
    Scripts {
        /// Id or name: what it takes and gives, its times and limits, how it is shut in, what it lacks
        #[arg(value_name = "NAME")]
        script: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// Run a script once, or many by --batch; prints the job's id
    Submit(Box<SubmitArgs>),
    /// The jobs, the youngest first
    Jobs {
        /// Only those in this state; may be repeated
        #[arg(long = "state", value_name = "STATE")]
        states: Vec<JobState>,
        /// Only those of this script
        #[arg(long)]
        script: Option<String>,
        /// At most so many [default: 50]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=JOBS_LISTED_MAX as i64))]
        limit: Option<u32>,
        #[command(flatten)]
        json: Json,
    },
    /// One job: why it failed, what it was given and gave, what it used
    Job(One),
    /// Wait until jobs have ended; exits as they did
    Wait {
        /// Ids, or beginnings of them
        #[arg(required = true, value_name = "ID")]
        jobs: Vec<String>,
        /// At most so long, like 90s, 15m, 2h; exit code 6 then
        #[arg(long, value_name = "DUR", allow_hyphen_values = true, value_parser = duration::parse)]
        timeout: Option<Duration>,
        #[command(flatten)]
        json: Json,
    },
    /// End jobs, whatever they do
    Cancel(Many),
    /// Run jobs once more that have ended and did not succeed
    Retry(Many),
    /// Hold jobs back until they are released
    Hold(Many),
    /// Let jobs go that are held back
    Release(Many),
    /// What a job printed
    Output {
        /// Id, or the beginning of one
        #[arg(value_name = "ID")]
        job: String,
        /// Go on as more is printed, until the job has ended
        #[arg(short, long, conflicts_with = "json")]
        follow: bool,
        /// Its standard error instead
        #[arg(long)]
        stderr: bool,
        /// Of this attempt instead of the last one
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        attempt: Option<u32>,
        #[command(flatten)]
        json: Json,
    },
    /// Jobs whose attempts are used up
    Dead {
        #[command(subcommand)]
        what: Option<Dead>,
        /// At most so many, the youngest; all that fit by default
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        limit: Option<u32>,
        #[command(flatten)]
        json: Json,
    },
    /// Start no job any more, and return when none runs
    Drain {
        /// Wait at most so long, like 90s, 15m, 2h; exit code 6 then
        #[arg(long, value_name = "DUR", allow_hyphen_values = true, value_parser = duration::parse)]
        timeout: Option<Duration>,
        /// Start jobs again
        #[arg(long, conflicts_with = "timeout")]
        end: bool,
        #[command(flatten)]
        json: Json,
    },
    /// Who shares which limit, and how much of it is used
    Groups(Json),
}

#[derive(Debug, clap::Args)]
pub(super) struct One {
    /// Id, or the beginning of one
    #[arg(value_name = "ID")]
    job: String,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Dead {
    /// Run them once more
    Requeue(Meant),
    /// Forget them
    Drop(Meant),
}

/// A time as the wire carries it.
fn ms(time: Option<Duration>) -> Option<u64> {
    time.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

/// Asks and shows.
pub(super) fn run(cx: &Cx, ask: Ask) -> Outcome {
    let client = || Client::connect(&cx.global.paths()?.socket);
    match ask {
        Ask::Scripts { script: None, json } => jobs::scripts(cx, &mut client()?, json.json),
        Ask::Scripts { script: Some(script), json } => jobs::script(cx, &mut client()?, script, json.json),
        Ask::Submit(args) if args.batch.is_some() => batch::run(cx, &args),
        Ask::Submit(args) => submit::run(cx, &args),
        Ask::Jobs { states, script, limit, json } => {
            let verb = Verb::Jobs { states, script, limit };
            jobs::list(cx, &mut client()?, verb, "no jobs", json.json)
        }
        Ask::Job(one) => jobs::show(cx, &mut client()?, one.job, one.json.json),
        Ask::Wait { jobs, timeout, json } => wait::run(cx, &jobs, timeout, json.json),
        Ask::Cancel(many) => many.run(cx, Change::Cancel),
        Ask::Retry(many) => many.run(cx, Change::Retry),
        Ask::Hold(many) => many.run(cx, Change::Hold),
        Ask::Release(many) => many.run(cx, Change::Release),
        Ask::Output { job, follow: true, stderr, attempt, json: _ } => {
            follow::output(cx, job, stderr, attempt)
        }
        Ask::Output { job, follow: false, stderr, attempt, json } => {
            jobs::output::run(cx, &mut client()?, job, stderr, attempt, json.json)
        }
        Ask::Dead { what: None, limit, json } => {
            // Who means to see to all of them must not see some.
            let limit = limit.or(u32::try_from(tsup_core::limits::JOBS_LISTED_MAX).ok());
            let verb = Verb::Jobs { states: vec![JobState::Dead], script: None, limit };
            jobs::list(cx, &mut client()?, verb, "no dead jobs", json.json)
        }
        Ask::Dead { what: Some(_), json: Json { json: true }, .. } => {
            let what = "--json stands behind the id: `tsup ctl dead requeue ID --json`";
            Err(UserError::new(Exit::Usage, what).into())
        }
        Ask::Dead { what: Some(Dead::Requeue(meant)), .. } => meant.run(cx, Change::Requeue, Vec::new()),
        Ask::Dead { what: Some(Dead::Drop(meant)), .. } => meant.run(cx, Change::DropDead, Vec::new()),
        Ask::Drain { end: true, json, .. } => crate::ctl::done(cx, client()?.ask(Verb::EndDrain)?, json.json),
        Ask::Drain { timeout, json, .. } => {
            crate::ctl::done(cx, client()?.ask(Verb::Drain { for_ms: ms(timeout) })?, json.json)
        }
        Ask::Groups(j) => jobs::groups(cx, &mut client()?, j.json),
    }
}
