//! The supervision tree.

use tsup_core::error::{Exit, UserError};
use tsup_core::limits::NAME_BYTES_MAX;
use tsup_core::supervision::Refusal;
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::{self, Node, NodeState};
use tsup_core::wire::verb::Body;

use super::Desk;
use crate::supervisor::{ChildError, View};

impl Desk {
    pub(super) fn tree(&self) -> Result<Body, UserError> {
        Ok(Body::Tree(doc::TreeDoc { version: doc::VERSION, root: self.view()?.node() }))
    }

    pub(super) async fn crash(&self, path: String) -> Result<Body, UserError> {
        crash(self.view()?, &path).await.map(Body::Done)
    }

    fn view(&self) -> Result<&View, UserError> {
        self.parts.tree.get().ok_or_else(|| {
            UserError::new(Exit::Refused, "the supervisor is coming up").hint("try again in a moment")
        })
    }
}

/// Says which nodes do not run; what hangs below such a node is not listed again.
pub(super) fn not_running(node: &Node, degraded: &mut Vec<String>) {
    let word = match node.state {
        NodeState::Running => {
            for child in &node.children {
                not_running(child, degraded);
            }
            return;
        }
        NodeState::BackingOff => "backs off",
        NodeState::Restarting => "is restarting",
        NodeState::Stopping => "is stopping",
        NodeState::Failed => "has failed",
        NodeState::Quarantined => "is quarantined",
    };
    let because = node.last_error.as_deref().map(|e| format!(": {e}")).unwrap_or_default();
    degraded.push(format!("{} {word}{because}", node.path));
}

/// The drill: ends one actor the hard way, by its path.
async fn crash(view: &View, path: &str) -> Result<String, UserError> {
    let shown = Untrusted::bounded(path, NAME_BYTES_MAX);
    let none = || {
        UserError::new(Exit::NotFound, format!("no actor `{shown}`"))
            .hint("`tsup ctl tree` shows the paths; the root itself cannot be crashed")
    };
    let (above, id) = path.rsplit_once('/').ok_or_else(none)?;
    let handle = view.find(above).and_then(|v| v.handle()).ok_or_else(none)?;
    match handle.crash(id).await {
        Ok(()) => Ok(format!("crashed {shown}")),
        Err(ChildError::Refused(Refusal::NotFound(_))) => Err(none()),
        Err(ChildError::Refused(e)) => Err(UserError::new(Exit::Refused, e.to_string())),
        Err(ChildError::Call(e)) => Err(UserError::new(Exit::TimedOut, e.to_string())),
    }
}
