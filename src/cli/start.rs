//! `tsup start`.

use tsup_core::error::Exit;

use super::{Cx, Outcome};
use crate::{config, daemon};

/// Arguments of `tsup start`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Starts the supervisor; returns when it is ready.
pub fn run(cx: &Cx, _args: &Args) -> Outcome {
    let file = config::find(cx.global.config.as_deref())?;
    // What is wrong with the configuration is said here, before anything is started.
    config::load(file.as_deref())?;
    let paths = cx.global.paths()?;
    let pid = daemon::start::start(&paths, file.as_deref())?;
    cx.out.say(&format!("the supervisor is ready (pid {pid}, home {})", paths.home.display()));
    Ok(Exit::Ok)
}
