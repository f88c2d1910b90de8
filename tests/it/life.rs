//! Agents of several CLIs through their whole life: which states are told, in which order, and why.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Watch, World, eventually};

/// The CLIs whose whole lives are watched.
const LOOKS: [&str; 15] = [
    "aider", "amp", "auggie", "claude", "codex", "copilot", "cursor", "droid", "gemini", "goose", "kimi",
    "kiro", "opencode", "pi", "qwen",
];

/// The states an agent was told to go through, with their details.
fn story(watch: &Watch, name: &str) -> Vec<String> {
    let of = watch.seen.iter().filter(|e| e["kind"] == "agent_state" && e["name"] == name);
    let mut words: Vec<String> = of
        .map(|e| {
            let to = e["to"].as_str().unwrap();
            e["detail"].as_str().map_or_else(|| to.to_owned(), |detail| format!("{to}/{detail}"))
        })
        .collect();
    words.dedup();
    words
}

fn is<'a>(name: &'a str, state: &'a str) -> impl Fn(&Value) -> bool + 'a {
    move |e: &Value| e["name"] == name && e["to"] == state
}

/// Every kind of step of a life, with the state that its screen stands for.
const STEPS: [(&str, &str); 11] = [
    ("trust", "waiting/trust"),
    ("fresh", "fresh"),
    ("thinking", "busy/thinking"),
    ("compact", "busy/compacting"),
    ("tool", "busy/tool"),
    ("permission", "waiting/permission"),
    ("question", "waiting/question"),
    ("idle", "idle"),
    ("background", "busy/background"),
    ("error", "error"),
    ("limit", "limited"),
];

/// Seconds of a step. A pane that always moves is looked at every three seconds, and some ask while they move.
const STEP: f64 = 3.6;

/// What not every CLI has a screen for, or none that differs: Goose and Kiro show the same line at a tool.
const LACKS: [(&str, &[&str]); 12] = [
    ("aider", &["trust", "tool", "background"]),
    ("amp", &["trust", "question", "background"]),
    ("auggie", &["background"]),
    ("copilot", &["background"]),
    ("droid", &["background"]),
    ("gemini", &["background"]),
    ("goose", &["trust", "tool", "background"]),
    ("kimi", &["trust"]),
    ("kiro", &["tool", "background"]),
    ("opencode", &["trust", "background"]),
    ("pi", &["trust", "background"]),
    ("qwen", &["trust", "question", "background"]),
];

fn steps(look: &str) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
    let lacks = LACKS.iter().find(|(of, _)| *of == look).map_or(&[][..], |(_, lacks)| lacks);
    STEPS.into_iter().filter(|(step, _)| !lacks.contains(step))
}

/// Lives all lives at once, every agent in a window of its own, and answers what was told of each.
fn lived(w: &mut World, more: &str, end: &str) -> Watch {
    w.tmux(&["new-session", "-d", "-s", "team", "-n", "keep", "-x", "100", "-y", "40", "sh"]);
    w.run();
    let mut watch = w.watch(&["--kind", "agent_state", "--kind", "agent_died"]);
    for look in LOOKS {
        // A young process is called starting for three seconds, unless its screen says more.
        let lives: Vec<String> = steps(look).map(|(step, _)| format!("{step} {STEP}")).collect();
        let life = format!("start 2, {}, {end}", lives.join(", "));
        let fake = format!("{}{more}", w.fake(look, &life));
        let home = format!("TSUP_HOME={}", w.home().display());
        w.tmux(&["new-window", "-d", "-t", "team:", "-n", look, "-e", &home, &fake]);
    }
    let mut dead = 0;
    let asks = |e: &Value| e["name"] == "claude" && e["to"] == "waiting" && e["detail"] == "permission";
    watch.next("a permission is asked for", asks);
    // In the middle of it the terminals change their size.
    for look in LOOKS {
        w.tmux(&["resize-window", "-t", &format!("team:{look}"), "-x", "90", "-y", "36"]);
    }
    watch.next("all have ended", move |e| {
        dead += usize::from(e["kind"] == "agent_died");
        dead == LOOKS.len()
    });
    watch
}

