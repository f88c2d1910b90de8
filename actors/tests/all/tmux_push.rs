//! How soon a write in a pane is known, in each shape of fleet and with each kind of push.

use std::io::Write as _;
use std::path::Path;

use tsup_core::ids::PaneId;
use tsup_core::limits::PUSH_CLIENTS_MAX;
use tsup_core::settings::PushMode;

use super::tmux_kit::{Tmux, Watching, clients, until};

/// Writes a line to a pane's terminal as its program would.
fn print(tty: &Path) {
    let mut file = std::fs::OpenOptions::new().write(true).open(tty).expect("a pane's terminal");
    writeln!(file, "a line").expect("the terminal takes it");
}

/// How much activity of a pane was told by now. Asked before something is printed: what is told while
/// nobody listens counts as well.
fn told(w: &mut Watching, pane: PaneId) -> usize {
    w.catch_up();
    w.known.activity.get(&pane).map_or(0, Vec::len)
}

/// Waits for more activity than `before`.
async fn seen(w: &mut Watching, pane: PaneId, before: usize) {
    w.until("activity", |k| k.activity.get(&pane).is_some_and(|a| a.len() > before)).await;
}

/// Prints in some panes of a server and waits until each is told.
async fn print_here_and_there(tmux: &Tmux, push: PushMode, panes: usize) {
    let mut w = Watching::start(tmux, push).await;
    w.until("all panes", |k| k.panes.len() == panes).await;
    if push == PushMode::Clients {
        until("a client on each session", || {
            clients(tmux).len() == 1 + w.known.sessions.len().min(PUSH_CLIENTS_MAX)
        })
        .await;
    }
    let all: Vec<_> = w.known.panes.values().map(|p| (p.pane, p.tty.clone())).collect();
    for (pane, tty) in all.iter().step_by(panes.div_ceil(12)) {
        let before = told(&mut w, *pane);
        // Written from another thread: a terminal whose server does not read could block.
        let tty = tty.clone();
        let writer = tokio::task::spawn_blocking(move || print(Path::new(&tty)));
        seen(&mut w, *pane, before).await;
        writer.await.expect("the write");
    }
    let (pane, _) = all[0];
    w.until("its screen", |k| k.screens.get(&pane).is_some_and(|s| s.contains("a line"))).await;
    assert_eq!((w.known.snapshots, w.known.lost.len()), (1, 0));
    w.stop().await;
}

/// So many sessions with so many windows each.
fn fleet(sessions: usize, windows: usize) -> Tmux {
    let tmux = Tmux::absent();
    for s in 0..sessions {
        let mut line = vec!["new-session", "-d", "-s"];
        let name = format!("s{s}");
        line.extend([name.as_str(), "exec cat"]);
        for _ in 1..windows {
            line.extend([";", "new-window", "-d", "-t", name.as_str(), "exec cat"]);
        }
        tmux.run(&line);
    }
    tmux
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_are_told_by_the_terminals_of_200_sessions() {
    print_here_and_there(&fleet(200, 1), PushMode::Tty, 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_are_told_by_the_terminals_of_4_sessions_of_50() {
    print_here_and_there(&fleet(4, 50), PushMode::Auto, 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_are_told_by_push_clients() {
    print_here_and_there(&fleet(4, 10), PushMode::Clients, 40).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn push_clients_are_few_where_sessions_are_many() {
    let tmux = fleet(PUSH_CLIENTS_MAX + 5, 1);
    print_here_and_there(&tmux, PushMode::Clients, PUSH_CLIENTS_MAX + 5).await;
    until("no client left", || clients(&tmux).is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_are_seen_without_any_push() {
    let tmux = fleet(2, 2);
    let mut w = Watching::start(&tmux, PushMode::Off).await;
    w.until("all panes", |k| k.panes.len() == 4).await;
    let (pane, tty) = w.known.panes.values().map(|p| (p.pane, p.tty.clone())).next_back().expect("a pane");
    // tmux tells activity by the second: the write must fall into a later one than the pane's start.
    let deadline = tokio::time::Instant::now() + super::tmux_kit::LONG;
    while !w.known.activity.contains_key(&pane) {
        assert!(tokio::time::Instant::now() < deadline, "not in time: activity");
        print(Path::new(&tty));
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        w.catch_up();
    }
    assert!(clients(&tmux).len() <= 1);
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split_windows_tell_by_pane() {
    let tmux = Tmux::with_session("a", "exec cat");
    for _ in 1..6 {
        tmux.run(&["split-window", "-d", "-t", "a", "exec cat", ";", "select-layout", "-t", "a", "tiled"]);
    }
    print_here_and_there(&tmux, PushMode::Tty, 6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn panes_that_come_and_go_are_known_soon() {
    let tmux = fleet(2, 1);
    let mut w = Watching::start(&tmux, PushMode::Auto).await;
    w.until("both panes", |k| k.panes.len() == 2).await;
    tmux.run(&["new-window", "-d", "-t", "s1", "exec cat"]);
    w.until("a window", |k| k.panes.len() == 3).await;
    // A split elsewhere is told by nobody; its program's first output shows it.
    tmux.run(&["split-window", "-d", "-t", "s1", "sleep 1; echo begins; exec cat"]);
    w.until("a split", |k| k.panes.len() == 4 && k.panes.values().any(|p| p.window_panes == 2)).await;
    let (last, _, tty) = tmux.pane("s0");
    let before = told(&mut w, last);
    print(&tty);
    seen(&mut w, last, before).await;
    tmux.run(&["kill-session", "-t", "s1"]);
    w.until("one left", |k| k.panes.len() == 1 && k.sessions.len() == 1).await;
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_linked_into_two_sessions_is_one_pane() {
    let tmux = fleet(2, 1);
    tmux.run(&["link-window", "-d", "-s", "s1:0", "-t", "s0:5"]);
    let mut w = Watching::start(&tmux, PushMode::Auto).await;
    w.up().await;
    assert_eq!(w.known.panes.len(), 2);
    let (pane, _, _) = tmux.pane("s1");
    assert_eq!(w.known.sessions[&w.known.panes[&pane].session], "s0", "the lowest session id");
    tmux.run(&["kill-session", "-t", "s0"]);
    w.until("the one left", |k| {
        k.panes.get(&pane).and_then(|p| k.sessions.get(&p.session)).is_some_and(|s| s == "s1")
    })
    .await;
    w.stop().await;
}
