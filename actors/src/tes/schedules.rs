//! Owns: which runs of the schedules are due, and what became of the last of each.
//! Receives: its own looks at the clock, changes of configuration and registries, ends of the jobs it submitted.
//! Sends: submissions and cancels to the queue, until when all was seen to to the store; a view of the schedules.
//! Bounded by: limits::SCHEDULES_MAX schedules, one submission of each under way, limits::MISSED_RUNS_MAX that wait.
//! Restart: permanent; until when all was seen to passes on, and what was submitted is known by its key.
//!
//! - `schedules/ask.rs`: what is asked of the queue
//! - `schedules/show.rs`: the view, and what is wrong

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tsup_core::clock::Wall;
use tsup_core::ids::{ActorPath, JobId};
use tsup_core::settings::ScheduleSettings;
use tsup_core::tes::kept::Write;
use tsup_core::tes::schedule::{Effect, Event, Last, Plan, Schedules};
use tsup_core::wire::doc::VERSION;
use tsup_core::wire::doc::schedules::{ScheduleDoc, SchedulesDoc};

use super::{Shared, Tes};
use crate::actor::{Actor, Cx, Failure, Timer};
use crate::clock::now_wall;
use crate::gate::{Gate, Lane};
use crate::heirloom::{Heirloom, Held};

mod ask;
mod show;

/// What the actor receives.
#[derive(Debug)]
pub(super) enum Msg {
    /// The queue can be asked, and this is what it says of the last runs.
    Begin(BTreeMap<String, Last>),
    /// The configuration changed, or the registries did.
    Changed,
    /// Time has passed.
    Look,
    /// What became of a submission, with the reason if it was not taken in.
    Answered(Event, Option<String>),
    /// What became of a job, or of the wish to end it.
    Heard(Event),
    /// Until when these were seen to could not be kept.
    NotKept(BTreeMap<String, Wall>),
}

/// What others share with the actor.
pub(super) struct Place {
    pub(super) gate: Gate<Msg>,
    view: watch::Sender<View>,
    /// Until when each schedule was seen to; `None` until the store has said so.
    kept: Heirloom<Option<BTreeMap<String, Wall>>>,
    /// What the store said.
    stored: watch::Sender<BTreeMap<String, Wall>>,
}

/// The schedules as they stand.
#[derive(Debug, Clone, PartialEq, Default)]
struct View {
    docs: Vec<ScheduleDoc>,
    /// What is wrong, and where it stands in the configuration.
    complaints: Vec<String>,
}

impl Place {
    pub(super) fn new(path: &ActorPath) -> Self {
        Place {
            gate: Gate::new(path.child("schedules")),
            view: watch::Sender::default(),
            kept: Heirloom::new(None),
            stored: watch::Sender::default(),
        }
    }

    /// What the store has; told before the queue can be asked.
    pub(super) fn loaded(&self, stored: BTreeMap<String, Wall>) {
        self.stored.send_replace(stored);
    }

    pub(super) fn doc(&self) -> SchedulesDoc {
        SchedulesDoc { version: VERSION, schedules: self.view.borrow().docs.clone() }
    }

    pub(super) fn complaints(&self) -> Vec<String> {
        self.view.borrow().complaints.clone()
    }
}

/// The actor.
pub(super) struct SchedulesActor {
    shared: Shared,
    kept: Held<Option<BTreeMap<String, Wall>>>,
    /// Nothing is decided until the queue can be asked.
    begun: bool,
    schedules: Schedules,
    settings: Vec<ScheduleSettings>,
    /// Whose zones are not in the system's database.
    without_zone: HashSet<String>,
    /// Why the last submission of a schedule was not taken in.
    refused: HashMap<String, String>,
    /// How many runs of each were left out.
    skipped: HashMap<String, u64>,
    /// Which job's end is waited for.
    waits: HashMap<Arc<str>, (JobId, AbortHandle)>,
    /// Until when schedules were seen to that is not in the store yet: it goes there with the next look.
    unkept: BTreeMap<String, Wall>,
    timer: Option<Timer>,
}

impl SchedulesActor {
    pub(super) fn new(shared: Shared) -> Self {
        let kept = shared.schedules.kept.reach();
        SchedulesActor {
            shared,
            kept,
            begun: false,
            schedules: Schedules::default(),
            settings: Vec::new(),
            without_zone: HashSet::new(),
            refused: HashMap::new(),
            skipped: HashMap::new(),
            waits: HashMap::new(),
            unkept: BTreeMap::new(),
            timer: None,
        }
    }