/// What was told of an agent, in order, once for each state; a step that is told in other words, or
/// through another state on the way, is an error.
fn out_of_order(watch: &Watch, look: &str, end: &str) -> Option<String> {
    let told = story(watch, look);
    let plain: Vec<&str> = told.iter().map(String::as_str).filter(|w| !BEFORE.contains(w)).collect();
    let mut expected: Vec<&str> = steps(look).map(|(_, says)| says).collect();
    if steps(look).next().is_some_and(|(_, says)| says == "waiting/trust") {
        // `start` ends with an empty composer.
        if plain.first() == Some(&"fresh") {
            expected.insert(0, "fresh");
        }
    }
    if plain.last() == Some(&end) {
        expected.push(end);
    }
    (plain != expected).then(|| format!("{look}:\n told {plain:?}\n for  {expected:?}\n"))
}

/// What is told before enough is seen; a title often says that it works before the screen says at what.
const BEFORE: [&str; 3] = ["starting", "unknown", "busy"];

#[test]
fn every_state_of_a_life_is_told_in_its_order_for_every_cli() {
    let mut w = World::new();
    let watch = lived(&mut w, "", "exit 3");
    let wrong: String =
        LOOKS.iter().filter_map(|look| out_of_order(&watch, look, "crashed/status")).collect();
    assert!(wrong.is_empty(), "{wrong}");
    assert!(
        watch
            .seen
            .iter()
            .filter(|e| e["to"] == "waiting")
            .all(|e| e["because"].as_str().unwrap().contains('`'))
    );
}

#[test]
fn a_life_whose_hooks_are_called_is_told_in_the_same_order() {
    let mut w = World::new();
    let watch = lived(&mut w, " --hooks", "crash");
    let wrong: String =
        LOOKS.iter().filter_map(|look| out_of_order(&watch, look, "crashed/signal")).collect();
    assert!(wrong.is_empty(), "{wrong}");
    let hooked = watch.seen.iter().filter(|e| e["because"].as_str().is_some_and(|b| b.contains("its hook")));
    assert!(hooked.count() >= 3, "{:#?}", watch.seen);
}

#[test]
fn what_is_only_quoted_or_typed_changes_no_state() {
    let mut w = World::new();
    w.dev(&["-x", "120", "-y", "40", &w.fake("claude", "start 0.1, idle 3600")]);
    w.run();
    let rest = |a: &[Value]| a.len() == 1 && (a[0]["state"] == "idle" || a[0]["state"] == "fresh");
    let agents = w.agents_when("it rests", rest);
    let mut watch = w.watch(&["--kind", "agent_state", "--kind", "agent_died"]);
    // What somebody types stands in the composer or below it, whatever it says.
    for words in
        ["Do you want to proceed?", "You've hit your usage limit", "esc to interrupt", "Segmentation fault"]
    {
        w.tmux(&["send-keys", "-t", "web:dev", "-l", words]);
    }
    // The narrow pane shows the same, wrapped; copy mode covers nothing for tsup.
    w.tmux(&["resize-window", "-t", "web:dev", "-x", "60", "-y", "20"]);
    w.tmux(&["copy-mode", "-t", "web:dev"]);
    w.tmux(&["resize-window", "-t", "web:dev", "-x", "120", "-y", "40"]);
    w.tmux(&["send-keys", "-t", "web:dev", "-X", "cancel"]);
    // An agent that really works afterwards is told, so that the silence before means something.
    w.tmux(&["new-window", "-d", "-t", "web:", "-n", "other", &w.fake("codex", "start 0.1, busy 3600")]);
    watch.next("the other works", is("other", "busy"));
    let about: Vec<_> = watch.seen.iter().filter(|e| e["agent"] == agents[0]["id"]).collect();
    assert!(
        about.iter().all(|e| !matches!(
            e["to"].as_str(),
            Some("waiting" | "limited" | "error" | "crashed" | "exited" | "missing")
        )),
        "{about:#?}"
    );
}

