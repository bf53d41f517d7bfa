//! Real server processes for tests: ours, and Debian's redis-server where it is installed.
//!
//! Every server listens on a free port of the loopback interface and has a folder of its own.
//! It is killed through its own child handle. When a test fails, the folder stays, and the end
//! of the log is printed.

#![allow(dead_code, reason = "each test program uses what it needs of this module")]

pub mod markdown;

use std::fmt::Write;
use std::fs::OpenOptions;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use redis::{Connection, FromRedisValue, RedisResult};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long anything may take before a test gives up. Generous: the machine may be busy.
const DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
const LOG_LINES_SHOWN: usize = 40;

/// Which program a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `replisim-server`.
    Ours,
    /// `redis-server` as installed.
    Redis,
    /// `valkey-server` as installed.
    Valkey,
}

impl Program {
    fn path(self) -> &'static str {
        match self {
            Self::Ours => env!("CARGO_BIN_EXE_replisim-server"),
            Self::Redis => "redis-server",
            Self::Valkey => "valkey-server",
        }
    }

    /// Whether it is installed; if it is not, says that `test` was skipped.
    pub fn is_there(self, test: &str) -> bool {
        match self {
            Self::Ours => true,
            Self::Redis => redis_is_installed(test),
            Self::Valkey => is_installed(self.path(), test),
        }
    }
}

/// Whether redis-server 7.0 is installed; if it is not, says that `test` was skipped.
pub fn redis_is_installed(test: &str) -> bool {
    let version = Command::new("redis-server").arg("--version").output();
    let found =
        version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("v=7.0."));
    if !found {
        eprintln!("skipped: {test} needs redis-server 7.0, which is not installed");
    }
    found
}

/// Whether a program is installed; if it is not, says that `test` was skipped.
pub fn is_installed(program: &str, test: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: {test} needs {program}, which is not installed");
    }
    found
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("its address").port()
}

/// Waits for a condition.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let give_up = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < give_up, "waited in vain: {what}");
        std::thread::sleep(POLL);
    }
}

/// A server process, running or not, and its folder.
pub struct Server {
    program: Program,
    pub port: u16,
    args: Vec<String>,
    password: Option<String>,
    child: Option<Child>,
    dir: Option<TempDir>,
}

impl Server {
    /// Starts a server with these directives, each as `name value`.
    pub fn start(program: Program, directives: &[&str]) -> Self {
        let mut server = Self::prepare(program);
        server.configure(directives);
        server.launch();
        server
    }

    /// A server that has a port and a folder, and does not run yet.
    pub fn prepare(program: Program) -> Self {
        let dir = tempfile::Builder::new().prefix("replisim-").tempdir().expect("a folder");
        Self {
            program,
            port: free_port(),
            args: Vec::new(),
            password: None,
            child: None,
            dir: Some(dir),
        }
    }

    /// Writes its configuration file.
    pub fn configure(&mut self, directives: &[&str]) {
        let mut text = String::new();
        let (port, dir) = (self.port, self.dir().display());
        write!(text, "bind 127.0.0.1\nport {port}\ndir {dir}\nsave \"\"\n").expect("text");
        text.push_str("enable-debug-command yes\nrepl-diskless-sync-delay 0\n");
        for directive in directives {
            writeln!(text, "{directive}").expect("text");
            if let Some(password) = directive.strip_prefix("requirepass ") {
                self.password = Some(password.to_owned());
            }
        }
        let path = self.dir().join("redis.conf");
        std::fs::write(&path, text).expect("the configuration is written");
        self.args = vec![path.to_str().expect("UTF-8").to_owned()];
    }

    /// Starts the process, and waits until it serves.
    pub fn launch(&mut self) {
        self.spawn();
        wait_until("the server answers", || {
            if let Some(status) = self.exited() {
                panic!("the server ended at once: {status}\n{}", self.log_tail());
            }
            self.try_query::<String>(&["PING"]).is_ok_and(|answer| answer == "PONG")
        });
    }

