//! Client side of the agents: agents, capture, and the verbs that change one.

use tsup_core::error::Exit;
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

/// `explain`: why an agent is in its state.
pub fn explain(cx: &Cx, client: &mut Client, agent: String, json: bool) -> Outcome {
    match client.ask(Verb::Explain { agent })? {
        Body::Explained(explained) if json => cx.out.json(&explained.doc)?,
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
