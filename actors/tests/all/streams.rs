//! `ctl watch` under readers that are too slow: told what they missed, or cut off, at nobody's cost.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tsup_actors::fleet::profiles;
use tsup_actors::root::{self, Next, RootConfig, RunningRoot};
use tsup_core::event::{Event, Stamped};
use tsup_core::ids::SocketName;
use tsup_core::limits::{EVENT_RING, FRAME_BYTES_MAX, FRAME_WRITE_TIMEOUT};
use tsup_core::settings::Settings;
use tsup_core::wire::frame::{self, HEADER_BYTES, Header, Kind};
use tsup_core::wire::verb::{Body, Request, Response, Verb};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// A whole tree that watches a tmux server which is not there.
struct Tree {
    dir: tempfile::TempDir,
    root: RunningRoot,
}

impl Tree {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.tmux.sockets = vec![SocketName(dir.path().join("tmux").display().to_string())];
        // The senders may go: a tree goes on with what it was given last.
        let root = root::start(RootConfig {
            settings: watch::channel(Arc::new(settings)).1,
            home: dir.path().into(),
            socket: dir.path().join("ctl.sock"),
            hook_socket: dir.path().join("hook.sock"),
            log_dir: dir.path().into(),
            exe: "/nowhere".into(),
            cwd: "/".into(),
            profiles: watch::channel(Arc::new(profiles::shipped())).1,
            profile_complaints: watch::channel(Vec::new()).1,
            version: "test".into(),
        })
        .await
        .unwrap();
        root.ready().wait_for(|up| *up).await.unwrap();
        Tree { dir, root }
    }

    /// A client whose stream of all events has begun.
    async fn watch(&self, kinds: &[&str]) -> UnixStream {
        let mut stream = UnixStream::connect(self.dir.path().join("ctl.sock")).await.unwrap();
        let verb = Verb::Watch { kinds: kinds.iter().map(|k| (*k).to_owned()).collect() };
        stream.write_all(&frame::encode(Kind::Request, &Request { id: 1, verb }).unwrap()).await.unwrap();
        assert!(matches!(receive(&mut stream).await, Some(Body::Watching)));
        stream
    }

    /// More events than the ring holds and a socket takes, each of four kilobytes.
    fn flood(&self) {
        for n in 0..4 * EVENT_RING as u64 {
            let reason = "x".repeat(4096);
            let path = tsup_core::ids::ActorPath::root();
            self.root.bus().publish(Event::ActorRestarted { path, reason, restarts: n });
        }
        self.root.bus().publish(Event::Ready);
    }

    async fn stop(mut self) {
        self.root.drain();
        let end = tokio::time::timeout(PATIENCE, self.root.next()).await;
        assert!(matches!(end, Ok(Next::Ended(Ok(())))), "{end:?}");
    }
}

/// The next frame, at most after [`PATIENCE`]; `None` when the supervisor has closed the connection.
async fn receive(stream: &mut UnixStream) -> Option<Body> {
    let read = async {
        let mut header = [0; HEADER_BYTES];
        stream.read_exact(&mut header).await.ok()?;
        let header = Header::parse(&header, FRAME_BYTES_MAX).unwrap();
        let mut payload = vec![0; header.len as usize];
        stream.read_exact(&mut payload).await.ok()?;
        Some(frame::decode::<Response>(header, Kind::Response, &payload).unwrap().body)
    };
    tokio::time::timeout(PATIENCE, read).await.expect("the supervisor says something")
}

async fn event(stream: &mut UnixStream) -> Stamped {
    match receive(stream).await {
        Some(Body::Event(stamped)) => *stamped,
        other => panic!("no event: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_is_told_how_many_it_missed_whatever_kinds_it_asked_for() {
    let tree = Tree::new().await;
    for kinds in [&[][..], &["actor_restarted", "ready"]] {
        let mut slow = tree.watch(kinds).await;
        tree.flood();
        let first = event(&mut slow).await;
        let (mut seq, mut missed, mut last) = (first.seq, 0, first.event);
        while last != Event::Ready {
            let next = event(&mut slow).await;
            if let Event::Lagged { missed: here } = next.event {
                missed += here;
                assert_eq!(next.seq, seq + here, "its number is that of the last event that was missed");
            } else {
                assert_eq!(next.seq, seq + 1, "there is no gap but the one that was told");
            }
            (seq, last) = (next.seq, next.event);
        }
        assert!(missed > EVENT_RING as u64, "{kinds:?}: {missed}");
    }
    tree.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_reads_nothing_is_cut_off_and_others_go_on() {
    let tree = Tree::new().await;
    let deaf = tree.watch(&[]).await;
    let mut other = tree.watch(&["ready"]).await;
    tree.flood();
    while event(&mut other).await.event != Event::Ready {}
    let began = tokio::time::Instant::now();
    // Nothing is read here; that nobody is at the other end any more shows in writing.
    let cut_off = async {
        loop {
            deaf.writable().await.unwrap();
            match deaf.try_write(b"x") {
                Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(e) => return e.kind(),
            }
        }
    };
    let why = tokio::time::timeout(PATIENCE, cut_off).await.expect("it is cut off");
    assert_eq!(why, std::io::ErrorKind::BrokenPipe);
    assert!(began.elapsed() < 4 * FRAME_WRITE_TIMEOUT, "{:?}", began.elapsed());
    tree.root.bus().publish(Event::Ready);
    assert_eq!(event(&mut other).await.event, Event::Ready);
    tree.stop().await;
}
