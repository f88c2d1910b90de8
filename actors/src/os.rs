//! System calls and kernel files that only Linux has, each with a portable fallback beside it.
//!
//! `unsafe` stands in these files and nowhere else. [`proc`] reads `/proc`, [`pidfd`] tells the end of a
//! process, [`tty`] a write to a terminal, [`folder`] a change in a folder (both by [`inotify`]), [`tree`] what
//! process trees use, [`belongings`] what a process has; [`child`] makes children end with their parent,
//! [`datagram`] knows who sent what, [`socket`] binds sockets with a path, [`own`] opens files of this user alone.
//! [`fork`] makes copies of this process and waits for them, [`exec`] starts programs at little cost, [`range`] locks
//! parts of files. [`namespace`] gives a process a view of its own, [`ability`] tells by trying whether that can be had,
//! [`cgroup`] bounds and measures groups of processes. [`remove`] removes folders that others filled,
//! [`name`] tells which file it is that has a name, [`shared`] is what a process has in common with its copies.

pub mod ability;
pub mod belongings;
pub mod cgroup;
pub mod child;
pub mod datagram;
pub mod exec;
pub mod folder;
pub mod fork;
pub mod inotify;
pub mod name;
pub mod namespace;
pub mod own;
pub mod pidfd;
pub mod proc;
pub mod range;
pub mod remove;
pub mod shared;
pub mod socket;
pub mod tree;
pub mod tty;
