//! What tmux says and what is said to it, without a socket.

pub mod report;
