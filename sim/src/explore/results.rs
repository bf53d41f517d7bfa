//! What a campaign leaves behind: `results.jsonl`, a header and then a line for each run.
//!
//! Lines stand in the order in which runs ended; whoever reads them must not care. They name marks
//! by their place in the header's list, so that a run takes about 150 bytes. Must never: hold
//! wall-clock time, so that the same seeds leave the same lines.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::campaign::Result as Run;
use super::marks;
use super::profile::Profile;
use crate::trace;

/// Name of the file in the folder of a campaign.
pub const FILE: &str = "results.jsonl";

/// Version of the lines.
const SCHEMA: u32 = 2;

/// First line: which code made the runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    schema: u32,
    commit: String,
    lockfile: String,
    /// What the numbers of marks stand for.
    marks: Vec<String>,
}

/// What a header of any version has.
#[derive(Deserialize)]
struct AnyHeader {
    schema: u32,
}

impl Header {
    fn ours() -> Self {
        Self {
            schema: SCHEMA,
            commit: trace::COMMIT.to_owned(),
            lockfile: trace::LOCKFILE.to_owned(),
            marks: marks::all().map(str::to_owned).collect(),
        }
    }

    /// Reads a first line.
    fn read(text: &str) -> Result<Self, String> {
        let any: AnyHeader = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if any.schema != SCHEMA {
            return Err(format!("schema {}, this program knows {SCHEMA}", any.schema));
        }
        let header: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if header.marks != Self::ours().marks {
            return Err(format!("it is of commit {}, which has other marks", header.commit));
        }
        Ok(header)
    }
}

/// Which campaign a run was part of: what makes a seed mean one run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Part {
    /// The profile.
    pub profile: Profile,
    /// The share, like `2/4`, of a guided campaign: each learns from its own runs. `None`: a seed
    /// meant the same run in every share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guided: Option<String>,
}

/// One run, and the campaign under which its world was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The campaign.
    #[serde(flatten)]
    pub part: Part,
    /// The run.
    #[serde(flatten)]
    pub run: Run,
}

/// What names a run.
pub type Key = (Part, u64);

/// Writes the file, a line at a time, so that a process that is killed leaves what it found.
#[derive(Debug)]
pub struct Writer {
    to: BufWriter<File>,
    part: Part,
}

impl Writer {
    /// Begins the file in `folder`, in place of one that is there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(folder: &Path, part: Part) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut to = BufWriter::new(File::create(folder.join(FILE))?);
        serde_json::to_writer(&mut to, &Header::ours())?;
        to.write_all(b"\n")?;
        to.flush()?;
        Ok(Self { to, part })
    }

    /// Adds a run.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&mut self, run: &Run) -> io::Result<()> {
        serde_json::to_writer(&mut self.to, &Line { part: self.part.clone(), run: run.clone() })?;
        self.to.write_all(b"\n")?;
        self.to.flush()
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Lines of several folders, each run once.
#[derive(Debug, Default)]
pub struct Merger {
    header: Option<Header>,
    /// Every run.
    pub lines: BTreeMap<Key, Line>,
}

impl Merger {
    /// Takes every run of `folder`, and tells `seen` of it. What has been seen before counts once.
    ///
    /// # Errors
    /// When the file cannot be read, is of other code than those before, or holds another result
    /// of a run that was seen.
    pub fn read(&mut self, folder: &Path, seen: &mut dyn FnMut(&Key)) -> Result<(), String> {
        let path = folder.join(FILE);
        let fail = |what: String| format!("{}: {what}", path.display());
        let file = File::open(&path).map_err(|error| fail(error.to_string()))?;
        let mut file = BufReader::new(file);
        let mut text = String::new();
        let mut number = 0;
        loop {
            text.clear();
            let length = file.read_line(&mut text).map_err(|error| fail(error.to_string()))?;
            number += 1;
            // The last line of a process that was killed may be half a line.
            if length == 0 || !text.ends_with('\n') {
                break;
            }
            let bad = |error: String| fail(format!("line {number}: {error}"));
            if number == 1 {
                self.header(Header::read(&text).map_err(bad)?).map_err(fail)?;
                continue;
            }
            let line: Line = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
            let key = (line.part.clone(), line.run.seed.0);
            seen(&key);
            match self.lines.get(&key) {
                None => {
                    self.lines.insert(key, line);
                }
                Some(before) if *before == line => {}
                Some(_) => {
                    return Err(bad(format!(
                        "seed {} has had another result: it is not deterministic",
                        line.run.seed
                    )));
                }
            }
        }
        if number == 1 {
            return Err(fail("it is empty".to_owned()));
        }
        Ok(())
    }

    fn header(&mut self, header: Header) -> Result<(), String> {
        match &self.header {
            Some(first) if *first != header => Err(format!(
                "it is of commit {}, the folders before are of {}: seeds mean other runs there",
                header.commit, first.commit
            )),
            _ => {
                self.header = Some(header);
                Ok(())
            }
        }
    }

    /// Writes all runs into `folder`, as a campaign would have.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        std::fs::create_dir_all(folder)?;
        // Written aside first: the folder may be one of those that were read.
        let aside = folder.join("results.jsonl.new");
        let mut to = BufWriter::new(File::create(&aside)?);
        let header = self.header.clone().unwrap_or_else(Header::ours);
        serde_json::to_writer(&mut to, &header)?;
        to.write_all(b"\n")?;
        for line in self.lines.values() {
            serde_json::to_writer(&mut to, line)?;
            to.write_all(b"\n")?;
        }
        to.flush()?;
        std::fs::rename(aside, folder.join(FILE))
    }
}
