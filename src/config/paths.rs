//! The home of a supervisor and what lies in it.

use std::fs::{DirBuilder, File};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use tsup_core::error::{Exit, UserError};
use tsup_core::limits::SOCKET_PATH_BYTES_MAX;

use super::plain;

/// Where everything of one supervisor is. All paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The home directory, mode 0700.
    pub home: PathBuf,
    /// The control socket, mode 0600.
    pub socket: PathBuf,
    /// The socket of the hooks, mode 0600.
    pub hook: PathBuf,
    /// The lock, which holds the identity of the supervisor.
    pub lock: PathBuf,
    /// The database.
    pub database: PathBuf,
    /// A symbolic link to the folder of the user's own profiles that the supervisor reads: a hook, which
    /// knows nothing of the configuration, follows it.
    pub profiles: PathBuf,
}

impl Paths {
    /// Where they are by flag (`--home`), `TSUP_HOME`, `XDG_STATE_HOME`, or the user's home; the socket
    /// also by `TSUP_SOCKET`. Touches nothing.
    pub fn resolve(flag: Option<&Path>) -> Result<Paths, UserError> {
        let home = match flag.map(Path::to_owned).or_else(|| variable("TSUP_HOME")) {
            Some(home) => home,
            None => state_folder()?.join("tsup"),
        };
        let usage = |e: std::io::Error| {
            UserError::new(Exit::Usage, format!("{} is not a path: {}", home.display(), plain(&e)))
        };
        let home = std::path::absolute(&home).map_err(usage)?;
        let socket = match variable("TSUP_SOCKET") {
            Some(socket) => std::path::absolute(socket).map_err(usage)?,
            None => home.join("ctl.sock"),
        };
        fits("control socket", &socket)?;
        let hook = hook(&home, &socket)?;
        Ok(Paths {
            lock: home.join("tsup.lock"),
            database: home.join("tsup.db"),
            profiles: home.join("profiles"),
            socket,
            hook,
            home,
        })
    }

    /// Makes the home when it is not there, and makes sure that it is private: a directory, not a
    /// symbolic link, owned by this user, closed to all others.
    pub fn create(&self) -> Result<(), UserError> {
        let home = self.home.display();
        let refused = |what: String| UserError::new(Exit::Refused, what);
        DirBuilder::new().recursive(true).mode(0o700).create(&self.home).map_err(|e| {
            refused(format!("cannot make the home directory {home}: {}", plain(&e)))
                .hint("choose another with `--home DIR` or TSUP_HOME")
        })?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = rustix::fs::open(&self.home, flags, Mode::empty()).map_err(|e| {
            let is_link = self.home.is_symlink();
            let why = if is_link { "it is a symbolic link".into() } else { plain(&e.into()) };
            refused(format!("cannot open the home directory {home}: {why}"))
                .hint("name the directory itself with `--home DIR` or TSUP_HOME, and make it yours")
        })?;
        let stat = rustix::fs::fstat(&dir).map_err(|e| {
            refused(format!("cannot look at the home directory {home}: {}", plain(&e.into())))
        })?;
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            return Err(refused(format!("the home directory {home} belongs to uid {}", stat.st_uid))
                .hint("choose one of your own with `--home DIR` or TSUP_HOME"));
        }
        if stat.st_mode & 0o077 != 0 {
            return Err(refused(format!(
                "the home directory {home} is open to others (mode {:03o})",
                stat.st_mode & 0o777
            ))
            .hint(format!("close it: chmod 700 {home}")));
        }
        self.is_writable(dir.as_fd())?;
        self.has_room_for_socket()
    }

    /// A socket that is left over is replaced; anything else in its place is somebody's file.
    fn has_room_for_socket(&self) -> Result<(), UserError> {
        match std::fs::symlink_metadata(&self.socket) {
            Ok(there) if !there.file_type().is_socket() => Err(UserError::new(
                Exit::Refused,
                format!(
                    "the control socket cannot be made: {} is there and is no socket",
                    self.socket.display()
                ),
            )
            .hint("move it away, or set TSUP_SOCKET to another path")),
            _ => Ok(()),
        }
    }

    fn is_writable(&self, dir: std::os::fd::BorrowedFd<'_>) -> Result<(), UserError> {
        let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        rustix::fs::accessat(dir, ".", access, rustix::fs::AtFlags::empty()).map_err(|e| {
            let why = plain(&e.into());
            UserError::new(
                Exit::Refused,
                format!("cannot write in the home directory {}: {why}", self.home.display()),
            )
            .hint("make it yours with chmod 700, or choose another with `--home DIR`")
        })
    }

    /// Makes sure that nobody else listens at the place of the control socket. The caller holds the lock of
    /// the home, but `TSUP_SOCKET` may name any place.
    pub fn claim_socket(&self) -> Result<(), UserError> {
        let shown = self.socket.display();
        if self.socket.parent().is_some_and(|folder| !folder.is_dir()) {
            return Err(UserError::new(
                Exit::Usage,
                format!("the control socket cannot be made: there is no folder for {shown}"),
            )
            .hint("let TSUP_SOCKET name a new file in a folder of your own"));
        }
        if UnixStream::connect(&self.socket).is_ok() {
            return Err(UserError::new(Exit::Refused, format!("another supervisor listens at {shown}"))
                .hint("end it, or choose another place with TSUP_SOCKET"));
        }
        Ok(())
    }

    /// Folder of the logs: as configured, else `HOME/log`. Made when it is not there.
    pub fn log_folder(&self, configured: Option<&str>) -> Result<PathBuf, UserError> {
        let dir = configured.map_or_else(|| self.home.join("log"), PathBuf::from);
        DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(|e| {
            UserError::new(
                Exit::Refused,
                format!("cannot make the log folder {}: {}", dir.display(), plain(&e)),
            )
            .hint("set `log.dir` to a folder that can be written")
        })?;
        Ok(dir)
    }
}

