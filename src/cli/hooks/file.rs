//! A settings file: read with care, written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tsup_core::error::{Exit, UserError};
use tsup_core::limits::{HOOK_NEW_NAMES_MAX, HOOK_SETTINGS_BYTES_MAX};

use crate::config::paths::open_plain;
use crate::config::plain;

/// What lies beside a file that was changed.
const BACKUP: &str = ".tsup-backup";
/// The new file before it takes the place of the old one; a process and a number follow.
const NEW: &str = ".tsup-new";

/// What becomes of the backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backup {
    /// What the file holds now is what it held before any call was put in.
    Make,
    /// It was made before: calls take the place of calls.
    Leave,
    /// Its time is over: the calls are taken out.
    Drop,
}

/// A file as it was found.
pub(super) struct Settings {
    /// As it was named.
    named: PathBuf,
    /// The file itself, behind any symbolic link.
    pub(super) path: PathBuf,
    /// What it holds; `None` when it is not there.
    pub(super) text: Option<String>,
    /// What it held before calls were put in, when that is known.
    pub(super) backup: Option<String>,
}

impl Settings {
    /// Reads a file and its backup.
    pub(super) fn read(named: &Path) -> Result<Settings, UserError> {
        // A link is written through, so that whoever keeps the file elsewhere finds the change there.
        let path = target_of(named)?;
        let text = text_of(&path)?;
        let backup = text_of(&beside(&path, BACKUP))?;
        Ok(Settings { named: named.to_owned(), path, text, backup })
    }

    /// Whether the file may be changed. One that nobody may write would be replaced all the same: whoever made
    /// it so does not want that.
    pub(super) fn may_change(&self) -> Result<(), UserError> {
        match fs::metadata(&self.path) {
            Ok(facts) if facts.permissions().readonly() => {
                let shown = self.path.display();
                Err(UserError::new(Exit::Refused, format!("{shown} is read-only; nothing was written"))
                    .hint(format!("make it writable (chmod u+w {shown}), or name another with --file")))
            }
            _ => Ok(()),
        }
    }

