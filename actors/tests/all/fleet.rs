//! The fleet over a tmux made of nothing but processes: agents are found, die, come back, are held.

mod fake_tmux;
mod fixture;
mod real;

use std::time::Duration;

use tsup_core::error::Exit;
use tsup_core::event::Event;
use tsup_core::fleet::state::{AgentState, Detail};
use tsup_core::settings::RestartPolicy;
use tsup_core::tmux::report::LostWhy;
use tsup_core::wire::verb::Spawn;

use fixture::{World, agent, settings};

fn spawn(session: &str, name: &str, command: &[&str]) -> Spawn {
    Spawn {
        session: session.into(),
        name: name.into(),
        agent: "claude".into(),
        role: Some("qa".into()),
        cwd: Some("/".into()),
        command: command.iter().map(|c| (*c).to_owned()).collect(),
    }
}

#[tokio::test]
async fn a_found_agent_is_followed_to_its_death() {
    let mut w = World::new(settings()).await;
    let pid = w.tmux.pane("web", "dev", "exec -a claude sleep 600");
    w.tmux.tell();
    let found = w.event(|e| matches!(e, Event::AgentFound(_))).await;
    let Event::AgentFound(found) = found else { unreachable!() };
    assert_eq!((found.session.raw(), found.name.raw()), ("web", "dev"));
    let doc = w.agent("web/dev", |a| a.pid == Some(pid)).await;
    assert_eq!((doc.agent.as_str(), doc.owned, doc.role), ("claude", false, None));
    w.tmux.kill(pid);
    let died = w.event(|e| matches!(e, Event::AgentDied { .. })).await;
    let Event::AgentDied { agent, exit_code, signal } = died else { unreachable!() };
    assert_eq!((agent.pid, exit_code, signal), (Some(pid), None, Some(9)));
    let doc = w.agent("web/dev", |a| a.state == AgentState::Crashed).await;
    assert_eq!((doc.detail, doc.pid), (Some(Detail::Signal), None));
    let refused = w.fleet.kill("web/dev").await.unwrap_err();
    assert_eq!(refused.exit, Exit::Refused);
    assert!(refused.hint.is_some());
    assert_eq!(w.fleet.restart("web/dev").await.unwrap_err().exit, Exit::Refused);
}

#[tokio::test]
async fn a_gateway_without_room_is_told_again_who_is_an_agent() {
    let w = World::new(settings()).await;
    w.tmux.refuse_agents(3);
    w.tmux.pane("web", "dev", "exec -a claude sleep 600");
    w.tmux.tell();
    w.agent("web/dev", |a| a.pid.is_some()).await;
    w.until(|w| w.tmux.agents().len() == 1).await;
}

#[tokio::test]
async fn a_shell_that_ends_above_an_agent_is_told_and_the_agent_lives() {
    let mut w = World::new(settings()).await;
    let shell = w.tmux.pane("web", "dev", "exec -a claude sleep 600 & wait");
    w.tmux.tell();
    let pid = w.agent("web/dev", |a| a.pid.is_some()).await.pid.unwrap();
    assert_ne!(pid, shell);
    w.tmux.kill(shell);
    let missing = w.event(|e| matches!(e, Event::AgentState { to: AgentState::Missing, .. })).await;
    let Event::AgentState { because, .. } = missing else { unreachable!() };
    assert!(because.contains("signal 9"), "{because}");
    // The list that still shows the pane does not take it back, nor does the next incarnation.
    w.tmux.rename(shell, "other");
    w.tmux.tell();
    let listed = w.agent("web/other", |a| a.pid == Some(pid)).await;
    assert_eq!(listed.state, AgentState::Missing);
    w.crash("web", "dev").await;
    assert_eq!(w.agent("web/other", |a| a.pid == Some(pid)).await.state, AgentState::Missing);
    let process = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    let died = w.event(|e| matches!(e, Event::AgentDied { .. })).await;
    let Event::AgentDied { agent, .. } = died else { unreachable!() };
    assert_eq!(agent.pid, Some(pid));
}

