//! Stall, reset, blackhole, kill, power loss and pause, on the simulated network.

use std::time::Duration;

use replisim::env::{Env, Listener};
use replisim_sim::simulation::{SimError, Simulation};
use replisim_sim::transport::LinkPolicy::{Blackhole, Reset, Stall};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use crate::kit::{
    Diary, PORT, echo, fill, link, listen, ms, note_reads, outcome, read_all, secs, sim,
};

/// A server that reads, and a client that writes one word a second for ten seconds and closes.
fn words(seed: u64) -> (Simulation, Diary) {
    let mut sim = sim(seed);
    let diary = Diary::default();
    let d = diary.clone();
    sim.add_host("server", move |env| read_all(env, d.clone()));
    let d = diary.clone();
    sim.add_host("writer", move |env| {
        let d = d.clone();
        async move {
            let (mut stream, _) = env.connect("server", PORT).await?;
            for i in 0..10 {
                if let Err(e) = stream.write_all(format!("{i}").as_bytes()).await {
                    d.note(&env, format!("writer {:?}", e.kind()));
                    return Ok(());
                }
                sleep(secs(1)).await;
            }
            drop(stream);
            std::future::pending().await
        }
    });
    (sim, diary)
}

fn words_read(diary: &Diary) -> String {
    diary.texts().iter().filter_map(|t| t.strip_prefix("read ").map(str::to_owned)).collect()
}

#[test]
fn open_everything_arrives_in_time() -> Result<(), SimError> {
    let (mut sim, diary) = words(1);
    sim.run_for(secs(12))?;
    assert_eq!(words_read(&diary), "0123456789");
    let at = diary.when("read 5").expect("read");
    assert!(at >= secs(5) && at < secs(5) + ms(10), "{at:?}");
    assert_eq!(diary.texts().last().map(String::as_str), Some("end"));
    Ok(())
}

#[test]
fn stall_delivers_everything_in_order_after_the_heal() -> Result<(), SimError> {
    let (mut sim, diary) = words(2);
    sim.schedule(ms(2500), |s| s.set_links("writer", "server", Stall));
    sim.schedule(ms(7500), |s| s.heal("writer", "server"));
    sim.run_for(ms(7500))?;
    assert_eq!(words_read(&diary), "012");
    sim.run_for(ms(100))?;
    assert_eq!(words_read(&diary), "01234567");
    sim.run_for(secs(5))?;
    assert_eq!(words_read(&diary), "0123456789");
    Ok(())
}

#[test]
fn stall_holds_back_the_end_of_a_stream() -> Result<(), SimError> {
    let (mut sim, diary) = words(3);
    sim.schedule(ms(9500), |s| s.set_links("writer", "server", Stall));
    sim.run_for(secs(60))?;
    assert!(!diary.has("end"));
    sim.heal("writer", "server")?;
    sim.run_for(ms(10))?;
    assert!(diary.has("end"));
    Ok(())
}

#[test]
fn stall_one_way_stops_one_direction() -> Result<(), SimError> {
    for (stalled, expected) in [(("writer", "server"), "012"), (("server", "writer"), "0123456")] {
        let (mut sim, diary) = words(4);
        sim.schedule(ms(2500), move |s| s.set_link(stalled.0, stalled.1, Stall));
        sim.run_for(ms(6500))?;
        assert_eq!(words_read(&diary), expected, "{stalled:?}");
    }
    Ok(())
}

/// How a connect of `client` fares, begun at 1 s, and a word sent back when it succeeded.
fn connecting(before: impl FnOnce(&mut Simulation) -> Result<(), SimError>) -> (Simulation, Diary) {
    let mut sim = sim(5);
    let diary = Diary::default();
    sim.add_host("server", echo);
    let d = diary.clone();
    sim.add_client("client", move |env| async move {
        sleep(secs(1)).await;
        match env.connect("server", PORT).await {
            Ok((mut stream, _)) => {
                d.note(&env, "connected");
                stream.write_all(b"hello").await?;
                note_reads(&env, &d, &mut stream).await;
            }
            Err(e) => d.note(&env, format!("{:?}", e.kind())),
        }
        Ok(())
    });
    before(&mut sim).expect("a fault that can be made");
    (sim, diary)
}

