//! Scripts under real fences: what they reach, what they do not, and what stands on the job about it.
#![expect(clippy::print_stdout, reason = "a test that is skipped says why")]

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tsup_actors::tes::shim::fence::{Around, Ground, host};
use tsup_core::tes::attempt::plan::{Order, Plan};
use tsup_core::tes::attempt::{AttemptId, Cause, End, Record};
use tsup_core::tes::failure::{Category, Failure};
use tsup_core::tes::registry::parse_json;
use tsup_core::tes::sandbox::{self, Host, Surroundings, Way};
use tsup_core::tes::script::Script;

use crate::harness::eventually;
use crate::shim::Server;

mod bounds;
mod jobs;
mod others;
mod reach;

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
        Self::on(Server::new(), host().unwrap())
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
        let tmp = PathBuf::from(&plan.tmp);
        let from = Surroundings { own: &own, inputs: &[], tmp: tmp.to_str().unwrap(), id: plan.id };
        plan.env = sandbox::environment(&script, from)?;
        for (name, value) in &mut plan.env {
            if name == "HOME" {
                *value = self.user_home.path().to_str().unwrap().into();
            }
        }
        let path = std::env::var("PATH").unwrap();
        let around = Around { root: self.root.path(), file: &file, path: &path, inputs: &[], tmp: &tmp };
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

    /// Starts a script that writes its own pid into the file `pid`; returns its attempt, that pid, and its shim's.
    fn begin(&mut self, text: &str) -> (AttemptId, u32, u32) {
        let plan = self.plan(Tool { text, permissions: &["write_file"], ..BASH }).unwrap();
        let id = plan.id;
        self.server.order(&Order::Start(Box::new(plan)));
        let pid = eventually("the script runs", || {
            std::fs::read_to_string(self.root("pid")).ok()?.trim().parse::<u32>().ok()
        });
        (id, pid, self.server.found(id).claim.unwrap().shim.pid)
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
        let host = host().unwrap();
        for group in [&host.memory, &host.processes].into_iter().flatten() {
            let folder = Path::new(&group.folder).join(format!("tsup-{}-1-{shim}", id.job));
            assert!(!folder.exists(), "{}", folder.display());
        }
    }
}

/// The group that bounds processes is its shim's: each attempt meets its own bound, and the group goes with the shim.
#[test]
fn a_shim_bounds_the_processes_of_each_attempt_anew() {
    let mut y = Yard::new();
    let v1 = y.host.processes.as_ref().is_some_and(|group| group.version == 1);
    if !y.can("processes group") || !v1 {
        return println!("skipped: groups of the second version are each attempt's own");
    }
    let crowd =
        "grep pids: /proc/self/cgroup\nfor i in 1 2 3 4 5 6 7 8; do sleep 0.3 & done 2>/dev/null\nwait";
    let of = |text, max| Tool { level: "minimal", text, security: max, ..BASH };
    let few = r#", "max_processes": 4"#;
    let first = y.run(of(crowd, few));
    assert_eq!(first.record.cause, Some(Cause::Processes));
    let second = y.run(of("grep pids: /proc/self/cgroup", few));
    assert_eq!((second.record.cause, &second.record.end), (None, &End::Exited(0)), "{}", second.err);
    let third = y.run(of(crowd, r#", "max_processes": 40"#));
    assert_eq!((third.record.cause, &third.record.end), (None, &End::Exited(0)), "{}", third.err);
    let fourth = y.run(of(crowd, few));
    assert_eq!(fourth.record.cause, Some(Cause::Processes), "after one that had more");
    let name = second.out.trim().rsplit('/').next().unwrap().to_owned();
    for done in [&first, &third, &fourth] {
        assert!(done.out.contains(&name), "{name} is used again: {}", done.out);
    }
    let folder = Path::new(&y.host.processes.as_ref().unwrap().folder).join(name);
    assert!(folder.exists());
    // Nobody gives orders any more.
    drop(y);
    eventually("the group is gone", || (!folder.exists()).then_some(()));
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
