//! The Tool Execution Service: runs registered scripts as jobs.
//!
//! - `tes/shim/`: the processes that run attempts

use std::collections::BTreeMap;
use std::time::Duration;

use tsup_core::error::{Exit, UserError};
use tsup_core::tes::failure::Failure;
use tsup_core::tes::job::JobState;
use tsup_core::wire::doc::jobs::{GroupsDoc, JobDoc, OutputDoc, ScriptsDoc};
use tsup_core::wire::verb::Submit;

pub mod shim;

/// Why a submission was not taken in.
#[derive(Debug, Clone, PartialEq)]
pub enum NotSubmitted {
    /// What was asked for does not fit what is registered.
    Misfit(Box<Failure>),
    /// Anything else: no such job to wait for, no room, no store.
    Error(UserError),
}

impl From<UserError> for NotSubmitted {
    fn from(e: UserError) -> Self {
        NotSubmitted::Error(e)
    }
}

/// Which jobs are listed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// In one of these states; empty is any.
    pub states: Vec<JobState>,
    /// Of this script.
    pub script: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
}

/// The way to the jobs. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tes;

impl Tes {
    fn away<T>() -> Result<T, UserError> {
        Err(UserError::new(Exit::Refused, "this supervisor runs no jobs"))
    }

    /// Takes a job in; answers once that is durable.
    pub async fn submit(&self, _submit: Submit) -> Result<JobDoc, NotSubmitted> {
        Ok(Self::away()?)
    }

    /// The jobs, the youngest first.
    pub async fn jobs(&self, _listing: Listing) -> Result<Vec<JobDoc>, UserError> {
        Self::away()
    }

    /// One job, by its id or a unique beginning of it.
    pub async fn job(&self, _job: &str) -> Result<JobDoc, UserError> {
        Self::away()
    }

    /// Waits until all of these have ended.
    pub async fn wait(&self, _jobs: &[String], _at_most: Option<Duration>) -> Result<Vec<JobDoc>, UserError> {
        Self::away()
    }

    /// Ends a job; answers when it has ended.
    pub async fn cancel(&self, _job: &str) -> Result<JobDoc, UserError> {
        Self::away()
    }

    /// Runs a job that has ended once more.
    pub async fn retry(&self, _job: &str) -> Result<JobDoc, UserError> {
        Self::away()
    }

    /// Holds a job back, or releases it.
    pub async fn hold(&self, _job: &str, _held: bool) -> Result<JobDoc, UserError> {
        Self::away()
    }

    /// Where what an attempt printed is kept.
    pub async fn output(&self, _job: &str, _attempt: Option<u32>) -> Result<OutputDoc, UserError> {
        Self::away()
    }

    /// Forgets a job of the dead set; answers what it was.
    pub async fn drop_dead(&self, _job: &str) -> Result<JobDoc, UserError> {
        Self::away()
    }

    /// Starts nothing any more, and answers when nothing runs.
    pub async fn drain(&self, _at_most: Option<Duration>) -> Result<String, UserError> {
        Self::away()
    }

    /// Ends a drain.
    pub async fn end_drain(&self) -> Result<String, UserError> {
        Self::away()
    }

    /// Who shares which limit.
    pub async fn groups(&self) -> Result<GroupsDoc, UserError> {
        Self::away()
    }

    /// The registered scripts.
    pub async fn scripts(&self) -> Result<ScriptsDoc, UserError> {
        Self::away()
    }

    /// Jobs by state, for `status`.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }

    /// What does not work as it should.
    pub fn complaints(&self) -> Vec<String> {
        Vec::new()
    }
}
