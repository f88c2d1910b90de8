//! The files of the execution log: opened for each batch, so that one that somebody deleted is made anew.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Seek, SeekFrom, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use tsup_core::clock::Wall;
use tsup_core::limits;
use tsup_core::telemetry::record::{Entry, file as names};

use crate::os::own;

/// The files of one folder.
#[derive(Debug, Clone)]
pub(super) struct Files {
    folder: PathBuf,
    rotate_bytes: u64,
    retention_days: u64,
    /// The file that was looked at for a torn tail since it was last seen to fail.
    whole: Option<String>,
    /// The day for which old files were looked for last, by the name of its file.
    cleaned: Option<String>,
}

impl Files {
    /// The log in `folder`; nothing is touched yet.
    pub(super) fn new(folder: PathBuf, rotate_bytes: u64, retention_days: u64) -> Self {
        Files { folder, rotate_bytes, retention_days, whole: None, cleaned: None }
    }

    /// Where they are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Appends entries, each to the file of its day. Gives how many are in the log, and how many torn lines
    /// were mended on the way, or why the rest is not. A batch that fails half way leaves no half line.
    pub(super) fn append(&mut self, entries: &[Entry], now: Wall) -> (usize, io::Result<u64>) {
        let (mut done, mut mended) = (0, 0);
        while done < entries.len() {
            let name = names::name(entries[done].timestamp);
            let mut text = String::new();
            let mut next = done;
            while next < entries.len()
                && text.len() < limits::JOURNAL_WRITE_BYTES
                && names::name(entries[next].timestamp) == name
            {
                text.push_str(&entries[next].line());
                next += 1;
            }
            match self.write(&name, text.as_bytes(), now) {
                Ok(torn) => mended += u64::from(torn),
                Err(e) => return (done, Err(e)),
            }
            done = next;
        }
        if self.cleaned.as_deref() != Some(names::name(now).as_str()) {
            self.cleaned = Some(names::name(now));
            self.remove_old(now);
            self.remove_surplus(now);
        }
        (done, Ok(mended))
    }

    /// Appends lines to a file. Says whether its last line was torn.
    fn write(&mut self, name: &str, lines: &[u8], now: Wall) -> io::Result<bool> {
        let path = self.folder.join(name);
        let mut file = self.open(&path)?;
        let mut torn = false;
        if self.whole.as_deref() != Some(name) {
            torn = mend(&path)?;
            self.whole = Some(name.to_owned());
        }
        let mut len = file.metadata()?.len();
        if len > 0 && len + lines.len() as u64 > self.rotate_bytes {
            self.set_aside(name, now)?;
            file = self.open(&path)?;
            len = 0;
        }
        if let Err(e) = file.write_all(lines) {
            // What was written of it would be written again. Where this fails too, the next look mends it.
            let _ = file.set_len(len);
            self.whole = None;
            return Err(e);
        }
        Ok(torn)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        match own::append(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
                own::append(path)
            }
            opened => opened,
        }
    }

    /// Gives a grown file another name; one that is taken is left alone.
    fn set_aside(&self, name: &str, now: Wall) -> io::Result<()> {
        let mut at = now;
        let aside = loop {
            let aside = self.folder.join(names::set_aside(name, at));
            if !aside.try_exists()? {
                break aside;
            }
            at = at.plus(std::time::Duration::from_millis(1));
        };
        std::fs::rename(self.folder.join(name), aside)?;
        self.remove_surplus(now);
        Ok(())
    }

    /// Removes the oldest files when all together are too large. Called when one is set aside, and with each day: between
    /// two of these the log grows by one file.
    fn remove_surplus(&self, now: Wall) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        let files = entries.flatten().filter_map(|entry| {
            let name = entry.file_name().into_string().ok().filter(|name| names::is_log(name))?;
            // Of the link itself, where somebody put one there.
            let facts = entry.metadata().ok()?;
            Some((facts.modified().ok()?, name, facts.len()))
        });
        let most = self.rotate_bytes.saturating_mul(limits::JOURNAL_FILES);
        for name in names::too_many(files.collect(), now, most) {
            if let Err(e) = std::fs::remove_file(self.folder.join(&name)) {
                tracing::warn!(%name, error = %e, "an old execution log stays");
                continue;
            }
            tracing::warn!(%name, "an execution log went before its time: all took too much room");
        }
    }

    /// Removes what is older than it is to be kept. A file that cannot be removed stays until tomorrow.
    fn remove_old(&self, now: Wall) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let expired = name.to_str().is_some_and(|n| names::has_expired(n, now, self.retention_days));
            if expired && let Err(e) = std::fs::remove_file(entry.path()) {
                tracing::warn!(path = %entry.path().display(), error = %e, "an old execution log stays");
            }
        }
    }
}

/// Ends a file with a whole line: what a crash left of one is taken away, and one that lacks its end only gets
/// it. Says whether there was something to do.
fn mend(path: &Path) -> io::Result<bool> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let len = file.metadata()?.len();
    let start = last_line(&mut file, len)?;
    if start == len {
        return Ok(false);
    }
    // A line that is longer than any entry is no entry.
    let mut tail = Vec::new();
    if len - start <= limits::JOURNAL_PENDING_BYTES as u64 {
        file.seek(SeekFrom::Start(start))?;
        Read::by_ref(&mut file).take(len - start).read_to_end(&mut tail)?;
    }
    if serde_json::from_slice::<serde::de::IgnoredAny>(&tail).is_ok() {
        file.seek(SeekFrom::Start(len))?;
        file.write_all(b"\n")?;
    } else {
        file.set_len(start)?;
    }
    tracing::warn!(path = %path.display(), bytes = len - start, "the last line of the execution log was torn");
    Ok(true)
}

