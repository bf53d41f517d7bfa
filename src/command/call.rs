//! A command as it is called: the row of the table, and the subcommand that its arguments name.
//!
//! A container (`CONFIG`, `XGROUP`, ...) says nothing of itself: what `CONFIG SET` may do and
//! where `XGROUP CREATE` has its key stands in the row of the subcommand.

use super::Args;
use super::key_spec::{self, KeyUse, Keys, NoKeys};
use super::subcommands::{self, Subcommand};
use super::table::{self, Command, Flags, Group};

/// See the module's text.
#[derive(Clone, Copy)]
pub struct Call {
    /// The row of the name.
    pub command: &'static Command,
    /// The row of the subcommand, if this is a container and has it.
    pub subcommand: Option<&'static Subcommand>,
}

impl Call {
    /// Of a command with these arguments, its name first.
    pub fn of(command: &'static Command, args: &Args<'_>) -> Self {
        Self { command, subcommand: subcommands::find(command, args) }
    }

    /// Of these arguments, name first; `None`: there is no such command.
    pub fn find(args: &Args<'_>) -> Option<Self> {
        table::lookup(args.first()?).map(|command| Self::of(command, args))
    }

    /// Whether there is such a call: not if the command has subcommands, and none of that name.
    pub(crate) fn is_known(&self, args: &Args<'_>) -> bool {
        self.subcommand.is_some() || args.len() < 2 || !subcommands::are_in(self.command)
    }

    /// Every command, each followed by its subcommands.
    pub fn all() -> impl Iterator<Item = Self> {
        table::all().flat_map(|command| {
            let inner = command.subcommands.iter();
            let inner = inner.map(move |row| Self { command, subcommand: Some(row) });
            std::iter::once(Self { command, subcommand: None }).chain(inner)
        })
    }

    /// By a name as `COMMAND INFO` takes it: `get`, `config|set`.
    pub fn named(name: &[u8]) -> Option<Self> {
        let words: Vec<&[u8]> = name.splitn(2, |byte| *byte == b'|').collect();
        let call = Self::find(&words)?;
        (words.len() == 1 || call.subcommand.is_some()).then_some(call)
    }

    /// `get`, `config|set`.
    pub fn full_name(&self) -> String {
        match self.subcommand {
            Some(subcommand) => format!("{}|{}", self.command.name, subcommand.name),
            None => self.command.name.to_owned(),
        }
    }

    /// Its place in [`Call::all`], for tables by call.
    pub(crate) fn number(&self) -> usize {
        let Some(subcommand) = self.subcommand else {
            return self.command.number;
        };
        let mut rows = self.command.subcommands.iter();
        let row = rows.position(|row| row.name == subcommand.name);
        self.command.number + 1 + row.expect("a subcommand is one of its command's own")
    }

    /// Number of arguments, names included; negative: at least so many.
    pub fn arity(&self) -> i32 {
        self.subcommand.map_or(self.command.arity, |subcommand| subcommand.arity)
    }

    /// What it may do.
    pub fn flags(&self) -> Flags {
        match self.subcommand {
            Some(subcommand) => subcommand.flags.with(self.command.flags.hidden()),
            None => self.command.flags,
        }
    }

    /// Whether it may change the dataset (flag `write`).
    pub fn is_write(&self) -> bool {
        self.flags().has(Flags::WRITE)
    }

    /// Where its keys are.
    pub fn key_specs(&self) -> Keys {
        self.subcommand.map_or(self.command.keys, |subcommand| subcommand.keys)
    }

    /// The keys among `args` (name first), and what happens to each.
    ///
    /// # Errors
    ///
    /// The arguments are wrong, so that nobody can tell.
    pub fn keys<'a>(&self, args: &Args<'a>) -> Result<Vec<KeyUse<'a>>, NoKeys> {
        key_spec::keys(self.key_specs(), args)
    }

    /// The option that makes it read keys that are not among its arguments, if one does.
    pub fn reads_by_patterns(&self, args: &Args<'_>) -> Option<&'static str> {
        key_spec::reads_by_patterns(self.key_specs(), args)
    }

    /// ACL categories without the `@`, in Redis's order. All but the group's own follow from the
    /// flags (acl.c `setImplicitACLCategories`).
    pub fn acl_categories(&self) -> impl Iterator<Item = &'static str> + use<> {
        let flags = self.flags();
        let has = |flag| flags.has(flag);
        let implied = [
            // What a script reads it reads by commands of its own (acl.c excludes these).
            (has(Flags::READONLY) && self.command.group != Group::Scripting, "read"),
            (has(Flags::WRITE), "write"),
            (has(Flags::PUBSUB), "pubsub"),
            (has(Flags::ADMIN), "admin"),
            (has(Flags::FAST), "fast"),
            (!has(Flags::FAST), "slow"),
            (has(Flags::BLOCKING), "blocking"),
            (has(Flags::DANGEROUS) || has(Flags::ADMIN), "dangerous"),
        ];
        let own = self.own_categories();
        crate::acl::CATEGORIES
            .into_iter()
            .filter(move |category| own.contains(category) || implied.contains(&(true, *category)))
    }

    /// Those that do not follow from the flags.
    fn own_categories(&self) -> Vec<&'static str> {
        if let Some(categories) = self.command.categories() {
            return categories.to_vec();
        }
        // A container itself does nothing.
        let container = self.subcommand.is_none() && subcommands::are_in(self.command);
        let group: Option<Group> = (!container).then_some(self.command.group);
        group.and_then(Group::acl_category).into_iter().collect()
    }
}
