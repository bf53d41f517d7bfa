//! The command line of `replisim-server`, as redis-server reads its own: a configuration file,
//! and directives that follow it as if they stood at the end of the file.

use std::ffi::OsString;
use std::fmt::Write;

/// What `--help` prints.
pub const USAGE: &str = "\
Usage: replisim-server [path/to/redis.conf | -] [--directive value ...] ...
       replisim-server --help | -h
       replisim-server --version | -v

The configuration comes from a file, from standard input (-), or from the command line,
where every directive of redis.conf is an option. Later ones win.

Examples:
       replisim-server
       replisim-server /etc/redis.conf
       replisim-server --port 6380 --replicaof 127.0.0.1 6379
       replisim-server /etc/redis.conf --loglevel verbose --save 900 1
       echo 'maxclients 100' | replisim-server -
";

/// Where the configuration comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigSource {
    /// Defaults only.
    None,
    /// A file.
    File(String),
    /// `-`.
    Stdin,
}

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// Print [`USAGE`].
    Help,
    /// Print the version.
    Version,
    /// Run a server.
    Run {
        /// The file.
        source: ConfigSource,
        /// The options, as lines of redis.conf.
        directives: String,
    },
}

/// A command line that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgsError {
    /// An argument that is not text.
    #[error("argument {0:?} is not valid UTF-8")]
    NotText(OsString),
    /// A second file, or a value without its directive.
    #[error("unexpected argument {0:?}: directives are written as --directive value")]
    Unexpected(String),
    /// Something like `-p`.
    #[error("unknown option {0:?}: directives are written with two dashes, as in --port 6379")]
    OneDash(String),
    /// `--`.
    #[error("an option without a name: directives are written as --directive value")]
    NoName,
}

/// Reads the arguments, without the program's name.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, ArgsError> {
    let arguments = arguments
        .into_iter()
        .map(|argument| argument.into_string().map_err(ArgsError::NotText))
        .collect::<Result<Vec<_>, _>>()?;
    match arguments.as_slice() {
        [only] if only == "--help" || only == "-h" => return Ok(Invocation::Help),
        [only] if only == "--version" || only == "-v" => return Ok(Invocation::Version),
        _ => {}
    }
    let (source, options) = match arguments.split_first() {
        Some((first, rest)) if first == "-" => (ConfigSource::Stdin, rest),
        Some((first, rest)) if !first.starts_with('-') => (ConfigSource::File(first.clone()), rest),
        Some(_) | None => (ConfigSource::None, arguments.as_slice()),
    };
    Ok(Invocation::Run {
        source,
        directives: directives(options)?,
    })
}

fn directives(options: &[String]) -> Result<String, ArgsError> {
    let mut lines = String::new();
    for option in options {
        if let Some(directive) = option.strip_prefix("--") {
            if directive.trim().is_empty() {
                return Err(ArgsError::NoName);
            }
            if !lines.is_empty() {
                lines.push('\n');
            }
            // Verbatim: `"--port 6379"` in one argument is a whole line.
            lines.push_str(directive);
        } else if lines.is_empty() {
            return Err(match option.starts_with('-') {
                true => ArgsError::OneDash(option.clone()),
                false => ArgsError::Unexpected(option.clone()),
            });
        } else {
            lines.push(' ');
            quote(option, &mut lines);
        }
    }
    if !lines.is_empty() {
        lines.push('\n');
    }
    Ok(lines)
}

/// In double quotes, with the escapes that redis.conf knows.
fn quote(text: &str, line: &mut String) {
    line.push('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => {
                line.push('\\');
                line.push(char::from(byte));
            }
            b'\n' => line.push_str("\\n"),
            b'\r' => line.push_str("\\r"),
            b'\t' => line.push_str("\\t"),
            0x20..=0x7e => line.push(char::from(byte)),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(line, "\\x{byte:02x}");
            }
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Invocation, ArgsError> {
        parse(arguments.iter().map(OsString::from))
    }

    fn run(arguments: &[&str]) -> (ConfigSource, String) {
        match read(arguments).expect("arguments that make sense") {
            Invocation::Run { source, directives } => (source, directives),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_and_directives_behind_it() {
        assert_eq!(run(&[]), (ConfigSource::None, String::new()));
        assert_eq!(
            run(&[
                "a.conf",
                "--port",
                "1",
                "--replicaof",
                "h",
                "2",
                "--save",
                ""
            ]),
            (
                ConfigSource::File("a.conf".to_owned()),
                "port \"1\"\nreplicaof \"h\" \"2\"\nsave \"\"\n".to_owned()
            )
        );
        assert_eq!(
            run(&["-", "--port 1"]),
            (ConfigSource::Stdin, "port 1\n".to_owned())
        );
    }

    #[test]
    fn values_keep_every_byte() {
        let (_, directives) = run(&["--requirepass", "a \"b\\ \n\té"]);
        assert_eq!(directives, "requirepass \"a \\\"b\\\\ \\n\\t\\xc3\\xa9\"\n");
    }

    #[test]
    fn help_version_and_nonsense() {
        assert_eq!(read(&["--help"]), Ok(Invocation::Help));
        assert_eq!(read(&["-v"]), Ok(Invocation::Version));
        assert_eq!(
            read(&["a", "b"]),
            Err(ArgsError::Unexpected("b".to_owned()))
        );
        assert_eq!(read(&["-p", "1"]), Err(ArgsError::OneDash("-p".to_owned())));
        assert_eq!(read(&["--"]), Err(ArgsError::NoName));
    }
}
