//! Where people and programs meet the supervisor: the control socket, the hook socket and the audit log.
//!
//! The edge is up first, so that it answers while others fail. It owns nothing of the domains: it
//! reads their views and asks them through links.

pub mod audit;
pub mod ctl;
pub mod hooks;
