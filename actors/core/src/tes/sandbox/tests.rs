use proptest::prelude::*;

use super::*;
use crate::ids::JobId;
use crate::tes::attempt::AttemptId;
use crate::tes::registry::parse_json;
use crate::tes::script::Permissions;

fn script(level: &str, permissions: &[&str], security: &str) -> Script {
    let permissions = serde_json::to_string(permissions).unwrap();
    let text = format!(
        r#"{{"scripts": [{{"id": "a/b", "name": "b", "path": "b.sh",
            "execution": {{"type": "shell_script", "permissions": {permissions}, "timeout": 5000}},
            "security": {{"sandbox": "{level}"{security}}}}}]}}"#
    );
    let parsed = parse_json(&text);
    assert!(parsed.problems.is_empty(), "{:?}", parsed.problems);
    Script::clone(&parsed.scripts[0])
}

fn places() -> Places {
    let text = |t: &str| t.to_owned();
    Places {
        root: text("/work/tools"),
        script: text("/work/tools/b.sh"),
        programs: vec![text("/usr/bin/bash")],
        inputs: vec![text("/data/in.csv")],
        tmp: text("/state/tsup/jobs/j1/1/tmp"),
        home: text("/state/tsup"),
        user_home: text("/home/me"),
        tmux: vec![text("/tmp/tmux-1000")],
        sockets: vec![text("/state/tsup/ctl.sock"), text("/run/my-tmux.sock")],
    }
}

fn group(name: &str) -> Group {
    Group { version: 1, folder: format!("/sys/fs/cgroup/{name}") }
}

fn able() -> Host {
    Host {
        landlock: 7,
        seccomp: true,
        mounts: Way::Direct,
        networks: Way::Direct,
        memory: Some(group("memory")),
        processes: Some(group("pids")),
    }
}

fn fence(script: &Script, host: &Host) -> Fence {
    decide(script, &places(), host).unwrap()
}

fn words(e: &Enforced) -> [&str; 6] {
    [&e.fs, &e.network, &e.memory, &e.cpu, &e.processes, &e.sockets].map(String::as_str)
}

fn refused(script: &Script, host: &Host) -> Failure {
    let failure = *decide(script, &places(), host).unwrap_err();
    assert_eq!(failure.category, Category::Permission);
    assert!(!failure.suggestions.is_empty() && !failure.context.is_empty());
    failure
}

