//! Shims that end, are let go, or were stopped; and what killed ones leave.

use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal};
use tsup_core::limits;
use tsup_core::tes::attempt::plan::News;

use super::{Server, fence, tree};
use crate::os::proc;

impl Server {
    /// Lets go of shims that have waited for long, and of all that wait once nobody gives orders any more.
    pub(super) fn dismiss(&mut self) {
        while let Some((pid, since)) = self.idle.front().copied()
            && (self.stream.is_none() || since.elapsed() >= limits::SHIM_IDLE)
        {
            self.idle.pop_front();
            // It ends when it sees that.
            if let Some(shim) = self.shims.get_mut(&pid) {
                shim.desk = None;
            }
        }
    }

    /// Takes the ends of shims.
    pub(super) fn reap(&mut self) {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG | WaitOptions::UNTRACED)
        {
            if status.stopped() {
                // A shim that stands still holds a slot, and no timeout: whoever stopped it did not mean that.
                if let Ok(shim) = pidfd_open(pid, PidfdFlags::empty()) {
                    let _ = pidfd_send_signal(&shim, Signal::CONT);
                }
                continue;
            }
            // What it told before counts.
            while self.hear(pid) {}
            let Some(shim) = self.shims.remove(&pid) else { continue };
            self.idle.retain(|(idle, _)| *idle != pid);
            // One that ended in order has nothing under way and leaves nobody behind.
            self.orphans |= status.exit_status() != Some(0) || shim.runs.is_some();
            if let Some(run) = shim.runs {
                self.taken -= u32::from(run.slots);
                let not_begun = News::NotStarted(run.id, libc::ECANCELED);
                let news = if shim.left { not_begun } else { News::Died(run.id) };
                self.tell(&news);
            }
            if let Some(after) = shim.after {
                // It is begun behind the report of the one before, which did not come.
                self.handed -= 1;
                self.wait_again(after);
            }
        }
        if self.orphans {
            self.orphans = self.end_orphans();
            if !self.orphans {
                self.groups.iter().for_each(fence::sweep);
            }
        }
    }

    /// Kills what killed shims left behind, and says whether there was anything: their ends wake this process,
    /// and so does whatever they forked meanwhile.
    fn end_orphans(&self) -> bool {
        let Ok(own) = proc::identify(std::process::id()) else { return false };
        let mut any = false;
        for child in tree::children(own) {
            let is_shim = Pid::from_raw(child.pid.cast_signed()).is_some_and(|p| self.shims.contains_key(&p));
            if !is_shim {
                any = true;
                tree::signal_all(child, &[Signal::KILL]);
            }
        }
        any
    }
}
