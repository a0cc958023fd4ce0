//! The slow line. Times are lower bounds only: a busy machine may always be slower than the line.

#![allow(clippy::unwrap_used, reason = "a test's helpers may fail the test")]

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use demo_site::{Line, LineSetting, Relay};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Sends back what it is sent.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

/// Sends `len` bytes as soon as it is sent one.
async fn source(len: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let _ = stream.read_u8().await;
                let _ = stream.write_all(&bytes(len, 3)).await;
            });
        }
    });
    address
}

fn bytes(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|index| (index * seed % 253) as u8).collect()
}

#[tokio::test]
async fn bytes_are_exact_both_ways_on_many_connections() {
    for line in [Line::new(0, 0), Line::new(20, 0), Line::new(20, 80)] {
        let relay = Relay::start(echo().await, line).await.unwrap();
        let mut clients = JoinSet::new();
        for seed in 1..=8 {
            let address = relay.address();
            clients.spawn(async move {
                let sent = bytes(100_000 + seed, seed);
                let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
                let copy = sent.clone();
                let writing = tokio::spawn(async move {
                    write.write_all(&copy).await.unwrap();
                    write.shutdown().await.unwrap();
                });
                let mut received = Vec::new();
                read.read_to_end(&mut received).await.unwrap();
                writing.await.unwrap();
                assert!(received == sent, "connection {seed}: {} of {} bytes", received.len(), sent.len());
            });
        }
        while let Some(client) = clients.join_next().await {
            client.unwrap();
        }
        assert_eq!(relay.downstream_bytes(), (1..=8).map(|seed| 100_000 + seed).sum::<u64>());
    }
}

#[tokio::test]
async fn a_ping_takes_a_round_trip_and_the_first_one_two() {
    let round_trip = Duration::from_millis(60);
    let relay = Relay::start(echo().await, Line::new(60, 0)).await.unwrap();
    let start = Instant::now();
    let mut stream = TcpStream::connect(relay.address()).await.unwrap();
    stream.write_u8(1).await.unwrap();
    stream.read_u8().await.unwrap();
    assert!(start.elapsed() >= 2 * round_trip, "handshake and ping: {:?}", start.elapsed());
    for _ in 0..3 {
        let start = Instant::now();
        stream.write_u8(1).await.unwrap();
        stream.read_u8().await.unwrap();
        assert!(start.elapsed() >= round_trip, "ping: {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_changed_line_holds_for_open_connections() {
    let line = LineSetting::from(Line::new(0, 0));
    let relay = Relay::start(echo().await, line.clone()).await.unwrap();
    let mut stream = TcpStream::connect(relay.address()).await.unwrap();
    stream.write_u8(1).await.unwrap();
    stream.read_u8().await.unwrap();
    line.set(Line::new(60, 0));
    let start = Instant::now();
    stream.write_u8(1).await.unwrap();
    stream.read_u8().await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(60), "{:?}", start.elapsed());
}

#[tokio::test]
async fn all_connections_share_one_rate() {
    const LEN: usize = 100_000;
    let relay = Relay::start(source(LEN).await, Line::new(0, 8)).await.unwrap();
    let start = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        let address = relay.address();
        clients.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_u8(1).await.unwrap();
            let mut received = Vec::new();
            stream.read_to_end(&mut received).await.unwrap();
            assert!(received == bytes(LEN, 3));
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    // 400 kB at 1 MB/s, less what the line may make up for after idling.
    assert!(start.elapsed() >= Duration::from_millis(390), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_nobody_up() {
    const LEN: usize = 32 << 20;
    let relay = Relay::start(source(LEN).await, Line::new(10, 0)).await.unwrap();
    let mut idle = TcpStream::connect(relay.address()).await.unwrap();
    idle.write_u8(1).await.unwrap();
    let mut reader = TcpStream::connect(relay.address()).await.unwrap();
    reader.write_u8(1).await.unwrap();
    let mut received = Vec::new();
    reader.read_to_end(&mut received).await.unwrap();
    assert!(received == bytes(LEN, 3));
    // Held back, not lost.
    let mut received = Vec::new();
    idle.read_to_end(&mut received).await.unwrap();
    assert!(received == bytes(LEN, 3));
}