#[test]
fn stall_and_blackhole_let_a_connect_hang_until_the_heal() -> Result<(), SimError> {
    for policy in [Stall, Blackhole] {
        for (from, to) in [("client", "server"), ("server", "client")] {
            let (mut sim, diary) = connecting(|s| s.set_link(from, to, policy));
            sim.run_for(secs(30))?;
            assert_eq!(diary.texts(), [""; 0], "{policy:?} {from}");
            sim.heal("client", "server")?;
            sim.run_for(ms(100))?;
            assert_eq!(diary.texts(), ["connected", "read hello"], "{policy:?} {from}");
        }
    }
    Ok(())
}

#[test]
fn reset_refuses_connects_at_once_and_one_way() -> Result<(), SimError> {
    let (mut sim, diary) = connecting(|s| s.set_link("client", "server", Reset));
    sim.run_for(secs(2))?;
    assert_eq!(diary.all(), [(secs(1), "ConnectionRefused".to_owned())]);

    let (mut sim, diary) = connecting(|s| s.set_link("server", "client", Reset));
    sim.run_for(secs(2))?;
    assert_eq!(diary.texts(), ["connected", "read hello"]);
    Ok(())
}

#[test]
fn reset_tells_both_ends_at_once() -> Result<(), SimError> {
    let (mut sim, diary) = words(6);
    sim.schedule(ms(2500), |s| s.set_links("writer", "server", Reset));
    sim.run_for(secs(5))?;
    assert_eq!(words_read(&diary), "012");
    assert_eq!(diary.when("ConnectionReset"), Some(ms(2500)));
    // The writer finds out when it writes.
    let at = diary.when("writer ConnectionReset").expect("an error");
    assert!(at >= secs(3) && at < ms(3100), "{at:?}");
    Ok(())
}

#[test]
fn blackhole_is_silence_for_ever() -> Result<(), SimError> {
    let (mut sim, diary) = words(7);
    sim.schedule(ms(2500), |s| s.set_links("writer", "server", Blackhole));
    sim.schedule(ms(4500), |s| s.heal("writer", "server"));
    sim.run_for(secs(100))?;
    assert_eq!(words_read(&diary), "012");
    // Neither an end nor an error, on either side, healed or not.
    assert_eq!(diary.texts().last().map(String::as_str), Some("read 2"));
    Ok(())
}

#[test]
fn blackhole_one_way_stops_one_direction() -> Result<(), SimError> {
    for (lost, expected) in [(("writer", "server"), "012"), (("server", "writer"), "0123456")] {
        let (mut sim, diary) = words(8);
        sim.schedule(ms(2500), move |s| s.set_link(lost.0, lost.1, Blackhole));
        sim.run_for(ms(6500))?;
        assert_eq!(words_read(&diary), expected, "{lost:?}");
    }
    Ok(())
}

#[test]
fn blackhole_swallows_a_window_of_writes() -> Result<(), SimError> {
    for lost in [("client", "server"), ("server", "client")] {
        let mut sim = sim(9);
        let diary = Diary::default();
        let d = diary.clone();
        sim.add_host("server", move |env| read_all(env, d.clone()));
        let d = diary.clone();
        sim.add_client("client", move |env| async move {
            let (mut stream, _) = env.connect("server", PORT).await?;
            sleep(secs(1)).await;
            let taken = fill(&mut stream).await;
            d.note(&env, format!("taken {taken}"));
            // Alive or not, there is nothing to tell.
            let more = tokio::time::timeout(secs(60), stream.read_u8()).await;
            assert!(more.is_err(), "{more:?}");
            Ok(())
        });
        sim.run_for(ms(500))?;
        sim.set_link(lost.0, lost.1, Blackhole)?;
        assert!(sim.run(secs(100))?);
        let window = link(1).window_bytes(ms(1));
        assert!(diary.has(&format!("taken {window}")), "{:?}", diary.texts());
    }
    Ok(())
}

