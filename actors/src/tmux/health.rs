//! What keeps tsup from the tmux servers, for whoever asks how the supervisor is.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tsup_core::ids::SocketName;
use tsup_core::tmux::report::{LostWhy, Report};

use super::Listener;

/// Why servers cannot be watched, by socket. Cheap to clone; a leaf that outlives its gateways.
#[derive(Debug, Clone, Default)]
pub struct Health {
    losses: Arc<watch::Sender<BTreeMap<SocketName, LostWhy>>>,
}

impl Health {
    /// A listener that notes what it hears and hands it on.
    pub fn listener(&self, to: Arc<dyn Listener>) -> Arc<dyn Listener> {
        let health = self.clone();
        Arc::new(move |socket: &SocketName, report: Report| {
            health.note(socket, &report);
            to.hear(socket, report)
        })
    }

    fn note(&self, socket: &SocketName, report: &Report) {
        match report {
            Report::Lost { why } => {
                self.losses.send_modify(|losses| {
                    losses.insert(socket.clone(), why.clone());
                });
            }
            Report::Snapshot { .. } => {
                self.losses.send_if_modified(|losses| losses.remove(socket).is_some());
            }
            _ => {}
        }
    }

    /// What is wrong, a line for each socket. That no server is there is not wrong: it is found when it
    /// starts.
    pub fn complaints(&self) -> Vec<String> {
        let losses = self.losses.borrow();
        let complaint = |(socket, why): (&SocketName, &LostWhy)| match why {
            LostWhy::NoServer | LostWhy::Ended => None,
            LostWhy::Stalled => Some(format!("tmux on socket {socket} does not answer")),
            unfit => unfit.unfit().map(|why| format!("{why} (socket {socket})")),
        };
        losses.iter().filter_map(complaint).collect()
    }

    /// Why nothing can be started in tmux until a person does something, if so.
    pub fn unfit(&self) -> Option<String> {
        self.losses.borrow().values().find_map(LostWhy::unfit)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Refused;
    use super::*;

    #[test]
    fn what_is_wrong_is_told_until_a_server_answers() {
        let health = Health::default();
        let listener = health.listener(Arc::new(|_: &SocketName, _: Report| Ok::<(), Refused>(())));
        let socket = SocketName("default".into());
        let hear = |why| listener.hear(&socket, Report::Lost { why }).unwrap();
        hear(LostWhy::NoServer);
        assert_eq!(health.complaints(), Vec::<String>::new());
        hear(LostWhy::Stalled);
        assert_eq!(health.complaints(), ["tmux on socket default does not answer"]);
        assert_eq!(health.unfit(), None);
        hear(LostWhy::TooOld("2.9, at least 3.2 is needed".into()));
        assert_eq!(health.complaints(), ["tmux is too old: 2.9, at least 3.2 is needed (socket default)"]);
        hear(LostWhy::NoBinary("tmux: no such file".into()));
        assert_eq!(health.unfit().unwrap(), "tmux cannot be run: tmux: no such file");
        hear(LostWhy::Ended);
        assert_eq!((health.complaints(), health.unfit()), (Vec::new(), None));
    }
}
