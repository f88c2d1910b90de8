//! What bounds a fenced script: memory, processes, time; and that nobody of its tree outlives it.

use std::path::Path;
use std::time::Duration;

use tsup_core::tes::attempt::{Cause, End};
use tsup_core::tes::sandbox;

use super::{BASH, Tool, Yard};
use crate::harness::{alive, eventually};
use crate::shim::Server;

#[test]
fn memory_is_bounded_for_the_whole_tree() {
    let mut y = Yard::new();
    // Each is small; together they are not. One is in a session of its own, with a parent that is gone.
    let text = "hold() { x=$(head -c 30000000 /dev/zero | tr '\\000' x); sleep 60; }\n\
                hold & (setsid bash -c \"$(declare -f hold); hold\" &) ; hold & wait; sleep 60";
    let security = r#", "max_memory": "70MB""#;
    for level in ["minimal", "standard"] {
        let done = y.run(Tool { level, security, text, ..BASH });
        assert_eq!(done.record.cause, Some(Cause::Memory), "{level}: {:?} {}", done.record, done.err);
        let words = if y.host.memory.is_some() { ("cgroup", "cgroup") } else { ("sampled", "sampled") };
        assert_eq!((done.enforced()[2], done.record.used.memory_source.as_str()), words);
        assert!(done.record.wall_seconds < 30.0);
    }
    if y.can("memory group") {
        let done = y.run(Tool { kind: "python_script", text: "x = b'x' * 300_000_000", security, ..BASH });
        assert_eq!((done.record.cause, done.record.end), (Some(Cause::Memory), End::Signalled(9)));
        assert!(done.record.used.peak_memory_bytes <= 70 << 20);
        // What is killed for it, though its parent goes on and succeeds.
        let text = "python3 -c 'x = b\"x\" * 300_000_000'; exit 0";
        let done = y.run(Tool { security, text, ..BASH });
        assert_eq!(done.record.cause, Some(Cause::Memory), "{} {}", done.out, done.err);
    }
    y.host.memory = None;
    let done = y.run(Tool { security, text, ..BASH });
    assert_eq!((done.record.cause, done.enforced()[2]), (Some(Cause::Memory), "sampled"));
}

#[test]
fn processes_are_bounded_for_the_whole_tree() {
    let mut y = Yard::new();
    let security = r#", "max_processes": 20"#;
    let within = y.run(Tool { text: "for n in 1 2 3 4 5; do sleep 0.05 & done; wait", security, ..BASH });
    assert_eq!((within.record.end, within.record.cause), (End::Exited(0), None));
    let text = "for n in $(seq 60); do setsid sleep 60 & done; wait";
    let many = y.run(Tool { security, text, ..BASH });
    assert_eq!(many.record.cause, Some(Cause::Processes), "{:?} {}", many.record, many.err);
    if y.can("processes group") {
        let bomb = "f() { f | f & }; f; sleep 60";
        let done = y.run(Tool { security, text: bomb, ..BASH });
        assert_eq!(
            (done.record.cause, done.enforced()[4]),
            (Some(Cause::Processes), "cgroup"),
            "{}",
            done.err
        );
        assert!(done.record.wall_seconds < 20.0, "{}", done.record.wall_seconds);
    }
    y.host.processes = None;
    let done = y.run(Tool { security, text, ..BASH });
    assert_eq!((done.record.cause, done.enforced()[4]), (Some(Cause::Processes), "sampled"));
}

#[test]
fn nobody_of_a_fenced_tree_outlives_it() {
    let mut y = Yard::new();
    let text = "setsid bash -c 'trap \"\" TERM HUP INT; echo $BASHPID > deep; (setsid sleep 300 & echo $! > deeper); sleep 300' & wait";
    let mut plan = y.plan(Tool { text, permissions: &["write_file"], ..BASH }).unwrap();
    plan.bounds.run = Some(Duration::from_secs(1));
    let record = y.server.run(plan);
    assert_eq!(record.cause, Some(Cause::Timeout));
    for file in ["deep", "deeper"] {
        let pid = std::fs::read_to_string(y.root(file)).unwrap().trim().parse().unwrap();
        assert!(!alive(pid), "{file} outlived its attempt");
    }
}

