//! The scripts of all registries, as they were read last.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
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
    /// Where changes are to be seen.
    pub(super) watched: Watched,
    /// Whether a file was there and could not be read: it may be readable later without any change of it.
    pub(super) is_partial: bool,
    /// What each file said when it was understood last.
    good: BTreeMap<Arc<Path>, Vec<Arc<Script>>>,
}

/// What a watch has to look at.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Watched {
    /// The folders that hold registries.
    pub(super) folders: Vec<PathBuf>,
    /// The names of the files in them.
    pub(super) names: BTreeSet<OsString>,
    /// Whether something may change that is not seen there: a folder that is not there yet, a file behind a link.
    pub(super) is_blind: bool,
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

/// Reads all registries. A file that cannot be read costs the others nothing, and what it said `before` goes on counting: a slip
/// of its writer's takes no script from jobs that wait. One that is gone takes its scripts along.
pub(super) fn read(sources: &[Source], before: Option<&Shelf>) -> Shelf {
    let mut shelf = Shelf::default();
    for source in sources {
        shelf.watched.add(&source.path);
        let path: Arc<Path> = source.path.as_path().into();
        let shown = Untrusted::new(source.path.display().to_string());
        let problems = match text_of(&path) {
            Ok(text) => {
                let parsed = parse(&path, &text);
                if !parsed.is_broken {
                    shelf.problems.extend(parsed.problems.iter().map(|p| format!("{shown}: {p}")));
                    shelf.add(path, &shown, parsed.scripts);
                    continue;
                }
                parsed.problems.iter().map(ToString::to_string).collect()
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound && !source.wanted => continue,
            Err(e) => {
                shelf.is_partial |= e.raw_os_error().is_some() && e.kind() != io::ErrorKind::NotFound;
                let problem = e.to_string().split(" (os error").next().unwrap_or("").to_owned();
                if e.kind() == io::ErrorKind::NotFound {
                    shelf.problems.push(format!("{shown}: {problem}"));
                    continue;
                }
                vec![problem]
            }
        };
        let kept = before.and_then(|shelf| shelf.good.get(&path)).cloned().unwrap_or_default();
        let still = match kept.len() {
            0 => "",
            _ => "; until that is mended it counts as it was before",
        };
        shelf.problems.extend(problems.iter().map(|problem| format!("{shown}: {problem}{still}")));
        shelf.add(path, &shown, kept);
    }
    shelf
}

impl Watched {
    fn add(&mut self, path: &Path) {
        let folder = path.parent().unwrap_or(Path::new("/"));
        if !folder.is_dir() {
            self.is_blind = true;
        } else if !self.folders.iter().any(|f| f == folder) {
            self.folders.push(folder.to_owned());
        }
        self.names.extend(path.file_name().map(ToOwned::to_owned));
        let is_linked = folder.canonicalize().is_ok_and(|real| real != folder);
        self.is_blind |= path.is_symlink() || is_linked;
    }
}

fn parse(path: &Path, text: &str) -> Parsed {
    match path.extension().and_then(|e| e.to_str()) {
        Some("toml") => parse_toml(text),
        _ => parse_json(text),
    }
}

impl Shelf {
    fn add(&mut self, registry: Arc<Path>, shown: &Untrusted, scripts: Vec<Arc<Script>>) {
        let root: Arc<Path> = registry.parent().unwrap_or(Path::new("/")).into();
        for script in &scripts {
            if let Some(first) = self.scripts.get(&script.id) {
                let first = Untrusted::new(first.registry.display().to_string());
                self.problems
                    .push(format!("{shown}: script `{}` stands in {first} too, which counts", script.id));
                continue;
            }
            if self.scripts.len() >= limits::SCRIPTS_MAX {
                self.problems.push(format!("{shown}: more than {} scripts", limits::SCRIPTS_MAX));
                break;
            }
            let entry = Entry {
                registry: Arc::clone(&registry),
                root: Arc::clone(&root),
                script: Arc::clone(script),
            };
            self.scripts.insert(Arc::clone(&script.id), entry);
        }
        self.good.insert(registry, scripts);
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
        let shelf = read(&sources, None);
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
        assert_eq!(shelf.watched.folders, [dir.path()]);
    }

    #[test]
    fn a_file_that_is_not_understood_keeps_what_it_said_and_one_that_is_gone_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let sources = [source(at("one.json"), true), source(at("two.toml"), true)];
        let two = "[[scripts]]\nid = \"b/q\"\npath = \"q\"\n";
        std::fs::write(at("one.json"), "{\"scripts\":[{\"id\":\"a/x\",\"path\":\"x.sh\"}]}").unwrap();
        std::fs::write(at("two.toml"), two).unwrap();
        let ids = |shelf: &Shelf| shelf.scripts.keys().map(ToString::to_string).collect::<Vec<_>>();
        let told = |shelf: &Shelf| {
            let short = |p: &String| p.replace(&format!("{}/", dir.path().display()), "");
            shelf.problems.iter().map(short).collect::<Vec<_>>()
        };
        let mut shelf = read(&sources, None);
        assert_eq!((ids(&shelf), told(&shelf)), (vec!["a/x".to_owned(), "b/q".to_owned()], Vec::new()));
        for (broken, place) in [("", "line 1: it is empty"), (&two[..two.len() - 3], "line 3: ")] {
            std::fs::write(at("two.toml"), broken).unwrap();
            // Twice: what is kept is kept on.
            for _ in 0..2 {
                shelf = read(&sources, Some(&shelf));
                assert_eq!(ids(&shelf), ["a/x", "b/q"]);
                let told = told(&shelf);
                assert_eq!(told.len(), 1, "{told:?}");
                assert!(told[0].starts_with(&format!("two.toml: {place}")), "{told:?}");
                assert!(told[0].ends_with("; until that is mended it counts as it was before"), "{told:?}");
            }
        }
        // Something that cannot be opened as a file is not read, and not taken for a registry without scripts.
        std::fs::remove_file(at("one.json")).unwrap();
        std::fs::create_dir(at("one.json")).unwrap();
        shelf = read(&sources, Some(&shelf));
        assert_eq!(ids(&shelf), ["a/x", "b/q"]);
        assert!(told(&shelf)[0].starts_with("one.json: it is not a plain file; until"), "{:?}", told(&shelf));
        // What is gone is gone, also when it comes back broken.
        std::fs::remove_file(at("two.toml")).unwrap();
        shelf = read(&sources, Some(&shelf));
        assert_eq!(ids(&shelf), ["a/x"]);
        std::fs::write(at("two.toml"), "[[").unwrap();
        assert_eq!(ids(&read(&sources, Some(&shelf))), ["a/x"]);
        // A document that lists nothing is one.
        std::fs::write(at("two.toml"), two).unwrap();
        shelf = read(&sources, Some(&shelf));
        std::fs::write(at("two.toml"), "# none\n").unwrap();
        assert_eq!(ids(&read(&sources, Some(&shelf))), ["a/x"]);
    }
}
