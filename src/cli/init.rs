//! `tsup init`: a configuration to start with, and a registry with two scripts that run.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use tsup_core::error::{Exit, UserError};
use tsup_core::settings::SAMPLE;

use super::{Cx, Outcome};
use crate::config::plain;

/// Arguments of `tsup init`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write over files that are there
    #[arg(long)]
    pub force: bool,
}

const REGISTRY: &str = include_str!("init/registry.json");
/// Name and text of the registry's scripts.
const SCRIPTS: [(&str, &str); 2] =
    [("largest.sh", include_str!("init/largest.sh")), ("words.py", include_str!("init/words.py"))];

/// Writes a commented configuration to `--config`, else to `./tsup.toml`, and the sample registry beside it.
pub fn run(cx: &Cx, args: &Args) -> Outcome {
    let path = cx.global.config.clone().unwrap_or_else(|| PathBuf::from("tsup.toml"));
    if !write(&path, SAMPLE, 0o644, args.force)? {
        return Err(UserError::new(Exit::Refused, format!("{} is there already", path.display()))
            .hint("write over it with `tsup init --force`")
            .into());
    }
    cx.out.say(&format!("wrote {}; every key stands there with its default", path.display()));
    let folder = path.parent().unwrap_or(Path::new(""));
    let registry = folder.join("registry.json");
    if !write(&registry, REGISTRY, 0o644, args.force)? {
        // Somebody's own registry: the sample's scripts are of no use beside it.
        cx.out.say(&format!("{} is there already, and stays as it is", registry.display()));
        return Ok(Exit::Ok);
    }
    cx.out.say(&format!("wrote {}", registry.display()));
    let scripts = folder.join("scripts");
    fs::create_dir_all(&scripts).map_err(|e| failed("make", &scripts, &e))?;
    for (name, text) in SCRIPTS {
        let script = scripts.join(name);
        let done = if write(&script, text, 0o755, args.force)? {
            format!("wrote {}", script.display())
        } else {
            format!("{} is there already, and stays as it is", script.display())
        };
        cx.out.say(&done);
    }
    cx.out.say("try it: `tsup start`, then `tsup ctl submit files/largest --arg folder=$PWD --wait`");
    Ok(Exit::Ok)
}

/// Writes a file; false when it is there already and may not be written over.
fn write(path: &Path, text: &str, mode: u32, force: bool) -> Result<bool, UserError> {
    let mut options = OpenOptions::new();
    options.write(true).mode(mode);
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let mut file = match options.open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(e) => return Err(failed("write", path, &e)),
    };
    file.write_all(text.as_bytes()).map_err(|e| failed("write", path, &e))?;
    Ok(true)
}

fn failed(what: &str, path: &Path, e: &io::Error) -> UserError {
    UserError::new(Exit::Failed, format!("cannot {what} {}: {}", path.display(), plain(e)))
}