/// Where the line behind the last line's end begins; the length where there is none.
fn last_line(file: &mut File, len: u64) -> io::Result<u64> {
    let mut piece = [0; 8192];
    let mut end = len;
    while end > 0 {
        let start = end.saturating_sub(piece.len() as u64);
        let here = &mut piece[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(here)?;
        if let Some(at) = here.iter().rposition(|b| *b == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use super::*;

    /// 2026-11-21T01:39:22.138Z
    const NOW: Wall = Wall::from_unix_ms(1_795_225_162_138);
    const DAY: Duration = Duration::from_secs(86_400);

    fn entry(script: &str, at: Wall) -> Entry {
        Entry { timestamp: at, script_id: script.into(), inputs: "{}".into(), ..Entry::default() }
    }

    fn append(files: &mut Files, entries: &[Entry]) -> u64 {
        let (done, result) = files.append(entries, NOW);
        assert_eq!(done, entries.len());
        result.unwrap()
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            dir.read_dir().unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn each_day_has_its_file_private_and_made_again_when_it_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("log");
        let mut files = Files::new(folder.clone(), 1 << 20, 30);
        append(&mut files, &[entry("a", NOW), entry("b", NOW.plus(DAY)), entry("c", NOW.plus(DAY))]);
        assert_eq!(names(&folder), ["executions-2026-11-21.jsonl", "executions-2026-11-22.jsonl"]);
        let today = folder.join("executions-2026-11-21.jsonl");
        assert_eq!(std::fs::metadata(&today).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::remove_file(&today).unwrap();
        append(&mut files, &[entry("d", NOW)]);
        assert!(std::fs::read_to_string(&today).unwrap().contains("\"script_id\":\"d\""));
        std::fs::remove_dir_all(&folder).unwrap();
        append(&mut files, &[entry("e", NOW)]);
        assert!(today.exists());
    }

    #[test]
    fn a_torn_tail_is_mended_and_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("executions-2026-11-21.jsonl");
        let long = format!("{{\"x\":\"{}", "y".repeat(20_000));
        for (before, after, mended) in [
            ("", "", 0),
            ("{\"a\":1}\n", "{\"a\":1}\n", 0),
            ("{\"a\":1}\n{\"b\":", "{\"a\":1}\n", 1),
            ("{\"a\":1}\n{\"b\":2}", "{\"a\":1}\n{\"b\":2}\n", 1),
            ("{\"b", "", 1),
            (&format!("{{}}\n{long}"), "{}\n", 1),
        ] {
            std::fs::write(&path, before).unwrap();
            let mut files = Files::new(dir.path().to_owned(), 1 << 20, 30);
            assert_eq!(append(&mut files, &[entry("next", NOW)]), mended, "{before}");
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(
                text.strip_prefix(after).is_some_and(|rest| rest.lines().count() == 1),
                "{before}: {text}"
            );
            assert_eq!(append(&mut files, &[entry("next", NOW)]), 0);
        }
    }

    #[test]
    fn a_grown_file_is_set_aside_and_old_ones_go() {
        let dir = tempfile::tempdir().unwrap();
        let line = entry("a", NOW).line().len() as u64;
        for old in ["executions-2026-10-01.jsonl", "executions-2026-10-30.jsonl", "other-2020-01-01.jsonl"] {
            std::fs::write(dir.path().join(old), "").unwrap();
        }
        let mut files = Files::new(dir.path().to_owned(), line * 2, 30);
        for _ in 0..5 {
            append(&mut files, &[entry("a", NOW)]);
        }
        let aside: Vec<String> = names(dir.path()).into_iter().filter(|n| n.contains('T')).collect();
        assert_eq!(
            aside,
            ["executions-2026-11-21T013922-138.jsonl", "executions-2026-11-21T013922-139.jsonl"]
        );
        assert!(!dir.path().join("executions-2026-10-01.jsonl").exists());
        assert!(dir.path().join("executions-2026-10-30.jsonl").exists());
        assert!(dir.path().join("other-2020-01-01.jsonl").exists());
    }

    #[test]
    fn what_cannot_be_written_is_left_and_a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let precious = dir.path().join("precious");
        std::fs::write(&precious, "").unwrap();
        let tomorrow = dir.path().join("executions-2026-11-22.jsonl");
        std::os::unix::fs::symlink(&precious, &tomorrow).unwrap();
        let mut files = Files::new(dir.path().to_owned(), 1 << 20, 30);
        let entries = [entry("a", NOW), entry("b", NOW.plus(DAY)), entry("c", NOW)];
        let (done, result) = files.append(&entries, NOW);
        assert!(done == 1 && result.is_err());
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "");
        std::fs::remove_file(&tomorrow).unwrap();
        assert_eq!(append(&mut files, &entries[1..]), 0);
    }

    #[test]
    fn all_files_together_stay_within_a_bound() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = Files::new(dir.path().to_owned(), 1_000, 30);
        let other = dir.path().join("daemon.jsonl");
        std::fs::write(&other, "x".repeat(200_000)).unwrap();
        for n in 0..3 * limits::JOURNAL_FILES {
            append(&mut files, &[entry(&format!("{n:0600}"), NOW)]);
        }
        let total: u64 = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap())
            .filter(|e| e.path() != other)
            .map(|e| e.metadata().unwrap().len())
            .sum();
        assert!(other.exists());
        assert!(total > 10_000 && total <= 1_000 * (limits::JOURNAL_FILES + 1), "{total}");
        let last = std::fs::read_to_string(dir.path().join("executions-2026-11-21.jsonl")).unwrap();
        assert!(last.contains(&format!("{:0600}", 3 * limits::JOURNAL_FILES - 1)));
    }
}
