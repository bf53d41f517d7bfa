//! Functions: libraries of code that a server keeps for its clients (`FUNCTION LOAD`).
//!
//! They are part of the dataset: in every snapshot, in every full sync, on the stream. They are
//! **not run here**. A replica needs no Lua to follow its master, because a master puts on its
//! stream what a function did and not that it was called; but it has to keep the libraries, for
//! itself to be a master one day. So they are kept byte for byte, told (`FUNCTION LIST`) and passed
//! on.
//!
//! # What cannot be known
//!
//! Redis learns which functions a library has by running it. Here its text is read instead
//! (`registered`): a call of `redis.register_function` at the top level of the text, whose
//! arguments are literals, is what Redis would find too. A name that is computed, a call in a
//! loop, a branch or a function, another name for `redis.register_function`: those are not known, and
//! the library says so with [`Library::is_complete`]. A library that a client loads is refused for
//! what is certainly wrong with it, so what Redis would refuse may be accepted here, never the
//! other way round. What a master or a file says is taken as it is: there a server that runs Lua
//! has checked it.
//!
//! Must never: change a byte of a library, or lose one that was accepted.

mod header;
mod lua;
mod registered;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

/// The one engine, as Redis 7.0 names it.
pub const ENGINE: &str = "LUA";

/// What a function may do, by the names in its registration (script.c `scripts_flags_def`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FunctionFlags(u8);

impl FunctionFlags {
    /// In the order in which Redis lists them.
    const NAMES: [&'static str; 5] =
        ["no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys"];

    /// Adds the flag of that name, in any case; false if there is none.
    fn add(&mut self, name: &[u8]) -> bool {
        let found =
            Self::NAMES.iter().position(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        if let Some(bit) = found {
            self.0 |= 1 << bit;
        }
        found.is_some()
    }

    /// The names, in Redis's order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let set = move |bit: &usize| self.0 & (1 << bit) != 0;
        (0..Self::NAMES.len()).filter(set).map(|bit| Self::NAMES[bit])
    }
}

/// One function of a library, as its registration describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Letters, digits and underscores, in the case they were given.
    pub name: Vec<u8>,
    /// Any bytes.
    pub description: Option<Vec<u8>>,
    /// What it may do.
    pub flags: FunctionFlags,
}

/// A library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    name: Vec<u8>,
    code: Vec<u8>,
    functions: Vec<Function>,
    complete: bool,
}

impl Library {
    /// From its first line: letters, digits and underscores.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// All of its text, first line included.
    pub fn code(&self) -> &[u8] {
        &self.code
    }

    /// The functions that its text shows, in the order of the text.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// Whether the text shows all functions there are: none is registered where that cannot be
    /// read (see the module's text).
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    fn has(&self, function: &[u8]) -> bool {
        self.functions.iter().any(|known| known.name.eq_ignore_ascii_case(function))
    }
}

/// Who says that a library is sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A client: the library is looked at as closely as can be done without running it.
    Client,
    /// A master or a file: a server that runs Lua has accepted it.
    Server,
}

/// Why libraries are not taken; the texts are those of Redis 7.0.15 (after `ERR `).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The first line does not begin with `#!`.
    #[error("Missing library metadata")]
    NoHeader,
    /// The first line does not end, or its quotes do not.
    #[error("Invalid library metadata")]
    BadHeader,
    /// A word of the first line that is not `name=...`.
    #[error("Invalid metadata value given: {0}")]
    UnknownWord(String),
    /// Two names.
    #[error("Invalid metadata value, name argument was given multiple times")]
    NameTwice,
    /// No name.
    #[error("Library name was not given")]
    NoName,
    /// A name with other characters. (Redis says *library* of functions too.)
    #[error(
        "Library names can only contain letters, numbers, or underscores(_) and must be at least \
         one character long"
    )]
    BadName,
    /// Not Lua.
    #[error("Engine '{0}' not found")]
    NoEngine(String),
    /// Loaded without `REPLACE`.
    #[error("Library '{0}' already exists")]
    Exists(String),
    /// Restored without `REPLACE`; Redis has no quotes here.
    #[error("Library {0} already exists")]
    ExistsAtRestore(String),
    /// Another library has a function of that name.
    #[error("Function {0} already exists")]
    FunctionExists(String),
    /// The text registers nothing.
    #[error("No functions registered")]
    NoFunctions,
    /// This is not Lua.
    #[error("Error compiling function: user_function:{line}: {what}")]
    Syntax {
        /// Line of the text, from 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
    /// A registration that Redis would refuse.
    #[error("Error registering functions: ERR {0}")]
    Registration(String),
}