#[test]
fn after_kill_9_every_state_is_known_again_at_once() {
    let mut w = World::new();
    w.tmux(&["new-session", "-d", "-s", "web", "-n", "asks", &w.fake("claude", "start 0.1, ask 3600")]);
    w.tmux(&["new-window", "-d", "-t", "web:", "-n", "works", &w.fake("codex", "start 0.1, busy 3600")]);
    w.tmux(&[
        "new-window",
        "-d",
        "-t",
        "web:",
        "-n",
        "rests",
        &w.fake("gemini", "start 0.1, busy 1, idle 3600"),
    ]);
    w.run();
    let right = |a: &[Value]| {
        let state = |name: &str| a.iter().find(|x| x["name"] == name).map(|x| x["state"].clone());
        state("asks").is_some_and(|s| s == "waiting")
            && state("works").is_some_and(|s| s == "busy")
            && state("rests").is_some_and(|s| s == "idle" || s == "fresh")
    };
    w.agents_when("all are known", right);
    // The history reaches the disk within a second; what had not is told by the screen.
    w.kill9();
    w.run();
    let mut watch = w.watch(&["--kind", "agent_state"]);
    let agents = w.agents_when("all are known again", right);
    let ids: Vec<_> = agents.iter().map(|a| a["id"].as_str().unwrap().to_owned()).collect();
    w.tmux(&["new-window", "-d", "-t", "web:", "-n", "mark", &w.fake("codex", "start 0.1, busy 3600")]);
    watch.next("the mark", is("mark", "busy"));
    for event in &watch.seen {
        if ids.iter().any(|id| event["agent"] == id.as_str()) {
            assert!(!matches!(event["to"].as_str(), Some("crashed" | "missing" | "exited")), "{event:#}");
        }
    }
    let asks = agents.iter().find(|a| a["name"] == "asks").unwrap();
    let why = w.json(&["ctl", "explain", asks["id"].as_str().unwrap(), "--json"]);
    assert_eq!((why["state"].as_str(), why["detail"].as_str()), (Some("waiting"), Some("permission")));
    assert!(why["evidence"].as_array().unwrap().iter().any(|e| e["source"] == "screen"), "{why:#}");
}

#[test]
fn a_stopped_agent_waits_and_goes_on() {
    let mut w = World::new();
    // tmux lets go on what it started itself, so a shell with jobs stands between.
    w.dev(&["bash", "--norc"]);
    w.tmux(&["send-keys", "-t", "web:dev", &w.fake("claude", "start 0.1, busy 3600"), "Enter"]);
    w.run();
    let agents = w.agents_when("it works", |a| a.len() == 1 && a[0]["state"] == "busy");
    let pid = agents[0]["pid"].to_string();
    let signal = |name: &str| {
        let status = Command::new("kill").args([name, &pid]).stdout(Stdio::null()).status().unwrap();
        assert!(status.success());
    };
    signal("-STOP");
    w.agents_when("it is stopped", |a| a[0]["state"] == "waiting" && a[0]["detail"] == "stopped");
    w.tmux(&["send-keys", "-t", "web:dev", "fg", "Enter"]);
    w.agents_when("it works again", |a| a[0]["state"] == "busy");
}

#[test]
fn explain_reads_well_and_fits_its_contract() {
    let mut w = World::new();
    w.dev(&[&w.fake("claude", "start 0.1, ask 3600")]);
    w.run();
    w.agents_when("it asks", |a| a.len() == 1 && a[0]["state"] == "waiting");
    let doc = w.json(&["ctl", "explain", "web/dev", "--json"]);
    let mut keys: Vec<_> = doc.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    let expected = [
        "agent",
        "confidence",
        "detail",
        "evidence",
        "history",
        "missing",
        "notes",
        "since",
        "state",
        "version",
    ];
    assert_eq!(keys, expected);
    let screen = doc["evidence"].as_array().unwrap().iter().find(|e| e["source"] == "screen").unwrap();
    let mut keys: Vec<_> = screen.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["age_seconds", "excerpt", "rule", "says", "source"]);
    let last = doc["history"].as_array().unwrap().last().unwrap();
    for key in ["at", "from", "to", "because"] {
        assert!(last[key].is_string(), "{last:#}");
    }
    let out = w.tsup(&["ctl", "explain", "web/dev"]);
    let text = String::from_utf8(out.stdout).unwrap();
    for part in
        ["web/dev is waiting (permission)", "because", "strongest first", "not there", "How it came here"]
    {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    assert_eq!(w.tsup(&["ctl", "explain", "web/nobody"]).status.code(), Some(4));
}