#[test]
fn kill_ends_the_stream_and_breaks_writes() -> Result<(), SimError> {
    let mut sim = sim(10);
    let diary = Diary::default();
    let d = diary.clone();
    sim.add_host("server", move |env| read_all(env, d.clone()));
    let d = Diary::default();
    let seen = d.clone();
    sim.add_client("client", move |env| async move {
        let (mut stream, _) = env.connect("server", PORT).await?;
        stream.write_all(b"x").await?;
        d.note(&env, outcome(stream.read(&mut [0; 8]).await));
        // The first write is taken, and answered with a reset.
        d.note(&env, outcome(stream.write(b"y").await));
        sleep(ms(100)).await;
        d.note(&env, outcome(stream.write(b"z").await));
        let again = env.connect("server", PORT).await;
        d.note(&env, format!("{:?}", again.err().map(|e| e.kind())));
        sleep(secs(10)).await;
        d.note(&env, outcome(env.connect("server", PORT).await.map(|_| 7)));
        Ok(())
    });
    sim.schedule(secs(2), |s| s.kill("server"));
    sim.schedule(secs(9), |s| s.restart("server"));
    assert!(sim.run(secs(20))?);
    assert_eq!(
        seen.texts(),
        ["end", "1 bytes", "BrokenPipe", "Some(ConnectionRefused)", "7 bytes"]
    );
    let at = seen.all()[0].0;
    assert!(at >= secs(2) && at < secs(2) + ms(10), "{at:?}");
    Ok(())
}

#[test]
fn kill_with_unread_data_is_a_reset() -> Result<(), SimError> {
    let mut sim = sim(11);
    sim.add_host("server", |env| async move {
        let mut listener = listen(&env).await?;
        let (mut stream, _) = listener.accept().await?;
        stream.write_all(b"hello").await?;
        std::future::pending().await
    });
    let diary = Diary::default();
    let d = diary.clone();
    sim.add_client("client", move |env| async move {
        let (mut stream, _) = env.connect("server", PORT).await?;
        stream.write_all(b"never read").await?;
        sleep(secs(5)).await;
        // What had arrived is read first.
        for _ in 0..3 {
            d.note(&env, outcome(stream.read(&mut [0; 8]).await));
        }
        d.note(&env, outcome(stream.write(b"z").await));
        Ok(())
    });
    sim.schedule(secs(2), |s| s.kill("server"));
    assert!(sim.run(secs(20))?);
    assert_eq!(diary.texts(), ["5 bytes", "ConnectionReset", "end", "BrokenPipe"]);
    Ok(())
}

#[test]
fn power_loss_is_silence_until_the_machine_is_back() -> Result<(), SimError> {
    let mut sim = sim(12);
    sim.add_host("server", echo);
    let diary = Diary::default();
    let d = diary.clone();
    sim.add_client("client", move |env| async move {
        let (mut stream, _) = env.connect("server", PORT).await?;
        let quiet = tokio::time::timeout(secs(10), stream.read_u8()).await;
        d.note(&env, format!("quiet {}", quiet.is_err()));
        let (hanging, d2) = (env.clone(), d.clone());
        tokio::task::spawn_local(async move {
            let connected = hanging.connect("server", PORT).await.is_ok();
            d2.note(&hanging, format!("connected {connected}"));
        });
        // Until 40 s the machine is off, and after it nobody speaks first.
        let quiet = tokio::time::timeout(secs(40), stream.read_u8()).await;
        d.note(&env, format!("quiet {}", quiet.is_err()));
        d.note(&env, outcome(stream.write(b"x").await));
        d.note(&env, outcome(stream.read(&mut [0]).await));
        Ok(())
    });
    sim.schedule(secs(2), |s| s.power_cut("server", false).map(|_| ()));
    sim.schedule(secs(40), |s| s.restart("server"));
    assert!(sim.run(secs(100))?);
    assert_eq!(
        diary.texts(),
        ["quiet true", "connected true", "quiet true", "1 bytes", "ConnectionReset"]
    );
    let connected = diary.when("connected true").expect("connected");
    assert!(connected >= secs(40) && connected < ms(40_100), "{connected:?}");
    let all = diary.all();
    assert!(all[4].0 - all[3].0 < ms(20), "one round trip: {all:?}");
    Ok(())
}

#[test]
fn power_loss_resets_what_waits_when_the_machine_is_back() -> Result<(), SimError> {
    let mut sim = sim(13);
    sim.add_host("server", echo);
    let diary = Diary::default();
    let d = diary.clone();
    sim.add_client("client", move |env| async move {
        let (mut stream, _) = env.connect("server", PORT).await?;
        sleep(secs(5)).await;
        d.note(&env, outcome(stream.write(b"into the dark").await));
        // A writer that waits for room is told as well.
        let taken = fill(&mut stream).await;
        assert!(taken > 0);
        d.note(&env, outcome(stream.write(b"more").await));
        Ok(())
    });
    sim.schedule(secs(2), |s| s.power_cut("server", false).map(|_| ()));
    sim.schedule(secs(40), |s| s.restart("server"));
    assert!(sim.run(secs(100))?);
    assert_eq!(diary.texts(), ["13 bytes", "ConnectionReset"]);
    let at = diary.when("ConnectionReset").expect("an error");
    assert!(at >= secs(40) && at < secs(40) + ms(20), "{at:?}");
    Ok(())
}

