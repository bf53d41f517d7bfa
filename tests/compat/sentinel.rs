//! Real redis-sentinel 7.0.15 over a master and two replicas: ours, and in the last test Redis's
//! own, to see that they end up the same.

use std::fmt::Write as _;
use std::process::{Child, Command, Stdio};

use redis::{Commands, Connection};
use rustix::process::Signal;

use crate::support::{
    Program, Server, fill, free_port, is_installed, query_on, redis_is_installed, wait_until,
};

const NAME: &str = "ours";

/// A process of redis-sentinel, killed through its own handle.
struct Sentinel {
    port: u16,
    child: Child,
    dir: tempfile::TempDir,
}

impl Sentinel {
    fn watching(master: &Server, quorum: usize, password: Option<&str>) -> Self {
        let dir = tempfile::Builder::new().prefix("sentinel-").tempdir().unwrap();
        let port = free_port();
        let mut text = format!("bind 127.0.0.1\nport {port}\ndir {}\n", dir.path().display());
        let at = format!("127.0.0.1 {}", master.port);
        write!(
            text,
            "sentinel monitor {NAME} {at} {quorum}\n\
             sentinel down-after-milliseconds {NAME} 2000\n\
             sentinel failover-timeout {NAME} 10000\n\
             sentinel parallel-syncs {NAME} 1\n"
        )
        .unwrap();
        if let Some(password) = password {
            writeln!(text, "sentinel auth-pass {NAME} {password}").unwrap();
        }
        let path = dir.path().join("sentinel.conf");
        std::fs::write(&path, text).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let child = Command::new("redis-sentinel")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(log)
            .spawn()
            .expect("redis-sentinel starts");
        let sentinel = Self { port, child, dir };
        wait_until("a sentinel answers", || sentinel.try_connect().is_some());
        sentinel
    }

    fn try_connect(&self) -> Option<Connection> {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}/", self.port)).ok()?;
        client.get_connection().ok()
    }

    /// A field of what it knows about the master.
    fn field(&self, name: &str) -> String {
        let mut connection = self.try_connect().expect("a sentinel that answers");
        let fields: Vec<(String, String)> =
            query_on(&mut connection, &["SENTINEL", "MASTER", NAME]).unwrap();
        let found = fields.into_iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value).unwrap_or_default()
    }

    /// Port of whom it takes for the master.
    fn master_port(&self) -> u16 {
        let mut connection = self.try_connect().expect("a sentinel that answers");
        let address: (String, u16) =
            query_on(&mut connection, &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]).unwrap();
        address.1
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            eprintln!("--- sentinel on port {}\n{log}", self.port);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Watched {
    /// The master first.
    servers: Vec<Server>,
    sentinels: Vec<Sentinel>,
}

fn watched(program: Program, password: Option<&str>) -> Watched {
    let secrets = password
        .map(|password| [format!("requirepass {password}"), format!("masterauth {password}")]);
    let mut directives: Vec<&str> = secrets.iter().flatten().map(String::as_str).collect();
    let master = Server::start(program, &directives);
    let replica_of = format!("replicaof 127.0.0.1 {}", master.port);
    directives.push(&replica_of);
    let replicas = [(); 2].map(|()| Server::start(program, &directives));
    replicas.iter().for_each(Server::wait_link_up);
    let sentinels: Vec<Sentinel> =
        (0..3).map(|_| Sentinel::watching(&master, 2, password)).collect();
    for sentinel in &sentinels {
        // Sentinels find each other by what they publish through the master.
        wait_until("a sentinel knows all the others and both replicas", || {
            sentinel.field("num-other-sentinels") == "2" && sentinel.field("num-slaves") == "2"
        });
    }
    let servers = std::iter::once(master).chain(replicas).collect();
    Watched { servers, sentinels }
}

#[test]
fn the_master_is_killed_and_a_replica_is_promoted() {
    if is_installed("redis-sentinel", "the_master_is_killed_and_a_replica_is_promoted") {
        kill_the_master(None);
    }
}

#[test]
fn the_master_is_killed_and_a_replica_is_promoted_with_passwords() {
    let name = "the_master_is_killed_and_a_replica_is_promoted_with_passwords";
    if is_installed("redis-sentinel", name) {
        kill_the_master(Some("secret"));
    }
}

