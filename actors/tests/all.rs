//! Everything that runs, tested from outside, in one binary: it links once.

mod all {
    mod kit;
    mod supervisor;
    mod tmux_faults;
    mod tmux_kit;
}
