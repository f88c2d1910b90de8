//! What `tsup ctl submit` takes, and what becomes of it on the wire.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tsup_core::clock::Wall;
use tsup_core::error::{Exit, UserError};
use tsup_core::limits::JOB_INPUT_BYTES_MAX;
use tsup_core::tes::failure::{Category, Failure};
use tsup_core::tes::job::{Edge, Priority};
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::verb::Submit;

use super::{Json, duration};
use crate::config::plain;

/// Arguments of `tsup ctl submit`.
#[derive(Debug, clap::Args)]
pub struct SubmitArgs {
    /// The script's id, as `tsup ctl scripts` lists it
    #[arg(required_unless_present = "batch", conflicts_with = "batch")]
    script: Option<String>,
    /// An input; may be repeated
    #[arg(long = "arg", value_name = "K=V", value_parser = pair, conflicts_with = "batch")]
    args: Vec<(String, String)>,
    /// Inputs as a JSON object, from a file or, with -, from the standard input; --arg counts more
    #[arg(long, value_name = "FILE|-", conflicts_with = "batch")]
    input: Option<PathBuf>,
    /// critical, high, normal, low or batch
    #[arg(long, conflicts_with = "batch")]
    priority: Option<Priority>,
    /// The same key again is the same job, not another one
    #[arg(long, conflicts_with = "batch")]
    key: Option<String>,
    /// For this session instead of the one it is submitted from
    #[arg(long, conflicts_with = "batch")]
    session: Option<String>,
    /// For whom it is
    #[arg(long, conflicts_with = "batch")]
    specialist: Option<String>,
    /// By whom [default: your user's name]
    #[arg(long, conflicts_with = "batch")]
    user: Option<String>,
    /// What ties it to other things
    #[arg(long, value_name = "ID", conflicts_with = "batch")]
    correlation: Option<String>,
    /// Start it after this job has succeeded, or failed, or just ended; may be repeated
    #[arg(
        long,
        value_name = "JOB[:success|failure|end]",
        value_parser = after,
        conflicts_with = "batch"
    )]
    after: Vec<(String, Edge)>,
    /// Start it after this time, like 90s, 15m, 2h
    #[arg(
        long,
        value_name = "DUR",
        allow_hyphen_values = true,
        value_parser = duration::parse,
        conflicts_with_all = ["batch", "at"]
    )]
    delay: Option<Duration>,
    /// Start it at this time: RFC 3339, or `YYYY-MM-DD HH:MM[:SS]` of this host's time zone
    #[arg(long, value_name = "TIME", value_parser = at, conflicts_with = "batch")]
    at: Option<Wall>,
    /// End an attempt after this time, instead of what the script says
    #[arg(
        long,
        value_name = "DUR",
        allow_hyphen_values = true,
        value_parser = duration::parse,
        conflicts_with = "batch"
    )]
    timeout: Option<Duration>,
    /// Hold it back until it is released
    #[arg(long, conflicts_with = "batch")]
    hold: bool,
    /// Wait for its end, show it, and exit as it did
    #[arg(long, conflicts_with_all = ["batch", "follow"])]
    pub wait: bool,
    /// Print what it prints as it comes, and exit as it did
    #[arg(long, conflicts_with_all = ["batch", "json"])]
    pub follow: bool,
    /// Submit many: JSON Lines with the same names, one answer a line, in order; - is the standard input
    #[arg(long, value_name = "FILE|-")]
    pub batch: Option<PathBuf>,
    /// Answer with documents.
    #[command(flatten)]
    pub json: Json,
}

/// Why there is nothing to submit.
#[derive(Debug)]
pub enum NoSubmit {
    /// What was given does not fit; told as the supervisor would.
    Misfit(Box<Failure>),
    /// A file cannot be read.
    User(UserError),
}

impl From<Failure> for NoSubmit {
    fn from(failure: Failure) -> Self {
        NoSubmit::Misfit(Box::new(failure))
    }
}

impl SubmitArgs {
    /// The submission, with the inputs read and what the caller is.
    pub fn submit(&self) -> Result<Submit, NoSubmit> {
        let input = self.input.as_deref().map(read_input).transpose()?;
        Ok(Submit {
            script: self.script.clone().unwrap_or_default(),
            args: self.args.clone(),
            input,
            priority: self.priority,
            key: self.key.clone(),
            session: self.session.clone(),
            specialist: self.specialist.clone(),
            user: self.user.clone().or_else(user),
            correlation_id: self.correlation.clone(),
            after: self.after.clone(),
            delay_ms: self.delay.map(ms),
            at: self.at,
            timeout_ms: self.timeout.map(ms),
            hold: self.hold,
            pane: pane(),
        })
    }
}

