//! What the README and the operator's guide promise, tried from outside.

use std::fs;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::harness::{TSUP, World, eventually};

/// A supervisor whose home is a disk of its own, of one megabyte. Nobody else sees that disk but through
/// the supervisor's process.
struct SmallDisk {
    w: World,
    supervisor: Child,
}

impl SmallDisk {
    /// `None` where this user cannot mount anything.
    fn new() -> Option<SmallDisk> {
        let w = World::new();
        fs::create_dir(w.home()).unwrap();
        let mount = "mount -t tmpfs -o size=1m,mode=700 tmpfs \"$0\"";
        let mut try_out = Command::new("unshare");
        if !try_out.args(["-m", "sh", "-c", mount]).arg(w.home()).status().is_ok_and(|s| s.success()) {
            return None;
        }
        let log = fs::File::create(w.dir.join("log")).unwrap();
        let supervisor = Command::new("unshare")
            .args(["-m", "sh", "-c", &format!("{mount} && exec \"$@\"")])
            .arg(w.home())
            .args([TSUP, "run", "--foreground"])
            .env("TSUP_HOME", w.home())
            .env("TSUP_SOCKET", w.dir.join("ctl.sock"))
            .current_dir(&w.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Some(SmallDisk { w, supervisor })
    }

    /// A file in the home, as the supervisor sees it.
    fn file(&self, name: &str) -> std::path::PathBuf {
        let home = self.w.home();
        let inside = home.strip_prefix("/").unwrap();
        format!("/proc/{}/root", self.supervisor.id())
            .parse::<std::path::PathBuf>()
            .unwrap()
            .join(inside)
            .join(name)
    }

    fn ask(&self, what: &str) -> Option<Value> {
        let mut command = self.w.command(&["ctl", what, "--json"]);
        let out = command.env("TSUP_SOCKET", self.w.dir.join("ctl.sock")).output().unwrap();
        serde_json::from_slice(&out.stdout).ok()
    }

    /// What `status` says does not work, once `fits` holds for it.
    fn degraded_when(&self, what: &str, fits: impl Fn(&str) -> bool) {
        eventually(what, || {
            let status = self.ask("status")?;
            (status["ready"] == true && fits(&status["degraded"].to_string())).then_some(())
        });
    }

    fn agent(&self, window: &str) {
        let fake = self.w.fake("claude", "start 0.1, idle 3600");
        self.w.tmux(&["new-session", "-d", "-s", window, "-n", window, &fake]);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
    }
}

#[test]
fn a_full_disk_is_told_and_everything_else_goes_on_until_there_is_room() {
    let Some(disk) = SmallDisk::new() else {
        eprintln!("this user cannot mount a disk of its own: a full one cannot be tried here");
        return;
    };
    disk.agent("one");
    disk.degraded_when("it is well", |d| d == "[]");
    let mut fill = fs::File::create(disk.file("fill")).unwrap();
    while fill.write_all(&[0; 4096]).is_ok() {}
    while fill.write_all(&[0; 1]).is_ok() {}
    disk.agent("two");
    disk.degraded_when("the full disk is told", |d| d.contains("no space left"));
    eventually("agents are watched all the same", || {
        (disk.ask("agents")?["agents"].as_array()?.len() == 2).then_some(())
    });
    drop(fill);
    fs::remove_file(disk.file("fill")).unwrap();
    disk.agent("three");
    disk.degraded_when("it is well again", |d| d == "[]");
}

#[test]
fn a_declared_agent_gets_the_environment_that_it_is_allowed_and_no_more() {
    let mut w = World::new();
    let told = w.dir.join("environment");
    w.configure(&format!(
        "[[session]]\nname = \"team\"\n[[session.agent]]\nname = \"dev\"\nagent = \"claude\"\n\
         command = [\"sh\", \"-c\", \"env > {0}.new; mv {0}.new {0}; exec sleep 3600\"]\n\
         env = [\"PATH\", \"ALLOWED\", \"MODE=fast and loose\"]\n",
        told.display()
    ));
    w.run_unready(&[("ALLOWED", "yes"), ("API_KEY", "a-secret")]);
    let environment = eventually("the agent tells its environment", || fs::read_to_string(&told).ok());
    let names: Vec<&str> = environment.lines().filter_map(|l| l.split_once('=')).map(|(n, _)| n).collect();
    assert!(environment.lines().any(|l| l == "MODE=fast and loose"), "{environment}");
    assert!(environment.lines().any(|l| l == "ALLOWED=yes"), "{environment}");
    let home = format!("TSUP_HOME={}", w.home().display());
    assert!(environment.lines().any(|l| l == home), "{environment}");
    let id = w.agents_when("it is known", |a| a.len() == 1 && a[0]["id"].is_string())[0]["id"].clone();
    let id = format!("TSUP_AGENT={}", id.as_str().unwrap());
    assert!(environment.lines().any(|l| l == id), "{environment}");
    for name in names {
        // What a shell sets by itself, what tells a program about its pane, and the way of hooks home.
        let known = [
            "PATH",
            "ALLOWED",
            "MODE",
            "TSUP_HOME",
            "TSUP_AGENT",
            "PWD",
            "OLDPWD",
            "SHLVL",
            "_",
            "TMUX",
            "TMUX_PANE",
            "TERM",
            "COLORTERM",
        ];
        assert!(known.contains(&name), "{name} was not allowed:\n{environment}");
    }
    assert!(!w.log().contains("fast and loose"), "values are not logged");
}

#[test]
fn what_a_pane_shows_is_captured() {
    let mut w = World::new();
    let script = "printf 'caf\\303\\251 \\033[31mred\\033[0m\\n'; exec -a claude sleep 3600";
    w.tmux(&["-u", "new-session", "-d", "-s", "web", "-n", "dev", "bash", "-c", script]);
    w.run();
    w.agents_when("it is found", |a| a.len() == 1);
    for target in ["web/dev", "%0"] {
        let doc = w.json(&["ctl", "capture", target, "--json"]);
        assert_eq!(doc["version"], 1);
        assert!(doc["text"].as_str().unwrap().starts_with("café red\n"), "{doc}");
        let text = w.tsup(&["ctl", "capture", target]).stdout;
        assert!(String::from_utf8(text).unwrap().starts_with("café red\n"));
    }
    assert_eq!(w.tsup(&["ctl", "capture", "web/nobody"]).status.code(), Some(4));
}
