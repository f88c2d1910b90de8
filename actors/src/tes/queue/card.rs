//! What is known of a job besides its place in the queue.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tsup_core::clock::{Mono, Wall};
use tsup_core::ids::JobId;
use tsup_core::limits;
use tsup_core::telemetry::record::About;
use tsup_core::tes::attempt::AttemptId;
use tsup_core::tes::job::{JobState, Priority};
use tsup_core::tes::kept::{NewJob, Write};
use tsup_core::tes::queue::Ticket;

use super::keep::Then;
use super::mono_of;
use crate::gate::Gate;
use crate::tes::job;

/// The inputs of a job that has none.
const NOTHING: &str = "{}";

/// A job that has not ended: what is wanted of it until it ends. There may be a hundred thousand of them, so what most have
/// in common is shared, what few have is apart, and the store has the rest.
#[derive(Debug)]
pub(in crate::tes) struct Card {
    /// Its number among all submissions.
    pub(super) seq: u64,
    pub(super) submitted_at: Wall,
    who: Arc<Who>,
    /// Its inputs, where they are here and not empty.
    inputs: Option<Box<str>>,
    /// `None` for most.
    rare: Option<Box<Rare>>,
    /// Its attempt, from its start until its end is durable.
    pub(super) running: Option<Box<Running>>,
    /// Attempts that it may take, the first counted.
    pub(super) max_attempts: u32,
    /// The last attempt that was started, or is about to be.
    pub(in crate::tes) attempt: u32,
    pub(super) priority: Priority,
    /// Whether its inputs are here; large ones are only in the store.
    pub(in crate::tes) has_inputs: bool,
    /// The state that was told last, if one was.
    pub(super) shown: JobState,
    pub(super) told: bool,
    /// The end of its last attempt is on its way to the store.
    pub(super) ending: bool,
}

/// Whose a job is: many have the same.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Who {
    script: Arc<str>,
    session: Arc<str>,
    specialist: Option<Arc<str>>,
    user: Option<Arc<str>>,
}

/// What few jobs have.
#[derive(Debug, Default)]
struct Rare {
    correlation_id: Option<Box<str>>,
    /// How long an attempt may run, where the submitter said so.
    timeout: Option<Duration>,
    /// It does not start before.
    not_before: Option<Wall>,
    /// When its next attempt may start, after one that failed.
    again_at: Option<Wall>,
    /// What is to be written once the end of its last attempt is durable: written before it, it would meet a row of which the
    /// end is yet to come.
    after_end: Option<Box<(Write, Then)>>,
}

impl Rare {
    fn is_empty(&self) -> bool {
        let Rare { correlation_id, timeout, not_before, again_at, after_end } = self;
        correlation_id.is_none()
            && timeout.is_none()
            && not_before.is_none()
            && again_at.is_none()
            && after_end.is_none()
    }
}

/// An attempt under way.
#[derive(Debug)]
pub(in crate::tes) struct Running {
    /// When it was started, where that was here; the store knows it of others.
    pub(super) at: Option<Wall>,
    pub(super) since: Mono,
    /// Its actor, once its start is durable.
    pub(super) gate: Option<Gate<job::Msg>>,
    /// Somebody wants it to end.
    pub(super) stopping: bool,
    /// In which boot it was written down as starting.
    pub(super) started_in: Arc<str>,
    /// Kept for as long as its actor is wanted; whoever starts it looks.
    pub(super) wanted: Option<Arc<()>>,
    /// Where its traces are.
    pub(super) traces: job::Place,
    /// Which order it is, counted over all.
    pub(super) order: u64,
    /// How often its actor crashed without having gone on for a while, and when it did last.
    pub(super) crashes: (u32, Mono),
}

impl Running {
    /// Its slot among the traces, to be given back.
    pub(super) fn slot(&self) -> Option<u32> {
        match self.traces {
            job::Place::Slot(slot) => Some(slot),
            job::Place::Gone => None,
        }
    }
}

/// What jobs share: a hundred thousand jobs of one script have its name once.
#[derive(Debug, Default)]
pub(super) struct Names {
    names: HashSet<Arc<str>>,
    whose: HashSet<Arc<Who>>,
}

impl Names {
    /// Of equal things one, which others share from here on. Sessions and users are the submitters' words, so there may be
    /// many: what is dropped here is only not shared any more.
    fn share<T: ?Sized + Eq + Hash>(known: &mut HashSet<Arc<T>>, thing: Arc<T>) -> Arc<T> {
        if let Some(known) = known.get(&thing) {
            return Arc::clone(known);
        }
        if known.len() >= limits::SHARED_NAMES_MAX {
            known.clear();
        }
        known.insert(Arc::clone(&thing));
        thing
    }

