//! A report in one datagram: the control socket's frame around it, and nothing behind.

use super::HookReport;
use crate::limits::HOOK_FRAME_BYTES_MAX;
use crate::wire::frame::{self, FrameError, HEADER_BYTES, Header, Kind};

/// The datagram of a report. An error means that it is over [`HOOK_FRAME_BYTES_MAX`].
pub fn encode(report: &HookReport) -> Result<Vec<u8>, FrameError> {
    let bytes = frame::encode(Kind::Hook, report)?;
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    if bytes.len() > HOOK_FRAME_BYTES_MAX {
        return Err(FrameError::TooLong { len, max: HOOK_FRAME_BYTES_MAX as u32 });
    }
    Ok(bytes)
}

/// The report in a datagram, with every text cut to its limit. Any program of the user may send one: what no hook
/// can say is refused.
pub fn decode(datagram: &[u8]) -> Result<HookReport, FrameError> {
    let (header, payload) = datagram
        .split_first_chunk::<HEADER_BYTES>()
        .ok_or_else(|| FrameError::Payload("too short".into()))?;
    let header = Header::parse(header, (HOOK_FRAME_BYTES_MAX - HEADER_BYTES) as u32)?;
    let report = frame::decode::<HookReport>(header, Kind::Hook, payload)?;
    report.says.check().map_err(|why| FrameError::Payload(why.to_owned()))?;
    Ok(report.bounded())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Wall;
    use crate::fleet::hook::{Caller, HookSays};
    use crate::fleet::state::{AgentState, Detail};
    use crate::ids::ProcId;
    use crate::untrusted::Untrusted;

    fn report() -> HookReport {
        HookReport {
            cli: "claude".into(),
            event: "Stop".into(),
            says: HookSays::State(AgentState::Waiting, Some(Detail::Permission)),
            caller: Caller {
                tmux: Some("/tmp/t,7,0".into()),
                pane: Some("%3".into()),
                agent: None,
                ancestors: vec![ProcId { pid: 9, start_ticks: 300 }],
            },
            session: Some("s".into()),
            transcript: None,
            words: "Bash".into(),
            at: Wall::from_unix_ms(5),
            order: 6,
        }
    }

    #[test]
    fn golden_bytes_of_a_report() {
        let bytes = encode(&report()).unwrap();
        let hex = bytes.iter().fold(String::new(), |text, b| text + &format!("{b:02x}"));
        assert_eq!(hex[..8], format!("5453{:02x}03", frame::VERSION), "magic, version, kind");
        assert_eq!(
            &hex[24..],
            "06636c617564650453746f7000040100010a2f746d702f742c372c3001022533000109fb2c010101730004426173680a06"
        );
        assert_eq!(decode(&bytes).unwrap(), report());
    }

    #[test]
    fn a_report_is_at_its_limits_and_not_over() {
        let long = |n: usize| Untrusted::new("x".repeat(n));
        let big = HookReport {
            event: long(10_000),
            session: Some(long(10_000)),
            transcript: Some(long(crate::limits::HOOK_PATH_BYTES)),
            words: long(100_000),
            caller: Caller {
                tmux: Some("x".repeat(9_999)),
                ancestors: vec![ProcId { pid: u32::MAX, start_ticks: u64::MAX }; 999],
                ..Caller::default()
            },
            ..report()
        };
        let bytes = encode(&big.clone().bounded()).unwrap();
        assert!(bytes.len() < HOOK_FRAME_BYTES_MAX, "{}", bytes.len());
        assert!(encode(&big).is_err());
        let huge = HookReport { transcript: Some(long(5_000)), ..report() };
        assert_eq!(decode(&encode(&huge).unwrap()).unwrap().transcript, None, "half a path is another path");
    }

    #[test]
    fn what_no_hook_can_say_is_refused() {
        use crate::fleet::state::{AgentState as S, Detail as D};
        let decoded = |says| decode(&encode(&HookReport { says, ..report() }).unwrap());
        for (state, detail) in [
            (S::Crashed, Some(D::Signal)),
            (S::Exited, None),
            (S::Missing, Some(D::PaneGone)),
            (S::Unknown, Some(D::LostServer)),
            (S::Starting, None),
            (S::Idle, Some(D::Permission)),
            (S::Busy, Some(D::Held)),
            (S::Waiting, Some(D::Stopped)),
        ] {
            assert!(
                matches!(decoded(HookSays::State(state, detail)), Err(FrameError::Payload(_))),
                "{state}"
            );
        }
        for says in [
            HookSays::Nothing,
            HookSays::Ends,
            HookSays::State(S::Idle, None),
            HookSays::State(S::Busy, Some(D::Tool)),
        ] {
            assert_eq!(decoded(says).unwrap().says, says);
        }
    }

    #[test]
    fn what_is_no_report_is_refused() {
        let good = encode(&report()).unwrap();
        assert!(decode(&[]).is_err() && decode(&good[..11]).is_err() && decode(&good[..20]).is_err());
        let mut wrong = good.clone();
        wrong[3] = 1;
        assert!(matches!(decode(&wrong), Err(FrameError::Kind(1))));
        let mut wrong = good;
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(decode(&wrong), Err(FrameError::Checksum));
    }

    proptest! {
        #[test]
        fn random_datagrams_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
            let mut framed = vec![b'T', b'S', frame::VERSION, 3];
            framed.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
            framed.extend(crc32fast::hash(&bytes).to_le_bytes());
            framed.extend(bytes);
            let _ = decode(&framed);
        }
    }
}