/// All libraries, by name. Copying it is one reference count: a snapshot keeps its own for as
/// long as it lives, and a change meanwhile copies the list (not the texts).
#[derive(Debug, Clone, Default)]
pub struct Libraries {
    by_name: Arc<BTreeMap<Vec<u8>, Arc<Library>>>,
}

impl Libraries {
    /// Number of libraries.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// In the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Library> {
        self.by_name.values().map(AsRef::as_ref)
    }

    /// Number of known functions.
    pub fn function_count(&self) -> usize {
        self.iter().map(|library| library.functions.len()).sum()
    }

    /// The function of that name (in any case) and its library, if it is known.
    pub fn function(&self, name: &[u8]) -> Option<(&Library, &Function)> {
        self.iter().find_map(|library| {
            let known = |function: &&Function| function.name.eq_ignore_ascii_case(name);
            Some((library, library.functions.iter().find(known)?))
        })
    }

    /// Whether every function there is is known.
    pub fn are_complete(&self) -> bool {
        self.iter().all(Library::is_complete)
    }

    /// Bytes of all texts and what is known of them.
    pub fn used_bytes(&self) -> usize {
        let of = |library: &Library| {
            let functions = library.functions.len() * std::mem::size_of::<Function>();
            std::mem::size_of::<Library>() + 2 * library.name.len() + library.code.len() + functions
        };
        self.iter().map(of).sum()
    }

    /// The share of all libraries in the rolling digest of a dataset; 0 if there are none.
    pub fn digest(&self) -> u64 {
        self.iter().map(|library| digest_of(library.code())).fold(0, u64::wrapping_add)
    }

    /// Takes a library by its text (`FUNCTION LOAD`, an item of an RDB file); its name.
    ///
    /// # Errors
    ///
    /// All is then as it was before.
    pub fn load(&mut self, code: &[u8], replace: bool, source: Source) -> Result<Vec<u8>, Refusal> {
        let name = header::read(code)?;
        if self.by_name.contains_key(&name) && !replace {
            return Err(Refusal::Exists(text(&name)));
        }
        let library = library(name, code, source)?;
        if source == Source::Client {
            self.no_collision(&library, &[&library.name])?;
        }
        let name = library.name.clone();
        self.insert(Arc::new(library));
        Ok(name)
    }

    /// Adds all of `new` (`FUNCTION RESTORE`).
    ///
    /// # Errors
    ///
    /// All is then as it was before.
    pub fn join(&mut self, new: Libraries, replace: bool, source: Source) -> Result<(), Refusal> {
        let mut replaced: Vec<&[u8]> = Vec::new();
        for library in new.iter() {
            if !self.by_name.contains_key(&library.name) {
                continue;
            }
            if !replace {
                return Err(Refusal::ExistsAtRestore(text(&library.name)));
            }
            replaced.push(&library.name);
        }
        if source == Source::Client {
            for library in new.iter() {
                self.no_collision(library, &replaced)?;
            }
        }
        for library in new.by_name.values() {
            self.insert(library.clone());
        }
        Ok(())
    }

    /// Refuses a library with a function that another one has; those in `replaced` will be gone.
    fn no_collision(&self, library: &Library, replaced: &[&[u8]]) -> Result<(), Refusal> {
        let stays = |other: &&Library| !replaced.contains(&other.name.as_slice());
        for function in &library.functions {
            if self.iter().filter(stays).any(|other| other.has(&function.name)) {
                return Err(Refusal::FunctionExists(text(&function.name)));
            }
        }
        Ok(())
    }

    fn insert(&mut self, library: Arc<Library>) {
        Arc::make_mut(&mut self.by_name).insert(library.name.clone(), library);
    }

    /// `FUNCTION DELETE`; false if there is no such library.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        self.by_name.contains_key(name) && Arc::make_mut(&mut self.by_name).remove(name).is_some()
    }
}

/// What a library with this text adds to the digest of a dataset.
pub fn digest_of(code: &[u8]) -> u64 {
    xxh3_64(code)
}

fn library(name: Vec<u8>, code: &[u8], source: Source) -> Result<Library, Refusal> {
    let found = registered::find(code);
    let (functions, complete) = match (found, source) {
        (Ok(found), Source::Client) => {
            if let Some(refusal) = found.refusal {
                return Err(refusal);
            }
            if found.functions.is_empty() && found.complete {
                return Err(Refusal::NoFunctions);
            }
            (found.functions, found.complete)
        }
        (Ok(found), Source::Server) => (found.functions, found.complete && found.refusal.is_none()),
        (Err(refusal), Source::Client) => return Err(refusal),
        (Err(_), Source::Server) => (Vec::new(), false),
    };
    Ok(Library { name, code: code.to_vec(), functions, complete })
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
