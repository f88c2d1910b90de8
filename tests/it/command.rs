//! How the tests run `tsup`: in a home and a folder of their own, with nothing of the user's.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A folder of its own with a home in it.
pub(crate) struct Place {
    dir: tempfile::TempDir,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Done {
    fn from(o: Output) -> Self {
        Done {
            code: o.status.code().unwrap_or(-1),
            out: String::from_utf8(o.stdout).unwrap(),
            err: String::from_utf8(o.stderr).unwrap(),
        }
    }
}

impl Done {
    /// The one document on standard output.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

impl Place {
    pub(crate) fn new() -> Self {
        Place { dir: tempfile::Builder::new().prefix("tsup").tempdir().unwrap() }
    }

    /// The working directory of the commands.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The home of the supervisor; made by it.
    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// `tsup ARGS`, not yet run.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tsup"));
        command.args(args).current_dir(self.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.path()).env("TSUP_HOME", self.home());
        // Servers of these tests must not be found by others, nor find the user's.
        command.env("TMUX_TMPDIR", self.path());
        command
    }

    /// Runs `tsup ARGS` to its end.
    pub(crate) fn tsup(&self, args: &[&str]) -> Done {
        self.command(args).output().unwrap().into()
    }

    /// Writes `tsup.toml`.
    pub(crate) fn configure(&self, text: &str) {
        std::fs::write(self.path().join("tsup.toml"), text).unwrap();
    }
}

#[test]
fn wrong_usage_exits_2_and_help_exits_0() {
    let place = Place::new();
    for args in
        [&["frobnicate"][..], &[], &["ctl"], &["ctl", "crash"], &["status", "--colour"], &["init", "x"]]
    {
        let done = place.tsup(args);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{args:?}");
    }
    for args in [&["--help"][..], &["--version"], &["ctl", "--help"], &["help", "ctl", "spawn"]] {
        let done = place.tsup(args);
        assert_eq!((done.code, done.err.as_str(), done.out.is_empty()), (0, "", false), "{args:?}");
    }
    assert!(!place.home().exists(), "asking for help made a home");
}

#[test]
fn without_a_supervisor_everything_that_asks_one_exits_3() {
    let place = Place::new();
    for verb in ["status", "tree", "sessions", "agents", "metrics", "reload", "watch"] {
        let done = place.tsup(&["ctl", verb]);
        assert_eq!((done.code, done.out.as_str()), (3, ""), "{verb}");
        assert_eq!(done.err.lines().count(), 2, "{verb}: {}", done.err);
        assert!(done.err.contains("hint: start one with `tsup start`"), "{verb}: {}", done.err);
    }
    for args in
        [&["status"][..], &["reload"], &["ctl", "kill", "x"], &["ctl", "spawn", "a/b", "--agent", "c"]]
    {
        assert_eq!(place.tsup(args).code, 3, "{args:?}");
    }
    for args in [&["status", "--json"][..], &["ctl", "status", "--json"]] {
        let done = place.tsup(args);
        assert_eq!((done.code, done.out.as_str()), (3, "{\"version\":1,\"running\":false}\n"), "{args:?}");
        assert_eq!(done.err, "");
    }
    let done = place.tsup(&["stop"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.err.starts_with("no supervisor runs in"), "{}", done.err);
}

#[test]
fn a_question_that_makes_no_sense_is_not_asked() {
    let place = Place::new();
    for args in [
        &["ctl", "spawn", "nameless", "--agent", "claude"][..],
        &["ctl", "spawn", "a b/c", "--agent", "claude"],
        &["ctl", "spawn", "a/#(touch x)", "--agent", "claude"],
        &["ctl", "spawn", "a/b", "--agent", "claude", "--cwd", "nowhere"],
        &["ctl", "watch", "--kind", "nonsense"],
        &["ctl", "pause", "x", "--for", "soon"],
    ] {
        assert_eq!(place.tsup(args).code, 2, "{args:?}");
    }
}

#[test]
fn a_home_that_cannot_be_is_said_in_one_line() {
    let place = Place::new();
    let long = format!("/{}", "x".repeat(150));
    let done = place.tsup(&["--home", &long, "status"]);
    assert_eq!(done.code, 2);
    assert!(done.err.contains("TSUP_SOCKET"), "{}", done.err);
}

#[test]
fn completions_and_manual_are_there() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let done = place.tsup(&["completions", shell]);
        assert_eq!(done.code, 0);
        assert!(done.out.contains("tsup"), "{shell}");
        assert!(done.out.contains("completions"), "{shell}");
    }
    let man = place.tsup(&["man"]);
    assert_eq!(man.code, 0);
    for part in [".TH tsup", ".SH NAME", ".SS tsup ctl spawn", ".SS tsup doctor", "EXIT STATUS"] {
        assert!(man.out.contains(part), "{part}");
    }
    assert!(!man.out.contains("fake\\-agent"), "a hidden verb stands in the manual");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new();
    let mut command = place.command(&["man"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let done: Done = command.stdout(writer).output().unwrap().into();
    assert_eq!((done.code, done.err.as_str()), (0, ""));
}

#[test]
fn the_doctor_says_how_the_host_is() {
    let place = Place::new();
    let done = place.tsup(&["doctor", "--json"]);
    let report = done.json();
    assert_eq!(report["version"], 1);
    let findings = report["findings"].as_array().unwrap();
    let level = |f: &Value| f["level"].as_str().unwrap().to_owned();
    for name in [
        "tmux",
        "tmux socket",
        "configuration",
        "home",
        "system",
        "memory",
        "open files",
        "pidfd",
        "cgroups",
        "statsd",
        "systemd",
        "landlock",
        "namespaces",
        "seccomp",
        "memory bound",
        "process bound",
        "job limits",
        "sandbox",
    ] {
        assert!(findings.iter().any(|f| f["name"] == name), "{name}: {}", done.out);
    }
    for f in findings {
        assert_eq!(level(f) == "ok", f["todo"].is_null(), "{f}");
    }
    assert_eq!(done.code, i32::from(findings.iter().any(|f| level(f) == "fix")));
    assert!(!place.home().exists(), "the doctor only looks");
    // Agents are started without a shell, so that one which lets nobody in is no obstacle.
    let mut shut = place.command(&["doctor", "--json"]);
    let done: Done = shut.env("SHELL", "/bin/false").output().unwrap().into();
    let findings = done.json()["findings"].as_array().unwrap().clone();
    assert_eq!(level(findings.iter().find(|f| f["name"] == "tmux server").unwrap()), "ok");
    let mut blind = place.command(&["doctor", "--json"]);
    let done: Done = blind.env("PATH", "/nowhere").output().unwrap().into();
    assert_eq!(done.code, 1);
    assert_eq!(level(&done.json()["findings"][0]), "fix");
}

#[test]
fn colour_only_when_asked_for_in_a_pipe() {
    let place = Place::new();
    assert!(!place.tsup(&["doctor"]).out.contains('\x1b'));
    assert!(place.tsup(&["doctor", "--color", "always"]).out.contains('\x1b'));
    let mut command = place.command(&["--color", "never", "doctor"]);
    let done: Done = command.env("CLICOLOR_FORCE", "1").output().unwrap().into();
    assert!(!done.out.contains('\x1b'));
}
