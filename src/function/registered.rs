//! Which functions a library registers, as far as its text shows it.
//!
//! The text is gone through once, with a stack of what is open: brackets and blocks. A call of
//! `redis.register_function` where nothing is open is carried out whenever the library is loaded,
//! and with literal arguments it is known what it does. All else that might register something
//! makes the result incomplete.

use super::lua::{Token, Tokens};
use super::{Function, FunctionFlags, Refusal, is_name};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What is certainly registered, in the order of the text.
    pub(super) functions: Vec<Function>,
    /// Whether that is all.
    pub(super) complete: bool,
    /// The first registration that Redis would certainly refuse, and why.
    pub(super) refusal: Option<Refusal>,
}

/// Looks through a library, first line included.
pub(super) fn find(code: &[u8]) -> Result<Found, Refusal> {
    let end_of_header = code.iter().position(|byte| *byte == b'\n').unwrap_or(code.len());
    let found = Found { complete: true, ..Found::default() };
    let tokens = Tokens::new(&code[end_of_header..], 1);
    let mut scanner = Scanner { tokens, open: Vec::new(), found };
    while let Some(token) = scanner.step()? {
        scanner.look_at(&token)?;
    }
    match scanner.open.pop() {
        None => Ok(scanner.found),
        Some(open) => Err(scanner.syntax(format!("'{}' expected near '<eof>'", open.closing()))),
    }
}

/// What is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Round,
    Square,
    Curly,
    /// `function`, `if` or `do`, up to `end`.
    Block,
    /// `repeat`, up to `until`.
    Repeat,
}

impl Open {
    fn closing(self) -> &'static str {
        match self {
            Open::Round => ")",
            Open::Square => "]",
            Open::Curly => "}",
            Open::Block => "end",
            Open::Repeat => "until",
        }
    }

    fn by(token: &Token<'_>) -> Option<Open> {
        match token {
            Token::Sign(b'(') => Some(Open::Round),
            Token::Sign(b'[') => Some(Open::Square),
            Token::Sign(b'{') => Some(Open::Curly),
            Token::Name(b"function" | b"if" | b"do") => Some(Open::Block),
            Token::Name(b"repeat") => Some(Open::Repeat),
            _ => None,
        }
    }

    fn closed_by(token: &Token<'_>) -> Option<Open> {
        match token {
            Token::Sign(b')') => Some(Open::Round),
            Token::Sign(b']') => Some(Open::Square),
            Token::Sign(b'}') => Some(Open::Curly),
            Token::Name(b"end") => Some(Open::Block),
            Token::Name(b"until") => Some(Open::Repeat),
            _ => None,
        }
    }
}

struct Scanner<'a> {
    tokens: Tokens<'a>,
    open: Vec<Open>,
    found: Found,
}

/// A value, by its first token; a text and a number only if that is all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(Vec<u8>),
    Number,
    Table,
    Function,
    Other,
}

/// The arguments of a registration; `None` where they are no literals.
#[derive(Default)]
struct Arguments {
    name: Option<Vec<u8>>,
    description: Option<Vec<u8>>,
    flags: FunctionFlags,
    has_name: bool,
    has_callback: bool,
    /// Whether every key and every value that matters is a literal.
    literal: bool,
    /// What Redis would say to them.
    objection: Option<&'static str>,
}

impl Arguments {
    fn objectionable(why: &'static str) -> Self {
        Arguments { objection: Some(why), ..Arguments::default() }
    }

    fn object(&mut self, why: &'static str) {
        self.objection.get_or_insert(why);
    }
}

impl<'a> Scanner<'a> {
    fn syntax(&self, what: impl Into<String>) -> Refusal {
        Refusal::Syntax { line: self.tokens.line, what: what.into() }
    }

