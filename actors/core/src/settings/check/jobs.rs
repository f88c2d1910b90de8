//! The rules of `[tes]`.

use std::collections::{BTreeMap, HashSet};

use super::{Found, KeyPart, check_name, with};
use crate::limits;
use crate::settings::tes::{ScheduleSettings, TesSettings};
use crate::tes::schedule::cron::Cron;

const SECTION: &str = "tes";

pub(super) fn check_tes(tes: &TesSettings, found: &mut Found) {
    found.number(SECTION, "slots", u64::from(tes.slots), &limits::TES_SLOTS);
    if let Some(slots) = tes.session_slots {
        found.number(SECTION, "session_slots", u64::from(slots), &limits::TES_SLOTS);
    }
    found.number(SECTION, "retention_days", tes.retention_days, &limits::TES_RETENTION_DAYS);
    found.number(SECTION, "retention_jobs", tes.retention_jobs, &limits::TES_RETENTION_JOBS);
    found.number(SECTION, "output_mb", tes.output_mb, &limits::TES_OUTPUT_MB);
    check_registries(&tes.registries.files, found);
    check_bounds("groups", &tes.groups, found);
    check_bounds("specialists", &tes.specialists, found);
    check_schedules(&tes.schedules, found);
}

fn check_registries(files: &[String], found: &mut Found) {
    let key = [KeyPart::Name(SECTION), KeyPart::Name("registries")];
    found.at_most(&key, files.len(), limits::REGISTRIES_MAX);
    let mut seen = HashSet::new();
    for (i, file) in files.iter().enumerate() {
        let at = [key[0].clone(), key[1].clone(), KeyPart::Index(i)];
        if file.is_empty() || file.contains('\0') {
            found.add(&at, "is not a path");
        } else if !seen.insert(file) {
            found.add(&at, "is named twice");
        }
    }
}

/// Bounds by name. The names are what registries and submitters say, so any word is one.
fn check_bounds(table: &'static str, bounds: &BTreeMap<String, u32>, found: &mut Found) {
    let key = [KeyPart::Name(SECTION), KeyPart::Name(table)];
    found.at_most(&key, bounds.len(), limits::TES_BOUNDS_MAX);
    for (name, slots) in bounds {
        let at = [key[0].clone(), key[1].clone(), KeyPart::Own(name.clone())];
        check_word(&at, name, found);
        let (low, high) = (limits::TES_SLOTS.start(), limits::TES_SLOTS.end());
        if !limits::TES_SLOTS.contains(&u64::from(*slots)) {
            found.add(&at, format!("is {slots}, it must be from {low} to {high}"));
        }
    }
}

fn check_word(at: &[KeyPart], word: &str, found: &mut Found) {
    let most = limits::JOB_WORD_BYTES_MAX;
    if word.is_empty() || word.len() > most || word.contains('\0') {
        found.add(at, format!("must have 1 to {most} bytes, none of them zero"));
    }
}

fn check_schedules(schedules: &[ScheduleSettings], found: &mut Found) {
    let key = [KeyPart::Name(SECTION), KeyPart::Name("schedule")];
    found.at_most(&key, schedules.len(), limits::SCHEDULES_MAX);
    let mut seen = HashSet::new();
    for (i, schedule) in schedules.iter().enumerate() {
        let at = [key[0].clone(), key[1].clone(), KeyPart::Index(i)];
        check_name(&at, "name", &schedule.name, found);
        if !seen.insert(&schedule.name) {
            found.add(&with(&at, "name"), format!("`{}` is declared twice", schedule.name));
        }
        check_schedule(&at, schedule, found);
    }
}

fn check_schedule(at: &[KeyPart], schedule: &ScheduleSettings, found: &mut Found) {
    let script = &schedule.script;
    let most = limits::SCRIPT_ID_MAX;
    if script.is_empty() || script.chars().count() > most || script.contains('\0') {
        found.add(&with(at, "script"), format!("must have 1 to {most} characters"));
    }
    match (&schedule.cron, schedule.every) {
        (None, None) => found.add(at, "says neither `cron` nor `every`"),
        (Some(_), Some(_)) => found.add(&with(at, "every"), "stands beside `cron`; one of them counts"),
        (Some(cron), None) => {
            if let Err(why) = Cron::parse(cron) {
                found.add(&with(at, "cron"), why);
            }
        }
        (None, Some(every)) => found.span(&with(at, "every"), every, &limits::SCHEDULE_EVERY),
    }
    if schedule.every.is_some() && schedule.timezone.is_some() {
        found.add(&with(at, "timezone"), "is for `cron` only; `every` counts time that passes");
    }
    found.span(&with(at, "jitter"), schedule.jitter, &limits::SCHEDULE_JITTER);
    if schedule.every.is_some_and(|every| schedule.jitter > every) {
        found.add(&with(at, "jitter"), "is longer than `every`");
    }
    if let Some(specialist) = &schedule.specialist {
        check_word(&with(at, "specialist"), specialist, found);
    }
}
