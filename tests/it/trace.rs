//! Watching leaves no trace: a session's environment, size, options and hooks are the same before,
//! during and after.

use std::fmt::Write as _;

use crate::harness::{World, eventually};

fn fingerprint(w: &World) -> String {
    let sessions = w.tmux(&[
        "list-sessions",
        "-F",
        "#{session_name} #{session_width}x#{session_height} #{window_width}",
    ]);
    let mut text = sessions.clone();
    for session in sessions.lines().filter_map(|l| l.split(' ').next()) {
        for args in [
            &["show-environment", "-t", session][..],
            &["show-options", "-t", session],
            &["show-hooks", "-t", session],
            &["show-options", "-w", "-t", session],
            &[
                "list-windows",
                "-t",
                session,
                "-F",
                "#{window_id} #{window_name} #{window_width}x#{window_height} #{window_layout}",
            ],
            &[
                "list-panes",
                "-s",
                "-t",
                session,
                "-F",
                "#{pane_id} #{pane_pid} #{pane_width}x#{pane_height} #{pane_title}",
            ],
        ] {
            let _ = write!(text, "\n--- {args:?}\n{}", w.tmux(args));
        }
    }
    for args in [
        &["show-environment", "-g"][..],
        &["show-options", "-g"],
        &["show-hooks", "-g"],
        &["show-options", "-s"],
    ] {
        let _ = write!(text, "\n--- {args:?}\n{}", w.tmux(args));
    }
    text
}

#[test]
fn a_watched_server_is_the_same_before_during_and_after() {
    let w = World::new();
    let agent = w.fake("claude", "start 0.1, idle 3600");
    w.dev(&["-x", "137", "-y", "41", &agent]);
    w.tmux(&["set-environment", "-t", "web", "SSH_AUTH_SOCK", "/kept"]);
    w.tmux(&["set-environment", "-t", "web", "DISPLAY", ":7"]);
    w.tmux(&["set-option", "-t", "web", "status-interval", "7"]);
    w.tmux(&["set-hook", "-t", "web", "window-renamed", "display-message x"]);
    w.tmux(&["split-window", "-d", "-t", "web:dev", &agent]);
    w.tmux(&["new-session", "-d", "-s", "wide", "-n", "wide", "-x", "300", "-y", "90", "sh"]);
    eventually("both agents have set their title", || {
        let titles = w.tmux(&["list-panes", "-s", "-t", "web", "-F", "#{pane_title}"]);
        (titles.matches("Claude Code").count() == 2).then_some(())
    });
    let before = fingerprint(&w);
    // From an environment as poor as a cron job's: titles must be right all the same.
    let path = std::env::var("PATH").unwrap();
    let mut poor = w.command(&["run", "--foreground"]);
    poor.env_clear().env("PATH", path).env("TSUP_HOME", w.home()).env("DISPLAY", ":666");
    let mut child = poor.stderr(std::process::Stdio::null()).spawn().unwrap();
    let agents = w.agents_when("both agents at rest", |a| {
        a.len() == 2 && a.iter().all(|x| matches!(x["state"].as_str(), Some("idle" | "fresh")))
    });
    assert!(agents.iter().all(|a| a["title"] == "✳ Claude Code"), "{agents:#?}");
    assert_eq!(before, fingerprint(&w), "while it is watched");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(eventually("the supervisor ends", || child.try_wait().unwrap()).success());
    eventually("no tmux client is left", || w.tmux(&["list-clients"]).is_empty().then_some(()));
    assert_eq!(before, fingerprint(&w), "after it was watched");
    w.tmux(&["kill-session", "-t", "wide"]);
}
