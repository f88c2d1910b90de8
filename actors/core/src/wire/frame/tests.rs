//! Golden bytes, and hostile ones.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::error::{Exit, UserError};
use crate::wire::doc::jobs::Submitted;
use crate::wire::verb::{Body, Request, Response, Verb};

/// Two hexadecimal digits a byte.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, b| text + &format!("{b:02x}"))
}

fn parse(bytes: &[u8]) -> Result<Request, FrameError> {
    let header: [u8; HEADER_BYTES] = bytes
        .get(..HEADER_BYTES)
        .and_then(|b| b.try_into().ok())
        .ok_or(FrameError::Payload("short".into()))?;
    let header = Header::parse(&header, crate::limits::REQUEST_BYTES_MAX)?;
    decode(header, Kind::Request, &bytes[HEADER_BYTES..])
}

#[test]
fn golden_bytes_of_a_request() {
    let request = Request { id: 7, verb: Verb::Kill { agent: "web/dev".into() } };
    let bytes = encode(Kind::Request, &request).unwrap();
    // magic "TS", version 2, kind 1, length 10, CRC-32, then: id 7, variant 8, length 7, "web/dev".
    assert_eq!(hex(&bytes), "545302010a000000101b2c340708077765622f646576");
    assert_eq!(parse(&bytes).unwrap(), request);
}

#[test]
fn golden_bytes_of_a_response() {
    let response = Response { id: 300, body: Body::Done("ok".into()) };
    let bytes = encode(Kind::Response, &response).unwrap();
    assert_eq!(hex(&bytes), "545302020700000013212635fb2c0101026f6b");
}

/// Readers that know no time to ask again read every error that has none, byte by byte as before.
#[test]
fn an_error_that_says_when_to_ask_again_has_a_form_of_its_own() {
    let error = UserError::new(Exit::Refused, "no").hint("x");
    let sent = |body: Body| encode(Kind::Response, &Response { id: 1, body: body.packed() }).unwrap();
    assert_eq!(hex(&sent(Body::Error(error.clone()))[HEADER_BYTES..]), "0100026e6f01017805");
    let later = error.clone().retry_after(Duration::from_millis(1500));
    assert_eq!(hex(&sent(Body::Error(later.clone()))[HEADER_BYTES..]), "0115026e6f01017805fbdc05");
    let batch = Body::Batch(vec![Submitted::Error(error), Submitted::Error(later)]);
    let bytes = sent(batch.clone());
    let header = Header::parse(bytes[..HEADER_BYTES].try_into().unwrap(), FRAME_BYTES_MAX).unwrap();
    let read: Response = decode(header, Kind::Response, &bytes[HEADER_BYTES..]).unwrap();
    assert_eq!(read.body.unpacked(), batch);
}

#[test]
fn each_part_of_a_frame_is_judged() {
    let good = encode(Kind::Request, &Request { id: 1, verb: Verb::Tree }).unwrap();
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        parse(&bytes).unwrap_err()
    };
    assert_eq!(with(0, b'X'), FrameError::Magic);
    assert_eq!(with(2, 9), FrameError::Version { theirs: 9 });
    assert_eq!(with(3, 77), FrameError::Kind(77));
    assert_eq!(with(3, 2), FrameError::Kind(2), "a response is no request");
    assert_eq!(
        with(7, 0xff),
        FrameError::TooLong { len: 0xff00_0002, max: crate::limits::REQUEST_BYTES_MAX }
    );
    assert_eq!(with(8, good[8] ^ 1), FrameError::Checksum);
    assert!(with(2, 9).to_string().contains("protocol 9, this tsup speaks 2"));
}

#[test]
fn bytes_left_over_are_refused() {
    let mut payload = encode(Kind::Request, &Request { id: 1, verb: Verb::Tree }).unwrap();
    payload.drain(..HEADER_BYTES);
    payload.push(0);
    let header = Header {
        kind: Kind::Request,
        len: u32::try_from(payload.len()).unwrap(),
        crc: crc32fast::hash(&payload),
    };
    let got = decode::<Request>(header, Kind::Request, &payload);
    assert!(matches!(got, Err(FrameError::Payload(why)) if why.contains("left over")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// Ten thousand malformed payloads under a correct header: an error or a value, never a panic.
    #[test]
    fn random_payloads_never_panic(payload in prop::collection::vec(any::<u8>(), 0..200)) {
        let header = Header {
            kind: Kind::Request,
            len: u32::try_from(payload.len()).unwrap(),
            crc: crc32fast::hash(&payload),
        };
        let _ = decode::<Request>(header, Kind::Request, &payload);
        let as_response = Header { kind: Kind::Response, ..header };
        let _ = decode::<Response>(as_response, Kind::Response, &payload);
    }

    /// Ten thousand random frames.
    #[test]
    fn random_frames_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = parse(&bytes);
    }
}
