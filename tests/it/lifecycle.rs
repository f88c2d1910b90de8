//! Starting, finding, stopping and killing a real supervisor in a home of its own.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::command::{Done, Place};

/// A home that is stopped when the test ends, however it ends.
pub(crate) struct Running(pub(crate) Place);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.command(&["stop"]).output();
    }
}

/// A place whose configuration touches no tmux server of anybody.
pub(crate) fn place() -> Running {
    let place = Place::new();
    place.configure("[tmux]\nsockets = [\"lifecycle\"]\n");
    Running(place)
}

/// Waits for something to be true, at most ten seconds.
pub(crate) fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_true() {
        assert!(Instant::now() < deadline, "{what} did not come true");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

pub(crate) fn identity(place: &Place) -> serde_json::Value {
    let text = std::fs::read_to_string(place.home().join("tsup.lock")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn pid(place: &Place) -> Pid {
    Pid::from_raw(i32::try_from(identity(place)["pid"].as_u64().unwrap()).unwrap()).unwrap()
}

/// Whether the process of the lock runs; one that waits for its parent to notice its end does not.
fn runs(place: &Place) -> bool {
    let pid = identity(place)["pid"].as_u64().unwrap();
    let stat = tsup_actors::os::proc::stat(u32::try_from(pid).unwrap());
    stat.is_ok_and(|s| !s.is_zombie())
}

/// A supervisor in the foreground, once its log says that it is ready; its further log.
fn foreground(place: &Place) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut child = place.command(&["run"]).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("is ready") {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "it ended before it was ready");
    }
    (child, log)
}

#[test]
fn start_returns_when_ready_and_stop_when_gone() {
    let running = place();
    let place = &running.0;
    let started = place.tsup(&["start"]);
    assert_eq!((started.code, started.out.as_str()), (0, ""), "{}", started.err);
    assert!(started.err.starts_with("the supervisor is ready (pid "), "{}", started.err);
    let who = identity(place);
    assert!(started.err.contains(&who["pid"].to_string()));
    assert_eq!(who["version"], env!("CARGO_PKG_VERSION"));
    assert!(who["config"].as_str().unwrap().ends_with("/tsup.toml"));

    let second = place.tsup(&["start"]);
    assert_eq!(second.code, 5, "{}", second.err);
    assert!(second.err.contains(&format!("pid {}", who["pid"])), "{}", second.err);
    let second = place.tsup(&["run"]);
    assert_eq!(second.code, 5);
    assert!(second.err.contains("is held by tsup"), "{}", second.err);

    let stopped = place.tsup(&["stop"]);
    assert_eq!(stopped.code, 0, "{}", stopped.err);
    assert!(!runs(place), "it was said to be gone");
    assert!(place.tsup(&["stop"]).err.starts_with("no supervisor runs"));
    assert_eq!(place.tsup(&["status"]).code, 3);
    let log = std::fs::read_to_string(place.home().join("log/daemon.jsonl")).unwrap();
    assert!(log.lines().all(|l| serde_json::from_str::<serde_json::Value>(l).is_ok()), "{log}");
    assert!(log.contains("the supervisor is ready") && log.contains("the supervisor has ended"));
    assert_eq!(std::fs::read_to_string(place.home().join("daemon.err")).unwrap(), "");
}

#[test]
fn a_killed_supervisor_leaves_nothing_to_remove_by_hand() {
    let running = place();
    let place = &running.0;
    assert_eq!(place.tsup(&["start"]).code, 0);
    let first = pid(place);
    kill_process(first, Signal::KILL).unwrap();
    until("the death", || place.tsup(&["stop"]).err.starts_with("no supervisor runs"));
    let again = place.tsup(&["start"]);
    assert_eq!(again.code, 0, "{}", again.err);
    assert_ne!(pid(place), first);
}

#[test]
fn restart_keeps_the_configuration_and_survives_a_broken_one() {
    let running = place();
    let place = &running.0;
    assert_eq!(place.tsup(&["restart"]).code, 0, "nothing ran, so it starts");
    let first = identity(place);
    let elsewhere = tempfile::tempdir().unwrap();
    let done: Done = place.command(&["restart"]).current_dir(elsewhere.path()).output().unwrap().into();
    assert_eq!(done.code, 0, "{}", done.err);
    let second = identity(place);
    assert_ne!(first["pid"], second["pid"]);
    assert_eq!(first["config"], second["config"]);
    place.configure("[tmux]\nsockets = 1\n");
    let refused = place.tsup(&["restart"]);
    assert_eq!(refused.code, 2);
    assert_eq!(identity(place), second);
    assert!(runs(place));
}

#[test]
fn signals_end_it_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let running = place();
        let (child, _log) = foreground(&running.0);
        kill_process(Pid::from_child(&child), signal).unwrap();
        let done: Done = child.wait_with_output().unwrap().into();
        assert_eq!((done.code, done.out.as_str()), (0, ""), "{signal:?}");
    }
}

/// A supervisor in the foreground that cannot end at once: it takes leave of a tmux server that is stopped.
/// With the server, which goes on when it is dropped.
fn slow_to_end(place: &Place) -> (Child, BufReader<std::process::ChildStderr>, StoppedServer) {
    let tmux = |args: &[&str]| {
        let mut tmux = std::process::Command::new("tmux");
        tmux.args(["-f", "/dev/null", "-L", "lifecycle"]).args(args);
        let out = tmux.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let out = out.env("TMUX_TMPDIR", place.path()).output().unwrap();
        String::from_utf8(out.stdout).unwrap()
    };
    tmux(&["new-session", "-d", "sleep", "3600"]);
    let server = Pid::from_raw(tmux(&["display-message", "-p", "#{pid}"]).trim().parse().unwrap()).unwrap();
    let (child, log) = foreground(place);
    kill_process(server, Signal::STOP).unwrap();
    (child, log, StoppedServer(server))
}

