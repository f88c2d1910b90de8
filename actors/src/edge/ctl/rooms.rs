//! What all connections share: the places of those that wait, of streams, and of what is being read.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tsup_core::error::{Exit, UserError};
use tsup_core::limits::{LISTS_AT_ONCE, REQUESTS_KIB_MAX, STREAMS_MAX, WAITS_MAX};

/// Places, by what they are for. Who waits, or reads a stream, takes none of those for short questions.
#[derive(Debug)]
pub(super) struct Rooms {
    waits: Arc<Semaphore>,
    streams: Semaphore,
    requests_kib: Semaphore,
    lists: Arc<Semaphore>,
}

impl Rooms {
    pub(super) fn new() -> Self {
        Rooms {
            waits: Arc::new(Semaphore::new(WAITS_MAX)),
            streams: Semaphore::new(STREAMS_MAX),
            requests_kib: Semaphore::new(REQUESTS_KIB_MAX as usize),
            lists: Arc::new(Semaphore::new(LISTS_AT_ONCE)),
        }
    }

    /// A place for a request that waits for what others do.
    pub(super) fn wait(&self) -> Result<OwnedSemaphorePermit, UserError> {
        Arc::clone(&self.waits).try_acquire_owned().map_err(|_| {
            UserError::new(Exit::Refused, format!("{WAITS_MAX} clients wait for jobs, and no more may"))
                .hint("try again when one of them has what it waits for; the jobs go on")
        })
    }

    /// A place for a stream of events.
    pub(super) fn stream(&self) -> Result<SemaphorePermit<'_>, UserError> {
        self.streams.try_acquire().map_err(|_| {
            UserError::new(Exit::Refused, "the control socket has too many streams")
                .hint("close another `tsup ctl watch`, or try again")
        })
    }

    /// A turn for a list, from its making until it is sent.
    pub(super) async fn list(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.lists).acquire_owned().await.ok()
    }

    /// Room for the bytes of a request, which is there until it is read.
    pub(super) async fn reading(&self, bytes: u32) -> Option<SemaphorePermit<'_>> {
        self.requests_kib.acquire_many(bytes.div_ceil(1024).min(REQUESTS_KIB_MAX)).await.ok()
    }
}
