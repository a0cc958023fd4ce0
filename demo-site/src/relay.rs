//! A slow line between a client and a server.
//!
//! The kernel's own tools (netem) need rights and modules that few machines give. This relay holds bytes at the
//! transport instead, so that everything above it (TLS, HTTP/2's windows, the browser's own scheduling) behaves as it
//! does at that distance. It does not model loss or TCP's slow start.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpSocket, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc},
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep_until},
};

use crate::line::LineSetting;

/// Bytes a connection puts on the line before the next one's turn.
const TURN: u32 = 4 << 10;

/// Timers fire up to a millisecond late; this much of the line's idle time may be made up for, so that the rate holds.
const SLACK: Duration = Duration::from_millis(5);

/// Bytes the kernel may hold between server and relay. They have left the server but not reached the line: keep it small.
const RECEIVE_BUFFER: u32 = 64 << 10;

/// How far away, and how wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Time from a byte's departure to its answer's arrival.
    pub round_trip: Duration,
    /// Downstream rate that all connections share, in bytes per second; `None`: as fast as the machine.
    pub downstream: Option<u64>,
}

impl Line {
    /// `rtt_ms`: milliseconds; `down_mbit`: Mbit/s (10^6), 0 for no limit.
    pub fn new(rtt_ms: u64, down_mbit: u64) -> Line {
        Line {
            round_trip: Duration::from_millis(rtt_ms),
            downstream: (down_mbit > 0).then(|| down_mbit.saturating_mul(125_000)),
        }
    }

    /// Bytes one direction of one connection may hold: twice what the line has in flight, and never so little that a
    /// line without limits is slowed down.
    fn window(self) -> usize {
        let in_flight = self.downstream.unwrap_or(100 << 20) as f64 * self.round_trip.as_secs_f64();
        (2.0 * in_flight) as usize + (1 << 20)
    }
}

/// Listens until dropped, and passes everything on to one server.
pub struct Relay {
    address: SocketAddr,
    wire: Arc<Wire>,
    accepting: JoinHandle<()>,
}

impl Relay {
    /// Listens on a free port of 127.0.0.1.
    pub async fn start(server: SocketAddr, line: impl Into<LineSetting>) -> io::Result<Relay> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Relay::listen(listener, server, line)
    }

    /// Listens on a socket that is bound already.
    pub fn listen(
        listener: TcpListener,
        server: SocketAddr,
        line: impl Into<LineSetting>,
    ) -> io::Result<Relay> {
        Relay::pass_on(listener, server, line.into())
    }

    /// Neither generic nor `async`: compiled here, and not once more into each program that starts a relay.
    fn pass_on(listener: TcpListener, server: SocketAddr, line: LineSetting) -> io::Result<Relay> {
        let address = listener.local_addr()?;
        let wire = Arc::new(Wire::new(line));
        let for_connections = wire.clone();
        let accepting = tokio::spawn(async move {
            // Dropped with this task, and then ends the connections too.
            let mut connections = JoinSet::new();
            loop {
                let Ok((client, _)) = listener.accept().await else {
                    continue;
                };
                while connections.try_join_next().is_some() {}
                connections.spawn(connect(client, server, for_connections.clone()));
            }
        });
        Ok(Relay { address, wire, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes sent towards clients since the start: bodies, headers, framing and TLS.
    pub fn downstream_bytes(&self) -> u64 {
        self.wire.downstream_bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The line itself, shared by all connections.
struct Wire {
    line: LineSetting,
    /// When the last byte put on the downstream line will have left. tokio's mutex serves waiters in their order, and a
    /// connection waits with one turn at a time: so connections share the line evenly.
    free: Mutex<Instant>,
    downstream_bytes: AtomicU64,
}

impl Wire {
    fn new(line: LineSetting) -> Wire {
        Wire { line, free: Mutex::new(Instant::now()), downstream_bytes: AtomicU64::new(0) }
    }

    /// Waits for the line, and until `bytes` have left; returns when that was.
    async fn send_downstream(&self, bytes: u64) -> Instant {
        self.downstream_bytes.fetch_add(bytes, Ordering::Relaxed);
        let Some(rate) = self.line.get().downstream else {
            return Instant::now();
        };
        let mut free = self.free.lock().await;
        let now = Instant::now();
        let start = (*free).max(now.checked_sub(SLACK).unwrap_or(now));
        *free = start + Duration::from_secs_f64(bytes as f64 / rate as f64);
        if *free > now {
            sleep_until(*free).await;
        }
        *free
    }
}

async fn connect(client: TcpStream, server: SocketAddr, wire: Arc<Wire>) {
    // The kernel shook hands at once. At this distance the client's first byte could have left only now + 1 round trip.
    let open = Instant::now() + wire.line.get().round_trip;
    let Ok(server) = connect_to(server).await else {
        return;
    };
    let _ = client.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(
        pass(from_client, to_server, &wire, Direction::Upstream { open }),
        pass(from_server, to_client, &wire, Direction::Downstream),
    );
}

async fn connect_to(server: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    let stream = socket.connect(server).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[derive(Clone, Copy)]
enum Direction {
    Upstream {
        /// The connection stands, as the client sees it.
        open: Instant,
    },
    Downstream,
}

/// Bytes on their way.
struct Held {
    due: Instant,
    bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

/// Passes one direction on until its end, or until either side goes away.
async fn pass(mut from: OwnedReadHalf, to: OwnedWriteHalf, wire: &Wire, direction: Direction) {
    let mut window = wire.line.get().window();
    let room = Arc::new(Semaphore::new(window));
    let (sender, receiver) = mpsc::unbounded_channel();
    let reading = async move {
        let mut buffer = vec![0; TURN as usize];
        loop {
            let wanted = wire.line.get().window();
            room.add_permits(wanted.saturating_sub(window));
            window = window.max(wanted);
            // Room first, then the line: a client that does not read must not hold up the others.
            let Ok(room) = room.clone().acquire_many_owned(TURN).await else {
                return;
            };
            let Ok(count @ 1..) = from.read(&mut buffer).await else {
                return;
            };
            let left = match direction {
                Direction::Upstream { open } => Instant::now().max(open),
                Direction::Downstream => wire.send_downstream(count as u64).await,
            };
            let held = Held {
                due: left + wire.line.get().round_trip / 2,
                bytes: buffer[..count].to_vec(),
                _room: room,
            };
            if sender.send(held).is_err() {
                return;
            }
        }
    };
    tokio::join!(reading, deliver(receiver, to));
}

async fn deliver(mut held: mpsc::UnboundedReceiver<Held>, mut to: OwnedWriteHalf) {
    while let Some(held) = held.recv().await {
        sleep_until(held.due).await;
        if to.write_all(&held.bytes).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
