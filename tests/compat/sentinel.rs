//! Real redis-sentinel 7.0.15 over a master and two replicas of ours.

use std::fmt::Write as _;
use std::process::{Child, Command, Stdio};

use redis::{Commands, Connection};
use rustix::process::Signal;

use crate::support::{Program, Server, fill, free_port, is_installed, query_on, wait_until};

const NAME: &str = "ours";

/// A process of redis-sentinel, killed through its own handle.
struct Sentinel {
    port: u16,
    child: Child,
    dir: tempfile::TempDir,
}

impl Sentinel {
    fn watching(master: &Server, quorum: usize) -> Self {
        let dir = tempfile::Builder::new().prefix("sentinel-").tempdir().unwrap();
        let port = free_port();
        let mut text = format!("bind 127.0.0.1\nport {port}\ndir {}\n", dir.path().display());
        let at = format!("127.0.0.1 {}", master.port);
        write!(
            text,
            "sentinel monitor {NAME} {at} {quorum}\n\
             sentinel down-after-milliseconds {NAME} 1000\n\
             sentinel failover-timeout {NAME} 10000\n\
             sentinel parallel-syncs {NAME} 1\n"
        )
        .unwrap();
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

fn watched() -> Watched {
    let master = Server::start(Program::Ours, &[]);
    let replica_of = format!("replicaof 127.0.0.1 {}", master.port);
    let replicas = [(); 2].map(|()| Server::start(Program::Ours, &[&replica_of]));
    replicas.iter().for_each(Server::wait_link_up);
    let sentinels: Vec<Sentinel> = (0..3).map(|_| Sentinel::watching(&master, 2)).collect();
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
    if !is_installed("redis-sentinel", "the_master_is_killed_and_a_replica_is_promoted") {
        return;
    }
    let Watched { mut servers, sentinels } = watched();
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
    let new_port: u16 = words[4].parse().unwrap();
    assert_ne!(new_port, old_port);

    let at = servers.iter().position(|server| server.port == new_port).expect("one of ours");
    let promoted = servers.swap_remove(at);
    let (old, other): (Vec<_>, Vec<_>) =
        servers.into_iter().partition(|server| server.port == old_port);
    let (mut old, other) = (old.into_iter().next().unwrap(), other.into_iter().next().unwrap());
    wait_until("it is a master", || promoted.info("role") == "master");
    wait_until("its sibling follows it", || {
        other.info("master_port") == new_port.to_string()
            && other.info("master_link_status") == "up"
    });
    // The sibling was not ahead: it goes on from where it was.
    assert_eq!(promoted.info("sync_full"), "0", "{}", promoted.log());
    let mut connection = promoted.connect().unwrap();
    let _: () = connection.set("after", "the failover").unwrap();
    other.wait_in_sync(&promoted);

    // The old master comes back as it was, is told, and writes down whose replica it is.
    old.launch();
    wait_until("the old master is a replica", || {
        old.info("role") == "slave" && old.info("master_port") == new_port.to_string()
    });
    old.wait_in_sync(&promoted);
    let file = std::fs::read_to_string(old.dir().join("redis.conf")).unwrap();
    wait_until("CONFIG REWRITE has been", || {
        let file = std::fs::read_to_string(old.dir().join("redis.conf")).unwrap();
        file.contains(&format!("replicaof 127.0.0.1 {new_port}"))
    });
    drop(file);
    for sentinel in &sentinels {
        wait_until("all sentinels agree", || sentinel.master_port() == new_port);
    }
}

/// A master that stood still and comes back has not been killed: it has all of its stream, and
/// follows by partial resync, as Redis would.
#[test]
fn a_master_that_stood_still_comes_back_by_partial_resync() {
    let name = "a_master_that_stood_still_comes_back_by_partial_resync";
    if !is_installed("redis-sentinel", name) {
        return;
    }
    let Watched { servers, sentinels } = watched();
    fill(&servers[0], "before", 100);
    for replica in &servers[1..] {
        replica.wait_in_sync(&servers[0]);
    }
    let old_port = servers[0].port;
    servers[0].signal(Signal::STOP);
    for sentinel in &sentinels {
        wait_until("another master", || sentinel.master_port() != old_port);
    }
    let new_port = sentinels[0].master_port();
    let promoted = servers.iter().find(|server| server.port == new_port).expect("one of ours");
    wait_until("it is a master", || promoted.info("role") == "master");
    servers[0].signal(Signal::CONT);
    wait_until("the old master follows", || {
        servers[0].info("role") == "slave" && servers[0].info("master_link_status") == "up"
    });
    servers[0].wait_in_sync(promoted);
    for server in &servers {
        assert_eq!(server.info("run_id").len(), 40);
    }
    let syncs = (promoted.info("sync_full"), promoted.info("sync_partial_ok"));
    // Whether the old master's own pings ran ahead decides about it; the sibling's never do.
    assert!(syncs.1.parse::<u32>().unwrap() >= 1, "{syncs:?}\n{}", promoted.log());
}
