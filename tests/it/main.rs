//! Black box: the built command, run as a person or a program runs it.
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod audit;
mod client;
mod command;
mod configuration;
mod control;
mod control_waits;
mod demo;
mod detect;
mod documents;
mod examples;
mod faults;
mod fleet;
mod forged;
mod harness;
mod hooks;
mod hooks_install;
mod hostile;
mod house;
mod jobs;
mod jobs_large;
mod jobs_many;
mod jobs_shown;
mod life;
mod life_rough;
mod lifecycle;
mod listen;
mod promises;
mod record;
mod record_disk;
mod reference;
mod relaunch;
mod sandbox;
mod schedules;
mod shim;
mod shim_next;
mod statsd;
#[path = "../../actors/tests/all/statsd_server.rs"]
#[expect(dead_code, reason = "the tests of the sinks use more of it")]
mod statsd_server;
mod supervisor;
mod tes;
mod tes_disk;
mod tes_drills;
mod tes_faults;
mod tes_hostile;
mod tes_limits;
mod tes_places;
mod tes_remains;
mod trace;
mod transcript;
mod transcript_attacks;
mod transcript_codex;
mod upgrade;
