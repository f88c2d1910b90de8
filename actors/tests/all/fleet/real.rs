//! The fleet over a real tmux.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;
use tsup_actors::clock::now_wall;
use tsup_actors::fleet::{Fleet, Gateways};
use tsup_actors::gate::Gate;
use tsup_actors::supervisor::{Tree, child, spawn};
use tsup_actors::telemetry::Metrics;
use tsup_actors::tmux::{Gateway, GatewaySettings};
use tsup_core::fleet::state::AgentState;
use tsup_core::ids::ActorPath;
use tsup_core::settings::{PushMode, RestartPolicy, Settings};
use tsup_core::wire::doc::AgentDoc;

use super::super::tmux_kit::{LONG, Tmux, signal, until};
use super::fixture::{Parts, agent, settings};

/// A fleet with its gateway.
struct Watched {
    fleet: Fleet,
    tree: Tree,
}

impl Watched {
    async fn start(tmux: &Tmux, home: &TempDir, mut settings: Settings) -> Self {
        settings.tmux.sockets = vec![tmux.socket.clone()];
        // Stands for this program's hidden verb: lets go of its own arguments and becomes the command.
        let exe = home.path().join("launcher");
        std::fs::write(&exe, "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nshift\nexec \"$@\"\n")
            .unwrap();
        std::fs::set_permissions(&exe, std::fs::Permissions::from_mode(0o700)).unwrap();
        let gate = Gate::new(ActorPath::root().child("tmux"));
        let gateways: Gateways = [(tmux.socket.clone(), gate.clone())].into_iter().collect();
        let parts = Parts::new(home, settings, exe.to_str().unwrap(), Arc::new(gateways));
        let fleet = parts.fleet.clone();
        let gateway =
            GatewaySettings { socket: tmux.socket.clone(), push: PushMode::Auto, place: tmux.place() };
        let (listener, metrics) = (fleet.listener(), Metrics::new(now_wall()));
        let spec = parts.tree().child(child("tmux", gate, move || {
            Gateway::new(gateway.clone(), Arc::clone(&listener), &metrics)
        }));
        Watched { fleet, tree: spawn(spec).await.unwrap() }
    }

    async fn agent(&self, name: &str, like: impl Fn(&AgentDoc) -> bool) -> AgentDoc {
        let find = || {
            let docs = self.fleet.agents().into_iter();
            docs.filter(|a| format!("{}/{}", a.session, a.name) == name).find(|a| like(a))
        };
        let deadline = tokio::time::Instant::now() + LONG;
        loop {
            if let Some(doc) = find() {
                return doc;
            }
            assert!(tokio::time::Instant::now() < deadline, "{name}: {:#?}", self.fleet.agents());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn stop(mut self) {
        self.tree.stop();
        self.tree.ended().await;
    }
}

#[tokio::test]
async fn a_found_agent_lives_and_dies_under_a_shell() {
    let tmux = Tmux::absent();
    tmux.session("work", "bash --norc");
    tmux.run(&["rename-window", "-t", "work:", "dev"]);
    let home = tempfile::tempdir().unwrap();
    let w = Watched::start(&tmux, &home, settings()).await;
    until("the session", || w.fleet.sessions().iter().any(|s| s.present && s.panes == 1)).await;
    assert!(w.fleet.agents().is_empty(), "a shell is no agent");
    tmux.run(&["send-keys", "-t", "work:", "bash -c 'exec -a claude sleep 600'", "Enter"]);
    let doc = w.agent("work/dev", |a| a.pid.is_some()).await;
    assert_eq!((doc.agent.as_str(), doc.owned), ("claude", false));
    assert_eq!(w.fleet.capture("work/dev").await.unwrap().raw().matches("exec -a claude").count(), 1);
    signal(doc.pid.unwrap(), Signal::KILL);
    w.agent("work/dev", |a| a.state.is_dead()).await;
    // Another agent in the same pane takes its place.
    tmux.run(&["send-keys", "-t", "work:", "bash -c 'exec -a codex sleep 600'", "Enter"]);
    let next = w.agent("work/dev", |a| a.agent == "codex").await;
    assert_ne!(next.id, doc.id);
    assert_eq!(w.fleet.agents().len(), 1);
    w.stop().await;
}

#[tokio::test]
async fn an_owned_agent_comes_back_in_its_pane_and_is_met_again_by_the_next_supervisor() {
    let tmux = Tmux::absent();
    let home = tempfile::tempdir().unwrap();
    let mut settings = settings();
    settings.relaunch.initial_delay = Duration::ZERO;
    settings.sessions = vec![agent("team", "one", &["sleep", "600"], RestartPolicy::OnFailure)];
    let w = Watched::start(&tmux, &home, settings.clone()).await;
    let first = w.agent("team/one", |a| a.pid.is_some() && !a.pane.is_empty()).await;
    assert_eq!((first.owned, first.relaunches), (true, 0));
    signal(first.pid.unwrap(), Signal::KILL);
    let second = w.agent("team/one", |a| a.relaunches == 1 && a.pid.is_some()).await;
    assert_ne!(second.pid, first.pid);
    w.stop().await;
    let w = Watched::start(&tmux, &home, settings).await;
    let again = w.agent("team/one", |a| a.pid.is_some()).await;
    assert_eq!((again.id, again.pid, again.relaunches), (second.id, second.pid, 1));
    let killed = w.fleet.kill("team/one").await.unwrap();
    assert_eq!(killed[0].state, AgentState::Crashed);
    w.stop().await;
}
