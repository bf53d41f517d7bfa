//! Log lines as Redis writes them: `<pid>:<role> dd Mon yyyy hh:mm:ss.mmm <.-*#> text`.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::env::{LogLevel, LogLine};

/// Where log lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// `logfile ""`.
    Stdout,
    /// Appended to a file, which others may append to as well.
    File(PathBuf),
}

/// An open log.
pub(super) struct Log {
    file: Option<RefCell<File>>,
    zone: TimeZone,
}

impl Log {
    pub(super) fn open(target: &LogTarget) -> io::Result<Self> {
        let file = match target {
            LogTarget::Stdout => None,
            LogTarget::File(path) => {
                Some(RefCell::new(OpenOptions::new().create(true).append(true).open(path)?))
            }
        };
        Ok(Self { file, zone: TimeZone::system() })
    }

    /// One line, in one write, so that lines of several processes do not mix.
    pub(super) fn write(&self, line: &LogLine) {
        let millis = i64::try_from(super::unix_ms()).unwrap_or(i64::MAX);
        let text = format(std::process::id(), millis, &self.zone, line);
        // There is no one to tell that the log cannot be written.
        let _ = match &self.file {
            Some(file) => file.borrow_mut().write_all(text.as_bytes()),
            None => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
            }
        };
    }
}

fn format(process_id: u32, unix_ms: i64, zone: &TimeZone, line: &LogLine) -> String {
    let time = Timestamp::from_millisecond(unix_ms).unwrap_or_default().to_zoned(zone.clone());
    let level = match line.level {
        LogLevel::Debug => '.',
        LogLevel::Verbose => '-',
        LogLevel::Notice => '*',
        LogLevel::Warning => '#',
    };
    // A line stays one line, whatever text from outside is quoted in it.
    let text = line.text.replace(['\n', '\r'], " ");
    format!(
        "{process_id}:{} {} {level} {text}\n",
        line.role,
        time.strftime("%d %b %Y %H:%M:%S.%3f"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> LogLine {
        LogLine { level: LogLevel::Notice, role: 'M', text: text.to_owned() }
    }

    #[test]
    fn a_line_looks_like_one_of_redis() {
        let text = format(71, 1_700_000_000_042, &TimeZone::UTC, &line("Ready"));
        assert_eq!(text, "71:M 14 Nov 2023 22:13:20.042 * Ready\n");
    }

    #[test]
    fn a_line_stays_one_line() {
        let text = format(71, 0, &TimeZone::UTC, &line("a\r\nb"));
        assert_eq!(text.matches('\n').count(), 1);
    }

    #[test]
    fn a_log_file_is_appended_to() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("log");
        std::fs::write(&path, "before\n").expect("written");
        let log = Log::open(&LogTarget::File(path.clone())).expect("open");
        log.write(&line("after"));
        let text = std::fs::read_to_string(&path).expect("read");
        assert!(text.starts_with("before\n") && text.ends_with("* after\n"), "{text}");
    }
}
