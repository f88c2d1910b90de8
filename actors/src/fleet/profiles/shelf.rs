//! A person's own profiles: a folder of files over the shipped ones, read again when it changes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tsup_core::fleet::profile::Profiles;
use tsup_core::limits::{PROFILE_BYTES_MAX, PROFILE_FILES_MAX, PROFILES_MAX};
use tsup_core::untrusted::Untrusted;

use super::with;

/// By what a change of a file shows: its name, when it was written, its size.
type Stamp = Vec<(PathBuf, Option<SystemTime>, u64)>;

/// What the folder holds now.
#[derive(Debug)]
pub struct Shelved {
    /// The shipped profiles with the person's own over them.
    pub profiles: Arc<Profiles>,
    /// What is wrong with which file, where.
    pub complaints: Vec<String>,
}

/// The folder, and what was read of it last.
#[derive(Debug, Default)]
pub struct Shelf {
    read: Option<(Option<PathBuf>, Stamp)>,
    /// The last text of each file that had nothing wrong: it goes on while a file is broken.
    good: BTreeMap<PathBuf, String>,
}

impl Shelf {
    /// Reads the folder when it is another one, or something in it changed since the last time. Touches
    /// the disk: not for an actor's thread. A folder that is not there holds nothing.
    pub fn look(&mut self, folder: Option<&Path>) -> Option<Shelved> {
        let now = (folder.map(Path::to_owned), folder.map(stamp).unwrap_or_default());
        if self.read.as_ref() == Some(&now) {
            return None;
        }
        let files: Vec<PathBuf> = now.1.iter().map(|(path, _, _)| path.clone()).collect();
        self.read = Some(now);
        Some(self.take(&files))
    }

    fn take(&mut self, files: &[PathBuf]) -> Shelved {
        let mut complaints = Vec::new();
        let mut texts: Vec<(String, String)> = Vec::new();
        self.good.retain(|path, _| files.contains(path));
        for path in files {
            let shown = Untrusted::new(path.display().to_string()).to_string();
            let text = match text_of(path) {
                Ok(text) => text,
                Err(e) => {
                    complaints.push(format!("profile {shown} cannot be read: {e}"));
                    String::new()
                }
            };
            let before = texts.iter().map(|(file, text)| (file.as_str(), text.as_str()));
            let (_, errors) = with(before.chain([(shown.as_str(), text.as_str())]));
            let wrong: Vec<String> = errors
                .iter()
                .filter(|e| e.file == shown)
                .map(|e| Untrusted::new(format!("profile {e}")).to_string())
                .collect();
            let kept = self.good.get(path).filter(|_| !wrong.is_empty() || text.is_empty()).cloned();
            if !text.is_empty() {
                complaints.extend(wrong.iter().cloned());
            }
            match kept {
                Some(last) => texts.push((shown, last)),
                None if text.is_empty() => {}
                None => {
                    if wrong.is_empty() {
                        self.good.insert(path.clone(), text.clone());
                    }
                    texts.push((shown, text));
                }
            }
        }
        let (profiles, _) = with(texts.iter().map(|(file, text)| (file.as_str(), text.as_str())));
        Shelved { profiles: Arc::new(profiles), complaints }
    }
}

fn stamp(folder: &Path) -> Stamp {
    let mut all: Stamp = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .take(PROFILE_FILES_MAX)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .filter_map(|path| {
            let facts = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
            Some((path, facts.modified().ok(), facts.len()))
        })
        .collect();
    all.sort();
    all.truncate(PROFILES_MAX);
    all
}

fn text_of(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(PROFILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > PROFILE_BYTES_MAX {
        return Err(io::Error::other(format!("it is larger than {} KiB", PROFILE_BYTES_MAX / 1024)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "version = 1\nname = \"mine\"\ntitle = \"Mine\"\n[recognise]\nnames = [\"mine\"]\n\
                       [launch]\ncommand = [\"mine\"]\n";

    #[test]
    fn a_folder_lies_over_the_shipped_ones_and_a_broken_file_leaves_the_last_good_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("mine.toml");
        let mut shelf = Shelf::default();
        let nothing = shelf.look(Some(dir.path())).unwrap();
        assert!(nothing.profiles.get("claude").is_some() && nothing.complaints.is_empty());
        assert!(shelf.look(Some(dir.path())).is_none(), "nothing changed");
        fs::write(&file, OWN).unwrap();
        let mine = shelf.look(Some(dir.path())).unwrap();
        assert_eq!(mine.profiles.get("mine").unwrap().title, "Mine");
        fs::write(&file, format!("{OWN}\nnonsense")).unwrap();
        let broken = shelf.look(Some(dir.path())).unwrap();
        assert_eq!(broken.profiles.get("mine").unwrap().title, "Mine", "the last good one holds");
        let place = format!("{}:9:", file.display());
        assert!(broken.complaints[0].contains(&place), "{:?}", broken.complaints);
        fs::write(&file, OWN.replace("Mine", "Other")).unwrap();
        let mended = shelf.look(Some(dir.path())).unwrap();
        assert_eq!(mended.profiles.get("mine").unwrap().title, "Other");
        assert!(mended.complaints.is_empty());
        fs::remove_file(&file).unwrap();
        assert!(shelf.look(Some(dir.path())).unwrap().profiles.get("mine").is_none());
        assert!(shelf.look(None).unwrap().complaints.is_empty());
    }

    #[test]
    fn what_is_no_profile_is_told_and_harms_nobody() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.toml"), b"\xff\xfe").unwrap();
        fs::write(dir.path().join("b.toml"), vec![b'#'; PROFILE_BYTES_MAX as usize + 9]).unwrap();
        fs::create_dir(dir.path().join("c.toml")).unwrap();
        let shelved = Shelf::default().look(Some(dir.path())).unwrap();
        assert_eq!(shelved.complaints.len(), 2, "{:?}", shelved.complaints);
        assert!(shelved.profiles.get("claude").is_some());
        assert!(Shelf::default().look(Some(&dir.path().join("none"))).unwrap().complaints.is_empty());
        let rule = "[[rule]]\nid = \"x\"\nin = \"last\"\nsays = \"\\u001b[2J\"\n";
        fs::write(dir.path().join("d.toml"), format!("{OWN}{rule}")).unwrap();
        let told = Shelf::default().look(Some(dir.path())).unwrap().complaints.join(" ");
        assert!(told.contains("`\\u{1b}[2J` is no state"), "{told}");
    }
}
