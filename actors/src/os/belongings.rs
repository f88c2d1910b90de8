//! What a process has: its working directory, a few variables of its environment, its open files, the
//! processes right below it.
//!
//! All is read from `/proc`, which tells it of processes of the same user only. Where there is no `/proc`
//! nothing is known.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use tsup_core::limits;

use super::tree;

/// Its working directory.
pub fn cwd(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

/// The values of the variables `names` in the environment that it was started with; no other is kept.
pub fn variables<const N: usize>(pid: u32, names: [&str; N]) -> [Option<OsString>; N] {
    let mut found = [const { None }; N];
    let Ok(file) = fs::File::open(format!("/proc/{pid}/environ")) else { return found };
    let mut text = Vec::new();
    // What was read before an error is as true as if there had been none.
    let _ = file.take(limits::PROC_ENVIRON_BYTES_MAX).read_to_end(&mut text);
    for entry in text.split(|&b| b == 0) {
        for (name, slot) in names.iter().zip(&mut found) {
            let value = entry.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
            if let Some(value) = value {
                *slot = Some(OsStr::from_bytes(value).to_owned());
            }
        }
    }
    found
}

/// The files that it has open, at most [`limits::TRANSCRIPT_FDS_MAX`] of them; names of what is no file
/// come along and lead nowhere.
pub fn open_files(pid: u32) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let entries = entries.flatten().take(limits::TRANSCRIPT_FDS_MAX);
    entries.filter_map(|entry| fs::read_link(entry.path()).ok()).collect()
}

/// A process and its children, and theirs: a wrapper may stand above the program itself.
pub fn with_children(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    for child in tree::children_of(pid).unwrap_or_default().into_iter().take(limits::BELONGINGS_CHILDREN_MAX)
    {
        all.push(child);
        all.extend(
            tree::children_of(child).unwrap_or_default().into_iter().take(limits::BELONGINGS_CHILDREN_MAX),
        );
    }
    all
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_childs_folder_variables_and_files() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let file = dir.join("open");
        let mut child = Command::new("sleep")
            .arg("60")
            .current_dir(&dir)
            .env("TSUP_TEST_A", "one=1")
            .env_remove("TSUP_TEST_B")
            .stdin(Stdio::from(fs::File::create(&file).unwrap()))
            .spawn()
            .unwrap();
        let pid = child.id();
        // The kernel lets go of the parent a moment before the new program's variables can be read.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while variables(pid, ["TSUP_TEST_A"]) == [None] && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert_eq!(cwd(pid).as_deref(), Some(dir.as_path()));
        assert_eq!(variables(pid, ["TSUP_TEST_A", "TSUP_TEST_B"]), [Some("one=1".into()), None]);
        assert!(open_files(pid).contains(&file));
        assert!(with_children(std::process::id()).contains(&pid) || with_children(pid) == [pid]);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(cwd(pid), None);
    }
}