#[test]
fn pause_lets_the_kernel_go_on() -> Result<(), SimError> {
    let mut sim = sim(14);
    let diary = Diary::default();
    let d = diary.clone();
    sim.add_host("server", move |env| read_all(env, d.clone()));
    let d = Diary::default();
    let seen = d.clone();
    sim.add_client("client", move |env| async move {
        sleep(secs(3)).await;
        let (mut stream, _) = env.connect("server", PORT).await?;
        d.note(&env, "connected");
        stream.write_all(b"hello").await?;
        drop(stream);
        Ok(())
    });
    sim.schedule(secs(2), |s| s.pause("server"));
    sim.schedule(secs(20), |s| s.resume("server"));
    sim.run_for(secs(30))?;
    let connected = seen.when("connected").expect("connected");
    assert!(connected < ms(3100), "{connected:?}");
    // The process saw nothing of it before it went on.
    assert_eq!(diary.texts(), ["listening", "accepted", "read hello", "end"]);
    assert_eq!(diary.when("accepted"), Some(secs(20)));
    Ok(())
}

#[test]
fn pause_makes_timers_late() -> Result<(), SimError> {
    let mut sim = sim(15);
    let diary = Diary::default();
    let d = diary.clone();
    sim.add_host("node", move |env| {
        let d = d.clone();
        async move {
            // A task of its own is stopped as well.
            let (env2, d2) = (env.clone(), d.clone());
            tokio::task::spawn_local(async move {
                sleep(secs(5)).await;
                d2.note(&env2, "task");
            });
            sleep(secs(4)).await;
            d.note(&env, "main");
            std::future::pending().await
        }
    });
    sim.schedule(secs(2), |s| s.pause("node"));
    sim.schedule(secs(20), |s| s.resume("node"));
    sim.run_for(secs(30))?;
    assert_eq!(diary.all(), [(secs(20), "main".to_owned()), (secs(20), "task".to_owned())]);
    Ok(())
}

#[test]
fn clock_jump_moves_the_wall_clock_of_one_host() -> Result<(), SimError> {
    let mut sim = sim(16);
    let a = sim.add_host("a", |_| std::future::pending());
    let b = sim.add_host("b", |_| std::future::pending());
    sim.run_for(secs(5))?;
    let before = sim.world().unix_ms(a);
    assert_eq!(before, sim.world().unix_ms(b));
    sim.clock_jump("a", -60_000)?;
    sim.run_for(secs(5))?;
    assert_eq!(sim.world().unix_ms(a), before - 55_000);
    assert_eq!(sim.world().unix_ms(b), before + 5_000);
    Ok(())
}

#[test]
fn a_process_that_exits_is_seen_and_can_be_started_again() -> Result<(), SimError> {
    let mut sim = sim(17);
    let node = sim.add_host("node", |_| async move { anyhow::bail!("no such file") });
    sim.run_for(ms(10))?;
    let exit = sim.world().exit(node);
    assert_eq!(exit, Some(Err("no such file".to_owned())));
    sim.restart("node")?;
    assert_eq!(sim.world().exit(node), None);
    sim.run_for(ms(10))?;
    assert_eq!(sim.world().life(node), 2);
    assert!(sim.kill("nobody").is_err());
    Ok(())
}

#[test]
fn loopback_is_not_a_link() -> Result<(), SimError> {
    let mut sim = sim(18);
    let diary = Diary::default();
    let d = diary.clone();
    sim.add_client("node", move |env| async move {
        tokio::task::spawn_local(echo(env.clone()));
        sleep(ms(10)).await;
        let (mut stream, peer) = env.connect("127.0.0.1", PORT).await?;
        assert!(peer.loopback);
        stream.write_all(b"me").await?;
        d.note(&env, outcome(stream.read(&mut [0; 8]).await));
        Ok(())
    });
    assert!(sim.run(secs(1))?);
    assert_eq!(diary.texts(), ["2 bytes"]);
    assert!(sim.elapsed() < Duration::from_millis(50));
    Ok(())
}
