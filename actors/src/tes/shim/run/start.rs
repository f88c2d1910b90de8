//! How a script's own process is started.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Pid;
use tsup_core::tes::attempt::outcome;
use tsup_core::tes::attempt::plan::Plan;

use super::super::fence::{self, Groups, NotStarted};
use super::super::files;
use crate::os::exec::{self, Program, Step};

/// Starts the script: its process, and where its two streams are read.
pub(super) fn start(
    plan: &Plan,
    groups: &Groups,
    network: Option<&OwnedFd>,
) -> Result<(Pid, [OwnedFd; 2]), NotStarted> {
    let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", plan.tmp));
    let instead = files::make_tmp(Path::new(&plan.tmp), plan.id)
        .map_err(|e| NotStarted::at(outcome::TMPDIR)(named(e)))?;
    let instead = instead.and_then(|folder| Some(plan.with_tmp(folder.to_str()?)));
    let plan = instead.as_ref().unwrap_or(plan);
    if plan.fence.is_bounds_only()
        && plan.program.starts_with('/')
        && let Some(started) = quick(plan, groups)?
    {
        return Ok(started);
    }
    let failed = NotStarted::at("exec");
    let stdin = match &plan.stdin {
        None => Stdio::null(),
        Some(text) => Stdio::from(in_memory(text).map_err(NotStarted::at("exec"))?),
    };
    let mut command = Command::new(OsStr::new(&plan.program));
    command.args(&plan.argv).env_clear().envs(plan.env.iter().map(|(k, v)| (k, v))).current_dir(&plan.cwd);
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = fence::spawn(command, plan, groups, network)?;
    let pipes = child.stdout.take().map(OwnedFd::from).zip(child.stderr.take().map(OwnedFd::from));
    match (Pid::from_raw(child.id().cast_signed()), pipes) {
        (Some(pid), Some((out, err))) => Ok((pid, [out, err])),
        _ => Err(failed(io::ErrorKind::BrokenPipe.into())),
    }
}

/// The same for a script that is bounded and not shut in, at less cost. `None` when its file is no program by itself,
/// which the shell may take.
fn quick(plan: &Plan, groups: &Groups) -> Result<Option<(Pid, [OwnedFd; 2])>, NotStarted> {
    let failed = NotStarted::at("exec");
    let text = |text: &str| CString::new(text).map_err(|e| NotStarted::at("exec")(e.into()));
    let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
    let argv: Vec<CString> =
        std::iter::once(&plan.program).chain(&plan.argv).map(|a| text(a)).collect::<Result<_, _>>()?;
    let env: Vec<CString> =
        plan.env.iter().map(|(name, value)| text(&format!("{name}={value}"))).collect::<Result<_, _>>()?;
    let stdin = match &plan.stdin {
        None => File::open("/dev/null"),
        Some(text) => in_memory(text),
    };
    let (path, cwd) = (text(&plan.program)?, text(&plan.cwd)?);
    let (stdin, (out, to_out), (err, to_err)) = match (stdin, pipe(), pipe()) {
        (Ok(stdin), Ok(out), Ok(err)) => (stdin, out, err),
        (Err(e), ..) => return Err(failed(e)),
        (_, Err(e), _) | (.., Err(e)) => return Err(failed(e.into())),
    };
    let doors = groups.doors().map_err(NotStarted::at("sandbox: control group"))?;
    let doors: Vec<BorrowedFd<'_>> = doors.iter().map(File::as_fd).collect();
    let program = Program {
        path: &path,
        argv: &argv,
        env: &env,
        cwd: &cwd,
        streams: [stdin.as_fd(), to_out.as_fd(), to_err.as_fd()],
        limits: &fence::limits_of(plan),
        doors: &doors,
    };
    match exec::spawn(&program) {
        Ok(pid) => Ok(Some((pid, [out, err]))),
        Err((Step::Exec, e)) if e.raw_os_error() == Some(libc::ENOEXEC) => Ok(None),
        Err((step, e)) => Err(NotStarted::at(match step {
            Step::Start => "sandbox: start",
            Step::Group => "sandbox: control group",
            Step::Limits => "sandbox: limits",
            Step::Exec => "exec",
        })(e)),
    }
}

/// A file without a name that holds `text`: whoever reads it need not keep up with a writer.
fn in_memory(text: &str) -> io::Result<File> {
    let fd = rustix::fs::memfd_create("stdin", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = File::from(fd);
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}
