//! Finds the programs that a script needs.

use std::path::{Path, PathBuf};

use rustix::fs::Access;
use tsup_core::tes::script::Script;

/// What runs a script, where it is not the script itself.
pub(in crate::tes) fn interpreter(script: &Script) -> Option<String> {
    script.interpreter.clone().or_else(|| script.runtime.interpreter().map(str::to_owned))
}

/// Where a program is: at its path, which begins at the registry's folder `root`, where scripts run too; or by its name
/// in one of the folders of `path`.
pub(in crate::tes) fn find(program: &str, root: &Path, path: &str) -> Option<PathBuf> {
    let is_program = |p: &Path| p.is_file() && rustix::fs::access(p, Access::EXEC_OK).is_ok();
    if program.contains('/') {
        return Some(root.join(program)).filter(|p| is_program(p));
    }
    std::env::split_paths(path).map(|folder| folder.join(program)).find(|p| is_program(p))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_begins_at_the_registry_wherever_the_supervisor_stands() {
        let root = tempfile::tempdir().unwrap();
        let bin = root.path().join("venv/bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::os::unix::fs::symlink("/bin/sh", bin.join("python")).unwrap();
        let find = |program: &str| find(program, root.path(), bin.to_str().unwrap());
        assert_eq!(find("venv/bin/python"), Some(bin.join("python")));
        assert_eq!(find("./venv/bin/python"), Some(root.path().join("./venv/bin/python")));
        assert_eq!(find("/bin/sh"), Some("/bin/sh".into()));
        assert_eq!(find("python"), Some(bin.join("python")));
        assert_eq!((find("bin/python"), find("other")), (None, None));
    }
}
