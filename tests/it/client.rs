//! `tsup ctl` against a supervisor whose answers are known.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tsup_core::clock::Wall;
use tsup_core::error::{Exit, UserError};
use tsup_core::event::{Event, Stamped};
use tsup_core::fleet::state::AgentState;
use tsup_core::ids::{AgentId, JobId, SocketName};
use tsup_core::limits::FRAME_BYTES_MAX;
use tsup_core::tes::job::JobState;
use tsup_core::tes::kept::{JobRow, NewJob};
use tsup_core::tes::show;
use tsup_core::wire::doc::jobs::{JobAnswer, JobDoc, JobsDoc};
use tsup_core::wire::doc::{AgentDoc, AgentsDoc, VERSION};
use tsup_core::wire::frame::{self, HEADER_BYTES, Header, Kind};
use tsup_core::wire::verb::{Body, Request, Response, Verb};

use crate::command::Place;

/// Listens at the place's control socket and hands each request to `answer`, which writes.
fn supervisor(place: &Place, answer: impl Fn(Request, &mut UnixStream) + Send + 'static) {
    std::fs::create_dir_all(place.home()).unwrap();
    let listener = UnixListener::bind(place.home().join("ctl.sock")).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; HEADER_BYTES];
            if stream.read_exact(&mut head).is_err() {
                continue;
            }
            let header = Header::parse(&head, FRAME_BYTES_MAX).unwrap();
            let mut payload = vec![0; header.len as usize];
            stream.read_exact(&mut payload).unwrap();
            answer(frame::decode(header, Kind::Request, &payload).unwrap(), &mut stream);
        }
    });
}

fn send(stream: &mut UnixStream, id: u64, body: Body) -> std::io::Result<()> {
    stream.write_all(&frame::encode(Kind::Response, &Response { id, body }).unwrap())
}

fn event(seq: u64) -> Body {
    Body::Event(Box::new(Stamped { at: Wall::from_unix_ms(0), seq, event: Event::Ready }))
}

fn agents() -> AgentsDoc {
    let agent = AgentDoc {
        id: AgentId::owned(&SocketName("default".into()), "web", "dev"),
        session: "web".into(),
        name: "dev".into(),
        role: None,
        agent: "claude".into(),
        pane: "%3".into(),
        pid: None,
        state: AgentState::Idle,
        detail: None,
        since: Wall::from_unix_ms(0),
        confidence: 0.5,
        owned: false,
        paused: false,
        relaunches: 0,
        cpu_percent: None,
        rss_bytes: None,
        last_activity: None,
        title: "\x1b]0;x\x07".into(),
        context_percent: None,
        context_tokens: None,
        input_tokens: None,
        output_tokens: None,
        limit_resets_at: None,
    };
    AgentsDoc { version: VERSION, agents: vec![agent] }
}

#[test]
fn agents_as_document_and_as_table() {
    let place = Place::new();
    supervisor(&place, |request, stream| {
        assert_eq!(request.verb, Verb::Agents);
        send(stream, request.id, Body::Agents(agents())).unwrap();
    });
    let document = place.tsup(&["ctl", "agents", "--json"]).json();
    assert_eq!(document["version"], 1);
    let agent = document["agents"][0].as_object().unwrap();
    let mut keys: Vec<&str> = agent.keys().map(String::as_str).collect();
    keys.sort_unstable();
    let contract = "agent confidence context_percent context_tokens cpu_percent detail id input_tokens last_activity \
                    limit_resets_at name output_tokens owned pane paused pid relaunches role rss_bytes session since \
                    state title";
    assert_eq!(keys, contract.split_whitespace().collect::<Vec<_>>());
    assert!(agent["role"].is_null() && agent["pid"].is_null());
    assert_eq!(agent["since"], "1970-01-01T00:00:00.000Z");
    let table = place.tsup(&["ctl", "agents"]);
    assert_eq!(table.code, 0);
    assert!(table.out.starts_with("SESSION  NAME"), "{}", table.out);
    assert!(table.out.contains("\\u{1b}]0;x"), "{}", table.out);
}

