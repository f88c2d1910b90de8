//! Client side of the schedules.

use tsup_core::error::Exit;
use tsup_core::wire::verb::{Body, Verb};

use super::client::Client;
use super::{now, unexpected};
use crate::cli::{Cx, Outcome};
use crate::render::schedules;

/// `schedules`: the scripts that run at times.
pub fn show(cx: &Cx, client: &mut Client, json: bool) -> Outcome {
    match client.ask(Verb::Schedules)? {
        Body::Schedules(doc) if json => cx.out.json(&doc)?,
        Body::Schedules(doc) => cx.out.print(&schedules::draw(&doc, now(), cx.out.look))?,
        other => return Err(unexpected(&other).into()),
    }
    Ok(Exit::Ok)
}
