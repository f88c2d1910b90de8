//! Ctrl-C while something is followed or waited for: it is noticed, and ends nothing by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tsup_core::error::{Exit, UserError};

use crate::config::plain;

/// Notices Ctrl-C from now on. `then` is run when it comes, for whoever does not look from time to time.
pub(super) fn notice(then: impl FnOnce() + Send + 'static) -> Result<Arc<AtomicBool>, UserError> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&interrupted);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let runtime = runtime.map_err(|e| failed(&e))?;
    // Taken here and not in the thread: from now on Ctrl-C is ours.
    let mut interrupt = {
        let _in_runtime = runtime.enter();
        signal(SignalKind::interrupt()).map_err(|e| failed(&e))?
    };
    let work = move || {
        runtime.block_on(interrupt.recv());
        seen.store(true, Ordering::Release);
        then();
    };
    std::thread::Builder::new().name("interrupt".into()).spawn(work).map_err(|e| failed(&e))?;
    Ok(interrupted)
}

pub(super) fn failed(e: &std::io::Error) -> UserError {
    UserError::new(Exit::Failed, format!("cannot wait for Ctrl-C: {}", plain(e)))
}
