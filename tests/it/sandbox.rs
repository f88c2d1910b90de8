//! Scripts under real fences: what they reach, what they do not, and what stands on the job about it.
#![expect(clippy::print_stdout, reason = "a test that is skipped says why")]

use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tsup_actors::tes::shim::fence::{Around, Ground, host};
use tsup_core::tes::attempt::plan::{Order, Plan};
use tsup_core::tes::attempt::{Cause, End, Record};
use tsup_core::tes::failure::{Category, Failure};
use tsup_core::tes::registry::parse_json;
use tsup_core::tes::sandbox::{self, Host, Surroundings, Way};
use tsup_core::tes::script::Script;

use crate::harness::{alive, eventually};
use crate::shim::Server;

/// A registry, a supervisor's home and a shim server.
struct Yard {
    server: Server,
    root: TempDir,
    user_home: TempDir,
    host: Host,
    ground: Ground,
    jobs: u64,
}

/// A script and how it may run.
#[derive(Clone, Copy)]
struct Tool<'a> {
    kind: &'a str,
    level: &'a str,
    permissions: &'a [&'a str],
    /// Further fields of `security`, as in the registry.
    security: &'a str,
    text: &'a str,
}

const BASH: Tool<'static> =
    Tool { kind: "shell_script", level: "standard", permissions: &[], security: "", text: "" };

/// How a script ended and what it printed.
struct Done {
    record: Record,
    out: String,
    err: String,
}

impl Done {
    fn enforced(&self) -> [&str; 6] {
        let e = &self.record.enforced;
        [&e.fs, &e.network, &e.memory, &e.cpu, &e.processes, &e.sockets].map(String::as_str)
    }
}

impl Yard {
    fn new() -> Self {
        Self::on(Server::new(), host())
    }

    fn on(server: Server, host: Host) -> Self {
        let ground = Ground { home: server.jobs.path().into(), ..Ground::default() };
        let user_home = TempDir::new().unwrap();
        let ground = Ground { user_home: user_home.path().into(), ..ground };
        Yard { server, root: TempDir::new().unwrap(), user_home, host, ground, jobs: 0 }
    }

    fn script(tool: Tool<'_>) -> Script {
        let permissions = serde_json::to_string(tool.permissions).unwrap();
        let text = format!(
            r#"{{"scripts": [{{"id": "a/tool", "name": "tool", "path": "tool",
                "execution": {{"type": "{}", "permissions": {permissions}, "timeout": 60000}},
                "security": {{"sandbox": "{}"{}}}}}]}}"#,
            tool.kind, tool.level, tool.security
        );
        let parsed = parse_json(&text);
        assert!(parsed.problems.is_empty(), "{:?}", parsed.problems);
        Script::clone(&parsed.scripts[0])
    }

    fn plan(&mut self, tool: Tool<'_>) -> Result<Plan, Box<Failure>> {
        self.jobs += 1;
        let script = Self::script(tool);
        let file = self.root.path().join("tool");
        std::fs::write(&file, tool.text).unwrap();
        let mut plan = self.server.plan(self.jobs, "");
        let own: Vec<(String, String)> = std::env::vars().collect();
        let folder = PathBuf::from(&plan.folder);
        let tmp = folder.join("tmp");
        let from = Surroundings { own: &own, inputs: &[], tmp: tmp.to_str().unwrap(), id: plan.id };
        plan.env = sandbox::environment(&script, from)?;
        for (name, value) in &mut plan.env {
            if name == "HOME" {
                *value = self.user_home.path().to_str().unwrap().into();
            }
        }
        let path = std::env::var("PATH").unwrap();
        let around =
            Around { root: self.root.path(), file: &file, path: &path, inputs: &[], folder: &folder };
        plan.fence = sandbox::decide(&script, &self.ground.places(&script, around), &self.host)?;
        plan.program = script.runtime.interpreter().unwrap().into();
        plan.argv = vec![file.to_str().unwrap().into()];
        plan.cwd = self.root.path().to_str().unwrap().into();
        plan.cpu = sandbox::cpu(&script);
        plan.file_bytes = Some(1 << 30);
        Ok(plan)
    }

    fn run(&mut self, tool: Tool<'_>) -> Done {
        let plan = self.plan(tool).unwrap();
        let record = self.server.run(plan);
        let text = |name| String::from_utf8_lossy(&self.server.printed(self.jobs, name)).into_owned();
        let done = Done { out: text("stdout"), err: text("stderr"), record };
        assert!(!matches!(done.record.end, End::NotStarted { .. }), "{:?}", done.record.end);
        done
    }

    /// Whether this host lets the test's own process have what `what` says; a line says so when not.
    fn can(&self, what: &str) -> bool {
        let can = match what {
            "landlock" => self.host.landlock >= 3,
            "namespaces" => self.host.mounts != Way::None && self.host.networks != Way::None,
            "memory group" => self.host.memory.is_some(),
            "processes group" => self.host.processes.is_some(),
            "seccomp" => self.host.seccomp,
            other => panic!("{other}"),
        };
        if !can {
            println!("skipped: this host has no {what} for this user: {:?}", self.host);
        }
        can
    }

    fn root(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }
}