/// Opens a private file in the home for reading and writing; makes it when it is not there. Anything but
/// a plain file in its place, such as a symbolic link, is refused.
pub fn open_private(path: &Path) -> std::io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?;
    match FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) {
        FileType::RegularFile => Ok(file.into()),
        _ => Err(std::io::Error::other("it is not a plain file")),
    }
}

/// Opens a file that is there for reading. Pipes and sockets are refused instead of waited for.
pub fn open_existing(path: &Path) -> std::io::Result<File> {
    // Opened without waiting: a pipe would hold up whoever reads until somebody writes.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    match FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) {
        FileType::Directory => Err(std::io::ErrorKind::IsADirectory.into()),
        FileType::Fifo => Err(std::io::Error::other("it is a pipe, and must be a plain file")),
        _ => Ok(file.into()),
    }
}

/// Opens a plain file for reading, and nothing else: whatever else has a name may wait for ever, never end,
/// or must not be replaced. `instead` says what a person may do who named a pipe.
pub fn open_plain(path: &Path, instead: &str) -> std::io::Result<File> {
    let refused = |what: String| Err(std::io::Error::other(what));
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_fifo() {
        return refused(format!("it is a pipe, and must be a plain file{instead}"));
    }
    let file = if kind.is_socket() { None } else { Some(open_existing(path)?) };
    match file {
        Some(file) if file.metadata()?.is_file() => Ok(file),
        _ => refused("it is not a plain file".to_owned()),
    }
}

/// Where the hooks' socket is: in the home, where a hook finds it that knows nothing but the home. Only in a
/// home whose path is too long for that it stands beside the control socket, which `TSUP_SOCKET` then names.
fn hook(home: &Path, socket: &Path) -> Result<PathBuf, UserError> {
    let hook = home.join("hook.sock");
    let in_home = fits("hook socket", &hook);
    if in_home.is_ok() || socket.parent() == Some(home) {
        return in_home.map(|()| hook);
    }
    let mut beside = socket.as_os_str().to_owned();
    beside.push(".hook");
    let beside = PathBuf::from(beside);
    fits("hook socket", &beside).map(|()| beside)
}

