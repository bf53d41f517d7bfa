//! The process of a node: its configuration file, its probe, its exit.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use replisim::config::Config;
use replisim::env::{Disk, DiskReader, Env};

use super::RunError;
use crate::cluster::{Limits, NodeIndex};
use crate::env::SimEnv;
use crate::process::Exit;
use crate::recorder::{NodeProbe, Recorder};
use crate::scenario::directives;
use crate::scenario::{NodeSpec, ResolvedScenario, WorkloadSpec};
use crate::simulation::Simulation;
use crate::workload::Target;
use crate::world::HostId;

/// Every node's configuration file.
const CONFIG_FILE: &str = "redis.conf";

/// The text of a node's redis.conf.
fn config_text(scenario: &ResolvedScenario, node: &NodeSpec) -> String {
    let mut text = String::new();
    for (name, value) in &node.config {
        text.push_str(&directives::line(name, value));
        text.push('\n');
    }
    if let Some(master) = &node.replicaof {
        let port = scenario.nodes.iter().find(|other| other.name == *master).map_or(6379, port);
        text.push_str(&format!("replicaof {master} {port}\n"));
    }
    if !node.config.iter().any(|(name, _)| name == "protected-mode") {
        text.push_str("protected-mode no\n");
    }
    if !node.config.iter().any(|(name, _)| name == "enable-debug-command") {
        text.push_str("enable-debug-command yes\n");
    }
    text
}

fn setting<'a>(node: &'a NodeSpec, name: &str) -> Option<&'a str> {
    node.config.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// The port a node listens on.
pub(super) fn port(node: &NodeSpec) -> u16 {
    setting(node, "port").and_then(|port| port.parse().ok()).unwrap_or(6379)
}

/// A node's password, as its file sets it.
pub(super) fn password(node: &NodeSpec) -> Option<&str> {
    setting(node, "requirepass").filter(|password| !password.is_empty())
}

/// A node as a client of `workload` knows it.
pub(super) fn target(node: &NodeSpec, workload: &WorkloadSpec) -> Target {
    let password = match &workload.password {
        Some(given) if given.is_empty() => None,
        Some(given) => Some(given.as_str()),
        None => password(node),
    };
    Target {
        host: node.name.clone(),
        port: port(node),
        auth: password.map(|password| (workload.user.clone(), password.to_owned())),
        master: node.replicaof.is_none(),
    }
}

fn parse(text: &str) -> Result<Config, String> {
    let no_include = &mut |_: &str| Err(std::io::ErrorKind::NotFound.into());
    Config::load(Some((CONFIG_FILE, text)), &[], no_include).map_err(|error| error.to_string())
}

/// Adds a node to the world and to the cluster that is watched.
pub(super) fn add(
    sim: &mut Simulation,
    scenario: &ResolvedScenario,
    index: NodeIndex,
    recorder: &Rc<RefCell<Recorder>>,
) -> Result<HostId, RunError> {
    let node = &scenario.nodes[index];
    let text = config_text(scenario, node);
    let config =
        parse(&text).map_err(|message| RunError::Config { node: node.name.clone(), message })?;
    let starts = node.starts;
    let probe = recorder.clone();
    let host = sim.add_host(&node.name, move |env| {
        life(env, text.clone(), starts, NodeProbe { node: index, recorder: probe.clone() })
    });
    let ip = sim.world().ip(host).to_string();
    let added = recorder.borrow_mut().cluster.add(&node.name, &ip, Limits::from(&config));
    assert_eq!(added, index, "nodes are added in the order of the scenario");
    Ok(host)
}

/// One life of a node's process.
async fn life(env: SimEnv, text: String, starts: Duration, probe: NodeProbe) -> Exit {
    let wait = starts.saturating_sub(env.world().now());
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    let text = rewritten(&env).await?.unwrap_or(text);
    let config = parse(&text).map_err(std::io::Error::other)?;
    probe.recorder.borrow_mut().cluster.nodes[probe.node].limits = Limits::from(&config);
    let file = Some((CONFIG_FILE.to_owned(), text));
    let never = std::future::pending();
    let code = replisim::server::run(env, config, file, Some(Box::new(probe)), never).await;
    if code == 0 { Ok(()) } else { Err(anyhow::anyhow!("exit code {code}")) }
}

/// The configuration as `CONFIG REWRITE` left it, if it did.
async fn rewritten(env: &SimEnv) -> std::io::Result<Option<String>> {
    let disk = env.disk();
    let file = match disk.open(CONFIG_FILE).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let bytes = file.read_at(0, file.len_bytes() as usize).await?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}
