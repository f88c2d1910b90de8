//! A record on a disk that is full: it ends, says why, and nothing else does.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::process::{Child, Command, Stdio};

use crate::harness::{TSUP, World, eventually};

/// A supervisor whose folder of records is a disk of its own, of a few kilobytes.
struct FullDisk {
    w: World,
    supervisor: Child,
}

impl FullDisk {
    /// `None` where this user cannot mount anything.
    fn new() -> Option<FullDisk> {
        let w = World::new();
        let records = w.home().join("records");
        fs::DirBuilder::new().mode(0o700).recursive(true).create(&records).unwrap();
        let mount = "mount -t tmpfs -o size=24k,mode=700 tmpfs \"$0\"";
        let mut try_out = Command::new("unshare");
        if !try_out.args(["-m", "sh", "-c", mount]).arg(&records).status().is_ok_and(|s| s.success()) {
            return None;
        }
        let supervisor = Command::new("unshare")
            .args(["-m", "sh", "-c", &format!("{mount} && exec \"$@\"")])
            .arg(&records)
            .args([TSUP, "run", "--foreground"])
            .env("TSUP_HOME", w.home())
            .current_dir(&w.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(w.dir.join("log")).unwrap())
            .spawn()
            .unwrap();
        Some(FullDisk { w, supervisor })
    }

    /// A file as the supervisor sees it.
    fn inside(&self, path: &str) -> String {
        format!("/proc/{}/root{path}", self.supervisor.id())
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
    }
}

#[test]
fn a_record_ends_when_the_disk_is_full_and_nothing_else_does() {
    let Some(disk) = FullDisk::new() else {
        return println!("skipped: this user cannot mount a small disk");
    };
    let w = &disk.w;
    // Screens that change all the time, each about a kilobyte of record.
    let life = "start 0.1, busy 1, ask 2, loop";
    w.dev(&[&w.fake("claude", life)]);
    w.agents_when("it is known", |a| a.len() == 1 && a[0]["pid"].is_u64());
    let begun = w.json(&["ctl", "record", "web/dev", "--json"]);
    let path = begun["path"].as_str().unwrap().to_owned();
    eventually("the record ends", || w.log().contains("a record cannot be written").then_some(()));
    assert!(w.log().contains("No space left on device"), "{}", w.log());
    // What was written is a record that can be read, but for its torn end.
    let kept = w.dir.join("kept.jsonl");
    fs::copy(disk.inside(&path), &kept).unwrap();
    let replayed = w.tsup(&["replay", kept.to_str().unwrap(), "--json"]);
    let read: serde_json::Value = serde_json::from_slice(&replayed.stdout).unwrap();
    assert!(read["frames"].as_u64().unwrap() > 0 && replayed.stderr.is_empty(), "{replayed:?}");
    // No other can be begun, which is said, and leaves nothing behind.
    let again = w.tsup(&["ctl", "record", "web/dev"]);
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert_eq!(again.status.code(), Some(1), "{said}");
    assert!(said.contains("no record can be made") && said.contains("No space left"), "{said}");
    let folder = disk.inside(w.home().join("records").to_str().unwrap());
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
    // The agent is watched as before.
    let mut watch = w.watch(&["--kind", "agent_state"]);
    watch.next("it asks", |e| e["to"] == "waiting");
    watch.next("it works", |e| e["to"] == "busy");
    // With room again, a record can be made again.
    fs::remove_file(disk.inside(&path)).unwrap();
    w.json(&["ctl", "record", "web/dev", "--for", "1s", "--json"]);
}
