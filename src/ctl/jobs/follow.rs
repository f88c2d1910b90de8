//! What a job prints, as it comes, over all its attempts: `output -f` and `submit --follow`.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use tsup_core::error::{Exit, UserError};
use tsup_core::wire::doc::jobs::{JobDoc, OutputDoc};
use tsup_core::wire::verb::{Body, Verb};

use super::output::{Stream, Which};
use super::vigil::Vigil;
use super::{exit, wait};
use crate::cli::{Cx, Fail, Outcome};
use crate::ctl::unexpected;
use crate::render::jobs::page;

/// How often files are read on. What is printed comes at most so late.
const PACE: Duration = Duration::from_millis(50);
/// The first pauses are shorter: most jobs end soon.
const FIRST_PACE: Duration = Duration::from_millis(2);
/// How often it is asked whether the attempt has ended.
const ASKED_EVERY: Duration = Duration::from_millis(500);

/// `output -f`: one stream, from an attempt on, until the job has ended.
pub fn output(cx: &Cx, job: String, stderr: bool, attempt: Option<u32>) -> Outcome {
    let mut vigil = Vigil::new(cx, vec![job.clone()], None)?;
    let which = if stderr { Which::Stderr } else { Which::Stdout };
    let from = match attempt {
        Some(n) => n,
        None => match vigil.ask(cx, Verb::Job { job: job.clone() })? {
            Some(Body::Job(answer)) => answer.job.attempt.max(1),
            Some(other) => return Err(unexpected(&other).into()),
            None => 1,
        },
    };
    let job = Follower::new(job, vec![which], from).run(cx, &mut vigil)?;
    match job {
        Some(job) if job.attempt < from => {
            let what = format!("job {} has no attempt {from}", job.id);
            let hint =
                if job.attempt == 0 { "it never started: see `tsup ctl job`" } else { "see `tsup ctl job`" };
            Err(UserError::new(Exit::NotFound, what).hint(hint).into())
        }
        _ => Ok(Exit::Ok),
    }
}

/// `submit --follow`: both streams, and the exit code of the job.
pub fn job(cx: &Cx, job: &JobDoc) -> Outcome {
    let id = job.id.to_string();
    cx.out.say(&format!("tsup: job {id}"));
    let mut vigil = Vigil::of_taken(cx, id.clone())?;
    vigil.heed_interrupt()?;
    let followed = Follower::new(id.clone(), vec![Which::Stdout, Which::Stderr], 1).run(cx, &mut vigil);
    if let Err(Fail::Code(_)) = &followed {
        wait::goes_on(cx, &[id]);
    }
    let Some(job) = followed? else { return Ok(Exit::Ok) };
    if exit::code(&job) != 0 {
        cx.out.say(page::ending(&job).trim_end());
    }
    exit::like(&[job])
}

/// Where it is in a job's output.
struct Follower {
    job: String,
    streams: Vec<Which>,
    /// The attempt that is printed, or comes next.
    attempt: u32,
    open: Option<Attempt>,
    asked: Option<Instant>,
    first: u32,
}

/// The attempt that is being printed.
struct Attempt {
    doc: OutputDoc,
    streams: Vec<Stream>,
}

impl Follower {
    fn new(job: String, streams: Vec<Which>, attempt: u32) -> Self {
        Follower { job, streams, attempt, open: None, asked: None, first: attempt }
    }

    /// Prints until the job has ended; gives the job as it ended.
    fn run(&mut self, cx: &Cx, vigil: &mut Vigil) -> Result<Option<JobDoc>, Fail> {
        let mut pace = FIRST_PACE;
        loop {
            let ended = vigil.tick(cx, pace)?.and_then(|jobs| jobs.into_iter().next());
            let printed = self.pump(cx)?;
            pace = if printed { FIRST_PACE } else { (pace * 2).min(PACE) };
            if let Some(job) = ended {
                return self.rest(cx, vigil, job).map(Some);
            }
            if !printed && reader_is_gone() {
                return Err(Fail::Closed);
            }
            let due = if self.open.is_some() { ASKED_EVERY } else { pace };
            if self.asked.is_none_or(|at| at.elapsed() >= due) {
                self.look(cx, vigil, None)?;
            }
        }
    }

    fn pump(&mut self, cx: &Cx) -> Result<bool, Fail> {
        let mut printed = false;
        for stream in self.open.iter_mut().flat_map(|open| &mut open.streams) {
            printed |= stream.pump(&mut sink(cx, self.streams.len(), stream.which()))?;
        }
        Ok(printed)
    }

    /// Looks for the attempt, or whether it has ended: then the rest of it is printed, and the next one is due.
    /// Says whether there is such an attempt.
    fn look(&mut self, cx: &Cx, vigil: &mut Vigil, job: Option<&JobDoc>) -> Result<bool, Fail> {
        self.asked = Some(Instant::now());
        let verb = Verb::Output { job: self.job.clone(), attempt: Some(self.attempt) };
        let doc = match vigil.ask(cx, verb)? {
            Some(Body::Output(doc)) => doc,
            // It has not begun yet, or its files are gone.
            Some(Body::Error(_)) | None => return Ok(false),
            Some(other) => return Err(unexpected(&other).into()),
        };
        let open = if let Some(open) = &mut self.open {
            open.doc = doc;
            open
        } else {
            if self.attempt > self.first {
                cx.out.say(&format!("tsup: attempt {}", self.attempt));
            }
            let streams = self.streams.iter().map(|which| Stream::new(&doc, *which)).collect();
            self.open.insert(Attempt { doc, streams })
        };
        if !open.doc.ended {
            return Ok(true);
        }
        let fetched = match job {
            None if open.doc.truncated => match vigil.ask(cx, Verb::Job { job: self.job.clone() })? {
                Some(Body::Job(answer)) => Some(answer.job),
                _ => None,
            },
            _ => None,
        };
        for stream in &mut open.streams {
            let to = &mut sink(cx, self.streams.len(), stream.which());
            stream.finish(cx, &open.doc, job.or(fetched.as_ref()), to)?;
        }
        self.open = None;
        self.attempt += 1;
        Ok(true)
    }

    /// The job has ended: prints what is left of it.
    fn rest(&mut self, cx: &Cx, vigil: &mut Vigil, job: JobDoc) -> Result<JobDoc, Fail> {
        while self.attempt <= job.attempt {
            let before = self.attempt;
            if !self.look(cx, vigil, Some(&job))? || self.attempt == before {
                // It is not told of, or not told to have ended though its job has: what is there is all.
                self.pump(cx)?;
                self.open = None;
                self.attempt += 1;
            }
        }
        Ok(job)
    }
}

/// Where a stream goes: alone it is the data, of two each goes to its like.
fn sink(cx: &Cx, streams: usize, which: Which) -> impl FnMut(&[u8]) -> Result<(), Fail> + '_ {
    move |bytes| match which {
        Which::Stderr if streams > 1 => {
            cx.out.talk(bytes);
            Ok(())
        }
        _ => cx.out.bytes(bytes),
    }
}

/// Whether nobody reads standard output any more. A pipe tells so without being written to.
fn reader_is_gone() -> bool {
    let stdout = std::io::stdout();
    let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
    let nothing = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&nothing)).is_ok() && fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}
