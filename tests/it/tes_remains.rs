//! What a supervisor makes of every state in which the traces of an attempt can be found: each ends its job in one
//! state, and none holds anything up.

use std::fs;
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use tsup_actors::os::range;
use tsup_core::ids::JobId;
use tsup_core::tes::failure::Category;
use tsup_core::tes::job::JobState;
use tsup_core::wire::verb::{Body, Verb};

use crate::harness::{alive, eventually};
use crate::tes::{Jobs, ask, kill9};

/// Bytes of a slot, and where its two lines begin.
const SLOT: usize = 4096;
const LINES: [usize; 3] = [0, 1024, SLOT];

/// What is found in the place of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Missing,
    Empty,
    Half,
    Garbage,
    Foreign,
    Whole,
}

use Rest::{Empty, Foreign, Garbage, Half, Missing, Whole};

const ALL: [Rest; 6] = [Missing, Empty, Half, Garbage, Foreign, Whole];

impl Rest {
    /// The bytes there; `text` is what the line says when it is whole.
    fn put(self, place: &mut [u8], text: &str) {
        place.fill(0);
        let line = match self {
            Missing => Vec::new(),
            Empty => b"\n".to_vec(),
            Half => text.as_bytes()[..text.len() / 2].to_vec(),
            Garbage => b"\xff{]\"".repeat(place.len() / 4),
            Foreign => text.replace("\"attempt\":1", "\"attempt\":2").into_bytes(),
            Whole => text.as_bytes().to_vec(),
        };
        place[..line.len()].copy_from_slice(&line);
    }
}

#[derive(Debug, Clone, Copy)]
struct Remains {
    claim: Rest,
    record: Rest,
}

impl Remains {
    fn all() -> Vec<Remains> {
        ALL.into_iter().flat_map(|claim| ALL.map(|record| Remains { claim, record })).collect()
    }

    /// The state that the job ends in, and whether its script has to run again for that.
    fn end(self) -> (JobState, bool) {
        match self {
            // The slot is another one's: of this one nothing is known to have run.
            Remains { claim: Foreign, .. } => (JobState::Succeeded, true),
            Remains { record: Whole, .. } => (JobState::Succeeded, false),
            Remains { claim: Missing, .. } => (JobState::Succeeded, true),
            _ => (JobState::Interrupted, false),
        }
    }
}

/// Starts a job for each of `n`, kills everything of them, and says which they were and what the record of one that
/// ended says.
fn killed(j: &mut Jobs, n: usize) -> (Vec<JobId>, String) {
    j.w.run();
    let model = j.run(ask("done")).id;
    let slots = fs::read(j.w.home().join("attempts")).unwrap();
    let line =
        |at: usize| String::from_utf8(slots[at..].split(|b| *b == b'\n').next().unwrap().to_vec()).unwrap();
    let record = line(SLOT + LINES[1]).replace(&model.to_string(), "JOB") + "\n";
    let ids: Vec<JobId> = (0..n).map(|_| j.submit(ask("left")).id).collect();
    let shims: Vec<u32> = ids.iter().map(|id| j.shim(*id, 1)).collect();
    let pids: Vec<u32> = ids.iter().map(|id| j.pid(&format!("{id}.pid"))).collect();
    let server = tsup_actors::os::proc::stat(shims[0]).unwrap().parent;
    j.w.kill9();
    kill9(server);
    for pid in shims.into_iter().chain(pids.iter().copied()) {
        kill9(pid);
    }
    for pid in &pids {
        eventually("it is gone", || (!alive(*pid)).then_some(()));
    }
    (ids, record)
}

fn jobs() -> Jobs {
    let script = "echo $TSUP_JOB >> runs; echo $$ > $TSUP_JOB.pid; [ -e go ] || exec sleep 300";
    let j = Jobs::new().script("left", script, "").script("done", "true", "");
    j.configure("slots = 200");
    j
}

fn runs(j: &Jobs, id: JobId) -> usize {
    let text = fs::read_to_string(j.w.dir.join("scripts/runs")).unwrap_or_default();
    text.lines().filter(|line| *line == id.to_string()).count()
}

