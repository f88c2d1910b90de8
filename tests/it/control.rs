//! The control socket under attack: malformed frames, floods of connections, clients that do not read.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use tsup::daemon::limits::raise_open_files;
use tsup_core::limits::{CONNECTIONS_MAX, CONNECTIONS_RESERVED, SHORT_CONNECTION_MAX};
use tsup_core::wire::frame::{self, HEADER_BYTES, Header, Kind};
use tsup_core::wire::verb::{Body, Request, Response, Verb};

use crate::harness::{World, eventually};

fn connect(w: &World) -> UnixStream {
    let stream = UnixStream::connect(w.home().join("ctl.sock")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

pub(crate) fn answer(stream: &mut UnixStream) -> Option<Response> {
    let mut header = [0u8; HEADER_BYTES];
    stream.read_exact(&mut header).ok()?;
    let header = Header::parse(&header, u32::MAX).unwrap();
    let mut payload = vec![0; header.len as usize];
    stream.read_exact(&mut payload).ok()?;
    Some(frame::decode(header, Kind::Response, &payload).unwrap())
}

pub(crate) fn rss_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A small xorshift: the seed is printed by being in the source.
fn noise(seed: u64) -> impl FnMut() -> u64 {
    let mut x = seed;
    move || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x
    }
}

#[test]
fn ten_thousand_malformed_frames_leave_it_well() {
    let mut w = World::new();
    let pid = w.run();
    let good = frame::encode(Kind::Request, &Request { id: 1, verb: Verb::Status }).unwrap();
    let before = rss_kib(pid);
    let mut random = noise(0x5eed);
    for round in 0..10_000u32 {
        let mut bytes = good.clone();
        match round % 4 {
            // Anything at all.
            0 => bytes = (0..random() % 64).map(|_| random() as u8).collect(),
            // A huge announced length.
            1 => bytes[4..8].copy_from_slice(&(u32::MAX - round).to_le_bytes()),
            // A right frame around a wrong payload.
            2 => {
                let payload: Vec<u8> = (0..random() % 40).map(|_| random() as u8).collect();
                bytes.truncate(HEADER_BYTES);
                bytes[4..8].copy_from_slice(&(payload.len() as u32).to_le_bytes());
                bytes[8..12].copy_from_slice(&crc32fast::hash(&payload).to_le_bytes());
                bytes.extend(payload);
            }
            // One bit off.
            _ => {
                let at = random() as usize % bytes.len();
                bytes[at] ^= 1 << (random() % 8);
            }
        }
        let mut stream = connect(&w);
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    let grown = rss_kib(pid).saturating_sub(before);
    assert!(grown < 8 * 1024, "grew by {grown} KiB");
    assert_eq!(w.json(&["ctl", "status", "--json"])["pid"], pid);
}

#[test]
fn requests_are_pipelined_and_answers_carry_their_ids() {
    let mut w = World::new();
    w.run();
    let mut stream = connect(&w);
    for id in 1..=20 {
        let verb = if id % 2 == 0 { Verb::Tree } else { Verb::Status };
        stream.write_all(&frame::encode(Kind::Request, &Request { id, verb }).unwrap()).unwrap();
    }
    let mut ids: Vec<u64> = (0..20).map(|_| answer(&mut stream).unwrap().id).collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=20).collect::<Vec<_>>());
}

#[test]
fn what_was_asked_before_a_stream_is_answered_before_it() {
    let mut w = World::new();
    w.run();
    for _ in 0..200 {
        let mut stream = connect(&w);
        let ask = |id, verb| frame::encode(Kind::Request, &Request { id, verb }).unwrap();
        let mut asked: Vec<u8> = (1..=8).flat_map(|id| ask(id, Verb::Status)).collect();
        asked.extend(ask(9, Verb::Watch { kinds: vec!["draining".into()] }));
        stream.write_all(&asked).unwrap();
        // The stream is refused while another request is under way; either way nothing asked is forgotten.
        let mut got: Vec<u64> = (0..9).map(|_| answer(&mut stream).unwrap().id).collect();
        got.sort_unstable();
        assert_eq!(got, (1..=9).collect::<Vec<_>>());
    }
}

