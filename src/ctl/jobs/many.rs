//! Several jobs at once: named one by one, or meant by what they have in common.
//!
//! Each is asked for by itself, a bounded number at a time, and each has its own answer: what becomes of one says
//! nothing of the others.

use std::collections::HashMap;
use std::vec::IntoIter;

use serde::Serialize;
use tsup_core::error::{Exit, UserError};
use tsup_core::limits::CHANGED_AT_A_TIME;
use tsup_core::tes::job::JobState;
use tsup_core::tes::select::{Picked, Selected, Selection};
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::VERSION;
use tsup_core::wire::doc::jobs::JobDoc;
use tsup_core::wire::verb::{Body, Verb};

use super::changed;
use crate::cli::{Cx, Fail, Outcome};
use crate::ctl::client::line::{Answers, Asker, Heard};
use crate::ctl::client::{Client, closed};
use crate::ctl::unexpected;
use crate::render::error_text;
use crate::render::fault::Fault;

/// What becomes of each job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is ended.
    Cancel,
    /// It runs once more.
    Retry,
    /// It is held back.
    Hold,
    /// It is let go.
    Release,
    /// One that is dead runs once more.
    Requeue,
    /// It is forgotten, being dead.
    DropDead,
}

/// Which jobs.
#[derive(Debug, Clone)]
pub enum Which {
    /// These, by their ids or beginnings of them.
    Named(Vec<String>),
    /// Those that have this in common.
    Meant(Selection),
}

/// What became of one of several.
#[derive(Debug, Serialize)]
pub struct PartDoc<'a> {
    version: u32,
    id: &'a str,
    job: Option<&'a JobDoc>,
    error: Option<Fault<'a>>,
}

/// One that would be changed.
#[derive(Debug, Serialize)]
pub struct MeantDoc<'a> {
    version: u32,
    id: String,
    script: &'a str,
    state: JobState,
}

impl Change {
    /// The request for one of them.
    pub fn verb(self, job: String) -> Verb {
        match self {
            Change::Cancel => Verb::Cancel { job },
            Change::Retry | Change::Requeue => Verb::Retry { job },
            Change::Hold => Verb::Hold { job },
            Change::Release => Verb::Release { job },
            Change::DropDead => Verb::DropDead { job },
        }
    }

    /// What is said between a job and its state.
    pub fn did(self) -> &'static str {
        if self == Change::DropDead { "is forgotten; it was" } else { "is" }
    }

    /// The states of jobs that it does something to.
    pub fn states(self) -> &'static [JobState] {
        use JobState::{Blocked, Cancelled, Dead, Delayed, Failed, Held, Interrupted, Queued, Running};
        match self {
            Change::Cancel => &[Queued, Delayed, Blocked, Held, Running],
            Change::Hold => &[Queued, Delayed, Blocked, Running],
            Change::Release => &[Held, Running],
            Change::Retry => &[Failed, Cancelled, Interrupted, Dead],
            Change::Requeue | Change::DropDead => &[Dead],
        }
    }

    /// All jobs that it does something to. What lets jobs go begins with the oldest, so that they start in their order;
    /// what ends them or holds them back with the youngest, so that none starts only because another one has gone.
    pub fn all(self) -> Selection {
        Selection {
            states: self.states().to_vec(),
            held: match self {
                Change::Hold => Some(false),
                Change::Release => Some(true),
                _ => None,
            },
            youngest_first: matches!(self, Change::Cancel | Change::Hold),
            ..Selection::default()
        }
    }

    /// Whether this is no trouble of a job that is meant: it ended between the look and the change.
    fn is_past(self, e: &UserError) -> bool {
        matches!(self, Change::Cancel | Change::Hold | Change::Release)
            && matches!(e.exit, Exit::Refused | Exit::NotFound)
            && e.retry_after.is_none()
    }
}

/// Does it to each, and ends with the largest of their exit codes.
pub fn run(cx: &Cx, change: Change, which: Which, dry_run: bool, json: bool) -> Outcome {
    let (asker, answers) = Client::connect(&cx.global.paths()?.socket)?.split()?;
    let is_named = matches!(which, Which::Named(_));
    let mut work =
        Work { cx, change, json, is_named, asker, answers, under_way: HashMap::new(), tally: Tally::new() };
    match which {
        Which::Named(ids) => work.all(ids.into_iter())?,
        Which::Meant(mut selection) => loop {
            let page = work.page(&selection)?;
            if dry_run {
                work.show(&page.jobs)?;
            } else {
                let ids: Vec<String> = page.jobs.iter().map(|job| job.id.to_string()).collect();
                work.all(ids.into_iter())?;
            }
            selection.behind = page.jobs.last().map(|job| job.seq);
            if !page.more || selection.behind.is_none() {
                break;
            }
        },
    }
    Ok(work.conclude(dry_run))
}

/// What became of how many.
#[derive(Debug, PartialEq, Eq)]
struct Tally {
    done: u64,
    not: u64,
    worst: Exit,
}

impl Tally {
    fn new() -> Self {
        Tally { done: 0, not: 0, worst: Exit::Ok }
    }

    fn failed(&mut self, exit: Exit) {
        self.not += 1;
        if exit.code() > self.worst.code() {
            self.worst = exit;
        }
    }
}

struct Work<'a> {
    cx: &'a Cx,
    change: Change,
    json: bool,
    is_named: bool,
    asker: Asker,
    answers: Answers,
    /// The jobs that are asked for, by the numbers of the questions.
    under_way: HashMap<u64, String>,
    tally: Tally,
}

