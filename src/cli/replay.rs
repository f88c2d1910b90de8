//! `tsup replay`: run the rules of now over what was recorded. No supervisor is needed.

use std::io::{BufRead, BufReader, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tsup_core::clock::Wall;
use tsup_core::error::{Exit, UserError};
use tsup_core::fleet::profile::Profiles;
use tsup_core::fleet::record::Taken;
use tsup_core::fleet::record::replay::{Difference, Replay, Replayed};
use tsup_core::ids::AgentId;
use tsup_core::limits;
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::VERSION;

use super::{Cx, Outcome, detect};
use crate::config::{paths::open_plain, plain};
use crate::render::replay;

/// Arguments of `tsup replay`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A record, as `tsup ctl record` made it
    file: PathBuf,
    /// Profiles laid over the shipped ones, such as changed ones to be tried
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// The result, for programs.
#[derive(Debug, Serialize)]
struct ReplayDoc<'a> {
    version: u32,
    file: String,
    agent: AgentId,
    profile: &'a str,
    same_rules: bool,
    frames: u64,
    missed: u64,
    changes: u64,
    torn: bool,
    differences: Vec<DifferenceDoc<'a>>,
}

#[derive(Debug, Serialize)]
struct DifferenceDoc<'a> {
    line: usize,
    at: Wall,
    until: Wall,
    frames: u64,
    then: &'a Taken,
    now: &'a Taken,
}

/// Replays a record; exit 0 when the verdicts are those of then, 1 when not.
pub fn run(cx: &Cx, args: &Args) -> Outcome {
    let profiles = detect::load(cx, args.profiles.as_deref())?;
    let replayed = read(&args.file, &profiles)?;
    if args.json {
        cx.out.json(&document(&args.file, &replayed))?;
    } else {
        cx.out.print(&replay::draw(&replayed, cx.out.look))?;
    }
    Ok(if replayed.differences.is_empty() { Exit::Ok } else { Exit::Failed })
}

fn shown(path: &Path) -> Untrusted {
    Untrusted::new(path.to_string_lossy())
}

fn unreadable(path: &Path, e: &std::io::Error) -> UserError {
    let exit = if e.kind() == ErrorKind::NotFound { Exit::NotFound } else { Exit::Failed };
    UserError::new(exit, format!("{}: {}", shown(path), plain(e)))
}

/// Takes a file through, one line in memory at a time.
fn read(path: &Path, profiles: &Profiles) -> Result<Replayed, UserError> {
    let file = open_plain(path, "; a record is a plain file").map_err(|e| unreadable(path, &e))?;
    let mut input = BufReader::new(file);
    let mut replay = Replay::new(profiles);
    let bad = |what: String| {
        UserError::new(Exit::Failed, format!("{}: {what}", shown(path)))
            .hint("`tsup ctl record AGENT` makes records; `tsup detect FILE` reads a captured screen")
    };
    let mut line = Vec::new();
    for number in 1_usize.. {
        line.clear();
        let limit = limits::RECORD_LINE_BYTES_MAX as u64 + 1;
        let n = (&mut input).take(limit).read_until(b'\n', &mut line).map_err(|e| unreadable(path, &e))?;
        if n == 0 {
            break;
        }
        if line.len() > limits::RECORD_LINE_BYTES_MAX {
            return Err(bad(format!(
                "line {number}: this is no line of a record: no such line is that long"
            )));
        }
        let whole = line.last() == Some(&b'\n');
        let text = String::from_utf8_lossy(&line);
        replay.line(text.trim_end_matches('\n'), !whole).map_err(|e| bad(e.to_string()))?;
    }
    replay.end().map_err(|e| bad(e.to_string()))
}

fn document<'a>(file: &Path, replayed: &'a Replayed) -> ReplayDoc<'a> {
    let difference = |d: &'a Difference| DifferenceDoc {
        line: d.line,
        at: d.at,
        until: d.until,
        frames: d.frames,
        then: &d.then,
        now: &d.now,
    };
    ReplayDoc {
        version: VERSION,
        file: file.display().to_string(),
        agent: replayed.header.agent,
        profile: &replayed.header.profile,
        same_rules: replayed.same_rules,
        frames: replayed.frames,
        missed: replayed.missed,
        changes: replayed.changes,
        torn: replayed.torn,
        differences: replayed.differences.iter().map(difference).collect(),
    }
}