fn kill_the_master(password: Option<&str>) {
    let Watched { mut servers, sentinels } = watched(Program::Ours, password);
    fill(&servers[0], "before", 500);
    let old_port = servers[0].port;

    let mut listener = sentinels[0].try_connect().unwrap();
    let mut events = listener.as_pubsub();
    events.subscribe("+switch-master").unwrap();
    events.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();

    servers[0].kill();
    let told: String = events.get_message().expect("clients are told").get_payload().unwrap();
    let words: Vec<&str> = told.split(' ').collect();
    assert_eq!(words[..3], [NAME, "127.0.0.1", &old_port.to_string()], "{told}");
    assert_ne!(words[4], old_port.to_string(), "{told}");

    // On a busy machine the Sentinels may choose once more; what counts is where they end.
    wait_until("they agree on one, who knows it, and the other replica follows", || {
        agreed(&sentinels, &servers).is_some_and(|promoted| {
            let port = promoted.port.to_string();
            let mut others = servers[1..].iter().filter(|server| server.port != promoted.port);
            others.all(|other| {
                shows(other, "master_port", &port) && shows(other, "master_link_status", "up")
            })
        })
    });
    let mut connection = agreed(&sentinels, &servers).expect("agreed").connect().unwrap();
    let _: () = connection.set("after", "the failover").unwrap();

    // The old master comes back as it was, is told, and writes down whose replica it is.
    servers[0].launch();
    let old = &servers[0];
    wait_until("the old master is a replica, and has it in its file", || {
        agreed(&sentinels, &servers).is_some_and(|promoted| {
            let port = promoted.port.to_string();
            let file = std::fs::read_to_string(old.dir().join("redis.conf")).unwrap();
            shows(old, "role", "slave")
                && shows(old, "master_port", &port)
                && shows(old, "master_link_status", "up")
                && file.contains(&format!("replicaof 127.0.0.1 {port}"))
        })
    });
    let promoted = agreed(&sentinels, &servers).expect("agreed");
    old.wait_in_sync(promoted);
    // It was killed without a file: there was nothing to resume from, for Redis neither.
    assert!(old.log().contains("MASTER <-> REPLICA sync: Finished with success"));
}

/// Whether a field of `INFO` has this value. Sentinel kills the connections of clients to a server
/// that it gives another role, also this one: then it is not known yet.
fn shows(server: &Server, field: &str, value: &str) -> bool {
    server.try_info(field).is_ok_and(|shown| shown == value)
}

/// The one that all Sentinels take for the master and that is one, if it is not the first.
fn agreed<'a>(sentinels: &[Sentinel], servers: &'a [Server]) -> Option<&'a Server> {
    let port = sentinels[0].master_port();
    let all = sentinels.iter().all(|sentinel| sentinel.master_port() == port);
    let promoted = servers[1..].iter().find(|server| server.port == port)?;
    (all && shows(promoted, "role", "master")).then_some(promoted)
}

/// A master that stood still and comes back has all of its stream, and maybe more: pings of its
/// own, and what the Sentinels said through it before they told it of the other master. It follows
/// by partial resync if and only if it has nothing that the promoted replica does not have.
#[test]
fn a_master_that_stood_still_comes_back_by_partial_resync_if_it_can() {
    let name = "a_master_that_stood_still_comes_back_by_partial_resync_if_it_can";
    if is_installed("redis-sentinel", name) {
        stop_and_continue(Program::Ours, None);
    }
}

#[test]
fn a_master_that_stood_still_comes_back_with_passwords() {
    if is_installed("redis-sentinel", "a_master_that_stood_still_comes_back_with_passwords") {
        stop_and_continue(Program::Ours, Some("secret"));
    }
}

/// The yardstick: the same with Redis itself.
#[test]
fn a_master_of_redis_that_stood_still_comes_back_by_the_same_rule() {
    let name = "a_master_of_redis_that_stood_still_comes_back_by_the_same_rule";
    if is_installed("redis-sentinel", name) && redis_is_installed(name) {
        stop_and_continue(Program::Redis, None);
    }
}

fn stop_and_continue(program: Program, password: Option<&str>) {
    let Watched { servers, sentinels } = watched(program, password);
    fill(&servers[0], "before", 100);
    for replica in &servers[1..] {
        replica.wait_in_sync(&servers[0]);
    }
    let old = &servers[0];
    old.signal(Signal::STOP);
    for sentinel in &sentinels {
        wait_until("another master", || sentinel.master_port() != old.port);
    }
    let new_port = sentinels[0].master_port();
    let promoted = servers.iter().find(|server| server.port == new_port).expect("one of them");
    wait_until("it is a master", || shows(promoted, "role", "master"));
    let before = old.log();
    old.signal(Signal::CONT);
    wait_until("the old master follows", || {
        shows(old, "role", "slave") && shows(old, "master_link_status", "up")
    });
    old.wait_in_sync(promoted);
    for server in &servers {
        assert_eq!(server.info("run_id").len(), 40);
    }
    // What it asked for first, and up to where the second id of the promoted one goes.
    let log = old.log();
    let since = &log[before.len()..];
    let request = since.split("Trying a partial resynchronization (request ").nth(1);
    let request = request.and_then(|rest| rest.split(')').next()).expect("it asked");
    let (id, first_byte) = request.split_once(':').expect("id:offset");
    let first_byte: u64 = first_byte.parse().unwrap();
    let up_to: u64 = promoted.info("second_repl_offset").parse().unwrap();
    assert_eq!(id, promoted.info("master_replid2"), "{since}");
    let partial = since.contains("Successful partial resynchronization with master.");
    assert_eq!(partial, first_byte <= up_to, "{first_byte} asked, {up_to} known\n{since}");
    // Its sibling has never had more.
    let ok: u32 = promoted.info("sync_partial_ok").parse().unwrap();
    assert_eq!(ok, 1 + u32::from(partial), "{}", promoted.log());
    assert_eq!(promoted.info("sync_full") == "0", partial, "{}", promoted.log());
}
