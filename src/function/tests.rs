//! What is read out of libraries, and what is refused. The refusals are what Redis 7.0.15 answers
//! to the same texts.

use super::{Libraries, Library, Source};

fn loaded(code: &str, source: Source) -> Result<Library, String> {
    let mut libraries = Libraries::default();
    match libraries.load(code.as_bytes(), false, source) {
        Ok(name) => {
            let library = libraries.iter().next().expect("it was taken").clone();
            assert_eq!(library.name(), name);
            assert_eq!(library.code(), code.as_bytes());
            Ok(library)
        }
        Err(refusal) => {
            assert!(libraries.is_empty());
            Err(refusal.to_string())
        }
    }
}

/// A library with this text below its first line.
fn body(text: &str) -> Result<Library, String> {
    loaded(&format!("#!lua name=lib\n{text}"), Source::Client)
}

/// Names, descriptions and flags, one function a line; `...` if there may be more.
fn told(library: &Library) -> String {
    let mut lines = Vec::new();
    for function in library.functions() {
        let name = String::from_utf8_lossy(&function.name).into_owned();
        let description = function.description.as_deref().map(String::from_utf8_lossy);
        let flags: Vec<&str> = function.flags.names().collect();
        let description = description.map_or(String::new(), |text| format!(" ({text})"));
        lines.push(format!("{name}{description} {}", flags.join(",")).trim().to_owned());
    }
    if !library.is_complete() {
        lines.push("...".to_owned());
    }
    lines.join("; ")
}

fn told_body(text: &str) -> String {
    body(text).map_or_else(|refusal| format!("refused: {refusal}"), |library| told(&library))
}

#[test]
fn the_first_line_is_checked_as_redis_checks_it() {
    let refusal = |code: &str| loaded(code, Source::Server).expect_err("refused");
    assert_eq!(refusal(""), "Missing library metadata");
    assert_eq!(refusal("redis.register_function('f', f)"), "Missing library metadata");
    assert_eq!(refusal("#!lua name=a"), "Invalid library metadata");
    assert_eq!(refusal("#!lua name=\"a\n"), "Invalid library metadata");
    assert_eq!(refusal("#!lua name=a\0\n"), "Invalid library metadata");
    assert_eq!(refusal("#!lua\n"), "Library name was not given");
    assert_eq!(refusal("#!lua nme=a\n"), "Invalid metadata value given: nme=a");
    assert_eq!(
        refusal("#!lua name=a name=b\n"),
        "Invalid metadata value, name argument was given multiple times"
    );
    assert_eq!(refusal("#!js name=a\n"), "Engine 'js' not found");
    assert!(refusal("#!lua name=a-b\n").starts_with("Library names can only contain"));
    assert!(refusal("#!lua name=\n").starts_with("Library names can only contain"));
    for code in [
        "#!LUA NAME=a_1\n",
        "#!lua \"name=a_1\"\n",
        "#!lua   name=\"a_1\" \n",
        "#!lua name=a_1\r\n",
    ] {
        assert_eq!(loaded(code, Source::Server).expect("right").name(), b"a_1", "{code:?}");
    }
}

#[test]
fn literal_registrations_are_known() {
    assert_eq!(told_body("redis.register_function('f', function() end)"), "f");
    assert_eq!(told_body("redis.register_function(\"f\", cb)\n"), "f");
    assert_eq!(told_body("redis . register_function -- x\n ( [==[f]==] , cb )"), "f");
    assert_eq!(told_body("redis.register_function('\\102oo\\95', cb)"), "foo_");
    assert_eq!(
        told_body(
            "redis.register_function{function_name='f', callback=function(keys, args) local a, b = \
             1, {2; 3}; if a then return b end end, flags={'no-writes', \"ALLOW-OOM\",}, \
             description='what, it does'}\nredis.register_function({['Function_Name']='g'; \
             callback=cb;})"
        ),
        "f (what, it does) no-writes,allow-oom; g"
    );
    let commented = "--[[ redis.register_function('no', f) ]]\n-- redis.register_function('no', f)\n\
                     local s = 'redis.register_function(\"no\", f)'\n\
                     local function cb() for i = 1, 10 do while i do repeat i = nil until true end \
                     end end\nredis.register_function('yes', cb)";
    assert_eq!(told_body(commented), "yes");
}

