//! The places that a script reaches, and those that are hidden from it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::tes::script::Permissions;

/// Without these nothing starts: programs, libraries, settings of the system, and what the kernel tells of
/// itself. They are readable at every level.
const SYSTEM: [&str; 13] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc",
    "/opt",
    "/nix",
    "/proc",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
];
/// The rest of the system, for `read_file`: what it keeps and serves, and never homes.
const SYSTEM_MORE: [&str; 4] = ["/var", "/srv", "/sys", "/boot"];
/// Devices that hold nothing and reach nobody.
const DEVICES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];
/// What of the user's home `read_file` grants: without its settings git does not run.
const SETTINGS: [&str; 2] = [".gitconfig", ".config/git"];

/// Where things are. All are absolute, and without links as far as they exist.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    /// The registry's folder.
    pub root: String,
    /// The script.
    pub script: String,
    /// The programs that it needs: its interpreter and its dependencies, as they are found and as they are
    /// without links, each with the folders that [`around`] names.
    pub programs: Vec<String>,
    /// The files among its inputs: `read_file` grants them too.
    pub inputs: Vec<String>,
    /// The attempt's temporary folder.
    pub tmp: String,
    /// The supervisor's home, with its sockets, its database, and the folders of all jobs.
    pub home: String,
    /// The user's home.
    pub user_home: String,
    /// Folders with the sockets of tmux servers, and others that hold nothing but what leads out.
    pub tmux: Vec<String>,
    /// Sockets that stand elsewhere: of tmux servers named by a path, of a supervisor with a long home, of services
    /// that run something for whoever asks.
    pub sockets: Vec<String>,
}

/// What a script reaches of the file system.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Files {
    /// Files and folders that it may read and execute, with all below them.
    pub read: Vec<String>,
    /// Those that it may change too.
    pub write: Vec<String>,
    /// Devices that it may read from and write to.
    pub devices: Vec<String>,
}

impl Files {
    pub(super) fn of(permissions: &Permissions, places: &Places) -> Self {
        let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let mut read = owned(&SYSTEM);
        read.push(places.script.clone());
        read.extend(places.programs.iter().cloned());
        let mut write = vec![places.tmp.clone()];
        if permissions.read {
            read.extend(owned(&SYSTEM_MORE));
            read.push(places.root.clone());
            read.extend(places.inputs.iter().cloned());
            if !places.user_home.is_empty() {
                read.extend(SETTINGS.iter().map(|name| format!("{}/{name}", places.user_home)));
            }
        }
        if permissions.write {
            write.push(places.root.clone());
        }
        Files { read, write, devices: owned(&DEVICES) }
    }
}

/// What is hidden from a script, though it may read or write around it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Hidden {
    /// Folders that are empty for it.
    pub folders: Vec<String>,
    /// What of them is there still.
    pub kept: Vec<String>,
    /// Sockets that are a dead device for it.
    pub sockets: Vec<String>,
}

impl Hidden {
    pub(super) fn of(places: &Places) -> Self {
        // Not its inputs: whoever submits a job names them, and could name what is to be hidden.
        let needed = [&places.root, &places.script, &places.tmp].into_iter();
        let needed: Vec<&String> = needed.chain(&places.programs).collect();
        let mut hidden = Hidden::default();
        for folder in [&places.home].into_iter().chain(&places.tmux) {
            // A script that belongs to a folder cannot live without it; the sockets in it are hidden one by one.
            if folder.is_empty() || folder == "/" || needed.contains(&folder) {
                continue;
            }
            if !hidden.folders.iter().any(|outer| below(folder, outer)) {
                hidden.folders.retain(|inner| !below(inner, folder));
                hidden.folders.push(folder.clone());
            }
        }
        let is_hidden = |path: &str| hidden.folders.iter().any(|f| below(path, f));
        for path in needed.iter().filter(|path| is_hidden(path)) {
            if !hidden.kept.iter().any(|outer| below(path, outer)) {
                hidden.kept.retain(|inner| !below(inner, path));
                hidden.kept.push((*path).clone());
            }
        }
        // One in a folder that is laid back would be there again.
        let is_kept = |path: &str| hidden.kept.iter().any(|k| below(path, k));
        let stand = places.sockets.iter().filter(|s| !is_hidden(s) || is_kept(s));
        hidden.sockets = stand.cloned().collect();
        hidden
    }
}

/// Whether `path` is `folder` or in it.
fn below(path: &str, folder: &str) -> bool {
    Path::new(path).starts_with(folder)
}

/// The folder that belongs to a program which is not the system's: the place of an interpreter with its library, of
/// which `bin` is a part. The user's home is never one, and nothing around it.
pub fn around<'a>(program: &'a str, user_home: &str) -> Option<&'a str> {
    let program = Path::new(program);
    if SYSTEM.iter().any(|s| program.starts_with(s)) {
        return None;
    }
    let bin = program.parent()?;
    let whole = match bin.file_name()?.to_str()? {
        "bin" | "sbin" | "shims" | "libexec" => bin.parent()?,
        _ => return None,
    };
    let shared = Path::new(user_home).starts_with(whole)
        || whole.parent().is_none()
        || whole == Path::new(user_home).join(".local")
        || whole == Path::new(user_home).join(".cargo");
    if shared { None } else { whole.to_str() }
}
