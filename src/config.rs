//! Where the configuration comes from: flags, variables and files, read in one place.
//!
//! The rules of the values are in `tsup_core::settings`; here is what touches the file system.

pub mod paths;

use std::io::Read;
use std::path::{Path, PathBuf};

use tsup_core::error::{Exit, UserError};
use tsup_core::limits::CONFIG_BYTES_MAX;
use tsup_core::settings::{Settings, source};

/// A configuration that was read, and from where.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The values; paths in them are absolute.
    pub settings: Settings,
    /// The file; `None` when there is none and the defaults hold.
    pub file: Option<PathBuf>,
    /// The folder under which its relative paths stand: the file's, or the one where somebody started.
    pub base: PathBuf,
}

/// The file that holds the configuration: `--config`, else `./tsup.toml`, else
/// `$XDG_CONFIG_HOME/tsup/tsup.toml`; `None` when there is none. Absolute, so that it stays the same
/// file when the working directory changes.
pub fn find(flag: Option<&Path>) -> Result<Option<PathBuf>, UserError> {
    if let Some(path) = flag {
        return absolute(path).map(Some);
    }
    let mut candidates = vec![PathBuf::from("tsup.toml")];
    candidates.extend(config_folder().map(|d| d.join("tsup").join("tsup.toml")));
    match candidates.iter().find(|c| c.exists()) {
        Some(found) => absolute(found).map(Some),
        None => Ok(None),
    }
}

/// Reads the configuration from a file, or the defaults when there is none, with the variables of the
/// environment over it.
pub fn load(file: Option<&Path>) -> Result<Loaded, UserError> {
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    load_under(file, file.and_then(Path::parent).unwrap_or(&here))
}

/// The same, with relative paths under `base`: what is read again later is read as it was at first.
pub fn load_under(file: Option<&Path>, base: &Path) -> Result<Loaded, UserError> {
    let text = file.map(read).transpose()?.unwrap_or_default();
    let shown = file.map_or_else(|| "defaults".to_owned(), |f| shorten(f).display().to_string());
    let variables: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let mut settings = source::parse(&shown, &text, &variables)?;
    anchor(&mut settings, base);
    Ok(Loaded { settings, file: file.map(Path::to_owned), base: base.to_owned() })
}

/// Makes the paths in the settings absolute: `~/` is the user's home, everything else stands under the
/// folder of the configuration file.
fn anchor(settings: &mut Settings, base: &Path) {
    let place = |text: &str| {
        let path = match (text, text.strip_prefix("~/"), std::env::home_dir()) {
            ("~", _, Some(home)) => home,
            (_, Some(rest), Some(home)) => home.join(rest),
            _ => base.join(text),
        };
        // Components put together again leave out `.`, so that people read a plain path.
        path.components().collect::<PathBuf>().to_string_lossy().into_owned()
    };
    for agent in settings.sessions.iter_mut().flat_map(|s| &mut s.agents) {
        agent.cwd = place(&agent.cwd);
    }
    for file in &mut settings.tes.registries.files {
        *file = place(file);
    }
    let fleet = &mut settings.fleet;
    let dirs = [&mut settings.log.dir, &mut fleet.shadow_profiles, &mut fleet.profiles];
    for dir in dirs.into_iter().flatten() {
        *dir = place(dir);
    }
}

fn read(file: &Path) -> Result<String, UserError> {
    let fail = |what: String| {
        UserError::new(Exit::Usage, what)
            .hint("name another file with `--config`, or write a new one with `tsup init`")
    };
    let shown = file.display();
    let opened =
        paths::open_existing(file).map_err(|e| fail(format!("cannot read {shown}: {}", plain(&e))))?;
    let mut bytes = Vec::new();
    opened
        .take(CONFIG_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| fail(format!("cannot read {shown}: {}", plain(&e))))?;
    if bytes.len() as u64 > CONFIG_BYTES_MAX {
        return Err(fail(format!("{shown} is larger than {} KiB", CONFIG_BYTES_MAX / 1024)));
    }
    String::from_utf8(bytes).map_err(|e| {
        let readable = String::from_utf8_lossy(&e.as_bytes()[..e.utf8_error().valid_up_to()]);
        let line = readable.matches('\n').count() + 1;
        fail(format!("{shown}:{line}:1: not UTF-8 text"))
    })
}

/// An error of the system without its number: people read words.
pub fn plain(e: &std::io::Error) -> String {
    let text = e.to_string();
    let cut = text.find(" (os error").unwrap_or(text.len());
    let mut words = text[..cut].to_owned();
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    words
}

/// The path as a person in this folder would write it.
fn shorten(path: &Path) -> &Path {
    let here = std::env::current_dir().ok();
    here.and_then(|h| path.strip_prefix(h).ok()).unwrap_or(path)
}

fn absolute(path: &Path) -> Result<PathBuf, UserError> {
    std::path::absolute(path)
        .map_err(|e| UserError::new(Exit::Usage, format!("{} is not a path: {}", path.display(), plain(&e))))
}

/// The folder of the user's own profiles, one file `NAME.toml` each.
pub fn profile_folder() -> Option<PathBuf> {
    config_folder().map(|folder| folder.join("tsup/profiles"))
}

/// `$XDG_CONFIG_HOME`, or `~/.config`.
pub(crate) fn config_folder() -> Option<PathBuf> {
    let xdg = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    xdg.or_else(|| std::env::home_dir().map(|h| h.join(".config")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stand_under_the_folder_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("t.toml");
        let text = "[tes]\nregistries = [\"r.json\", \"/abs.toml\"]\n[[session]]\nname = \"a\"\n[[session.agent]]\nname = \"x\"\ncwd = \"./sub\"\n\
                    [[session.agent]]\nname = \"y\"\ncwd = \"/abs\"\n[[session.agent]]\nname = \"z\"\n[log]\ndir = \"l\"\n";
        std::fs::write(&file, text).unwrap();
        let settings = load(Some(&file)).unwrap().settings;
        let cwd: Vec<_> = settings.sessions[0].agents.iter().map(|a| a.cwd.clone()).collect();
        let base = dir.path().display().to_string();
        assert_eq!(cwd, [format!("{base}/sub"), "/abs".into(), base.clone()]);
        assert_eq!(settings.log.dir, Some(format!("{base}/l")));
        assert_eq!(settings.tes.registries.files, [format!("{base}/r.json"), "/abs.toml".into()]);
        std::fs::write(&file, "").unwrap();
        let registries = load(Some(&file)).unwrap().settings.tes.registries;
        assert_eq!((registries.files, registries.named), (vec![format!("{base}/registry.json")], false));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("none.toml");
        let error = load(Some(&missing)).unwrap_err();
        assert_eq!(error.exit, Exit::Usage);
        assert!(error.what.ends_with("none.toml: no such file or directory"), "{}", error.what);
        let binary = dir.path().join("b.toml");
        std::fs::write(&binary, b"[log]\n\xff").unwrap();
        assert!(load(Some(&binary)).unwrap_err().what.contains("b.toml:2:1: not UTF-8"));
        let huge = dir.path().join("h.toml");
        std::fs::write(&huge, vec![b'#'; CONFIG_BYTES_MAX as usize + 1]).unwrap();
        assert!(load(Some(&huge)).unwrap_err().what.contains("larger than"));
        assert!(load(Some(dir.path())).unwrap_err().what.contains("is a directory"));
        let pipe = dir.path().join("pipe.toml");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        assert!(load(Some(&pipe)).unwrap_err().what.contains("is a pipe"), "nothing waits for a writer");
    }
}
