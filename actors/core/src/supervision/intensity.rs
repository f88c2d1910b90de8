//! How many restarts are too many: a sliding window.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Mono;

/// More than `restarts` restarts within `period` are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intensity {
    /// As many are still allowed.
    pub restarts: u32,
    /// Within this time; a restart exactly this old still counts (OTP: `inPeriod`).
    pub period: Duration,
}

/// The restarts that still count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    /// Oldest first.
    charges: VecDeque<Mono>,
}

impl Window {
    /// Counts one restart. `false`: it is one too many.
    pub fn charge(&mut self, intensity: Intensity, now: Mono) -> bool {
        self.charges.push_back(now);
        while self.charges.front().is_some_and(|at| *at + intensity.period < now) {
            self.charges.pop_front();
        }
        let within = self.charges.len() <= intensity.restarts as usize;
        if !within {
            // Whoever exceeded once needs no more history than that to exceed again.
            self.charges.pop_front();
        }
        within
    }

    /// How many restarts count now.
    pub fn count(&self) -> usize {
        self.charges.len()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.charges.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Mono {
        Mono::from_origin(Duration::from_millis(ms))
    }

    #[test]
    fn the_window_slides_and_its_edge_counts() {
        let i = Intensity { restarts: 2, period: Duration::from_secs(1) };
        let mut w = Window::default();
        assert!(w.charge(i, at(0)));
        assert!(w.charge(i, at(500)));
        assert!(!w.charge(i, at(1000)), "a restart exactly one period old counts");
        let mut w = Window::default();
        assert!(w.charge(i, at(0)));
        assert!(w.charge(i, at(500)));
        assert!(w.charge(i, at(1001)));
        assert!(!w.charge(i, at(1500)));
    }

    #[test]
    fn none_allowed_means_the_first_is_too_many() {
        let mut w = Window::default();
        assert!(!w.charge(Intensity { restarts: 0, period: Duration::from_secs(1) }, at(0)));
        assert_eq!(w.count(), 0, "bounded by what is allowed");
    }
}
