//! Latency, bandwidth and segment sizes.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use replisim::env::{Env, Listener};
use replisim_sim::seed::Seed;
use replisim_sim::simulation::{SimConfig, SimError, Simulation};
use replisim_sim::transport::LinkConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::kit::{Diary, PORT, echo, link, listen, ms, outcome, secs, sim};

/// Sends `bytes` over `transfers` connections at once; the time until all have been read.
fn transfer(config: LinkConfig, tick: Duration, bytes: usize, transfers: usize) -> Duration {
    let mut sim = Simulation::new(Seed(1), SimConfig { tick, ..SimConfig::default() });
    let done = Rc::new(Cell::new(Duration::ZERO));
    let left = Rc::new(Cell::new(transfers));
    let (d, l) = (done.clone(), left.clone());
    sim.add_host("sink", move |env| {
        let (done, left) = (d.clone(), l.clone());
        async move {
            let mut listener = listen(&env).await?;
            loop {
                let (mut stream, _) = listener.accept().await?;
                let (env, done, left) = (env.clone(), done.clone(), left.clone());
                tokio::task::spawn_local(async move {
                    let mut buf = vec![0; 64 * 1024];
                    let mut sum = 0;
                    while sum < bytes {
                        sum += stream.read(&mut buf).await.expect("an open link");
                    }
                    done.set(env.world().now());
                    left.set(left.get() - 1);
                });
            }
        }
    });
    sim.add_client("source", move |env| async move {
        let chunk = Rc::new(vec![b'x'; 1 << 20]);
        for _ in 0..transfers {
            let (mut stream, _) = env.connect("sink", PORT).await?;
            let chunk = chunk.clone();
            tokio::task::spawn_local(async move {
                let mut left = bytes;
                while left > 0 {
                    let n = left.min(chunk.len());
                    stream.write_all(&chunk[..n]).await.expect("an open link");
                    left -= n;
                }
                std::future::pending::<()>().await;
            });
        }
        std::future::pending().await
    });
    sim.slow_link("source", "sink", config).expect("hosts");
    while left.get() > 0 {
        assert!(sim.elapsed() < secs(100), "too slow");
        sim.step().expect("a step");
    }
    done.get()
}

fn assert_near(got: Duration, expected: Duration) {
    let off = got.as_secs_f64() / expected.as_secs_f64() - 1.0;
    assert!(off.abs() <= 0.02, "{got:?} is not {expected:?}");
}

#[test]
fn slow_bandwidth_100_mb_over_10_mb_a_second_take_10_seconds() {
    let config = LinkConfig { bandwidth_bytes_per_s: 10_000_000, ..LinkConfig::default() };
    for tick in [ms(1), ms(5), ms(10)] {
        assert_near(transfer(config, tick, 100_000_000, 1), secs(10));
    }
}

#[test]
fn slow_bandwidth_is_shared_by_the_connections_of_a_link() {
    let config = LinkConfig { bandwidth_bytes_per_s: 10_000_000, ..LinkConfig::default() };
    assert_near(transfer(config, ms(5), 10_000_000, 4), secs(4));
}

#[test]
fn slow_bandwidth_is_reached_over_a_long_way() {
    let config = LinkConfig { bandwidth_bytes_per_s: 10_000_000, ..link(100) };
    // A round trip of 0.1 s for the connect, the transfer, and the last segment's way.
    assert_near(transfer(config, ms(5), 50_000_000, 1), ms(5_200));
}

#[test]
fn slow_latency_is_paid_each_way() -> Result<(), SimError> {
    let mut sim = sim(1);
    sim.add_host("server", echo);
    let diary = Diary::default();
    let d = diary.clone();
    sim.add_client("client", move |env| async move {
        let (mut stream, _) = env.connect("server", PORT).await?;
        d.note(&env, "connected");
        stream.write_all(b"x").await?;
        d.note(&env, outcome(stream.read(&mut [0]).await));
        Ok(())
    });
    sim.slow_link("client", "server", link(30))?;
    sim.slow_link("server", "client", link(70))?;
    assert!(sim.run(secs(1))?);
    let all = diary.all();
    assert!(all[0].0 >= ms(100) && all[0].0 <= ms(105), "{all:?}");
    let round_trip = all[1].0 - all[0].0;
    assert!(round_trip >= ms(100) && round_trip <= ms(103), "{all:?}");
    Ok(())
}

