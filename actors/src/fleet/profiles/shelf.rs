//! A person's own profiles: a folder of files over the shipped ones, read again when it changes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tsup_core::fleet::profile::{ProfileError, Profiles};
use tsup_core::untrusted::Untrusted;

use super::folder::{self, shown};
use super::with;

/// By what a change of a file shows: its name, when it was written, its size; of what a link leads to.
pub(in crate::fleet) type Stamp = Vec<(PathBuf, Option<(SystemTime, u64)>)>;

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
    read: Option<(Option<PathBuf>, Stamp, Vec<ProfileError>)>,
    /// The last text of each file that had nothing wrong: it goes on while a file is broken.
    good: BTreeMap<PathBuf, String>,
}

impl Shelf {
    /// Reads the folder when it is another one, or something in it changed since the last time. Touches
    /// the disk: not for an actor's thread. A folder that is not there holds nothing.
    pub fn look(&mut self, folder: Option<&Path>) -> Option<Shelved> {
        let (files, errors) = folder.map(listed).unwrap_or_default();
        let now = (folder.map(Path::to_owned), stamp(&files), errors.clone());
        if self.read.as_ref() == Some(&now) {
            return None;
        }
        self.read = Some(now);
        Some(self.take(&files, errors))
    }

    /// Reads all files, and where something is wrong with one, what it held before instead.
    fn take(&mut self, files: &[PathBuf], mut errors: Vec<ProfileError>) -> Shelved {
        self.good.retain(|path, _| files.contains(path));
        let mut texts: Vec<(&PathBuf, String, String)> = Vec::new();
        for path in files {
            match folder::text_of(path) {
                Ok(text) => texts.push((path, shown(path), text)),
                Err(error) => {
                    errors.push(error);
                    if let Some(last) = self.good.get(path) {
                        texts.push((path, shown(path), last.clone()));
                    }
                }
            }
        }
        let (mut profiles, mut wrong) = read(&texts);
        let mut replaced = false;
        for (path, file, text) in &mut texts {
            let last = self.good.get(*path).filter(|last| *last != text);
            if let Some(last) = last.filter(|_| wrong.iter().any(|e| e.file == *file)) {
                errors.extend(wrong.extract_if(.., |e| e.file == *file));
                last.clone_into(text);
                replaced = true;
            }
        }
        if replaced {
            (profiles, wrong) = read(&texts);
        }
        for (path, file, text) in texts {
            if !wrong.iter().any(|e| e.file == file) {
                self.good.insert(path.clone(), text);
            }
        }
        errors.extend(wrong);
        errors.sort_by(|a, b| a.file.cmp(&b.file));
        let told = |e: &ProfileError| Untrusted::new(format!("profile {e}")).to_string();
        Shelved { profiles: Arc::new(profiles), complaints: errors.iter().map(told).collect() }
    }
}

fn read(texts: &[(&PathBuf, String, String)]) -> (Profiles, Vec<ProfileError>) {
    with(texts.iter().map(|(_, file, text)| (&**file, &**text)))
}

/// The files of a folder; of one that cannot be read none, and why.
fn listed(folder: &Path) -> (Vec<PathBuf>, Vec<ProfileError>) {
    folder::list(folder).unwrap_or_else(|e| match e.kind() {
        io::ErrorKind::NotFound => (Vec::new(), Vec::new()),
        _ => {
            (Vec::new(), vec![ProfileError::whole(shown(folder), format!("the folder cannot be read: {e}"))])
        }
    })
}

/// What files look like now.
pub(in crate::fleet) fn stamp(files: &[PathBuf]) -> Stamp {
    let facts = |path: &PathBuf| {
        let facts = fs::metadata(path).ok()?;
        Some((facts.modified().ok()?, facts.len()))
    };
    files.iter().map(|path| (path.clone(), facts(path))).collect()
}

#[cfg(test)]
mod tests {
    use tsup_core::limits::PROFILE_BYTES_MAX;

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

    #[test]
    fn two_files_of_one_name_are_told_and_the_same_one_counts_however_they_came() {
        let dir = tempfile::tempdir().unwrap();
        let mut shelf = Shelf::default();
        fs::write(dir.path().join("b.toml"), OWN).unwrap();
        assert!(shelf.look(Some(dir.path())).unwrap().complaints.is_empty());
        fs::write(dir.path().join("a.toml"), OWN.replace("Mine", "Other")).unwrap();
        for mut shelf in [shelf, Shelf::default()] {
            let both = shelf.look(Some(dir.path())).unwrap();
            assert_eq!(both.profiles.get("mine").unwrap().title, "Other");
            assert_eq!(both.complaints.len(), 1, "{:?}", both.complaints);
            let told = &both.complaints[0];
            assert!(told.contains("b.toml:2:8: ") && told.contains("a.toml has the name `mine`"), "{told}");
        }
    }

    #[test]
    fn what_extends_a_file_that_broke_goes_on_too() {
        let dir = tempfile::tempdir().unwrap();
        let mut shelf = Shelf::default();
        fs::write(dir.path().join("mine.toml"), OWN).unwrap();
        fs::write(dir.path().join("a.toml"), "version = 1\nname = \"over\"\nextends = \"mine\"\n").unwrap();
        assert!(shelf.look(Some(dir.path())).unwrap().complaints.is_empty());
        fs::write(dir.path().join("mine.toml"), b"\xff").unwrap();
        let broken = shelf.look(Some(dir.path())).unwrap();
        assert_eq!(broken.profiles.get("over").unwrap().title, "Mine");
        assert_eq!(broken.complaints.len(), 1, "{:?}", broken.complaints);
        assert!(
            broken.complaints[0].contains("mine.toml:1:1: it is not text in UTF-8"),
            "{:?}",
            broken.complaints
        );
    }
}
