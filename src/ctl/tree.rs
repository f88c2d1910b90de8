//! Client side of the supervision tree: tree, crash.

use tsup_core::error::Exit;
use tsup_core::wire::verb::{Body, Verb};

use super::client::Client;
use super::{done, unexpected};
use crate::cli::{Cx, Outcome};
use crate::render::tree;

/// `tree`: the supervision tree.
pub fn show(cx: &Cx, client: &mut Client, json: bool) -> Outcome {
    match client.ask(Verb::Tree)? {
        Body::Tree(doc) if json => cx.out.json(&doc)?,
        Body::Tree(doc) => cx.out.print(&tree::draw(&doc, cx.out.look))?,
        other => return Err(unexpected(&other).into()),
    }
    Ok(Exit::Ok)
}

/// `crash`: ends one actor the hard way, to see it come back.
pub fn crash(cx: &Cx, client: &mut Client, path: String, json: bool) -> Outcome {
    done(cx, client.ask(Verb::Crash { path })?, json)
}
