//! Others that run many commands, where they are installed, in the same run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::world::PATIENCE;

/// Jobs a second of each, by `true`.
pub(crate) fn peers(size: super::Size) {
    println!("\n### Peers, `true`\n\n| what | jobs | parallel | jobs/s |\n|---|---|---|---|");
    for parallel in [2, 20] {
        show("plain loop", size.run, parallel, Some(super::run::plain(size.run, parallel).0));
        show("tsup", size.run, parallel, Some(super::run::supervised(size.run, parallel, "minimal").rate));
        show("GNU parallel", size.peers, parallel, gnu_parallel(size.peers, parallel));
        show("task-spooler", size.peers, parallel, task_spooler(size.peers, parallel));
        // It starts one on each of its slow ticks, so few are enough to see its pace.
        let few = size.peers.min(20 * parallel);
        show("pueue", few, parallel, pueue(few, parallel));
    }
}

fn show(what: &str, jobs: usize, parallel: usize, rate: Option<f64>) {
    match rate {
        Some(rate) => println!("| {what} | {jobs} | {parallel} | {rate:.0} |"),
        None => println!("| {what} | – | {parallel} | not installed |"),
    }
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|path| path.exists())
}

fn quiet(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn gnu_parallel(jobs: usize, parallel: usize) -> Option<f64> {
    let mut command = quiet(&find("parallel")?);
    command.args(["-j", &parallel.to_string(), "true", ":::"]).args((0..jobs).map(|n| n.to_string()));
    let began = Instant::now();
    command.status().ok().filter(std::process::ExitStatus::success)?;
    Some(jobs as f64 / began.elapsed().as_secs_f64())
}

fn folder(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("tsup-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn task_spooler(jobs: usize, parallel: usize) -> Option<f64> {
    let program = find("tsp")?;
    let dir = folder("tsp");
    let run = |args: &[&str]| {
        let mut command = quiet(&program);
        command
            .env("TS_SOCKET", dir.join("socket"))
            .env("TMPDIR", &dir)
            .env("TS_MAXFINISHED", "10")
            .args(args);
        command.status()
    };
    run(&["-S", &parallel.to_string()]).ok()?;
    let began = Instant::now();
    for _ in 0..jobs {
        run(&["-n", "true"]).ok()?;
    }
    // Waits for the job that was submitted last.
    run(&["-w"]).ok()?;
    let rate = jobs as f64 / began.elapsed().as_secs_f64();
    let _ = run(&["-K"]);
    let _ = fs::remove_dir_all(dir);
    Some(rate)
}

fn pueue(jobs: usize, parallel: usize) -> Option<f64> {
    let (client, daemon) = (find("pueue")?, find("pueued")?);
    let dir = folder("pueue");
    let config = dir.join("pueue.yml");
    let text = format!(
        "shared:\n  pueue_directory: {0}\n  runtime_directory: {0}\n  use_unix_socket: true\n\
         client: {{}}\ndaemon:\n  default_parallel_tasks: {parallel}\n",
        dir.display()
    );
    fs::write(&config, text).unwrap();
    let run = |args: &[&str]| quiet(&client).arg("--config").arg(&config).args(args).status();
    let mut daemon = quiet(&daemon).arg("--config").arg(&config).spawn().ok()?;
    let deadline = Instant::now() + PATIENCE;
    while !run(&["status"]).is_ok_and(|status| status.success()) && Instant::now() < deadline {
        std::thread::park_timeout(Duration::from_millis(50));
    }
    let _ = run(&["parallel", &parallel.to_string()]);
    let began = Instant::now();
    for _ in 0..jobs {
        run(&["add", "--", "true"]).ok()?;
    }
    let ended = run(&["wait", "--quiet"]);
    let rate = jobs as f64 / began.elapsed().as_secs_f64();
    let _ = run(&["shutdown"]);
    let deadline = Instant::now() + Duration::from_secs(10);
    while matches!(daemon.try_wait(), Ok(None)) {
        if Instant::now() > deadline {
            let _ = daemon.kill();
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let _ = fs::remove_dir_all(dir);
    ended.ok().filter(std::process::ExitStatus::success).map(|_| rate)
}
