//! The demo as a newcomer runs it.

use serde_json::Value;

use crate::harness::{World, eventually};

#[test]
fn it_shows_a_crash_and_its_recovery_and_leaves_nothing_behind() {
    let w = World::new();
    let tmp = w.dir.join("tmp");
    std::fs::create_dir(&tmp).unwrap();
    let mut child = w
        .command(&["demo", "--seconds", "12", "--json"])
        .env("TMPDIR", &tmp)
        .env("HOME", w.dir.join("nobody"))
        // What a user has set for the real supervisor concerns the demo's neither in logs nor in metrics.
        .env("METACLAUDE_LOG_DIR", w.dir.join("real-log"))
        .env("TSUP_STATSD__TARGETS", "[\"127.0.0.1:9\"]")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // Everything it starts is below it or on its own tmux server: note both while it plays.
    let server: u32 = eventually("the demo's tmux server", || {
        let dir = std::fs::read_dir(&tmp).ok()?.flatten().next()?.path();
        let out = std::process::Command::new("tmux")
            .arg("-S")
            .arg(dir.join("tmux.sock"))
            .args(["display-message", "-p", "#{pid}"])
            .output()
            .ok()?;
        String::from_utf8_lossy(&out.stdout).trim().parse().ok()
    });
    let pid = child.id();
    let supervisor: u32 = eventually("the demo's supervisor", || {
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    });
    let shims: u32 = eventually("the server of its jobs", || {
        std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let is_server = line.split(|b| *b == 0).any(|word| word == b"shims");
            (is_server && tsup_actors::os::proc::stat(pid).ok()?.parent == supervisor).then_some(pid)
        })
    });
    let status = eventually("the demo ends", || child.try_wait().unwrap());
    let mut text = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut text).unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    assert!(status.success(), "{said}");
    let summary: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(summary["version"], 1);
    assert_eq!(summary["agents_seen"], 6, "{summary}");
    assert_eq!(
        (summary["crashes"].as_u64(), summary["relaunches"].as_u64()),
        (Some(1), Some(1)),
        "{summary}"
    );
    let jobs = ["jobs_succeeded", "jobs_failed", "job_retries"].map(|of| summary[of].as_u64().unwrap());
    assert_eq!(
        jobs,
        [4, 1, 1],
        "build, deploy, test, and fetch at its second attempt; links fails: {summary}"
    );
    assert!(summary["statsd_lines"].as_u64().unwrap() > 20, "{summary}");
    assert!(summary["events"].as_u64().unwrap() > 12, "{summary}");
    assert_eq!(std::fs::read_dir(&tmp).unwrap().count(), 0, "files are left");
    assert!(!w.dir.join("real-log").exists(), "it wrote into the user's log");
    for (who, pid) in [("supervisor", supervisor), ("tmux server", server), ("shim server", shims)] {
        eventually(&format!("the {who} has ended"), || (!crate::harness::alive(pid)).then_some(()));
    }
}

#[test]
fn an_interrupt_ends_it_in_order_and_leaves_nothing_behind() {
    let w = World::new();
    let tmp = w.dir.join("tmp");
    std::fs::create_dir(&tmp).unwrap();
    let mut child = w
        .command(&["demo", "--seconds", "600"])
        .env("TMPDIR", &tmp)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let stage = eventually("the demo plays", || {
        let dir = std::fs::read_dir(&tmp).ok()?.flatten().next()?.path();
        (dir.join("tmux.sock").exists() && dir.join("home/ctl.sock").exists()).then_some(dir)
    });
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let status = eventually("the demo ends", || child.try_wait().unwrap());
    assert!(status.success(), "{status}");
    assert!(!stage.exists(), "its folder is left");
}
