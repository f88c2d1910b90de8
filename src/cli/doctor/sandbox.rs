//! What the doctor asks of the host about shutting scripts in.

use tsup_actors::tes::shim::fence;
use tsup_core::tes::sandbox::{Group, Host, Way};

use super::Finding;

pub(super) fn look() -> Vec<Finding> {
    match fence::host() {
        Ok(host) => rows(&host),
        Err(e) => vec![Finding::warn(
            "sandbox",
            format!("it could not be tried what this host can: {e}"),
            "see its limits of processes and open files (`ulimit -u -n`); until it can be tried no job starts",
        )],
    }
}

fn rows(host: &Host) -> Vec<Finding> {
    vec![
        landlock(host),
        namespaces(host),
        seccomp(host),
        bound("memory bound", host.memory.as_ref()),
        bound("process bound", host.processes.as_ref()),
        Finding::ok("job limits", "CPU, size of files, open files, no core: by rlimits"),
        levels(host),
    ]
}

fn landlock(host: &Host) -> Finding {
    let name = "landlock";
    match host.landlock {
        0 => Finding::warn(
            name,
            "not here: what scripts read and write is not bounded",
            "Linux 5.13 or later with `landlock` among its security modules (`lsm=` of the kernel)",
        ),
        n @ 1..3 => Finding::warn(
            name,
            format!("version {n}: scripts may empty files that they may not write"),
            "Linux 6.2 or later has version 3, which `strict` wants",
        ),
        n => Finding::ok(name, format!("version {n}: bounds what scripts read and write")),
    }
}

fn namespaces(host: &Host) -> Finding {
    let name = "namespaces";
    let how = |way: Way| match way {
        Way::Direct => "by right of this user",
        Way::User => "within one of users",
        Way::None => "no",
    };
    let says = format!("mounts: {}, network: {}", how(host.mounts), how(host.networks));
    if host.mounts != Way::None && host.networks != Way::None {
        return Finding::ok(name, says);
    }
    Finding::warn(
        name,
        says,
        "allow them to ordinary users (user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns=0); \
         until then a filter of system calls does it",
    )
}

fn seccomp(host: &Host) -> Finding {
    let name = "seccomp";
    if host.seccomp {
        return Finding::ok(name, "system calls can be filtered");
    }
    Finding::warn(name, "system calls cannot be filtered", "a kernel with CONFIG_SECCOMP_FILTER")
}

fn bound(name: &'static str, group: Option<&Group>) -> Finding {
    match group {
        Some(group) => Finding::ok(name, format!("control groups {}, in {}", group.version, group.folder)),
        None => Finding::warn(
            name,
            "by looking from time to time, and a kill",
            "run under systemd with Delegate=yes and DelegateSubgroup=, or as root",
        ),
    }
}

fn levels(host: &Host) -> Finding {
    let name = "sandbox";
    if host.holds_strict() {
        return Finding::ok(name, "minimal, standard, strict and network can be held");
    }
    Finding::warn(
        name,
        "`strict` refuses to run scripts here; standard does what can be done, and says on the job what it was",
        "see the lines above",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Level;

    #[test]
    fn a_host_without_anything_is_told_what_would_help() {
        let rows = rows(&Host::default());
        let warned = rows.iter().filter(|f| f.level == Level::Warn).count();
        assert_eq!((rows.len(), warned), (7, 6), "{rows:?}");
        assert!(rows.iter().all(|f| f.level != Level::Fix), "agents run without all this");
    }

    #[test]
    fn a_host_with_everything_is_well() {
        let group = |name: &str| Some(Group { version: 2, folder: format!("/sys/fs/cgroup/{name}") });
        let host = Host {
            landlock: 7,
            seccomp: true,
            mounts: Way::Direct,
            networks: Way::User,
            memory: group("a"),
            processes: group("b"),
        };
        let rows = rows(&host);
        assert!(rows.iter().all(|f| f.level == Level::Ok), "{rows:?}");
        assert!(rows[1].says.contains("network: within one of users"));
        assert_eq!(super::rows(&Host { landlock: 2, ..host })[0].level, Level::Warn);
    }
}
