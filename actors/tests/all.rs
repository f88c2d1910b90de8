//! Everything that runs, tested from outside, in one binary: it links once.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod all {
    mod fleet;
    mod journal;
    mod kit;
    mod otp;
    mod queue;
    mod ractor_contract;
    mod resources;
    mod screens;
    mod screens_mutated;
    mod stage;
    mod statsd;
    mod statsd_server;
    mod store;
    mod streams;
    mod supervisor;
    mod supervisor_limits;
    mod tmux_asks;
    mod tmux_faults;
    mod tmux_kit;
    mod tmux_push;
    mod tmux_traces;
}
