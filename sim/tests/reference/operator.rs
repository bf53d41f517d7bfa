//! Steps that are commands, and checks.

use crate::kit::{PAIR, passes, violates};

fn with(steps: &str) -> String {
    format!("{PAIR}{steps}\n[run]\nduration = \"20s\"\n")
}

fn at(seconds: u64, action: &str) -> String {
    format!("[[step]]\nat = \"{seconds}s\"\n{action}\n")
}

#[test]
fn step_replicaof() {
    let steps = at(5, "replicaof = { node = \"r1\", master = \"no one\" }")
        + &at(6, "check = { node = \"r1\", info = { role = \"master\" } }")
        + &at(7, "replicaof = { node = [\"m1\"], master = \"r1\" }")
        + &at(
            12,
            "check = { node = \"m1\", info = { role = \"slave\", master_host = \"r1\", master_link_status = \"up\" } }",
        );
    passes(&with(&steps));
}

/// A master whose replica is behind, with a writer that keeps it so.
fn behind(failover: &str) -> String {
    format!(
        "{PAIR}[nodes.r2]\nreplicaof = \"m1\"\n[workload]\nto = \"m1\"\n{}{}[run]\nduration = \"30s\"\n",
        at(5, "partition = { between = [\"m1\", \"r2\"], kind = \"stall\", for = \"8s\" }"),
        at(6, failover)
    )
}

#[test]
fn step_failover() {
    let role = |second, node: &str, role: &str| {
        at(second, &format!("check = {{ node = \"{node}\", info = {{ role = \"{role}\" }} }}"))
    };
    // Without anything: the master chooses one that has everything.
    passes(&(behind("failover = \"m1\"") + &role(9, "r1", "master") + &role(9, "m1", "slave")));
    // To one: it waits for it.
    let to = behind("failover = { node = \"m1\", to = \"r2\" }");
    passes(&(to.clone() + &role(12, "m1", "master") + &role(20, "r2", "master")));
    // With a timeout: it gives up.
    let timeout = behind("failover = { node = \"m1\", to = \"r2\", timeout = \"3s\" }");
    passes(&(timeout + &role(20, "m1", "master") + &role(20, "r2", "slave")));
    // With force: it hands over all the same.
    let force = behind("failover = { node = \"m1\", to = \"r2\", timeout = \"3s\", force = true }");
    passes(&(force + &role(10, "m1", "slave") + &role(20, "r2", "master")));
    // Given up by the operator.
    let abort = at(8, "failover = { node = \"m1\", abort = true }");
    passes(&(to + &abort + &role(20, "m1", "master") + &role(20, "r2", "slave")));
}

#[test]
fn step_config_set() {
    let steps = at(
        5,
        "config-set = { node = [\"m1\", \"r1\"], config = { repl-timeout = 31, replica-serve-stale-data = false } }",
    ) + &at(
        6,
        "command = { node = \"r1\", send = \"CONFIG GET repl-timeout\", expect = \"repl-timeout\\n31\" }",
    ) + &at(
        6,
        "command = { node = \"m1\", send = \"CONFIG GET replica-serve-stale-data\", expect = \"replica-serve-stale-data\\nno\" }",
    );
    passes(&with(&steps));
    let bad = with(&at(5, "config-set = { node = \"m1\", config = { databases = 7 } }"));
    assert!(violates(&bad).starts_with("expect: CONFIG SET answered -ERR"), "{}", violates(&bad));
}

#[test]
fn commands_of_one_time_go_to_a_node_in_the_order_of_the_file() {
    let mut steps = at(5, "command = { node = \"m1\", send = \"WAIT 2 3000\", expect = 1 }");
    for number in 1..=5 {
        for (command, reply) in
            [(format!("SET a {number}"), "OK".into()), ("GET a".into(), number.to_string())]
        {
            steps += &at(
                5,
                &format!(
                    "command = {{ node = \"m1\", send = \"{command}\", expect = \"{reply}\" }}"
                ),
            );
        }
    }
    for latency in ["1ms..30ms", "1ms..200ms"] {
        let ran = passes(&with(&format!("{steps}[network]\nlatency = \"{latency}\"\n")));
        // One that is held back holds up no other.
        assert!(ran.executed("m1", "GET").iter().all(|get| get.at_ms < 18_000));
    }
}

