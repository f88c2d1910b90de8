//! What tmux says and what is said to it, without a socket.
//!
//! `protocol` makes replies and notices of the bytes of a control-mode client, `ledger` tells which
//! question a reply answers, `command` writes the questions, `listing` reads the lists, `inventory`
//! holds what a server has and decides what to ask next, `connection` decides when a server is there.
//! `report` is what the fleet gets of all this.

pub mod command;
pub mod connection;
pub mod inventory;
pub mod ledger;
pub mod listing;
pub mod protocol;
pub mod report;
