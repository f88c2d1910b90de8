//! Which file it is that has a name.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// A file of this machine, whatever it is called: its device and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name {
    device: u64,
    number: u64,
}

/// The file at that path; of a link, the link itself.
///
/// # Errors
/// Whatever the system says.
pub fn of(path: &Path) -> io::Result<Name> {
    Ok(of_facts(&std::fs::symlink_metadata(path)?))
}

/// The file that somebody has asked the facts of.
pub fn of_facts(facts: &std::fs::Metadata) -> Name {
    Name { device: facts.dev(), number: facts.ino() }
}
