//! `tsup stop`.

use tsup_core::error::Exit;

use super::ctl::Json;
use super::{Cx, Outcome, start};
use crate::daemon;
use crate::daemon::lock::Holder;

/// Arguments of `tsup stop`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    json: Json,
}

/// Stops the supervisor; returns when its home is free. That nobody ran is as good.
pub fn run(cx: &Cx, args: &Args) -> Outcome {
    let paths = cx.global.paths()?;
    let (pid, words) = match daemon::stop::stop(&paths)? {
        None => (None, format!("no supervisor runs in {}", paths.home.display())),
        Some(Holder::Known(id)) => {
            (Some(id.pid), format!("the supervisor is gone (pid {}); the agents stay", id.pid))
        }
        Some(_) => (None, "the supervisor is gone; the agents stay".into()),
    };
    start::tell(cx, args.json, &paths.home, false, pid, &words)?;
    Ok(Exit::Ok)
}
