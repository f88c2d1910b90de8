//! A host that is not as it should be: every refusal is one clear error, and costs nobody anything.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};

use crate::command::{Done, Place};
use crate::harness::eventually;
use crate::lifecycle::place;

/// Runs a command that must not hang.
fn in_time(place: &Place, args: &[&str]) -> Done {
    let mut child = place
        .command(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("{args:?} hangs");
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap().into()
}

fn pipe(path: &std::path::Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

#[test]
fn a_missing_or_old_tmux_is_told_and_starts_nothing() {
    let running = place();
    let place = &running.0;
    let bin = place.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for (script, says) in [(None, "tmux cannot be run"), (Some("#!/bin/sh\necho tmux 2.9a\n"), "is too old")]
    {
        if let Some(script) = script {
            std::fs::write(bin.join("tmux"), script).unwrap();
            std::fs::set_permissions(bin.join("tmux"), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        for args in [&["start"][..], &["run"], &["restart"], &["demo", "--seconds", "5", "--json"]] {
            let done: Done = place.command(args).env("PATH", &bin).output().unwrap().into();
            assert_eq!(done.code, 1, "{args:?} {done:?}");
            // Programs are told as people are.
            let json = args.contains(&"--json");
            let told = json.then(|| done.json()["error"]["message"].as_str().unwrap().contains(says));
            assert!(told.unwrap_or(done.out.is_empty()), "{args:?} {done:?}");
            assert!(done.err.contains(says) && done.err.contains("install tmux 3.2"), "{args:?} {done:?}");
            assert_eq!(place.tsup(&["status"]).code, 3);
        }
    }
}

#[test]
fn a_tmux_that_goes_away_degrades_and_is_told_to_who_wants_to_start_an_agent() {
    let running = place();
    let place = &running.0;
    let bin = place.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    // Good for the first look, and gone for all that follow.
    let script = format!("#!/bin/sh\n/bin/rm {}/tmux\necho tmux 3.4\n", bin.display());
    std::fs::write(bin.join("tmux"), script).unwrap();
    std::fs::set_permissions(bin.join("tmux"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let started: Done = place.command(&["start"]).env("PATH", &bin).output().unwrap().into();
    assert_eq!(started.code, 0, "{started:?}");
    eventually("the status is degraded", || {
        let status = place.tsup(&["status", "--json"]).json();
        status["degraded"].to_string().contains("tmux cannot be run").then_some(())
    });
    let spawned = place.tsup(&["ctl", "spawn", "a/b", "--agent", "x", "--", "true"]);
    assert_eq!(spawned.code, 5, "{spawned:?}");
}

#[test]
fn pipes_in_place_of_files_are_refused_and_not_waited_for() {
    let place = Place::new();
    let config = place.path().join("pipe.toml");
    pipe(&config);
    let done = in_time(&place, &["--config", config.to_str().unwrap(), "start"]);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.err.contains("is a pipe"), "{done:?}");

    std::fs::create_dir(place.home()).unwrap();
    std::fs::set_permissions(place.home(), std::fs::Permissions::from_mode(0o700)).unwrap();
    pipe(&place.home().join("tsup.lock"));
    for (args, code) in [(&["start"][..], 1), (&["stop"], 5), (&["status"], 3)] {
        let done = in_time(&place, args);
        assert_eq!(done.code, code, "{done:?}");
    }
}

#[test]
fn the_control_socket_takes_nobodys_place() {
    let first = place();
    let second = place();
    let file = first.0.path().join("precious");
    std::fs::write(&file, "precious").unwrap();
    let start = |place: &Place, socket: &std::path::Path| -> Done {
        place.command(&["start"]).env("TSUP_SOCKET", socket).output().unwrap().into()
    };
    let refused = start(&first.0, &file);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    assert_eq!(start(&first.0, &first.0.path().join("no/folder")).code, 2);

    assert_eq!(first.0.tsup(&["start"]).code, 0);
    let socket = first.0.home().join("ctl.sock");
    let refused = start(&second.0, &socket);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert_eq!(first.0.tsup(&["status"]).code, 0, "the first one is still reached");
}

#[test]
fn a_demo_whose_terminal_is_closed_leaves_nothing_behind() {
    let place = Place::new();
    let tmp = tempfile::Builder::new().prefix("tsup").tempdir().unwrap();
    let mut demo = place
        .command(&["demo", "--seconds", "60", "--json"])
        .env("TMPDIR", tmp.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let folder = || std::fs::read_dir(tmp.path()).unwrap().flatten().next().map(|f| f.path());
    eventually("the demo's tmux server", || folder().filter(|f| f.join("tmux.sock").exists()));
    let pid = Pid::from_raw(i32::try_from(demo.id()).unwrap()).unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    let status = eventually("the demo ends", || demo.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    assert_eq!(folder(), None);
}

/// Runs `tsup` by the modes of files alone: root would read what nobody may read.
fn by_modes(place: &Place, args: &[&str]) -> Done {
    let command = place.command(args);
    if !rustix::process::geteuid().is_root() {
        return in_time(place, args);
    }
    let mut plain = std::process::Command::new("setpriv");
    plain.arg("--bounding-set=-all").arg(command.get_program()).args(args).current_dir(place.path());
    plain.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    plain.stdin(Stdio::null()).output().unwrap().into()
}

#[test]
fn a_home_that_cannot_be_used_is_told_with_what_to_do() {
    let running = place();
    let place = &running.0;
    std::fs::create_dir(place.home()).unwrap();
    let mode = |mode| std::fs::set_permissions(place.home(), std::fs::Permissions::from_mode(mode)).unwrap();
    for (bits, verbs, says) in [
        (0o000, &["start", "run"][..], "cannot open the home directory"),
        (0o000, &["stop", "restart"], "permission denied"),
        (0o000, &["status", "reload"], "is not yours"),
        (0o500, &["start", "run", "restart"], "cannot write in the home directory"),
    ] {
        mode(bits);
        for verb in verbs {
            let done = by_modes(place, &[verb]);
            assert_eq!((done.code, done.out.as_str()), (5, ""), "{bits:o} {verb}: {done:?}");
            assert!(done.err.contains(says) && done.err.contains("hint: "), "{bits:o} {verb}: {done:?}");
            assert_eq!(done.err.lines().count(), 2, "{bits:o} {verb}: {done:?}");
        }
    }
    mode(0o700);
    assert_eq!(place.tsup(&["start"]).code, 0, "nothing of that is left");
}

#[test]
fn a_database_that_cannot_be_read_degrades_and_is_not_touched() {
    let running = place();
    let place = &running.0;
    let database = place.home().join("tsup.db");
    std::fs::create_dir(place.home()).unwrap();
    std::fs::set_permissions(place.home(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let garbage = vec![0x5a; 9000];
    std::fs::write(&database, &garbage).unwrap();
    assert_eq!(place.tsup(&["start"]).code, 0);
    let status = place.tsup(&["status", "--json"]).json();
    assert!(status["degraded"].to_string().contains("is damaged"), "{status}");
    assert_eq!(place.tsup(&["ctl", "agents"]).code, 0);
    assert_eq!(place.tsup(&["stop"]).code, 0);
    assert_eq!(std::fs::read(&database).unwrap(), garbage, "a person may still want it");
}
