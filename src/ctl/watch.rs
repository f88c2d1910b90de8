//! Client side of the stream of events.

use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tsup_core::error::{Exit, UserError};
use tsup_core::event::Event;

use super::client::{Client, Events, closed};
use super::interrupt;
use crate::cli::{Cx, Outcome};

/// Whether these are kinds of events.
pub fn check(kinds: &[String]) -> Result<(), UserError> {
    match kinds.iter().find(|k| !Event::KINDS.contains(&k.as_str())) {
        None => Ok(()),
        Some(unknown) => Err(UserError::new(Exit::Usage, format!("there is no event of kind `{unknown}`"))
            .hint(format!("kinds: {}", Event::KINDS.join(" ")))),
    }
}

/// `watch`: prints events as they happen, one JSON object a line, until the reader or the supervisor
/// goes. Its end by Ctrl-C is its ordinary end.
pub fn follow(cx: &Cx, client: Client, mut kinds: Vec<String>) -> Outcome {
    // The goodbye is always asked for, so that an ordered end is told from a death.
    let goodbye = Event::Draining.kind();
    let shows_goodbye = kinds.is_empty() || kinds.iter().any(|k| k == goodbye);
    if !shows_goodbye {
        kinds.push(goodbye.to_owned());
    }
    let events = client.watch(kinds)?;
    let interrupted = end_on_interrupt(&events)?;
    let mut draining = false;
    for event in events {
        if interrupted.load(Ordering::Acquire) {
            return Ok(Exit::Ok);
        }
        let stamped = event?;
        let is_goodbye = stamped.event == Event::Draining;
        draining |= is_goodbye;
        if is_goodbye && !shows_goodbye {
            continue;
        }
        cx.out.json(&stamped.to_json())?;
    }
    // A supervisor that said goodbye is no surprise.
    if draining || interrupted.load(Ordering::Acquire) { Ok(Exit::Ok) } else { Err(closed().into()) }
}

/// Closes the connection when the person presses Ctrl-C, so that what waits for it ends in order.
fn end_on_interrupt(events: &Events) -> Result<Arc<AtomicBool>, UserError> {
    let connection = events.connection().map_err(|e| interrupt::failed(&e))?;
    interrupt::notice(move || {
        let _ = connection.shutdown(Shutdown::Both);
    })
}
