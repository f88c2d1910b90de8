//! The wait for the end of jobs. Jobs outlive their supervisor, so the wait for them outlives it too: when it
//! goes away, it is sought again for a while.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tsup_core::error::{Exit, UserError};
use tsup_core::wire::doc::jobs::JobDoc;
use tsup_core::wire::verb::{Body, Verb};

use crate::cli::{Cx, Fail};
use crate::ctl::client::line::{Answers, Asker, Heard};
use crate::ctl::client::{Client, closed};
use crate::ctl::{interrupt, unexpected};

/// How long a supervisor that went away is sought: a restart takes a second or two, and a person who has to do it some more.
const SOUGHT_FOR: Duration = Duration::from_secs(120);
/// Between two tries.
const SOUGHT_EVERY: Duration = Duration::from_millis(250);
/// How long an answer to a short question may take.
const ANSWER: Duration = Duration::from_secs(10);
/// What a shell says of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// One connection that waits, and on which other things can be asked meanwhile.
#[derive(Debug)]
pub struct Vigil {
    socket: PathBuf,
    jobs: Vec<String>,
    deadline: Option<Instant>,
    line: Option<Line>,
    ended: Option<Vec<JobDoc>>,
    /// Since when there is no supervisor.
    away: Option<Instant>,
    interrupted: Option<Arc<AtomicBool>>,
}

#[derive(Debug)]
struct Line {
    asker: Asker,
    answers: Answers,
    waiting: u64,
}

impl Vigil {
    /// Begins to wait for jobs, at most so long.
    pub fn new(cx: &Cx, jobs: Vec<String>, at_most: Option<Duration>) -> Result<Vigil, UserError> {
        let mut vigil = Vigil::of(cx.global.paths()?.socket, jobs, at_most);
        vigil.connect()?;
        Ok(vigil)
    }

    /// Begins to wait for a job that a supervisor took in just now: one that has gone since is sought, as one that goes later.
    pub fn of_taken(cx: &Cx, job: String) -> Result<Vigil, UserError> {
        let mut vigil = Vigil::of(cx.global.paths()?.socket, vec![job], None);
        if vigil.connect().is_err() {
            vigil.lose(cx);
        }
        Ok(vigil)
    }

    fn of(socket: PathBuf, jobs: Vec<String>, at_most: Option<Duration>) -> Vigil {
        let deadline = at_most.and_then(|d| Instant::now().checked_add(d));
        Vigil { socket, jobs, deadline, line: None, ended: None, away: None, interrupted: None }
    }

    /// Ctrl-C ends the waiting from now on.
    pub fn heed_interrupt(&mut self) -> Result<(), UserError> {
        self.interrupted = Some(interrupt::notice(|| ())?);
        Ok(())
    }

    /// The jobs, once all of them have ended. Waits at most `pace` for that.
    pub fn tick(&mut self, cx: &Cx, pace: Duration) -> Result<Option<Vec<JobDoc>>, Fail> {
        self.check()?;
        if let Some(ended) = self.ended.take() {
            return Ok(Some(ended));
        }
        let pace = self.deadline.map_or(pace, |at| pace.min(at.saturating_duration_since(Instant::now())));
        let Some(line) = &mut self.line else {
            if self.deadline.is_some_and(|at| at <= Instant::now()) {
                return Err(too_late().into());
            }
            std::thread::park_timeout(pace.min(SOUGHT_EVERY));
            self.seek(cx)?;
            return Ok(None);
        };
        let waiting = line.waiting;
        match line.answers.next(Some(pace)) {
            Ok(Heard::Answer(id, body)) if id == waiting => self.end(body)?,
            Ok(Heard::Answer(0, Body::Error(e))) if self.away.is_none() => return Err(e.into()),
            // An answer that nobody waits for any more.
            Ok(Heard::Answer(id, _)) if id != 0 => {}
            Ok(Heard::Nothing) => {
                if self.deadline.is_some_and(|at| at <= Instant::now()) {
                    return Err(too_late().into());
                }
            }
            Ok(Heard::Answer(..) | Heard::Closed) | Err(_) => self.lose(cx),
        }
        Ok(self.ended.take())
    }

    /// Asks something short meanwhile. `None` when there is no supervisor at the moment.
    pub fn ask(&mut self, cx: &Cx, verb: Verb) -> Result<Option<Body>, Fail> {
        self.check()?;
        let Some(line) = &mut self.line else { return Ok(None) };
        let Ok(asked) = line.asker.ask(verb) else {
            self.lose(cx);
            return Ok(None);
        };
        let end = Instant::now() + ANSWER;
        loop {
            let Some(line) = &mut self.line else { return Ok(None) };
            let waiting = line.waiting;
            match line.answers.next(Some(end.saturating_duration_since(Instant::now()))) {
                Ok(Heard::Answer(id, body)) if id == asked => return Ok(Some(body)),
                Ok(Heard::Answer(id, body)) if id == waiting => self.end(body)?,
                Ok(Heard::Answer(id, _)) if id != 0 => {}
                Ok(Heard::Nothing) if Instant::now() < end => {}
                _ => self.lose(cx),
            }
            self.check()?;
        }
    }

    fn end(&mut self, body: Body) -> Result<(), UserError> {
        match body {
            Body::Jobs(doc) => self.ended = Some(doc.jobs),
            Body::Error(e) => return self.refused(e),
            other => return Err(unexpected(&other)),
        }
        self.away = None;
        Ok(())
    }

    /// One that has just come back may not know its jobs yet, and one whose queue begins anew lets the question go:
    /// it is asked again.
    fn refused(&mut self, e: UserError) -> Result<(), UserError> {
        let is_final = match e.exit {
            Exit::TimedOut => true,
            Exit::NotFound | Exit::Usage => self.away.is_none(),
            _ => false,
        };
        let since = *self.away.get_or_insert_with(Instant::now);
        if is_final || since.elapsed() > SOUGHT_FOR {
            return Err(e);
        }
        self.line = None;
        Ok(())
    }

    fn lose(&mut self, cx: &Cx) {
        self.line = None;
        if !self.was_interrupted() && self.away.is_none() {
            self.away = Some(Instant::now());
            cx.out.say("tsup: the supervisor went away; the jobs go on, and it is waited for");
        }
    }

    fn seek(&mut self, cx: &Cx) -> Result<(), Fail> {
        if self.connect().is_ok() {
            return Ok(());
        }
        match self.away {
            Some(since) if since.elapsed() > SOUGHT_FOR => Err(closed().into()),
            Some(_) => Ok(()),
            None => {
                self.lose(cx);
                Ok(())
            }
        }
    }

    fn connect(&mut self) -> Result<(), UserError> {
        let (mut asker, answers) = Client::connect(&self.socket)?.split()?;
        let left = self.deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let for_ms = left.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
        let waiting = asker.ask(Verb::Wait { jobs: self.jobs.clone(), for_ms })?;
        self.line = Some(Line { asker, answers, waiting });
        Ok(())
    }

    fn was_interrupted(&self) -> bool {
        self.interrupted.as_ref().is_some_and(|i| i.load(Ordering::Acquire))
    }

    fn check(&self) -> Result<(), Fail> {
        if self.was_interrupted() { Err(Fail::Code(INTERRUPTED)) } else { Ok(()) }
    }
}

fn too_late() -> UserError {
    UserError::new(Exit::TimedOut, "not all of them have ended in this time").hint("they go on")
}
