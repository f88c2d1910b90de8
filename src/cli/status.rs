//! `tsup status`.

use tsup_core::error::Exit;
use tsup_core::wire::doc::VERSION;

use super::ctl::Json;
use super::{Cx, Outcome};
use crate::ctl::client::Client;
use crate::ctl::supervisor;

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
    match Client::connect(&cx.global.paths()?.socket) {
        Ok(mut client) => supervisor::status(cx, &mut client, json),
        Err(error) if json && error.exit == Exit::NoSupervisor => {
            cx.out.json(&NotRunning { version: VERSION, running: false })?;
            Ok(Exit::NoSupervisor)
        }
        Err(error) => Err(error.into()),
    }
}
