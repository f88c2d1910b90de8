//! The scripts of all registries, as they were read last.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use tsup_core::limits;
use tsup_core::tes::registry::{Parsed, parse_json, parse_toml};
use tsup_core::tes::script::Script;
use tsup_core::untrusted::Untrusted;

/// All scripts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shelf {
    /// By id.
    pub scripts: BTreeMap<Arc<str>, Entry>,
    /// What is wrong: `FILE: line N: …`.
    pub problems: Vec<String>,
    /// The folders that hold registries, to be watched.
    pub(super) folders: Vec<PathBuf>,
    /// Whether a file could not be read for want of something that comes back: then it says nothing.
    pub(super) is_partial: bool,
}

/// A script and where it was registered.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The script.
    pub script: Arc<Script>,
    /// The registry's file.
    pub registry: Arc<Path>,
    /// The registry's folder.
    pub root: Arc<Path>,
}

/// A registry's file, and whether somebody asked for it: one of the defaults need not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tes) struct Source {
    /// The file; absolute.
    pub(in crate::tes) path: PathBuf,
    /// Whether it has to be there.
    pub(in crate::tes) wanted: bool,
}

impl Shelf {
    /// The script of this id; of this name, or this id without its version, where only one has it.
    pub fn find(&self, asked: &str) -> Option<&Entry> {
        if let Some(entry) = self.scripts.get(asked) {
            return Some(entry);
        }
        let is_meant = |script: &Script| {
            script.name == asked || script.id.split_once('@').is_some_and(|(id, _)| id == asked)
        };
        let mut meant = self.scripts.values().filter(|e| is_meant(&e.script));
        meant.next().filter(|_| meant.next().is_none())
    }
}

/// Reads all registries. A file that cannot be read costs the others nothing.
pub(super) fn read(sources: &[Source]) -> Shelf {
    let mut shelf = Shelf::default();
    for source in sources {
        let folder = source.path.parent().unwrap_or(Path::new("/")).to_owned();
        if folder.is_dir() && !shelf.folders.contains(&folder) {
            shelf.folders.push(folder);
        }
        let shown = Untrusted::new(source.path.display().to_string());
        match text_of(&source.path) {
            Ok(text) => shelf.add(&source.path, &shown, parse(&source.path, &text)),
            Err(e) if e.kind() == io::ErrorKind::NotFound && !source.wanted => {}
            Err(e) => {
                shelf.is_partial |= is_passing(&e);
                let words = e.to_string();
                shelf.problems.push(format!("{shown}: {}", words.split(" (os error").next().unwrap_or("")));
            }
        }
    }
    shelf
}

/// Whether the system lacked something that it has again later.
fn is_passing(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EAGAIN | libc::EIO))
}

fn parse(path: &Path, text: &str) -> Parsed {
    match path.extension().and_then(|e| e.to_str()) {
        Some("toml") => parse_toml(text),
        _ => parse_json(text),
    }
}

impl Shelf {
    fn add(&mut self, path: &Path, shown: &Untrusted, parsed: Parsed) {
        self.problems.extend(parsed.problems.iter().map(|p| format!("{shown}: {p}")));
        let registry: Arc<Path> = path.into();
        let root: Arc<Path> = path.parent().unwrap_or(Path::new("/")).into();
        for script in parsed.scripts {
            if let Some(first) = self.scripts.get(&script.id) {
                let first = Untrusted::new(first.registry.display().to_string());
                self.problems
                    .push(format!("{shown}: script `{}` stands in {first} too, which counts", script.id));
                continue;
            }
            if self.scripts.len() >= limits::SCRIPTS_MAX {
                self.problems.push(format!("{shown}: more than {} scripts", limits::SCRIPTS_MAX));
                return;
            }
            let entry = Entry { registry: Arc::clone(&registry), root: Arc::clone(&root), script };
            self.scripts.insert(Arc::clone(&entry.script.id), entry);
        }
    }
}

/// The text of a plain file that is not too large. Opened without waiting: a pipe would hold up its reader.
fn text_of(path: &Path) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a plain file"));
    }
    let mut bytes = Vec::new();
    file.take(limits::REGISTRY_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limits::REGISTRY_BYTES_MAX {
        let most = limits::REGISTRY_BYTES_MAX / (1024 * 1024);
        return Err(io::Error::other(format!("it is larger than {most} MiB")));
    }
    String::from_utf8(bytes).map_err(|e| {
        let line =
            String::from_utf8_lossy(&e.as_bytes()[..e.utf8_error().valid_up_to()]).matches('\n').count() + 1;
        io::Error::other(format!("line {line}: it is not text in UTF-8"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: PathBuf, wanted: bool) -> Source {
        Source { path, wanted }
    }

    #[test]
    fn several_registries_make_one_shelf_and_a_broken_one_costs_the_others_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let script = |id: &str| format!("{{\"id\":\"{id}\",\"name\":\"n-{}\",\"path\":\"x.sh\"}}", &id[2..]);
        let one = format!("{{\"scripts\":[{},{}]}}", script("a/x"), script("a/y@2"));
        std::fs::write(at("one.json"), one).unwrap();
        std::fs::write(
            at("two.toml"),
            "[[scripts]]\nid = \"a/x\"\npath = \"z\"\n[[scripts]]\nid = \"b/q\"\npath = \"q\"\n",
        )
        .unwrap();
        std::fs::write(at("bad.json"), b"{\n\xff").unwrap();
        let sources = [
            source(at("bad.json"), true),
            source(at("one.json"), true),
            source(at("gone.json"), false),
            source(at("lost.json"), true),
            source(at("two.toml"), true),
        ];
        let shelf = read(&sources);
        assert_eq!(shelf.scripts.keys().map(|k| &**k).collect::<Vec<_>>(), ["a/x", "a/y@2", "b/q"]);
        let told: Vec<String> =
            shelf.problems.iter().map(|p| p.replace(&format!("{}/", dir.path().display()), "")).collect();
        assert_eq!(
            told,
            [
                "bad.json: line 2: it is not text in UTF-8",
                "lost.json: No such file or directory",
                "two.toml: script `a/x` stands in one.json too, which counts",
            ]
        );
        let found = |asked| shelf.find(asked).map(|e| e.script.id.to_string());
        assert_eq!(found("a/y").as_deref(), Some("a/y@2"));
        assert_eq!(found("n-x").as_deref(), Some("a/x"));
        assert_eq!((found("x"), found("")), (None, None));
        assert_eq!(shelf.folders, [dir.path()]);
    }
}
