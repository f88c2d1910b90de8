//! A Unix datagram socket that knows who sent: the kernel vouches for the sender's user.
//!
//! Only Linux attaches credentials to a datagram. Elsewhere the sender is unknown, and the mode of the
//! socket and of its folder must do.

use std::io;
use std::path::Path;

use tokio::io::Interest;
use tokio::net::UnixDatagram;

/// What was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Bytes of it in the buffer.
    pub len: usize,
    /// Whether it was longer than the buffer.
    pub cut: bool,
    /// The sender's user, where the system tells.
    pub uid: Option<u32>,
}

/// The receiving end.
#[derive(Debug)]
pub struct Mailbox {
    socket: UnixDatagram,
}

impl Mailbox {
    /// Binds a path where nothing is.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::bind(path)?;
        #[cfg(target_os = "linux")]
        rustix::net::sockopt::set_socket_passcred(&socket, true)?;
        Ok(Mailbox { socket })
    }

    /// The next datagram.
    pub async fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        self.socket.async_io(Interest::READABLE, || receive(&self.socket, buffer)).await
    }
}

#[cfg(target_os = "linux")]
fn receive(socket: &UnixDatagram, buffer: &mut [u8]) -> io::Result<Received> {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags};
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [io::IoSliceMut::new(buffer)];
    let message = rustix::net::recvmsg(
        socket,
        &mut parts,
        &mut control,
        RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC,
    )?;
    let uid = control.drain().find_map(|m| match m {
        RecvAncillaryMessage::ScmCredentials(sender) => Some(sender.uid.as_raw()),
        _ => None,
    });
    Ok(Received { len: message.bytes, cut: message.flags.contains(ReturnFlags::TRUNC), uid })
}

#[cfg(not(target_os = "linux"))]
fn receive(socket: &UnixDatagram, buffer: &mut [u8]) -> io::Result<Received> {
    let len = socket.try_recv(buffer)?;
    Ok(Received { len, cut: len == buffer.len(), uid: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_kernel_says_who_sent_and_what_was_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let mailbox = Mailbox::bind(&path).unwrap();
        let sender = std::os::unix::net::UnixDatagram::unbound().unwrap();
        sender.send_to(b"hello", &path).unwrap();
        sender.send_to(&[7; 100], &path).unwrap();
        let mut buffer = [0; 10];
        let me = Some(rustix::process::geteuid().as_raw());
        assert_eq!(mailbox.receive(&mut buffer).await.unwrap(), Received { len: 5, cut: false, uid: me });
        assert_eq!(&buffer[..5], b"hello");
        assert_eq!(mailbox.receive(&mut buffer).await.unwrap(), Received { len: 10, cut: true, uid: me });
    }
}
