//! The filter of system calls: what Landlock and namespaces do not know.

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use tsup_core::tes::sandbox::{Fence, Network, Sockets};

/// A call, and what refuses it: any of the rules, or nothing more than the call itself when there is none.
type Refused = (c_long, Vec<SeccompRule>);

/// What makes sockets and opens files without the calls for that, and what holds keys for the whole session of
/// whoever started the supervisor: tickets, keys of file systems.
const NEVER: [c_long; 4] =
    [libc::SYS_io_uring_setup, libc::SYS_keyctl, libc::SYS_add_key, libc::SYS_request_key];

/// The filter; `None` when the host has none, or nothing is to be refused.
pub(super) fn of(fence: &Fence) -> Result<Option<BpfProgram>, BackendError> {
    // Where the host has no filters the weaker fence was chosen, and there is nothing to refuse by one.
    let by_filter = fence.network == Network::Seccomp || fence.sockets == Sockets::Seccomp;
    if !(by_filter || fence.filter) {
        return Ok(None);
    }
    let mut calls = others()?;
    calls.extend(NEVER.map(|call| (call, Vec::new())));
    let sockets = sockets(fence)?;
    if !sockets.is_empty() {
        calls.push((libc::SYS_socket, sockets));
    }
    // The same calls by their second numbers, which the kernel of this processor may know too.
    #[cfg(target_arch = "x86_64")]
    calls.extend(calls.clone().into_iter().map(|(call, rules)| (call | 0x4000_0000, rules)));
    let filter = SeccompFilter::new(
        calls.into_iter().collect(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EACCES.cast_unsigned()),
        std::env::consts::ARCH.try_into()?,
    )?;
    Ok(Some(filter.try_into()?))
}

/// What changes other processes of the user, who need not be within the fence: their limits, by which the kernel
/// kills, and what the processor gives them. Zero is oneself.
fn others() -> Result<Vec<Refused>, BackendError> {
    let rule = |conditions: &[SeccompCondition]| SeccompRule::new(conditions.to_vec());
    let other = |at: u8| SeccompCondition::new(at, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, 0);
    // Asking is harmless.
    let sets = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?;
    let all_of_user = |which: u64| SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, which);
    Ok(vec![
        (libc::SYS_prlimit64, vec![rule(&[other(0)?, sets])?]),
        (libc::SYS_setpriority, vec![rule(&[other(1)?])?, rule(&[all_of_user(PRIO_USER)?])?]),
        (libc::SYS_ioprio_set, vec![rule(&[other(1)?])?, rule(&[all_of_user(IOPRIO_WHO_USER)?])?]),
        (libc::SYS_sched_setscheduler, vec![rule(&[other(0)?])?]),
        (libc::SYS_sched_setparam, vec![rule(&[other(0)?])?]),
        (libc::SYS_sched_setattr, vec![rule(&[other(0)?])?]),
    ])
}

/// All processes of a user (setpriority(2)).
const PRIO_USER: u64 = 2;
/// The same (ioprio_set(2)).
const IOPRIO_WHO_USER: u64 = 3;

/// The families of sockets that are refused.
fn sockets(fence: &Fence) -> Result<Vec<SeccompRule>, BackendError> {
    let families = |families: &[i32], op: SeccompCmpOp| {
        let one = |family: &i32| {
            SeccompCondition::new(0, SeccompCmpArgLen::Dword, op.clone(), family.cast_unsigned().into())
        };
        SeccompRule::new(families.iter().map(one).collect::<Result<_, _>>()?)
    };
    let mut refused = Vec::new();
    match fence.network {
        // An empty network of one's own has these families; others are not kept apart by it.
        Network::Namespace => {
            let own = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
            refused.push(families(&own, SeccompCmpOp::Ne)?);
        }
        Network::Seccomp => refused.push(families(&[libc::AF_UNIX], SeccompCmpOp::Ne)?),
        Network::Open | Network::Unfenced | Network::LandlockTcp => {}
    }
    if fence.sockets == Sockets::Seccomp {
        refused.push(families(&[libc::AF_UNIX], SeccompCmpOp::Eq)?);
    }
    Ok(refused)
}
