//! `wait`, and what `submit --wait` does after the job is taken in.

use std::time::Duration;

use tsup_core::tes::job::JobState;
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::VERSION;
use tsup_core::wire::doc::jobs::{JobDoc, JobsDoc};
use tsup_core::wire::verb::{Body, Verb};

use super::exit;
use super::progress::{self, Progress};
use super::vigil::Vigil;
use crate::cli::{Cx, Fail, Outcome};
use crate::ctl::here;
use crate::render::jobs;

/// How often the line of progress is drawn.
const DRAWN_EVERY: Duration = Duration::from_millis(500);
/// How often a Ctrl-C is looked for where nothing is drawn.
const LOOKED_EVERY: Duration = Duration::from_millis(100);

/// `wait`: until all have ended, in the order of the question.
pub fn run(cx: &Cx, ids: &[String], at_most: Option<Duration>, json: bool) -> Outcome {
    let ended = until_ended(cx, ids, Vigil::new(cx, ids.to_vec(), at_most)?)?;
    if json {
        cx.out.json(&JobsDoc { version: VERSION, jobs: ended.clone(), more: false })?;
    } else {
        cx.out.print(&jobs::list(&ended, &here(), cx.out.look))?;
    }
    exit::like(&ended)
}

/// Waits until all have ended; shows how it goes, and says what goes on when it is interrupted.
pub fn until_ended(cx: &Cx, ids: &[String], mut vigil: Vigil) -> Result<Vec<JobDoc>, Fail> {
    vigil.heed_interrupt()?;
    let mut progress = Progress::new();
    let (mut next, mut pace) = (0, LOOKED_EVERY);
    let result = loop {
        match vigil.tick(cx, pace) {
            Ok(Some(ended)) => break Ok(ended),
            Ok(None) => {}
            Err(e) => break Err(e),
        }
        if progress.is_shown() {
            pace = DRAWN_EVERY;
            if let Err(e) = draw(cx, &mut vigil, ids, &mut next, &mut progress) {
                break Err(e);
            }
        }
    };
    progress.clear();
    if let Err(Fail::Code(_)) = &result {
        goes_on(cx, ids);
    }
    result
}

/// Says that the jobs outlive the waiting.
pub fn goes_on(cx: &Cx, ids: &[String]) {
    cx.out.say(&match ids {
        [id] => format!("tsup: the job goes on; `tsup ctl cancel {}` ends it", Untrusted::new(id.as_str())),
        _ => "tsup: the jobs go on; `tsup ctl cancel ID` ends one".to_owned(),
    });
}

/// Draws how the first one is that has not ended yet.
fn draw(
    cx: &Cx,
    vigil: &mut Vigil,
    ids: &[String],
    next: &mut usize,
    progress: &mut Progress,
) -> Result<(), Fail> {
    let Some(id) = ids.get(*next) else { return Ok(()) };
    let Some(Body::Job(answer)) = vigil.ask(cx, Verb::Job { job: id.clone() })? else { return Ok(()) };
    let job = &answer.job;
    if job.state.is_final() {
        *next += 1;
        return Ok(());
    }
    let running = job.state == JobState::Running;
    let output = Verb::Output { job: id.clone(), attempt: None };
    let printed = match if running { vigil.ask(cx, output)? } else { None } {
        Some(Body::Output(doc)) => progress::printed(&doc),
        _ => 0,
    };
    let of = if ids.len() > 1 { format!("{} of {} ended; ", next, ids.len()) } else { String::new() };
    progress.draw(&format!("{of}{}", progress::of(job, printed, &here())));
    Ok(())
}
