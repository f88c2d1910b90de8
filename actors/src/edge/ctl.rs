//! Owns: the control socket and its connections.
//! Receives: nothing; connections, and what they asked, are tasks that end with it.
//! Sends: requests to the [`Desk`], audit entries.
//! Bounded by: `limits::CONNECTIONS_MAX`, frame lengths and times.
//! Restart: permanent; a new incarnation binds the socket again and clients reconnect.

mod connection;
pub mod desk;
mod rooms;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tsup_core::limits::{CONNECTIONS_MAX, CONNECTIONS_RESERVED, REFUSALS_MAX};

use self::connection::Mode;
use self::desk::Desk;
use self::rooms::Rooms;
use super::audit::Peer;
use crate::actor::{Actor, Cx, Failure};
use crate::os::socket;

/// The listener.
pub struct Ctl {
    path: PathBuf,
    desk: Desk,
    /// The socket's name, once it has one.
    own: Option<socket::Own>,
}

impl Ctl {
    /// Listens at `path`, whose folder is private to the user, and lets `desk` answer.
    pub fn new(path: PathBuf, desk: Desk) -> Self {
        Ctl { path, desk, own: None }
    }
}

impl Actor for Ctl {
    type Msg = ();

    async fn started(&mut self, cx: &mut Cx<Self>) -> Result<(), Failure> {
        let listener = socket::bind(&self.path, "control socket", |path| UnixListener::bind(path));
        let (listener, own) = listener.map_err(|e| Failure::new(e.to_string()))?;
        self.own = Some(own);
        cx.spawn(accept(listener, self.desk.clone()));
        cx.ready();
        Ok(())
    }

    async fn handle(&mut self, (): &mut (), _cx: &mut Cx<Self>) -> Result<(), Failure> {
        Ok(())
    }

    async fn stopping(&mut self, _cx: &mut Cx<Self>) {
        if let Some(own) = self.own {
            own.remove(&self.path);
        }
    }
}

/// Takes connections until the actor ends. Most places are for everybody; the last few are for one
/// short request each, so that an administrator gets through when clients have taken the rest.
async fn accept(listener: UnixListener, desk: Desk) {
    let general = Arc::new(Semaphore::new(CONNECTIONS_MAX - CONNECTIONS_RESERVED));
    let rooms = Arc::new(Rooms::new());
    let mut reserve = Reserve(VecDeque::new());
    let mut connections = tokio::task::JoinSet::new();
    let mut spare = Spare::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(e) => {
                    tracing::warn!(error = %e, "control socket cannot accept");
                    spare.give_way(&listener).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        let Some(peer) = peer_of(&stream) else { continue };
        let permit = Arc::clone(&general).try_acquire_owned().ok();
        let asked = Arc::new(AtomicBool::new(false));
        let mode = match &permit {
            Some(_) => Mode::General,
            None if reserve.make_room() => Mode::OneShort(Arc::clone(&asked)),
            None if connections.len() > CONNECTIONS_MAX + REFUSALS_MAX => continue,
            None => Mode::Refuse,
        };
        let (desk, rooms) = (desk.clone(), Arc::clone(&rooms));
        let short = matches!(mode, Mode::OneShort(_));
        let task = connections.spawn(async move {
            connection::serve(stream, peer, mode, desk, &rooms).await;
            drop(permit);
        });
        if short {
            reserve.0.push_back(Reserved { task, asked });
        }
    }
}

/// The connections on reserved places, oldest first.
struct Reserve(VecDeque<Reserved>);

struct Reserved {
    task: AbortHandle,
    /// Whether its request has been read: then it is answered, come what may.
    asked: Arc<AtomicBool>,
}

impl Reserve {
    /// Whether one more may come. Who holds a place and says nothing loses it to who comes with a request.
    fn make_room(&mut self) -> bool {
        self.0.retain(|held| !held.task.is_finished());
        if self.0.len() < CONNECTIONS_RESERVED {
            return true;
        }
        let silent = self.0.iter().position(|held| !held.asked.load(Ordering::Acquire));
        if let Some(held) = silent.and_then(|at| self.0.remove(at)) {
            held.task.abort();
        }
        silent.is_some()
    }
}

/// The peer, when it is the user who runs the supervisor, or root. Others are turned away without an
/// answer: the folder's mode keeps them out, and this is the second wall.
fn peer_of(stream: &UnixStream) -> Option<Peer> {
    let credentials = match stream.peer_cred() {
        Ok(credentials) => credentials,
        Err(e) => {
            tracing::warn!(error = %e, "control client has no credentials");
            return None;
        }
    };
    let uid = credentials.uid();
    if uid != rustix::process::geteuid().as_raw() && uid != 0 {
        tracing::warn!(uid, "control client of another user refused");
        return None;
    }
    Some(Peer { uid, pid: credentials.pid() })
}

/// A file descriptor kept for the day when there are none left: given up so that a waiting client can
/// be accepted and closed instead of making the listener spin.
struct Spare(Option<std::fs::File>);

impl Spare {
    fn new() -> Self {
        Spare(std::fs::File::open("/dev/null").ok())
    }

    async fn give_way(&mut self, listener: &UnixListener) {
        self.0 = None;
        let _ = tokio::time::timeout(Duration::from_millis(10), listener.accept()).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.0 = std::fs::File::open("/dev/null").ok();
    }
}