    /// Puts new text in its place, or removes the file.
    pub(super) fn write(&self, text: Option<&str>, kept: Backup) -> Result<(), UserError> {
        // A person may have thought about the question for long.
        if target_of(&self.named)? != self.path || text_of(&self.path)? != self.text {
            return Err(changed(&self.path));
        }
        let backup = beside(&self.path, BACKUP);
        let mut made_backup = false;
        if let (Some(before), Some(_), Backup::Make) = (&self.text, text, kept) {
            self.replace(&backup, before)?;
            made_backup = self.backup.is_none();
        }
        let done = match text {
            Some(text) => self.replace(&self.path, text),
            None => fs::remove_file(&self.path).map_err(|e| match e.kind() {
                std::io::ErrorKind::NotFound => changed(&self.path),
                _ => failed("remove", &self.path, &e),
            }),
        };
        done.inspect_err(|_| {
            if made_backup {
                let _ = fs::remove_file(&backup);
            }
        })?;
        if kept == Backup::Drop && self.backup.is_some() {
            match fs::remove_file(&backup) {
                // Another run took it away first, which is as good.
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(failed("remove", &backup, &e));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes a file beside `path` and renames it into its place, with the mode of the settings.
    fn replace(&self, path: &Path, text: &str) -> Result<(), UserError> {
        let fail = |e: std::io::Error| match e.kind() {
            // Its folder, or the new file in it, was there a moment ago.
            std::io::ErrorKind::NotFound => changed(&self.path),
            _ => failed("write", path, &e),
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(fail)?;
        }
        let old = fs::metadata(&self.path).ok();
        let mode = old.as_ref().map_or(0o666, |old| old.mode() & 0o7777);
        let (new, file) = fresh(path, mode & 0o777).map_err(fail)?;
        let made = fill(file, old.as_ref(), text).and_then(|()| fs::rename(&new, path));
        made.map_err(|e| {
            let _ = fs::remove_file(&new);
            fail(e)
        })
    }
}

/// Makes a file beside `path` that nobody else writes: another run, or one that was killed, has its own.
fn fresh(path: &Path, mode: u32) -> std::io::Result<(PathBuf, File)> {
    let pid = std::process::id();
    let mut n = 0;
    loop {
        let new = beside(path, &format!("{NEW}.{pid}.{n}"));
        match OpenOptions::new().write(true).create_new(true).mode(mode).open(&new) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && n < HOOK_NEW_NAMES_MAX => n += 1,
            made => return made.map(|file| (new, file)),
        }
    }
}

/// Writes a text, with the mode and the owner of what it replaces.
fn fill(mut file: File, old: Option<&fs::Metadata>, text: &str) -> std::io::Result<()> {
    if let Some(old) = old {
        file.set_permissions(fs::Permissions::from_mode(old.mode() & 0o7777))?;
        let now = file.metadata()?;
        if (now.uid(), now.gid()) != (old.uid(), old.gid()) {
            std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()))?;
        }
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn changed(path: &Path) -> UserError {
    let what = format!("{} changed meanwhile; nothing was written", path.display());
    UserError::new(Exit::Refused, what).hint("look at the change again")
}

/// What cannot be read cannot be edited: a pipe, a folder, a device, a circle of links.
fn unreadable(path: &Path, e: &std::io::Error) -> UserError {
    UserError::new(Exit::Refused, format!("cannot read {}: {}", path.display(), plain(e)))
}

fn failed(what: &str, path: &Path, e: &std::io::Error) -> UserError {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    let refused = matches!(e.kind(), PermissionDenied | ReadOnlyFilesystem);
    let exit = if refused { Exit::Refused } else { Exit::Failed };
    UserError::new(exit, format!("cannot {what} {}: {}", path.display(), plain(e)))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The file behind a symbolic link, also when that file is not there yet.
fn target_of(path: &Path) -> Result<PathBuf, UserError> {
    match fs::canonicalize(path) {
        Ok(real) => Ok(real),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => match fs::read_link(path) {
            Ok(link) => {
                let real = path.parent().map_or_else(|| link.clone(), |folder| folder.join(&link));
                if real.is_symlink() {
                    let what = format!("{} is a link to a link to nothing", path.display());
                    return Err(UserError::new(Exit::Refused, what)
                        .hint("mend the link, or name the file with --file"));
                }
                Ok(real)
            }
            Err(_) => Ok(path.to_owned()),
        },
        Err(e) => Err(unreadable(path, &e)),
    }
}

fn text_of(path: &Path) -> Result<Option<String>, UserError> {
    let file: File = match open_plain(path, "") {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(unreadable(path, &e)),
    };
    let mut text = String::new();
    match file.take(HOOK_SETTINGS_BYTES_MAX + 1).read_to_string(&mut text) {
        Ok(_) if text.len() as u64 > HOOK_SETTINGS_BYTES_MAX => {
            let what = format!("{} is larger than {} MiB", path.display(), HOOK_SETTINGS_BYTES_MAX >> 20);
            Err(UserError::new(Exit::Refused, what).hint("no settings are; name the right file with --file"))
        }
        Ok(_) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::InvalidData => {
            Err(UserError::new(Exit::Refused, format!("{} is not text in UTF-8", path.display()))
                .hint("it was not touched"))
        }
        Err(e) => Err(unreadable(path, &e)),
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{FileType, Mode};

    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("settings.json");
        fs::write(&path, text).unwrap();
        (dir, path)
    }

    fn in_folder(dir: &tempfile::TempDir) -> usize {
        fs::read_dir(dir.path()).unwrap().count()
    }

    #[test]
    fn what_changed_since_it_was_shown_is_not_overwritten() {
        let (dir, path) = file("{}");
        let shown = Settings::read(&path).unwrap();
        fs::write(&path, "{\"a\": 1}").unwrap();
        for text in [Some("{\"b\": 2}"), None] {
            let error = shown.write(text, Backup::Make).unwrap_err();
            assert_eq!(error.exit, Exit::Refused);
            assert!(
                error.what.ends_with("settings.json changed meanwhile; nothing was written"),
                "{}",
                error.what
            );
        }
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), in_folder(&dir)), ("{\"a\": 1}", 1));
        let (dir, path) = file("{}");
        let shown = Settings::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(shown.write(Some("x"), Backup::Make).is_err());
        assert_eq!(in_folder(&dir), 0);
        let nothing = Settings::read(&path).unwrap();
        fs::write(&path, "{}").unwrap();
        assert!(nothing.write(Some("x"), Backup::Make).is_err(), "somebody made it meanwhile");
    }

