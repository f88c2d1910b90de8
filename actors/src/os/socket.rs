//! Sockets that have a path.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;

use super::name::{self, Name};

/// Binds a socket at a path, closed to all others. The caller holds the lock of the home, so a socket that
/// is there already is a leftover; anything else at this path is somebody's file, and stays. The error says
/// in words which socket, `what`, could not be made and why.
pub fn bind<S>(path: &Path, what: &str, make: impl FnOnce(&Path) -> io::Result<S>) -> io::Result<(S, Own)> {
    let shown = path.display();
    let fail =
        |verb: &str, e: io::Error| io::Error::new(e.kind(), format!("cannot {verb} {what} {shown}: {e}"));
    match std::fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => {
            std::fs::remove_file(path).map_err(|e| fail("replace", e))?;
        }
        Ok(_) => return Err(io::Error::other(format!("{shown} is there and is no socket"))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(fail("look for", e)),
    }
    let socket = make(path).map_err(|e| fail("bind", e))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(|e| fail("protect", e))?;
    let own = Own(name::of(path).map_err(|e| fail("look for", e))?);
    Ok((socket, own))
}

/// The name that a socket of this process has in the file system.
#[derive(Debug, Clone, Copy)]
pub struct Own(Name);

impl Own {
    /// Takes the name away. Another one that has come to stand there stays.
    pub fn remove(self, path: &Path) {
        if name::of(path).is_ok_and(|there| there == self.0) {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_leftover_makes_room_and_a_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        drop(UnixListener::bind(&path).unwrap());
        let (_listener, own) = bind(&path, "control socket", |p| UnixListener::bind(p)).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::rename(&path, dir.path().join("old.sock")).unwrap();
        let (_other, others) = bind(&path, "control socket", |p| UnixListener::bind(p)).unwrap();
        own.remove(&path);
        assert!(path.exists(), "the socket of another one was removed");
        others.remove(&path);
        assert!(!path.exists());
        let file = dir.path().join("letter");
        std::fs::write(&file, "dear").unwrap();
        let refused = bind(&file, "control socket", |p| UnixListener::bind(p)).unwrap_err();
        assert!(refused.to_string().contains("letter is there and is no socket"), "{refused}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "dear");
        let nowhere = bind(&dir.path().join("no/x.sock"), "hook socket", |p| UnixListener::bind(p));
        assert!(nowhere.unwrap_err().to_string().starts_with("cannot bind hook socket "));
    }
}