    fn who(&mut self, job: &NewJob) -> Arc<Who> {
        let mut name = |name: &Arc<str>| Self::share(&mut self.names, Arc::clone(name));
        let who = Who {
            script: name(&job.script),
            session: name(&job.session),
            specialist: job.specialist.as_ref().map(&mut name),
            user: job.user.as_deref().map(|user| name(&user.into())),
        };
        Self::share(&mut self.whose, Arc::new(who))
    }
}

impl Card {
    /// Of a job, which shares with others what it can.
    pub(super) fn of(job: &NewJob, names: &mut Names) -> Self {
        let has_inputs = job.inputs.len() <= limits::INPUTS_IN_MEMORY_BYTES;
        let rare = Rare {
            correlation_id: job.correlation_id.as_deref().map(Into::into),
            timeout: job.timeout,
            not_before: job.not_before,
            ..Rare::default()
        };
        Card {
            seq: job.seq,
            submitted_at: job.submitted_at,
            who: names.who(job),
            inputs: Some(job.inputs.as_str()).filter(|text| has_inputs && *text != NOTHING).map(Into::into),
            rare: Some(rare).filter(|rare| !rare.is_empty()).map(Box::new),
            running: None,
            max_attempts: job.max_attempts,
            attempt: 0,
            priority: job.priority,
            has_inputs,
            shown: JobState::Queued,
            told: false,
            ending: false,
        }
    }

    /// The script's id.
    pub(in crate::tes) fn script(&self) -> &Arc<str> {
        &self.who.script
    }

    /// The session that it was submitted from.
    pub(super) fn session(&self) -> &str {
        &self.who.session
    }

    /// Its inputs, a JSON object; `None` where they are only in the store.
    pub(super) fn inputs(&self) -> Option<&str> {
        self.has_inputs.then(|| self.inputs.as_deref().unwrap_or(NOTHING))
    }

    /// What its entries in the execution log say of it, without its inputs where they are not here.
    pub(in crate::tes) fn about(&self, id: JobId) -> About<'_> {
        About {
            id,
            script: &self.who.script,
            session: &self.who.session,
            specialist: self.who.specialist.as_deref(),
            user: self.who.user.as_deref(),
            correlation_id: self.rare.as_ref().and_then(|rare| rare.correlation_id.as_deref()),
            inputs: self.inputs().unwrap_or_default(),
        }
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        self.rare.as_ref()?.timeout
    }

    pub(super) fn not_before(&self) -> Option<Wall> {
        self.rare.as_ref()?.not_before
    }

    pub(super) fn again_at(&self) -> Option<Wall> {
        self.rare.as_ref()?.again_at
    }

    pub(super) fn set_again_at(&mut self, at: Option<Wall>) {
        if at.is_some() || self.rare.is_some() {
            self.change(|rare| rare.again_at = at);
        }
    }

    /// What follows the end of its last attempt, once that is durable.
    pub(super) fn set_after_end(&mut self, next: (Write, Then)) {
        self.change(|rare| rare.after_end = Some(Box::new(next)));
    }

    pub(super) fn take_after_end(&mut self) -> Option<(Write, Then)> {
        self.rare.as_ref()?.after_end.as_ref()?;
        self.change(|rare| rare.after_end.take()).map(|next| *next)
    }

    fn change<R>(&mut self, how: impl FnOnce(&mut Rare) -> R) -> R {
        let rare = self.rare.get_or_insert_default();
        let what = how(rare);
        if rare.is_empty() {
            self.rare = None;
        }
        what
    }
}

/// A job's place in the queue. `since` says how old it is where it was there before.
pub(super) fn ticket(job: &NewJob, since: Option<Wall>, not_before: Option<Wall>) -> Ticket {
    Ticket {
        id: job.id,
        seq: job.seq,
        priority: job.priority,
        session: Arc::clone(&job.session),
        script: Arc::clone(&job.script),
        specialist: job.specialist.clone(),
        group: job.group.clone(),
        slots: job.slots,
        not_before: not_before.map(mono_of),
        start_by: job.start_by.map(mono_of),
        bytes: bytes(job),
        held: job.held,
        since: since.map(mono_of),
    }
}

/// What a job counts for admission.
pub(super) fn bytes(job: &NewJob) -> u32 {
    u32::try_from(job.inputs.len()).unwrap_or(u32::MAX)
}

