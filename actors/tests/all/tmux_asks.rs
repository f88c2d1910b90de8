//! What the gateway does on request: capture, launch, respawn, kill, and only to what it owns.

use std::path::Path;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use tsup_core::settings::PushMode;
use tsup_core::tmux::report::{Answer, Ask, AskError, DeadPane, Launch};

use super::tmux_kit::{Tmux, Watching, launch, tag, until};

async fn read(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    until("the program's file", || {
        bytes = std::fs::read(path).unwrap_or_default();
        bytes.ends_with(b"END")
    })
    .await;
    bytes
}

/// A program that writes its arguments, its directory and a variable to a file, each ended by NUL.
fn tells(path: &Path, cwd: &str, args: &[String], value: &str) -> Launch {
    let script = r#"{ printf '%s\0' "$@"; pwd | tr '\n' '\0'; printf '%s\0' "$TOLD"; printf END; } > "$0.new"; mv "$0.new" "$0"; exec cat"#;
    let mut l = launch("own", "teller", &["/bin/sh", "-c", script, path.to_str().expect("UTF-8")]);
    l.argv.extend(args.iter().cloned());
    l.cwd = cwd.into();
    l.env = vec![("TOLD".into(), value.into())];
    l
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_launch_starts_a_server_a_session_and_then_windows_of_it() {
    let tmux = Tmux::absent();
    let mut w = Watching::start(&tmux, PushMode::Auto).await;
    let one = w.launch(launch("own", "one", &["cat"])).await.unwrap();
    let two = w.launch(launch("own", "two", &["cat"])).await.unwrap();
    assert!(one.session == two.session && one.window != two.window);
    w.until("both panes", |k| {
        [one, two].iter().all(|l| k.panes.get(&l.pane).is_some_and(|p| p.pid == l.pid && p.owner.is_some()))
    })
    .await;
    assert_eq!(w.known.panes[&two.pane].owner, Some(tag("own", "two")));
    assert_eq!(w.known.panes[&two.pane].window_name.raw(), "two");
    assert!(w.known.has_session("own"));
    let shown = tmux.run(&["display-message", "-p", "-t", "own:", "#{window_id} #{window_width}"]);
    assert_eq!(shown.trim(), format!("{} 200", one.window), "the window that is looked at stays");
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_ends_at_once_leaves_its_pane_and_its_status() {
    let tmux = Tmux::absent();
    let mut w = Watching::start(&tmux, PushMode::Auto).await;
    let own = w.launch(launch("own", "brief", &["/bin/sh", "-c", "exit 7"])).await.unwrap();
    let other = w.launch(launch("own", "missing", &["/no/such/program", "x"])).await.unwrap();
    // tmux before 3.5 may lose the status, never the pane.
    let ended = |d: Option<DeadPane>| d.is_some_and(|d| d.status.is_none_or(|s| s == 7));
    w.until("its end", |k| k.panes.get(&own.pane).is_some_and(|p| ended(p.dead))).await;
    w.until("the other's", |k| k.panes.get(&other.pane).is_some_and(|p| p.dead.is_some())).await;
    let again =
        w.ask(Ask::Respawn { pane: own.pane, launch: launch("own", "brief", &["cat"]) }).await.unwrap();
    let Answer::Launched(again) = again else { panic!("{again:?}") };
    assert_eq!(again.pane, own.pane);
    w.until("its second life", |k| {
        k.panes.get(&own.pane).is_some_and(|p| p.dead.is_none() && p.pid == again.pid)
    })
    .await;
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_owned_is_neither_ended_nor_replaced() {
    let tmux = Tmux::with_session("theirs", "cat");
    let mut w = Watching::start(&tmux, PushMode::Auto).await;
    w.up().await;
    let (pane, pid, _) = tmux.pane("theirs");
    let own = w.launch(launch("own", "one", &["cat"])).await.unwrap();
    let gone = "%4000".parse().unwrap();
    for (pane, tag, want) in [
        (pane, tag("own", "one"), AskError::NotOwned(pane)),
        (own.pane, tag("own", "two"), AskError::NotOwned(own.pane)),
        (gone, tag("own", "one"), AskError::Gone(gone)),
    ] {
        assert_eq!(w.ask(Ask::Kill { pane, tag: tag.clone() }).await, Err(want.clone()));
        let launch = Launch { tag, ..launch("own", "one", &["cat"]) };
        assert_eq!(w.ask(Ask::Respawn { pane, launch }).await, Err(want));
    }
    assert_eq!(tmux.pane("theirs").1, pid);
    assert_eq!(w.ask(Ask::Kill { pane: own.pane, tag: tag("own", "one") }).await, Ok(Answer::Killed));
    w.until("its end", |k| !k.panes.contains_key(&own.pane)).await;
    assert_eq!(w.known.lost, []);
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_directories_and_variables_arrive_byte_for_byte() {
    let tmux = Tmux::absent();
    let canary = tmux.path().join("canary");
    let mut w = Watching::start(&tmux, PushMode::Off).await;
    let touch = format!("touch {}", canary.display());
    let mut args: Vec<String> = [
        "-X",
        "--",
        "text;",
        ";",
        "x;",
        "\n",
        "a\nnew-window",
        "~",
        "~root",
        "$HOME",
        "#{pane_id}",
        "%%",
        "%if",
        "{",
        "}",
        "'",
        "\"",
        "\\",
        "\\n",
        "\t",
        "",
        " ",
        "#",
        "##",
        "#[x]",
        "\u{1b}[31m",
        "é✳日本",
        "a=b",
        "&& exit",
        "\r",
    ]
    .map(str::to_owned)
    .to_vec();
    args.extend([
        format!("#({touch})"),
        format!("$({touch})"),
        format!("`{touch}`"),
        format!("; run-shell '{touch}'"),
    ]);
    let out = tmux.path().join("told");
    let dirs: Vec<_> = ["plain", "with space", "hash#{pid}#(x)##", "quo'te\"", "-dash", "é"]
        .map(|d| tmux.path().join(d).display().to_string())
        .to_vec();
    let mut own = None;
    for (n, dir) in dirs.iter().enumerate() {
        std::fs::create_dir(dir).unwrap();
        let value = args[n * 5..].concat();
        let what = tells(&out, dir, &args, &value);
        let _ = std::fs::remove_file(&out);
        own = Some(match own {
            None => w.launch(what).await.unwrap().pane,
            Some(pane) => {
                w.ask(Ask::Respawn { pane, launch: what }).await.unwrap();
                pane
            }
        });
        let mut want: Vec<u8> = args.iter().flat_map(|a| [a.as_bytes(), b"\0"].concat()).collect();
        want.extend(format!("{dir}\0{value}\0END").into_bytes());
        assert_eq!(String::from_utf8_lossy(&read(&out).await), String::from_utf8_lossy(&want), "{dir}");
    }
    assert!(!canary.exists(), "something was executed");
    w.until("one pane", |k| k.panes.len() == 1).await;
    w.stop().await;
}

/// Whatever the argument, real tmux runs exactly one command with exactly this argument.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_tmux_reads_any_argument_as_it_was_meant() {
    let tmux = Tmux::absent();
    let mut w = Watching::start(&tmux, PushMode::Off).await;
    let out = tmux.path().join("told");
    let pane = w.launch(launch("own", "teller", &["cat"])).await.unwrap().pane;
    let text = proptest::collection::vec(
        prop_oneof![3 => "[\\n\\r\\t;'\"\\\\$~#{}()%,:=@!&|<>* \u{1b}\u{7f}-]", 1 => "[^\u{0}]{0,2}"],
        0..40,
    );
    let mut runner = TestRunner::deterministic();
    for _ in 0..40 {
        let args: Vec<String> =
            (0..6).map(|_| text.new_tree(&mut runner).expect("a text").current().concat()).collect();
        let _ = std::fs::remove_file(&out);
        w.ask(Ask::Respawn { pane, launch: tells(&out, "/", &args, &args[0]) }).await.unwrap();
        let mut want: Vec<u8> = args.iter().flat_map(|a| [a.as_bytes(), b"\0"].concat()).collect();
        want.extend(format!("/\0{}\0END", args[0]).into_bytes());
        assert_eq!(read(&out).await, want, "{args:?}");
    }
    w.until("one pane", |k| k.panes.len() == 1).await;
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capture_gives_the_screen_and_as_much_history_as_asked() {
    let tmux = Tmux::with_session("a", "seq 1 200; exec cat");
    let mut w = Watching::start(&tmux, PushMode::Auto).await;
    w.up().await;
    let (pane, _, _) = tmux.pane("a");
    until("the output", || tmux.run(&["capture-pane", "-p", "-t", "a"]).contains("200")).await;
    let screen = w.capture(pane).await.unwrap();
    assert!(screen.contains("200\n") && !screen.contains("100\n"), "{screen}");
    let Answer::Screen(text) = w.ask(Ask::Capture { pane, history: 150 }).await.unwrap() else { panic!() };
    assert!(text.raw().contains("100\n") && text.raw().starts_with(char::is_numeric));
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_tmux_cannot_take_is_refused_before_it_gets_there() {
    let tmux = Tmux::with_session("a", "cat");
    let mut w = Watching::start(&tmux, PushMode::Auto).await;
    w.up().await;
    for (session, argv, cwd) in
        [("a:b", &["cat"][..], "/"), ("own", &["nul\0"], "/"), ("own", &[], "/"), ("own", &["cat"], "rel")]
    {
        let l = Launch { cwd: cwd.into(), ..launch(session, "x", argv) };
        assert!(matches!(w.launch(l).await, Err(AskError::Invalid(_))), "{session} {argv:?} {cwd}");
    }
    w.stop().await;
}
