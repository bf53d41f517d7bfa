//! The command line: `cargo sim …`.
//!
//! Results go to stdout, progress and logs to stderr. Exit codes: 0 passed, 1 violated,
//! 2 usage or scenario error, 3 not deterministic, 4 no verdict, 130 interrupted. Must never:
//! know how a run is made; that is the [`RunFn`] it is given.

mod artifacts;
mod campaign;
mod explore;
pub mod find;
mod findings;
mod merge;
mod replay;
mod shrink;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::determinism::Checked;
use crate::run::{RunFn, RunOptions};
use crate::scenario::{Problems, Scenario, Seeds, schema};
use crate::seed::Seed;

const EXIT_CODES: &str = "Exit codes: 0 all passed, 1 something was violated, 2 wrong usage or scenario, \
3 a run was not deterministic, 4 a run gave no verdict, 130 interrupted.";

/// Runs scenarios of replication under a simulated network, clock and disk.
#[derive(Debug, Parser)]
#[command(name = "replisim", version, after_help = EXIT_CODES)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs scenarios: files, folders, or all of scenarios/
    Run(RunArgs),
    /// Makes scenarios from seeds and runs them, and keeps what fails
    Explore(explore::ExploreArgs),
    /// Joins the results of several `explore`, each run counted once
    Merge(merge::MergeArgs),
    /// Runs a failure that was kept, and says whether it is the same
    Replay(replay::ReplayArgs),
    /// Makes a failing scenario as small as it gets
    Shrink(shrink::ShrinkArgs),
    /// Reads scenarios and reports every mistake in them
    Check {
        /// Files or folders; without one, all of scenarios/
        paths: Vec<PathBuf>,
    },
    /// Lists scenarios with their titles
    List {
        /// Files or folders; without one, all of scenarios/
        paths: Vec<PathBuf>,
    },
    /// Writes a scenario as one seed resolves it, with every range drawn
    Resolve {
        /// The file
        path: PathBuf,
        /// The seed: decimal, 0x…, or a git hash
        #[arg(long, env = "SIM_SEED", default_value = "1")]
        seed: Seed,
    },
    /// Prints the JSON Schema of scenario files
    Schema,
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    /// Files or folders; without one, all of scenarios/
    paths: Vec<PathBuf>,
    /// One seed: decimal, 0x…, or a git hash
    #[arg(long, env = "SIM_SEED", value_name = "SEED", conflicts_with = "seeds")]
    seed: Option<Seed>,
    /// Seeds: how many (from 1 up), a..b with both ends, or a list with commas
    #[arg(long, env = "SIM_SEEDS", value_name = "N|A..B|LIST", value_parser = seed_list)]
    seeds: Option<SeedList>,
    /// Runs at the same time; without it, one for each processor
    #[arg(long, short, env = "SIM_JOBS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// How results are written to stdout
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    /// Writes a trace of each run below this folder
    #[arg(long, value_name = "DIR")]
    trace: Option<PathBuf>,
    /// Where the capsule and the trace of a run that fails are kept; with --trace, there
    #[arg(long, value_name = "DIR", default_value = "target/sim")]
    out: PathBuf,
    /// Stops at the first run that does not pass
    #[arg(long)]
    fail_fast: bool,
    /// Makes each run twice, and shows the first event in which the two differ
    #[arg(long)]
    twice: bool,
    /// Makes so many of the runs twice and compares them: a share like 0.1, or 10%
    #[arg(long, value_name = "P", default_value_t, conflicts_with = "twice")]
    check_determinism: Checked,
    /// Prints nothing but failures
    #[arg(long, short, conflicts_with = "verbose")]
    quiet: bool,
    /// Prints each run
    #[arg(long, short)]
    verbose: bool,
}

/// A list of seeds as one value of the command line.
#[derive(Debug, Clone)]
struct SeedList(Vec<Seed>);

fn seed_list(text: &str) -> Result<SeedList, String> {
    Seeds::parse(text).map(SeedList)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table and a summary
    Human,
    /// One JSON object a run
    Jsonl,
    /// JUnit XML
    Junit,
    /// Annotations of GitHub Actions
    Github,
}

/// Why the command ends without a result.
enum Stop {
    /// Wrong usage, or a file that is no scenario; it has been said or is said here.
    Usage(String),
    /// The output could not be written.
    Output(io::Error),
    /// Two runs of one seed differed.
    NotDeterministic(String),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// The arguments of this process, and what its environment says in their place.
fn arguments() -> Args {
    let mut command = without_empty_variables(Args::command());
    // Seeds that are written out count, whatever the environment says of seeds.
    if std::env::args_os().any(|word| word.to_string_lossy().starts_with("--seed")) {
        command = command.mut_subcommands(|command| command.mut_args(without_seeds_of_environment));
    }
    let matches = command.clone().get_matches();
    Args::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit())
}

/// Takes from each argument the variable that is set to nothing: such a one is not set. Scripts
/// and the matrices of fleets pass on what they were not given in this way.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let set = |argument: clap::Arg| {
        let empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
        match argument.get_env().is_some_and(empty) {
            true => argument.env(clap::builder::Resettable::Reset),
            false => argument,
        }
    };
    command.mut_args(set).mut_subcommands(without_empty_variables)
}

fn without_seeds_of_environment(argument: clap::Arg) -> clap::Arg {
    match argument.get_env().is_some_and(|name| name == "SIM_SEED" || name == "SIM_SEEDS") {
        true => argument.env(clap::builder::Resettable::Reset),
        false => argument,
    }
}

