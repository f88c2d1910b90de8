//! What is left of the gateway in what it watches, and when its process is gone: nothing.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use tsup_core::settings::PushMode;
use tsup_core::tmux::report::Ask;

use super::tmux_kit::{Stopped, Tmux, Watching, clients, launch, tag, until};

/// Everything of a server that somebody could have changed.
fn state(tmux: &Tmux) -> String {
    let mut all = String::new();
    for global in [
        &["show-environment", "-g"][..],
        &["show-options", "-s"],
        &["show-options", "-g"],
        &["show-options", "-gw"],
        &["show-hooks", "-g"],
        &["list-buffers"],
        &["list-keys"],
        &[
            "list-windows",
            "-a",
            "-F",
            "#{session_name}:#{window_index} #{window_name} #{window_layout} \
           #{window_width}x#{window_height} #{window_flags} #{automatic-rename}",
        ],
        &[
            "list-panes",
            "-a",
            "-F",
            "#{pane_id} #{pane_pid} #{pane_width}x#{pane_height} #{pane_mode} #{pane_title} #{pane_pipe}",
        ],
        &["list-sessions", "-F", "#{session_id} #{session_name} #{session_windows} #{session_group}"],
    ] {
        all += &asked(tmux, global);
    }
    for session in tmux.run(&["list-sessions", "-F", "#{session_id}"]).lines() {
        for what in [
            &["show-environment", "-t", session][..],
            &["show-options", "-t", session],
            &["show-options", "-w", "-t", session],
            &["show-options", "-p", "-t", session],
            &["show-hooks", "-t", session],
        ] {
            all += &asked(tmux, what);
        }
    }
    all
}

