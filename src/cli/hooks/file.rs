//! A settings file: read with care, written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tsup_core::error::{Exit, UserError};
use tsup_core::limits::HOOK_SETTINGS_BYTES_MAX;

use crate::config::paths::open_plain;
use crate::config::plain;

/// What lies beside a file that was changed.
const BACKUP: &str = ".tsup-backup";
/// The new file before it takes the place of the old one.
const NEW: &str = ".tsup-new";

/// A file as it was found.
pub(super) struct Settings {
    /// The file itself, behind any symbolic link.
    path: PathBuf,
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
        Ok(Settings { path, text, backup })
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

    /// Puts new text in its place, or removes the file. `keep` says whether what it held before is kept
    /// beside it; otherwise a backup goes, since its time is over.
    pub(super) fn write(&self, text: Option<&str>, keep: bool) -> Result<(), UserError> {
        // A person may have thought about the question for long.
        if text_of(&self.path)? != self.text {
            let what = format!("{} changed meanwhile; nothing was written", self.path.display());
            return Err(UserError::new(Exit::Refused, what).hint("look at the change again"));
        }
        let backup = beside(&self.path, BACKUP);
        let mut made_backup = false;
        if let (Some(before), Some(_), true) = (&self.text, text, keep) {
            self.replace(&backup, before)?;
            made_backup = self.backup.is_none();
        }
        let done = match text {
            Some(text) => self.replace(&self.path, text),
            None => fs::remove_file(&self.path).map_err(|e| failed("remove", &self.path, &e)),
        };
        done.inspect_err(|_| {
            if made_backup {
                let _ = fs::remove_file(&backup);
            }
        })?;
        if !keep && self.backup.is_some() && text != self.text.as_deref() {
            fs::remove_file(&backup).map_err(|e| failed("remove", &backup, &e))?;
        }
        Ok(())
    }

    /// Writes a file beside `path` and renames it into its place, with the mode of the settings.
    fn replace(&self, path: &Path, text: &str) -> Result<(), UserError> {
        let fail = |e: std::io::Error| failed("write", path, &e);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(fail)?;
        }
        let new = beside(path, NEW);
        // A leftover of a run that was killed.
        let _ = fs::remove_file(&new);
        let made = self.fill(&new, text).and_then(|()| fs::rename(&new, path));
        made.map_err(|e| {
            let _ = fs::remove_file(&new);
            fail(e)
        })
    }

    fn fill(&self, new: &Path, text: &str) -> std::io::Result<()> {
        let old = fs::metadata(&self.path).ok();
        let mode = old.as_ref().map_or(0o666, |old| old.mode() & 0o7777);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode & 0o777).open(new)?;
        if let Some(old) = old {
            file.set_permissions(fs::Permissions::from_mode(mode))?;
            let now = file.metadata()?;
            if (now.uid(), now.gid()) != (old.uid(), old.gid()) {
                std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()))?;
            }
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }
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
        Err(e) => Err(failed("read", path, &e)),
    }
}

fn text_of(path: &Path) -> Result<Option<String>, UserError> {
    let file: File = match open_plain(path, "") {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed("read", path, &e)),
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
        Err(e) => Err(failed("read", path, &e)),
    }
}

#[cfg(test)]
mod tests {
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
            let error = shown.write(text, true).unwrap_err();
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
        assert!(shown.write(Some("x"), true).is_err());
        assert_eq!(in_folder(&dir), 0);
        let nothing = Settings::read(&path).unwrap();
        fs::write(&path, "{}").unwrap();
        assert!(nothing.write(Some("x"), true).is_err(), "somebody made it meanwhile");
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
        for path in ["/dev/null", "/dev/zero", "/tmp"] {
            assert!(Settings::read(Path::new(path)).is_err(), "{path} would be replaced");
        }
    }

    #[test]
    fn a_write_that_fails_leaves_everything_as_it_was() {
        let (dir, path) = file("{}");
        let settings = Settings::read(&path).unwrap();
        // Something in the place of the new file that cannot be removed as a file.
        fs::create_dir(dir.path().join("settings.json.tsup-new")).unwrap();
        assert!(settings.write(Some("x"), true).is_err());
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), in_folder(&dir)), ("{}", 2));
    }
}
