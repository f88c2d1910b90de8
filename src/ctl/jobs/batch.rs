//! Many submissions: JSON Lines in, one answer a line out, in the same order.
//!
//! One thread reads lines and asks in chunks, several of which are under way; this one hears the answers and
//! prints them. What neither has finished is bounded, so a file may be as long as it likes.

mod parse;
mod source;

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use serde::Serialize;
use tsup_core::error::{Exit, UserError};
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::VERSION;
use tsup_core::wire::doc::jobs::{ErrorDoc, JobDoc, Submitted};
use tsup_core::wire::verb::{Body, Verb};

use self::source::{Chunk, Source, Spot};
use crate::cli::ctl::submit::SubmitArgs;
use crate::cli::{Cx, Fail, Outcome};
use crate::config::{paths::open_existing, plain};
use crate::ctl::client::line::{Answers, Asker, Heard};
use crate::ctl::client::{Client, closed};
use crate::ctl::unexpected;
use crate::render::fault::Fault;

/// Chunks that are under way or wait to be printed. The supervisor takes 32 requests of one connection.
const CHUNKS_UNDER_WAY: usize = 8;

/// A connection that asks nothing for a minute is closed: after this time another one is taken.
const CONNECTION_IDLE: Duration = Duration::from_secs(30);

/// A chunk that was asked for, and the number that its answer carries; `None` when none of it was sent.
struct Asked {
    id: Option<u64>,
    chunk: Chunk,
    /// Where answers come from now.
    answers: Option<Answers>,
}

/// `submit --batch`: hands jobs in, line by line.
pub fn run(cx: &Cx, args: &SubmitArgs) -> Outcome {
    let file = args.batch.as_deref().unwrap_or(Path::new("-"));
    let from: Box<dyn Read + Send> = if file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(open_existing(file).map_err(|e| {
            let missing = e.kind() == std::io::ErrorKind::NotFound;
            let shown = Untrusted::new(file.to_string_lossy());
            let exit = if missing { Exit::NotFound } else { Exit::Failed };
            UserError::new(exit, format!("cannot read {shown}: {}", plain(&e)))
        })?)
    };
    let socket = cx.global.paths()?.socket;
    let (asker, answers) = Client::connect(&socket)?.split()?;
    let (tell, asked) = sync_channel(CHUNKS_UNDER_WAY);
    std::thread::Builder::new()
        .name("batch".into())
        .spawn(move || ask(&socket, asker, Source::new(from), &tell))
        .map_err(|e| UserError::new(Exit::Failed, format!("cannot start a thread: {}", plain(&e))))?;
    print(cx, &asked, answers, args.json.json)
}

/// Asks for chunk after chunk, until the lines end or nobody waits for answers any more.
fn ask(socket: &Path, mut asker: Asker, mut source: Source, tell: &SyncSender<Result<Asked, UserError>>) {
    let mut last = Instant::now();
    loop {
        let asked = match source.chunk() {
            Ok(None) => return,
            Ok(Some(chunk)) => ask_for(socket, &mut asker, chunk, &mut last),
            Err(e) => Err(e),
        };
        let is_last = asked.is_err();
        if tell.send(asked).is_err() || is_last {
            return;
        }
    }
}

fn ask_for(
    socket: &Path,
    asker: &mut Asker,
    mut chunk: Chunk,
    last: &mut Instant,
) -> Result<Asked, UserError> {
    let submits = std::mem::take(&mut chunk.submits);
    if submits.is_empty() {
        return Ok(Asked { id: None, chunk, answers: None });
    }
    let mut answers = None;
    if last.elapsed() > CONNECTION_IDLE {
        let (other, hears) = Client::connect(socket)?.split()?;
        (*asker, answers) = (other, Some(hears));
    }
    *last = Instant::now();
    // One that could not be sent whole counts as asked: what became of it shows where its answer would come.
    let id = asker.ask(Verb::SubmitBatch(submits)).unwrap_or(u64::MAX);
    Ok(Asked { id: Some(id), chunk, answers })
}

/// Prints the answers in the order of the lines.
fn print(cx: &Cx, asked: &Receiver<Result<Asked, UserError>>, mut answers: Answers, json: bool) -> Outcome {
    let mut early: HashMap<u64, Body> = HashMap::new();
    let mut exit = Exit::Ok;
    while let Ok(asked) = asked.recv() {
        let Asked { id, chunk, answers: other } = asked?;
        answers = other.unwrap_or(answers);
        let mut submitted = match id {
            None => Vec::new(),
            Some(id) => match answer(id, &mut early, &mut answers) {
                Ok(submitted) => submitted,
                Err(e) => return Err(lost(&e, &chunk)),
            },
        }
        .into_iter();
        for Spot { line, refused } in chunk.spots {
            let answer = match refused {
                Some(failure) => Submitted::Refused(Box::new(super::submit::misfit(*failure))),
                None => submitted.next().ok_or_else(|| {
                    UserError::new(Exit::Bug, "the supervisor answered fewer lines than it was asked")
                })?,
            };
            if !matches!(answer, Submitted::Job(_)) {
                exit = Exit::Failed;
            }
            show(cx, line, answer, json)?;
        }
    }
    Ok(exit)
}

/// Waits for one answer; others that come before it are kept.
fn answer(
    id: u64,
    early: &mut HashMap<u64, Body>,
    answers: &mut Answers,
) -> Result<Vec<Submitted>, UserError> {
    loop {
        match early.remove(&id) {
            Some(Body::Batch(submitted)) => return Ok(submitted),
            Some(other) => return Err(unexpected(&other)),
            None => {}
        }
        match answers.next(None)? {
            Heard::Answer(0, other) => return Err(unexpected(&other)),
            Heard::Answer(other, body) => {
                early.insert(other, body);
            }
            Heard::Nothing => {}
            Heard::Closed => return Err(closed()),
        }
    }
}

/// The way broke: what became of the lines from here on is not known.
fn lost(e: &UserError, chunk: &Chunk) -> Fail {
    let from = chunk.spots.first().map_or(1, |spot| spot.line);
    let what = format!("what became of line {from} and those behind it is unknown: {}", e.what);
    let hint = format!(
        "repeat the lines from {from} on: one with a key is taken in once, however often it is asked"
    );
    UserError::new(e.exit, what).hint(hint).into()
}

/// An answer as a document.
#[derive(Serialize)]
#[serde(untagged)]
enum Line<'a> {
    Job { version: u32, line: u64, job: &'a JobDoc },
    Refused { version: u32, line: u64, error: &'a ErrorDoc },
    Error { version: u32, line: u64, error: Fault<'a> },
}

fn show(cx: &Cx, line: u64, answer: Submitted, json: bool) -> Result<(), Fail> {
    if !json {
        let text = match answer {
            Submitted::Job(job) => format!("{}  {}  {}\n", job.id, job.state, Untrusted::new(job.script)),
            Submitted::Refused(e) => format!("line {line}: {}: {}\n", e.category, e.message),
            Submitted::Error(e) | Submitted::Later(e, _) => {
                format!("line {line}: {}\n", Untrusted::new(e.what))
            }
        };
        return cx.out.print(&text);
    }
    let version = VERSION;
    match &answer {
        Submitted::Job(job) => cx.out.json(&Line::Job { version, line, job }),
        Submitted::Refused(error) => cx.out.json(&Line::Refused { version, line, error }),
        Submitted::Error(e) | Submitted::Later(e, _) => {
            cx.out.json(&Line::Error { version, line, error: Fault::of(e) })
        }
    }
}
