//! What a fenced script does to processes beside it, and what it gets of theirs.

use std::process::{Child, Command, Stdio};

use super::{BASH, Tool, Yard};
use crate::shim::Server;

/// Says of each thing that it tries whether it went, or by which error it did not.
const ATTEMPT: &str = "import os, resource, ctypes, platform\nlibc = ctypes.CDLL(None, use_errno=True)\n\
    def attempt(name, do):\n    try:\n        do()\n        print(name, 'went')\n    except OSError as e:\n        print(name, e.errno)\n\
    def call(*args):\n    if libc.syscall(*args) == -1:\n        raise OSError(ctypes.get_errno(), 'call')\n";

/// A process of the same user that is none of the script's business.
struct Victim(Child);

impl Victim {
    fn new() -> Self {
        Victim(Command::new("sleep").arg("300").stdin(Stdio::null()).spawn().unwrap())
    }

    fn limits(&self) -> String {
        std::fs::read_to_string(format!("/proc/{}/limits", self.0.id())).unwrap()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn limits_and_priorities_of_other_processes_are_out_of_reach() {
    let mut y = Yard::new();
    if !y.can("seccomp") {
        return;
    }
    let victim = Victim::new();
    let before = victim.limits();
    let text = format!(
        "{ATTEMPT}pid = {}\n\
        attempt('own', lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (99, 99)))\n\
        attempt('ask', lambda: resource.getrlimit(resource.RLIMIT_NOFILE))\n\
        attempt('nice', lambda: os.nice(1))\n\
        attempt('limit', lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (7, 7)))\n\
        attempt('priority', lambda: os.setpriority(os.PRIO_PROCESS, pid, 19))\n\
        attempt('all of a user', lambda: os.setpriority(os.PRIO_USER, 64999, 19))\n\
        attempt('scheduler', lambda: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)))\n",
        victim.0.id()
    );
    let expected = "own went\nask went\nnice went\nlimit 13\npriority 13\nall of a user 13\nscheduler 13\n";
    for (level, permissions) in
        [("standard", &[][..]), ("standard", &["network"]), ("network", &[]), ("strict", &["network"])]
    {
        let done = y.run(Tool { kind: "python_script", level, permissions, text: &text, ..BASH });
        assert_eq!(done.out, expected, "{level} {permissions:?}: {}", done.err);
    }
    assert_eq!(victim.limits(), before);
}

#[test]
fn what_the_kernel_keeps_for_the_user_is_out_of_reach() {
    let mut y = Yard::new();
    if !y.can("seccomp") {
        return;
    }
    let text = format!(
        "{ATTEMPT}x86 = platform.machine() == 'x86_64'\n\
        attempt('uring', lambda: call(425, 0, 0))\n\
        attempt('keyctl', lambda: call(250 if x86 else 219, 0, -3, 0))\n\
        attempt('add_key', lambda: call(248 if x86 else 217, 0, 0, 0, 0, 0))\n\
        attempt('request_key', lambda: call(249 if x86 else 218, 0, 0, 0, 0))\n"
    );
    for permissions in [&[][..], &["network"]] {
        let done = y.run(Tool { kind: "python_script", permissions, text: &text, ..BASH });
        assert_eq!(done.out, "uring 13\nkeyctl 13\nadd_key 13\nrequest_key 13\n", "{}", done.err);
    }
}

/// A piece of shared memory (shmget(2)).
struct Shared(String);

impl Shared {
    fn new() -> Option<Self> {
        let made = Command::new("ipcmk").args(["-M", "4096"]).output().ok()?;
        let said = String::from_utf8(made.stdout).unwrap();
        said.split_whitespace().next_back().filter(|_| made.status.success()).map(|id| Shared(id.to_owned()))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = Command::new("ipcrm").args(["-m", &self.0]).status();
    }
}

#[test]
fn shared_memory_of_others_is_not_there() {
    let mut y = Yard::new();
    if !y.can("namespaces") {
        return;
    }
    let Some(shared) = Shared::new() else {
        println!("skipped: no shared memory can be made here (ipcmk)");
        return;
    };
    let text = "cut -c12-22 /proc/sysvipc/shm; echo done";
    let seen = y.run(Tool { text, level: "minimal", ..BASH });
    assert!(seen.out.split_whitespace().any(|id| id == shared.0), "it is there: {}", seen.out);
    for permissions in [&[][..], &["network"]] {
        let done = y.run(Tool { permissions, text, ..BASH });
        assert!(done.out.ends_with("done\n"), "{} {}", done.out, done.err);
        assert!(!done.out.split_whitespace().any(|id| id == shared.0), "{}", done.out);
    }
}

#[test]
fn nothing_that_the_supervisor_was_started_with_gets_to_a_script() {
    let lock = tempfile::NamedTempFile::with_prefix("inherited").unwrap();
    // A copy is inherited by whatever is executed, as a shell's redirection is.
    let leaked = rustix::io::dup(lock.as_file()).unwrap();
    let mut y = Yard::on(Server::new(), tsup_actors::tes::shim::fence::host().unwrap());
    drop(leaked);
    let name = lock.path().to_str().unwrap();
    for level in ["minimal", "standard"] {
        let done = y.run(Tool { text: "ls -l /proc/self/fd; echo done", level, ..BASH });
        assert!(done.out.ends_with("done\n") && !done.out.contains(name), "{level}: {}", done.out);
    }
    let open = std::fs::read_dir(format!("/proc/{}/fd", y.server.number())).unwrap();
    let open: Vec<_> = open.flatten().filter_map(|fd| std::fs::read_link(fd.path()).ok()).collect();
    assert!(!open.iter().any(|to| to == lock.path()), "{open:?}");
}
