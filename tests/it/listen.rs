//! `tsup listen`: what is sent to it is what it prints.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;

use crate::command::Place;

#[test]
fn lines_are_printed_escaped_and_the_summary_comes_at_the_end() {
    let place = Place::new();
    let path = place.path().join("statsd.sock");
    let address = format!("unix://{}", path.display());
    for summary in [false, true] {
        let mut args = vec!["listen", "--statsd", &address, "--for", "20s"];
        args.extend(summary.then_some("--summary"));
        args.extend(summary.then_some("--json"));
        let mut command = place.command(&args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = String::new();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        errors.read_line(&mut told).unwrap();
        assert!(told.starts_with("listening on unix:///"), "{told}");
        let sender = UnixDatagram::unbound().unwrap();
        sender.send_to(b"tsup.a:2|c\ntsup.\x1b[31m:1|c\n", &path).unwrap();
        sender.send_to(b"tsup.a:1|c|@0.5", &path).unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        if !summary {
            let lines: Vec<String> = out.by_ref().lines().take(3).map(Result::unwrap).collect();
            assert_eq!(lines, ["tsup.a:2|c", "tsup.\\u{1b}[31m:1|c", "tsup.a:1|c|@0.5"]);
        }
        let pid = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(!path.exists(), "the socket is cleared away");
        if summary {
            let doc: serde_json::Value = serde_json::from_str(&rest).unwrap();
            assert_eq!(doc["counters"]["tsup.a"], 4.0);
            assert_eq!((doc["version"].as_u64(), doc["lines"].as_u64()), (Some(1), Some(3)));
        }
    }
}

#[test]
fn an_address_in_use_is_said_with_what_to_do() {
    let place = Place::new();
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let done = place.tsup(&["listen", "--statsd", &taken.local_addr().unwrap().to_string()]);
    assert_eq!(done.code, 1);
    assert!(done.err.contains("hint: another receiver is there"), "{}", done.err);
    assert_eq!(place.tsup(&["listen", "--statsd", "tcp://127.0.0.1:1"]).code, 2);
}
