//! `tsup stop`.

use tsup_core::error::Exit;

use super::{Cx, Outcome};
use crate::daemon;
use crate::daemon::lock::Holder;

/// Arguments of `tsup stop`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Stops the supervisor; returns when its home is free. That nobody ran is as good.
pub fn run(cx: &Cx, _args: &Args) -> Outcome {
    let paths = cx.global.paths()?;
    cx.out.say(&match daemon::stop::stop(&paths)? {
        None => format!("no supervisor runs in {}", paths.home.display()),
        Some(Holder::Known(id)) => format!("the supervisor is gone (pid {}); the agents stay", id.pid),
        Some(_) => "the supervisor is gone; the agents stay".into(),
    });
    Ok(Exit::Ok)
}
