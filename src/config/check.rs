//! What a value must not be although its spelling is right.

use super::Config;

const HZ_MIN: u32 = 1;
const HZ_MAX: u32 = 500;
/// `CONFIG_REPL_BACKLOG_MIN_SIZE`.
const BACKLOG_MIN_BYTES: u64 = 16 * 1024;

impl Config {
    /// Checks the directive just set (by its name), and brings values that Redis corrects
    /// silently into their bounds. On error, why it is refused.
    pub(super) fn check(&mut self, name: &str) -> Result<(), String> {
        self.hz = self.hz.clamp(HZ_MIN, HZ_MAX);
        self.repl_backlog_size = self.repl_backlog_size.max(BACKLOG_MIN_BYTES);
        for (file_name, value) in [
            ("dbfilename", &self.dbfilename),
            ("appendfilename", &self.appendfilename),
            ("appenddirname", &self.appenddirname),
        ] {
            if name == file_name && value.contains('/') {
                let kind = if name == "appenddirname" { "dirname" } else { "filename" };
                return Err(format!("{name} can't be a path, just a {kind}"));
            }
        }
        if name == "proc-title-template" && !is_title_template(&self.proc_title_template) {
            return Err("template format is invalid or contains unknown variables".to_owned());
        }
        match self.missing_feature(name) {
            Some(why) => Err(format!("{name}: {why}")),
            None => Ok(()),
        }
    }

    /// `acl-pubsub-default`: whether a new user may use every channel.
    pub(crate) fn new_users_have_all_channels(&self) -> bool {
        self.acl_pubsub_default == "allchannels"
    }

    /// Values that promise something that is not there.
    fn missing_feature(&self, name: &str) -> Option<&'static str> {
        let (asked, why) = match name {
            "daemonize" => {
                (self.daemonize, "running in the background is not supported, use a supervisor")
            }
            "supervised" => (
                matches!(self.supervised, "upstart" | "systemd"),
                "telling a supervisor about readiness is not supported, only no and auto",
            ),
            "appendonly" => (self.appendonly, "the append only file is not supported"),
            "maxmemory" | "maxmemory-policy" => (
                self.maxmemory != 0 && self.maxmemory_policy != "noeviction",
                "eviction is not supported: with maxmemory, maxmemory-policy must be noeviction",
            ),
            "cluster-enabled" => (self.cluster_enabled, "cluster mode is not supported"),
            "tls-port" => (self.tls_port != 0, "TLS is not supported, only 0"),
            "tls-replication" => (self.tls_replication, "TLS is not supported"),
            "syslog-enabled" => (self.syslog_enabled, "syslog is not supported"),
            _ => return None,
        };
        asked.then_some(why)
    }
}

/// Whether every `{...}` names a variable of process titles.
fn is_title_template(template: &str) -> bool {
    const VARIABLES: [&str; 7] =
        ["title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket", "config-file"];
    template
        .split('{')
        .skip(1)
        .all(|rest| rest.split_once('}').is_some_and(|(name, _)| VARIABLES.contains(&name)))
}
