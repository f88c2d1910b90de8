use std::sync::atomic::{AtomicU32, Ordering};

use tsup_core::ids::JobId;

use super::*;

fn id(n: u64) -> AttemptId {
    AttemptId { job: JobId::drawn(n), attempt: 1, epoch: 0 }
}

fn claim(id: AttemptId, order: u64) -> Claim {
    let shim = ProcId { pid: 7, start_ticks: 1 };
    Claim { version: FILES_VERSION, id, order, shim, boot_id: "b1".into() }
}

#[test]
fn a_slot_is_claimed_once_for_an_attempt_and_by_nobody_who_is_late() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("attempts");
    assert!(Traces::find(&path).unwrap().is_none());
    let open = || Traces::make(&path).unwrap();
    let supervisor = open();
    assert_eq!(supervisor.look(3, id(1)).unwrap(), Found::default());

    let shim = open();
    assert_eq!(shim.claim(3, &claim(id(1), 5)).unwrap(), Claimed::Now);
    assert_eq!(open().claim(3, &claim(id(1), 6)).unwrap(), Claimed::Before);
    assert_eq!(open().claim(3, &claim(id(2), 6)).unwrap(), Claimed::Taken, "it is held");
    assert!(!supervisor.revoke(3, id(1), 6, "b1").unwrap());
    let found = supervisor.look(3, id(1)).unwrap();
    assert_eq!((found.locked, found.claim), (true, Some(claim(id(1), 5))));
    assert_eq!(supervisor.look(3, id(2)).unwrap(), Found::default(), "of another nothing is found");
    drop(shim);
    let found = supervisor.look(3, id(1)).unwrap();
    assert_eq!((found.locked, found.record.is_some()), (false, false));
    assert!(!supervisor.revoke(3, id(1), 7, "b1").unwrap(), "it was claimed");
    assert_eq!(open().claim(3, &claim(id(1), 7)).unwrap(), Claimed::Before, "what ran is not run again");
    assert_eq!(open().claim(3, &claim(id(2), 4)).unwrap(), Claimed::Taken, "it comes late");

    assert!(supervisor.revoke(3, id(2), 7, "b1").unwrap());
    assert_eq!(open().claim(3, &claim(id(2), 7)).unwrap(), Claimed::Before);
    assert!(supervisor.look(3, id(2)).unwrap().claim.is_some());
    assert!(supervisor.look_for(3, id(2), 7).unwrap().claim.is_some());
    assert_eq!(
        supervisor.look_for(3, id(2), 8).unwrap(),
        Found::default(),
        "nothing ran of what was called off"
    );
    assert_eq!(open().claim(3, &claim(id(2), 8)).unwrap(), Claimed::Now, "it was ordered anew");
    assert_eq!(open().claim(3, &claim(id(2), 9)).unwrap(), Claimed::Before);
    assert_eq!(open().claim(2, &claim(id(4), u64::MAX)).unwrap(), Claimed::Now);
    assert_eq!(open().claim(2, &claim(id(5), 10)).unwrap(), Claimed::Now, "no order has such a number");
    assert_eq!(open().claim(0, &claim(id(3), 9)).unwrap(), Claimed::Now);
    assert_eq!(
        supervisor.scan().unwrap(),
        Scan { slots: vec![(0, id(3)), (2, id(5)), (3, id(2))], newest: 10 }
    );
}

/// However little of the file is left, and whatever stands in it.
#[test]
fn every_rest_of_the_file_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("attempts");
    let traces = Traces::make(&path).unwrap();
    assert!(!traces.is_whole().unwrap());
    traces.begin().unwrap();
    assert_eq!(traces.claim(1, &claim(id(1), 1)).unwrap(), Claimed::Now);
    drop(traces);
    let whole = std::fs::read(&path).unwrap();
    for n in 0..whole.len() {
        std::fs::write(&path, &whole[..n]).unwrap();
        let found = Traces::make(&path).unwrap().look(1, id(1)).unwrap();
        assert_eq!(found.claim.is_some(), n > 2 * SLOT, "{n}");
        assert_eq!(Traces::make(&path).unwrap().is_whole().unwrap(), n >= HEAD.len(), "{n}");
    }
    std::fs::write(&path, vec![b'x'; 3 * SLOT]).unwrap();
    let found = Traces::make(&path).unwrap().look(1, id(1)).unwrap();
    assert!(found.claim.is_some_and(|claim| claim.shim.pid == 0), "nobody knows whose it is");
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("elsewhere", &path).unwrap();
    assert!(Traces::make(&path).is_err() && Traces::find(&path).is_err());
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(Traces::make(&path).is_err());
}

#[test]
fn a_shim_that_begins_meanwhile_is_not_taken_for_a_dead_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("attempts");
    let supervisor = Traces::make(&path).unwrap();
    let rounds = 300;
    let at = AtomicU32::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..rounds {
                while at.load(Ordering::Acquire) < n {
                    std::thread::yield_now();
                }
                // Held until somebody has seen it.
                let shim = Traces::make(&path).unwrap();
                assert_eq!(shim.claim(n, &claim(id(n.into()), 1)).unwrap(), Claimed::Now);
                while at.load(Ordering::Acquire) == n {
                    std::thread::yield_now();
                }
            }
        });
        for n in 0..rounds {
            loop {
                let found = supervisor.look(n, id(n.into())).unwrap();
                if found.claim.is_some() {
                    at.store(n + 1, Ordering::Release);
                    assert!(found.locked, "round {n}: it lives, and was taken for dead");
                    break;
                }
            }
        }
    });
}