#[tokio::test]
async fn an_agent_that_moves_to_another_session_stays_itself() {
    let mut w = World::new(settings()).await;
    let pid = w.tmux.pane("web", "dev", "exec -a claude sleep 600");
    w.tmux.tell();
    let before = w.agent("web/dev", |a| a.state == AgentState::Idle).await;
    w.fleet.pause("web/dev", None).await.unwrap();
    w.tmux.move_to(pid, "api");
    w.tmux.tell();
    let after = w.agent("api/dev", |a| a.pid == Some(pid)).await;
    assert_eq!((after.id, after.paused, after.since), (before.id, true, before.since));
    w.until(|w| w.fleet.agents().len() == 1).await;
    w.crash("api", "dev").await;
    w.tmux.kill(pid);
    w.event(|e| matches!(e, Event::AgentDied { signal: Some(9), .. })).await;
    let happened = w.events();
    let found = happened.iter().filter(|e| matches!(e, Event::AgentFound(_))).count();
    let gone = happened.iter().filter(|e| matches!(e, Event::AgentGone(_))).count();
    assert_eq!((found, gone), (1, 0), "{happened:#?}");
}

#[tokio::test]
async fn an_agent_that_moves_while_its_session_begins_anew_stays_itself() {
    let mut w = World::new(settings()).await;
    let pid = w.tmux.pane("web", "dev", "exec -a claude sleep 600");
    w.tmux.pane("web", "qa", "exec -a claude sleep 600");
    w.tmux.tell();
    let before = w.agent("web/dev", |a| a.state == AgentState::Idle).await;
    w.tmux.move_to(pid, "api");
    w.crash_now("web", "(session)").await;
    w.tmux.tell();
    let after = w.agent("api/dev", |a| a.pid == Some(pid)).await;
    assert_eq!((after.id, after.since), (before.id, before.since));
    w.until(|w| w.fleet.agents().len() == 2).await;
    w.tmux.kill(pid);
    w.event(|e| matches!(e, Event::AgentDied { signal: Some(9), .. })).await;
    let gone = w.events().iter().filter(|e| matches!(e, Event::AgentGone(_))).count();
    assert_eq!(gone, 0, "it is the one that was there before");
}

#[tokio::test]
async fn activity_makes_it_busy_and_quiet_makes_it_idle() {
    let mut w = World::new(settings()).await;
    w.tmux.pane("web", "dev", "exec -a codex sleep 600");
    w.tmux.tell();
    // A young process is starting; after its grace a quiet pane is idle.
    w.agent("web/dev", |a| a.state == AgentState::Starting).await;
    w.agent("web/dev", |a| a.state == AgentState::Idle).await;
    w.tmux.activity();
    let doc = w.agent("web/dev", |a| a.state == AgentState::Busy).await;
    assert!(doc.last_activity.is_some());
    w.agent("web/dev", |a| a.state == AgentState::Idle).await;
    w.event(|e| matches!(e, Event::AgentState { to: AgentState::Idle, .. })).await;
}

#[tokio::test]
async fn an_owned_agent_comes_back_until_it_is_held_and_that_is_remembered() {
    let mut settings = settings();
    settings.relaunch.initial_delay = Duration::ZERO;
    settings.relaunch.max_restarts = 2;
    settings.sessions =
        vec![agent("web", "dev", &["sh", "-c", "sleep 0.05; exit 3"], RestartPolicy::OnFailure)];
    let mut w = World::new(settings.clone()).await;
    w.tmux.no_server();
    w.event(|e| matches!(e, Event::AgentDied { exit_code: Some(3), .. })).await;
    w.event(|e| matches!(e, Event::AgentRelaunched { relaunches: 1, .. })).await;
    w.event(|e| matches!(e, Event::AgentRelaunched { relaunches: 2, .. })).await;
    let held = w.agent("web/dev", |a| a.detail == Some(Detail::Held)).await;
    assert_eq!((held.state, held.relaunches, held.owned), (AgentState::Crashed, 2, true));
    // A kill of the supervisor: another one begins with the same home.
    let mut w = w.again(settings).await;
    w.tmux.no_server();
    let held = w.agent("web/dev", |a| a.relaunches == 2).await;
    assert_eq!(held.pid, None);
    // A person overrides the hold.
    let up = w.fleet.restart("web/dev").await.unwrap();
    assert_eq!(up[0].relaunches, 3);
    w.event(|e| matches!(e, Event::AgentRelaunched { relaunches: 3, .. })).await;
}

