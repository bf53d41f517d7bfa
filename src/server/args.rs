//! The command line of `replisim-server`, as redis-server reads its own: a configuration file,
//! and directives that follow it as if they stood at the end of the file.

use std::ffi::OsString;

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
        /// The options, each name and value by itself, as [`Config::load`] takes them.
        ///
        /// [`Config::load`]: crate::config::Config::load
        overrides: Vec<String>,
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
    check(options)?;
    Ok(Invocation::Run { source, overrides: options.to_vec() })
}

fn check(options: &[String]) -> Result<(), ArgsError> {
    let is_value = |option: &String| !option.starts_with('-');
    // Redis takes a first directive without its dashes, too, if it has a value.
    let bare = options.len() > 1 && options[..2].iter().all(is_value);
    if let Some(first) = options.first()
        && !first.starts_with("--")
        && !bare
    {
        return Err(match first.starts_with('-') {
            true => ArgsError::OneDash(first.clone()),
            false => ArgsError::Unexpected(first.clone()),
        });
    }
    match options.iter().any(|option| option.trim_end() == "--") {
        true => Err(ArgsError::NoName),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Invocation, ArgsError> {
        parse(arguments.iter().map(OsString::from))
    }

    fn run(arguments: &[&str]) -> (ConfigSource, Vec<String>) {
        match read(arguments).expect("arguments that make sense") {
            Invocation::Run { source, overrides } => (source, overrides),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_and_directives_behind_it() {
        assert_eq!(run(&[]), (ConfigSource::None, vec![]));
        let (source, overrides) = run(&["a.conf", "--port", "1", "--replicaof", "h", "2"]);
        assert_eq!(source, ConfigSource::File("a.conf".to_owned()));
        assert_eq!(overrides, ["--port", "1", "--replicaof", "h", "2"]);
        let (source, overrides) = run(&["-", "--save", ""]);
        assert_eq!(source, ConfigSource::Stdin);
        assert_eq!(overrides, ["--save", ""]);
    }

    #[test]
    fn help_version_and_nonsense() {
        assert_eq!(read(&["--help"]), Ok(Invocation::Help));
        assert_eq!(read(&["-v"]), Ok(Invocation::Version));
        assert_eq!(
            run(&["a", "loglevel", "verbose", "--port", "1"]).1[..2],
            ["loglevel", "verbose"]
        );
        assert_eq!(read(&["a", "b", "--port", "1"]), Err(ArgsError::Unexpected("b".to_owned())));
        assert_eq!(read(&["a", "b"]), Err(ArgsError::Unexpected("b".to_owned())));
        assert_eq!(read(&["-p", "1"]), Err(ArgsError::OneDash("-p".to_owned())));
        assert_eq!(read(&["--"]), Err(ArgsError::NoName));
    }
}