fn fits(what: &str, path: &Path) -> Result<(), UserError> {
    let length = path.as_os_str().len();
    if length <= SOCKET_PATH_BYTES_MAX {
        return Ok(());
    }
    let shown = path.display();
    let what =
        format!("the {what}'s path is {length} bytes, the system takes {SOCKET_PATH_BYTES_MAX}: {shown}");
    Err(UserError::new(Exit::Usage, what)
        .hint("choose a shorter `--home`, or set TSUP_SOCKET to a shorter path"))
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from)
}

fn state_folder() -> Result<PathBuf, UserError> {
    // The XDG rules tell to pass over relative paths.
    if let Some(xdg) = variable("XDG_STATE_HOME").filter(|p| p.is_absolute()) {
        return Ok(xdg);
    }
    let home = std::env::home_dir().filter(|h| h.is_absolute()).ok_or_else(|| {
        UserError::new(Exit::Usage, "there is no home directory: HOME is not set")
            .hint("set HOME, TSUP_HOME or `--home DIR`")
    })?;
    Ok(home.join(".local/state"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn at(home: &Path) -> Paths {
        Paths::resolve(Some(home)).unwrap()
    }

    #[test]
    fn a_home_is_made_private() {
        let dir = tempfile::tempdir().unwrap();
        let paths = at(&dir.path().join("a/b"));
        paths.create().unwrap();
        let mode = std::fs::metadata(&paths.home).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        paths.create().unwrap();
    }

    #[test]
    fn a_home_that_others_could_change_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let open = dir.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o750)).unwrap();
        let error = at(&open).create().unwrap_err();
        assert_eq!(error.exit, Exit::Refused);
        assert!(error.what.contains("mode 750"), "{}", error.what);

        let real = dir.path().join("real");
        at(&real).create().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert!(at(&link).create().unwrap_err().what.contains("symbolic link"));

        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(at(&file).create().unwrap_err().exit, Exit::Refused);
    }

    #[test]
    fn a_socket_that_no_system_takes_is_refused() {
        let error = Paths::resolve(Some(Path::new(&format!("/{}", "x".repeat(120))))).unwrap_err();
        assert_eq!(error.exit, Exit::Usage);
        assert!(error.hint.unwrap().contains("TSUP_SOCKET"));
    }

    #[test]
    fn every_socket_fits_and_a_hook_finds_its_own() {
        // `HOME/ctl.sock` has nine bytes more than the home, `HOME/hook.sock` ten.
        let home = |bytes: usize| PathBuf::from(format!("/{}", "x".repeat(bytes - 1)));
        assert_eq!(Paths::resolve(Some(&home(97))).unwrap().hook, home(97).join("hook.sock"));
        let error = Paths::resolve(Some(&home(98))).unwrap_err();
        assert!(error.what.contains("hook socket") && error.hint.unwrap().contains("TSUP_SOCKET"));

        let elsewhere = Path::new("/run/mine");
        assert_eq!(
            hook(&home(97), elsewhere).unwrap(),
            home(97).join("hook.sock"),
            "what every hook looks for"
        );
        assert_eq!(hook(&home(150), elsewhere).unwrap(), Path::new("/run/mine.hook"));
        assert!(hook(&home(150), &home(105)).is_err());
    }

    #[test]
    fn the_socket_takes_no_other_supervisors_place() {
        let dir = tempfile::tempdir().unwrap();
        let paths = |name: &str| Paths { socket: dir.path().join(name), ..at(&dir.path().join("home")) };
        paths("new").claim_socket().unwrap();
        assert_eq!(paths("no/such/folder").claim_socket().unwrap_err().exit, Exit::Usage);
        let live = std::os::unix::net::UnixListener::bind(dir.path().join("live")).unwrap();
        assert_eq!(paths("live").claim_socket().unwrap_err().exit, Exit::Refused);
        drop(live);
        paths("live").claim_socket().unwrap();
    }

    #[test]
    fn a_link_in_place_of_a_private_file_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        std::os::unix::fs::symlink(&target, dir.path().join("link")).unwrap();
        assert!(open_private(&dir.path().join("link")).is_err());
        assert!(!target.exists());
        open_private(&target).unwrap();
        assert_eq!(std::fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
