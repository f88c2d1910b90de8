//! A settings file: read with care, written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tsup_core::error::{Exit, UserError};
use tsup_core::limits::HOOK_SETTINGS_BYTES_MAX;

use crate::config::paths::open_existing;
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

    /// Puts new text in its place, or removes the file. `keep` says whether what it held before is kept
    /// beside it; otherwise a backup goes, since its time is over.
    pub(super) fn write(&self, text: Option<&str>, keep: bool) -> Result<(), UserError> {
        let backup = beside(&self.path, BACKUP);
        match (&self.text, text) {
            (Some(before), Some(_)) if keep => self.replace(&backup, before)?,
            _ => {}
        }
        match text {
            Some(text) => self.replace(&self.path, text)?,
            None => fs::remove_file(&self.path).map_err(|e| failed("remove", &self.path, &e))?,
        }
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
    UserError::new(Exit::Failed, format!("cannot {what} {}: {}", path.display(), plain(e)))
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
    let file: File = match open_existing(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed("read", path, &e)),
    };
    let mut text = String::new();
    match file.take(HOOK_SETTINGS_BYTES_MAX + 1).read_to_string(&mut text) {
        Ok(_) if text.len() as u64 > HOOK_SETTINGS_BYTES_MAX => {
            let what = format!("{} is over the limit of {HOOK_SETTINGS_BYTES_MAX} bytes", path.display());
            Err(UserError::new(Exit::Refused, what))
        }
        Ok(_) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::InvalidData => {
            Err(UserError::new(Exit::Refused, format!("{} is not text in UTF-8", path.display()))
                .hint("it was not touched"))
        }
        Err(e) => Err(failed("read", path, &e)),
    }
}
