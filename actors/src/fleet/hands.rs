//! Starts and ends children one after the other, so that no handler waits for a supervisor and no order
//! is lost.

use tokio::sync::mpsc;
use tsup_core::limits;
use tsup_core::supervision::Refusal;

use crate::actor::{Actor, Cx};
use crate::supervisor::{ChildError, ChildSpec, Handle};

/// Something to be done.
enum Task {
    Start(Box<ChildSpec>),
    End(String),
}

/// The way to the task that does it. It ends with the incarnation that made it.
pub(super) struct Hands {
    tasks: mpsc::Sender<Task>,
}

impl Hands {
    /// Works on the children of `supervisor`, on behalf of the actor of `cx`.
    pub(super) fn new<A: Actor>(supervisor: Handle, cx: &mut Cx<A>) -> Self {
        let (tasks, mut queue) = mpsc::channel(limits::HANDS_QUEUE);
        cx.spawn(async move {
            while let Some(task) = queue.recv().await {
                match task {
                    Task::Start(spec) => {
                        let id = spec.id().to_owned();
                        match supervisor.start_child(*spec).await {
                            // One that runs already is what was wanted.
                            Ok(()) | Err(ChildError::Refused(Refusal::AlreadyStarted(_))) => {}
                            Err(e) => tracing::warn!(child = id, error = %e, "child not started"),
                        }
                    }
                    Task::End(id) => {
                        let _ = supervisor.terminate_child(&id).await;
                        let _ = supervisor.delete_child(&id).await;
                    }
                }
            }
        });
        Hands { tasks }
    }

    /// Starts a child; one that runs already is left as it is. `false` when too much waits.
    pub(super) fn start(&self, spec: ChildSpec) -> bool {
        self.tasks.try_send(Task::Start(Box::new(spec))).is_ok()
    }

    /// Ends and forgets a child. `false` when too much waits.
    pub(super) fn end(&self, id: &str) -> bool {
        self.tasks.try_send(Task::End(id.to_owned())).is_ok()
    }
}
