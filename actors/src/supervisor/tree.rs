//! A whole tree: its root, started and waited for.

use std::sync::Arc;
use std::time::Duration;

use ractor::ActorCell;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tsup_core::ids::{ActorPath, Generation};
use tsup_core::supervision::End;
use tsup_core::wire::doc::NodeState;

use crate::actor::Failure;
use crate::clock::now_mono;
use crate::supervisor::handle::{Handle, Msg};
use crate::supervisor::shell::{SHUTDOWN, Supervisor};
use crate::supervisor::spec::SupervisorSpec;
use crate::supervisor::view::{Status, View};

/// What a supervisor that gives up tells the one above it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {end}")]
pub struct Escalated {
    /// Who gives up.
    pub path: ActorPath,
    /// Why.
    pub end: End,
}

/// A running root supervisor.
#[derive(Debug)]
pub struct Tree {
    handle: Handle,
    view: View,
    cell: ActorCell,
    task: JoinHandle<()>,
    /// The root's own status: nobody stands above it to write it.
    status: watch::Sender<Status>,
}

impl Tree {
    /// What can be asked of the root.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The whole tree.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Begins an ordered stop: children in reverse start order, each with its deadline.
    pub fn stop(&self) {
        self.send_stop(false);
    }

    /// A stop that is under way, or begins now, kills instead of asking.
    pub fn hurry(&self) {
        self.send_stop(true);
    }

    fn send_stop(&self, hurry: bool) {
        if self.handle.core.gate.control(Msg::Stop { incarnation: None, hurry }).is_err() {
            self.cell.stop(Some(SHUTDOWN.to_owned()));
        }
    }

    /// How it ended, if it has.
    pub fn has_ended(&self) -> Option<End> {
        self.handle.core.end.borrow().clone()
    }

    /// Waits for the end. `None`: it died without having decided to.
    pub async fn ended(&mut self) -> Option<End> {
        // The task of an actor catches its panics; the end tells whether there was a decision.
        let _ = (&mut self.task).await;
        self.status.send_modify(|status| status.state = NodeState::Failed);
        self.handle.core.end.borrow().clone()
    }
}

/// Starts a root supervisor and its initial children.
pub async fn spawn(spec: SupervisorSpec) -> Result<Tree, Failure> {
    let handle = spec.handle();
    let core = Arc::clone(&spec.core);
    let gate = core.gate.clone();
    let (actor, task) = ractor::Actor::spawn(None, Supervisor, (Arc::new(spec), Generation(0)))
        .await
        .map_err(|e| Failure(e.to_string()))?;
    let mut up = Status::starting(0, Duration::ZERO);
    up.runs(now_mono());
    let status = watch::Sender::new(up);
    let view = View::new(core.path.clone(), Arc::new(move || gate.mailbox()), status.subscribe(), Some(core));
    Ok(Tree { handle, view, cell: actor.get_cell(), task, status })
}