#[test]
fn a_file_in_the_sockets_place_stays() {
    let w = World::new();
    let file = w.dir.join("letter");
    std::fs::write(&file, "dear").unwrap();
    let out = w.command(&["run"]).env("TSUP_SOCKET", &file).output().unwrap();
    assert_eq!(out.status.code(), Some(5));
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(said.contains("letter is there and is no socket") && said.contains("hint: "), "{said}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "dear");
}

#[test]
fn another_protocol_version_is_told_both_versions() {
    let mut w = World::new();
    w.run();
    let mut bytes = frame::encode(Kind::Request, &Request { id: 1, verb: Verb::Status }).unwrap();
    bytes[2] = 42;
    let mut stream = connect(&w);
    stream.write_all(&bytes).unwrap();
    let Some(Response { body: Body::Error(e), .. }) = answer(&mut stream) else { panic!("no error") };
    let ours = format!("this tsup speaks {}", frame::VERSION);
    assert!(e.what.contains("42") && e.what.contains(&ours), "{e}");
}

#[test]
fn a_half_frame_is_given_up_and_a_crowd_leaves_a_place_for_the_administrator() {
    raise_open_files();
    let mut w = World::new();
    w.run();
    let good = frame::encode(Kind::Request, &Request { id: 1, verb: Verb::Status }).unwrap();
    let mut half = connect(&w);
    half.write_all(&good[..7]).unwrap();
    let mut crowd = Vec::new();
    for _ in 0..CONNECTIONS_MAX + 100 {
        match UnixStream::connect(w.home().join("ctl.sock")) {
            Ok(stream) => crowd.push(stream),
            Err(_) => break,
        }
    }
    // Places that are held in silence are given up for whoever comes with a request, at once.
    for _ in 0..5 {
        let out = w.tsup(&["ctl", "status"]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
    // The half frame is dropped after its time, with a word.
    let Some(Response { body: Body::Error(e), .. }) = answer(&mut half) else { panic!("no word") };
    assert!(e.what.contains("not complete"), "{e}");
}

#[test]
fn a_watcher_that_does_not_read_disturbs_nobody() {
    let mut w = World::new();
    let pid = w.run();
    let mut deaf = connect(&w);
    let watch = Request { id: 1, verb: Verb::Watch { kinds: Vec::new() } };
    deaf.write_all(&frame::encode(Kind::Request, &watch).unwrap()).unwrap();
    assert!(matches!(answer(&mut deaf), Some(Response { body: Body::Watching, .. })));
    let mut reader = w.watch(&[]);
    let before = rss_kib(pid);
    // Each drill makes an event; the deaf client's socket fills, the reader sees them all.
    let mut last = 0;
    for _ in 0..30 {
        assert!(w.tsup(&["ctl", "crash", "root/system/telemetry/registry"]).status.success());
        let event = reader
            .next("actor_restarted", |e| e["kind"] == "actor_restarted" || e["kind"] == "actor_quarantined");
        assert!(event["seq"].as_u64().unwrap() > last);
        last = event["seq"].as_u64().unwrap();
        if event["kind"] == "actor_quarantined" {
            break;
        }
    }
    assert!(rss_kib(pid).saturating_sub(before) < 16 * 1024);
}

#[test]
fn the_socket_is_private_and_another_user_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let mut w = World::new();
    w.run();
    let mode = |p: std::path::PathBuf| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(w.home()), 0o700);
    assert_eq!(mode(w.home().join("ctl.sock")), 0o600);
    if !rustix::process::geteuid().is_root() {
        eprintln!("not root: that another user is refused by its credentials cannot be tried here");
        return;
    }
    // Even with every mode opened, the kernel's word about the peer decides.
    for (path, mode) in [(w.dir.clone(), 0o755), (w.home(), 0o755), (w.home().join("ctl.sock"), 0o666)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let script = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.settimeout(10)\ns.connect(sys.argv[1])\n\
                  try:\n  s.sendall(bytes.fromhex(sys.argv[2]))\n  got=s.recv(1)\n\
                  except (BrokenPipeError,ConnectionResetError):\n  got=b''\n\
                  sys.exit(9 if got else 0)";
    let good = frame::encode(Kind::Request, &Request { id: 1, verb: Verb::Status }).unwrap();
    let hex: String = good.iter().fold(String::new(), |text, b| text + &format!("{b:02x}"));
    let python = |uid: &str| {
        std::process::Command::new("setpriv")
            .args(["--reuid", uid, "--clear-groups", "/usr/bin/env", "python3", "-c", script])
            .arg(w.home().join("ctl.sock"))
            .arg(&hex)
            .output()
            .unwrap()
    };
    let foreign = python("65534");
    assert_eq!(foreign.status.code(), Some(0), "{}", String::from_utf8_lossy(&foreign.stderr));
    assert_eq!(python("0").status.code(), Some(9), "the same request of the owner is answered");
}

#[test]
fn an_audit_log_that_cannot_be_written_shows_in_the_status() {
    let mut w = World::new();
    w.run();
    std::fs::create_dir_all(w.home().join("log/audit.jsonl")).unwrap();
    assert!(w.tsup(&["ctl", "crash", "root/system/telemetry/resources"]).status.success());
    eventually("status tells it", || {
        let degraded = w.json(&["ctl", "status", "--json"])["degraded"].to_string();
        (degraded.contains("audit.jsonl") && degraded.contains("lost")).then_some(())
    });
    std::fs::remove_dir(w.home().join("log/audit.jsonl")).unwrap();
    eventually("a line that arrives heals it", || {
        let _ = w.tsup(&["ctl", "crash", "root/system/telemetry/resources"]);
        (w.json(&["ctl", "status", "--json"])["degraded"].to_string().contains("audit.jsonl"))
            .then_some(())
            .xor(Some(()))
    });
}

#[test]
fn what_nobody_is_called_takes_no_room_in_the_audit_log() {
    let mut w = World::new();
    w.run();
    for verb in ["crash", "kill", "pause"] {
        let out = w.tsup(&["ctl", verb, &"x".repeat(100_000)]);
        assert_eq!(out.status.code(), Some(4), "{verb}");
        assert!(out.stderr.len() < 1024, "{verb}: what is said is bounded, too");
    }
    let log = eventually("the audit lines", || {
        let log = std::fs::read_to_string(w.home().join("log/audit.jsonl")).ok()?;
        (log.lines().count() == 3).then_some(log)
    });
    assert!(log.len() < 3 * 1024, "{} bytes", log.len());
}

/// An agent that goes on when its pane is closed, until the file `go` in the world's folder is there.
fn stubborn(w: &World) -> impl Fn() + use<> {
    let (go, deaf) = (w.dir.join("go"), w.dir.join("deaf"));
    let script =
        format!("trap '' HUP; : > {}; while [ ! -e {} ]; do sleep 0.1; done", deaf.display(), go.display());
    w.json(&["ctl", "spawn", "web/dev", "--agent", "x", "--json", "--", "bash", "-c", &script]);
    eventually("it hears no hangup", || deaf.exists().then_some(()));
    move || std::fs::write(&go, "").unwrap()
}

fn kill_frame() -> Vec<u8> {
    let verb = Verb::Kill { agent: "web/dev".into() };
    frame::encode(Kind::Request, &Request { id: 1, verb }).unwrap()
}

/// The audit line of the kill. An outcome is in it only when somebody waited for it.
fn kill_is_audited(w: &World) {
    let line = eventually("the audit line of the kill", || {
        let log = std::fs::read_to_string(w.home().join("log/audit.jsonl")).ok()?;
        log.lines().find(|line| line.contains("\"kill\"")).map(str::to_owned)
    });
    assert!(line.contains("\"done\"") && line.contains("web/dev"), "{line}");
}

#[test]
fn what_was_asked_before_nonsense_is_done_to_its_end_and_audited() {
    let mut w = World::new();
    w.run();
    let go = stubborn(&w);
    let mut stream = connect(&w);
    stream.write_all(&kill_frame()).unwrap();
    eventually("its pane is closed", || (!w.tmux(&["list-panes", "-a"]).contains('%')).then_some(()));
    stream.write_all(b"this is no frame").unwrap();
    let Some(Response { body: Body::Error(_), .. }) = answer(&mut stream) else { panic!("no word") };
    go();
    kill_is_audited(&w);
}

#[test]
fn what_was_asked_on_a_reserved_place_is_answered_however_long_it_takes() {
    let mut w = World::new();
    w.run();
    raise_open_files();
    let go = stubborn(&w);
    let crowd: Vec<UnixStream> = (0..CONNECTIONS_MAX - CONNECTIONS_RESERVED).map(|_| connect(&w)).collect();
    let mut stream = connect(&w);
    stream.write_all(&kill_frame()).unwrap();
    stream.set_read_timeout(Some(SHORT_CONNECTION_MAX + Duration::from_secs(1))).unwrap();
    let silence = stream.read(&mut [0; 1]).map_err(|e| e.kind());
    assert_eq!(silence, Err(std::io::ErrorKind::WouldBlock), "it is open, and not answered yet");
    go();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let Some(Response { body, .. }) = answer(&mut stream) else { panic!("no answer") };
    assert!(!matches!(body, Body::Error(_)), "{body:?}");
    kill_is_audited(&w);
    drop(crowd);
}
