//! The file of a record: made so that nobody else reads it, written from its beginning to its end.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use tsup_core::clock::Wall;
use tsup_core::ids::AgentId;
use tsup_core::limits;

/// Makes `FOLDER/AGENT-DATE.jsonl` for this user only, and writes its first lines.
pub(super) fn begin(folder: &Path, agent: AgentId, at: Wall, lines: &str) -> io::Result<(PathBuf, File)> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    close(folder)?;
    if fs::read_dir(folder)?.take(limits::RECORDS_KEPT_MAX).count() >= limits::RECORDS_KEPT_MAX {
        let max = limits::RECORDS_KEPT_MAX;
        return Err(io::Error::other(format!("there are {max} records already: remove some")));
    }
    let date: String = at.to_string()[..19].chars().filter(|c| !matches!(c, '-' | ':')).collect();
    for n in 1..10 {
        let more = if n == 1 { String::new() } else { format!("-{n}") };
        let path = folder.join(format!("{agent}-{date}Z{more}.jsonl"));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(mut file) => {
                if let Err(e) = file.write_all(lines.as_bytes()) {
                    // What cannot be begun leaves nothing behind that looks like a record.
                    let _ = fs::remove_file(&path);
                    return Err(e);
                }
                return Ok((path, file));
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Closes the folder to others: records hold screens. A link in its place would lead them out of the home.
fn close(folder: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::open(folder, flags, Mode::empty()).map_err(|e| {
        if folder.is_symlink() { io::Error::other("it is a symbolic link") } else { e.into() }
    })?;
    if rustix::fs::fstat(&opened)?.st_mode & 0o777 != 0o700 {
        rustix::fs::fchmod(&opened, Mode::RWXU)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tsup_core::ids::SocketName;

    use super::*;

    #[test]
    fn a_record_is_private_and_has_a_name_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("records");
        let agent = AgentId::owned(&SocketName("s".into()), "web", "dev");
        let at = Wall::from_unix_ms(1_795_225_162_138);
        let (first, _) = begin(&folder, agent, at, "x\n").unwrap();
        let (second, _) = begin(&folder, agent, at, "y\n").unwrap();
        assert_eq!(first, folder.join(format!("{agent}-20261121T013922Z.jsonl")));
        assert_ne!(first, second);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&first)), (0o700, 0o600));
        assert_eq!(fs::read_to_string(&second).unwrap(), "y\n");
        for n in 2..limits::RECORDS_KEPT_MAX {
            fs::write(folder.join(n.to_string()), "").unwrap();
        }
        assert!(begin(&folder, agent, at, "").unwrap_err().to_string().contains("remove some"));
    }

    #[test]
    fn a_folder_that_is_open_to_others_is_closed_and_a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, link) = (dir.path().join("records"), dir.path().join("link"));
        let agent = AgentId::owned(&SocketName("s".into()), "web", "dev");
        let at = Wall::from_unix_ms(1_795_225_162_138);
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        let error = begin(&link, agent, at, "x\n").unwrap_err();
        assert_eq!(error.to_string(), "it is a symbolic link");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        begin(&folder, agent, at, "x\n").unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
