//! The comparisons that are more than one table: what each runs, and what it asks of the pool.

use std::process::Stdio;

use anyhow::Context;
use kit::data::Shape;

use crate::{
    clients::Client,
    memory::{Footprint, Steady},
    report::{self, Bound, Target, items_per_second, median, name, ratio},
    runner::{self, Effort, Results, Server, Setting, client_cores, compare},
};

const SHAPES: [Shape; 2] = [Shape::A, Shape::B];

/// One request in flight: what the way through the pool adds to a page.
pub fn latency(server: &Server, effort: Effort) -> anyhow::Result<Vec<Target>> {
    let clients = [
        Client::PoolValues,
        Client::PoolCalls,
        Client::AwcInline,
        Client::AwcValues,
        Client::HyperValues,
        Client::ReqwestValues,
    ];
    let mut targets = Vec::new();
    for shape in SHAPES {
        let mut results = Results::default();
        let setting = Setting { shape, in_flight: 1, latency: 0, cores: 1 };
        compare(server, setting, &clients, effort, &mut results)?;
        report::table(&results, setting, &clients);
        let of = |client| results.of(setting, client);
        targets.push(Target {
            what: format!(
                "1 in flight, p50 of a page: pool-calls ÷ awc-inline, shape {}",
                shape.name()
            ),
            measured: ratio(of(Client::PoolCalls), of(Client::AwcInline), |one| one.p50_us),
            bound: Bound::AtMost(1.25),
        });
    }
    Ok(targets)
}

/// 200 pages of 50 ms with 32 ahead: the first one alone, then seven rounds.
pub fn prefetch(server: &Server, rounds: usize) -> anyhow::Result<Vec<Target>> {
    let (pages, in_flight, latency) = (200, 32, 50);
    let clients = [Client::PoolValues, Client::AwcInline, Client::HyperValues];
    let setting = Setting { shape: Shape::A, in_flight, latency, cores: 1 };
    let mut results = Results::default();
    compare(server, setting, &clients, Effort { rounds, pages }, &mut results)?;
    let trips = 1 + (pages - 1).div_ceil(in_flight as u64);
    let ideal_us = (1000 * trips * latency) as f64;
    println!(
        "\n### {pages} pages of {latency} ms, {in_flight} ahead: {} ms is ideal\n",
        ideal_us / 1e3
    );
    println!("| client | ms | share of the ideal |\n|---|--:|--:|");
    let share =
        |client| ideal_us / median(results.of(setting, client).iter().map(|one| one.wall_us));
    for client in clients {
        println!(
            "| {} | {:.0} | {:.2} |",
            name(client),
            ideal_us / share(client) / 1e3,
            share(client)
        );
    }
    Ok(vec![Target {
        what: format!("{pages} pages of {latency} ms, prefetch {in_flight}: share of the ideal"),
        measured: share(Client::PoolValues),
        bound: Bound::AtLeast(0.9),
    }])
}

/// Two client cores against one.
pub fn cores(server: &Server, effort: Effort) -> anyhow::Result<Vec<Target>> {
    let clients =
        [Client::PoolValues, Client::PoolTasks, Client::PoolTyped, Client::HyperValues];
    let setting = |cores| Setting { shape: Shape::A, in_flight: 32, latency: 0, cores };
    let mut results = Results::default();
    // In turns, so that what the machine does meanwhile befalls both.
    for _ in 0..effort.rounds {
        for cores in [1, 2] {
            let once = Effort { rounds: 1, ..effort };
            compare(server, setting(cores), &clients, once, &mut results)?;
        }
    }
    println!("\n### Two client cores against one, shape A, 32 in flight\n");
    println!("| client | items/s on 1 | items/s on 2 | times |\n|---|--:|--:|--:|");
    let of = |client, cores| results.of(setting(cores), client);
    let times = |client, base| ratio(of(client, 2), of(base, 1), items_per_second);
    for client in clients {
        let speed = |cores| median(of(client, cores).iter().map(items_per_second)) / 1e3;
        println!(
            "| {} | {:.0} k | {:.0} k | {:.2} |",
            name(client),
            speed(1),
            speed(2),
            times(client, client)
        );
    }
    Ok(vec![Target {
        what: "items/s of pool-tasks on two client cores ÷ pool-values on one, shape A".into(),
        measured: times(Client::PoolTasks, Client::PoolValues),
        bound: Bound::AtLeast(1.6),
    }])
}

/// Idle connections, streams that nobody reads, and a long read by a slow consumer.
pub fn memory(server: &Server, count: u64, items: u64) -> anyhow::Result<Vec<Target>> {
    println!("\n### {count} idle connections\n\n| client | KB each |\n|---|--:|");
    for client in
        [Client::PoolValues, Client::AwcInline, Client::HyperValues, Client::ReqwestValues]
    {
        let idle: Footprint = probe(server, "idle", &[&name(client), &count.to_string()])?;
        println!("| {} | {:.1} |", name(client), idle.kib_each);
    }
    println!("\n### {count} streams over pages of 25 KB, their first item read\n");
    println!("| client | KB each | MB in all |\n|---|--:|--:|");
    let mut targets = Vec::new();
    let pools = [Client::PoolValues, Client::PoolTyped, Client::PoolRecordsStream];
    for client in pools.into_iter().chain([Client::AwcInline, Client::HyperValues]) {
        let open: Footprint = probe(server, "streams", &[&name(client), &count.to_string()])?;
        let all = open.kib_each * count as f64 / 1024.0;
        println!("| {} | {:.0} | {all:.0} |", name(client), open.kib_each);
        if client == Client::PoolValues {
            targets.push(Target {
                what: format!("{count} streams of pool-values, KB each"),
                measured: open.kib_each,
                bound: Bound::AtMost(100.0),
            });
        }
    }
    let steady: Steady = probe(server, "steady", &[&items.to_string()])?;
    println!("\n### {items} items read by a slow consumer, pool-values, 32 pages ahead\n");
    println!("| most MB within the first second | most MB at the end | seconds |\n|--:|--:|--:|");
    let (first, last) = (steady.first_kib as f64 / 1024.0, steady.last_kib as f64 / 1024.0);
    println!("| {first:.1} | {last:.1} | {:.0} |", steady.seconds);
    targets.push(Target {
        what: format!("{items} items, memory at the end ÷ within the first second"),
        measured: last / first,
        bound: Bound::AtMost(1.1),
    });
    Ok(targets)
}

/// Runs a memory probe in a process of its own.
fn probe<T: serde::de::DeserializeOwned>(
    server: &Server,
    kind: &str,
    args: &[&str],
) -> anyhow::Result<T> {
    let cores = runner::list(&client_cores(1)?);
    let output = runner::own(&["probe", "--base", &server.base(), "--cores", &cores, kind])?
        .args(args)
        .stderr(Stdio::inherit())
        .output()?;
    anyhow::ensure!(output.status.success(), "the probe `{kind}` failed");
    serde_json::from_slice(&output.stdout).context("a probe that says nothing")
}