#[test]
fn what_only_running_would_tell_is_said_to_be_missing() {
    let unknown = [
        "redis.register_function(name, cb)",
        "redis.register_function('a' .. 'b', cb)",
        "local r = redis.register_function r('f', cb)",
        "redis['register_function']('f', cb)",
        "if x then redis.register_function('f', cb) end",
        "for _, n in ipairs({'a', 'b'}) do redis.register_function(n, cb) end",
        "local function r(n) redis.register_function('f', n) end r(cb)",
        "redis.register_function{function_name=n, callback=cb}",
        "redis.register_function{function_name='f' .. n, callback=cb}",
        "redis.register_function{function_name='f', callback=cb, flags=flags}",
        "redis.register_function(arguments)",
        "redis.register_function(1, cb)",
        "redis.register_function{function_name='f', callback=cb, other=nil}",
        "redis.register_function('f', cb, more())",
    ];
    for text in unknown {
        assert_eq!(told_body(text), "...", "{text}");
        let known = format!("redis.register_function('known', cb)\n{text}");
        assert_eq!(told_body(&known), "known; ...", "{text}");
    }
}

#[test]
fn a_client_is_refused_what_is_certainly_wrong() {
    let refused = |text: &str| body(text).expect_err("refused");
    let registering = |text: &str| {
        let refusal = refused(text);
        let reason = refusal.strip_prefix("Error registering functions: ERR ");
        reason.unwrap_or_else(|| panic!("{refusal}")).to_owned()
    };
    assert_eq!(refused("return 1"), "No functions registered");
    assert_eq!(refused("-- redis.register_function('f', cb)"), "No functions registered");
    assert!(registering("redis.register_function('f-x', cb)").starts_with("Library names can"));
    let table = |inside: &str| registering(&format!("redis.register_function{{{inside}}}"));
    assert_eq!(table("function_name='f', callback=cb, flags={'nope'}"), "unknown flag given");
    assert_eq!(
        table("function_name='f', callback=cb, flag={'no-writes'}"),
        "unknown argument given to redis.register_function"
    );
    assert_eq!(table("function_name='f'"), "redis.register_function must get a callback argument");
    assert_eq!(table("callback=cb"), "redis.register_function must get a function name argument");
    assert_eq!(
        table("function_name={}, callback=cb"),
        "function_name argument given to redis.register_function must be a string"
    );
    assert_eq!(
        table("function_name='f', callback='cb'"),
        "callback argument given to redis.register_function must be a function"
    );
    assert_eq!(
        table("function_name='f', callback=cb, description=function() end"),
        "description argument given to redis.register_function must be a string"
    );
    assert!(table("function_name='f', callback=cb, flags='no-writes'").contains("must be a table"));
    let list = |inside: &str| registering(&format!("redis.register_function({inside})"));
    assert_eq!(list(""), "wrong number of arguments to redis.register_function");
    assert_eq!(list("'f', cb, 1"), "wrong number of arguments to redis.register_function");
    assert!(list("'f'").contains("a single argument is only applicable to Lua table"));
    assert_eq!(list("{}, cb"), "first argument to redis.register_function must be a string");
    assert_eq!(list("'f', 1"), "second argument to redis.register_function must be a function");
    let twice = "redis.register_function('f', cb) redis.register_function('f', cb)";
    assert_eq!(registering(twice), "Function already exists in the library");

    let compiling = |text: &str| {
        let refusal = refused(text);
        assert!(refusal.starts_with("Error compiling function: user_function:"), "{refusal}");
        refusal
    };
    assert!(compiling("x = 1\ny = 'abc\nz = 2").contains(":3: unfinished string"));
    assert!(compiling("x = [[abc").contains(":2: unfinished long string"));
    assert!(compiling("--[==[ abc ]=]").contains("unfinished long comment"));
    assert!(compiling("x = '\\400'").contains("escape sequence too large"));
    assert!(compiling("redis.register_function('f', function() end").contains("')' expected"));
    assert!(compiling("redis.register_function('f', function() )").contains("near ')'"));
    assert!(compiling("if x then y() end end").contains("near 'end'"));
    assert!(compiling("redis.register_function{function_name='f'").contains("'}' expected"));
}

