//! Client side of what concerns the supervisor itself: status, reload.

use tsup_core::error::Exit;
use tsup_core::wire::verb::{Body, Verb};

use super::client::Client;
use super::{done, unexpected};
use crate::cli::{Cx, Outcome};
use crate::render::status;

/// `status`: how the supervisor is.
pub fn status(cx: &Cx, client: &mut Client, json: bool) -> Outcome {
    match client.ask(Verb::Status)? {
        Body::Status(doc) if json => cx.out.json(&doc)?,
        Body::Status(doc) => cx.out.print(&status::draw(&doc, cx.out.look))?,
        other => return Err(unexpected(&other).into()),
    }
    Ok(Exit::Ok)
}

/// `reload`: reads the configuration again.
pub fn reload(cx: &Cx, client: &mut Client, json: bool) -> Outcome {
    done(cx, client.ask(Verb::Reload)?, json)
}
