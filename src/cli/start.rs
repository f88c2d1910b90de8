//! `tsup start`.

use std::path::Path;

use tsup_core::error::Exit;
use tsup_core::wire::doc::VERSION;

use super::ctl::Json;
use super::{Cx, Fail, Outcome};
use crate::{config, daemon};

/// Arguments of `tsup start`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    json: Json,
}

/// What is true of a home once a verb has returned: `start`, `stop` and `restart` with `--json`.
#[derive(Debug, serde::Serialize)]
struct Standing<'a> {
    version: u32,
    running: bool,
    /// Of the supervisor that runs, or that has ended; `null` when there was none, or it was not told.
    pid: Option<u32>,
    home: &'a Path,
}

/// Says what is true now: in words to the person, or as a document.
pub(super) fn tell(
    cx: &Cx,
    json: Json,
    home: &Path,
    running: bool,
    pid: Option<u32>,
    words: &str,
) -> Result<(), Fail> {
    if json.json {
        return cx.out.json(&Standing { version: VERSION, running, pid, home });
    }
    cx.out.say(words);
    Ok(())
}

/// Starts the supervisor; returns when it is ready.
pub fn run(cx: &Cx, args: &Args) -> Outcome {
    let file = config::find(cx.global.config.as_deref())?;
    // What is wrong with the configuration is said here, before anything is started.
    config::load(file.as_deref())?;
    let paths = cx.global.paths()?;
    let pid = daemon::start::start(&paths, file.as_deref())?;
    ready(cx, args.json, &paths.home, pid)?;
    Ok(Exit::Ok)
}

/// Says that a supervisor is ready.
pub(super) fn ready(cx: &Cx, json: Json, home: &Path, pid: u32) -> Result<(), Fail> {
    let words = format!("the supervisor is ready (pid {pid}, home {})", home.display());
    tell(cx, json, home, true, Some(pid), &words)
}