    /// Starts the process.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log =
            OpenOptions::new().create(true).append(true).open(self.log_path()).expect("its log");
        let errors = log.try_clone().expect("its log");
        let child = Command::new(self.program.path())
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .expect("the server starts");
        self.child = Some(child);
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        self.dir.as_ref().expect("a folder").path()
    }

    fn log_path(&self) -> PathBuf {
        self.dir().join("log")
    }

    /// All it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }

    /// Its process id.
    pub fn process_id(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Memory that its process has now, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process_id()));
        let status = status.expect("it runs");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = resident.map(|text| text.trim().trim_end_matches(" kB"));
        kib.and_then(|kib| kib.parse().ok()).expect("its memory")
    }

    fn exited(&mut self) -> Option<ExitStatus> {
        let child = self.child.as_mut()?;
        child.try_wait().expect("its state")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it runs");
        kill_process(Pid::from_child(child), signal).expect("it is there");
    }

    /// Waits for its end.
    pub fn wait_exit(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the server ends", || {
            status = self.exited();
            status.is_some()
        });
        self.child = None;
        status.expect("its status")
    }

    /// Kills it without warning.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("killed");
        child.wait().expect("gone");
    }

    /// Asks it to end, as an operator does.
    pub fn terminate(&mut self) {
        self.signal(Signal::TERM);
        let status = self.wait_exit();
        assert!(status.success(), "it ended with {status}\n{}", self.log_tail());
    }

    // --- talking to it

    /// A connection, authenticated if need be.
    pub fn connect(&self) -> RedisResult<Connection> {
        let password = self.password.as_deref().map(|word| format!(":{word}@"));
        let url = format!("redis://{}127.0.0.1:{}/", password.unwrap_or_default(), self.port);
        let connection = redis::Client::open(url)?.get_connection_with_timeout(DEADLINE)?;
        connection.set_read_timeout(Some(DEADLINE))?;
        Ok(connection)
    }

    /// One command on a connection of its own.
    pub fn try_query<T: FromRedisValue>(&self, command: &[&str]) -> RedisResult<T> {
        query_on(&mut self.connect()?, command)
    }

    /// One command that must succeed.
    #[track_caller]
    pub fn query<T: FromRedisValue>(&self, command: &[&str]) -> T {
        match self.try_query(command) {
            Ok(answer) => answer,
            Err(error) => panic!("{command:?}: {error}"),
        }
    }

    /// A field of `INFO`, or an empty text.
    #[track_caller]
    pub fn info(&self, field: &str) -> String {
        match self.try_info(field) {
            Ok(value) => value,
            Err(error) => panic!("INFO: {error}"),
        }
    }

    /// The same, where the connection may be lost.
    pub fn try_info(&self, field: &str) -> RedisResult<String> {
        let info: String = self.try_query(&["INFO"])?;
        let mut lines = info.lines();
        let value = lines.find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        Ok(value.unwrap_or_default().trim_end().to_owned())
    }

    /// `DEBUG DIGEST`.
    #[track_caller]
    pub fn digest(&self) -> String {
        self.query(&["DEBUG", "DIGEST"])
    }

    /// Waits until this replica follows its master.
    #[track_caller]
    pub fn wait_link_up(&self) {
        wait_until("the link to the master is up", || self.info("master_link_status") == "up");
    }

    /// Waits until this replica has everything that `master` has.
    #[track_caller]
    pub fn wait_in_sync(&self, master: &Self) {
        self.wait_link_up();
        wait_until("the replica has caught up", || {
            self.info("master_replid") == master.info("master_replid")
                && self.info("master_repl_offset") == master.info("master_repl_offset")
        });
        assert_eq!(self.digest(), master.digest(), "same offset, other data");
    }
}

/// One command.
pub fn query_on<T: FromRedisValue>(
    connection: &mut Connection,
    command: &[&str],
) -> RedisResult<T> {
    let mut cmd = redis::cmd(command[0]);
    for argument in &command[1..] {
        cmd.arg(argument);
    }
    cmd.query(connection)
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking()
            && let Some(dir) = self.dir.take()
        {
            eprintln!(
                "--- {:?} on port {}, files kept in {}\n{}",
                self.program,
                self.port,
                dir.path().display(),
                std::fs::read_to_string(dir.path().join("log")).map_or_else(
                    |error| error.to_string(),
                    |log| {
                        let lines: Vec<&str> = log.lines().collect();
                        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
                    }
                )
            );
            let _ = dir.keep();
        }
    }
}

/// Writes `count` keys in several databases, some with a time to live.
pub fn fill(server: &Server, prefix: &str, count: usize) {
    let mut connection = server.connect().expect("connected");
    for db in [0, 3] {
        let mut pipe = redis::pipe();
        pipe.cmd("SELECT").arg(db).ignore();
        for at in 0..count {
            let (key, value) = (format!("{prefix}:{at}"), format!("value {at}"));
            match at % 10 {
                0 => pipe.cmd("SET").arg(key).arg(value).arg("EX").arg(1000),
                1 => pipe.cmd("SET").arg(key).arg(at),
                _ => pipe.cmd("SET").arg(key).arg(value.repeat(10)),
            }
            .ignore();
        }
        pipe.query::<()>(&mut connection).expect("written");
    }
}
