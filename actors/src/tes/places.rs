//! Where attempts keep what they have: the file with their traces, the folders of their output and of their temporary files.
//!
//! These are the supervisor's own, and somebody may have put something else in their place while it runs. No attempt fails
//! for that: none begins until they are as they were.

use std::fs;
use std::io;
use std::path::Path;

use tsup_core::limits;

use super::Shared;
use super::shim::files::{INSTEAD, LEFT, may_be_filled};
use super::shim::traces::Traces;
use crate::actor::blocking;
use crate::os::remove::remove_all;

/// Which of the places cannot be used, and why. It looks at the disk.
pub(super) fn fault(home: &Path, traces: &Path) -> Option<String> {
    let said = |path: &Path, e: &io::Error| match fs::symlink_metadata(path) {
        Ok(facts) if facts.is_symlink() => {
            format!(
                "{}: it is a link, and must not be one; a larger disk can be mounted there",
                path.display()
            )
        }
        _ => format!("{}: {e}", path.display()),
    };
    let file = Traces::make(traces).err().map(|e| said(traces, &e));
    file.or_else(|| {
        ["jobs", "tmp"].into_iter().find_map(|name| {
            let folder = home.join(name);
            may_be_filled(&folder).err().map(|e| said(&folder, &e))
        })
    })
}

/// Tries from time to time to remove what scripts left in their TMPDIR, and tells what cannot be removed.
pub(super) async fn clear(shared: Shared) {
    let folder = shared.home.join("tmp");
    loop {
        let look = folder.clone();
        let left = blocking(move || left_in(&look)).await.unwrap_or_default();
        let told = told(&left);
        shared.left.send_if_modified(|before| {
            for one in left.iter().filter(|one| !before.0.contains(one)) {
                tracing::warn!(what = one.as_str(), "a script left something that cannot be removed");
            }
            let changed = before.0 != left;
            *before = (left, told);
            changed
        });
        tokio::time::sleep(limits::TMP_LEFT_LOOK).await;
    }
}

/// What could not be removed there, each with its path and why.
fn left_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut left: Vec<String> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            if name.contains(LEFT) {
                let e = remove_all(&entry.path()).err()?;
                return Some(format!("{} cannot be removed: {e}", entry.path().display()));
            }
            let stuck = folder.join(name.strip_suffix(INSTEAD)?);
            let is_full = fs::read_dir(&stuck).is_ok_and(|mut all| all.next().is_some());
            is_full.then(|| format!("{} can be neither emptied nor moved away", stuck.display()))
        })
        .collect();
    left.sort();
    left
}

fn told(left: &[String]) -> Vec<String> {
    let told = left.iter().take(limits::TMP_LEFT_TOLD);
    let mut told: Vec<String> = told.map(|what| format!("a script left something: {what}")).collect();
    if left.len() > told.len() {
        told.push(format!(
            "scripts left {} more that cannot be removed; the log names them",
            left.len() - told.len()
        ));
    }
    told
}

/// What was left and cannot be removed: all of it, and what is told of it.
pub(super) type Left = (Vec<String>, Vec<String>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_place_is_named() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        let fault = || fault(home.path(), &at("attempts"));
        assert_eq!(fault(), None);
        for name in ["jobs", "tmp"] {
            fs::write(at(name), "").unwrap();
            assert_eq!(fault(), Some(format!("{}: Not a directory (os error 20)", at(name).display())));
            fs::remove_file(at(name)).unwrap();
            std::os::unix::fs::symlink("/", at(name)).unwrap();
            assert!(fault().unwrap().starts_with(&format!("{}: it is a link", at(name).display())));
            fs::remove_file(at(name)).unwrap();
        }
        fs::remove_file(at("attempts")).unwrap();
        fs::create_dir(at("attempts")).unwrap();
        assert_eq!(fault(), Some(format!("{}: Is a directory (os error 21)", at("attempts").display())));
    }

    #[test]
    fn what_was_moved_away_is_removed_when_that_can_be_done() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        fs::create_dir_all(at("0.left-ab-1/out")).unwrap();
        fs::create_dir_all(at("1.1")).unwrap();
        fs::create_dir_all(at("1/x")).unwrap();
        let stuck = format!("{} can be neither emptied nor moved away", at("1").display());
        assert_eq!(left_in(home.path()), std::slice::from_ref(&stuck));
        assert!(!at("0.left-ab-1").exists());
        let many: Vec<String> = (0..8).map(|n| format!("{n}")).collect();
        assert_eq!(told(&many).len(), limits::TMP_LEFT_TOLD + 1);
        assert_eq!(told(std::slice::from_ref(&stuck)), [format!("a script left something: {stuck}")]);
    }
}
