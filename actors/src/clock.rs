//! The two clocks, read in the shell only; the core takes what they say as an argument.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use tsup_core::clock::{Mono, Wall};

/// Keeps [`Mono`] above zero for clocks that started before the origin was taken.
const HEADROOM: Duration = Duration::from_hours(24);

/// The monotonic moment of now, by the runtime's clock, so that tests can pause it.
pub fn now_mono() -> Mono {
    mono(Instant::now())
}

/// An instant of the runtime's clock as the core counts it.
pub fn mono(instant: Instant) -> Mono {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    let origin = *ORIGIN.get_or_init(Instant::now);
    let since = match instant.checked_duration_since(origin) {
        Some(after) => HEADROOM + after,
        None => HEADROOM.saturating_sub(origin - instant),
    };
    Mono::from_origin(since)
}

/// The wall clock's now; a clock before 1970 reads as 1970.
pub fn now_wall() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
