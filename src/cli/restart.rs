//! `tsup restart`.

use tsup_core::error::Exit;

use super::ctl::Json;
use super::doctor::tmux;
use super::{Cx, Outcome, start};
use crate::daemon::lock::{Holder, holder};
use crate::{config, daemon};

/// Arguments of `tsup restart`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    json: Json,
}

/// Stops the supervisor when it runs, and starts it with the configuration it had, or with `--config`; one
/// that had none takes what `tsup start` would take here.
pub fn run(cx: &Cx, args: &Args) -> Outcome {
    let paths = cx.global.paths()?;
    let file = match (&cx.global.config, holder(&paths.lock)?) {
        (None, Holder::Known(id)) if id.config.is_some() => id.config,
        (flag, _) => config::find(flag.as_deref())?,
    };
    // A configuration or a tmux that is of no use must not cost the supervisor that runs.
    config::load(file.as_deref())?;
    tmux::require()?;
    daemon::stop::stop(&paths)?;
    let pid = daemon::start::start(&paths, file.as_deref())?;
    start::ready(cx, args.json, &paths.home, pid)?;
    Ok(Exit::Ok)
}
