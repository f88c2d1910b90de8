//! `tsup init`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use tsup_core::error::{Exit, UserError};
use tsup_core::settings::SAMPLE;

use super::{Cx, Outcome};
use crate::config::plain;

/// Arguments of `tsup init`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write over a file that is there
    #[arg(long)]
    pub force: bool,
}

/// Writes a commented configuration to `--config`, else to `./tsup.toml`.
pub fn run(cx: &Cx, args: &Args) -> Outcome {
    let path = cx.global.config.clone().unwrap_or_else(|| PathBuf::from("tsup.toml"));
    let shown = path.display();
    let mut options = OpenOptions::new();
    options.write(true);
    if args.force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let mut file = options.open(&path).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            UserError::new(Exit::Refused, format!("{shown} is there already"))
                .hint("write over it with `tsup init --force`")
        }
        _ => UserError::new(Exit::Failed, format!("cannot write {shown}: {}", plain(&e))),
    })?;
    file.write_all(SAMPLE.as_bytes())
        .map_err(|e| UserError::new(Exit::Failed, format!("cannot write {shown}: {}", plain(&e))))?;
    cx.out.say(&format!("wrote {shown}; every key stands there with its default"));
    Ok(Exit::Ok)
}
