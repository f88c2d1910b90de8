//! Which jobs a verb is for: one, several, or those that have something in common.

use tsup_core::error::{Exit, UserError};
use tsup_core::tes::job::JobState;

use super::{Cx, Json, Outcome};
use crate::ctl::client::Client;
use crate::ctl::jobs;
use crate::ctl::jobs::many::{Change, Which};

/// Arguments of a verb that changes jobs.
#[derive(Debug, clap::Args)]
pub(super) struct Many {
    /// Only those in this state; may be repeated
    #[arg(long = "state", value_name = "STATE")]
    states: Vec<JobState>,
    #[command(flatten)]
    meant: Meant,
}

/// The same where all of them are dead.
#[derive(Debug, clap::Args)]
pub(super) struct Meant {
    /// Ids, or beginnings of them
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Those of this script
    #[arg(long)]
    script: Option<String>,
    /// Those of this session
    #[arg(long)]
    session: Option<String>,
    /// Those of this group
    #[arg(long)]
    group: Option<String>,
    /// All of them
    #[arg(long)]
    all: bool,
    /// Say which are meant, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    json: Json,
}

fn usage(what: impl Into<String>, hint: impl Into<String>) -> UserError {
    UserError::new(Exit::Usage, what).hint(hint)
}

impl Many {
    /// Does it to all that are meant.
    pub(super) fn run(self, cx: &Cx, change: Change) -> Outcome {
        self.meant.run(cx, change, self.states)
    }
}

impl Meant {
    /// Does it to all that are meant, of those in these states; none means all states that it does something to.
    pub(super) fn run(mut self, cx: &Cx, change: Change, states: Vec<JobState>) -> Outcome {
        let (json, dry_run) = (self.json.json, self.dry_run);
        if let ([_], true) = (&self.ids[..], self.has_no_filter() && states.is_empty()) {
            let id = self.ids.swap_remove(0);
            let mut client = Client::connect(&cx.global.paths()?.socket)?;
            return jobs::change(cx, &mut client, change.verb(id), change.did(), json);
        }
        jobs::many::run(cx, change, self.which(change, states)?, dry_run, json)
    }

    fn has_no_filter(&self) -> bool {
        let words = [&self.script, &self.session, &self.group];
        words.iter().all(|word| word.is_none()) && !self.all && !self.dry_run
    }

    fn which(self, change: Change, states: Vec<JobState>) -> Result<Which, UserError> {
        let is_narrow = self.script.is_some() || self.session.is_some() || self.group.is_some();
        let is_filter = is_narrow || self.all || !states.is_empty();
        if !self.ids.is_empty() {
            if is_filter || self.dry_run {
                return Err(usage(
                    "jobs are named by their ids, or meant by what they have in common",
                    "leave out one or the other",
                ));
            }
            return Ok(Which::Named(self.ids));
        }
        if !is_filter {
            return Err(usage(
                "which jobs?",
                "name them by their ids, or say --script, --session, --group, or --all",
            ));
        }
        // What failed last month may be meant by nobody.
        if change == Change::Retry && states.is_empty() && !self.all {
            return Err(usage(
                "in which state are the jobs that are to run again?",
                "say --state failed, or another one; --all takes all of them",
            ));
        }
        if let Some(other) = states.iter().find(|state| !change.states().contains(state)) {
            let states: Vec<_> = change.states().iter().map(ToString::to_string).collect();
            return Err(usage(
                format!("this does nothing to a job that is {other}"),
                format!("it is for those that are {}", states.join(", ")),
            ));
        }
        let mut selection = change.all();
        if !states.is_empty() {
            selection.states = states;
        }
        (selection.script, selection.session, selection.group) = (self.script, self.session, self.group);
        Ok(Which::Meant(selection))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        many: Many,
    }

    fn which(change: Change, line: &str) -> Result<Which, u8> {
        let many = Line::try_parse_from(format!("x {line}").split_whitespace()).unwrap().many;
        many.meant.which(change, many.states).map_err(|e| {
            assert!(e.hint.is_some(), "{e}");
            e.exit.code()
        })
    }

    #[test]
    fn jobs_are_named_or_meant_and_never_all_by_accident() {
        assert!(matches!(which(Change::Cancel, "12 34"), Ok(Which::Named(ids)) if ids == ["12", "34"]));
        for (change, line) in [
            (Change::Cancel, ""),
            (Change::Cancel, "--dry-run"),
            (Change::Cancel, "12 --script x"),
            (Change::Cancel, "12 --all"),
            (Change::Cancel, "12 34 --dry-run"),
            (Change::Cancel, "--state dead"),
            (Change::Hold, "--state held"),
            (Change::Requeue, ""),
            (Change::DropDead, ""),
            (Change::Retry, "--script x"),
            (Change::Retry, "--state succeeded"),
        ] {
            assert!(matches!(which(change, line), Err(2)), "{change:?} {line}");
        }
        let meant = |change, line| match which(change, line) {
            Ok(Which::Meant(selection)) => selection,
            other => panic!("{other:?}"),
        };
        let selection = meant(Change::Cancel, "--state queued --script x --session s --group g");
        assert_eq!(selection.states, [JobState::Queued]);
        let words = [selection.script, selection.session, selection.group].map(Option::unwrap);
        assert_eq!(words, ["x", "s", "g"]);
        assert_eq!(meant(Change::Cancel, "--all"), Change::Cancel.all());
        assert_eq!(meant(Change::Retry, "--all"), Change::Retry.all());
        assert_eq!(meant(Change::Requeue, "--script x").states, [JobState::Dead]);
        assert_eq!(meant(Change::Retry, "--state failed").states, [JobState::Failed]);
    }
}
