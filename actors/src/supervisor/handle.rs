//! What can be asked of a running supervisor.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tsup_core::ids::{ActorPath, Generation};
use tsup_core::limits;
use tsup_core::supervision::{ChildId, Command, Refusal, Timer};

use crate::gate::{CallError, Lane, Reply};
use crate::supervisor::spec::{ChildSpec, Core};
use crate::supervisor::view::View;

/// What became of a request.
pub(crate) type Answer = Result<(), Refusal>;

/// What a supervisor receives through its gate.
pub(crate) enum Msg {
    /// Adds a child. `None` once taken.
    Start(Option<ChildSpec>, Reply<Answer>),
    /// Asks something about a child. `None` once taken.
    Ask(Option<Command>, Reply<Answer>),
    /// Stop everything in order, or in a hurry. Meant for one incarnation, or for whichever there is.
    Stop {
        /// For which.
        incarnation: Option<Generation>,
        /// Without asking anybody.
        hurry: bool,
    },
    /// A child's start is complete.
    Ready(ChildId, Generation),
    /// A timer fired.
    Fired(Timer),
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChildError {
    /// The supervisor refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The supervisor did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// A supervisor, over all its incarnations. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(crate) core: Arc<Core>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({})", self.core.path)
    }
}

/// A stop may take all the time that the longest deadline gives it.
const ANSWER_TIMEOUT: Duration = limits::SUPERVISOR_SHUTDOWN.saturating_add(limits::CALL_TIMEOUT);

impl Handle {
    /// Its place in the tree.
    pub fn path(&self) -> &ActorPath {
        &self.core.path
    }

    /// The views of its children in start order.
    pub fn members(&self) -> Vec<View> {
        self.core.members.borrow().clone()
    }

    /// Adds a child after all others and returns when it has started. A child that does not start is
    /// not added.
    pub async fn start_child(&self, child: ChildSpec) -> Result<(), ChildError> {
        let message = |reply| Msg::Start(Some(child), reply);
        Ok(self.core.gate.call(Lane::Control, ANSWER_TIMEOUT, message).await??)
    }

    /// Stops a child and returns when it is down; calls off its restart. Unless it is temporary it stays
    /// known.
    pub async fn terminate_child(&self, id: &str) -> Result<(), ChildError> {
        self.ask(Command::Terminate(id.into())).await
    }

    /// Starts a child that is known and down.
    pub async fn restart_child(&self, id: &str) -> Result<(), ChildError> {
        self.ask(Command::Restart(id.into())).await
    }

    /// Forgets a child that is down.
    pub async fn delete_child(&self, id: &str) -> Result<(), ChildError> {
        self.ask(Command::Delete(id.into())).await
    }

    /// Kills a child as if somebody else had: a drill. Returns when the kill is sent.
    pub async fn crash(&self, id: &str) -> Result<(), ChildError> {
        self.ask(Command::Crash(id.into())).await
    }

    async fn ask(&self, command: Command) -> Result<(), ChildError> {
        let message = |reply| Msg::Ask(Some(command), reply);
        Ok(self.core.gate.call(Lane::Control, ANSWER_TIMEOUT, message).await??)
    }
}