#[test]
fn invariants_know_what_config_set_changed_however_it_was_sent() {
    // A replica that may be written to is no violation, and was none to be told of.
    for step in [
        "config-set = { node = \"r1\", config = { replica-read-only = false } }",
        "command = { node = \"r1\", send = \"CONFIG SET replica-read-only no\", expect = \"OK\" }",
        "command = { node = \"r1\", send = \"CONFIG SET slave-read-only no\", expect = \"OK\" }",
    ] {
        let steps = at(5, step)
            + &at(6, "command = { node = \"r1\", send = \"SET own 1\", expect = \"OK\" }")
            + &at(7, "command = { node = \"r1\", send = \"DEL own\", expect = 1 }");
        let said = crate::kit::run(&with(&steps)).report.violations;
        assert!(said.iter().all(|v| v.invariant != "read-only"), "{step}: {said:?}");
    }
}

#[test]
fn the_operator_knows_the_password_of_now() {
    let steps = at(5, "command = { node = \"m1\", send = \"CONFIG SET requirepass new\", expect = \"OK\" }")
        + &at(6, "command = { node = \"m1\", send = \"SET a 1\", expect = \"OK\" }")
        // Its file has none: after a restart there is none.
        + &at(7, "kill = { node = \"m1\", for = \"1s\" }")
        + &at(10, "command = { node = \"m1\", send = \"SET a 1\", expect = \"OK\" }");
    let ran = passes(&with(&steps));
    let auth: Vec<u64> = ran.executed("m1", "AUTH").iter().map(|e| e.at_ms / 1000).collect();
    assert_eq!(auth, [6]);
}

#[test]
fn step_command() {
    let command = |text: &str| at(5, &format!("command = {{ node = \"m1\", {text} }}"));
    let good = [
        "send = \"SET greeting 'hello there'\", expect = \"OK\", database = 3",
        "send = [\"ECHO\", \"two words\"], expect = \"two words\"",
        "send = \"INCRBY n 7\", expect = 7",
        "send = \"DBSIZE\", expect = \"0..2\"",
        "send = \"GET missing\", expect = \"\"",
        "send = \"SET a\", expect-error = \"ERR wrong number\"",
        "send = \"NONSENSE\"",
        "send = \"ECHO {role}\", expect = \"master\"",
    ];
    let steps: String = good.iter().map(|text| command(text)).collect();
    let ran = passes(&with(&steps));
    assert_eq!(ran.executed("m1", "SET")[0].db, 3);
    for (bad, message) in [
        ("send = \"ECHO a\", expect = \"b\"", "`ECHO a` answered $1\\r\\na, expected b"),
        ("send = \"ECHO 5\", expect = \"6..9\"", "`ECHO 5` answered $1\\r\\n5, expected 6..9"),
        ("send = \"PING\", expect-error = \"ERR\"", "`PING` answered +PONG, expected -ERR..."),
        (
            "send = \"NONSENSE\", expect = \"OK\"",
            "`NONSENSE` answered -ERR unknown command 'NONSENSE', with args beginning with:, expected OK",
        ),
    ] {
        assert_eq!(violates(&with(&command(bad))), format!("expect: {message}"));
    }
    let offset = "[workload]\nstop = \"3s\"\n".to_owned()
        + &at(5, "command = { node = \"m1\", send = \"ECHO {master_repl_offset+1}\" }");
    let said = passes(&with(&offset)).executed("m1", "ECHO")[0].args[1].parse::<u64>();
    assert!(said.is_ok_and(|offset| offset > 1000));
}

#[test]
fn a_command_gives_the_nodes_password_or_another() {
    let text = |password: &str, expect: &str| {
        format!(
            "title = \"t\"\n[nodes.m1]\nconfig = {{ requirepass = \"secret\" }}\n{}[run]\nduration = \"8s\"\n",
            at(5, &format!("command = {{ node = \"m1\", send = \"DBSIZE\", {password}{expect} }}"))
        )
    };
    passes(&text("", "expect = 0"));
    passes(&text("password = \"secret\", ", "expect = 0"));
    passes(&text("password = \"\", ", "expect-error = \"NOAUTH\""));
    passes(&text("password = \"wrong\", ", "expect-error = \"NOAUTH\""));
}

#[test]
fn step_check() {
    passes(&with(&at(
        5,
        "check = { node = [\"m1\", \"r1\"], info = { connected_slaves = \"0..1\", loading = 0 } }",
    )));
    let bad = with(&at(
        5,
        "check = { node = \"m1\", info = { connected_slaves = 2, role = \"slave\" } }",
    ));
    assert_eq!(
        violates(&bad),
        "expect: connected_slaves is 1, expected 2; role is master, expected slave"
    );
}