#[test]
fn slow_latency_is_drawn_from_its_range_and_keeps_the_order() -> Result<(), SimError> {
    let mut sim = sim(2);
    let diary = Diary::default();
    let d = diary.clone();
    sim.add_host("server", move |env| crate::kit::read_all(env, d.clone()));
    let start = Rc::new(Cell::new(Duration::ZERO));
    let began = start.clone();
    sim.add_client("client", move |env| async move {
        let (mut stream, _) = env.connect("server", PORT).await?;
        began.set(env.world().now());
        for i in 0..100 {
            stream.write_all(format!("{i:02} ").as_bytes()).await?;
            tokio::time::sleep(ms(100)).await;
        }
        Ok(())
    });
    let config =
        LinkConfig { latency_min_us: 10_000, latency_max_us: 90_000, ..LinkConfig::default() };
    sim.slow_link("client", "server", config)?;
    assert!(sim.run(secs(20))?);
    sim.run_for(secs(1))?;
    let delays: Vec<u64> = (0..100)
        .map(|i| {
            let at = diary.when(&format!("read {i:02} ")).expect("each by itself");
            let delay = at - start.get() - ms(100) * i;
            u64::try_from(delay.as_millis()).expect("small")
        })
        .collect();
    assert!(delays.iter().all(|d| (10..=91).contains(d)), "{delays:?}");
    assert!(delays.iter().any(|d| *d < 30), "{delays:?}");
    assert!(delays.iter().any(|d| *d > 70), "{delays:?}");
    Ok(())
}

#[test]
fn slow_small_segments_make_short_reads() -> Result<(), SimError> {
    let mut sim = sim(3);
    let sizes = Rc::new(std::cell::RefCell::new(Vec::new()));
    let seen = sizes.clone();
    sim.add_host("server", move |env| {
        let sizes = seen.clone();
        async move {
            let mut listener = listen(&env).await?;
            let (mut stream, _) = listener.accept().await?;
            let mut buf = vec![0; 4096];
            loop {
                let n = stream.read(&mut buf).await?;
                if n == 0 {
                    return Ok(());
                }
                sizes.borrow_mut().push(n);
            }
        }
    });
    sim.add_client("client", |env| async move {
        let (mut stream, _) = env.connect("server", PORT).await?;
        stream.write_all(&[7; 10_000]).await?;
        Ok(())
    });
    let config = LinkConfig { segment_bytes: 7, ..LinkConfig::default() };
    sim.slow_link("client", "server", config)?;
    sim.run_for(secs(2))?;
    let sizes = sizes.borrow();
    assert_eq!(sizes.iter().sum::<usize>(), 10_000);
    assert!(sizes.iter().all(|n| *n <= 7), "{sizes:?}");
    Ok(())
}

/// What waits for a slow link is not bound to its slowness for ever.
#[test]
fn slow_bytes_on_their_way_gain_from_more_bandwidth() -> Result<(), SimError> {
    let mut sim = sim(5);
    let got = Rc::new(Cell::new(0));
    let seen = got.clone();
    sim.add_host("server", move |env| {
        let got = seen.clone();
        async move {
            let mut listener = listen(&env).await?;
            let (mut stream, _) = listener.accept().await?;
            let mut buf = vec![0; 4096];
            loop {
                let n = stream.read(&mut buf).await?;
                if n == 0 {
                    return Ok(());
                }
                got.set(got.get() + n);
            }
        }
    });
    sim.add_client("client", |env| async move {
        let (mut stream, _) = env.connect("server", PORT).await?;
        stream.write_all(&[7; 100_000]).await?;
        std::future::pending().await
    });
    let config = LinkConfig { bandwidth_bytes_per_s: 1_000, segment_bytes: 500, ..link(1) };
    sim.slow_link("client", "server", config)?;
    sim.run_for(secs(10))?;
    assert!((9_000..=10_000).contains(&got.get()), "{} bytes in 10 s", got.get());
    sim.slow_link("client", "server", LinkConfig { bandwidth_bytes_per_s: 100_000, ..config })?;
    sim.run_for(ms(500))?;
    assert!((50_000..=62_000).contains(&got.get()), "{} bytes in 10.5 s", got.get());
    sim.run_for(ms(600))?;
    assert_eq!(got.get(), 100_000);
    Ok(())
}

#[test]
fn slow_one_way_leaves_the_other_alone() -> Result<(), SimError> {
    let mut sim = sim(4);
    sim.slow_link("a", "b", link(1)).expect_err("not yet there");
    sim.add_host("a", |_| std::future::pending());
    sim.add_host("b", |_| std::future::pending());
    sim.slow_link("a", "b", link(50))?;
    let (a, b) = (sim.world().host("a")?, sim.world().host("B")?);
    assert_eq!(sim.world().link_config(a, b), link(50));
    assert_eq!(sim.world().link_config(b, a), LinkConfig::default());
    Ok(())
}