#[test]
fn what_the_supervisor_refuses_exits_as_it_says() {
    let place = Place::new();
    supervisor(&place, |request, stream| {
        let exit = if request.verb.changes() { Exit::Refused } else { Exit::NotFound };
        let error = UserError::new(exit, format!("no {}", request.verb.name())).hint("look");
        send(stream, request.id, Body::Error(error)).unwrap();
    });
    for (args, code) in [
        (&["capture", "x"][..], 4),
        (&["kill", "x"], 5),
        (&["spawn", "a/b", "--agent", "claude", "--", "-x"], 5),
        (&["pause", "x", "--for", "15m"], 5),
    ] {
        let done = place.tsup(&[&["ctl"], args].concat());
        assert_eq!((done.code, done.out.as_str()), (code, ""), "{args:?}");
        assert_eq!(done.err, format!("tsup: no {}\n  hint: look\n", args[0]));
    }
}

#[test]
fn a_watch_prints_lines_and_ends_in_order_with_ctrl_c() {
    let place = Place::new();
    supervisor(&place, |request, stream| {
        assert_eq!(request.verb, Verb::Watch { kinds: vec!["ready".into(), "draining".into()] });
        send(stream, request.id, Body::Watching).unwrap();
        send(stream, request.id, event(1)).unwrap();
        // Until the client goes.
        let _ = stream.read(&mut [0; 1]);
    });
    let mut command = place.command(&["ctl", "watch", "--kind", "ready"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "{\"at\":\"1970-01-01T00:00:00.000Z\",\"kind\":\"ready\",\"seq\":1}\n");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let done = child.wait_with_output().unwrap();
    assert_eq!((done.status.code(), done.stderr), (Some(0), vec![]));
}

#[test]
fn a_watch_ends_with_its_reader_and_with_its_supervisor() {
    let place = Place::new();
    supervisor(&place, |request, stream| {
        send(stream, request.id, Body::Watching).unwrap();
        let mut seq = 0;
        while seq < 100_000 && send(stream, request.id, event(seq)).is_ok() {
            seq += 1;
        }
    });
    let mut command = place.command(&["ctl", "watch"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    // The reader is dropped here: what is printed next finds nobody.
    let done = child.wait_with_output().unwrap();
    assert_eq!((done.status.code(), done.stderr), (Some(0), vec![]));

    let place = Place::new();
    supervisor(&place, |request, stream| send(stream, request.id, Body::Watching).unwrap());
    let done = place.tsup(&["ctl", "watch"]);
    assert_eq!(done.code, 3, "a supervisor that goes without a word is missed");
    let place = Place::new();
    supervisor(&place, |request, stream| {
        send(stream, request.id, Body::Watching).unwrap();
        let last = Stamped { at: Wall::from_unix_ms(0), seq: 9, event: Event::Draining };
        send(stream, request.id, Body::Event(Box::new(last))).unwrap();
    });
    assert_eq!(place.tsup(&["ctl", "watch"]).code, 0);
}

fn job(state: JobState) -> JobDoc {
    let job = NewJob::plain(JobId::drawn(7), 1, "t/x");
    show::doc(JobRow { state, ..JobRow::new(job) }, None)
}

#[test]
fn a_job_is_waited_for_though_its_supervisor_goes_as_soon_as_it_took_it_in() {
    let place = Place::new();
    let (socket, away) = (place.home().join("ctl.sock"), place.home().join("ctl.away"));
    let paths = (socket.clone(), away.clone());
    supervisor(&place, move |request, stream| {
        let body = match request.verb {
            Verb::Submit(_) => {
                std::fs::rename(&paths.0, &paths.1).unwrap();
                Body::Job(Box::new(JobAnswer { version: VERSION, job: job(JobState::Queued) }))
            }
            Verb::Wait { .. } => {
                Body::Jobs(JobsDoc { version: VERSION, jobs: vec![job(JobState::Succeeded)], more: false })
            }
            other => panic!("{other:?}"),
        };
        send(stream, request.id, body).unwrap();
    });
    for how in ["--wait", "--follow"] {
        let mut submit = place.command(&["ctl", "submit", "t/x", how]);
        submit.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut submit = submit.spawn().unwrap();
        let lines = BufReader::new(submit.stderr.take().unwrap()).lines();
        let told: Vec<String> = lines
            .map(Result::unwrap)
            .inspect(|line| {
                // It comes back once it is missed.
                if line.contains("went away") {
                    let _ = std::fs::rename(&away, &socket);
                }
            })
            .collect();
        assert!(submit.wait().unwrap().success(), "{how}: {told:?}");
        assert_eq!(told[0], format!("tsup: job {}", job(JobState::Queued).id), "{how}: {told:?}");
        assert!(told.iter().any(|line| line.contains("went away")), "{how}: {told:?}");
    }
}
