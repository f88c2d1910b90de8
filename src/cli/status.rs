//! `tsup status`.

use tsup_core::error::{Exit, UserError};
use tsup_core::wire::doc::VERSION;

use super::ctl::Json;
use super::{Cx, Outcome};
use crate::config::paths::Paths;
use crate::ctl::client::Client;
use crate::ctl::supervisor;
use crate::daemon::lock::{Holder, holder};

/// Arguments of `tsup status`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    json: Json,
}

/// What stands in for the status when there is nobody to ask.
#[derive(Debug, serde::Serialize)]
struct NotRunning {
    version: u32,
    running: bool,
}

/// Says whether a supervisor runs, and how it is. Exit code 3 when none does.
pub fn run(cx: &Cx, args: &Args) -> Outcome {
    answer(cx, args.json.json)
}

/// The same for `tsup ctl status`.
pub(super) fn answer(cx: &Cx, json: bool) -> Outcome {
    let paths = cx.global.paths()?;
    match Client::connect(&paths.socket) {
        Ok(mut client) => supervisor::status(cx, &mut client, json),
        Err(error) if json && error.exit == Exit::NoSupervisor => {
            cx.out.json(&NotRunning { version: VERSION, running: false })?;
            Ok(Exit::NoSupervisor)
        }
        Err(error) => Err(silent_holder(&paths, error).into()),
    }
}

/// A supervisor that holds the home and does not answer is another trouble than none.
fn silent_holder(paths: &Paths, error: UserError) -> UserError {
    let Ok(Holder::Known(id)) = holder(&paths.lock) else { return error };
    if id.socket != paths.socket {
        let hint = format!("the supervisor of this home listens at TSUP_SOCKET={}", id.socket.display());
        return error.hint(hint);
    }
    error.hint(format!(
        "a supervisor holds this home (pid {}): it is starting, ending, or in trouble; see its log",
        id.pid
    ))
}
