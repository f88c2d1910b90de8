//! Client side of the agents: agents, capture, and the verbs that change one.

use serde::Serialize;
use tsup_core::error::Exit;
use tsup_core::wire::doc::explain::ExplainDoc;
use tsup_core::wire::verb::{Body, Verb};

use super::client::Client;
use super::{now, unexpected};
use crate::cli::{Cx, Outcome};
use crate::render::{agents, explain};

/// `agents`: the agents there are; also the answer of a verb that changes some of them.
pub fn show(cx: &Cx, client: &mut Client, verb: Verb, json: bool) -> Outcome {
    match client.ask(verb)? {
        Body::Agents(doc) | Body::Changed(doc) if json => cx.out.json(&doc)?,
        Body::Agents(doc) | Body::Changed(doc) => {
            cx.out.print(&agents::draw(&doc, now(), cx.out.look))?;
        }
        Body::Done(words) => cx.out.print(&words)?,
        other => return Err(unexpected(&other).into()),
    }
    Ok(Exit::Ok)
}

/// The document of `explain` with what a person is told beside it.
#[derive(Debug, Serialize)]
struct ExplainedJson<'a> {
    #[serde(flatten)]
    doc: &'a ExplainDoc,
    notes: &'a [String],
    missing: &'a [String],
}

/// `explain`: why an agent is in its state.
pub fn explain(cx: &Cx, client: &mut Client, agent: String, json: bool) -> Outcome {
    match client.ask(Verb::Explain { agent })? {
        Body::Explained(explained) if json => {
            let (notes, missing) = (&explained.notes.notes, &explained.notes.missing);
            cx.out.json(&ExplainedJson { doc: &explained.doc, notes, missing })?;
        }
        Body::Explained(explained) => cx.out.print(&explain::draw(&explained, now(), cx.out.look))?,
        other => return Err(unexpected(&other).into()),
    }
    Ok(Exit::Ok)
}

/// `capture`: what an agent's pane shows. Control characters are shown escaped, lines stay lines.
pub fn capture(cx: &Cx, client: &mut Client, agent: String, json: bool) -> Outcome {
    let asked = agent.clone();
    match client.ask(Verb::Capture { agent })? {
        Body::Capture { text } if json => {
            let doc = serde_json::json!({
                "version": tsup_core::wire::doc::VERSION, "agent": asked, "text": text.raw(),
            });
            cx.out.json(&doc)?;
        }
        Body::Capture { text } => {
            let lines = text.raw().lines().map(|l| format!("{}\n", tsup_core::untrusted::Untrusted::from(l)));
            cx.out.print(&lines.collect::<String>())?;
        }
        other => return Err(unexpected(&other).into()),
    }
    Ok(Exit::Ok)
}
