//! Client side of the sessions.

use tsup_core::error::Exit;
use tsup_core::wire::verb::{Body, Verb};

use super::client::Client;
use super::unexpected;
use crate::cli::{Cx, Outcome};
use crate::render::sessions;

/// `sessions`: the sessions there are.
pub fn show(cx: &Cx, client: &mut Client, json: bool) -> Outcome {
    match client.ask(Verb::Sessions)? {
        Body::Sessions(doc) if json => cx.out.json(&doc)?,
        Body::Sessions(doc) => cx.out.print(&sessions::draw(&doc, cx.out.look))?,
        other => return Err(unexpected(&other).into()),
    }
    Ok(Exit::Ok)
}