#[test]
fn every_state_of_an_attempts_traces_is_one_end() {
    let mut j = jobs();
    let all = Remains::all();
    let (ids, record) = killed(&mut j, all.len());
    let path = j.w.home().join("attempts");
    let file = fs::File::options().read(true).write(true).open(&path).unwrap();
    for (remains, id) in all.iter().zip(&ids) {
        let at = (u64::from(j.slot(*id, 1)) + 1) * SLOT as u64;
        let mut page = vec![0; SLOT];
        file.read_exact_at(&mut page, at).unwrap();
        let line = |n: usize| {
            let place = &page[LINES[n]..LINES[n + 1]];
            String::from_utf8(place.split_inclusive(|b| *b == b'\n').next().unwrap().to_vec()).unwrap()
        };
        let texts = [line(0), record.replace("JOB", &id.to_string())];
        for (n, rest) in [remains.claim, remains.record].into_iter().enumerate() {
            rest.put(&mut page[LINES[n]..LINES[n + 1]], &texts[n]);
        }
        file.write_all_at(&page, at).unwrap();
    }
    fs::write(j.w.dir.join("scripts/go"), "").unwrap();
    j.w.run();
    let mut wrong = Vec::new();
    for (remains, id) in all.iter().zip(&ids) {
        let job = j.wait(*id);
        let end = (job.state, runs(&j, *id) == 2);
        let category = job.error.as_ref().map(|e| e.category);
        let expected = (end.0 == JobState::Interrupted).then_some(Category::Unknown);
        if end != remains.end() || job.attempt != 1 || category != expected {
            wrong.push(format!("{remains:?}: {end:?}, expected {:?}: {:?}", remains.end(), job.error));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // The same again: an end is an end.
    let before: Vec<_> = ids.iter().map(|id| j.job(*id)).collect();
    j.w.kill9();
    j.w.run();
    assert_eq!(ids.iter().map(|id| j.job(*id)).collect::<Vec<_>>(), before);
    assert!(!j.w.log().contains("panicked"), "{}", j.w.log());
}

/// Where the file is gone, or was cut, nobody knows what ran: nothing is run again, and jobs that come later run.
#[test]
fn without_their_traces_attempts_are_interrupted_and_later_ones_run() {
    let mut j = jobs();
    let path = j.w.home().join("attempts");
    for lose in [|path: &Path| fs::remove_file(path), |path: &Path| fs::write(path, "")] {
        let _ = fs::remove_file(j.w.dir.join("scripts/go"));
        let (ids, _) = killed(&mut j, 3);
        lose(&path).unwrap();
        fs::write(j.w.dir.join("scripts/go"), "").unwrap();
        j.w.run();
        for id in &ids {
            let job = j.wait(*id);
            assert_eq!((job.state, runs(&j, *id)), (JobState::Interrupted, 1), "{job:#?}");
        }
        assert_eq!(j.run(ask("left")).state, JobState::Succeeded);
        j.w.kill9();
    }
    j.w.run();
    // While it stands in the way of a file, no job is started, and that is said.
    for what in ["folder", "link"] {
        j.w.kill9();
        fs::remove_file(&path).unwrap();
        if what == "link" {
            symlink("/dev/zero", &path).unwrap();
        } else {
            fs::create_dir(&path).unwrap();
        }
        j.w.run_unready(&[]);
        eventually(what, || {
            let out = j.w.tsup(&["ctl", "status", "--json"]);
            let status: serde_json::Value = serde_json::from_slice(&out.stdout).ok()?;
            status["degraded"].to_string().contains("attempts").then_some(())
        });
        if what == "link" {
            fs::remove_file(&path).unwrap();
        } else {
            fs::remove_dir(&path).unwrap();
        }
        eventually("jobs are taken in", || match j.ask(Verb::Submit(Box::new(ask("left")))) {
            Ok(Body::Job(_)) => Some(()),
            _ => None,
        });
    }
}

/// A shim of a server that was killed may be about to make its claim still: whoever begins in its place is not a second one.
#[test]
fn a_shim_that_outlives_its_server_before_its_claim_doubles_nothing() {
    let mut j = Jobs::new().script("once", "echo $TSUP_JOB >> runs", "");
    j.configure("slots = 2");
    let supervisor = j.w.run();
    let children = |of: u32| tsup_actors::os::tree::children_of(of).unwrap_or_default();
    let server = |last: u32| {
        let one = |all: &Vec<u32>| all.len() == 1 && all[0] != last;
        eventually("there is another shim server", || Some(children(supervisor)).filter(one))[0]
    };
    let mut last = 0;
    for round in 0..3 {
        // It has no shims that wait for an attempt: the first one is made for its first.
        let killed = server(last);
        // Nobody can make a claim in the first slot.
        let file = fs::File::options().read(true).write(true).open(j.w.home().join("attempts")).unwrap();
        let first = SLOT as u64..2 * SLOT as u64;
        eventually("the slot is free", || range::try_lock(&file, &first).unwrap().then_some(()));
        let late = j.submit(ask("once")).id;
        j.job_when("it was ordered", late, |job| job.state == JobState::Running);
        let shims = eventually("a shim has it", || Some(children(killed)).filter(|all| !all.is_empty()));
        if round == 2 {
            assert!(j.ask(Verb::Cancel { job: late.to_string() }).is_ok());
        }
        kill9(killed);
        let beside: Vec<JobId> = (0..3).map(|_| j.submit(ask("once")).id).collect();
        let deadline = Instant::now() + Duration::from_secs(2);
        eventually("others run, or it does", || {
            let ended = beside.iter().all(|id| j.job(*id).state.is_final()) || runs(&j, late) > 0;
            (ended || Instant::now() > deadline).then_some(())
        });
        range::unlock(&file, &first).unwrap();
        last = server(killed);
        kill9(last);
        for pid in shims {
            eventually("the shims of that server are gone", || (!alive(pid)).then_some(()));
        }
        for id in beside {
            assert_eq!((j.wait(id).state, runs(&j, id)), (JobState::Succeeded, 1));
        }
        let end = j.wait(late);
        match end.state {
            JobState::Succeeded => assert_eq!(runs(&j, late), 1, "{end:#?}"),
            JobState::Cancelled if round == 2 => assert!(runs(&j, late) <= 1, "{end:#?}"),
            _ => panic!("{end:#?}"),
        }
        assert_eq!(end.attempt, 1);
    }
}
