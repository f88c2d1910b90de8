//! The way between the server and whoever gives it orders: frames come and go, and news gather.

use tsup_core::limits;
use tsup_core::tes::attempt::plan::{News, Order};
use tsup_core::wire::frame::{self, FrameError, HEADER_BYTES, Header, Kind};

use super::Server;

impl Server {
    pub(super) fn receive(&mut self) {
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

    /// The next whole order that was read, with its frame.
    pub(super) fn order(&mut self) -> Option<Result<(Order, Vec<u8>), FrameError>> {
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
        let frame = self.read.drain(..end).collect();
        Some(order.map(|order| (order, frame)))
    }

    /// Tells something, and what gathers with it.
    pub(super) fn tell(&mut self, news: &News) {
        self.gathers = None;
        if self.stream.is_some()
            && let Ok(frame) = frame::encode(Kind::Response, news)
        {
            self.write.extend(frame);
        }
    }

    pub(super) fn send(&mut self) {
        // While more attempts wait than run, an end that is told later leaves nobody idle.
        let may_gather = self.waiting.len() + self.handed > self.shims.len().saturating_sub(self.idle.len());
        if may_gather && self.gathers.is_some_and(|since| since.elapsed() < limits::NEWS_GATHER) {
            return;
        }
        self.gathers = None;
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
