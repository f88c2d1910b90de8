//! Lists the painted screens, so that the program carries every file of `profiles/screens` without a list by hand.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("profiles/screens");
    let mut list = String::from("&[\n");
    for cli in sorted(&root)? {
        println!("cargo::rerun-if-changed={}", cli.display());
        for file in sorted(&cli)? {
            if let (Some(cli), Some(case)) = (stem(&cli), stem(&file)) {
                let _ = writeln!(
                    list,
                    "    ({cli:?}, {case:?}, include_str!({:?})),",
                    file.display().to_string()
                );
            }
        }
    }
    list.push_str("]\n");
    println!("cargo::rerun-if-changed={}", root.display());
    fs::write(PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("screens.rs"), list)
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries = fs::read_dir(folder)?.map(|e| Ok(e?.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    Ok(entries)
}

fn stem(path: &Path) -> Option<&str> {
    path.file_stem()?.to_str()
}
