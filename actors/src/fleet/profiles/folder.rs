//! Profiles of a folder, laid over the shipped ones.

use std::io::{self, Read as _};
use std::path::Path;

use tsup_core::fleet::profile::{ProfileError, Profiles};
use tsup_core::limits;

/// The shipped profiles with every `*.toml` of `folder` over them, in the order of their names; with what
/// is wrong in them, which is left out.
pub fn over(folder: &Path) -> io::Result<(Profiles, Vec<ProfileError>)> {
    let mut own = Vec::new();
    for entry in std::fs::read_dir(folder)?.take(limits::PROFILE_FILES_MAX) {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "toml") && path.is_file() {
            let mut text = String::new();
            std::fs::File::open(&path)?.take(limits::PROFILE_BYTES_MAX).read_to_string(&mut text)?;
            own.push((path.display().to_string(), text));
        }
    }
    own.sort();
    Ok(super::with(own.iter().map(|(name, text)| (name.as_str(), text.as_str()))))
}
