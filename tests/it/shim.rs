//! Attempts under real shims: what they leave on disk, and what of them survives whom.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tsup_actors::tes::shim::files;
use tsup_actors::tes::shim::traces::Traces;
use tsup_core::ids::JobId;
use tsup_core::tes::attempt::plan::{News, Order, Plan};
use tsup_core::tes::attempt::watch::Bounds;
use tsup_core::tes::attempt::{AttemptId, Cause, End, Found, Known, Record, Recovery, recover};
use tsup_core::tes::sandbox::Fence;
use tsup_core::wire::frame::{self, HEADER_BYTES, Header, Kind};

use crate::harness::{alive, eventually};

const BOOT: &str = "this boot";
/// Why one that waited for room did not start.
pub(crate) const CALLED_BACK: i32 = rustix::io::Errno::CANCELED.raw_os_error();

/// A shim server, and the folder of its jobs.
pub(crate) struct Server {
    pub(crate) jobs: TempDir,
    stream: UnixStream,
    child: Child,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::start(|_| {})
    }

    /// A server that is started in a way of its own.
    pub(crate) fn start(how: impl FnOnce(&mut Command)) -> Self {
        let (stream, theirs) = UnixStream::pair().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tsup"));
        command.arg("shims").stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null());
        how(&mut command);
        let child = command.spawn().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Server { jobs: TempDir::new().unwrap(), stream, child }
    }

    pub(crate) fn number(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn id(job: u64) -> AttemptId {
        AttemptId { job: JobId::drawn(job), attempt: 1, epoch: 0 }
    }

    pub(crate) fn folder(&self, id: AttemptId) -> PathBuf {
        files::folder(self.jobs.path(), id)
    }

    /// A shell script, bounded by a minute.
    pub(crate) fn plan(&self, job: u64, script: &str) -> Plan {
        let id = Self::id(job);
        Plan {
            id,
            boot_id: BOOT.into(),
            traces: self.jobs.path().join("attempts").to_str().unwrap().into(),
            slot: job as u32,
            order: 1,
            slots: 1,
            within: u32::MAX,
            folder: self.folder(id).to_str().unwrap().into(),
            tmp: self.jobs.path().join(format!("tmp/{job}")).to_str().unwrap().into(),
            program: "sh".into(),
            argv: vec!["-c".into(), script.into()],
            env: vec![("PATH".into(), std::env::var("PATH").unwrap())],
            cwd: self.jobs.path().to_str().unwrap().into(),
            stdin: None,
            bounds: Bounds {
                run: Some(Duration::from_secs(60)),
                silence: None,
                grace: Duration::from_millis(300),
                memory_bytes: None,
                processes: None,
            },
            keep_bytes: 1024 * 1024,
            cpu: None,
            file_bytes: None,
            fence: Fence::default(),
        }
    }

    pub(crate) fn traces(&self) -> Traces {
        Traces::make(&self.jobs.path().join("attempts")).unwrap()
    }

    pub(crate) fn order(&mut self, order: &Order) {
        self.stream.write_all(&frame::encode(Kind::Request, order).unwrap()).unwrap();
    }

    /// Orders that come together.
    pub(crate) fn orders(&mut self, orders: &[Order]) {
        let frames = orders.iter().flat_map(|order| frame::encode(Kind::Request, order).unwrap());
        self.stream.write_all(&frames.collect::<Vec<u8>>()).unwrap();
    }

    pub(crate) fn news(&mut self) -> News {
        let mut header = [0; HEADER_BYTES];
        self.stream.read_exact(&mut header).unwrap();
        let header = Header::parse(&header, 16 * 1024).unwrap();
        let mut payload = vec![0; header.len as usize];
        self.stream.read_exact(&mut payload).unwrap();
        frame::decode(header, Kind::Response, &payload).unwrap()
    }

    pub(crate) fn found(&self, id: AttemptId) -> Found {
        self.traces().look(id.job.number() as u32, id).unwrap()
    }

    /// Runs an attempt to its end; answers its record.
    pub(crate) fn run(&mut self, plan: Plan) -> Record {
        let id = plan.id;
        self.order(&Order::Start(Box::new(plan)));
        let News::Done(record) = self.news() else { panic!("it has not ended") };
        // What is told stands in its place too; fractions of seconds lose a digit there.
        let kept = self.found(id).record.expect("an attempt that ended has its record");
        assert_eq!((record.id, &record.end, record.ended_at), (id, &kept.end, kept.ended_at));
        *record
    }

    pub(crate) fn printed(&self, job: u64, name: &str) -> Vec<u8> {
        std::fs::read(self.folder(Self::id(job)).join(name)).unwrap_or_default()
    }

    /// What a supervisor makes of what is found.
    pub(crate) fn recovery(&self, id: AttemptId) -> Recovery {
        recover(Known { id, started_in: BOOT, begun: true }, self.found(id), BOOT)
    }

    /// The pid that a script wrote into a file of the jobs' folder.
    pub(crate) fn pid(&self, file: &str) -> u32 {
        eventually("a script writes its pid", || {
            std::fs::read_to_string(self.jobs.path().join(file)).ok()?.trim().parse().ok()
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_attempt_leaves_its_record_and_what_it_printed() {
    let mut s = Server::new();
    let mut plan = s.plan(1, "cat; echo talk >&2; printf '\\000\\377'; exit 3");
    plan.stdin = Some("{\"a\": 1}".into());
    let record = s.run(plan);
    assert_eq!((record.end, record.cause, record.left_behind), (End::Exited(3), None, 0));
    assert_eq!((record.stdout_bytes, record.stderr_bytes, record.truncated), (10, 5, false));
    assert_eq!(s.printed(1, "stdout"), b"{\"a\": 1}\x00\xff");
    assert_eq!(s.printed(1, "stderr"), b"talk\n");
    assert!(record.used.peak_memory_bytes > 0 && record.wall_seconds > 0.0);
    let killed = s.run(s.plan(2, "kill -SEGV $$"));
    assert_eq!(killed.end, End::Signalled(11));
}

#[test]
fn arguments_are_literal_and_the_environment_is_what_was_given() {
    let mut s = Server::new();
    let mut plan = s.plan(1, "");
    plan.program = "printf".into();
    plan.argv = ["%s|", "; touch x", "$(id)", "-n", "a\nb"].map(String::from).to_vec();
    s.run(plan);
    assert_eq!(s.printed(1, "stdout"), b"; touch x|$(id)|-n|a\nb|");
    s.run(s.plan(2, "env | grep -v ^PWD= | grep -v ^_= | grep -v ^SHLVL= | sort"));
    assert!(s.printed(2, "stdout").starts_with(b"PATH="), "{:?}", s.printed(2, "stdout"));
    assert_eq!(String::from_utf8(s.printed(2, "stdout")).unwrap().lines().count(), 1);
}

#[test]
fn what_cannot_start_says_why() {
    let mut s = Server::new();
    let mut plan = s.plan(1, "");
    plan.program = "/nowhere/at/all".into();
    let End::NotStarted { step, errno, .. } = s.run(plan).end else { panic!("it started") };
    assert_eq!((step.as_str(), errno), ("exec", 2));
    let mut plan = s.plan(2, "true");
    plan.cwd = "/nowhere".into();
    assert!(matches!(s.run(plan).end, End::NotStarted { errno: 2, .. }));
}

#[test]
fn a_timeout_ends_the_whole_tree() {
    let mut s = Server::new();
    // It ignores TERM, and so does what it leaves in a session of its own.
    let mut plan =
        s.plan(1, "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ > deep; sleep 300' & wait; sleep 300");
    plan.bounds.run = Some(Duration::from_secs(1));
    s.order(&Order::Start(Box::new(plan)));
    let deep = s.pid("deep");
    let News::Done(record) = s.news() else { panic!("it has not ended") };
    assert_eq!((record.cause, record.end), (Some(Cause::Timeout), End::Signalled(9)));
    assert!(!alive(deep), "a process of the tree outlived its attempt");
}

#[test]
fn a_script_that_is_asked_to_end_can_do_so() {
    let mut s = Server::new();
    // Whoever does not listen is killed after the grace, which is longer than the test's patience.
    let mut plan = s.plan(1, "exec sleep 300");
    (plan.bounds.run, plan.bounds.grace) = (Some(Duration::from_millis(300)), Duration::from_secs(200));
    let record = s.run(plan);
    assert_eq!((record.cause, record.end), (Some(Cause::Timeout), End::Signalled(15)));
    let mut plan = s.plan(2, "trap 'echo tidied; exit 7' TERM; while :; do sleep 0.05; done");
    (plan.bounds.run, plan.bounds.grace) = (Some(Duration::from_millis(300)), Duration::from_secs(200));
    plan.cpu = Some(Duration::from_secs(60));
    let record = s.run(plan);
    assert_eq!((record.cause, record.end, record.stdout_bytes), (Some(Cause::Timeout), End::Exited(7), 7));
}

#[test]
fn silence_and_memory_are_bounds_too() {
    let mut s = Server::new();
    let mut plan = s.plan(1, "for n in 1 2 3; do echo $n; sleep 0.2; done; sleep 300");
    plan.bounds.silence = Some(Duration::from_secs(1));
    let record = s.run(plan);
    assert_eq!((record.cause, record.stdout_bytes), (Some(Cause::Silence), 6));
    let mut plan = s.plan(2, "x=$(head -c 80000000 /dev/zero | tr '\\000' x); sleep 300");
    plan.bounds.memory_bytes = Some(40_000_000);
    let record = s.run(plan);
    assert_eq!(record.cause, Some(Cause::Memory));
    assert!(record.used.peak_memory_bytes > 40_000_000);
}

#[test]
fn who_holds_the_pipe_does_not_hold_the_job() {
    let mut s = Server::new();
    let record = s.run(s.plan(1, "setsid sleep 300 & echo $! > left; echo done"));
    assert_eq!((record.end, record.cause, record.left_behind), (End::Exited(0), None, 1));
    assert!(!alive(s.pid("left")));
    assert_eq!(s.printed(1, "stdout"), b"done\n");
}

#[test]
fn a_flood_is_cut_and_its_end_is_kept() {
    let mut s = Server::new();
    let mut plan = s.plan(1, "head -c 50000000 /dev/zero; printf END");
    plan.keep_bytes = 1000;
    let record = s.run(plan);
    assert_eq!((record.stdout_bytes, record.truncated), (50_000_003, true));
    assert_eq!(s.printed(1, "stdout").len(), 1000);
    assert!(s.printed(1, "tail").is_empty());
    let tail = s.printed(1, "stdout.tail");
    assert!(tail.len() <= 65_536 && tail.ends_with(b"END"), "{}", tail.len());
}

#[test]
fn an_order_to_stop_cancels_once() {
    let mut s = Server::new();
    s.order(&Order::Start(Box::new(s.plan(1, "echo $$ > pid; sleep 300"))));
    let pid = s.pid("pid");
    s.order(&Order::Stop(Server::id(1)));
    s.order(&Order::Stop(Server::id(2)));
    let News::Done(record) = s.news() else { panic!("it has not ended") };
    assert_eq!((record.cause, record.end), (Some(Cause::Cancel), End::Signalled(15)));
    assert!(!alive(pid));
}

/// Wherever the order is by then: with the server, on its way to a shim that waits, or taken by that.
#[test]
fn a_stop_right_behind_its_order_is_heard() {
    let mut s = Server::new();
    s.run(s.plan(1, "true"));
    for job in 2..40 {
        let order = Order::Start(Box::new(s.plan(job, "exec sleep 300")));
        let [start, stop] =
            [order, Order::Stop(Server::id(job))].map(|order| frame::encode(Kind::Request, &order).unwrap());
        if job % 4 == 0 {
            s.stream.write_all(&[start, stop].concat()).unwrap();
        } else {
            s.stream.write_all(&start).unwrap();
            let until = Instant::now() + Duration::from_micros(job * 10);
            while Instant::now() < until {}
            s.stream.write_all(&stop).unwrap();
        }
        match s.news() {
            News::Done(record) => assert_eq!(record.cause, Some(Cause::Cancel), "{record:?}"),
            News::NotStarted(id, CALLED_BACK) => assert_eq!(id, Server::id(job)),
            other => panic!("it was told {other:?}"),
        }
    }
}

/// A stopped process keeps no time and hears nothing: neither a script nor a person makes a job that never ends.
#[test]
fn a_shim_that_was_stopped_goes_on() {
    let mut s = Server::new();
    let mut plan = s.plan(1, "kill -STOP $PPID; exec sleep 300");
    plan.bounds.run = Some(Duration::from_millis(300));
    assert_eq!(s.run(plan).cause, Some(Cause::Timeout));
    // One that waits, too.
    s.run(s.plan(2, "echo $PPID > shim"));
    let shim = rustix::process::Pid::from_raw(s.pid("shim").cast_signed()).unwrap();
    rustix::process::kill_process(shim, rustix::process::Signal::STOP).unwrap();
    assert_eq!(s.run(s.plan(3, "true")).end, End::Exited(0));
}

#[test]
fn an_attempt_is_claimed_once() {
    let mut s = Server::new();
    s.run(s.plan(1, "echo once >> ran"));
    assert!(matches!(s.recovery(Server::id(1)), Recovery::Collect(_)));
    let file = std::fs::File::options().write(true).open(s.jobs.path().join("attempts")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0; 3072], 2 * 4096 + 1024).unwrap();
    s.order(&Order::Start(Box::new(s.plan(1, "echo twice >> ran"))));
    assert_eq!(s.news(), News::Ended(Server::id(1)));
    assert_eq!(std::fs::read_to_string(s.jobs.path().join("ran")).unwrap(), "once\n");
    assert!(matches!(s.recovery(Server::id(1)), Recovery::Interrupted(_)));
}

#[test]
fn an_attempt_outlives_its_server_and_its_supervisor() {
    let mut s = Server::new();
    let id = Server::id(1);
    s.order(&Order::Start(Box::new(s.plan(1, "echo $$ > pid; read line < go; echo $line"))));
    let fifo = s.jobs.path().join("go");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    s.pid("pid");
    assert_eq!(s.recovery(id), Recovery::Adopt);
    s.child.kill().unwrap();
    s.child.wait().unwrap();
    assert_eq!(s.recovery(id), Recovery::Adopt);
    std::fs::write(&fifo, "on\n").unwrap();
    let record = eventually("its record is there", || match s.recovery(id) {
        Recovery::Collect(record) => Some(record),
        _ => None,
    });
    assert_eq!((record.end, s.printed(1, "stdout")), (End::Exited(0), b"on\n".to_vec()));
}

#[test]
fn a_killed_shim_is_an_interrupted_attempt() {
    let mut s = Server::new();
    let id = Server::id(1);
    s.order(&Order::Start(Box::new(s.plan(1, "setsid sh -c 'echo $$ > pid; sleep 300' & wait"))));
    let pid = s.pid("pid");
    let shim = s.found(id).claim.unwrap().shim;
    let kill = |pid: u32| {
        let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    };
    kill(shim.pid);
    assert_eq!(s.news(), News::Died(id));
    assert!(matches!(s.recovery(id), Recovery::Interrupted(_)));
    eventually("what it left behind is ended", || (!alive(pid)).then_some(()));
}

#[test]
fn a_person_who_types_the_word_is_told_of_the_verbs() {
    let out = Command::new(env!("CARGO_BIN_EXE_tsup")).arg("shims").stdin(Stdio::null()).output().unwrap();
    assert_eq!(out.status.code(), Some(2), "{out:?}");
}

#[test]
fn two_hundred_at_once_are_each_told_once() {
    let mut s = Server::new();
    for job in 0..200 {
        s.order(&Order::Start(Box::new(s.plan(job, "echo x >> $0.ran"))));
    }
    let mut ended: Vec<AttemptId> = (0..200)
        .map(|_| match s.news() {
            News::Done(record) => record.id,
            other => panic!("{other:?}"),
        })
        .collect();
    ended.sort_by_key(|id| id.job);
    ended.dedup();
    assert_eq!(ended.len(), 200);
    assert!(ended.iter().all(|id| s.found(*id).record.is_some_and(|r| r.end == End::Exited(0))));
}
