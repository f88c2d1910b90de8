//! Which file a process writes its transcript to, where no hook said so.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use tsup_core::clock::Wall;
use tsup_core::fleet::transcript::{Format, place};
use tsup_core::limits;

use super::tail;
use crate::os::belongings;

/// Where a CLI keeps its transcripts for one process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Home {
    /// The process's working directory.
    pub(super) cwd: PathBuf,
    /// The folder of its CLI's files.
    base: PathBuf,
}

impl Home {
    /// Of a process and of those right below it, each once.
    pub(super) fn all(format: Format, pid: u32) -> Vec<Self> {
        let mut homes = Vec::new();
        for home in belongings::with_children(pid).into_iter().filter_map(|pid| Home::of(format, pid)) {
            if !homes.contains(&home) {
                homes.push(home);
            }
        }
        homes
    }

    /// Of a process; `None` when the system does not tell.
    fn of(format: Format, pid: u32) -> Option<Self> {
        let cwd = belongings::cwd(pid)?;
        let (own, dot) = match format {
            Format::Claude => ("CLAUDE_CONFIG_DIR", ".claude"),
            Format::Codex => ("CODEX_HOME", ".codex"),
        };
        let [own, home] = belongings::variables(pid, [own, "HOME"]);
        let set = |v: Option<OsString>| v.filter(|v| !v.is_empty()).map(PathBuf::from);
        let base = set(own).or_else(|| Some(set(home)?.join(dot)))?;
        base.is_absolute().then_some(Home { cwd, base })
    }

    /// The folder of Claude Code's sessions in this working directory.
    pub(super) fn sessions(&self) -> Option<PathBuf> {
        Some(self.base.join("projects").join(place::claude_folder(self.cwd.to_str()?)))
    }

    /// The folder of Codex's rollouts that were begun on a day.
    fn day(&self, at: Wall) -> Option<PathBuf> {
        let at = jiff::Timestamp::from_millisecond(at.unix_ms()).ok()?.to_zoned(TimeZone::system());
        Some(self.base.join("sessions").join(at.strftime("%Y/%m/%d").to_string()))
    }
}

/// What agents of one CLI share whose transcripts cannot be told apart: the place of their files, and where
/// they work.
pub(super) fn keys(homes: &[Home]) -> HashSet<PathBuf> {
    homes.iter().filter_map(Home::sessions).collect()
}

/// The session of a Claude Code that is alone in these folders.
pub(super) fn session(
    folders: impl Iterator<Item = PathBuf>,
    born: Wall,
    taken: &HashSet<PathBuf>,
) -> Option<PathBuf> {
    let files = folders.flat_map(|folder| changed(&folder, place::is_session));
    place::newest(files.filter(|(_, path)| !taken.contains(path)), born)
}

/// The rollout that a Codex has open, else the newest that was begun in its working directory.
pub(super) fn rollout(
    homes: &[Home],
    pid: u32,
    born: Wall,
    now: Wall,
    taken: &HashSet<PathBuf>,
    alone: bool,
) -> Option<PathBuf> {
    let named = |path: &Path| path.file_name().and_then(|n| n.to_str()).is_some_and(place::is_rollout);
    let open = belongings::with_children(pid).into_iter().flat_map(belongings::open_files);
    // A subagent's is opened after that of the agent itself, and names begin with the time.
    let first = open.filter(|path| named(path)).min();
    if first.is_some() {
        return first;
    }
    let days: HashSet<PathBuf> =
        homes.iter().flat_map(|home| [born, now].into_iter().filter_map(|at| home.day(at))).collect();
    let mut files: Vec<_> = days.iter().flat_map(|day| changed(day, place::is_rollout)).collect();
    files.sort_by(|a, b| b.cmp(a));
    let files = files.into_iter().take(limits::TRANSCRIPT_HEADS_MAX);
    if !alone {
        return None;
    }
    let here = |path: &Path| !taken.contains(path) && homes.iter().any(|home| begun_in(path, &home.cwd));
    place::newest(files.filter(|(_, path)| here(path)), born)
}

/// The files of a folder whose names fit, with the time of their last change.
fn changed(folder: &Path, fits: fn(&str) -> bool) -> Vec<(Wall, PathBuf)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let entries = entries.flatten().take(limits::TRANSCRIPT_FOLDER_MAX);
    let files = entries.filter(|e| e.file_name().to_str().is_some_and(fits));
    files
        .filter_map(|entry| {
            let meta = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            let since = meta.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
            Some((Wall::from_unix_ms(i64::try_from(since.as_millis()).ok()?), entry.path()))
        })
        .collect()
}

/// Whether a rollout's first line says that it was begun in that folder, by the agent itself.
fn begun_in(path: &Path, cwd: &Path) -> bool {
    let Ok((file, _)) = tail::open(path) else { return false };
    let mut text = Vec::new();
    let read = fs::File::from(file).take(limits::TRANSCRIPT_HEAD_BYTES).read_to_end(&mut text);
    let Some(line) = read.ok().and_then(|_| text.split(|&b| b == b'\n').next()) else { return false };
    let Ok(meta) = serde_json::from_slice::<serde_json::Value>(line) else { return false };
    let payload = &meta["payload"];
    payload["cwd"].as_str().is_some_and(|c| Path::new(c) == cwd)
        && payload["source"].get("subagent").is_none()
}