fn full(host: &Host) -> bool {
    host.landlock == 7
        && host.seccomp
        && host.mounts == Way::Direct
        && host.networks == Way::Direct
        && host.memory.is_some()
        && host.processes.is_some()
}

#[test]
fn what_was_enforced_stands_on_the_record() {
    let mut y = Yard::new();
    if !full(&y.host) {
        println!("skipped: this host cannot do everything: {:?}", y.host);
        return;
    }
    let tool = Tool { text: "true", security: r#", "max_memory": "64MB""#, ..BASH };
    for (level, permissions, words) in [
        ("minimal", &[][..], ["none", "none", "cgroup", "rlimit", "cgroup", "none"]),
        ("standard", &[], ["landlock7", "netns", "cgroup", "rlimit", "cgroup", "mountns"]),
        ("strict", &[], ["landlock7", "netns", "cgroup", "rlimit", "cgroup", "mountns"]),
        ("network", &[], ["landlock7", "open", "cgroup", "rlimit", "cgroup", "mountns"]),
        ("standard", &["network"], ["landlock7", "open", "cgroup", "rlimit", "cgroup", "mountns"]),
    ] {
        let done = y.run(Tool { level, permissions, ..tool });
        assert_eq!(done.record.end, End::Exited(0), "{level}: {}", done.err);
        assert_eq!(done.enforced(), words, "{level}");
        assert_eq!(done.record.used.memory_source, "cgroup");
        assert!(done.record.used.peak_memory_bytes > 0);
    }
    y.host.memory = None;
    y.host.networks = Way::None;
    y.host.mounts = Way::None;
    let done = y.run(tool);
    assert_eq!(done.enforced(), ["landlock7", "seccomp", "sampled", "rlimit", "cgroup", "seccomp"]);
    // Nothing of the groups and the temporary folders is left.
    assert!(!y.server.folder(Server::id(1)).join("tmp").exists());
    for job in 1..=y.jobs {
        let id = Server::id(job);
        let shim = y.server.found(id).claim.unwrap().shim.pid;
        for group in [&host().memory, &host().processes].into_iter().flatten() {
            let folder = Path::new(&group.folder).join(format!("tsup-{}-1-{shim}", id.job));
            assert!(!folder.exists(), "{}", folder.display());
        }
    }
}

#[test]
fn every_interpreter_starts_at_every_level() {
    let mut y = Yard::new();
    for (kind, text) in [
        ("shell_script", "cat <<< \"$TMPDIR\" > $TMPDIR/x && ls $TMPDIR && echo ok"),
        (
            "python_script",
            "import json, tempfile, socket, subprocess\nwith tempfile.TemporaryFile() as f: f.write(b'x')\nprint(subprocess.run(['echo', 'ok'], capture_output=True, text=True).stdout)",
        ),
        (
            "node_script",
            "require('fs').writeFileSync(process.env.TMPDIR + '/x', 'x');\nrequire('child_process').exec('echo ok', (e, out) => console.log(e || out))",
        ),
    ] {
        for level in ["minimal", "standard", "strict", "network"] {
            let tool = Tool { kind, level, text, security: r#", "max_memory": "256MB""#, ..BASH };
            let done = y.run(tool);
            assert_eq!(
                done.record.end,
                End::Exited(0),
                "{kind} {level}: {} {:?}",
                done.err,
                done.record.cause
            );
            assert!(done.out.contains("ok"), "{kind} {level}: {} {}", done.out, done.err);
            assert_eq!(done.err, "", "{kind} {level}");
        }
    }
}

#[test]
fn files_are_written_where_that_was_granted() {
    let mut y = Yard::new();
    if !y.can("landlock") {
        return;
    }
    let text = "echo x > here; echo x > $HOME/there; echo x > /tmp/tsup-outside-$$ && rm /tmp/tsup-outside-$$; \
                : > victim; mkdir folder; mv victim moved; rm victim; chmod 600 victim; echo x > $TMPDIR/own && echo own; \
                for f in here $HOME/there folder moved; do [ -e $f ] && echo made $f; done; wc -c < tool > /dev/null && echo read";
    std::fs::write(y.root("victim"), "content").unwrap();
    let done = y.run(Tool { text, ..BASH });
    assert_eq!(done.out, "own\nread\n", "{}", done.err);
    assert_eq!(std::fs::read_to_string(y.root("victim")).unwrap(), "content");
    let granted = y.run(Tool { text, permissions: &["write_file"], ..BASH });
    assert_eq!(granted.out, "own\nmade here\nmade folder\nmade moved\nread\n", "{}", granted.err);
    assert!(!y.user_home.path().join("there").exists());
    let minimal = y.run(Tool { text: "echo x > $HOME/there", level: "minimal", ..BASH });
    assert_eq!(minimal.record.end, End::Exited(0), "{}", minimal.err);
}

#[test]
fn files_are_read_where_that_was_granted() {
    let mut y = Yard::new();
    if !y.can("landlock") {
        return;
    }
    std::fs::create_dir(y.user_home.path().join(".ssh")).unwrap();
    std::fs::write(y.user_home.path().join(".ssh/key"), "secret").unwrap();
    std::fs::write(y.root("data"), "data").unwrap();
    let text = "cat data; cat $HOME/.ssh/key; cat /proc/$PPID/environ /proc/$PPID/root/etc/hostname; ls $HOME; head -c 0 /etc/passwd && echo system";
    let done = y.run(Tool { text, ..BASH });
    assert_eq!(done.out, "system\n", "{}", done.err);
    let granted = y.run(Tool { text, permissions: &["read_file"], ..BASH });
    assert_eq!(granted.out, "datasystem\n", "{}", granted.err);
    let shown = y.run(Tool { text: "cat $HOME/.ssh/key", level: "minimal", ..BASH });
    assert_eq!(shown.out, "secret", "the file is there: {}", shown.err);
}

/// Tries TCP and UDP to a port of this host, and says what came of it.
const CALL: &str = r"
import socket, sys
tcp, udp = int(open('tcp').read()), int(open('udp').read())
def attempt(name, do):
    try:
        do()
        print(name, 'went')
    except OSError as e:
        print(name, 'failed')
attempt('tcp', lambda: socket.create_connection(('127.0.0.1', tcp), 5).send(b'x'))
attempt('udp', lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', udp)))
attempt('vsock', lambda: socket.socket(40, socket.SOCK_STREAM))
";

#[test]
fn the_network_is_reached_where_that_was_granted() {
    let mut y = Yard::new();
    let (tcp, udp) = (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    std::fs::write(y.root("tcp"), tcp.local_addr().unwrap().port().to_string()).unwrap();
    std::fs::write(y.root("udp"), udp.local_addr().unwrap().port().to_string()).unwrap();
    udp.set_nonblocking(true).unwrap();
    tcp.set_nonblocking(true).unwrap();
    let tool = Tool { kind: "python_script", permissions: &["read_file"], text: CALL, ..BASH };
    let shut = "tcp failed\nudp failed\nvsock failed\n";
    let arrived = |udp: &UdpSocket| udp.recv(&mut [0; 8]).is_ok();
    if y.can("namespaces") && y.can("seccomp") {
        let done = y.run(tool);
        assert_eq!((done.out.as_str(), done.enforced()[1]), (shut, "netns"), "{}", done.err);
    }
    let own = y.host.clone();
    y.host.networks = Way::None;
    if y.can("seccomp") {
        let done = y.run(tool);
        assert_eq!((done.out.as_str(), done.enforced()[1]), (shut, "seccomp"), "{}", done.err);
    }
    assert!(!arrived(&udp) && tcp.accept().is_err(), "something came through");
    y.host.seccomp = false;
    if y.host.landlock >= 4 {
        let done = y.run(tool);
        // This is what the last resort does not do.
        assert!(done.out.starts_with("tcp failed\nudp went\n"), "{} {}", done.out, done.err);
        assert_eq!(done.enforced()[1], "landlock");
        assert!(arrived(&udp));
    }
    y.host = own;
    for (level, permissions) in [("standard", &["read_file", "network"][..]), ("network", &["read_file"])] {
        let done = y.run(Tool { level, permissions, ..tool });
        assert!(done.out.starts_with("tcp went\nudp went\n"), "{level}: {} {}", done.out, done.err);
        assert_eq!(done.enforced()[1], "open");
        assert!(arrived(&udp) && tcp.accept().is_ok());
    }
}

/// A tmux server of its own, in a folder of its own.
struct Tmux {
    folder: TempDir,
    name: String,
}

impl Tmux {
    fn new() -> Self {
        let tmux = Tmux { folder: TempDir::new().unwrap(), name: format!("fence-{}", std::process::id()) };
        let started = tmux.command(&["new-session", "-d", "-s", "agents", "sleep 300"]).status().unwrap();
        assert!(started.success());
        tmux
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.env("TMUX_TMPDIR", self.folder.path()).env_remove("TMUX").args(["-L", &self.name]).args(args);
        command
    }

    fn sockets(&self) -> PathBuf {
        self.folder.path().join(format!("tmux-{}", rustix::process::getuid().as_raw()))
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = self.command(&["kill-server"]).status();
    }
}

/// Tries each socket that the file `sockets` names, and ways around.
const KNOCK: &str = r"
import socket, os
for path in open('sockets').read().split():
    for at in (path, '/proc/%d/root%s' % (os.getppid(), path), '/proc/1/root' + path):
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(at)
            print('through', at)
        except OSError:
            pass
print('done')
";

#[test]
fn the_sockets_of_tmux_and_of_the_supervisor_are_out_of_reach() {
    let tmux = Tmux::new();
    let mut y = Yard::new();
    let home = y.server.jobs.path().to_path_buf();
    let (ctl, hook) = (home.join("ctl.sock"), home.join("hook.sock"));
    let elsewhere = y.root("by-path.sock");
    let _listeners = [&ctl, &hook, &elsewhere].map(|path| UnixListener::bind(path).unwrap());
    y.ground.tmux = vec![tmux.sockets()];
    y.ground.sockets = vec![ctl.clone(), hook.clone(), elsewhere.clone()];
    let all = [&tmux.sockets().join(&tmux.name), &ctl, &hook, &elsewhere];
    let names: Vec<_> = all.iter().map(|p| p.to_str().unwrap()).collect();
    std::fs::write(y.root("sockets"), names.join("\n")).unwrap();
    let permissions: &[&str] = &["read_file", "write_file", "network", "env_vars"];
    let tool = Tool { kind: "python_script", permissions, text: KNOCK, ..BASH };
    let minimal = y.run(Tool { level: "minimal", ..tool });
    for name in &names {
        assert!(minimal.out.contains(&format!("through {name}\n")), "it answers: {}", minimal.out);
    }
    let own = y.host.clone();
    if y.can("namespaces") && y.can("landlock") {
        for level in ["standard", "strict", "network"] {
            let done = y.run(Tool { level, ..tool });
            assert_eq!(done.out, "done\n", "{level}: {}", done.err);
            assert_eq!(done.enforced()[5], "mountns");
        }
        let text = format!(
            "TMUX_TMPDIR={} tmux -L {} ls; env | grep ^TMUX; ls {}; echo done",
            tmux.folder.path().display(),
            tmux.name,
            home.display()
        );
        let done = y.run(Tool { kind: "shell_script", text: &text, ..tool });
        assert!(!done.out.contains("agents") && !done.out.contains("sock"), "{}", done.out);
        assert!(done.out.ends_with("done\n"), "{}", done.err);
    }
    y.host = Host { mounts: Way::None, ..own };
    if y.can("seccomp") {
        let done = y.run(tool);
        assert!(
            !done.out.contains("through") && done.err.contains("PermissionError"),
            "{} {}",
            done.out,
            done.err
        );
        assert_eq!(done.enforced()[5], "seccomp");
    }
}

#[test]
fn a_registry_in_the_home_does_not_lead_back_to_its_sockets() {
    let mut y = Yard::new();
    if !(y.can("namespaces") && y.can("landlock")) {
        return;
    }
    let home = y.server.jobs.path().to_path_buf();
    let outer = home.join("outer");
    std::fs::create_dir(&outer).unwrap();
    y.root = TempDir::new_in(&outer).unwrap();
    let _listeners = [outer.join("a.sock"), home.join("ctl.sock")].map(|p| UnixListener::bind(p).unwrap());
    // The folder it starts in is one that is hidden and laid back: what is above it is not.
    let text = "import socket\nprint(open('tool').read(6))\n\
                for way in ('../a.sock', '../../ctl.sock'):\n    \
                try:\n        socket.socket(socket.AF_UNIX).connect(way)\n        print('through')\n    \
                except OSError as e:\n        print('failed')\n";
    let permissions: &[&str] = &["read_file"];
    let done = y.run(Tool { kind: "python_script", text, permissions, ..BASH });
    assert_eq!(done.out, "import\nfailed\nfailed\n", "{}", done.err);
    let open = y.run(Tool { kind: "python_script", text, permissions, level: "minimal", ..BASH });
    assert_eq!(open.out, "import\nthrough\nthrough\n", "{}", open.err);
}

#[test]
fn what_is_not_allowed_outside_is_not_allowed_to_root_either() {
    let mut y = Yard::new();
    if !(y.can("namespaces") && y.can("landlock")) {
        return;
    }
    let text = "import os, signal, ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n\
        def attempt(name, do):\n    try:\n        print(name, 'went', do())\n    except OSError as e:\n        print(name, 'failed')\n\
        def call(result):\n    if result: raise OSError(ctypes.get_errno())\n\
        attempt('kill', lambda: os.kill(os.getppid(), 0))\n\
        attempt('mount', lambda: call(libc.mount(b'x', b'/mnt', b'tmpfs', 0, None)))\n\
        attempt('umount', lambda: call(libc.umount2(os.path.dirname(os.environ['TMPDIR']).encode(), 2)))\n\
        attempt('netns', lambda: os.open('/proc/%d/ns/net' % os.getppid(), 0))\n\
        attempt('core', lambda: os.open('/proc/sys/kernel/core_pattern', 1))\n\
        attempt('device', lambda: os.mknod(os.environ['TMPDIR'] + '/d', 0o20600, os.makedev(1, 1)))\n\
        attempt('group', lambda: os.open('/sys/fs/cgroup/pids/tasks', 1))\n\
        status = open('/proc/self/status').read()\n\
        print(status.split('NoNewPrivs:')[1].split()[0], status.split('CapEff:')[1].split()[0])\n";
    let permissions: &[&str] = &["read_file", "write_file", "network"];
    let done = y.run(Tool { kind: "python_script", text, permissions, ..BASH });
    let failed =
        ["kill", "mount", "umount", "netns", "core", "device", "group"].map(|n| format!("{n} failed\n"));
    // Over files and processes of users, and ports; an ordinary user has none to begin with.
    let rights = if rustix::process::geteuid().is_root() { "00000000000004fb" } else { "0000000000000000" };
    assert_eq!(done.out, format!("{}1 {rights}\n", failed.concat()), "{}", done.err);
}

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
    let text = "echo $$ > pid; sleep 300";
    let plan = y.plan(Tool { text, permissions: &["write_file"], ..BASH }).unwrap();
    let id = plan.id;
    y.server.order(&Order::Start(Box::new(plan)));
    let pid = eventually("the script runs", || {
        std::fs::read_to_string(y.root("pid")).ok()?.trim().parse::<u32>().ok()
    });
    let shim = y.server.found(id).claim.unwrap().shim.pid;
    let folder = Path::new(&group.folder).join(format!("tsup-{}-1-{shim}", id.job));
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
    let text = "echo $$ > pid; setsid sleep 300 & sleep 300";
    let plan = y.plan(Tool { text, permissions: &["write_file"], ..BASH }).unwrap();
    let id = plan.id;
    y.server.order(&Order::Start(Box::new(plan)));
    let pid = eventually("the script runs", || {
        std::fs::read_to_string(y.root("pid")).ok()?.trim().parse::<u32>().ok()
    });
    let shim = y.server.found(id).claim.unwrap().shim.pid;
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

#[test]
fn strict_refuses_what_this_host_is_said_to_lack() {
    let mut y = Yard::new();
    y.host = Host {
        landlock: 7,
        seccomp: true,
        mounts: Way::Direct,
        networks: Way::Direct,
        memory: None,
        processes: None,
    };
    let strict = Tool { level: "strict", text: "touch ran", permissions: &["write_file"], ..BASH };
    let hosts = Tool { security: r#", "allowed_hosts": ["example.org"]"#, ..strict };
    let refused = y.plan(hosts).unwrap_err();
    assert_eq!(refused.category, Category::Permission);
    assert!(refused.message.raw().contains("hosts"), "{refused:?}");
    y.host.landlock = 0;
    assert_eq!(y.plan(strict).unwrap_err().context["missing"].raw(), "landlock");
    assert!(y.plan(Tool { level: "standard", ..strict }).is_ok());
}

#[test]
fn a_fence_that_cannot_be_put_up_keeps_the_script_from_starting() {
    let mut y = Yard::new();
    // A version of Landlock that this kernel does not have: what was decided is not what can be done.
    let mut plan = y.plan(Tool { text: "touch ran", permissions: &["write_file"], ..BASH }).unwrap();
    plan.fence.landlock = 9;
    if y.host.landlock < 9 {
        let record = y.server.run(plan);
        let End::NotStarted { step, .. } = &record.end else { panic!("{:?}", record.end) };
        assert_eq!(step, "sandbox: files");
        assert!(!y.root("ran").exists());
        assert_eq!(record.enforced, tsup_core::tes::attempt::Enforced::default());
    }
    // A group that cannot be made: `strict` does not do without, `standard` looks at the tree instead.
    let nowhere = Some(sandbox::Group { version: 1, folder: "/nowhere".into() });
    y.host = Host { processes: nowhere, ..y.host.clone() };
    if y.can("landlock") && y.can("seccomp") && y.can("namespaces") {
        let plan = y.plan(Tool { text: "true", level: "strict", ..BASH }).unwrap();
        let End::NotStarted { step, errno, .. } = y.server.run(plan).end else { panic!("it started") };
        assert_eq!((step.as_str(), errno), ("sandbox: control group", 2));
        assert_eq!(y.run(Tool { text: "true", ..BASH }).enforced()[4], "sampled");
    }
}

/// An ordinary user.
const NOBODY: u32 = 65_534;

/// The fence of an ordinary user, who makes namespaces within one of users.
#[test]
fn an_ordinary_user_is_fenced_in_too() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can become another user; every other test here ran as an ordinary one");
        return;
    }
    let by_users = Host { mounts: Way::User, networks: Way::User, memory: None, processes: None, ..host() };
    let mut y = Yard::on(
        Server::start(|command| {
            command.uid(NOBODY).gid(NOBODY);
        }),
        by_users,
    );
    for folder in [y.root.path(), y.server.jobs.path(), y.user_home.path()] {
        std::os::unix::fs::chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    if !y.can("landlock") {
        return;
    }
    let tmux = Tmux::new();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_nonblocking(true).unwrap();
    let _listener = UnixListener::bind(y.server.jobs.path().join("ctl.sock")).unwrap();
    y.ground.tmux = vec![tmux.sockets()];
    let text = format!(
        "id -u; [ -e {}/ctl.sock ] || echo hidden; touch here || echo refused; echo x > /dev/udp/127.0.0.1/{} || echo unreachable; \
         echo x > $TMPDIR/own && cat $TMPDIR/own; grep CapEff /proc/self/status",
        y.server.jobs.path().display(),
        udp.local_addr().unwrap().port(),
    );
    let mut plan = y.plan(Tool { text: &text, ..BASH }).unwrap();
    plan.program = "/bin/bash".into();
    let record = y.server.run(plan);
    let printed = |name| String::from_utf8(y.server.printed(y.jobs, name)).unwrap();
    if let End::NotStarted { step, .. } = &record.end {
        println!("skipped: an ordinary user cannot do this here ({step})");
        return;
    }
    assert_eq!(
        printed("stdout"),
        "65534\nhidden\nrefused\nunreachable\nx\nCapEff:\t0000000000000000\n",
        "{}",
        printed("stderr")
    );
    assert!(udp.recv(&mut [0; 8]).is_err());
    let words = (record.enforced.network.as_str(), record.enforced.sockets.as_str());
    assert_eq!(words, ("netns", "mountns"));
}

#[test]
fn the_environment_holds_nothing_that_leads_out() {
    let mut y = Yard::new();
    let done = y.run(Tool {
        text: "env | grep -v ^_= | grep -v ^PWD= | grep -v ^SHLVL= | cut -d= -f1 | sort",
        level: "strict",
        ..BASH
    });
    assert_eq!(done.out, "HOME\nPATH\nTMPDIR\nTSUP_ATTEMPT\nTSUP_JOB\n", "{}", done.err);
    let all = y.run(Tool { text: "env; echo $TSUP_JOB", permissions: &["env_vars"], ..BASH });
    assert!(!all.out.lines().any(|l| l.starts_with("TMUX")));
    assert!(all.out.trim_end().ends_with(&Server::id(y.jobs).job.to_string()));
}
