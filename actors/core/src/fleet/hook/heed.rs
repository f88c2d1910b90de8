//! Whether an agent takes a report: it is of its present process, and not older than the last one.

use super::HookReport;
use crate::ids::ProcId;
use crate::limits;
use crate::untrusted::Untrusted;

/// What an agent remembers of its hooks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heed {
    /// The order of the last report that was taken, and the process it was about.
    last: Option<(ProcId, u64)>,
    /// The CLI's own session id, by the last report that told one.
    pub session: Option<Untrusted>,
    /// Where the CLI writes its transcript, by the last report that told it.
    pub transcript: Option<Untrusted>,
}

/// Why a report is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// It is about a process that this agent does not run in (any more).
    OtherProcess,
    /// One that was called later was taken before.
    Overtaken,
}

impl Heed {
    /// Takes a report about the agent that runs in `process`. Processes that the caller could not see
    /// prove nothing; then the pane must do.
    pub fn take(&mut self, report: &HookReport, process: Option<ProcId>) -> Result<(), Late> {
        let process = process.ok_or(Late::OtherProcess)?;
        let ancestors = &report.caller.ancestors;
        if !ancestors.is_empty() && !ancestors.contains(&process) {
            return Err(Late::OtherProcess);
        }
        let span = limits::HOOK_OVERTAKEN_MAX.as_nanos();
        // One from long before was not overtaken: it is the last one's order that was wrong.
        let is_overtaken = |order: u64| report.order <= order && u128::from(order - report.order) <= span;
        if self.last.is_some_and(|(of, order)| of == process && is_overtaken(order)) {
            return Err(Late::Overtaken);
        }
        if self.last.is_some_and(|(of, _)| of != process) {
            *self = Heed::default();
        }
        self.last = Some((process, report.order));
        if let Some(session) = &report.session {
            self.session = Some(session.clone());
        }
        if let Some(transcript) = &report.transcript {
            self.transcript = Some(transcript.clone());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Wall;
    use crate::fleet::hook::{Caller, HookSays};

    fn p(pid: u32) -> ProcId {
        ProcId { pid, start_ticks: 5 }
    }

    fn report(ancestors: &[ProcId], order: u64) -> HookReport {
        HookReport {
            cli: "claude".into(),
            event: "Stop".into(),
            says: HookSays::Nothing,
            caller: Caller { ancestors: ancestors.to_vec(), ..Caller::default() },
            session: Some(format!("s{order}").into()),
            transcript: (order == 1).then(|| "/t".into()),
            words: Untrusted::default(),
            at: Wall::from_unix_ms(0),
            order,
        }
    }

    #[test]
    fn a_report_of_another_process_is_late() {
        let mut heed = Heed::default();
        assert_eq!(heed.take(&report(&[p(9), p(2)], 1), Some(p(1))), Err(Late::OtherProcess));
        let reused = ProcId { pid: 1, start_ticks: 4 };
        assert_eq!(heed.take(&report(&[reused], 2), Some(p(1))), Err(Late::OtherProcess));
        assert_eq!(heed.take(&report(&[p(1)], 3), None), Err(Late::OtherProcess));
        assert_eq!(heed, Heed::default());
        assert_eq!(heed.take(&report(&[p(9), p(1)], 4), Some(p(1))), Ok(()));
        assert_eq!(heed.take(&report(&[], 5), Some(p(1))), Ok(()), "the caller saw no process");
    }

    #[test]
    fn a_report_that_was_overtaken_is_dropped_for_its_process_only() {
        let mut heed = Heed::default();
        assert_eq!(heed.take(&report(&[p(1)], 1), Some(p(1))), Ok(()));
        assert_eq!(heed.take(&report(&[p(1)], 7), Some(p(1))), Ok(()));
        assert_eq!(heed.take(&report(&[p(1)], 7), Some(p(1))), Err(Late::Overtaken));
        assert_eq!(heed.take(&report(&[p(1)], 6), Some(p(1))), Err(Late::Overtaken));
        assert_eq!((heed.session.clone(), heed.transcript.clone()), (Some("s7".into()), Some("/t".into())));
        assert_eq!(heed.take(&report(&[p(2)], 2), Some(p(2))), Ok(()), "another process counts anew");
        assert_eq!((heed.session, heed.transcript), (Some("s2".into()), None));
    }

    #[test]
    fn an_order_that_no_clock_has_yet_silences_nobody() {
        let mut heed = Heed::default();
        assert_eq!(heed.take(&report(&[p(1)], u64::MAX), Some(p(1))), Ok(()));
        assert_eq!(heed.take(&report(&[p(1)], u64::MAX), Some(p(1))), Err(Late::Overtaken));
        assert_eq!(heed.take(&report(&[p(1)], 7), Some(p(1))), Ok(()), "it counts from the true one again");
        assert_eq!(heed.take(&report(&[p(1)], 6), Some(p(1))), Err(Late::Overtaken));
    }
}