    fn tes(&self) -> Tes {
        Tes { shared: self.shared.clone() }
    }

    fn settings_of(&self, name: &str) -> Option<&ScheduleSettings> {
        self.settings.iter().find(|settings| settings.name == name)
    }

    fn begin(&mut self, found: BTreeMap<String, Last>, cx: &mut Cx<Self>) {
        let stored = || self.shared.schedules.stored.borrow().clone();
        let kept = self.kept.get_or_insert_with(stored).clone();
        for (name, last) in &found {
            if !last.state.is_final() {
                self.wait(name.as_str().into(), last.job, cx);
            }
        }
        self.schedules = Schedules::new(kept, found);
        self.begun = true;
        self.configure(cx);
        cx.ready();
    }

    fn configure(&mut self, cx: &mut Cx<Self>) {
        self.settings.clone_from(&self.shared.settings.borrow().tes.schedules);
        let plans: Vec<Plan> = self.settings.iter().map(|settings| Plan::new(settings, zone)).collect();
        let untold = plans.iter().filter(|plan| plan.timing.is_none());
        self.without_zone = untold.map(|plan| plan.name.to_string()).collect();
        // Whatever was wrong may be mended.
        self.refused.clear();
        self.step(Event::Configured(plans), cx);
    }

    /// Steps and performs.
    fn step(&mut self, event: Event, cx: &mut Cx<Self>) {
        if !self.begun {
            return;
        }
        let mut keep = std::mem::take(&mut self.unkept);
        for effect in self.schedules.step(event, now_wall(), cx.now()) {
            match effect {
                Effect::Submit { schedule, due } => self.submit(schedule, due, cx),
                Effect::Cancel { schedule, job } => self.cancel(schedule, job, cx),
                Effect::Keep { schedule, until } => {
                    let name = schedule.to_string();
                    self.kept.get_or_insert_default().insert(name.clone(), until);
                    keep.insert(name, until);
                }
                Effect::Skipped { schedule, due, why } => {
                    tracing::info!(%schedule, %due, ?why, "a run was left out");
                    *self.skipped.entry(schedule.to_string()).or_default() += 1;
                }
            }
        }
        if !keep.is_empty() {
            self.keep(keep, cx);
        }
        self.show();
        let wait = self.schedules.look_in(now_wall(), cx.now());
        self.timer = Some(cx.after(wait, Lane::Control, Msg::Look));
    }

    /// Nobody waits for these: a run that was submitted and not noted is known by its key.
    fn keep(&mut self, seen_to: BTreeMap<String, Wall>, cx: &mut Cx<Self>) {
        let writes =
            seen_to.iter().map(|(name, until)| Write::Schedule { name: name.clone(), until: *until });
        let (kept, gate) = (self.shared.store.keep(writes.collect()), cx.gate().clone());
        cx.spawn(async move {
            if let Err(e) = kept.await {
                tracing::warn!(error = %e, "until when schedules were seen to is not kept yet");
                gate.insist(Lane::Control, Msg::NotKept(seen_to)).await;
            }
        });
    }
}

/// The zone of that name in the system's database; the machine's own without one.
fn zone(name: Option<&str>) -> Option<TimeZone> {
    match name {
        Some(name) => TimeZone::get(name).ok(),
        None => Some(TimeZone::system()),
    }
}

impl Actor for SchedulesActor {
    type Msg = Msg;

    async fn started(&mut self, cx: &mut Cx<Self>) -> Result<(), Failure> {
        self.kept.filled().await;
        cx.spawn(self.shared.clone().follow(cx.gate().clone(), || Msg::Changed));
        cx.spawn(ask::find_last(self.tes(), cx.gate().clone()));
        Ok(())
    }

    async fn handle(&mut self, message: &mut Msg, cx: &mut Cx<Self>) -> Result<(), Failure> {
        match message {
            Msg::Begin(found) => self.begin(std::mem::take(found), cx),
            Msg::Changed if self.begun => self.configure(cx),
            Msg::Changed => {}
            Msg::Look => self.step(Event::Look, cx),
            Msg::Answered(event, refused) => self.answered(event.clone(), refused.take(), cx),
            Msg::Heard(event) => self.step(event.clone(), cx),
            // What was decided meanwhile is newer.
            Msg::NotKept(seen_to) => {
                for (name, until) in std::mem::take(seen_to) {
                    self.unkept.entry(name).or_insert(until);
                }
            }
        }
        Ok(())
    }
}