#[test]
fn groups_of_a_killed_shim_are_taken_away() {
    let mut y = Yard::new();
    let Some(group) = y.host.processes.clone() else {
        y.can("processes group");
        return;
    };
    let (id, pid, shim) = y.begin("echo $$ > pid; sleep 300");
    let name =
        if group.version == 1 { format!("tsup-shim-1-{shim}") } else { format!("tsup-{}-1-{shim}", id.job) };
    let folder = Path::new(&group.folder).join(name);
    assert!(std::fs::read_to_string(folder.join("cgroup.procs")).unwrap().contains(&pid.to_string()));
    let shim = rustix::process::Pid::from_raw(shim.cast_signed()).unwrap();
    rustix::process::kill_process(shim, rustix::process::Signal::KILL).unwrap();
    eventually("the group is gone, and who was in it", || (!alive(pid) && !folder.exists()).then_some(()));
}

#[test]
fn what_a_killed_server_left_in_a_group_is_ended_by_the_next_one() {
    let mut y = Yard::new();
    if !y.can("processes group") {
        return;
    }
    let (_, pid, shim) = y.begin("echo $$ > pid; setsid sleep 300 & sleep 300");
    y.server.kill();
    let shim = rustix::process::Pid::from_raw(shim.cast_signed()).unwrap();
    rustix::process::kill_process(shim, rustix::process::Signal::KILL).unwrap();
    eventually("the shim is gone", || (!alive(shim.as_raw_pid().cast_unsigned())).then_some(()));
    assert!(alive(pid), "nobody is there to end it");
    let mut next = Yard::new();
    assert_eq!(next.run(Tool { text: "true", ..BASH }).record.end, End::Exited(0));
    eventually("what was left is ended", || (!alive(pid)).then_some(()));
}

#[test]
fn a_fork_bomb_without_a_group_is_outrun_by_the_kills() {
    let mut y = Yard::new();
    let Some(safety) = y.host.processes.take() else {
        println!("skipped: without a group that keeps the bomb small it is not set off");
        return;
    };
    // Around the server, so that the bomb cannot be more than this host's trouble, whatever the shim does.
    let group = Path::new(&safety.folder).join(format!("fence-bomb-{}", std::process::id()));
    std::fs::create_dir(&group).unwrap();
    std::fs::write(group.join("pids.max"), "600").unwrap();
    std::fs::write(group.join("cgroup.procs"), y.server.number().to_string()).unwrap();
    let mut plan = y.plan(Tool { text: "f() { f | f & }; f; sleep 60", ..BASH }).unwrap();
    plan.bounds.run = Some(Duration::from_secs(10));
    plan.fence.processes = Some(sandbox::Bound { max: 50, group: None });
    let record = y.server.run(plan);
    y.server.kill();
    let empty = || std::fs::remove_dir(&group).ok();
    eventually("nobody of it is left", empty);
    assert_eq!(record.cause, Some(Cause::Processes), "{record:?}");
    assert!(record.wall_seconds < 10.0, "{record:?}");
}

#[test]
fn cpu_and_files_have_limits() {
    let mut y = Yard::new();
    let mut plan = y.plan(Tool { text: "while :; do :; done", ..BASH }).unwrap();
    plan.cpu = Some(Duration::from_secs(1));
    assert_eq!(y.server.run(plan).end, End::Signalled(24));
    let text = "ulimit -c; ulimit -n; head -c 100000 /dev/zero > $TMPDIR/x; echo after";
    let mut plan = y.plan(Tool { text, ..BASH }).unwrap();
    plan.file_bytes = Some(10_000);
    y.server.run(plan);
    let out = String::from_utf8(y.server.printed(y.jobs, "stdout")).unwrap();
    assert!(out.starts_with("0\n") && out.ends_with("after\n"), "{out}");
}

/// Where this process may make groups of the second version, whatever controllers it has there.
fn second_version() -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mount = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?.to_owned();
    let folder = Path::new(mount.split(' ').nth(4)?).join(own);
    let name = folder.join(format!("tsup-trial-{}", std::process::id()));
    std::fs::create_dir(&name).ok()?;
    std::fs::remove_dir(&name).ok()?;
    folder.into_os_string().into_string().ok()
}

