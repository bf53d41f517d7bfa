//! The real server: one node on real TCP, unix sockets and files.
//!
//! Reads the command line and the configuration, prepares the process (folder, pid file, file
//! descriptors, signals), and runs `server::run` over `TokioEnv`. Everything else is the same
//! code that the simulator runs.

#![allow(clippy::disallowed_methods, reason = "the process of the real world")]

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use replisim::config::{Config, ConfigFile};
use replisim::env::{Env, LogLevel, LogLine};
use replisim::server::args::{self, ConfigSource, Invocation};
use replisim::server::tokio_env::{LogTarget, TokioEnv, TokioOptions, yield_to_the_event_loop};
use tokio::runtime::{Builder, LocalOptions};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// File descriptors that are not clients: files, listening sockets, the link to the master.
const OWN_DESCRIPTORS: u64 = 32;

fn main() -> ExitCode {
    match try_main() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn try_main() -> Result<u8> {
    let (source, overrides) = match args::parse(std::env::args_os().skip(1)) {
        Ok(Invocation::Help) => return print(args::USAGE),
        Ok(Invocation::Version) => {
            return print(&format!("replisim-server {}\n", env!("CARGO_PKG_VERSION")));
        }
        Ok(Invocation::Run { source, overrides }) => (source, overrides),
        Err(error) => anyhow::bail!("{error}\n\n{}", args::USAGE.trim_end()),
    };
    let (mut config, config_file) = read_config(source, &overrides)?;
    enter_folder(&mut config)?;
    let env = TokioEnv::new(world_options(&config))
        .with_context(|| format!("Can't open the log file: {}", config.logfile))?;
    introduce(&env, &config);
    raise_descriptor_limit(&env, &config);
    let pid_file = write_pid_file(&env, &config);
    let code = serve(env, config, config_file)?;
    if let Some(path) = pid_file {
        // Someone else may have tidied up before.
        let _ = std::fs::remove_file(path);
    }
    Ok(u8::try_from(code).unwrap_or(1))
}

/// Prints and ends well, even when no one reads it to the end.
fn print(text: &str) -> Result<u8> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(0),
    }
}

// --- configuration

/// The configuration, and the file that `CONFIG REWRITE` writes: its absolute path and its text.
fn read_config(
    source: ConfigSource,
    overrides: &[String],
) -> Result<(Config, Option<(String, String)>)> {
    let file = match source {
        ConfigSource::None => None,
        ConfigSource::Stdin => {
            let mut bytes = Vec::new();
            let text = io::stdin()
                .read_to_end(&mut bytes)
                .and_then(|_| text_of(bytes))
                .context("Fatal error, can't read the configuration from standard input")?;
            Some((None, text))
        }
        ConfigSource::File(path) => {
            let text = read_text(Path::new(&path))
                .with_context(|| format!("Fatal error, can't open config file '{path}'"))?;
            let absolute = std::path::absolute(&path)
                .with_context(|| format!("Fatal error, no absolute path for '{path}'"))?;
            Some((Some(utf8(absolute)?), text))
        }
    };
    let named = file.as_ref().map(|(path, text)| (path.as_deref().unwrap_or("-"), text.as_str()));
    let config = Config::load(named, overrides, &mut read_include)?;
    let rewritable = file.and_then(|(path, text)| path.map(|path| (path, text)));
    Ok((config, rewritable))
}

/// The file of an `include`, or all that match a pattern: sorted, and none that is hidden, as
/// glob(3) has it.
fn read_include(path: &str) -> io::Result<Vec<ConfigFile>> {
    if !path.contains(['*', '?', '[']) {
        return Ok(vec![(path.to_owned(), read_text(Path::new(path))?)]);
    }
    let options = glob::MatchOptions {
        require_literal_separator: true,
        require_literal_leading_dot: true,
        ..glob::MatchOptions::default()
    };
    let found = glob::glob_with(path, options)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let read = |found: Result<PathBuf, glob::GlobError>| {
        let path = found.map_err(|error| io::Error::other(error.to_string()))?;
        let text = read_text(&path)?;
        Ok((path.display().to_string(), text))
    };
    found.map(read).collect()
}

fn read_text(path: &Path) -> io::Result<String> {
    text_of(std::fs::read(path)?)
}

/// A configuration's text. Comments may be in any encoding; in a directive only UTF-8 is known.
fn text_of(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).or_else(|error| {
        let lines = error.as_bytes().split_inclusive(|byte| *byte == b'\n').enumerate();
        let text = lines.map(|(at, line)| match std::str::from_utf8(line) {
            Err(_) if !line.trim_ascii_start().starts_with(b"#") => {
                let text = format!("line {} is not UTF-8", at + 1);
                Err(io::Error::new(io::ErrorKind::InvalidData, text))
            }
            _ => Ok(String::from_utf8_lossy(line)),
        });
        text.collect()
    })
}

