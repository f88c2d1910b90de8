//! A folder of profiles: which files are read, and each of them with care.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use tsup_core::fleet::profile::{ProfileError, Profiles};
use tsup_core::limits::{PROFILE_BYTES_MAX, PROFILE_FILES_MAX, PROFILES_MAX};

/// The shipped profiles with every `*.toml` of `folder` over them; with what is wrong in them, which is
/// left out. An error is one of the folder itself.
pub fn over(folder: &Path) -> io::Result<(Profiles, Vec<ProfileError>)> {
    let (files, mut errors) = list(folder)?;
    let mut texts = Vec::new();
    for path in &files {
        match text_of(path) {
            Ok(text) => texts.push((shown(path), text)),
            Err(error) => errors.push(error),
        }
    }
    let (profiles, wrong) = super::with(texts.iter().map(|(file, text)| (&**file, &**text)));
    errors.extend(wrong);
    Ok((profiles, errors))
}

/// The files `*.toml` of a folder, by name; none of one that cannot be read.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    list(folder).map(|(files, _)| files).unwrap_or_default()
}

/// The files `*.toml` of a folder, by name, and what is wrong with the folder.
pub(super) fn list(folder: &Path) -> io::Result<(Vec<PathBuf>, Vec<ProfileError>)> {
    let (mut files, mut errors) = (Vec::new(), Vec::new());
    for (n, entry) in std::fs::read_dir(folder)?.enumerate() {
        if n >= PROFILE_FILES_MAX {
            let what = format!("only {PROFILE_FILES_MAX} of the things in this folder were looked at");
            errors.push(ProfileError::whole(shown(folder), what));
            break;
        }
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "toml") && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    if files.len() > PROFILES_MAX {
        let what = format!("this folder has {} profiles; the first {PROFILES_MAX} count", files.len());
        errors.push(ProfileError::whole(shown(folder), what));
        files.truncate(PROFILES_MAX);
    }
    Ok((files, errors))
}

/// The text of a profile's file. Anything but a plain file of text that is not too large is an error that
/// names it.
pub fn text_of(path: &Path) -> Result<String, ProfileError> {
    let wrong = |what: String| ProfileError::whole(shown(path), what);
    let unreadable = |e: io::Error| {
        let text = e.to_string();
        wrong(format!("it cannot be read: {}", text.split(" (os error").next().unwrap_or_default()))
    };
    // Opened without waiting: a pipe would hold up whoever reads until somebody writes.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|e| unreadable(e.into()))?);
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(wrong("it is not a plain file".to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(PROFILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > PROFILE_BYTES_MAX {
        return Err(wrong(format!("it is larger than {} KiB", PROFILE_BYTES_MAX / 1024)));
    }
    String::from_utf8(bytes).map_err(|e| {
        let good = String::from_utf8_lossy(&e.as_bytes()[..e.utf8_error().valid_up_to()]);
        ProfileError::at(shown(path), &good, good.len(), "it is not text in UTF-8")
    })
}

/// The name of a file in errors.
pub(super) fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn each_file_that_cannot_be_used_is_named_and_the_rest_is() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("bytes.toml"), b"version = 1\nname = \"x\"\nti\xfftle").unwrap();
        fs::write(at("huge.toml"), vec![b'#'; PROFILE_BYTES_MAX as usize + 1]).unwrap();
        fs::write(at("mine.toml"), "version = 1\nname = \"mine\"\n").unwrap();
        fs::create_dir(at("folder.toml")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("lost.toml")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, at("pipe.toml"), rustix::fs::FileType::Fifo, Mode::RWXU, 0)
            .unwrap();
        let (profiles, errors) = over(dir.path()).unwrap();
        assert!(profiles.get("mine").is_some() && profiles.get("claude").is_some());
        let told: Vec<String> =
            errors.iter().map(|e| e.to_string().replace(&format!("{}/", dir.path().display()), "")).collect();
        assert_eq!(
            told,
            [
                "bytes.toml:3:3: it is not text in UTF-8",
                "huge.toml: it is larger than 256 KiB",
                "lost.toml: it cannot be read: No such file or directory",
                "pipe.toml: it is not a plain file",
            ]
        );
    }

    #[test]
    fn more_files_than_are_read_are_told() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..=PROFILES_MAX {
            fs::write(dir.path().join(format!("p{n:04}.toml")), format!("version = 1\nname = \"p{n}\"\n"))
                .unwrap();
        }
        let (profiles, errors) = over(dir.path()).unwrap();
        assert!(profiles.get("p0").is_some() && profiles.get(&format!("p{PROFILES_MAX}")).is_none());
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].what.contains("257 profiles; the first 256 count"), "{}", errors[0]);
    }
}