#[tokio::test]
async fn what_happens_once_is_counted_once() {
    let mut settings = settings();
    settings.relaunch.initial_delay = Duration::ZERO;
    settings.sessions = vec![agent("web", "dev", &["sleep", "600"], RestartPolicy::Always)];
    let mut w = World::new(settings).await;
    w.tmux.no_server();
    let up = w.agent("web/dev", |a| a.state == AgentState::Starting && a.pid.is_some()).await;
    w.tmux.kill(up.pid.unwrap());
    w.event(|e| matches!(e, Event::AgentRelaunched { .. })).await;
    w.agent("web/dev", |a| a.state == AgentState::Idle).await;
    // An actor that comes back is told by the bus alone: once it is counted, whatever was told before is.
    w.crash("", "(breaker)").await;
    w.until(|w| w.metrics.doc().counters["actor.restarts"] == 1).await;
    let changes = w.events().iter().filter(|e| matches!(e, Event::AgentState { .. })).count();
    assert_eq!(changes, 3, "starting, crashed, starting, idle");
    let doc = w.metrics.doc();
    assert_eq!((doc.counters["agent.state_changes"], doc.counters["agent.relaunches"]), (3, 1));
    let left: u64 = ["starting", "crashed"]
        .iter()
        .map(|state| doc.timers[&format!("time_in_state_seconds;state={state}")].count)
        .sum();
    assert_eq!(left, 3);
}

#[tokio::test]
async fn what_finished_stays_down() {
    let mut settings = settings();
    settings.relaunch.initial_delay = Duration::ZERO;
    settings.sessions = vec![agent("web", "dev", &["sh", "-c", "exit 0"], RestartPolicy::OnFailure)];
    let w = World::new(settings).await;
    w.tmux.no_server();
    let doc = w.agent("web/dev", |a| a.state == AgentState::Exited).await;
    assert_eq!((doc.detail, doc.relaunches), (Some(Detail::Finished), 0));
    assert_eq!(w.tmux.launches(), 1);
}

#[tokio::test]
async fn people_spawn_pause_restart_and_kill() {
    let mut settings = settings();
    settings.relaunch.initial_delay = Duration::ZERO;
    let mut w = World::new(settings).await;
    w.tmux.no_server();
    let up = w.fleet.spawn(spawn("team", "one", &["sleep", "600"])).await.unwrap();
    let first = up[0].pid.unwrap();
    assert_eq!((up[0].owned, up[0].role.as_deref(), up[0].relaunches), (true, Some("qa"), 0));
    assert_eq!(w.fleet.spawn(spawn("team", "one", &["sleep", "1"])).await.unwrap_err().exit, Exit::Refused);
    assert_eq!(w.fleet.spawn(spawn("te:am", "x", &["sleep", "1"])).await.unwrap_err().exit, Exit::Usage);
    assert_eq!(w.fleet.kill("team/none").await.unwrap_err().exit, Exit::NotFound);
    let restarted = w.fleet.restart("team/one").await.unwrap();
    assert_ne!(restarted[0].pid, Some(first));
    assert_eq!(restarted[0].relaunches, 1);
    // Paused, it dies and stays down; resumed, it comes back.
    assert!(w.fleet.pause("team", None).await.unwrap()[0].paused);
    w.tmux.kill(restarted[0].pid.unwrap());
    w.agent("team/one", |a| a.state == AgentState::Crashed && a.paused).await;
    w.fleet.resume("team/one").await.unwrap();
    let back = w.agent("team/one", |a| a.pid.is_some()).await;
    assert_eq!(back.relaunches, 2);
    let killed = w.fleet.kill(&back.id.to_string()[..8]).await.unwrap();
    assert_eq!((killed[0].state, killed[0].detail), (AgentState::Crashed, Some(Detail::Killed)));
    w.event(|e| matches!(e, Event::AgentGone(_))).await;
    w.until(|w| w.fleet.agents().is_empty()).await;
    assert_eq!(w.tmux.launches(), 3, "what a person ended is not started again");
}