#[test]
fn a_group_of_the_second_version_without_controllers_ends_its_tree_and_counts_it() {
    let mut y = Yard::new();
    let Some(folder) = second_version() else {
        println!("skipped: this process may make no control groups of the second version");
        return;
    };
    let group = sandbox::Group { version: 2, folder: folder.clone() };
    y.host.processes = Some(group);
    y.host.memory = None;
    let text = "cat /proc/self/cgroup > groups; setsid bash -c 'trap \"\" TERM HUP; sleep 300' & echo $! > deep; \
                for n in $(seq 20000); do :; done";
    let permissions: &[&str] = &["read_file", "write_file"];
    let done = y.run(Tool { permissions, text, ..BASH });
    assert_eq!(done.record.end, End::Exited(0), "{}", done.err);
    assert_eq!(done.enforced()[4], "sampled");
    let id = Server::id(y.jobs);
    let shim = y.server.found(id).claim.unwrap().shim.pid;
    let name = format!("tsup-{}-1-{shim}", id.job);
    let groups = std::fs::read_to_string(y.root("groups")).unwrap();
    assert!(groups.lines().any(|l| l.starts_with("0::") && l.ends_with(&name)), "it joined: {groups}");
    let deep = std::fs::read_to_string(y.root("deep")).unwrap().trim().parse().unwrap();
    assert!(!alive(deep), "who is in the group ends with it");
    assert!(done.record.used.cpu_seconds > 0.0, "{:?}", done.record.used);
    assert!(!Path::new(&folder).join(&name).exists(), "the group is taken away");
}

#[test]
fn memory_that_processes_share_counts_once() {
    let mut y = Yard::new();
    y.host.memory = None;
    // Forked data is the same memory in each of them, until it is written to.
    let text = "import os, time\nx = b'x' * 100_000_000\nfor _ in range(6):\n    if not os.fork():\n        \
                time.sleep(1)\n        os._exit(0)\nfor _ in range(6):\n    os.wait()\n";
    let security = r#", "max_memory": "250MB""#;
    let done = y.run(Tool { kind: "python_script", text, security, ..BASH });
    assert_eq!((done.record.cause, &done.record.end), (None, &End::Exited(0)), "{}", done.err);
    let peak = done.record.used.peak_memory_bytes;
    assert!((100_000_000..250 << 20).contains(&peak), "{peak}");
}

#[test]
fn what_is_over_before_anybody_looks_has_no_memory_at_its_start_and_end() {
    let mut y = Yard::new();
    let used = y.run(Tool { text: "true", ..BASH }).record.used;
    assert_eq!((used.start_memory_bytes, used.end_memory_bytes), (None, None));
    assert!(used.peak_memory_bytes > 0);
    let used = y.run(Tool { text: "sleep 1", ..BASH }).record.used;
    assert!(used.start_memory_bytes.is_some_and(|b| b > 0) && used.end_memory_bytes.is_some_and(|b| b > 0));
}

#[test]
fn who_is_killed_because_the_machine_has_no_memory_failed_for_that() {
    let mut y = Yard::new();
    let Some(memory) = y.host.memory.clone() else {
        y.can("memory group");
        return;
    };
    // A machine of little memory: the server and whatever it forks.
    let group = Path::new(&memory.folder).join(format!("fence-small-{}", std::process::id()));
    std::fs::create_dir(&group).unwrap();
    let max = if memory.version == 1 { "memory.limit_in_bytes" } else { "memory.max" };
    std::fs::write(group.join(max), "150000000").unwrap();
    std::fs::write(group.join("cgroup.procs"), y.server.number().to_string()).unwrap();
    // By anybody else it is not for memory.
    let killed = y.run(Tool { text: "kill -9 $$", ..BASH });
    let text = "x = b'x' * 3_000_000_000";
    let alone = y.run(Tool { kind: "python_script", text, ..BASH });
    let below = y.run(Tool { text: "python3 -c 'x = b\"x\" * 3_000_000_000'; exit $?", ..BASH });
    y.server.kill();
    eventually("nobody of it is left", || std::fs::remove_dir(&group).ok());
    assert_eq!((alone.record.end, alone.record.cause), (End::Signalled(9), Some(Cause::Memory)));
    assert_eq!((below.record.end, below.record.cause), (End::Exited(137), Some(Cause::Memory)));
    assert_eq!((killed.record.end, killed.record.cause), (End::Signalled(9), None));
}
