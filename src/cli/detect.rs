//! `tsup detect`: what captured screens say, without a supervisor.

use std::io::Read;
use std::path::{Path, PathBuf};

use tsup_actors::fleet::profiles;
use tsup_core::error::{Exit, UserError};
use tsup_core::fleet::profile::{Profile, Profiles};
use tsup_core::fleet::screen::{self, Classified, Shot};
use tsup_core::limits::DETECT_FILE_BYTES_MAX;
use tsup_core::untrusted::Untrusted;

use super::ctl::Json;
use super::{Cx, Outcome};
use crate::config::{paths::open_plain, plain};
use crate::render::detect::{Answer, text};

/// Arguments of `tsup detect`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose screens these are: a profile's name, or auto
    #[arg(long, default_value = "auto", value_name = "NAME")]
    agent: String,
    /// Take the profiles in this folder, too: they replace or extend the shipped ones
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
    #[command(flatten)]
    json: Json,
    /// Captured screens, as `tmux capture-pane -p` or `-pe` prints them; - is the standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Answers for each file. What cannot be read is told, and decides the exit code.
pub fn run(cx: &Cx, args: &Args) -> Outcome {
    let known = load(cx, args.profiles.as_deref())?;
    let named = match args.agent.as_str() {
        "auto" => None,
        name => Some(known.get(name).ok_or_else(|| no_profile(name, &known))?),
    };
    let mut exit = Exit::Ok;
    for file in &args.files {
        match read(file) {
            Ok(bytes) => {
                let shot =
                    Shot { text: String::from_utf8_lossy(&bytes).into_owned().into(), ..Shot::default() };
                let answer = answer(&known, named, file, &shot).with_kind(&bytes);
                if args.json.json {
                    cx.out.json(&answer)?;
                } else {
                    cx.out.print(&text(&answer, cx.out.look))?;
                }
            }
            Err(e) => {
                cx.out.say(&format!("tsup: {}: {}", Untrusted::new(file.to_string_lossy()), plain(&e)));
                let missing = e.kind() == std::io::ErrorKind::NotFound;
                exit = if missing || exit == Exit::NotFound { Exit::NotFound } else { Exit::Failed };
            }
        }
    }
    Ok(exit)
}

fn answer(known: &Profiles, named: Option<&Profile>, file: &Path, shot: &Shot) -> Answer {
    match named.or_else(|| screen::guess(known, shot)) {
        Some(profile) => {
            Answer::new(file, &profile.name, &screen::classify(profile, shot)).with_version(profile, shot)
        }
        None => Answer::new(file, "generic", &Classified::default()),
    }
}

/// The shipped profiles, and those of a folder over them. What is wrong with those is told.
pub(super) fn load(cx: &Cx, folder: Option<&Path>) -> Result<Profiles, UserError> {
    let (profiles, errors) = match folder {
        None => profiles::with([]),
        Some(folder) => profiles::over(folder).map_err(|e| {
            let missing = e.kind() == std::io::ErrorKind::NotFound;
            let folder = Untrusted::new(folder.to_string_lossy());
            UserError::new(
                if missing { Exit::NotFound } else { Exit::Failed },
                format!("cannot read the profiles in {folder}: {}", plain(&e)),
            )
        })?,
    };
    for error in errors {
        cx.out.say(&format!("tsup: {}", Untrusted::new(error.to_string())));
    }
    Ok(profiles)
}

fn no_profile(name: &str, known: &Profiles) -> UserError {
    let names: Vec<&str> = known.names().collect();
    UserError::new(Exit::Usage, format!("there is no profile `{name}`"))
        .hint(format!("take auto, or one of {}; --profiles DIR adds your own", names.join(", ")))
}

/// The end of a file, where the live region is.
fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().lock().take(DETECT_FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    let mut opened = open_plain(file, "; `… | tsup detect -` reads one")?;
    let length = opened.metadata()?.len();
    if length > DETECT_FILE_BYTES_MAX {
        std::io::Seek::seek(&mut opened, std::io::SeekFrom::Start(length - DETECT_FILE_BYTES_MAX))?;
    }
    opened.take(DETECT_FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}