#[test]
fn a_master_and_a_file_are_believed() {
    let code = "#!lua name=lib\nredis.register_function('f', cb) redis.register_function('f', cb)";
    assert_eq!(told(&loaded(code, Source::Server).expect("taken")), "f; ...");
    let code = "#!lua name=lib\nthis is 'no Lua";
    assert_eq!(told(&loaded(code, Source::Server).expect("taken")), "...");
}

fn simple(name: &str, function: &str) -> Vec<u8> {
    format!("#!lua name={name}\nredis.register_function('{function}', cb)").into_bytes()
}

#[test]
fn names_of_libraries_and_functions_are_given_once() {
    let mut libraries = Libraries::default();
    let mut load = |name: &str, function: &str, replace| {
        let taken = libraries.load(&simple(name, function), replace, Source::Client);
        taken.map(drop).map_err(|refusal| refusal.to_string())
    };
    assert_eq!(load("a", "f", false), Ok(()));
    assert_eq!(load("a", "g", false), Err("Library 'a' already exists".into()));
    assert_eq!(load("b", "F", false), Err("Function F already exists".into()));
    assert_eq!(load("a", "F", true), Ok(()), "its own functions are replaced with it");
    assert_eq!(load("A", "g", false), Ok(()), "libraries differ by case, functions do not");
    assert_eq!(load("A", "f", true), Err("Function f already exists".into()));
    let names: Vec<&[u8]> = libraries.iter().map(Library::name).collect();
    assert_eq!(names, [b"A", b"a"]);
    assert!(libraries.function(b"G").is_some_and(|(library, _)| library.name() == b"A"));
}

#[test]
fn joining_is_all_or_nothing() {
    let new = |libraries: &[(&str, &str)]| {
        let mut new = Libraries::default();
        for (name, function) in libraries {
            new.load(&simple(name, function), false, Source::Client).expect("sound");
        }
        new
    };
    let mut libraries = new(&[("a", "f"), ("b", "g")]);
    let before = libraries.digest();
    let mut join = |other, replace| {
        libraries.join(other, replace, Source::Client).map_err(|refusal| refusal.to_string())
    };
    assert_eq!(join(new(&[("c", "x"), ("a", "h")]), false), Err("Library a already exists".into()));
    assert_eq!(join(new(&[("a", "g")]), true), Err("Function g already exists".into()));
    assert_eq!(join(new(&[("a", "g"), ("b", "f")]), true), Ok(()));
    assert_ne!(libraries.digest(), before);
    assert_eq!(libraries.len(), 2);
    assert!(libraries.remove(b"a") && !libraries.remove(b"a"));
    assert!(libraries.remove(b"b"));
    assert_eq!((libraries.digest(), libraries.used_bytes()), (0, 0));
}

#[test]
fn a_copy_keeps_what_it_had() {
    let mut libraries = Libraries::default();
    libraries.load(&simple("a", "f"), false, Source::Client).expect("sound");
    let copy = libraries.clone();
    libraries.load(&simple("a", "g"), true, Source::Client).expect("sound");
    libraries.load(&simple("b", "h"), false, Source::Client).expect("sound");
    assert_eq!((copy.len(), libraries.len()), (1, 2));
    assert!(copy.function(b"f").is_some() && libraries.function(b"f").is_none());
}

mod any_text {
    use proptest::prelude::*;

    use super::*;

    fn piece() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "redis",
            ".",
            "register_function",
            "(",
            ")",
            "{",
            "}",
            "[",
            "]",
            "[[",
            "]]",
            "'f'",
            "\"g\"",
            ",",
            ";",
            "=",
            "function_name",
            "flags",
            "callback",
            "function",
            "end",
            "if",
            "do",
            "repeat",
            "until",
            "--",
            "--[[",
            "\n",
            "'",
            "\\",
            "1e+",
            "x",
            " ",
        ])
    }

    proptest! {
        #[test]
        fn is_read_to_its_end_whatever_it_is(pieces in prop::collection::vec(piece(), 0..60)) {
            let code = format!("#!lua name=lib\n{}", pieces.concat());
            let kept = loaded(&code, Source::Server);
            prop_assert!(kept.is_ok(), "{kept:?}");
            // Refused or not, but never a panic; and what a client may load, a file may hold.
            if let Ok(library) = loaded(&code, Source::Client) {
                prop_assert_eq!(told(&library), told(&kept.expect("just seen")));
            }
        }
    }
}
