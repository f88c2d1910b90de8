//! The client against supervisors that misbehave.

use std::os::unix::net::UnixListener;
use std::thread::JoinHandle;

use tsup_core::wire::doc::{TreeDoc, VERSION};

use super::*;

/// Serves one connection: reads the request when told to, writes these bytes, closes.
fn serve(reads: bool, answer: Vec<u8>) -> (tempfile::TempDir, Client, JoinHandle<Option<Verb>>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut verb = None;
        if reads {
            let mut head = [0; HEADER_BYTES];
            stream.read_exact(&mut head).unwrap();
            let header = Header::parse(&head, FRAME_BYTES_MAX).unwrap();
            let mut payload = vec![0; header.len as usize];
            stream.read_exact(&mut payload).unwrap();
            let request: Request = frame::decode(header, Kind::Request, &payload).unwrap();
            verb = Some(request.verb);
        }
        stream.write_all(&answer).unwrap();
        verb
    });
    let client = Client::connect(&path).unwrap();
    (dir, client, server)
}

fn answer(id: u64, body: Body) -> Vec<u8> {
    frame::encode(Kind::Response, &Response { id, body }).unwrap()
}

#[test]
fn asks_and_gets() {
    let (_dir, mut client, server) = serve(true, answer(1, Body::Done("well".into())));
    assert_eq!(client.ask(Verb::Reload).unwrap(), Body::Done("well".into()));
    assert_eq!(server.join().unwrap(), Some(Verb::Reload));
    assert_eq!(client.receive().unwrap(), None);
}

#[test]
fn what_starts_or_ends_an_agent_is_waited_for_as_long_as_the_supervisor_waits() {
    let slow = Verb::Restart { agent: "x".into() };
    assert!(patience(&slow) > Some(START_WAIT + CALL_TIMEOUT));
    assert_eq!(patience(&Verb::Drain { for_ms: None }), None);
    assert_eq!(patience(&Verb::Cancel { job: "x".into() }), None);
    let day = 24 * 3_600_000;
    assert!(patience(&Verb::Wait { jobs: Vec::new(), for_ms: Some(day) }) > Some(Duration::from_millis(day)));
    // Longer than a clock can count is still no panic.
    assert!(patience(&Verb::Drain { for_ms: Some(u64::MAX) }) > Some(Duration::from_millis(day)));
    assert!(patience(&Verb::Tree) < patience(&slow));
}

#[test]
fn an_error_of_the_supervisor_is_its_own() {
    let error = UserError::new(Exit::NotFound, "there is no agent `x`");
    let (_dir, mut client, _server) = serve(true, answer(1, Body::Error(error.clone())));
    assert_eq!(client.ask(Verb::Kill { agent: "x".into() }).unwrap_err(), error);
}

#[test]
fn a_refusal_before_the_question_is_heard() {
    let error = UserError::new(Exit::Refused, "too many connections");
    let (_dir, mut client, server) = serve(false, answer(0, Body::Error(error.clone())));
    server.join().unwrap();
    assert_eq!(client.ask(Verb::Tree).unwrap_err(), error);
}

#[test]
fn what_is_no_answer_is_said_to_be_none() {
    let mut other_version = answer(1, Body::Watching);
    other_version[2] = 9;
    let mut broken = answer(1, Body::Watching);
    broken[8] ^= 1;
    let whole = answer(1, Body::Done("x".repeat(1000)));
    let cases = [
        (vec![], Exit::NoSupervisor, "closed the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), Exit::Failed, "not a tsup frame"),
        (other_version, Exit::Failed, "protocol 9"),
        (broken, Exit::Failed, "checksum"),
        (whole[..100].to_vec(), Exit::NoSupervisor, "closed the connection"),
        (answer(7, Body::Watching), Exit::Bug, "not asked"),
    ];
    for (bytes, exit, says) in cases {
        let (_dir, mut client, _server) = serve(true, bytes);
        let error = client.ask(Verb::Status).unwrap_err();
        assert_eq!((error.exit, error.what.contains(says)), (exit, true), "{error:?}");
    }
}

#[test]
fn nobody_there_is_exit_3() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    assert_eq!(Client::connect(&path).unwrap_err().exit, Exit::NoSupervisor);
    drop(UnixListener::bind(&path).unwrap());
    let error = Client::connect(&path).unwrap_err();
    assert_eq!(error.exit, Exit::NoSupervisor);
    assert!(error.hint.unwrap().contains("tsup start"));
}

#[test]
fn an_answer_of_the_wrong_kind_is_a_bug() {
    let doc = TreeDoc {
        version: VERSION,
        root: tsup_core::wire::doc::Node {
            path: "root".into(),
            kind: tsup_core::wire::doc::NodeKind::Supervisor,
            strategy: None,
            state: tsup_core::wire::doc::NodeState::Running,
            restarts: 0,
            restarts_in_window: 0,
            uptime_seconds: 0.0,
            next_restart_in_seconds: None,
            last_error: None,
            mailbox: tsup_core::wire::doc::MailboxDoc::default(),
            children: vec![],
        },
    };
    assert_eq!(crate::ctl::unexpected(&Body::Tree(doc)).exit, Exit::Bug);
}