    /// The next token; what it opens or closes is noted.
    fn step(&mut self) -> Result<Option<Token<'a>>, Refusal> {
        let malformed = |(line, what): (usize, &str)| Refusal::Syntax { line, what: what.into() };
        let Some(token) = self.tokens.next().map_err(malformed)? else {
            return Ok(None);
        };
        if let Some(opened) = Open::by(&token) {
            self.open.push(opened);
        } else if let Some(closed) = Open::closed_by(&token)
            && self.open.pop() != Some(closed)
        {
            return Err(self.syntax(format!("unexpected symbol near '{}'", closed.closing())));
        }
        Ok(Some(token))
    }

    /// What comes next, without taking it; `None` too if it is malformed (then `step` says so).
    fn ahead(&self, count: usize) -> Option<Token<'a>> {
        let mut tokens = self.tokens.clone();
        for _ in 1..count {
            tokens.next().ok()??;
        }
        tokens.next().ok()?
    }

    fn look_at(&mut self, token: &Token<'a>) -> Result<(), Refusal> {
        let property = [Some(Token::Sign(b'.')), Some(Token::Name(b"register_function"))];
        match token {
            Token::Name(b"redis") if [self.ahead(1), self.ahead(2)] == property => {
                let certain = self.open.is_empty();
                self.step()?;
                self.step()?;
                self.registration(certain)?;
            }
            // Under another name, or by `redis['register_function']`.
            Token::Name(b"register_function") => self.found.complete = false,
            Token::Text(text) if text == b"register_function" => self.found.complete = false,
            _ => {}
        }
        Ok(())
    }

    /// Behind `redis.register_function`.
    fn registration(&mut self, certain: bool) -> Result<(), Refusal> {
        let arguments = match self.ahead(1) {
            Some(Token::Sign(b'{')) => self.table()?,
            Some(Token::Sign(b'(')) => self.list()?,
            _ => Arguments::default(),
        };
        match arguments.objection {
            Some(objection) if certain => self.refuse(objection),
            None if certain && arguments.literal => self.register(arguments),
            _ => self.found.complete = false,
        }
        Ok(())
    }

    /// Arguments in parentheses, up to the closing one.
    fn list(&mut self) -> Result<Arguments, Refusal> {
        self.step()?;
        let depth = self.open.len();
        let mut values = Vec::new();
        let mut named = Arguments::default();
        if self.ahead(1) == Some(Token::Sign(b')')) {
            self.step()?;
        }
        while self.open.len() == depth {
            let value = self.value();
            if values.is_empty() && value == Value::Table {
                named = self.table()?;
            }
            values.push(value);
            self.skip_value(depth)?;
        }
        Ok(match &values[..] {
            [Value::Table] => named,
            [Value::Other] => Arguments::default(),
            [_] => Arguments::objectionable(
                "calling redis.register_function with a single argument is only applicable to Lua \
                 table (representing named arguments).",
            ),
            [Value::Table | Value::Function, _] => Arguments::objectionable(
                "first argument to redis.register_function must be a string",
            ),
            [_, Value::Text(_) | Value::Number | Value::Table] => Arguments::objectionable(
                "second argument to redis.register_function must be a function",
            ),
            [Value::Text(name), _] => Arguments {
                name: Some(name.clone()),
                has_name: true,
                has_callback: true,
                literal: true,
                ..Arguments::default()
            },
            // The last one may stand for any number of values.
            [_, _] | [_, _, .., Value::Other] => Arguments::default(),
            _ => Arguments::objectionable("wrong number of arguments to redis.register_function"),
        })
    }

    /// The named arguments; the `{` comes next, and what is behind the `}` is left.
    fn table(&mut self) -> Result<Arguments, Refusal> {
        let mut arguments = Arguments { literal: true, ..Arguments::default() };
        let around = self.open.len();
        self.step()?;
        while self.open.len() > around {
            match self.key()? {
                Some(key) => self.named_value(&key, &mut arguments, around + 1)?,
                None if self.ahead(1) == Some(Token::Sign(b'}')) => {
                    self.step()?;
                }
                None => {
                    arguments.literal = false;
                    self.skip_value(around + 1)?;
                }
            }
        }
        Ok(arguments)
    }

    /// A literal key and its `=`, in lower case: `key =` or `['key'] =`.
    fn key(&mut self) -> Result<Option<Vec<u8>>, Refusal> {
        let (key, tokens) = match (self.ahead(1), self.ahead(2), self.ahead(3), self.ahead(4)) {
            (Some(Token::Name(key)), Some(Token::Sign(b'=')), ..) => (key.to_vec(), 2),
            (
                Some(Token::Sign(b'[')),
                Some(Token::Text(key)),
                Some(Token::Sign(b']')),
                Some(Token::Sign(b'=')),
            ) => (key, 4),
            _ => return Ok(None),
        };
        for _ in 0..tokens {
            self.step()?;
        }
        Ok(Some(key.to_ascii_lowercase()))
    }

    fn named_value(
        &mut self,
        key: &[u8],
        into: &mut Arguments,
        depth: usize,
    ) -> Result<(), Refusal> {
        match (key, self.value()) {
            (b"function_name", Value::Text(name)) => {
                (into.name, into.has_name) = (Some(name), true)
            }
            (b"function_name", Value::Table | Value::Function) => into
                .object("function_name argument given to redis.register_function must be a string"),
            (b"description", Value::Text(description)) => into.description = Some(description),
            (b"description", Value::Table | Value::Function) => into
                .object("description argument given to redis.register_function must be a string"),
            // What is computed, and numbers, which Lua takes for strings.
            (b"function_name", _) => (into.has_name, into.literal) = (true, false),
            (b"description", _) => into.literal = false,
            (b"callback", Value::Function | Value::Other) => into.has_callback = true,
            (b"callback", _) => {
                into.object("callback argument given to redis.register_function must be a function")
            }
            (b"flags", Value::Table) => into.literal &= self.flags(into)?,
            (b"flags", Value::Other) => into.literal = false,
            (b"flags", _) => into.object(
                "flags argument to redis.register_function must be a table representing function \
                 flags",
            ),
            // It may be nil, which is no argument at all.
            (_, Value::Other) => into.literal = false,
            _ => into.object("unknown argument given to redis.register_function"),
        }
        self.skip_value(depth)
    }

    /// What the value that comes next is, as far as it can be seen where it begins.
    fn value(&self) -> Value {
        let is_all = || {
            let next = self.ahead(2);
            matches!(next, Some(Token::Sign(b',' | b';' | b'}' | b')')))
        };
        match self.ahead(1) {
            Some(Token::Text(text)) if is_all() => Value::Text(text),
            Some(Token::Number) if is_all() => Value::Number,
            Some(Token::Sign(b'{')) => Value::Table,
            Some(Token::Name(b"function")) => Value::Function,
            _ => Value::Other,
        }
    }

    /// `{'no-writes', ...}`; false if not all are literals. The `}` is left to `skip_value`.
    fn flags(&mut self, into: &mut Arguments) -> Result<bool, Refusal> {
        self.step()?;
        loop {
            match (self.ahead(1), self.value()) {
                (Some(Token::Sign(b'}')), _) => return Ok(true),
                (_, Value::Text(name)) => {
                    if !into.flags.add(&name) {
                        into.object("unknown flag given");
                    }
                    self.step()?;
                    if self.ahead(1) != Some(Token::Sign(b'}')) {
                        self.step()?;
                    }
                }
                _ => return Ok(false),
            }
        }
    }

    /// Goes behind the `,` or `;` that ends a value of the table at `depth`, or behind its `}`.
    fn skip_value(&mut self, depth: usize) -> Result<(), Refusal> {
        loop {
            match self.step()? {
                None => {
                    let open = self.open.get(depth - 1).map_or(")", |open| open.closing());
                    return Err(self.syntax(format!("'{open}' expected near '<eof>'")));
                }
                Some(_) if self.open.len() < depth => return Ok(()),
                Some(Token::Sign(b',' | b';')) if self.open.len() == depth => return Ok(()),
                Some(_) => {}
            }
        }
    }

    fn refuse(&mut self, why: &str) {
        self.found.refusal.get_or_insert_with(|| Refusal::Registration(why.to_owned()));
    }

    fn register(&mut self, arguments: Arguments) {
        if !arguments.has_name {
            return self.refuse("redis.register_function must get a function name argument");
        }
        if !arguments.has_callback {
            return self.refuse("redis.register_function must get a callback argument");
        }
        let Some(name) = arguments.name else {
            return;
        };
        if !is_name(&name) {
            return self.refuse(&Refusal::BadName.to_string());
        }
        if self.found.functions.iter().any(|function| function.name == name) {
            return self.refuse("Function already exists in the library");
        }
        let Arguments { description, flags, .. } = arguments;
        self.found.functions.push(Function { name, description, flags });
    }
}
