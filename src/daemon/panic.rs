//! What happens with a panic: a person is told in one line, a supervisor's log gets it as an error.

use std::panic::PanicHookInfo;

fn describe(info: &PanicHookInfo<'_>) -> (String, String) {
    let place = info.location().map_or_else(|| "?".into(), |l| format!("{}:{}", l.file(), l.line()));
    let says = info.payload_as_str().unwrap_or("no message").to_owned();
    (place, says)
}

/// For a command: one line on standard error, no backtrace. The command then exits 70.
pub fn report_bugs() {
    std::panic::set_hook(Box::new(|info| {
        let (place, says) = describe(info);
        let text = tsup_core::untrusted::Untrusted::new(says);
        let line = format!("tsup: this is a bug in tsup: {text} (at {place})\n  hint: please report it\n");
        // Nobody may be listening, which changes nothing.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
    }));
}

/// For the supervisor: an error in the log. The supervision tree decides what follows.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let (place, says) = describe(info);
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        let backtrace = std::backtrace::Backtrace::capture();
        let backtrace = match backtrace.status() {
            std::backtrace::BacktraceStatus::Captured => Some(backtrace.to_string()),
            _ => None,
        };
        tracing::error!(place, thread, backtrace, panic = says, "something panicked");
    }));
}