#[tokio::test]
async fn the_breaker_lets_only_so_many_through() {
    let mut settings = settings();
    settings.relaunch.initial_delay = Duration::ZERO;
    settings.relaunch.fleet_breaker = 2;
    settings.sessions = vec![agent("web", "a", &["sleep", "600"], RestartPolicy::Always)];
    for name in ["b", "c", "d", "e"] {
        let more = agent("web", name, &["sleep", "600"], RestartPolicy::Always);
        settings.sessions[0].agents.extend(more.agents);
    }
    let mut w = World::new(settings).await;
    w.tmux.no_server();
    w.until(|w| w.fleet.agents().iter().filter(|a| a.pid.is_some()).count() == 5).await;
    for doc in w.fleet.agents() {
        w.tmux.kill(doc.pid.unwrap());
    }
    w.event(|e| matches!(e, Event::AgentRelaunched { .. })).await;
    w.event(|e| matches!(e, Event::AgentRelaunched { .. })).await;
    w.until(|w| w.fleet.agents().iter().filter(|a| a.state == AgentState::Crashed).count() == 3).await;
    assert_eq!(w.tmux.launches(), 7, "five starts and two relaunches");
}

#[tokio::test]
async fn a_lost_server_is_one_notice_and_no_crash() {
    let mut w = World::new(settings()).await;
    let pids: Vec<u32> =
        (0..4).map(|n| w.tmux.pane("web", &format!("w{n}"), "exec -a claude sleep 600")).collect();
    w.tmux.tell();
    w.until(|w| w.fleet.agents().iter().filter(|a| a.pid.is_some()).count() == 4).await;
    w.tmux.lose(LostWhy::Stalled);
    w.until(|w| w.fleet.agents().iter().all(|a| a.detail == Some(Detail::LostServer))).await;
    w.tmux.tell();
    w.until(|w| w.fleet.agents().iter().all(|a| a.state != AgentState::Unknown)).await;
    for pid in pids {
        w.tmux.kill(pid);
    }
    w.tmux.lose(LostWhy::Ended);
    w.until(|w| w.fleet.agents().iter().all(|a| a.detail == Some(Detail::LostServer))).await;
    let lost = w.events().iter().filter(|e| matches!(e, Event::TmuxLost { .. })).count();
    assert_eq!(lost, 2, "one for each time");
    assert_eq!(w.fleet.agents().len(), 4);
}

#[tokio::test]
async fn agents_go_on_when_actors_of_the_fleet_crash() {
    let mut settings = settings();
    settings.sessions = vec![agent("web", "own", &["sleep", "600"], RestartPolicy::Always)];
    let mut w = World::new(settings).await;
    let pid = w.tmux.pane("web", "dev", "exec -a claude sleep 600");
    w.tmux.tell();
    let before = w.agent("web/dev", |a| a.pid == Some(pid)).await;
    let own = w.agent("web/own", |a| a.pid.is_some()).await;
    for (supervisor, child) in
        [("web", "dev"), ("web", "(session)"), ("", "(roster)"), ("", "(breaker)"), ("", "web")]
    {
        w.crash(supervisor, child).await;
        let after = w.agent("web/dev", |a| a.pid == Some(pid)).await;
        assert_eq!((after.id, after.pid), (before.id, before.pid), "after {supervisor}/{child}");
        assert_eq!(w.agent("web/own", |a| a.pid == own.pid).await.id, own.id);
    }
    assert_eq!(w.tmux.launches(), 1, "no process was started because an actor crashed");
    w.tmux.kill(pid);
    w.event(|e| matches!(e, Event::AgentDied { signal: Some(9), .. })).await;
    w.agent("web/dev", |a| a.state == AgentState::Crashed).await;
    let found = w.events().iter().filter(|e| matches!(e, Event::AgentFound(_))).count();
    assert_eq!(found, 2, "nobody is found twice");
}
