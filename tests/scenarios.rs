//! Every file of `scenarios/`, each with several seeds, each a test of its own name:
//!
//! ```text
//! cargo test --test scenarios                                        all of them
//! cargo test --test scenarios partial-resync                         those whose name contains it
//! cargo test --test scenarios -- --exact partial-resync/short-cut::seed_1
//! SIM_SEEDS=100..200 cargo test --test scenarios promotion           other seeds
//! ```
//!
//! A file runs with the seeds of its own `[run]` section, the first three at most. `SIM_SEEDS`
//! takes what `cargo sim run --seeds` takes, without that limit. What fails prints the line that
//! replays it. Recorded failures in `scenarios/regressions/` are files like all others.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use replisim_sim::cli::find;
use replisim_sim::report::{Outcome, human};
use replisim_sim::run::{RunOptions, run_caught, run_scenario};
use replisim_sim::scenario::{self, Scenario, Seeds};
use replisim_sim::seed::Seed;

/// Seeds of one file, unless others are asked for.
const MAX_SEEDS: usize = 3;

#[expect(clippy::disallowed_methods, reason = "which seeds a user asks for; no run sees it")]
fn asked_seeds() -> Result<Option<Vec<Seed>>, String> {
    match std::env::var("SIM_SEEDS") {
        Ok(text) => Seeds::parse(&text).map(Some).map_err(|what| format!("SIM_SEEDS: {what}")),
        Err(_) => Ok(None),
    }
}

fn one_run(scenario: &Scenario, path: &Path, seed: Seed) -> Result<(), Failed> {
    let mut report = run_caught(run_scenario, scenario, seed, &RunOptions::default());
    report.path = Some(path.to_owned());
    match report.outcome {
        Outcome::Pass => Ok(()),
        Outcome::Fail | Outcome::Error => Err(Failed::from(human::failure(&report))),
    }
}

fn trials(path: PathBuf, asked: Option<&[Seed]>) -> Vec<Trial> {
    let scenario = match scenario::load(&path) {
        Ok(scenario) => scenario,
        Err(problems) => {
            let name = format!("{}::is_a_scenario", scenario::read::name_of(&path));
            return vec![Trial::test(name, move || Err(Failed::from(problems.render(false))))];
        }
    };
    let seeds = asked.map_or_else(
        || scenario.default_seeds().into_iter().take(MAX_SEEDS).collect(),
        <[Seed]>::to_vec,
    );
    let trial = |seed: Seed| {
        let (scenario, path) = (scenario.clone(), path.clone());
        let name = format!("{}::seed_{seed}", scenario.name);
        Trial::test(name, move || one_run(&scenario, &path, seed))
    };
    seeds.into_iter().map(trial).collect()
}

fn main() -> ExitCode {
    let args = Arguments::from_args();
    // Relative to the package, where cargo and nextest run tests: the replay line can be pasted.
    let folder = Path::new("scenarios");
    let found = find::scenarios(&[folder.to_owned()]);
    match found.and_then(|files| Ok((files, asked_seeds()?))) {
        Ok((files, asked)) => {
            let trials = files.into_iter().flat_map(|path| trials(path, asked.as_deref()));
            libtest_mimic::run(&args, trials.collect()).exit_code()
        }
        Err(what) => {
            eprintln!("error: {what}");
            ExitCode::from(2)
        }
    }
}
