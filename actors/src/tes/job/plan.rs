//! What a shim is given for an attempt: everything is found and checked here, and nothing has run yet.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tsup_core::limits;
use tsup_core::tes::attempt::plan::Plan;
use tsup_core::tes::attempt::watch::Bounds;
use tsup_core::tes::failure::{Category, Failure};
use tsup_core::tes::input::{self, Inputs};
use tsup_core::tes::sandbox::{self, Places, Surroundings};
use tsup_core::tes::script::{Level, Script};
use tsup_core::tes::value::Kind;

use super::{Task, place};
use crate::tes::Shared;
use crate::tes::registry::program;
use crate::tes::shim::fence::{Around, Ground};
use crate::tes::shim::files;

/// Makes the plan of an attempt that has `slot`, or says why it cannot run.
pub(super) fn make(shared: &Shared, task: &Task, slot: u32, inputs: &str) -> Result<Box<Plan>, Box<Failure>> {
    let entry = shared.entry(&task.script).ok_or_else(|| Box::new(gone(&task.script)))?;
    let settings = shared.settings.borrow().tes.clone();
    let script = with_settings(&entry.script, task, settings.strict);
    let found = place::script(&entry, settings.allow_outside_root)?;
    let inputs: Map<String, Value> = serde_json::from_str(inputs).map_err(|e| {
        Box::new(Failure::new(Category::Unknown, format!("its inputs cannot be read any more: {e}")))
    })?;
    let inputs = Inputs(inputs);
    let laid = input::lay_out(&script, &inputs);
    let folder = files::folder(&shared.jobs_folder, task.id);
    let tmp_folder = shared.home.join("tmp").join(slot.to_string());
    let tmp = text(&tmp_folder)?;
    let from = Surroundings { own: &shared.own_env, inputs: &laid.env, tmp: &tmp, id: task.id };
    let env = sandbox::environment(&script, from)?;
    let path = env.iter().find(|(name, _)| name == "PATH").map_or("", |(_, value)| value.as_str());
    let interpreter = match program::interpreter(&script) {
        None => None,
        Some(named) => Some(
            program::find(&named, &entry.root, path)
                .ok_or_else(|| Box::new(no_interpreter(&script, &named)))?,
        ),
    };
    for (needed, _) in &script.dependencies {
        if program::find(needed, &entry.root, path).is_none() {
            return Err(Box::new(no_program(needed)));
        }
    }
    let around = Around { root: &entry.root, file: &found, path, inputs: &[], tmp: &tmp_folder };
    let places = places(shared, &script, &inputs, around)?;
    let host = shared.host().map_err(|e| Box::new(untried(&e)))?;
    let fence = sandbox::decide(&script, &places, host)?;
    fits(&laid.argv, &env, laid.stdin.as_deref())?;
    let script_path = text(&found)?;
    let (program, argv) = match &interpreter {
        Some(interpreter) => {
            (text(interpreter)?, std::iter::once(script_path).chain(laid.argv).collect::<Vec<_>>())
        }
        None => (script_path, laid.argv),
    };
    let looked_at =
        |bound: &Option<sandbox::Bound>| bound.as_ref().filter(|b| b.group.is_none()).map(|b| b.max);
    Ok(Box::new(Plan {
        id: task.id,
        boot_id: shared.boot_id.to_string(),
        traces: text(&shared.traces)?,
        slot,
        order: task.order,
        slots: task.slots,
        within: task.within,
        folder: text(&folder)?,
        tmp,
        program,
        argv,
        env,
        cwd: places.root.clone(),
        stdin: laid.stdin,
        bounds: Bounds {
            run: script.times.run,
            silence: script.times.silence,
            grace: script.times.grace,
            memory_bytes: looked_at(&fence.memory),
            processes: looked_at(&fence.processes).map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
        },
        keep_bytes: settings.output_mb.saturating_mul(1024 * 1024),
        cpu: sandbox::cpu(&script),
        file_bytes: Some(limits::SCRIPT_FILE_BYTES),
        fence,
    }))
}

