//! Jobs that are meant by what they have in common, page by page.

use serde::{Deserialize, Serialize};

use super::job::JobState;
use super::kept::NewJob;
use crate::ids::JobId;

/// Which jobs are meant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Selection {
    /// In one of these states: either such as live, or such as have ended.
    pub states: Vec<JobState>,
    /// Of this script.
    pub script: Option<String>,
    /// Of this session.
    pub session: Option<String>,
    /// Of this group.
    pub group: Option<String>,
    /// Only those that are held back, which some that run are too; or only those that are not.
    pub held: Option<bool>,
    /// Whether the youngest comes first. Those that have ended come the oldest first.
    pub youngest_first: bool,
    /// Only those that come behind the job of this number.
    pub behind: Option<u64>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picked {
    /// Its number among all submissions.
    pub seq: u64,
    /// Which.
    pub id: JobId,
    /// The script that it runs.
    pub script: String,
    /// Where it stands.
    pub state: JobState,
}

/// A page of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Selected {
    /// In the order that was asked for.
    pub jobs: Vec<Picked>,
    /// Whether there are more behind them.
    pub more: bool,
}

/// What of a job says whether it is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks<'a> {
    /// Its number among all submissions.
    pub seq: u64,
    /// The script that it runs.
    pub script: &'a str,
    /// The session that it was submitted from.
    pub session: &'a str,
    /// The group whose limit it is under.
    pub group: Option<&'a str>,
}

impl<'a> From<&'a NewJob> for Marks<'a> {
    fn from(job: &'a NewJob) -> Self {
        Marks { seq: job.seq, script: &job.script, session: &job.session, group: job.group.as_deref() }
    }
}

impl Selection {
    /// Whether a job is meant, whatever its state, and stands on this page or a later one.
    pub fn takes<'a>(&self, job: impl Into<Marks<'a>>) -> bool {
        let job = job.into();
        let is = |wanted: &Option<String>, name: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| name == Some(wanted))
        };
        let is_behind = |last: u64| if self.youngest_first { job.seq < last } else { job.seq > last };
        is(&self.script, Some(job.script))
            && is(&self.session, Some(job.session))
            && is(&self.group, job.group)
            && self.behind.is_none_or(is_behind)
    }
}

impl Selected {
    /// The first `most` of what was found, in the order that is wanted.
    pub fn page(found: Vec<Picked>, youngest_first: bool, most: usize) -> Self {
        let (jobs, more) = first(found, youngest_first, most, |job| job.seq);
        Selected { jobs, more }
    }
}

/// The first `most` of many, in the order of their numbers, and whether there are more. Those that are left out are not
/// put in order: of a hundred thousand jobs a few are wanted.
pub fn first<T>(
    mut found: Vec<T>,
    youngest_first: bool,
    most: usize,
    seq: impl Fn(&T) -> u64,
) -> (Vec<T>, bool) {
    let place = |one: &T| if youngest_first { u64::MAX - seq(one) } else { seq(one) };
    let more = found.len() > most;
    if more {
        found.select_nth_unstable_by_key(most, place);
        found.truncate(most);
    }
    found.sort_unstable_by_key(place);
    (found, more)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_job(seq: u64) -> NewJob {
        NewJob::plain(JobId::drawn(seq), seq, "lint")
    }

    #[test]
    fn a_job_is_meant_when_all_that_is_said_is_true_of_it() {
        let job = NewJob { session: "web".into(), group: Some("db".into()), ..new_job(7) };
        let script = Some(job.script.to_string());
        let any = Selection::default();
        assert!(any.takes(&job));
        let all = Selection { script, session: Some("web".into()), group: Some("db".into()), ..any.clone() };
        assert!(all.takes(&job));
        let other = || Some("other".to_owned());
        assert!(!Selection { script: other(), ..all.clone() }.takes(&job));
        assert!(!Selection { session: other(), ..all.clone() }.takes(&job));
        assert!(!Selection { group: other(), ..all }.takes(&job));
        assert!(!Selection { group: other(), ..any }.takes(&NewJob { group: None, ..job }));
    }

    #[test]
    fn pages_follow_each_other_in_either_order_without_a_gap() {
        for youngest_first in [true, false] {
            let (mut seen, mut behind) = (Vec::new(), None);
            loop {
                let ask = Selection { youngest_first, behind, ..Selection::default() };
                let found = (1..=7).map(new_job).filter(|job| ask.takes(job));
                let picked = |job: NewJob| Picked {
                    seq: job.seq,
                    id: job.id,
                    script: String::new(),
                    state: JobState::Queued,
                };
                let page = Selected::page(found.map(picked).collect(), youngest_first, 3);
                seen.extend(page.jobs.iter().map(|job| job.seq));
                behind = page.jobs.last().map(|job| job.seq);
                if !page.more {
                    break;
                }
            }
            let up: Vec<u64> = (1..=7).collect();
            let down: Vec<u64> = (1..=7).rev().collect();
            assert_eq!(seen, if youngest_first { down } else { up });
        }
    }
}