/// A variable of the environment; one that is set to nothing is not set.
fn variable(name: impl AsRef<OsStr>) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Does what the arguments of this process say. `run` makes one run.
pub fn main(run: RunFn) -> ExitCode {
    logs();
    let args = arguments();
    let result = match args.command {
        Command::Run(args) => run_command(&args, run),
        Command::Explore(args) => explore::explore(&args, run),
        Command::Merge(args) => merge::merge(&args),
        Command::Replay(args) => replay::replay(&args, run),
        Command::Shrink(args) => shrink::shrink(&args, run),
        Command::Check { paths } => check(&paths),
        Command::List { paths } => list(&paths),
        Command::Resolve { path, seed } => resolve(&path, seed),
        Command::Schema => print(&schema::schema_text()),
    };
    match result {
        Ok(code) => code,
        Err(Stop::Usage(message)) => {
            let _ = writeln!(anstream::stderr(), "{ERROR} {message}");
            ExitCode::from(2)
        }
        Err(Stop::NotDeterministic(message)) => {
            let _ = writeln!(anstream::stderr(), "{ERROR} {message}");
            ExitCode::from(3)
        }
        Err(Stop::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Stop::Output(error)) => {
            let _ = writeln!(anstream::stderr(), "{ERROR} cannot write: {error}");
            ExitCode::from(2)
        }
    }
}

const WARNING: &str = "\x1b[1;33mwarning:\x1b[0m";
const ERROR: &str = "\x1b[1;31merror:\x1b[0m";

fn logs() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off"));
    // A second subscriber is refused when the host program has set one: then that one logs.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).try_init();
}

fn print(text: &str) -> Result<ExitCode, Stop> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// A scenario and its file.
type Found = (PathBuf, Scenario);

/// Reads files; shows every mistake of every file.
fn read(paths: &[PathBuf]) -> Result<(Vec<Found>, Vec<Problems>), Stop> {
    let files = find::scenarios(paths).map_err(Stop::Usage)?;
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for file in files {
        match crate::scenario::load(&file) {
            Ok(scenario) => good.push((file, scenario)),
            Err(problems) => bad.push(problems),
        }
    }
    find::distinct(&mut good);
    let mut err = anstream::stderr().lock();
    for problems in &bad {
        writeln!(err, "{}\n", problems.render(true))?;
    }
    Ok((good, bad))
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn bad_files(bad: &[Problems]) -> Stop {
    let mistakes = bad.iter().map(|problems| problems.list.len()).sum();
    Stop::Usage(format!("{} in {}", count(mistakes, "mistake"), count(bad.len(), "scenario file")))
}

fn check(paths: &[PathBuf]) -> Result<ExitCode, Stop> {
    let (good, bad) = read(paths)?;
    let mut out = anstream::stdout().lock();
    for (path, scenario) in &good {
        let only = scenario.simulator_only();
        let note = if only.is_empty() {
            String::new()
        } else {
            format!("  (simulator only: {})", only.join(", "))
        };
        writeln!(out, "ok  {}{note}", path.display())?;
        let seed = scenario.default_seeds().first().copied().unwrap_or(Seed(1));
        if scenario.resolve(seed).judges_no_convergence() {
            let what = "no two nodes run and reach each other after the last step";
            let path = path.display();
            writeln!(out, "    {WARNING} {path}: `converged-within` judges nobody: {what}")?;
        }
    }
    out.flush()?;
    if bad.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(bad_files(&bad)) }
}

fn list(paths: &[PathBuf]) -> Result<ExitCode, Stop> {
    let (good, bad) = read(paths)?;
    let width = good.iter().map(|(path, _)| path.display().to_string().len()).max().unwrap_or(0);
    let mut out = anstream::stdout().lock();
    for (path, scenario) in &good {
        writeln!(out, "{:width$}  {}", path.display().to_string(), scenario.title)?;
    }
    out.flush()?;
    if bad.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(bad_files(&bad)) }
}

fn resolve(path: &PathBuf, seed: Seed) -> Result<ExitCode, Stop> {
    let (good, bad) = read(std::slice::from_ref(path))?;
    if !bad.is_empty() {
        return Err(bad_files(&bad));
    }
    let mut text = String::new();
    for (_, scenario) in &good {
        let fixed = scenario.resolve(seed).to_scenario();
        text.push_str(&fixed.to_toml().map_err(|e| Stop::Usage(e.to_string()))?);
    }
    print(&text)
}

fn run_command(args: &RunArgs, run: RunFn) -> Result<ExitCode, Stop> {
    let (good, bad) = read(&args.paths)?;
    if !bad.is_empty() {
        if args.format == Format::Github {
            let mut out = anstream::stdout().lock();
            for problems in &bad {
                crate::report::Renderer::problems(
                    &mut crate::report::github::Github,
                    &mut out,
                    problems,
                )?;
            }
        }
        return Err(bad_files(&bad));
    }
    let asked =
        args.seed.map(|seed| vec![seed]).or_else(|| args.seeds.clone().map(|SeedList(list)| list));
    if let Some(dir) = &args.trace {
        let made = std::fs::create_dir_all(dir);
        made.map_err(|e| Stop::Usage(format!("cannot make the folder {}: {e}", dir.display())))?;
    }
    let jobs = args.jobs.map_or_else(rayon::current_num_threads, usize::from);
    let campaign = campaign::Campaign {
        scenarios: good,
        seeds: asked,
        jobs,
        options: RunOptions {
            trace: args.trace.clone(),
            story: args.verbose,
            ..RunOptions::default()
        },
        fail_fast: args.fail_fast,
        artifacts: Some(args.out.clone()),
        twice: if args.twice { Checked::ALL } else { args.check_determinism },
        quiet: args.quiet,
        verbose: args.verbose,
    };
    let mut out = anstream::stdout().lock();
    Ok(ExitCode::from(campaign.run(run, args.format, &mut out)?))
}
