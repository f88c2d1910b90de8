//! Lanes of jobs that are alike, and what runs of each kind.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::{Caps, Ticket};
use crate::clock::Mono;
use crate::ids::JobId;
use crate::limits;

/// A name's number, from 1, so that none takes no room beside it. Names are few, jobs are many.
pub(super) type NameId = NonZeroU32;

/// Where the name of a number is.
fn at(number: NameId) -> usize {
    number.get() as usize - 1
}

/// What jobs of one lane have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Lane {
    pub(super) session: NameId,
    pub(super) class: u8,
    pub(super) script: NameId,
    pub(super) specialist: Option<NameId>,
    pub(super) group: Option<NameId>,
    pub(super) slots: u16,
}

/// Names by number. A name stays as long as a job bears it; those of scripts stay for good, since what is
/// registered is bounded and what their jobs take is worth remembering.
#[derive(Debug, Default)]
struct Names {
    by_number: Vec<Option<Arc<str>>>,
    bearers: Vec<u32>,
    numbers: HashMap<Arc<str>, NameId>,
    free: Vec<NameId>,
}

impl Names {
    fn enter(&mut self, name: &Arc<str>) -> NameId {
        let number = self.numbers.get(name).copied().unwrap_or_else(|| {
            let number = self.free.pop().unwrap_or_else(|| {
                self.by_number.push(None);
                self.bearers.push(0);
                NameId::MIN.saturating_add(self.by_number.len() as u32 - 1)
            });
            self.by_number[at(number)] = Some(Arc::clone(name));
            self.numbers.insert(Arc::clone(name), number);
            number
        });
        self.bearers[at(number)] += 1;
        number
    }

    /// The name, if nobody bears it any more.
    fn leave(&mut self, number: NameId) -> Option<Arc<str>> {
        let bearers = &mut self.bearers[at(number)];
        *bearers -= 1;
        if *bearers > 0 {
            return None;
        }
        let name = self.by_number[at(number)].take()?;
        self.numbers.remove(&name);
        self.free.push(number);
        Some(name)
    }
}

/// The jobs that are queued.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    names: Names,
    /// Only lanes in which somebody waits.
    waiting: BTreeMap<Lane, BTreeMap<(Mono, u64), JobId>>,
    depths: [usize; 5],
}

impl Lanes {
    /// The lane of a job that comes.
    pub(super) fn enter(&mut self, ticket: &Ticket) -> Lane {
        let script = self.names.enter(&ticket.script);
        // One bearer more than there are jobs, so that the name stays.
        if self.names.bearers[at(script)] == 1 {
            self.names.bearers[at(script)] += 1;
        }
        Lane {
            session: self.names.enter(&ticket.session),
            class: ticket.priority.class(),
            script,
            specialist: ticket.specialist.as_ref().map(|n| self.names.enter(n)),
            group: ticket.group.as_ref().map(|n| self.names.enter(n)),
            slots: ticket.slots.max(1),
        }
    }

    /// The job of a lane goes; answers the names that nobody bears any more.
    pub(super) fn leave(&mut self, lane: Lane) -> Vec<(NameId, Arc<str>)> {
        let names = [Some(lane.session), Some(lane.script), lane.specialist, lane.group];
        names.into_iter().flatten().filter_map(|n| Some((n, self.names.leave(n)?))).collect()
    }

    /// How many numbers were ever given, for the test that they are given again.
    #[cfg(test)]
    pub(super) fn numbers_given(&self) -> usize {
        self.names.by_number.len()
    }

    pub(super) fn name(&self, number: NameId) -> &str {
        self.shared_name(number).map_or("", |name| name)
    }

    pub(super) fn shared_name(&self, number: NameId) -> Option<&Arc<str>> {
        self.names.by_number[at(number)].as_ref()
    }

    pub(super) fn put(&mut self, lane: Lane, place: (Mono, u64), job: JobId) {
        self.waiting.entry(lane).or_default().insert(place, job);
        self.depths[usize::from(lane.class)] += 1;
    }

    pub(super) fn take(&mut self, lane: Lane, place: (Mono, u64)) {
        let Some(jobs) = self.waiting.get_mut(&lane) else { return };
        if jobs.remove(&place).is_some() {
            self.depths[usize::from(lane.class)] -= 1;
        }
        if jobs.is_empty() {
            self.waiting.remove(&lane);
        }
    }

    pub(super) fn depths(&self) -> [usize; 5] {
        self.depths
    }

    /// The head that starts now, if one may.
    pub(super) fn choose(&self, usage: &Usage, caps: &Caps, free: u32, now: Mono) -> Option<JobId> {
        // With a free slot for nobody there is nothing to compare.
        if caps.slots == 0 || (free == 0 && usage.running > 0) {
            return None;
        }
        // More slots than there are would never be free: it starts alone.
        let has_room = |head: &Head| u32::from(head.lane.slots) <= free || usage.running == 0;
        let best = self.best(usage, caps, now)?;
        if has_room(&best) {
            return Some(best.job);
        }
        if best.waited >= limits::AGE_STEP {
            return None;
        }
        self.heads(usage, caps, now).filter(has_room).min_by_key(|head| head.rank).map(|head| head.job)
    }

