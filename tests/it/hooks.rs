//! Hooks as agent CLIs call them: from below the agent, in its pane, with whatever they write.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{TSUP, World, eventually};
use crate::hooks_install::hooks;

/// An agent that calls its hook with each line that is typed into its pane.
fn agent_script(w: &World) -> String {
    let path = w.dir.join("claude");
    let home = w.home();
    let text = format!(
        "#!/bin/sh\nexport TSUP_HOME={}\nwhile read -r line; do printf '%s' \"$line\" | {TSUP} hook claude; done\n",
        home.display()
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    format!("sh {}", path.display())
}

/// Types one line into a pane.
pub(crate) fn type_line(w: &World, pane: &str, line: &str) {
    w.tmux(&["send-keys", "-t", pane, "-l", line]);
    w.tmux(&["send-keys", "-t", pane, "Enter"]);
}

pub(crate) fn counter(w: &World, name: &str) -> u64 {
    let doc = w.json(&["ctl", "metrics", "--current", "--json"]);
    doc["counters"][name].as_u64().unwrap_or(0)
}

/// After this time a hook of which nothing is heard is taken for one that gave up.
const CALLED_AGAIN: Duration = Duration::from_secs(5);

/// Calls a hook until it is heard. Each call gives up after 85 ms and says nothing then: a machine that is busy
/// enough may not let it have these.
#[track_caller]
pub(crate) fn called_until<T>(what: &str, mut call: impl FnMut(), mut heard: impl FnMut() -> Option<T>) -> T {
    let mut next = Instant::now();
    eventually(what, || {
        if Instant::now() >= next {
            call();
            next = Instant::now() + CALLED_AGAIN;
        }
        heard()
    })
}

/// Calls a hook until this counter has grown.
#[track_caller]
pub(crate) fn counted(w: &World, name: &str, call: impl FnMut()) {
    let before = counter(w, name);
    called_until(&format!("{name} grows"), call, || (counter(w, name) > before).then_some(()));
}

/// Runs a hook outside of any pane with these bytes on standard input. It must end; how soon is for the bench.
fn call(w: &World, args: &[&str], env: &[(&str, &str)], input: &[u8]) -> Output {
    let mut child = w
        .command(args)
        .envs(env.iter().copied())
        .env_remove("TSUP_AGENT")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A hook may end before everything is written, which is its right.
    let _ = child.stdin.take().unwrap().write_all(input);
    eventually("the hook ends", || child.try_wait().unwrap());
    child.wait_with_output().unwrap()
}

#[track_caller]
fn silent_success(out: &Output) {
    assert_eq!(out.status.code(), Some(0));
    assert!(out.stdout.is_empty() && out.stderr.is_empty(), "{out:?}");
}

#[test]
fn a_hook_is_silent_and_succeeds_whatever_happens() {
    let w = World::new();
    let deep = "[".repeat(100_000);
    let big = vec![b'x'; 3_000_000];
    for input in [&b""[..], b"{}", b"null", b"\xff\xfe\x00", b"{\"hook_event_name\":", deep.as_bytes(), &big]
    {
        silent_success(&call(&w, &["hook", "claude"], &[], input));
    }
    for args in [
        &["hook"][..],
        &["hook", "nobody"],
        &["hook", "--what", "x"],
        &["--bogus", "hook", "claude"],
        &["--color", "nope", "hook", "claude"],
        &["--home", "", "hook", "claude"],
        &["hook", "claude", "--help"],
        &["hook", "../../etc/passwd"],
        &["hook", ""],
    ] {
        silent_success(&call(&w, args, &[], b"{\"hook_event_name\":\"Stop\"}"));
    }
    let json = b"{\"hook_event_name\":\"Stop\"}";
    silent_success(&call(&w, &["hook", "claude"], &[("TSUP_HOME", ""), ("HOME", "")], json));
    silent_success(&call(&w, &["hook", "claude"], &[("TSUP_HOME", "/proc/1/root/nowhere")], json));
    let long = format!("/{}", "x".repeat(4000));
    silent_success(&call(&w, &["hook", "claude"], &[("TSUP_HOME", &long), ("TMUX", &long)], json));
}

#[test]
fn a_hook_does_not_wait_for_a_cli_that_keeps_its_pipe_open() {
    let w = World::new();
    let mut child = w.command(&["hook", "claude"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut kept = child.stdin.take().unwrap();
    kept.write_all(b"{\"hook_event_name\":\"Stop\"}").unwrap();
    let end = eventually("the hook ends though its pipe is open", || child.try_wait().unwrap());
    assert_eq!(end.code(), Some(0));
    drop(kept);
}

#[test]
fn a_hook_does_not_wait_for_a_supervisor_that_reads_nothing() {
    let w = World::new();
    fs::create_dir(w.home()).unwrap();
    let path = w.home().join("hook.sock");
    let deaf = UnixDatagram::bind(&path).unwrap();
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.send_to(&[0; 4096], &path).is_ok() {}
    silent_success(&call(&w, &["hook", "claude"], &[], b"{\"hook_event_name\":\"Stop\"}"));
    drop(deaf);
    // And a leftover of a supervisor that was killed.
    silent_success(&call(&w, &["hook", "claude"], &[], b"{\"hook_event_name\":\"Stop\"}"));
}

#[test]
fn one_datagram_carries_the_report() {
    let w = World::new();
    fs::create_dir(w.home()).unwrap();
    let mailbox = UnixDatagram::bind(w.home().join("hook.sock")).unwrap();
    mailbox.set_nonblocking(true).unwrap();
    let mut buffer = vec![0; 65_536];
    let mut next = |args: &[&str], input: &[u8]| {
        // One that has ended has sent its report, or never will.
        let n = eventually("a hook sends its report in its time", || {
            silent_success(&call(&w, args, &[("TMUX", "/t,1,0"), ("TMUX_PANE", "%7")], input));
            mailbox.recv(&mut buffer).ok()
        });
        tsup_core::fleet::hook::wire::decode(&buffer[..n]).unwrap()
    };
    let report = next(
        &["hook", "claude"],
        b"{\"session_id\":\"s\",\"transcript_path\":\"/t.jsonl\",\"hook_event_name\":\"PreToolUse\",\"tool_name\":\"Bash\"}",
    );
    assert_eq!(
        (report.cli.as_str(), report.event.raw(), report.words.raw()),
        ("claude", "PreToolUse", "Bash")
    );
    assert_eq!(report.transcript, Some("/t.jsonl".into()));
    assert_eq!((report.caller.tmux.as_deref(), report.caller.pane.as_deref()), (Some("/t,1,0"), Some("%7")));
    let me = std::process::id();
    assert_eq!(report.caller.ancestors[0].pid, me, "the processes above it are named");
    let notify = r#"{"type":"agent-turn-complete","thread-id":"t9"}"#;
    let second = next(&["hook", "codex", notify], b"");
    assert_eq!((second.event.raw(), second.session), ("agent-turn-complete", Some("t9".into())));
    assert!(second.order > report.order, "reports are ordered");
    let third = next(&["hook", "copilot", "agentStop"], b"{\"sessionId\":\"c\"}");
    assert_eq!((third.event.raw(), third.session), ("agentStop", Some("c".into())));
}

#[test]
fn reports_find_their_agent_and_no_other() {
    let mut w = World::new();
    let script = agent_script(&w);
    w.dev(&[&script]);
    w.run();
    let mode = fs::metadata(w.home().join("hook.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let agents = w.agents_when("the agent is found", |a| a.len() == 1 && a[0]["agent"] == "claude");
    let pane = agents[0]["pane"].as_str().unwrap().to_owned();
    counted(&w, "hooks.received", || type_line(&w, "web:dev", r#"{"hook_event_name":"UserPromptSubmit"}"#));
    assert_eq!((counter(&w, "hooks.late"), counter(&w, "hooks.unmatched")), (0, 0));
    // Somebody outside of the pane who names it: not the agent's process.
    let tmux = format!("{},1,0", w.tmux_socket());
    let stop = b"{\"hook_event_name\":\"Stop\"}";
    let stranger = [("TMUX", tmux.as_str()), ("TMUX_PANE", pane.as_str())];
    counted(&w, "hooks.late", || drop(call(&w, &["hook", "claude"], &stranger, stop)));
    // Somebody who names nobody, and bytes that are no report.
    counted(&w, "hooks.unmatched", || drop(call(&w, &["hook", "claude"], &[], stop)));
    let sender = UnixDatagram::unbound().unwrap();
    sender.send_to(b"hello", w.home().join("hook.sock")).unwrap();
    sender.send_to(&vec![7; 20_000], w.home().join("hook.sock")).unwrap();
    eventually("both are dropped", || (counter(&w, "hooks.dropped") == 2).then_some(()));
    let all = ["hooks.late", "hooks.unmatched", "hooks.dropped"].map(|name| counter(&w, name));
    assert!(counter(&w, "hooks.received") > all.iter().sum(), "the first one was its agent's");
}

#[test]
fn what_the_hooks_say_is_what_the_agent_does() {
    let mut w = World::new();
    let script = agent_script(&w);
    w.dev(&[&script]);
    w.run();
    w.agents_when("the agent has come up", |a| a.len() == 1 && a[0]["state"] != "starting");
    for (line, state, detail) in [
        (r#"{"hook_event_name":"UserPromptSubmit"}"#, "busy", Some("thinking")),
        (r#"{"hook_event_name":"PreToolUse","tool_name":"Bash"}"#, "busy", Some("tool")),
        (r#"{"hook_event_name":"PermissionRequest","tool_name":"Bash"}"#, "waiting", Some("permission")),
        // A subagent goes on meanwhile.
        (
            r#"{"hook_event_name":"PostToolUse","tool_name":"Read","agent_id":"a1"}"#,
            "waiting",
            Some("permission"),
        ),
        (r#"{"hook_event_name":"SubagentStop","agent_id":"a1"}"#, "waiting", Some("permission")),
        (r#"{"hook_event_name":"PostToolUse","tool_name":"Bash"}"#, "busy", Some("thinking")),
        (r#"{"hook_event_name":"Stop"}"#, "idle", None),
    ] {
        counted(&w, "hooks.received", || type_line(&w, "web:dev", line));
        w.agents_when(line, |a| a[0]["state"] == state && a[0]["detail"].as_str() == detail);
    }
    let explained = w.json(&["ctl", "explain", "web/dev", "--json"]).to_string();
    assert!(explained.contains("hook.stop"), "{explained}");
}

#[test]
fn a_profile_that_extends_another_has_its_hooks_and_its_transcripts() {
    let mut w = World::new();
    w.configure("[fleet]\nprofiles = \"own\"\n");
    fs::create_dir(w.dir.join("own")).unwrap();
    let profile = "version = 1\nname = \"my-claude\"\nextends = \"claude\"\n[recognise]\nscripts = [\"my-claude\"]\n\
                   [hooks]\non = [{ event = \"Own\", state = \"waiting\", detail = \"plan\" }]\n";
    fs::write(w.dir.join("own/some.toml"), profile).unwrap();
    let script = w.dir.join("my-claude");
    let text = format!(
        "#!/bin/sh\nexport TSUP_HOME={}\nwhile read -r cli line; do printf '%s' \"$line\" | {TSUP} hook $cli; done\n",
        w.home().display()
    );
    fs::write(&script, text).unwrap();
    let (user, run) = (w.dir.join("user"), format!("sh {}", script.display()));
    let (env, cwd) = (format!("HOME={}", user.display()), w.dir.display().to_string());
    w.dev(&["-e", &env, "-c", &cwd, &run]);
    w.run();
    w.agents_when("it is found", |a| a.len() == 1 && a[0]["agent"] == "my-claude" && a[0]["pid"].is_u64());
    assert_eq!(fs::read_link(w.home().join("profiles")).unwrap(), w.dir.join("own"));
    for (line, state, detail) in [
        (r#"claude {"hook_event_name":"UserPromptSubmit"}"#, "busy", Some("thinking")),
        (r#"my-claude {"hook_event_name":"Own"}"#, "waiting", Some("plan")),
        (r#"my-claude {"hook_event_name":"PreToolUse","tool_name":"Bash"}"#, "busy", Some("tool")),
    ] {
        counted(&w, "hooks.received", || type_line(&w, "web:dev", line));
        w.agents_when(line, |a| a[0]["state"] == state && a[0]["detail"].as_str() == detail);
    }
    let folder = crate::transcript::sessions(&user, &w.dir);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("s.jsonl"), crate::transcript::answer("m1", "end_turn", 50_000) + "\n").unwrap();
    w.agents_when("its transcript is read", |a| a[0]["context_tokens"] == 50_007);
    let (code, _, err) = hooks(&w, &["install", "my-claude", "--yes"]);
    assert_eq!(code, Some(5), "{err}");
    assert!(err.contains("`tsup hooks install claude` serves both"), "{err}");
}

#[test]
fn an_agent_of_tsups_own_knows_its_supervisor() {
    let mut w = World::new();
    let out = w.dir.join("env");
    w.run();
    let script = format!("env > {0}.new; mv {0}.new {0}; exec sleep 3600", out.display());
    let spawned = w.json(&[
        "ctl",
        "spawn",
        "own/dev",
        "--agent",
        "claude",
        "--json",
        "--",
        "sh",
        "-c",
        script.as_str(),
    ]);
    let text = eventually("the agent wrote its environment", || fs::read_to_string(&out).ok());
    let id = spawned["agents"][0]["id"].as_str().unwrap();
    let has = |line: String| assert!(text.lines().any(|l| l == line), "{line} is not in {text}");
    has(format!("TSUP_AGENT={id}"));
    has(format!("TSUP_HOME={}", w.home().display()));
}

#[test]
fn what_is_typed_while_a_hook_runs_is_for_the_agent() {
    let w = World::new();
    let dir = w.dir.display();
    let run = format!(
        "until [ -e {dir}/go ]; do sleep 0.02; done; {TSUP} hook claude; read -r line; echo \"$line\" >{dir}/new; mv {dir}/new {dir}/line; cat"
    );
    let home = format!("TSUP_HOME={}", w.home().display());
    w.tmux(&["new-session", "-d", "-s", "web", "-e", &home, "sh", "-c", &run]);
    type_line(&w, "web", "typed");
    eventually("the terminal has what was typed", || {
        w.tmux(&["capture-pane", "-p", "-t", "web"]).contains("typed").then_some(())
    });
    fs::write(w.dir.join("go"), "").unwrap();
    let line = eventually("the line is read", || fs::read_to_string(w.dir.join("line")).ok());
    assert_eq!(line, "typed\n");
}
