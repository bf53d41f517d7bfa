//! The same seed makes the same run, another seed another one.

use std::fmt::Write as _;
use std::time::Duration;

use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use replisim::env::{Disk, DiskFile, Env};
use replisim_sim::seed::Seed;
use replisim_sim::simulation::{SimConfig, Simulation};
use replisim_sim::transport::LinkPolicy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use crate::kit::{Diary, PORT, echo, ms, outcome, secs};

/// A busy half minute with every kind of outage; all that any process saw, as text.
fn busy_run(seed: u64) -> String {
    let mut sim = Simulation::new(Seed(seed), SimConfig::default());
    let diary = Diary::default();
    for name in ["a", "b"] {
        sim.add_host(name, echo);
    }
    let d = diary.clone();
    sim.add_host("writer", move |env| {
        let d = d.clone();
        async move {
            let mut rng = ChaCha8Rng::from_seed(env.random_seed());
            let disk = env.disk();
            let mut file = disk.create("log").await?;
            disk.sync_dir(".").await?;
            loop {
                file.append(&[1; 5000]).await?;
                if rng.random_bool(0.2) {
                    file.sync().await?;
                }
                sleep(ms(rng.random_range(1..200))).await;
                d.note(&env, format!("saved at {}", env.unix_ms()));
            }
        }
    });
    for client in ["c1", "c2"] {
        let d = diary.clone();
        sim.add_client(client, move |env| async move {
            let mut rng = ChaCha8Rng::from_seed(env.random_seed());
            while env.world().now() < secs(30) {
                let to = if rng.random() { "a" } else { "b" };
                let Ok(Ok((mut stream, peer))) = timeout(secs(1), env.connect(to, PORT)).await
                else {
                    d.note(&env, format!("{client} cannot reach {to}"));
                    sleep(ms(100)).await;
                    continue;
                };
                d.note(&env, format!("{client} has {}", peer.laddr));
                let mut buf = [0; 1000];
                for _ in 0..rng.random_range(1..20) {
                    let len = rng.random_range(1..buf.len());
                    let (one, two) = tokio::join!(
                        stream_write(&mut stream, len),
                        sleep(ms(rng.random_range(1..20)))
                    );
                    let () = two;
                    d.note(&env, format!("{client} wrote {one}"));
                    let read = timeout(ms(500), stream.read(&mut buf)).await;
                    d.note(&env, format!("{client} read {:?}", read.map(outcome).ok()));
                }
            }
            Ok(())
        });
    }
    sim.schedule(secs(2), |s| s.set_links("c1", "a", LinkPolicy::Stall));
    sim.schedule(secs(4), |s| s.heal("c1", "a"));
    sim.schedule(secs(5), |s| s.set_link("b", "c1", LinkPolicy::Blackhole));
    sim.schedule(secs(7), |s| s.heal("b", "c1"));
    sim.schedule(secs(8), |s| s.set_links("c2", "a", LinkPolicy::Reset));
    sim.schedule(secs(9), |s| s.heal("c2", "a"));
    sim.schedule(secs(10), |s| s.kill("a"));
    sim.schedule(secs(12), |s| s.restart("a"));
    sim.schedule(secs(14), |s| s.power_cut("b", false).map(|_| ()));
    sim.schedule(secs(15), |s| s.power_cut("writer", false).map(|_| ()));
    sim.schedule(secs(16), |s| s.restart("writer"));
    sim.schedule(secs(18), |s| s.restart("b"));
    sim.schedule(secs(20), |s| s.pause("a"));
    sim.schedule(secs(22), |s| s.resume("a"));
    sim.schedule(secs(24), |s| s.clock_jump("writer", -5000));
    assert!(sim.run(secs(60)).expect("clients that do not fail"));
    let mut text = String::new();
    for (at, what) in diary.all() {
        writeln!(text, "{at:?} {what}").expect("a string");
    }
    for file in sim.files("writer").expect("a host") {
        let len = sim.read_file("writer", &file).expect("a file").len();
        writeln!(text, "{file} {len}").expect("a string");
    }
    text
}

async fn stream_write(stream: &mut replisim_sim::transport::SimStream, len: usize) -> String {
    match timeout(Duration::from_secs(1), stream.write(&vec![b'x'; len])).await {
        Ok(result) => outcome(result),
        Err(_) => "late".into(),
    }
}

#[test]
fn same_seed_same_trace_in_one_thread_and_in_many() {
    let traces: Vec<String> = (0..4).map(busy_run).collect();
    assert!(traces[0].lines().count() > 500, "{}", traces[0]);
    for what in ["cannot reach", "ConnectionReset", "read None", "end"] {
        assert!(traces.iter().any(|t| t.contains(what)), "never seen: {what}");
    }
    for pair in traces.windows(2) {
        assert_ne!(pair[0], pair[1], "seeds that make no difference");
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "many simulations in many threads are what is tested"
    )]
    let threads: Vec<_> = (0..8).map(|i| std::thread::spawn(move || busy_run(i % 4))).collect();
    for (i, thread) in threads.into_iter().enumerate() {
        let trace = thread.join().expect("no panic");
        let first = trace.lines().zip(traces[i % 4].lines()).find(|(a, b)| a != b);
        assert_eq!(first, None, "seed {} diverges", i % 4);
        assert_eq!(trace.len(), traces[i % 4].len());
    }
}
