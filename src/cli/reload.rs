//! `tsup reload`.

use super::{Cx, Outcome};
use crate::ctl::client::Client;
use crate::ctl::supervisor;

/// Lets the supervisor read its configuration again; says what changed.
pub fn run(cx: &Cx) -> Outcome {
    supervisor::reload(cx, &mut Client::connect(&cx.global.paths()?.socket)?)
}
