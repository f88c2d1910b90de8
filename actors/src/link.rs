//! A reference that survives the end of what it points to.
//!
//! A gate outlives the restarts of its actor. When the supervisor above is rebuilt, the gate is
//! another one; a [`Link`] is pointed to it and everybody who holds the link follows.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::gate::{CallError, Full, Gate, Lane, Reply};

/// Points to a gate that may change. Cheap to clone; all clones point to the same.
pub struct Link<M> {
    target: Arc<watch::Sender<Option<Gate<M>>>>,
}

impl<M> Clone for Link<M> {
    fn clone(&self) -> Self {
        Link { target: Arc::clone(&self.target) }
    }
}

impl<M> fmt::Debug for Link<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({:?})", *self.target.borrow())
    }
}

impl<M: Send + 'static> Default for Link<M> {
    fn default() -> Self {
        Self::vacant()
    }
}

impl<M: Send + 'static> Link<M> {
    /// A link to nobody yet.
    pub fn vacant() -> Self {
        Link { target: Arc::new(watch::Sender::new(None)) }
    }

    /// From now on the link leads to `gate`.
    pub fn point_to(&self, gate: Gate<M>) {
        self.target.send_replace(Some(gate));
    }

    /// The gate, when there is one.
    pub fn get(&self) -> Option<Gate<M>> {
        self.target.borrow().clone()
    }

    /// Sends a control message. `Ok(false)` when nobody is there: the message is dropped.
    pub fn control(&self, message: M) -> Result<bool, Full<M>> {
        self.send(Lane::Control, message)
    }

    /// Sends a work message. `Ok(false)` when nobody is there: the message is dropped.
    pub fn work(&self, message: M) -> Result<bool, Full<M>> {
        self.send(Lane::Work, message)
    }

    /// Sends a telemetry message; dropped when nobody is there.
    pub fn telemetry(&self, message: M) {
        if let Some(gate) = self.target.borrow().as_ref() {
            gate.telemetry(message);
        }
    }

    fn send(&self, lane: Lane, message: M) -> Result<bool, Full<M>> {
        match self.target.borrow().as_ref() {
            Some(gate) => gate.send(lane, message).map(|()| true),
            None => Ok(false),
        }
    }

    /// Asks and waits at most `timeout`; [`CallError::Vacant`] when nobody is there.
    pub async fn call<R: Send + 'static>(
        &self,
        lane: Lane,
        timeout: Duration,
        make: impl FnOnce(Reply<R>) -> M + Send,
    ) -> Result<R, CallError> {
        let gate = self.get().ok_or(CallError::Vacant)?;
        gate.call(lane, timeout, make).await
    }
}