/// Waits until an agent has been in its state for that long: whoever looks at it has come to rest.
fn quiet(w: &World, seconds: f64) {
    w.agents_when("everybody has been quiet", |a| {
        let rests = |x: &Value| {
            let since: jiff::Timestamp = x["since"].as_str().unwrap().parse().unwrap();
            matches!(x["state"].as_str(), Some("idle" | "fresh"))
                && jiff::Timestamp::now().duration_since(since).as_secs_f64() > seconds
        };
        !a.is_empty() && a.iter().all(rests)
    });
}

#[test]
fn a_profile_that_appears_or_changes_is_seen_on_panes_that_are_quiet() {
    let mut w = World::new();
    let folder = w.dir.join("own");
    std::fs::create_dir(&folder).unwrap();
    w.configure("[fleet]\nprofiles = \"own\"\n");
    w.dev(&[&w.fake("claude", "start 0.1, idle 3600")]);
    w.tmux(&["new-window", "-d", "-t", "web:", "-n", "horse", "bash", "-c", "exec -a workhorse sleep 3600"]);
    w.run();
    // Longer than panes without an agent are looked at, and a screen that changed is asked for.
    quiet(&w, 6.0);
    let own = "version = 1\nname = \"workhorse\"\ntitle = \"Workhorse\"\n[recognise]\nnames = [\"workhorse\"]\n\
               [launch]\ncommand = [\"workhorse\"]\n";
    std::fs::write(folder.join("workhorse.toml"), own).unwrap();
    w.agents_when("the workhorse is found", |a| a.iter().any(|x| x["agent"] == "workhorse"));
    quiet(&w, 1.0);
    let rule = "version = 1\nname = \"claude\"\nextends = \"claude\"\n\
                [[rule]]\nid = \"mine\"\nin = \"footer\"\nany = [\"? for shortcuts\"]\nsays = \"waiting/question\"\n";
    std::fs::write(folder.join("claude.toml"), rule).unwrap();
    w.agents_when("the rule speaks", |a| {
        a.iter().any(|x| x["name"] == "dev" && x["state"] == "waiting" && x["detail"] == "question")
    });
    std::fs::remove_file(folder.join("claude.toml")).unwrap();
    w.agents_when("the rule is gone", |a| {
        a.iter().any(|x| x["name"] == "dev" && matches!(x["state"].as_str(), Some("fresh" | "idle")))
    });
}

#[test]
fn a_profile_of_ones_own_is_taken_while_it_runs_and_a_broken_one_is_told() {
    let mut w = World::new();
    let folder = w.dir.join("own");
    std::fs::create_dir(&folder).unwrap();
    w.configure("[fleet]\nprofiles = \"own\"\n");
    w.dev(&["-x", "100", "-y", "30", "sh"]);
    w.run();
    let own = "version = 1\nname = \"workhorse\"\ntitle = \"Workhorse\"\n[recognise]\nnames = [\"workhorse\"]\n\
               [launch]\ncommand = [\"workhorse\"]\n";
    let file = folder.join("workhorse.toml");
    std::fs::write(&file, format!("{own}\n[[rule]\n")).unwrap();
    let place = "workhorse.toml:9:";
    eventually("the broken file is told", || {
        let status = w.json(&["ctl", "status", "--json"]);
        status["degraded"].to_string().contains(place).then_some(())
    });
    std::fs::write(&file, own).unwrap();
    eventually("it is mended", || {
        let status = w.json(&["ctl", "status", "--json"]);
        (!status["degraded"].to_string().contains("workhorse")).then_some(())
    });
    let command = "bash -c 'exec -a workhorse sleep 600'";
    w.tmux(&["send-keys", "-t", "web:dev", command, "Enter"]);
    let agents = w.agents_when("the workhorse is found", |a| a.len() == 1);
    assert_eq!(agents[0]["agent"], "workhorse");
}
