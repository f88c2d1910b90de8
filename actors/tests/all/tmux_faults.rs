//! What can go wrong with a tmux server, one test each, in the order of the catalogue.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tsup_core::ids::SocketName;
use tsup_core::limits::{ACTIVITY_INTERVAL, CAPTURE_BYTES_MAX, TITLE_BYTES_MAX, TMUX_DEADLINE};
use tsup_core::settings::PushMode;
use tsup_core::tmux::report::{Ask, AskError, LostWhy};

use super::tmux_kit::{Stopped, Tmux, Watching, clients, launch, signal, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_01_no_server_is_told_and_none_is_started() {
    let tmux = Tmux::absent();
    let mut w = Watching::start(&tmux, PushMode::Auto).await;
    w.until("no server", |k| k.lost == [LostWhy::NoServer]).await;
    let ask = w.capture("%0".parse().unwrap()).await;
    assert_eq!(ask, Err(AskError::NoServer(tmux.socket.clone())));
    assert!(!tmux.is_there());
    // When somebody starts one, it is found.
    tmux.session("later", "cat");
    w.until("the server", |k| k.has_session("later")).await;
    assert_eq!(w.known.lost.len(), 1, "told once");
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_02_a_killed_server_is_one_loss_and_its_successor_another_server() {
    let tmux = Tmux::with_session("a", "cat");
    let mut w = Watching::start(&tmux, PushMode::Auto).await;
    w.up().await;
    let first = w.known.server.clone().unwrap();
    signal(tmux.server_pid(), Signal::KILL);
    w.until("the loss", |k| !k.lost.is_empty()).await;
    assert_eq!(w.known.lost, [LostWhy::Ended]);
    tmux.session("b", "cat");
    w.until("the successor", |k| k.has_session("b")).await;
    assert_ne!(w.known.server.as_ref().unwrap().process, first.process);
    assert_eq!(w.known.lost.len(), 1, "told once");
    assert!(w.metrics.doc().counters["tmux.commands"] > 0);
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_03_a_stopped_server_is_a_stall_not_an_end_and_leaves_no_pile_of_clients() {
    let tmux = Tmux::with_session("a", "cat");
    let mut w = Watching::start(&tmux, PushMode::Tty).await;
    w.up().await;
    let pane = *w.known.panes.keys().next().unwrap();
    let stopped = Stopped::new(tmux.server_pid());
    let asked = Instant::now();
    let ask = w.capture(pane).await;
    assert_eq!(ask, Err(AskError::Timeout(TMUX_DEADLINE.as_secs())));
    assert!(asked.elapsed() < TMUX_DEADLINE * 2);
    w.until("the stall", |k| k.lost == [LostWhy::Stalled]).await;
    assert!(clients(&tmux).len() <= 1, "clients {:?}", clients(&tmux));
    drop(stopped);
    w.until("a second snapshot", |k| k.snapshots == 2).await;
    assert!(w.capture(pane).await.is_ok());
    assert_eq!(w.known.lost.len(), 1);
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_04_a_slow_server_holds_up_no_other() {
    let (slow, other) = (Tmux::with_session("slow", "cat"), Tmux::with_session("other", "cat"));
    let mut a = Watching::start(&slow, PushMode::Auto).await;
    let mut b = Watching::start(&other, PushMode::Auto).await;
    a.up().await;
    b.up().await;
    let stopped = Stopped::new(slow.server_pid());
    let (pane, _, _) = other.pane("other");
    for n in 0..5 {
        let before = b.known.activity.get(&pane).map_or(0, Vec::len);
        other.run(&["send-keys", "-t", "other", &format!("line{n}"), "Enter"]);
        b.until("activity", |k| k.activity.get(&pane).is_some_and(|a| a.len() > before)).await;
        let asked = Instant::now();
        b.capture(pane).await.unwrap();
        assert!(asked.elapsed() < Duration::from_secs(1));
    }
    assert_eq!(b.known.lost, []);
    drop(stopped);
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_05_a_missing_or_old_tmux_is_told_with_the_minimum() {
    let tmux = Tmux::absent();
    let mut place = tmux.place();
    place.program = tmux.path().join("no-such-tmux");
    let mut w = Watching::with_place(tmux.socket.clone(), place.clone(), PushMode::Auto).await;
    w.until("no binary", |k| !k.lost.is_empty()).await;
    assert!(matches!(&w.known.lost[0], LostWhy::NoBinary(why) if why.contains("3.2")), "{:?}", w.known.lost);
    w.stop().await;

    place.program = tmux.path().join("old-tmux");
    std::fs::write(&place.program, "#!/bin/sh\necho tmux 2.9a\n").unwrap();
    std::fs::set_permissions(&place.program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut w = Watching::with_place(tmux.socket.clone(), place, PushMode::Auto).await;
    w.until("too old", |k| !k.lost.is_empty()).await;
    let LostWhy::TooOld(why) = &w.known.lost[0] else { panic!("{:?}", w.known.lost) };
    assert!(why.contains("2.9a") && why.contains("3.2"), "{why}");
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_06_a_pane_that_ends_between_list_and_capture_is_gone() {
    let tmux = Tmux::with_session("a", "cat");
    tmux.session("b", "cat");
    let (pane, _, _) = tmux.pane("b");
    let mut w = Watching::start(&tmux, PushMode::Auto).await;
    w.up().await;
    tmux.run(&["kill-session", "-t", "b"]);
    assert_eq!(w.capture(pane).await, Err(AskError::Gone(pane)));
    w.until("its end", |k| !k.panes.contains_key(&pane) && !k.has_session("b")).await;
    assert_eq!(w.known.lost, []);
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_07_a_pane_id_of_another_server_is_another_pane() {
    let tmux = Tmux::with_session("a", "cat");
    let mut w = Watching::start(&tmux, PushMode::Auto).await;
    w.up().await;
    let (server, (pane, facts)) =
        (w.known.server.clone().unwrap(), w.known.panes.pop_first().expect("one pane"));
    tmux.run(&["kill-server"]);
    until("the end of the server", || !tmux.is_there()).await;
    tmux.session("a", "cat");
    w.until("a second snapshot", |k| k.snapshots == 2).await;
    assert_ne!(w.known.server.as_ref().unwrap().process, server.process);
    assert_ne!(w.known.panes[&pane].pid, facts.pid);
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_08_a_renamed_session_or_window_keeps_its_id() {
    let tmux = Tmux::with_session("a", "cat");
    tmux.session("b", "cat");
    let mut w = Watching::start(&tmux, PushMode::Auto).await;
    w.up().await;
    let ids: Vec<_> = w.known.sessions.keys().copied().collect();
    for (old, new) in [("a", "renamed a"), ("b", "büro ✳")] {
        tmux.run(&["rename-session", "-t", old, new]);
        w.until("the new name", |k| k.has_session(new)).await;
    }
    tmux.run(&["rename-window", "-t", "renamed a", "w ##{pid} $(x)"]);
    w.until("the window's name", |k| k.panes.values().any(|p| p.window_name.raw() == "w #{pid} $(x)")).await;
    assert_eq!(w.known.sessions.keys().copied().collect::<Vec<_>>(), ids);
    assert_eq!(w.known.snapshots, 1);
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_09_a_client_that_is_thrown_out_comes_back_without_a_loss() {
    let tmux = Tmux::with_session("a", "cat");
    let mut w = Watching::start(&tmux, PushMode::Auto).await;
    w.up().await;
    let server = w.known.server.clone();
    let client = tmux.run(&["list-clients", "-F", "#{client_name}"]);
    tmux.run(&["detach-client", "-t", client.trim()]);
    w.until("a second snapshot", |k| k.snapshots == 2).await;
    assert_eq!((w.known.server.clone(), &w.known.lost[..]), (server, &[][..]));
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_10_copy_mode_and_dead_panes_are_known_and_do_no_harm() {
    let tmux = Tmux::with_session("a", "printf shown; exec cat");
    let mut w = Watching::start(&tmux, PushMode::Auto).await;
    w.up().await;
    let (pane, _, _) = tmux.pane("a");
    tmux.run(&["copy-mode", "-t", "a"]);
    w.until("the mode", |k| k.panes[&pane].in_mode).await;
    assert!(w.capture(pane).await.unwrap().contains("shown"));
    tmux.run(&["send-keys", "-t", "a", "-X", "cancel"]);
    w.until("no mode", |k| !k.panes[&pane].in_mode).await;

    tmux.run(&["set-option", "-p", "-t", "a", "remain-on-exit", "on"]);
    tmux.run(&["respawn-pane", "-k", "-t", "a", "exit 7"]);
    w.until("the end", |k| k.panes[&pane].dead.is_some()).await;
    assert!(w.capture(pane).await.is_ok());
    assert!(tmux.is_there() && w.known.lost.is_empty());
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_11_a_flood_of_output_is_bounded() {
    let tmux = Tmux::with_session("calm", "cat");
    let mut w = Watching::start(&tmux, PushMode::Auto).await;
    w.up().await;
    tmux.session("flood", "yes 0123456789012345678901234567890123456789012345678901234567890123456789");
    let (pane, _, _) = tmux.pane("flood");
    let (calm, _, _) = tmux.pane("calm");
    w.until("much activity", |k| k.activity.get(&pane).is_some_and(|a| a.len() >= 8)).await;
    let told = &w.known.activity[&pane];
    let span = told.last().unwrap().since(told[0]).max(ACTIVITY_INTERVAL);
    let most = 2 * (span.as_millis() / ACTIVITY_INTERVAL.as_millis()) as usize + 2;
    assert!(told.len() <= most, "{} reports in {span:?}", told.len());
    // A pane that is never quiet is looked at all the same, and others are not forgotten.
    w.until("a screen", |k| k.screens.get(&pane).is_some_and(|s| s.contains("0123456789"))).await;
    assert!(w.known.screens[&pane].len() <= CAPTURE_BYTES_MAX);
    assert!(w.capture(calm).await.is_ok());
    assert_eq!(w.known.lost, []);
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_12_a_pane_of_one_by_one_is_no_trouble() {
    let tmux = Tmux::with_session("a", "printf x; exec cat");
    let mut w = Watching::start(&tmux, PushMode::Auto).await;
    w.up().await;
    let (pane, _, _) = tmux.pane("a");
    for size in [("1", "1"), ("300", "100"), ("1", "1"), ("2", "1")] {
        tmux.run(&["resize-window", "-t", "a", "-x", size.0, "-y", size.1]);
        w.capture(pane).await.unwrap();
    }
    assert_eq!(w.known.lost, []);
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_13_hostile_text_comes_through_bounded_and_readable() {
    let script = concat!(
        r"printf '\033]2;evil \342\200\256 rtl \342\200\213 zero\033\\';",
        r"printf 'nul \000 bad \377 rtl \342\200\256 %%end 1 2 3\n%%begin 1 2 1\n%%exit\n'; exec cat"
    );
    let tmux = Tmux::with_session("a", script);
    let long = "t".repeat(5000);
    tmux.session("b", &format!(r"printf '\033]2;{long}\033\\'; printf ready; exec cat"));
    let mut w = Watching::start(&tmux, PushMode::Auto).await;
    let (pane, _, _) = tmux.pane("a");
    w.until("the titles", |k| {
        k.titles().iter().any(|t| t.len() == TITLE_BYTES_MAX)
            && k.panes.get(&pane).is_some_and(|p| p.title.raw().starts_with("evil"))
    })
    .await;
    let shown = w.known.panes[&pane].title.to_string();
    assert!(!shown.contains('\u{202e}') && !shown.contains('\u{200b}'), "{shown}");
    let screen = w.capture(pane).await.unwrap();
    assert!(screen.contains("%end 1 2 3\n%begin 1 2 1\n%exit"), "{screen:?}");
    assert!(w.capture(pane).await.is_ok(), "replies still fit their questions");
    assert_eq!((w.known.snapshots, w.known.lost.len()), (1, 0));
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_14_a_title_or_name_like_a_field_moves_no_field() {
    let tmux = Tmux::with_session("a", r"printf '\033]2;x\ty\t%%9\t$9\033\\'; exec cat");
    tmux.run(&["rename-window", "-t", "a", "n\tn\t%8\nnext ##{pane_id} ##(touch /nonexistent)"]);
    tmux.run(&["rename-session", "-t", "a", "s\t$7\nline"]);
    tmux.run(&["set-option", "-p", "-t", "%0", "@tsup_agent", "v1:a:b:c\tx\n%end 1 2 3"]);
    let mut w = Watching::start(&tmux, PushMode::Auto).await;
    w.until("the title", |k| k.titles().iter().any(|t| t.contains("%9"))).await;
    assert_eq!((w.known.panes.len(), w.known.sessions.len()), (1, 1));
    let facts = w.known.panes.values().next().unwrap();
    assert_eq!((facts.pane.0, facts.owner.clone()), (0, None));
    assert!(facts.window_name.raw().contains("#{pane_id}"), "{:?}", facts.window_name);
    assert_eq!(w.known.lost, []);
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_15_the_end_of_the_attached_session_moves_the_client_and_misses_nothing() {
    let tmux = Tmux::with_session("first", "cat");
    tmux.session("second", "cat");
    let mut w = Watching::start(&tmux, PushMode::Auto).await;
    w.up().await;
    let attached = tmux.run(&["list-clients", "-F", "#{session_name}"]);
    assert_eq!(attached.trim(), "first", "the oldest session is the likeliest to last");
    tmux.run(&["kill-session", "-t", "first"]);
    tmux.session("third", "cat");
    w.until("what happened meanwhile", |k| k.has_session("third") && !k.has_session("first")).await;
    assert_eq!((w.known.sessions.len(), &w.known.lost[..]), (2, &[][..]));
    let (pane, _, _) = tmux.pane("third");
    w.until("its pane", |k| k.panes.contains_key(&pane)).await;
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_last_session_is_the_end_of_the_server() {
    let tmux = Tmux::absent();
    let mut w = Watching::start(&tmux, PushMode::Auto).await;
    let made = w.launch(launch("own", "one", &["cat"])).await.unwrap();
    w.until("the pane", |k| k.panes.contains_key(&made.pane)).await;
    let kill = Ask::Kill { pane: made.pane, tag: super::tmux_kit::tag("own", "one") };
    assert_eq!(w.ask(kill).await, Ok(tsup_core::tmux::report::Answer::Killed));
    w.until("the end", |k| k.lost.contains(&LostWhy::Ended)).await;
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_may_be_a_path() {
    let tmux = Tmux::with_session("a", "cat");
    let path = tmux.place().socket_path(&tmux.socket).display().to_string();
    let mut place = tmux.place();
    place.tmpdir = None;
    let mut w = Watching::with_place(SocketName(path), place, PushMode::Auto).await;
    w.until("the session", |k| k.has_session("a")).await;
    w.stop().await;
}