fn asked(tmux: &Tmux, args: &[&str]) -> String {
    format!("# {args:?}\n{}", tmux.run(args))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watching_changes_nothing() {
    let tmux = Tmux::with_session("a", "cat");
    tmux.session("b", "cat");
    tmux.run(&["set-option", "-g", "window-size", "latest"]);
    tmux.run(&["set-option", "-t", "b", "update-environment", "DISPLAY PATH TERM"]);
    tmux.run(&["set-environment", "-t", "b", "DISPLAY", ":7"]);
    tmux.run(&["split-window", "-d", "-t", "b", "cat"]);
    let before = state(&tmux);
    for push in [PushMode::Auto, PushMode::Clients, PushMode::Off] {
        let mut w = Watching::start(&tmux, push).await;
        w.up().await;
        if push == PushMode::Clients {
            until("push clients", || clients(&tmux).len() == 3).await;
        }
        let (pane, _, _) = tmux.pane("b");
        w.capture(pane).await.unwrap();
        assert_eq!(w.ask(Ask::Kill { pane, tag: tag("a", "b") }).await.ok(), None);
        assert_eq!(state(&tmux), before, "while it watches");
        w.stop().await;
        assert_eq!(clients(&tmux), [0; 0], "clients are gone when the stop is over");
        assert_eq!(tmux.run(&["list-clients"]), "");
        assert_eq!(state(&tmux), before, "afterwards");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_ends_with_its_last_client_is_not_attached_to() {
    let tmux = Tmux::with_session("fragile", "cat");
    tmux.session("sturdy", "cat");
    let mut holder = Command::new("tmux");
    holder.env("TMUX_TMPDIR", tmux.path()).env_remove("TMUX").args([
        "-L",
        &tmux.socket.0,
        "-C",
        "attach",
        "-t",
        "fragile",
    ]);
    let mut holder = holder.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    until("its client", || tmux.run(&["list-clients"]).contains("fragile")).await;
    tmux.run(&["set-option", "-t", "fragile", "destroy-unattached", "on"]);
    let mut w = Watching::start(&tmux, PushMode::Clients).await;
    w.up().await;
    until("the push client", || tmux.run(&["list-clients"]).matches("sturdy").count() == 2).await;
    assert_eq!(tmux.run(&["list-clients"]).matches("fragile").count(), 1, "only its own");
    w.stop().await;
    assert!(tmux.run(&["list-sessions"]).contains("fragile"));
    drop(holder.stdin.take());
    holder.wait().unwrap();
}

/// Runs this test binary again as another process that watches the server, see [`helper`].
fn watcher(tmux: &Tmux, push: &str, vars: &[(&str, &str)]) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut command = Command::new(std::env::current_exe().expect("this test's program"));
    command.args(["all::tmux_traces::helper", "--exact", "--nocapture"]).env_clear();
    command.env("TSUP_TEST_TMUX", tmux.path()).env("TSUP_TEST_PUSH", push).envs(vars.iter().copied());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("another process");
    let out = BufReader::new(child.stdout.take().expect("its output is a pipe"));
    (child, out)
}

/// The other process: watches until it is killed, and prints titles once there is a snapshot. Run as a
/// test of its own it has nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn helper() {
    let Some(dir) = std::env::var_os("TSUP_TEST_TMUX") else { return };
    let clients = std::env::var("TSUP_TEST_PUSH").is_ok_and(|p| p == "clients");
    let place = tsup_actors::tmux::Place { tmpdir: Some(dir.into()), ..tsup_actors::tmux::Place::from_env() };
    let push = if clients { PushMode::Clients } else { PushMode::Auto };
    let mut w = Watching::with_place(tsup_core::ids::SocketName("t".into()), place, push).await;
    w.until("titles", |k| k.titles().iter().any(|t| !t.is_ascii()) || k.panes.len() == 3).await;
    println!("\nTITLES {:?}", w.known.titles());
    std::future::pending::<()>().await;
}

fn titles(out: &mut impl std::io::BufRead) -> String {
    out.lines().map_while(Result::ok).find(|l| l.starts_with("TITLES")).expect("the watcher prints titles")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_client_outlives_a_killed_watcher() {
    let tmux = Tmux::with_session("a", "cat");
    tmux.session("b", "cat");
    tmux.session("c", "cat");
    for round in 0..3 {
        let (mut child, mut out) = watcher(&tmux, "clients", &[]);
        titles(&mut out);
        // Attached, too: tmux up to 3.6a may crash when a control client goes before it has told who it is (tmux#5004).
        let attached = || tmux.run(&["list-clients"]).lines().count() == 4;
        until("a client for each session and one to ask", || clients(&tmux).len() == 4 && attached()).await;
        let server = tmux.server_pid();
        // Nobody can take leave of a stopped server; they go when it wakes.
        let stopped = (round == 2).then(|| Stopped::new(server));
        child.kill().unwrap();
        child.wait().unwrap();
        drop(stopped);
        until("no client left", || clients(&tmux).is_empty()).await;
        assert_eq!(tmux.server_pid(), server, "the server lives");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn titles_are_right_from_an_empty_environment() {
    let tmux = Tmux::with_session("a", r"printf '\033]2;✳ prüfen 日本\033\\'; exec cat");
    let (mut child, mut out) = watcher(&tmux, "auto", &[]);
    let said = titles(&mut out);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(said.contains("✳ prüfen 日本"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_started_gets_no_secret_of_ours() {
    let tmux = Tmux::absent();
    let w = Watching::start(&tmux, PushMode::Off).await;
    let mut l = launch("own", "one", &["cat"]);
    l.env = vec![("TOKEN_OF_ONE".into(), "canary".into())];
    w.launch(l).await.unwrap();
    let environment = tmux.run(&["show-environment", "-g"]);
    assert!(!environment.contains("CARGO") && !environment.contains("canary"), "{environment}");
    let second = w.launch(launch("own", "two", &["cat"])).await.unwrap();
    let seen = std::fs::read(format!("/proc/{}/environ", second.pid)).unwrap();
    assert!(!String::from_utf8_lossy(&seen).contains("CARGO_MANIFEST_DIR"));
    w.stop().await;
}