/// A time as the wire carries it.
pub fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// `$TMUX` and `$TMUX_PANE` of the caller.
pub fn pane() -> Option<(String, String)> {
    Some((std::env::var("TMUX").ok()?, std::env::var("TMUX_PANE").ok()?))
}

/// The user's name: as the system knows it, else as the environment says, else the number.
pub fn user() -> Option<String> {
    let uid = rustix::process::getuid().as_raw();
    let known = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut names = known.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, _, id) = (fields.next()?, fields.next()?, fields.next()?);
        (id.parse() == Ok(uid)).then(|| name.to_owned())
    });
    let told = |name: &str| std::env::var(name).ok().filter(|n| !n.is_empty());
    names.next().or_else(|| told("USER")).or_else(|| told("LOGNAME")).or_else(|| Some(format!("uid {uid}")))
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it like name=value".into()),
    }
}

/// A job to wait for, and for which of its ends.
pub fn after(text: &str) -> Result<(String, Edge), String> {
    let (job, edge) = text.split_once(':').unwrap_or((text, "success"));
    if job.is_empty() {
        return Err("a job's id is missing".into());
    }
    Ok((job.to_owned(), edge.parse().map_err(|e: tsup_core::tes::job::BadWord| e.to_string())?))
}

/// A moment: with a zone, or in this host's.
pub fn at(text: &str) -> Result<Wall, String> {
    let text = text.trim();
    let moment = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let local = text.parse::<jiff::civil::DateTime>().ok().filter(|_| text.contains(':'))?;
        local.to_zoned(jiff::tz::TimeZone::system()).ok().map(|zoned| zoned.timestamp())
    });
    moment
        .map(|at| Wall::from_unix_ms(at.as_millisecond()))
        .ok_or_else(|| "write it like 2026-11-21T08:00:00Z, or `2026-11-21 08:00` for local time".into())
}

/// Reads inputs: from a file, or from the standard input for `-`.
fn read_input(path: &Path) -> Result<String, NoSubmit> {
    let (shown, bytes) = if path.as_os_str() == "-" {
        ("the standard input".to_owned(), bounded(&mut std::io::stdin().lock()))
    } else {
        let shown = Untrusted::new(path.to_string_lossy()).to_string();
        (shown, File::open(path).and_then(|mut file| bounded(&mut file)))
    };
    let bytes = bytes.map_err(|e| {
        let exit = if e.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Failed };
        NoSubmit::User(UserError::new(exit, format!("cannot read the inputs from {shown}: {}", plain(&e))))
    })?;
    if bytes.len() > JOB_INPUT_BYTES_MAX {
        return Err(too_large("inputs", &format!("more than {JOB_INPUT_BYTES_MAX} bytes")).into());
    }
    String::from_utf8(bytes).map_err(|_| {
        Failure::new(Category::Validation, format!("the inputs from {shown} are not UTF-8 text")).into()
    })
}

fn bounded(from: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(JOB_INPUT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What was given is more than a job may be given.
pub fn too_large(what: &str, size: &str) -> Failure {
    let most = format!("{JOB_INPUT_BYTES_MAX} bytes");
    Failure::new(Category::Validation, format!("{what}: {size}, {most} are possible"))
        .fact("limit", most)
        .suggest("pass large inputs in files")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read() {
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(pair("a="), Ok(("a".into(), String::new())));
        assert!(pair("a").is_err() && pair("=b").is_err());
        assert_eq!(after("ab"), Ok(("ab".into(), Edge::Success)));
        assert_eq!(after("ab:end"), Ok(("ab".into(), Edge::End)));
        assert!(after("ab:done").unwrap_err().contains("success, failure or end"));
        assert!(after(":end").is_err());
    }

    #[test]
    fn moments_have_a_zone_or_are_local() {
        let utc = Wall::from_unix_ms(1_795_225_162_000);
        assert_eq!(at("2026-11-21T01:39:22Z"), Ok(utc));
        assert_eq!(at("2026-11-21T02:39:22+01:00"), Ok(utc));
        let local = |text: &str| at(text).unwrap();
        assert_eq!(local("2026-11-21 08:00"), local("2026-11-21 08:00:00"));
        let of_system = jiff::civil::date(2026, 11, 21).at(8, 0, 0, 0);
        let of_system = of_system.to_zoned(jiff::tz::TimeZone::system()).unwrap().timestamp();
        assert_eq!(local("2026-11-21 08:00").unix_ms(), of_system.as_millisecond());
        for bad in ["tomorrow", "2026-11-21", "08:00", "", "2026-13-01 08:00"] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }
}