    /// The head that would be next if there were room for each.
    pub(super) fn best(&self, usage: &Usage, caps: &Caps, now: Mono) -> Option<Head> {
        self.heads(usage, caps, now).min_by_key(|head| head.rank)
    }

    /// The first jobs of all lanes that no bound of their own keeps.
    fn heads<'a>(&'a self, usage: &'a Usage, caps: &'a Caps, now: Mono) -> impl Iterator<Item = Head> + 'a {
        let unbound = self.waiting.iter().filter(move |(lane, _)| self.bound(**lane, usage, caps).is_none());
        unbound.map(move |(lane, jobs)| {
            let (place, job) = jobs.first_key_value().expect("an empty lane is taken away");
            let waited = now.since(place.0);
            let rank = (urgency(lane.class, waited), usage.share(lane.session), *place);
            Head { rank, job: *job, lane: *lane, waited }
        })
    }

    /// The bound that keeps a lane from starting a job, if one does: whose it is, and the slots it allows.
    pub(super) fn bound(
        &self,
        lane: Lane,
        usage: &Usage,
        caps: &Caps,
    ) -> Option<(&'static str, NameId, u32)> {
        let slots = u32::from(lane.slots);
        let over =
            |used: u32, cap: Option<u32>| cap.filter(|cap| used > 0 && used + slots > *cap || *cap == 0);
        let of = |caps: &BTreeMap<Arc<str>, u32>, name| caps.get(self.name(name)).copied();
        let script = over(usage.script(lane.script), of(&caps.scripts, lane.script));
        let session = || over(usage.session(lane.session), caps.session);
        let specialist =
            || lane.specialist.and_then(|n| Some((n, over(usage.specialist(n), of(&caps.specialists, n))?)));
        let group = || lane.group.and_then(|n| Some((n, over(usage.group(n), of(&caps.groups, n))?)));
        None.or_else(|| script.map(|cap| ("script", lane.script, cap)))
            .or_else(|| specialist().map(|(n, cap)| ("specialist", n, cap)))
            .or_else(|| group().map(|(n, cap)| ("group", n, cap)))
            .or_else(|| session().map(|cap| ("session", lane.session, cap)))
    }
}

/// The first job of a lane.
pub(super) struct Head {
    /// The lowest one goes first.
    rank: (u8, i64, (Mono, u64)),
    pub(super) job: JobId,
    pub(super) lane: Lane,
    waited: Duration,
}

/// A class after so much waiting.
fn urgency(class: u8, waited: Duration) -> u8 {
    let steps = waited.as_millis() / limits::AGE_STEP.as_millis();
    class.saturating_sub(u8::try_from(steps).unwrap_or(u8::MAX))
}

/// What runs, and what each session used.
#[derive(Debug, Default)]
pub(super) struct Usage {
    pub(super) running: usize,
    pub(super) slots: u32,
    /// Of those that run, how many are expected to end soon.
    pub(super) quick: u32,
    scripts: HashMap<NameId, Used>,
    specialists: HashMap<NameId, u32>,
    groups: HashMap<NameId, u32>,
    sessions: HashMap<NameId, Share>,
    /// The share of whoever started last: a session that comes back begins here, and claims nothing for the
    /// time in which it wanted nothing.
    virtual_time: i64,
    /// What sessions without jobs had used beyond that, by name: whoever comes back a moment later has used it still.
    owed: HashMap<Arc<str>, i64>,
}

#[derive(Debug, Default)]
struct Used {
    slots: u32,
    /// How long jobs of it take, in milliseconds, as a moving average.
    takes: Option<i64>,
}

#[derive(Debug, Default)]
struct Share {
    slots: u32,
    /// Jobs of it in the lanes.
    queued: usize,
    /// Slot-milliseconds that it used.
    used: i64,
}

impl Usage {
    fn script(&self, script: NameId) -> u32 {
        self.scripts.get(&script).map_or(0, |s| s.slots)
    }

    fn specialist(&self, specialist: NameId) -> u32 {
        self.specialists.get(&specialist).copied().unwrap_or(0)
    }

    fn group(&self, group: NameId) -> u32 {
        self.groups.get(&group).copied().unwrap_or(0)
    }

    fn session(&self, session: NameId) -> u32 {
        self.sessions.get(&session).map_or(0, |s| s.slots)
    }

    /// What a session used, as its place in the order of shares.
    fn share(&self, session: NameId) -> i64 {
        self.sessions.get(&session).map_or(self.virtual_time, |s| s.used)
    }

