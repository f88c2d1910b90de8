//! Scripts that run at times.

pub mod cron;