/// An attempt of a job. There is one node, so nobody else may run it.
pub(super) fn attempt_id(job: JobId, attempt: u32) -> AttemptId {
    AttemptId { job, attempt, epoch: 0 }
}

/// The name of an attempt's actor.
pub(super) fn child_id(job: JobId) -> String {
    job.to_string()
}

#[cfg(test)]
mod tests {
    use tsup_core::tes::job::Edge;

    use super::*;

    fn new_job(id: u64) -> NewJob {
        NewJob {
            id: JobId::drawn(id),
            seq: id,
            script: "docs/convert".into(),
            priority: Priority::Normal,
            session: "web".into(),
            agent: None,
            specialist: Some("writer".into()),
            user: Some("ada".into()),
            correlation_id: None,
            key: Some("k".into()),
            print: 7,
            group: None,
            slots: 1,
            max_attempts: 3,
            timeout: None,
            submitted_at: Wall::from_unix_ms(1),
            not_before: None,
            start_by: None,
            held: false,
            after: vec![(JobId::drawn(9), Edge::Success)],
            inputs: NOTHING.into(),
        }
    }

    #[test]
    fn a_job_that_only_waits_takes_little() {
        assert!(size_of::<Card>() <= 72, "{} bytes", size_of::<Card>());
        assert!(size_of::<Rare>() <= 96, "{} bytes", size_of::<Rare>());
        let card = Card::of(&new_job(1), &mut Names::default());
        assert!(card.rare.is_none() && card.inputs.is_none() && card.running.is_none());
    }

    #[test]
    fn jobs_that_are_alike_share_whose_they_are() {
        let mut names = Names::default();
        let (one, other) = (Card::of(&new_job(1), &mut names), Card::of(&new_job(2), &mut names));
        assert!(Arc::ptr_eq(&one.who, &other.who));
        let third = Card::of(&NewJob { user: Some("bob".into()), ..new_job(3) }, &mut names);
        assert!(!Arc::ptr_eq(&one.who, &third.who));
        assert!(Arc::ptr_eq(&one.who.script, &third.who.script), "the names are shared all the same");
        assert_eq!(
            (third.about(JobId::drawn(3)).user, one.about(JobId::drawn(1)).user),
            (Some("bob"), Some("ada"))
        );
    }

    #[test]
    fn as_many_are_shared_as_there_may_be() {
        let mut names = Names::default();
        for user in 0..=limits::SHARED_NAMES_MAX {
            let card = Card::of(&NewJob { user: Some(user.to_string()), ..new_job(1) }, &mut names);
            assert_eq!(card.about(JobId::drawn(1)).user, Some(&*user.to_string()));
        }
        assert!(
            names.names.len() <= limits::SHARED_NAMES_MAX && names.whose.len() <= limits::SHARED_NAMES_MAX
        );
    }

    #[test]
    fn inputs_are_here_unless_they_are_large() {
        let of =
            |inputs: &str| Card::of(&NewJob { inputs: inputs.into(), ..new_job(1) }, &mut Names::default());
        for here in ["{}", "", r#"{"a":1}"#] {
            assert_eq!((of(here).inputs(), of(here).has_inputs), (Some(here), true));
        }
        let large = of(&" ".repeat(limits::INPUTS_IN_MEMORY_BYTES + 1));
        assert_eq!(
            (large.inputs(), large.has_inputs, large.about(JobId::drawn(1)).inputs),
            (None, false, "")
        );
    }

    #[test]
    fn what_few_jobs_have_goes_when_it_is_over() {
        let at = Some(Wall::from_unix_ms(5));
        let mut card = Card::of(&new_job(1), &mut Names::default());
        card.set_again_at(None);
        assert!(card.rare.is_none() && card.take_after_end().is_none());
        card.set_again_at(at);
        card.set_after_end((Write::Forget(Vec::new()), Then::Forgotten(Vec::new(), None)));
        assert_eq!(card.again_at(), at);
        card.set_again_at(None);
        assert!(matches!(card.take_after_end(), Some((Write::Forget(_), Then::Forgotten(..)))));
        assert!(card.rare.is_none(), "{card:?}");
        let correlation_id = Some("c".to_owned());
        let timeout = Some(Duration::from_secs(3));
        let job = NewJob { correlation_id, timeout, not_before: at, ..new_job(1) };
        let card = Card::of(&job, &mut Names::default());
        assert_eq!((card.timeout(), card.not_before(), card.again_at()), (timeout, at, None));
        assert_eq!(card.about(job.id).correlation_id, Some("c"));
    }
}