    /// A job of a session is queued. One that wanted nothing before claims nothing for that time.
    pub(super) fn queued(&mut self, session: NameId, name: &str) {
        let share = self.sessions.entry(session).or_default();
        if share.queued == 0 && share.slots == 0 {
            let owed = self.owed.remove(name).unwrap_or_default();
            share.used = share.used.max(self.virtual_time).max(owed);
        }
        share.queued += 1;
    }

    /// A job of a session is no longer queued.
    pub(super) fn not_queued(&mut self, session: NameId) {
        if let Some(share) = self.sessions.get_mut(&session) {
            share.queued -= 1;
        }
    }

    /// Names whose numbers will be given to others.
    pub(super) fn forget(&mut self, names: Vec<(NameId, Arc<str>)>) {
        for (number, name) in names {
            if let Some(gone) = self.sessions.remove(&number).filter(|gone| gone.used > self.virtual_time) {
                self.owe(name, gone.used);
            }
            self.specialists.remove(&number);
            self.groups.remove(&number);
        }
    }

    /// Remembers what a session without jobs used. Where there are too many, those go whom the others have overtaken; and if
    /// none has been, it begins anew when it comes back.
    fn owe(&mut self, name: Arc<str>, used: i64) {
        if self.owed.len() >= limits::SHARES_OWED_MAX {
            self.owed.retain(|_, used| *used > self.virtual_time);
        }
        if self.owed.len() < limits::SHARES_OWED_MAX {
            self.owed.insert(name, used);
        }
    }

    /// How many jobs of a script that end soon take so long, one after the other; `None` where they do not end soon, as far as is
    /// known.
    pub(super) fn quick_ones(&self, script: NameId, span: Duration) -> Option<u32> {
        let takes = self.scripts.get(&script)?.takes?.max(1);
        let is_quick = takes <= limits::AHEAD_QUICK.as_millis() as i64;
        is_quick.then(|| u32::try_from(span.as_millis() as i64 / takes).unwrap_or(u32::MAX))
    }

    /// Counts a start, and answers what its session is charged, of which it can owe `most`, and whether it is expected to
    /// end soon.
    pub(super) fn start(&mut self, lane: Lane, most: i64) -> (i64, bool) {
        let slots = u32::from(lane.slots);
        let quick = self.quick_ones(lane.script, limits::AHEAD_SPAN).is_some();
        self.quick += u32::from(quick);
        self.running += 1;
        self.slots += slots;
        if let Some(n) = lane.specialist {
            *self.specialists.entry(n).or_default() += slots;
        }
        if let Some(n) = lane.group {
            *self.groups.entry(n).or_default() += slots;
        }
        let script = self.scripts.entry(lane.script).or_default();
        script.slots += slots;
        let takes = script.takes.unwrap_or(limits::JOB_EXPECTED.as_millis() as i64).max(1);
        let charged = takes.saturating_mul(i64::from(lane.slots));
        let share = self.sessions.entry(lane.session).or_default();
        share.slots += slots;
        self.virtual_time = self.virtual_time.max(share.used);
        (share.charge(charged, self.virtual_time, most), quick)
    }

    /// Counts an end, and corrects the charge. What did not run took `None`, and nothing is learnt from it.
    pub(super) fn end(&mut self, lane: Lane, took: Option<Duration>, start: (i64, bool), most: i64) {
        let slots = u32::from(lane.slots);
        let (charged, quick) = start;
        self.quick -= u32::from(quick);
        self.running -= 1;
        self.slots -= slots;
        if let Some(n) = lane.specialist {
            release(&mut self.specialists, n, slots);
        }
        if let Some(n) = lane.group {
            release(&mut self.groups, n, slots);
        }
        let took = took.map(|took| i64::try_from(took.as_millis()).unwrap_or(i64::MAX).max(1));
        if let Some(script) = self.scripts.get_mut(&lane.script) {
            script.slots -= slots;
            if let Some(took) = took {
                // One in eight: a few jobs are enough to learn from, and one odd job is soon forgotten.
                script.takes = Some(script.takes.map_or(took, |t| t + took.saturating_sub(t) / 8));
            }
        }
        if let Some(share) = self.sessions.get_mut(&lane.session) {
            share.slots -= slots;
            let used = took.unwrap_or(0).saturating_mul(i64::from(lane.slots));
            share.charge(used.saturating_sub(charged), self.virtual_time, most);
        }
    }
}

impl Share {
    /// Charges a session, or gives back what it was charged too much; answers what that came to. Nobody is further behind
    /// the others than `most`: one long job must not keep a session out for as long as it took.
    fn charge(&mut self, slot_ms: i64, virtual_time: i64, most: i64) -> i64 {
        let before = self.used;
        let limit = virtual_time.saturating_add(most).max(before);
        self.used = before.saturating_add(slot_ms).min(limit);
        self.used.saturating_sub(before)
    }
}

fn release(counts: &mut HashMap<NameId, u32>, name: NameId, slots: u32) {
    if let Some(count) = counts.get_mut(&name) {
        *count -= slots;
        if *count == 0 {
            counts.remove(&name);
        }
    }
}
