//! What this host can.

use std::io;

use tsup_core::tes::sandbox::{Group, Host, Way};

use crate::os::{ability, cgroup, namespace};

/// Looks at what this host can, and tries what cannot be looked at. It starts up to two children that execute
/// nothing, so it is for once, not for each attempt.
pub fn host() -> Host {
    let direct = ability::namespaces(false);
    let by_users =
        if direct.mounts && direct.network { ability::Tried::default() } else { ability::namespaces(true) };
    let way = |direct: bool, by_users: bool| match (direct, by_users) {
        (true, _) => Way::Direct,
        (false, true) => Way::User,
        (false, false) => Way::None,
    };
    Host {
        landlock: namespace::landlock(),
        seccomp: namespace::seccomp(),
        mounts: way(direct.mounts, by_users.mounts),
        networks: way(direct.network, by_users.network),
        memory: base("memory"),
        processes: base("pids"),
    }
}

fn base(controller: &str) -> Option<Group> {
    let base = cgroup::base(controller)?;
    let folder = base.folder.into_os_string().into_string();
    Some(Group { version: base.version, folder: folder.map_err(|_| io::ErrorKind::InvalidData).ok()? })
}