/// The script as it holds for this job here.
pub(super) fn with_settings(script: &Script, task: &Task, strict: bool) -> Script {
    let mut script = script.clone();
    script.times.run = task.timeout.or(script.times.run);
    if strict {
        script.security.level = Level::Strict;
    }
    script
}

/// Where everything is that its fence is about.
fn places(
    shared: &Shared,
    script: &Script,
    inputs: &Inputs,
    around: Around<'_>,
) -> Result<Places, Box<Failure>> {
    text(around.root)?;
    // A script that is only bounded has no fence that is about places, and there are many to look for.
    if script.security.level == Level::Minimal {
        let root = around.root.canonicalize().unwrap_or_else(|_| around.root.to_path_buf());
        return Ok(Places { root: text(&root)?, ..Places::default() });
    }
    let files = script.args.iter().filter(|a| a.kind == Kind::File);
    let files: Vec<String> =
        files.filter_map(|a| inputs.0.get(&a.name)?.as_str()).map(str::to_owned).collect();
    let ground = Ground {
        home: shared.home.clone(),
        user_home: PathBuf::from(&shared.user_home),
        tmux: shared.tmux_folders.iter().map(PathBuf::from).collect(),
        sockets: shared.sockets.iter().map(PathBuf::from).collect(),
    };
    Ok(ground.places(script, Around { inputs: &files, ..around }))
}

/// A path as text: orders are text, and a name that is none is refused rather than changed.
fn text(path: &Path) -> Result<String, Box<Failure>> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        let failure =
            Failure::new(Category::Validation, format!("the path {} is not text in UTF-8", path.display()));
        Box::new(failure.suggest("give the file and the folders above it names in UTF-8"))
    })
}

/// Refuses what the shim server would not read: it would drop what all others told it, too.
fn fits(argv: &[String], env: &[(String, String)], stdin: Option<&str>) -> Result<(), Box<Failure>> {
    // Each text has its length before it, and paths, bounds and the fence take some more.
    let text = |text: &str| text.len() + size_of::<u64>();
    let bytes = argv.iter().map(|a| text(a)).sum::<usize>()
        + env.iter().map(|(name, value)| text(name) + text(value)).sum::<usize>()
        + stdin.map_or(0, text);
    let most = limits::ORDER_BYTES_MAX as usize - limits::ORDER_BYTES_BESIDE;
    if bytes <= most {
        return Ok(());
    }
    let what = format!("{bytes} bytes of arguments, variables and standard input; {most} are possible");
    let failure = Failure::new(Category::Validation, what);
    Err(Box::new(failure.suggest("pass large inputs in files, or name fewer variables in `env_vars`")))
}

fn gone(script: &str) -> Failure {
    Failure::new(Category::Dependency, format!("the script {script} is not registered any more"))
        .suggest("put it back into its registry, then `tsup ctl retry` the job")
}

pub(in crate::tes) fn untried(e: &std::io::Error) -> Failure {
    let what = format!("it could not be found out what this host can do to shut it in: {e}");
    Failure::new(Category::Resource, what)
        .suggest("see `tsup doctor` for the limits of this host; nothing is started with less than it can do")
}

pub(in crate::tes) fn no_interpreter(script: &Script, named: &str) -> Failure {
    Failure::new(Category::Dependency, format!("its interpreter {named} was not found"))
        .fact("interpreter", named.to_owned())
        .fact("path", script.path.clone())
        .suggest(format!("install {named}, or name another one as `execution.interpreter` in the registry"))
}

pub(in crate::tes) fn no_program(named: &str) -> Failure {
    Failure::new(Category::Dependency, format!("it needs {named}, which was not found"))
        .fact("program", named.to_owned())
        .suggest(format!("install {named}, or put its folder on the supervisor's PATH"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_no_server_reads_is_refused() {
        let half = "x".repeat(limits::ORDER_BYTES_MAX as usize / 2);
        assert!(fits(std::slice::from_ref(&half), &[], None).is_ok());
        let refused = fits(std::slice::from_ref(&half), &[("A".into(), half.clone())], None).unwrap_err();
        assert_eq!(refused.category, Category::Validation);
        assert!(fits(&[], &[], Some(&(half.clone() + &half))).is_err());
    }
}
