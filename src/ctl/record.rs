//! `record`: keep what is seen of an agent.

use tsup_core::error::Exit;
use tsup_core::wire::verb::{Body, Verb};

use super::client::Client;
use super::unexpected;
use crate::cli::{Cx, Outcome};

/// Begins a record and prints where it is.
pub fn begin(cx: &Cx, client: &mut Client, agent: String, for_ms: Option<u64>, json: bool) -> Outcome {
    match client.ask(Verb::Record { agent, for_ms })? {
        Body::Record(doc) if json => cx.out.json(&doc)?,
        Body::Record(doc) => {
            cx.out.print(&format!("{}\n", doc.path))?;
            cx.out.say(&format!(
                "recording until {}, or until the supervisor ends; the file holds all that the pane shows, so keep it \
                 as safe as that",
                doc.until
            ));
        }
        other => return Err(unexpected(&other).into()),
    }
    Ok(Exit::Ok)
}
