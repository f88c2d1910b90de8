//! Hooks that lie, and hooks that were not called: neither makes an agent's state wrong.

use std::fs;
use std::os::unix::net::UnixDatagram;

use tsup_core::clock::Wall;
use tsup_core::fleet::hook::{Caller, HookReport, HookSays, wire};
use tsup_core::fleet::state::{AgentState, Detail};
use tsup_core::ids::ProcId;

use crate::harness::{TSUP, World, eventually};
use crate::hooks::{counted, counter, type_line};

#[test]
fn frames_in_the_right_format_about_another_process_change_no_state() {
    let mut w = World::new();
    w.dev(&[&w.fake("claude", "start 0.1, idle 3600")]);
    w.run();
    let rests = |s: &serde_json::Value| matches!(s.as_str(), Some("idle" | "fresh"));
    let agents = w.agents_when("it rests", |a| a.len() == 1 && rests(&a[0]["state"]));
    let pid = u32::try_from(agents[0]["pid"].as_u64().unwrap()).unwrap();
    let pane = agents[0]["pane"].as_str().unwrap().to_owned();
    let mut watch = w.watch(&["--kind", "agent_state"]);
    let own = ProcId { pid, start_ticks: 1 };
    let init = ProcId { pid: 1, start_ticks: 0 };
    let me = ProcId { pid: std::process::id(), start_ticks: 3 };
    let lies =
        [(pane.as_str(), own), (pane.as_str(), init), (pane.as_str(), me), ("%99", init), ("%99", own)];
    let sender = UnixDatagram::unbound().unwrap();
    for (order, (pane, above)) in (1..).zip(lies) {
        let report = HookReport {
            cli: "claude".into(),
            event: "PermissionRequest".into(),
            says: HookSays::State(AgentState::Waiting, Some(Detail::Permission)),
            caller: Caller {
                tmux: Some(format!("{},1,0", w.tmux_socket())),
                pane: Some(pane.to_owned()),
                agent: None,
                ancestors: vec![above],
            },
            session: None,
            transcript: None,
            words: "Bash".into(),
            at: Wall::default(),
            order: u64::MAX - 100 + order,
        };
        sender.send_to(&wire::encode(&report).unwrap(), w.home().join("hook.sock")).unwrap();
    }
    eventually("all were turned away", || {
        let away = counter(&w, "hooks.late") + counter(&w, "hooks.unmatched") + counter(&w, "hooks.dropped");
        (away == lies.len() as u64).then_some(())
    });
    // Somebody who really works is told, so that the silence before means something.
    w.tmux(&["new-window", "-d", "-t", "web:", "-n", "other", &w.fake("codex", "start 0.1, busy 3600")]);
    watch.next("the other works", |e| e["name"] == "other" && e["to"] == "busy");
    let about = watch.seen.iter().filter(|e| e["agent"] == agents[0]["id"]);
    assert_eq!(about.filter(|e| e["to"] == "waiting").count(), 0, "{:#?}", watch.seen);
}

#[test]
fn a_stop_that_no_hook_tells_of_is_seen_on_the_screen() {
    let mut w = World::new();
    let path = w.dir.join("claude");
    let text = format!(
        "#!/bin/sh\nexport TSUP_HOME={}\nstty -echo\n{TSUP} fake-agent --look claude --show idle\n\
         while read -r line; do case \"$line\" in\n\
         esc) printf '\\033[2J\\033[H'; {TSUP} fake-agent --look claude --show interrupted;;\n\
         *) printf '%s' \"$line\" | {TSUP} hook claude;; esac; done\n",
        w.home().display()
    );
    fs::write(&path, text).unwrap();
    w.dev(&["-x", "80", "-y", "24", &format!("sh {}", path.display())]);
    w.run();
    w.agents_when("it has come up", |a| a.len() == 1 && a[0]["state"] == "idle");
    counted(&w, "hooks.received", || type_line(&w, "web:dev", r#"{"hook_event_name":"UserPromptSubmit"}"#));
    w.agents_when("its hook says that it works", |a| a[0]["state"] == "busy");
    type_line(&w, "web:dev", "esc");
    w.agents_when("its screen says that it rests", |a| a[0]["state"] == "idle");
}