impl Work<'_> {
    /// Asks for each, and tells each answer when it comes.
    fn all(&mut self, mut ids: IntoIter<String>) -> Result<(), Fail> {
        loop {
            while self.under_way.len() < CHANGED_AT_A_TIME
                && let Some(id) = ids.next()
            {
                let asked =
                    self.asker.ask(self.change.verb(id.clone())).map_err(|e| self.lost(&e, ids.len() + 1))?;
                self.under_way.insert(asked, id);
            }
            if self.under_way.is_empty() {
                return Ok(());
            }
            let (asked, body) = self.hear().map_err(|e| self.lost(&e, ids.len()))?;
            if let Some(id) = self.under_way.remove(&asked) {
                self.tell(&id, body)?;
            }
        }
    }

    fn hear(&mut self) -> Result<(u64, Body), UserError> {
        loop {
            match self.answers.next(None)? {
                Heard::Answer(0, other) => return Err(unexpected(&other)),
                Heard::Answer(id, body) => return Ok((id, body)),
                Heard::Nothing => {}
                Heard::Closed => return Err(closed()),
            }
        }
    }

    fn page(&mut self, selection: &Selection) -> Result<Selected, UserError> {
        self.asker.ask(Verb::Select(Box::new(selection.clone())))?;
        match self.hear()?.1 {
            Body::Selected(page) => Ok(page),
            other => Err(unexpected(&other)),
        }
    }

    fn tell(&mut self, id: &str, body: Body) -> Result<(), Fail> {
        let out = &self.cx.out;
        let e = match body {
            Body::Job(answer) => {
                self.tally.done += 1;
                let part = PartDoc { version: VERSION, id, job: Some(&answer.job), error: None };
                return if self.json {
                    out.json(&part)
                } else {
                    out.print(&changed(&answer.job, self.change.did()))
                };
            }
            Body::Error(e) => e,
            other => unexpected(&other),
        };
        if self.is_named || !self.change.is_past(&e) {
            self.tally.failed(e.exit);
        }
        if self.json {
            return out.json(&PartDoc { version: VERSION, id, job: None, error: Some(Fault::of(&e)) });
        }
        out.say(&error_text(&e));
        Ok(())
    }

    /// What would be changed.
    fn show(&mut self, jobs: &[Picked]) -> Result<(), Fail> {
        for Picked { id, script, state, .. } in jobs {
            self.tally.done += 1;
            if self.json {
                self.cx.out.json(&MeantDoc {
                    version: VERSION,
                    id: id.to_string(),
                    script,
                    state: *state,
                })?;
            } else {
                self.cx.out.print(&format!("{id} {} is {state}", Untrusted::new(script.as_str())))?;
            }
        }
        Ok(())
    }

    /// The way broke: what became of those that were asked for is not known, and the others were not asked for.
    fn lost(&self, e: &UserError, not_asked: usize) -> UserError {
        let what = format!(
            "what became of {} jobs is unknown, and {not_asked} were not asked for: {}",
            self.under_way.len(),
            e.what
        );
        UserError::new(e.exit, what)
            .hint("see `tsup ctl jobs`, and repeat the command: it does nothing twice")
    }

    fn conclude(self, dry_run: bool) -> Exit {
        let Tally { done, not, worst } = self.tally;
        match (done, not) {
            (0, 0) if !self.is_named => self.cx.out.say("tsup: no job is meant by that"),
            _ if dry_run => self.cx.out.say(&format!("tsup: nothing was changed; {done} jobs are meant")),
            _ if done + not > 1 => {
                self.cx.out.say(&format!("tsup: {done} jobs were changed, {not} were not"));
            }
            _ => {}
        }
        worst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Change; 6] =
        [Change::Cancel, Change::Hold, Change::Release, Change::Retry, Change::Requeue, Change::DropDead];

    #[test]
    fn the_worst_of_the_parts_is_the_largest_of_their_codes() {
        let mut tally = Tally::new();
        assert_eq!(tally.worst, Exit::Ok);
        for (exit, worst) in [(Exit::NotFound, 4), (Exit::Refused, 5), (Exit::Failed, 5), (Exit::Bug, 70)] {
            tally.failed(exit);
            assert_eq!(tally.worst.code(), worst);
        }
        assert_eq!(tally.not, 4);
    }

    #[test]
    fn what_is_meant_lives_or_has_ended_and_is_never_both() {
        for change in ALL {
            let ended = change.states().iter().filter(|state| state.is_final()).count();
            assert!(ended == 0 || ended == change.states().len(), "{change:?}");
            assert!(!change.states().contains(&JobState::Succeeded), "{change:?}");
            assert_eq!(change.all().states, change.states());
        }
        assert_eq!(Change::Hold.all().held, Some(false));
        assert_eq!(Change::Release.all().held, Some(true));
    }

    #[test]
    fn one_that_ended_meanwhile_is_no_trouble_of_what_was_meant() {
        let refused = UserError::new(Exit::Refused, "job 12 has ended");
        let full = refused.clone().retry_after(std::time::Duration::from_secs(1));
        assert!(Change::Cancel.is_past(&refused) && Change::Release.is_past(&refused));
        assert!(!Change::Retry.is_past(&refused) && !Change::DropDead.is_past(&refused));
        assert!(!Change::Hold.is_past(&full));
        assert!(!Change::Cancel.is_past(&UserError::new(Exit::Failed, "no")));
    }
}
