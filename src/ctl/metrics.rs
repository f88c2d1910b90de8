//! Client side of the metrics.

use tsup_core::error::Exit;
use tsup_core::wire::verb::{Body, Verb};

use super::client::Client;
use super::{now, unexpected};
use crate::cli::{Cx, Outcome};
use crate::render::metrics;

/// `metrics`: all metrics as they stand.
pub fn current(cx: &Cx, client: &mut Client, json: bool) -> Outcome {
    match client.ask(Verb::Metrics)? {
        Body::Metrics(doc) if json => cx.out.json(&doc)?,
        Body::Metrics(doc) => cx.out.print(&metrics::draw(&doc, now(), cx.out.look))?,
        other => return Err(unexpected(&other).into()),
    }
    Ok(Exit::Ok)
}
