//! The jobs of the demo: a registry of small scripts, and who submits what when.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use tsup_core::error::{Exit, UserError};
use tsup_core::ids::JobId;
use tsup_core::tes::job::{Edge, JobState, Priority};
use tsup_core::wire::doc::jobs::JobDoc;
use tsup_core::wire::verb::{Body, Submit, Verb};

use crate::ctl::client::Client;

/// Name and text of each script.
const SCRIPTS: [(&str, &str); 5] = [
    ("build", "for part in core actors web; do echo \"building $part\"; sleep 0.7; done; echo modules=3"),
    ("deploy", "sleep 0.5; echo url=http://127.0.0.1:8080/preview"),
    ("test", "sleep 1; echo passed=42"),
    (
        "fetch",
        "[ \"$TSUP_ATTEMPT\" -gt 1 ] && echo bytes=1024 && exit 0\n\
         echo 'retry-after: 1' >&2; echo 'the mirror is busy' >&2; exit 75",
    ),
    ("links", "sleep 0.3; echo 'guide.md:12: the link to setup.md leads nowhere' >&2; exit 1"),
];

/// A submission of each round: seconds from its beginning, script, session, priority, and whether it waits for
/// the success of the one before it.
const ROUND: [(f64, &str, &str, Priority, bool); 5] = [
    (0.0, "build", "web", Priority::High, false),
    (0.0, "deploy", "web", Priority::Normal, true),
    (0.3, "links", "api", Priority::Batch, false),
    (0.6, "fetch", "api", Priority::Low, false),
    (0.9, "test", "api", Priority::Critical, false),
];

/// From one round to the next.
const ROUND_EVERY: Duration = Duration::from_secs(10);

/// A round that begins in the last moments would be cut off.
const ROUND_TAKES: Duration = Duration::from_secs(6);

/// Jobs in the picture.
const SHOWN: u32 = 6;

/// Writes the scripts and their registry into `dir`.
pub(super) fn write(dir: &Path) -> io::Result<()> {
    let mut entries = Vec::new();
    for (name, text) in SCRIPTS {
        let path = format!("{name}.sh");
        fs::write(dir.join(&path), format!("{text}\n"))?;
        entries.push(serde_json::json!({
            "id": format!("demo/{name}"), "path": path,
            "execution": {"type": "shell_script", "interpreter": "sh", "timeout": 20_000, "permissions": ["read_file"]},
        }));
    }
    fs::write(dir.join("registry.json"), serde_json::json!({ "scripts": entries }).to_string())
}

/// Who submits.
pub(super) struct Submitter {
    round: Instant,
    done: usize,
    last: Option<JobId>,
    end: Instant,
}

impl Submitter {
    /// The first round begins at once, the last one so that it comes to its end.
    pub(super) fn new(now: Instant, end: Instant) -> Submitter {
        Submitter { round: now, done: 0, last: None, end }
    }

    /// Submits what is due. One that is refused for the moment, as while the registry is read, is tried again.
    pub(super) fn step(&mut self, desk: &mut Client, now: Instant) -> Result<(), UserError> {
        if self.done == ROUND.len() && now >= self.round + ROUND_EVERY && now + ROUND_TAKES < self.end {
            (self.round, self.done) = (now, 0);
        }
        while let Some((at, script, session, priority, waits)) = ROUND.get(self.done).copied() {
            if now < self.round + Duration::from_secs_f64(at) {
                break;
            }
            let after = self.last.filter(|_| waits).map(|job| (job.to_string(), Edge::Success));
            let submit = Submit {
                script: format!("demo/{script}"),
                priority: Some(priority),
                session: Some(session.into()),
                after: after.into_iter().collect(),
                ..Submit::default()
            };
            match desk.ask(Verb::Submit(Box::new(submit))) {
                Ok(Body::Job(answer)) => self.last = Some(answer.job.id),
                Err(e) if e.exit != Exit::Refused => return Err(e),
                _ => break,
            }
            self.done += 1;
        }
        Ok(())
    }
}

/// The jobs of the picture, the youngest first.
pub(super) fn shown(desk: &mut Client) -> Result<Vec<JobDoc>, UserError> {
    list(desk, Vec::new(), Some(SHOWN))
}

fn list(desk: &mut Client, states: Vec<JobState>, limit: Option<u32>) -> Result<Vec<JobDoc>, UserError> {
    match desk.ask(Verb::Jobs { states, script: None, limit })? {
        Body::Jobs(doc) => Ok(doc.jobs),
        _ => Ok(Vec::new()),
    }
}

/// Ends every job: they would go on without their supervisor. Those that run come last, so that none of the
/// others is started in their place.
pub(super) fn end_all(desk: &mut Client) -> Result<(), UserError> {
    let waiting: Vec<JobState> =
        JobState::ALL.into_iter().filter(|s| !s.is_final() && *s != JobState::Running).collect();
    for states in [waiting, vec![JobState::Running]] {
        for job in list(desk, states, None)? {
            // One that ended meanwhile refuses, which is as good.
            let _ = desk.ask(Verb::Cancel { job: job.id.to_string() });
        }
    }
    Ok(())
}
