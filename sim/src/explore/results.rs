//! What a campaign leaves behind: `results.jsonl`, a header and then a line for each run.
//!
//! Lines stand in the order in which runs ended; whoever reads them must not care. Must never:
//! hold wall-clock time, so that the same seeds leave the same lines.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::campaign::Result as Run;
use super::profile::Profile;
use crate::trace;

/// Name of the file in the folder of a campaign.
pub const FILE: &str = "results.jsonl";

/// Version of the lines.
const SCHEMA: u32 = 1;

/// First line: which code made the runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    schema: u32,
    commit: String,
    lockfile: String,
}

impl Header {
    fn ours() -> Self {
        Self {
            schema: SCHEMA,
            commit: trace::COMMIT.to_owned(),
            lockfile: trace::LOCKFILE.to_owned(),
        }
    }
}

/// One run and the profile under which its world was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    /// The profile.
    pub profile: Profile,
    /// The run.
    #[serde(flatten)]
    pub run: Run,
}

/// Writes the file, a line at a time.
#[derive(Debug)]
pub struct Writer {
    to: BufWriter<File>,
    profile: Profile,
}

impl Writer {
    /// Begins the file in `folder`, in place of one that is there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(folder: &Path, profile: Profile) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut to = BufWriter::new(File::create(folder.join(FILE))?);
        serde_json::to_writer(&mut to, &Header::ours())?;
        to.write_all(b"\n")?;
        Ok(Self { to, profile })
    }

    /// Adds a run.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&mut self, run: &Run) -> io::Result<()> {
        serde_json::to_writer(&mut self.to, &Line { profile: self.profile, run: run.clone() })?;
        self.to.write_all(b"\n")
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
    /// Hash of the line of each run: what is merged twice counts once.
    seen: BTreeMap<(Profile, u64), u64>,
}

impl Merger {
    /// Gives `each` every run of `folder` that has not been seen before.
    ///
    /// # Errors
    /// When the file cannot be read, is of other code than those before, or holds another result
    /// of a run that was seen.
    pub fn read(
        &mut self,
        folder: &Path,
        each: &mut dyn FnMut(Line) -> Result<(), String>,
    ) -> Result<(), String> {
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
            let bad = |error: serde_json::Error| fail(format!("line {number}: {error}"));
            if number == 1 {
                self.header(serde_json::from_str(&text).map_err(bad)?).map_err(fail)?;
                continue;
            }
            let line: Line = serde_json::from_str(&text).map_err(bad)?;
            let hash = xxh3_64(text.as_bytes());
            match self.seen.insert((line.profile, line.run.seed.0), hash) {
                None => each(line)?,
                Some(before) if before == hash => {}
                Some(_) => {
                    return Err(fail(format!(
                        "line {number}: seed {} has had another result: it is not deterministic",
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
        if header.schema != SCHEMA {
            return Err(format!("schema {}, this program knows {SCHEMA}", header.schema));
        }
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

    /// Writes what `lines` hold into `folder`, as a campaign would have.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, folder: &Path, lines: &BTreeMap<(Profile, u64), Line>) -> io::Result<()> {
        std::fs::create_dir_all(folder)?;
        // Written aside first: the folder may be one of those that were read.
        let aside = folder.join("results.jsonl.new");
        let mut to = BufWriter::new(File::create(&aside)?);
        let header = self.header.clone().unwrap_or_else(Header::ours);
        serde_json::to_writer(&mut to, &header)?;
        to.write_all(b"\n")?;
        for line in lines.values() {
            serde_json::to_writer(&mut to, line)?;
            to.write_all(b"\n")?;
        }
        to.flush()?;
        std::fs::rename(aside, folder.join(FILE))
    }
}
