//! What this host can.

use std::io;

use tsup_core::tes::sandbox::{Group, Host, Way};

use crate::os::{ability, cgroup, namespace};

/// Looks at what this host can, and tries what cannot be looked at. It starts up to two children that execute
/// nothing, so it is for once, not for each attempt.
///
/// # Errors
/// Something could not be tried for want of descriptors, processes or memory: what it would have said is not known, and
/// nothing weaker may be taken for it.
pub fn host() -> io::Result<Host> {
    let direct = ability::namespaces(false)?;
    let by_users =
        if direct.mounts && direct.network { ability::Tried::default() } else { ability::namespaces(true)? };
    let way = |direct: bool, by_users: bool| match (direct, by_users) {
        (true, _) => Way::Direct,
        (false, true) => Way::User,
        (false, false) => Way::None,
    };
    Ok(Host {
        landlock: namespace::landlock(),
        seccomp: namespace::seccomp(),
        mounts: way(direct.mounts, by_users.mounts),
        networks: way(direct.network, by_users.network),
        memory: base("memory")?,
        processes: base("pids")?,
    })
}

fn base(controller: &str) -> io::Result<Option<Group>> {
    let Some(base) = cgroup::base(controller)? else { return Ok(None) };
    // Orders are text.
    let folder = base.folder.into_os_string().into_string().ok();
    Ok(folder.map(|folder| Group { version: base.version, folder }))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    use super::*;

    const ALONE: &str = "TSUP_TEST_ALONE";

    /// It lowers a limit of the whole process, so it runs in one of its own.
    #[test]
    fn what_could_not_be_tried_is_not_said() {
        if std::env::var_os(ALONE).is_none() {
            let test = "tes::shim::fence::host::tests::what_could_not_be_tried_is_not_said";
            let mut alone = Command::new(std::env::current_exe().unwrap());
            let done = alone.args(["--exact", test, "--nocapture"]).env(ALONE, "1").output().unwrap();
            let said = String::from_utf8_lossy(&done.stdout);
            assert!(done.status.success() && said.contains("1 passed"), "{said}");
            return;
        }
        let full = host().unwrap();
        let maximum = getrlimit(Resource::Nofile).maximum;
        let limit = |n: u64| setrlimit(Resource::Nofile, Rlimit { current: Some(n), maximum }).unwrap();
        let mut refused = 0;
        for open in 3..40 {
            limit(open);
            match host() {
                Ok(host) => assert_eq!(host, full, "with {open} descriptors"),
                Err(_) => refused += 1,
            }
        }
        assert!((1..37).contains(&refused), "{refused}");
    }
}
