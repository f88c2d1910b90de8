//! The schedules as people see them, and what is wrong with them.

use tsup_core::settings::ScheduleSettings;
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::schedules::ScheduleDoc;

use super::{SchedulesActor, View};

impl SchedulesActor {
    /// Brings the view up to date.
    pub(super) fn show(&self) {
        let docs: Vec<ScheduleDoc> = self.settings.iter().map(|settings| self.doc(settings)).collect();
        let complaints = self.settings.iter().zip(&docs).filter_map(|(settings, doc)| {
            let problem = doc.problem.as_ref().filter(|_| doc.enabled)?;
            let place = &settings.place.0;
            let gap = if place.is_empty() { "" } else { ": " };
            Some(format!("{place}{gap}schedule `{}`: {problem}", settings.name))
        });
        let view = View { complaints: complaints.collect(), docs };
        self.shared.schedules.view.send_if_modified(|now| {
            let changed = *now != view;
            *now = view;
            changed
        });
    }

    fn doc(&self, settings: &ScheduleSettings) -> ScheduleDoc {
        let name = settings.name.as_str();
        let last = self.schedules.last(name);
        ScheduleDoc {
            name: name.to_owned(),
            script: settings.script.clone(),
            cron: settings.cron.clone(),
            every_seconds: settings.every.map(|every| every.as_secs_f64()),
            timezone: settings.timezone.clone(),
            enabled: settings.enabled,
            next_at: self.schedules.next(name),
            last_at: last.map(|last| last.due),
            last_job: last.map(|last| last.job),
            last_state: last.map(|last| last.state),
            skipped: self.skipped.get(name).copied().unwrap_or(0),
            problem: self.problem(settings),
        }
    }

    /// Why a schedule does not run, or its last run was not taken in.
    fn problem(&self, settings: &ScheduleSettings) -> Option<String> {
        if self.without_zone.contains(&settings.name) {
            let zone = Untrusted::new(settings.timezone.as_deref().unwrap_or_default());
            return Some(format!("there is no time zone \"{zone}\" in this machine's database"));
        }
        let shelf = self.shared.shelf.borrow();
        if shelf.as_ref().is_some_and(|shelf| shelf.find(&settings.script).is_none()) {
            return Some(format!("no script \"{}\" is registered", Untrusted::new(settings.script.as_str())));
        }
        self.refused.get(&settings.name).cloned()
    }
}