fn utf8(path: PathBuf) -> Result<String> {
    path.into_os_string()
        .into_string()
        .map_err(|path| anyhow::anyhow!("the path {path:?} is not valid UTF-8"))
}

/// Makes `dir` the process's folder, so that every other path is relative to it as in Redis.
fn enter_folder(config: &mut Config) -> Result<()> {
    std::env::set_current_dir(&config.dir)
        .with_context(|| format!("Can't chdir to '{}'", config.dir))?;
    config.dir = utf8(std::env::current_dir().context("Can't tell the current folder")?)?;
    Ok(())
}

fn world_options(config: &Config) -> TokioOptions {
    TokioOptions {
        log: match config.logfile.as_str() {
            "" => LogTarget::Stdout,
            path => LogTarget::File(path.into()),
        },
        tcp_keepalive: (!config.tcp_keepalive.is_zero()).then_some(config.tcp_keepalive),
        source_address: config.bind_source_addr.clone(),
        tcp_backlog: config.tcp_backlog,
    }
}

// --- the process

fn say(env: &TokioEnv, config: &Config, level: LogLevel, text: String) {
    if level >= config.loglevel {
        let role = if config.replicaof.0.is_some() { 'S' } else { 'M' };
        env.log(&LogLine { level, role, text });
    }
}

/// The first lines of the log.
fn introduce(env: &TokioEnv, config: &Config) {
    let version = env!("CARGO_PKG_VERSION");
    for text in [
        format!("replisim-server is starting, version={version}, speaks as Redis 7.0.15"),
        format!("Running mode=standalone, port={}.", config.port),
    ] {
        say(env, config, LogLevel::Warning, text);
    }
}

/// Best effort, as in Redis: a server without its pid file serves as well.
fn write_pid_file(env: &TokioEnv, config: &Config) -> Option<PathBuf> {
    let path = Path::new(config.pidfile.as_ref()?);
    match std::fs::write(path, format!("{}\n", std::process::id())) {
        Ok(()) => Some(path.to_owned()),
        Err(error) => {
            let text = format!("Failed to write PID file {}: {error}", path.display());
            say(env, config, LogLevel::Warning, text);
            None
        }
    }
}

/// Room for `maxclients`, as far as the system allows.
fn raise_descriptor_limit(env: &TokioEnv, config: &Config) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let wanted = u64::from(config.maxclients) + OWN_DESCRIPTORS;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let reachable = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let raised =
        setrlimit(Resource::Nofile, Rlimit { current: Some(reachable), maximum: limit.maximum });
    if raised.is_err() || reachable < wanted {
        let text = format!(
            "maxclients {} asks for {wanted} file descriptors, and there are {}.",
            config.maxclients,
            raised.map_or(limit.current.unwrap_or(wanted), |()| reachable),
        );
        say(env, config, LogLevel::Warning, text);
    }
}

fn serve(env: TokioEnv, config: Config, config_file: Option<(String, String)>) -> Result<i32> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .on_thread_start(yield_to_the_event_loop)
        .build_local(LocalOptions::default())
        .context("Can't start the event loop")?;
    let code = runtime.block_on(async {
        let shutdown = shutdown_signal()?;
        anyhow::Ok(replisim::server::run(env, config, config_file, None, shutdown).await)
    })?;
    // A write to a disk that hangs must not keep the process.
    runtime.shutdown_background();
    Ok(code)
}

/// Resolves at the first SIGTERM or SIGINT. A second SIGINT ends the process on the spot.
fn shutdown_signal() -> Result<impl Future<Output = &'static str>> {
    let listen = |kind| signal(kind).context("Can't listen for signals");
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    // Listening is enough to ignore it, as Redis does: the terminal may go.
    let hang_up = listen(SignalKind::hangup())?;
    // So that a file that may not grow any more (`ulimit -f`) is an error of that write, like a
    // full disk, and not the end of the process. Handlers stay when their listener goes.
    const SIGXFSZ: i32 = 25;
    drop(listen(SignalKind::from_raw(SIGXFSZ))?);
    Ok(async move {
        let name = tokio::select! {
            biased;
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tokio::task::spawn_local(insist(interrupt, hang_up));
        name
    })
}

async fn insist(mut interrupt: Signal, _hang_up: Signal) {
    if interrupt.recv().await.is_some() {
        std::process::exit(1);
    }
}
