//! What a fenced script reaches of files, of the network and of sockets.

use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use tsup_actors::tes::shim::fence::host;
use tsup_core::tes::attempt::End;
use tsup_core::tes::sandbox::{Host, Way};

use super::{BASH, Tool, Yard};
use crate::shim::Server;

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
fn root_held_strictly_is_nobody_else_and_changes_nobodys_files() {
    let mut y = Yard::new();
    if !(y.can("namespaces") && y.can("landlock") && rustix::process::geteuid().is_root()) {
        println!("skipped: this is about root, where `strict` can be held");
        return;
    }
    let text = "touch $TMPDIR/x\nchown 65534 $TMPDIR/x 2>/dev/null || echo mine\n\
        chmod 600 $TMPDIR/x && cat /etc/shadow > /dev/null && echo read\ngrep CapEff /proc/self/status";
    let done = y.run(Tool { level: "strict", permissions: &["read_file"], text, ..BASH });
    assert_eq!(done.out, "mine\nread\nCapEff:\t0000000000000422\n", "{}", done.err);
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
    let by_users =
        Host { mounts: Way::User, networks: Way::User, memory: None, processes: None, ..host().unwrap() };
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
    drop(y.server.traces());
    std::os::unix::fs::chown(&plan.traces, Some(NOBODY), Some(NOBODY)).unwrap();
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