struct StoppedServer(Pid);

impl Drop for StoppedServer {
    fn drop(&mut self) {
        for signal in [Signal::TERM, Signal::CONT] {
            let _ = kill_process(self.0, signal);
        }
    }
}

/// Reads the log up to a line, or to its end; the lines.
fn up_to(log: &mut impl BufRead, wanted: &str) -> String {
    let mut lines = String::new();
    while !lines.contains(wanted) && log.read_line(&mut lines).unwrap() > 0 {}
    lines
}

#[test]
fn a_second_signal_hurries_and_a_third_ends_it_at_once() {
    let running = place();
    let (mut child, mut log, _server) = slow_to_end(&running.0);
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::TERM).unwrap();
    assert!(up_to(&mut log, "drains").contains("drains"));
    kill_process(pid, Signal::INT).unwrap();
    let rest = up_to(&mut log, "has ended");
    assert!(rest.contains("hurries") && rest.contains("has ended"), "{rest}");
    // What runs is ended without taking leave of each part.
    assert!(!rest.contains("actor=root/system/telemetry"), "{rest}");
    assert_eq!(child.wait().unwrap().code(), Some(0));

    let running = place();
    let (mut child, mut log, _server) = slow_to_end(&running.0);
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::TERM).unwrap();
    assert!(up_to(&mut log, "drains").contains("drains"));
    // Both come at once: hurrying alone takes no time that a test could use.
    for signal in [Signal::STOP, Signal::INT, Signal::TERM, Signal::CONT] {
        kill_process(pid, signal).unwrap();
    }
    let rest = up_to(&mut log, "at once");
    assert!(rest.contains("ending at once"), "{rest}");
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(running.0.tsup(&["start"]).code, 0, "nothing must be removed by hand");
}

#[test]
fn hangup_reads_the_configuration_again_and_keeps_the_old_one_when_it_is_broken() {
    let running = place();
    let place = &running.0;
    let (mut child, mut log) = foreground(place);
    let mut says = |wanted: &str| {
        let mut line = String::new();
        while !line.contains(wanted) {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "`{wanted}` was not logged");
        }
        line
    };
    place.configure("[tmux]\nsockets = [\"lifecycle\"]\n[relaunch]\nmax_restarts = 9\n");
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    assert!(says("was read again").contains("changed: relaunch.max_restarts"));
    place.configure("[tmux]\nsockets = 7\n");
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    assert!(says("was not taken").contains("tsup.toml:2:11"));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_service_manager_is_told() {
    let running = place();
    let place = &running.0;
    let path = place.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let hear = |wanted: &str| {
        let mut buffer = [0; 1024];
        loop {
            let n = manager.recv(&mut buffer).unwrap_or_else(|e| panic!("{wanted}: {e}"));
            if String::from_utf8_lossy(&buffer[..n]).contains(wanted) {
                return;
            }
        }
    };
    let mut command = place.command(&["run"]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "100000").stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    hear("READY=1");
    hear("WATCHDOG=1");
    hear("WATCHDOG=1");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    hear("STOPPING=1");
    assert!(child.wait().unwrap().success());
}

/// The exit code of a supervisor that ends by itself.
fn ended(child: &mut Child) -> Option<i32> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if Instant::now() > deadline {
            let _ = child.kill().and_then(|()| child.wait());
            return None;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Who removes a home and starts another supervisor in its place has one supervisor soon, and it stays.
#[test]
fn a_supervisor_whose_home_was_removed_ends_and_leaves_its_successor_alone() {
    let running = place();
    let place = &running.0;
    let (mut child, mut log) = foreground(place);
    std::fs::remove_dir_all(place.home()).unwrap();
    let done = place.tsup(&["start"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(ended(&mut child), Some(1));
    let told = up_to(&mut log, "its end");
    assert!(told.contains("tsup.lock was removed or replaced while it was in use"), "{told}");
    let done = place.tsup(&["ctl", "status"]);
    assert_eq!(done.code, 0, "{}", done.err);
}

#[test]
fn a_supervisor_whose_database_was_removed_ends() {
    let running = place();
    let place = &running.0;
    let (mut child, mut log) = foreground(place);
    for name in ["tsup.db", "tsup.db-wal", "tsup.db-shm"] {
        let _ = std::fs::remove_file(place.home().join(name));
    }
    assert_eq!(ended(&mut child), Some(1));
    let told = up_to(&mut log, "its end");
    assert!(told.contains("tsup.db was removed or replaced while it was in use"), "{told}");
}

#[test]
fn a_home_that_is_not_private_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let running = place();
    let place = &running.0;
    std::fs::create_dir(place.home()).unwrap();
    std::fs::set_permissions(place.home(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for verb in ["run", "start"] {
        let done = place.tsup(&[verb]);
        assert_eq!(done.code, 5, "{verb}");
        assert!(done.err.contains("open to others") && done.err.contains("chmod 700"), "{}", done.err);
    }
    std::fs::remove_dir(place.home()).unwrap();
    std::fs::write(place.home(), "").unwrap();
    assert_eq!(place.tsup(&["start"]).code, 5);
}
