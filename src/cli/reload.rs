//! `tsup reload`.

use super::ctl::Json;
use super::{Cx, Outcome};
use crate::ctl::client::Client;
use crate::ctl::supervisor;

/// Arguments of `tsup reload`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    json: Json,
}

/// Lets the supervisor read its configuration again; says what changed.
pub fn run(cx: &Cx, args: &Args) -> Outcome {
    supervisor::reload(cx, &mut Client::connect(&cx.global.paths()?.socket)?, args.json.json)
}
