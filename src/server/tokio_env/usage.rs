//! What this process takes of its machine, as Linux tells it; elsewhere nothing is known.

use std::time::Duration;

use crate::env::Usage;

pub(super) fn of_this_process() -> Usage {
    let stat = std::fs::read_to_string("/proc/self/stat");
    stat.ok().and_then(|text| parse(&text)).unwrap_or_default()
}

/// A line of `/proc/PID/stat`: see proc_pid_stat(5).
fn parse(text: &str) -> Option<Usage> {
    // The name in parentheses may hold anything; the third field follows it.
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let ticks_per_s = rustix::param::clock_ticks_per_second().max(1);
    let time = |ticks: u64| Duration::from_millis(ticks * 1000 / ticks_per_s);
    Some(Usage {
        user_cpu: time(field(14)?),
        system_cpu: time(field(15)?),
        resident_bytes: field(24)? * rustix::param::page_size() as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_linux_is_understood() {
        let text = "71 (a (b) c) S 1 71 71 0 -1 4194304 100 0 0 0 250 100 0 0 20 0 1 0 5 4096 3 9";
        let usage = parse(text).expect("a line");
        let ticks_per_s = rustix::param::clock_ticks_per_second();
        assert_eq!(usage.user_cpu, Duration::from_millis(250_000 / ticks_per_s));
        assert_eq!(usage.system_cpu, Duration::from_millis(100_000 / ticks_per_s));
        assert_eq!(usage.resident_bytes, 3 * rustix::param::page_size() as u64);
        assert_eq!(parse("nonsense"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_takes_something() {
        assert!(of_this_process().resident_bytes > 100_000);
    }
}