    #[test]
    fn a_read_only_file_is_left_alone() {
        let (_dir, path) = file("{}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        let error = Settings::read(&path).unwrap().may_change().unwrap_err();
        assert_eq!(error.exit, Exit::Refused);
        assert!(error.hint.unwrap().contains("chmod u+w"));
        let (_dir, path) = file("{}");
        assert!(Settings::read(&path).unwrap().may_change().is_ok());
        assert!(Settings::read(Path::new("/nowhere/s.json")).unwrap().may_change().is_ok());
    }

    #[test]
    fn only_a_plain_file_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let (pipe, circle, device) =
            (dir.path().join("pipe"), dir.path().join("circle"), dir.path().join("device"));
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        std::os::unix::fs::symlink("circle", &circle).unwrap();
        std::os::unix::fs::symlink("/dev/null", &device).unwrap();
        let others = ["/dev/null", "/dev/zero", "/tmp"].map(PathBuf::from);
        for path in others.into_iter().chain([pipe, circle, device]) {
            let error = Settings::read(&path).err().unwrap_or_else(|| panic!("{path:?} would be replaced"));
            assert_eq!(error.exit, Exit::Refused, "{error}");
        }
    }

    #[test]
    fn a_link_that_leads_elsewhere_meanwhile_is_not_written_through() {
        let (dir, path) = file("{}");
        let (link, other) = (dir.path().join("link"), dir.path().join("other.json"));
        fs::write(&other, "{}").unwrap();
        std::os::unix::fs::symlink("settings.json", &link).unwrap();
        let shown = Settings::read(&link).unwrap();
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("other.json", &link).unwrap();
        assert_eq!(shown.write(Some("x"), Backup::Make).unwrap_err().exit, Exit::Refused);
        assert_eq!((fs::read(&path).unwrap(), fs::read(&other).unwrap()), (b"{}".into(), b"{}".into()));
    }

    #[test]
    fn the_backup_stays_until_the_calls_go() {
        let (dir, path) = file("mine");
        let backup = dir.path().join("settings.json.tsup-backup");
        let write = |text: &str, kept| Settings::read(&path).unwrap().write(Some(text), kept).unwrap();
        write("first calls", Backup::Make);
        write("other calls", Backup::Leave);
        assert_eq!(fs::read_to_string(&backup).unwrap(), "mine");
        write("mine", Backup::Drop);
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), in_folder(&dir)), ("mine", 1));
    }

    #[test]
    fn runs_at_the_same_time_write_files_of_their_own() {
        let (dir, path) = file("a");
        let (first, second) = (fresh(&path, 0o600).unwrap(), fresh(&path, 0o600).unwrap());
        assert_ne!(first.0, second.0);
        assert!(first.0.exists() && second.0.exists());
        let whole = |c: char| c.to_string().repeat(100_000);
        let writer = &|c: char| {
            for _ in 0..50 {
                let written = Settings::read(&path).unwrap().write(Some(&whole(c)), Backup::Leave);
                if let Err(e) = written {
                    assert!(e.what.ends_with("changed meanwhile; nothing was written"), "{}", e.what);
                }
            }
        };
        std::thread::scope(|scope| {
            for c in ['a', 'b'] {
                scope.spawn(move || writer(c));
            }
        });
        let text = fs::read_to_string(&path).unwrap();
        assert!(text == whole('a') || text == whole('b'), "one of them, whole");
        assert_eq!(in_folder(&dir), 3, "nothing is left but the two from above");
    }

    #[test]
    fn a_write_that_fails_leaves_everything_as_it_was() {
        let (dir, path) = file("{}");
        let settings = Settings::read(&path).unwrap();
        // Something in the place of the backup that no file can replace.
        fs::create_dir(dir.path().join("settings.json.tsup-backup")).unwrap();
        assert!(settings.write(Some("x"), Backup::Make).is_err());
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), in_folder(&dir)), ("{}", 2));
    }
}
