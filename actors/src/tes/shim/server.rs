//! The shim server: forks shims by order, and tells of their ends.
//!
//! It speaks over the stream on its standard input, in frames: [`Order`]s come, [`News`] go. When the other
//! end goes, its shims go on, and it ends with the last of them: whoever comes then watches their locks.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, WaitOptions, kill_process};
use tsup_core::limits;
use tsup_core::tes::attempt::AttemptId;
use tsup_core::tes::attempt::plan::{News, Order, Plan};
use tsup_core::tes::sandbox::Group;
use tsup_core::wire::frame::{self, FrameError, HEADER_BYTES, Header, Kind};

use super::{fence, files, run, tree};
use crate::os::fork::{self, Fork, Signals};
use crate::os::{namespace, proc};

/// Serves until the other end of `stream` is gone and no shim is left. Must be called in a process of one
/// thread, before anything else.
pub fn serve(stream: OwnedFd) -> io::Result<u8> {
    let _ = rustix::process::setsid();
    // What a killed shim leaves behind comes here.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    rustix::io::ioctl_fionbio(&stream, true)?;
    let mut server = Server {
        stream: Some(stream),
        signals: Signals::hold()?,
        read: Vec::new(),
        write: Vec::new(),
        shims: HashMap::new(),
        orphans: false,
        groups: Vec::new(),
        network: None,
    };
    loop {
        if let Turn::Shim(code) = server.turn()? {
            return Ok(code);
        }
        if server.stream.is_none() && server.shims.is_empty() {
            return Ok(0);
        }
    }
}

/// Which process goes on.
enum Turn {
    /// The server.
    Server,
    /// A shim that came to its end.
    Shim(u8),
}

struct Server {
    stream: Option<OwnedFd>,
    signals: Signals,
    read: Vec<u8>,
    write: Vec<u8>,
    shims: HashMap<Pid, AttemptId>,
    /// Whether orphans are being ended: a process that forks while it is killed leaves another one.
    orphans: bool,
    /// Where shims make control groups: those of killed ones are taken away from there.
    groups: Vec<Group>,
    /// An empty network, once an attempt wants one.
    network: Option<OwnedFd>,
}

impl Server {
    fn turn(&mut self) -> io::Result<Turn> {
        self.wait()?;
        while self.signals.next().is_some() {}
        self.reap();
        self.receive();
        while let Some(order) = self.order() {
            match order {
                Ok(Order::Start(plan)) => {
                    if let Turn::Shim(code) = self.start(&plan) {
                        return Ok(Turn::Shim(code));
                    }
                }
                Ok(Order::Stop(id)) => self.stop(id),
                // Another program, or another version: there is nothing to say to it.
                Err(_) => self.stream = None,
            }
        }
        self.send();
        Ok(Turn::Server)
    }

    fn wait(&self) -> io::Result<()> {
        let signals = self.signals.as_fd();
        let mut fds = vec![PollFd::from_borrowed_fd(signals, PollFlags::IN)];
        if let Some(stream) = &self.stream {
            let out = if self.write.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
            fds.push(PollFd::new(stream, PollFlags::IN | out));
        }
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            if let Some(id) = self.shims.remove(&pid) {
                self.orphans |= status.signaled();
                self.tell(match status.exit_status() {
                    Some(code) if code != 0 => News::NotStarted(id, code),
                    _ => News::Ended(id),
                });
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

    fn receive(&mut self) {
        let mut buffer = [0; limits::ORDER_READ_BYTES];
        while let Some(stream) = &self.stream {
            match rustix::io::read(stream, &mut buffer) {
                Ok(0) => self.stream = None,
                Ok(n) => self.read.extend_from_slice(&buffer[..n]),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return,
                Err(_) => self.stream = None,
            }
        }
    }

    /// The next whole order that was read.
    fn order(&mut self) -> Option<Result<Order, FrameError>> {
        let header: &[u8; HEADER_BYTES] = self.read.get(..HEADER_BYTES)?.try_into().ok()?;
        let header = match Header::parse(header, limits::ORDER_BYTES_MAX) {
            Ok(header) => header,
            Err(e) => {
                self.read.clear();
                return Some(Err(e));
            }
        };
        let end = HEADER_BYTES + header.len as usize;
        let order = frame::decode(header, Kind::Request, self.read.get(HEADER_BYTES..end)?);
        self.read.drain(..end);
        Some(order)
    }

    fn start(&mut self, plan: &Plan) -> Turn {
        let id = plan.id;
        for group in plan.fence.groups() {
            if !self.groups.contains(group) {
                // A server before this one may have been killed together with its shims.
                fence::sweep(group);
                self.groups.push(group.clone());
            }
        }
        if self.network.is_none() && fence::may_share_network(&plan.fence) {
            // Where it cannot be made the shim says why, when it fails to make its own.
            self.network = namespace::empty_network().ok();
        }
        let forked = files::make(Path::new(&plan.folder)).and_then(|()| fork::fork());
        match forked {
            Ok(Fork::Child) => {
                // The stream is the server's: its other end must see that the server is gone.
                self.stream = None;
                return Turn::Shim(run::run(plan, &self.signals, self.network.as_ref()));
            }
            Ok(Fork::Parent { child }) => {
                if let Some(pid) = Pid::from_raw(child.cast_signed()) {
                    self.shims.insert(pid, id);
                }
            }
            Err(e) => self.tell(News::NotStarted(id, e.raw_os_error().unwrap_or(0))),
        }
        Turn::Server
    }

    /// A shim that is asked to end ends its tree first.
    fn stop(&mut self, id: AttemptId) {
        // It was not waited for, so its number is its own.
        for (pid, _) in self.shims.iter().filter(|(_, of)| **of == id) {
            let _ = kill_process(*pid, Signal::TERM);
        }
    }

    fn tell(&mut self, news: News) {
        if self.stream.is_some()
            && let Ok(frame) = frame::encode(Kind::Response, &news)
        {
            self.write.extend(frame);
        }
    }

    fn send(&mut self) {
        while let Some(stream) = &self.stream
            && !self.write.is_empty()
        {
            match rustix::io::write(stream, &self.write) {
                Ok(n) => {
                    self.write.drain(..n);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return,
                Err(_) => self.stream = None,
            }
        }
    }
}
