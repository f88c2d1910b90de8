//! Finds the programs that a script needs.

use std::path::{Path, PathBuf};

use rustix::fs::Access;
use tsup_core::tes::script::Script;

/// What runs a script, where it is not the script itself.
pub(in crate::tes) fn interpreter(script: &Script) -> Option<String> {
    script.interpreter.clone().or_else(|| script.runtime.interpreter().map(str::to_owned))
}

/// Where a program is: at its path, or by its name in one of the folders of `path`.
pub(in crate::tes) fn find(program: &str, path: &str) -> Option<PathBuf> {
    let is_program = |p: &Path| p.is_file() && rustix::fs::access(p, Access::EXEC_OK).is_ok();
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|p| is_program(p));
    }
    std::env::split_paths(path).map(|folder| folder.join(program)).find(|p| is_program(p))
}