#[test]
fn minimal_bounds_what_is_used_and_nothing_else() {
    let f = fence(&script("minimal", &[], r#", "max_memory": "64MB", "max_processes": 8"#), &able());
    assert_eq!(words(&f.enforced(true, true, true)), ["none", "none", "cgroup", "rlimit", "cgroup", "none"]);
    assert_eq!((f.memory.as_ref().unwrap().max, f.processes.as_ref().unwrap().max), (64 << 20, 8));
    assert!(!f.unprivileged && f.files.is_none());
    assert_eq!(fence(&script("minimal", &["network"], ""), &able()).network, Network::Open);
}

#[test]
fn standard_enforces_what_the_host_can_and_says_what_it_cannot() {
    let s = script("standard", &[], r#", "max_memory": "64MB""#);
    let told = |host: &Host| fence(&s, host).enforced(host.memory.is_some(), host.processes.is_some(), true);
    assert_eq!(words(&told(&able())), ["landlock7", "netns", "cgroup", "rlimit", "cgroup", "mountns"]);
    let host = Host { networks: Way::None, mounts: Way::None, memory: None, processes: None, ..able() };
    assert_eq!(words(&told(&host)), ["landlock7", "seccomp", "sampled", "rlimit", "sampled", "seccomp"]);
    let host = Host { seccomp: false, ..host };
    assert_eq!(words(&told(&host)), ["landlock7", "landlock", "sampled", "rlimit", "sampled", "none"]);
    let host = Host { landlock: 3, ..host };
    assert_eq!(words(&told(&host)), ["landlock3", "none", "sampled", "rlimit", "sampled", "none"]);
    assert_eq!(
        words(&told(&Host::default())),
        ["none", "none", "sampled", "rlimit", "sampled", "none"],
        "it runs all the same"
    );
    let f = fence(&s, &Host { landlock: 12, ..able() });
    assert_eq!(f.landlock, limits::LANDLOCK_KNOWN, "of a newer kernel the known rights are used");
}

#[test]
fn the_network_is_open_where_it_was_granted() {
    assert_eq!(fence(&script("standard", &["network"], ""), &able()).network, Network::Open);
    let f = fence(&script("network", &[], ""), &able());
    assert_eq!(
        words(&f.enforced(false, true, true)),
        ["landlock7", "open", "none", "rlimit", "cgroup", "mountns"]
    );
}

#[test]
fn strict_refuses_what_cannot_be_held() {
    let s = script("strict", &[], "");
    assert!(fence(&s, &able()).strict);
    for (host, missing) in [
        (Host { landlock: 0, ..able() }, "landlock"),
        (Host { landlock: 2, ..able() }, "landlock"),
        (Host { seccomp: false, ..able() }, "seccomp"),
        (Host::default(), "landlock"),
    ] {
        assert_eq!(refused(&s, &host).context["missing"].raw(), missing);
    }
    // What a filter of system calls does in place of namespaces is enough.
    let host = Host { networks: Way::None, mounts: Way::None, ..able() };
    assert_eq!(fence(&s, &host).network, Network::Seccomp);
    let hosts = script("strict", &["network"], r#", "allowed_hosts": ["example.org"]"#);
    let failure = refused(&hosts, &able());
    assert_eq!(failure.context["allowed_hosts"].raw(), "example.org");
    let hosts = script("standard", &["network"], r#", "allowed_hosts": ["example.org"]"#);
    assert_eq!(fence(&hosts, &able()).network, Network::Open);
}

#[test]
fn namespaces_of_an_ordinary_user_are_in_one_of_users() {
    let user = Host { mounts: Way::User, networks: Way::User, ..able() };
    assert!(fence(&script("standard", &[], ""), &user).user_namespace);
    assert!(!fence(&script("standard", &[], ""), &able()).user_namespace);
    let only_networks = Host { mounts: Way::None, ..user };
    assert!(!fence(&script("standard", &["network"], ""), &only_networks).user_namespace);
}

#[test]
fn permissions_say_what_is_read_and_written() {
    let of = |p: Permissions| Files::of(&p, &places());
    let none = of(Permissions::default());
    assert!(none.read.contains(&"/usr".into()) && none.read.contains(&"/work/tools/b.sh".into()));
    assert!(!none.read.contains(&"/work/tools".into()) && !none.read.contains(&"/data/in.csv".into()));
    assert_eq!(none.write, ["/state/tsup/jobs/j1/1/tmp"]);
    let read = of(Permissions { read: true, ..Permissions::default() });
    for path in ["/work/tools", "/data/in.csv", "/var", "/home/me/.gitconfig"] {
        assert!(read.read.contains(&path.into()), "{path}");
    }
    assert_eq!(read.write, none.write);
    let write = of(Permissions { read: true, write: true, ..Permissions::default() });
    assert_eq!(write.write, ["/state/tsup/jobs/j1/1/tmp", "/work/tools"]);
}

#[test]
fn sockets_are_hidden_with_their_folders_and_what_is_needed_is_laid_back() {
    let hidden = Hidden::of(&places());
    assert_eq!(hidden.folders, ["/state/tsup", "/tmp/tmux-1000"]);
    assert_eq!(hidden.kept, ["/state/tsup/jobs/j1/1/tmp"]);
    assert_eq!(hidden.sockets, ["/run/my-tmux.sock"], "the other is hidden with its folder");
    // A registry in the supervisor's own home.
    let inside = Places { root: "/state/tsup/tools".into(), ..places() };
    assert_eq!(Hidden::of(&inside).kept, ["/state/tsup/tools", "/state/tsup/jobs/j1/1/tmp"]);
    let at = Places { root: "/state/tsup".into(), ..places() };
    let hidden = Hidden::of(&at);
    assert_eq!(hidden.folders, ["/tmp/tmux-1000"]);
    assert_eq!(hidden.sockets, ["/state/tsup/ctl.sock", "/run/my-tmux.sock"]);
    // Whoever submits a job cannot uncover anything by naming it.
    let named = ["/state/tsup", "/state/tsup/ctl.sock", "/tmp/tmux-1000", "/tmp/tmux-1000/default", "/"];
    let inputs = named.map(str::to_owned).to_vec();
    assert_eq!(Hidden::of(&Places { inputs, ..places() }), Hidden::of(&places()));
    // A home within the registry's folder, as one for each project.
    let around = Places { root: "/state".into(), ..places() };
    assert_eq!(Hidden::of(&around).folders, ["/state/tsup", "/tmp/tmux-1000"]);
}

#[test]
fn an_interpreter_brings_its_own_folder_and_never_a_home() {
    let around = |program| super::around(program, "/home/me");
    assert_eq!(around("/home/me/.pyenv/shims/python3"), Some("/home/me/.pyenv"));
    assert_eq!(around("/home/me/.nvm/versions/node/v22/bin/node"), Some("/home/me/.nvm/versions/node/v22"));
    assert_eq!(around("/work/app/.venv/bin/python"), Some("/work/app/.venv"));
    for shared in
        ["/usr/bin/bash", "/home/me/bin/x", "/home/me/.local/bin/x", "/home/me/.cargo/bin/x", "/bin/sh"]
    {
        assert_eq!(around(shared), None, "{shared}");
    }
    assert_eq!(around("/home/bin/x"), None);
    assert_eq!(around("tool"), None);
}

const ID: AttemptId = AttemptId { job: JobId::drawn(7), attempt: 2, epoch: 1 };

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
}

fn names(script: &Script, own: &[(&str, &str)], inputs: &[(&str, &str)]) -> Vec<String> {
    let (own, inputs) = (pairs(own), pairs(inputs));
    let env = environment(script, Surroundings { own: &own, inputs: &inputs, tmp: "/t", id: ID }).unwrap();
    let mut names: Vec<String> = env.into_iter().map(|(n, _)| n).collect();
    names.sort();
    names
}

const OWN: [(&str, &str); 9] = [
    ("PATH", "/p"),
    ("HOME", "/home/me"),
    ("LANG", "C.UTF-8"),
    ("SECRET", "s"),
    ("TMUX", "/tmp/tmux-0/default,1,0"),
    ("TMUX_PANE", "%1"),
    ("TSUP_HOME", "/state"),
    ("TSUP_JOB", "another"),
    ("TMPDIR", "/elsewhere"),
];

#[test]
fn a_script_sees_what_it_was_granted_and_its_own() {
    assert_eq!(
        (path(&OWN.map(|(n, v)| (n.to_owned(), v.to_owned()))), path(&[])),
        ("/p", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    );
    let plain = ["HOME", "LANG", "PATH", "TMPDIR", "TSUP_ATTEMPT", "TSUP_JOB"];
    assert_eq!(names(&script("standard", &[], ""), &OWN, &[]), plain);
    assert_eq!(names(&script("minimal", &[], ""), &OWN, &[]), plain);
    let all = ["HOME", "LANG", "PATH", "SECRET", "TMPDIR", "TSUP_ATTEMPT", "TSUP_JOB"];
    assert_eq!(names(&script("standard", &["env_vars"], ""), &OWN, &[]), all);
    let strict = ["HOME", "INPUT", "PATH", "TMPDIR", "TSUP_ATTEMPT", "TSUP_JOB"];
    assert_eq!(names(&script("strict", &["env_vars"], ""), &OWN, &[("INPUT", "x")]), strict);
    let mut required = script("strict", &[], "");
    required.env_required = vec!["SECRET".into(), "TMPDIR".into()];
    assert!(names(&required, &OWN, &[]).contains(&"SECRET".to_owned()));
    let own = pairs(&OWN);
    let env = environment(&required, Surroundings { own: &own, inputs: &[], tmp: "/t", id: ID }).unwrap();
    let value = |name: &str| env.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    assert_eq!(value("TMPDIR"), Some("/t".into()));
    assert_eq!(value("TSUP_JOB"), Some(ID.job.to_string()));
    assert_eq!(value("TSUP_ATTEMPT"), Some("2".into()));
    assert_eq!(names(&script("standard", &[], ""), &[], &[]), ["PATH", "TMPDIR", "TSUP_ATTEMPT", "TSUP_JOB"]);
}

#[test]
fn a_variable_that_is_missing_or_leads_out_is_told_before_anything_runs() {
    let fails = |required: &str, inputs: &[(&str, &str)]| {
        let mut s = script("standard", &["env_vars"], "");
        s.env_required = if required.is_empty() { vec![] } else { vec![required.into()] };
        let (own, inputs) = (pairs(&OWN), pairs(inputs));
        *environment(&s, Surroundings { own: &own, inputs: &inputs, tmp: "/t", id: ID }).unwrap_err()
    };
    let missing = fails("API_KEY", &[]);
    assert_eq!(missing.category, Category::Dependency);
    assert!(missing.message.raw().contains("API_KEY") && missing.suggestions[0].contains("API_KEY"));
    assert_eq!(fails("TMUX", &[]).category, Category::Permission);
    assert_eq!(fails("", &[("TSUP_SOCKET", "/s")]).category, Category::Permission);
}

proptest! {
    /// Whatever the host: nothing is enforced by what it cannot, `strict` leaves nothing open, and what was
    /// granted is never shut.
    #[test]
    fn a_fence_uses_what_is_there(
        landlock in 0..10_u32, seccomp: bool, mounts in 0..3_u8, networks in 0..3_u8,
        groups: bool, level in 0..4_usize, network: bool,
    ) {
        let way = |n: u8| [Way::None, Way::Direct, Way::User][usize::from(n)];
        let host = Host {
            landlock, seccomp, mounts: way(mounts), networks: way(networks),
            memory: groups.then(|| group("memory")), processes: groups.then(|| group("pids")),
        };
        let level = ["minimal", "standard", "strict", "network"][level];
        let granted: &[&str] = if network { &["network"] } else { &[] };
        let s = script(level, granted, r#", "max_memory": 1000000"#);
        let open = network || level == "network";
        let Ok(f) = decide(&s, &places(), &host) else {
            prop_assert!(level == "strict" && !host.holds_strict());
            return Ok(());
        };
        let told = f.enforced(groups, groups, true);
        prop_assert_eq!(told.network == "open", open);
        prop_assert!(f.network != Network::Namespace || host.networks != Way::None);
        prop_assert!(f.network != Network::Seccomp || host.seccomp);
        prop_assert!(f.files.is_none() || (landlock > 0 && f.landlock <= landlock));
        prop_assert!(!matches!(f.sockets, Sockets::Hidden(_)) || host.mounts != Way::None);
        prop_assert_eq!(&told.memory, if groups { "cgroup" } else { "sampled" });
        if level == "strict" {
            prop_assert!(host.holds_strict());
            prop_assert!(!words(&told)[..2].contains(&"none") && told.sockets != "none" && f.unprivileged);
        }
        // It goes to the shim and comes back as it was.
        let frame = serde_json::to_vec(&f).unwrap();
        prop_assert_eq!(serde_json::from_slice::<Fence>(&frame).unwrap(), f);
    }

    /// Nothing that a script needs is hidden, and no socket is left in what is laid back.
    #[test]
    fn what_is_needed_is_never_hidden(paths in proptest::collection::vec("(/[ab]){1,4}", 7)) {
        let [root, script, tmp, home, tmux, one, two] = &paths[..] else { unreachable!() };
        let p = Places {
            root: root.clone(), script: script.clone(), tmp: tmp.clone(), home: home.clone(),
            tmux: vec![tmux.clone()], sockets: vec![format!("{one}/s"), format!("{two}/s")],
            ..Places::default()
        };
        let hidden = Hidden::of(&p);
        let covered = |path: &str, by: &[String]| by.iter().any(|f| std::path::Path::new(path).starts_with(f));
        for needed in [root, script, tmp] {
            prop_assert!(!covered(needed, &hidden.folders) || covered(needed, &hidden.kept));
        }
        for socket in &p.sockets {
            let gone = covered(socket, &hidden.folders) && !covered(socket, &hidden.kept);
            prop_assert!(gone || hidden.sockets.contains(socket));
        }
        prop_assert!(hidden.kept.iter().all(|k| covered(k, &hidden.folders)));
    }
}
