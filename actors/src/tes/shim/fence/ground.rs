//! Where things are that a fence is about.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use tsup_core::limits;
use tsup_core::tes::sandbox::{self, Places};
use tsup_core::tes::script::Script;

/// Sockets of services that run something for whoever may ask them, outside of every fence.
const WAYS_OUT: [&str; 5] = [
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/dbus/system_bus_socket",
    "/run/systemd/private",
];

/// What is the same for all attempts of one supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ground {
    /// The supervisor's home.
    pub home: PathBuf,
    /// The user's home.
    pub user_home: PathBuf,
    /// Folders with the sockets of tmux servers and nothing else.
    pub tmux: Vec<PathBuf>,
    /// Sockets that stand elsewhere: control, hooks, tmux servers that are named by a path.
    pub sockets: Vec<PathBuf>,
}

/// What is looked for around one attempt.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// The registry's folder.
    pub root: &'a Path,
    /// The script's file.
    pub file: &'a Path,
    /// The PATH of the attempt.
    pub path: &'a str,
    /// The files among the inputs.
    pub inputs: &'a [String],
    /// The folder for its temporary files.
    pub tmp: &'a Path,
}

impl Ground {
    /// The folders in which this user's tmux servers have their sockets, where `base` is the TMUX_TMPDIR of this
    /// process: other terminals of the user need not have one, and without its folder tmux takes the usual one.
    pub fn tmux_folders(base: Option<OsString>) -> Vec<PathBuf> {
        let user = rustix::process::getuid().as_raw();
        let base = base.filter(|v| !v.is_empty()).map(PathBuf::from);
        base.into_iter().chain(["/tmp".into()]).map(|base| base.join(format!("tmux-{user}"))).collect()
    }

    /// Where everything is for one attempt: it looks into the file system and follows links.
    pub fn places(&self, script: &Script, around: Around<'_>) -> Places {
        Places {
            root: real(around.root),
            script: real(around.file),
            programs: self.programs(script, around),
            inputs: around.inputs.iter().map(|input| real(&around.root.join(input))).collect(),
            tmp: real(around.tmp),
            home: real(&self.home),
            user_home: real(&self.user_home),
            tmux: self.tmux.iter().map(PathBuf::as_path).chain([&*runtime()]).map(real).collect(),
            sockets: self.sockets.iter().map(|s| real(s)).chain(WAYS_OUT.map(str::to_owned)).collect(),
        }
    }

    /// The programs of a script: its interpreter, those it says it depends on, and the folders of the PATH.
    fn programs(&self, script: &Script, from: Around<'_>) -> Vec<String> {
        let user_home = real(&self.user_home);
        let mut all = Vec::new();
        for folder in std::env::split_paths(from.path).filter(|f| f.is_absolute()) {
            let folder = real(&folder);
            if folder == user_home || folder == "/" {
                continue;
            }
            // Links and little scripts of version managers lead there. What stands directly in the home may hold
            // more than programs, and is for those who say that they need it.
            let program = format!("{folder}/program");
            let whole = sandbox::around(&program, &user_home);
            let direct = |whole: &str| Path::new(whole).parent() == Some(Path::new(&user_home));
            all.extend(whole.filter(|w| folder.ends_with("/shims") || !direct(w)).map(str::to_owned));
            all.push(folder);
        }
        let named = script.interpreter.as_deref().or(script.runtime.interpreter()).map(str::to_owned);
        let needed = script.dependencies.iter().map(|(name, _)| name.clone());
        for name in named.into_iter().chain(first_line(from.file)).chain(needed) {
            let Some(found) = find(&name, from) else { continue };
            for program in [text(&found), real(&found)] {
                all.extend(sandbox::around(&program, &user_home).map(str::to_owned));
                all.push(program);
            }
        }
        all.sort();
        all.dedup();
        all
    }
}

/// The folder in which the services of this user listen: D-Bus, its systemd, Podman, agents with keys.
fn runtime() -> PathBuf {
    PathBuf::from(format!("/run/user/{}", rustix::process::getuid().as_raw()))
}

/// A path without links, as far as it is there.
fn real(path: &Path) -> String {
    if let Ok(path) = fs::canonicalize(path) {
        return text(&path);
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if parent != Path::new("") => text(&Path::new(&real(parent)).join(name)),
        _ => text(path),
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The program of that name: a path within the registry's folder, or one on the PATH.
fn find(name: &str, from: Around<'_>) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(from.root.join(name));
    }
    std::env::split_paths(from.path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The program that a file names in its first line, `#!/usr/bin/env python3`, with the one before it.
fn first_line(file: &Path) -> Vec<String> {
    let mut start = Vec::new();
    let read = File::open(file).and_then(|f| f.take(limits::FIRST_LINE_BYTES).read_to_end(&mut start));
    let text = String::from_utf8_lossy(if read.is_ok() { &start } else { &[] }).into_owned();
    let Some(line) = text.lines().next().and_then(|l| l.strip_prefix("#!")) else { return Vec::new() };
    let mut words = line.split_whitespace().filter(|w| !w.starts_with('-') && !w.contains('='));
    let first = words.next();
    let by_env = first.is_some_and(|w| Path::new(w).file_name() == Some(OsStr::new("env")));
    let second = if by_env { words.next() } else { None };
    first.into_iter().chain(second).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use tsup_core::tes::registry::parse_json;

    #[test]
    fn the_first_line_names_an_interpreter() {
        let dir = tempfile::tempdir().unwrap();
        let names = |line: &str| {
            let file = dir.path().join("script");
            fs::write(&file, line).unwrap();
            first_line(&file)
        };
        assert_eq!(names("#!/bin/sh\necho"), ["/bin/sh"]);
        assert_eq!(names("#!/usr/bin/env python3\n"), ["/usr/bin/env", "python3"]);
        assert_eq!(names("#!/usr/bin/env -S A=1 node --flag\n"), ["/usr/bin/env", "node"]);
        assert_eq!(names("#! /bin/bash -e"), ["/bin/bash"]);
        assert!(names("echo").is_empty() && names("").is_empty() && names("\u{7f}ELF").is_empty());
        assert!(first_line(Path::new("/nowhere")).is_empty());
    }

    #[test]
    fn a_script_brings_the_programs_that_it_names_and_no_home() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap();
        let at = |path: &str| text(&home.join(path));
        for folder in ["versions/3.12/bin", ".pyenv/shims", ".tool/bin", "own/bin", "tools"] {
            fs::create_dir_all(home.join(folder)).unwrap();
        }
        for file in ["versions/3.12/bin/python3", ".tool/bin/lint", "tools/x"] {
            fs::write(home.join(file), "#!/usr/bin/env lint").unwrap();
            fs::set_permissions(home.join(file), fs::Permissions::from_mode(0o700)).unwrap();
        }
        symlink(home.join("versions/3.12/bin/python3"), home.join("own/bin/python3")).unwrap();
        let script = parse_json(
            r#"{"scripts": [{"id": "a/x", "path": "x.py", "execution": {"type": "python_script"}}]}"#,
        );
        let ground = Ground { user_home: home.clone(), ..Ground::default() };
        let (root, file) = (home.join("tools"), home.join("tools/x"));
        let path = [at("own/bin"), at(".pyenv/shims"), at(".tool/bin"), at(""), "relative".into()].join(":");
        let around = Around { root: &root, file: &file, path: &path, inputs: &[], tmp: &root };
        let programs = ground.places(&script.scripts[0], around).programs;
        for program in
            ["own/bin/python3", "versions/3.12/bin/python3", "versions/3.12", ".pyenv", ".tool/bin"]
        {
            assert!(programs.contains(&at(program)), "{program}: {programs:?}");
        }
        // The first line of the script asks for it by name; a folder of the PATH alone would not bring it.
        assert!(programs.contains(&at(".tool")));
        assert!(!programs.contains(&text(&home)) && !programs.contains(&at("")), "{programs:?}");
    }

    #[test]
    fn the_usual_folder_of_tmux_is_hidden_beside_the_one_that_is_named() {
        let user = rustix::process::getuid().as_raw();
        let usual = PathBuf::from(format!("/tmp/tmux-{user}"));
        for none in [None, Some("".into())] {
            assert_eq!(Ground::tmux_folders(none), std::slice::from_ref(&usual));
        }
        let named = PathBuf::from(format!("/run/x/tmux-{user}"));
        assert_eq!(Ground::tmux_folders(Some("/run/x".into())), [named, usual]);
    }

    #[test]
    fn what_runs_something_for_others_is_hidden_too() {
        let script = parse_json(r#"{"scripts": [{"id": "a/x", "path": "x.sh"}]}"#);
        let here = Path::new("/");
        let around = Around { root: here, file: here, path: "", inputs: &[], tmp: here };
        let places = Ground::default().places(&script.scripts[0], around);
        assert!(places.sockets.contains(&"/run/docker.sock".to_owned()));
        assert!(places.tmux.iter().any(|f| f.starts_with("/run/user/")));
    }
}
