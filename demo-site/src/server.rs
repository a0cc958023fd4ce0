//! The server: listens on this machine only.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{Router, body::Body, http::Request};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpSocket, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    fault::{Fault, Faults},
    line::LineSetting,
    log::Log,
    mount::Mount,
    respond::{Site, respond},
    tls,
};

/// Bytes the kernel may hold per connection for a slow client. Small, so that what the server sends next is decided when
/// the line has room for it, and not megabytes earlier.
const SEND_BUFFER: u32 = 128 << 10;

/// What the answers say about keeping them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Caching {
    /// `no-store`: every run starts with nothing. For measuring.
    #[default]
    NoStore,
    /// `no-cache`: asked again each time. For trying things out.
    NoCache,
    /// A year, `immutable`, as a site with versioned paths says it.
    Immutable,
}

impl Caching {
    pub(crate) fn header(self) -> &'static str {
        match self {
            Caching::NoStore => "no-store",
            Caching::NoCache => "no-cache",
            Caching::Immutable => "public, max-age=31536000, immutable",
        }
    }
}

/// A server to be started.
#[derive(Clone, Debug)]
pub struct Server {
    mounts: Vec<Mount>,
    caching: Caching,
    tls: bool,
    isolated: bool,
    line: Option<LineSetting>,
    port: u16,
}

impl Server {
    /// Plain HTTP/1.1 and HTTP/2, on a free port, nothing cached.
    pub fn new(mounts: Vec<Mount>) -> Server {
        Server { mounts, caching: Caching::default(), tls: false, isolated: false, line: None, port: 0 }
    }

    /// Serves one more folder.
    pub fn mount(mut self, mount: Mount) -> Server {
        self.mounts.push(mount);
        self
    }

    /// TLS with a certificate of its own making.
    pub fn tls(self) -> Server {
        Server { tls: true, ..self }
    }

    /// Sends `Cross-Origin-Opener-Policy` and `Cross-Origin-Embedder-Policy`: pages are cross-origin isolated.
    pub fn isolated(self) -> Server {
        Server { isolated: true, ..self }
    }

    /// What the answers say about keeping them.
    pub fn caching(self, caching: Caching) -> Server {
        Server { caching, ..self }
    }

    /// Tells the line that clients come over at `/line.json`, and lets the server's own pages change it.
    pub fn line(self, line: LineSetting) -> Server {
        Server { line: Some(line), ..self }
    }

    /// A port rather than any free one.
    pub fn port(self, port: u16) -> Server {
        Server { port, ..self }
    }

    /// Listens on 127.0.0.1 until the returned value is dropped.
    pub async fn start(self) -> io::Result<Running> {
        self.listen()
    }

    /// Not `async`, so that the protocols are compiled here, and not once more into each program that starts a server.
    fn listen(self) -> io::Result<Running> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.set_send_buffer_size(SEND_BUFFER)?;
        socket.bind((Ipv4Addr::LOCALHOST, self.port).into())?;
        let listener = socket.listen(1024)?;
        let address = listener.local_addr()?;
        let acceptor = self.tls.then(tls::acceptor).transpose()?;
        let site = Arc::new(Site {
            mounts: self.mounts,
            caching: self.caching,
            isolated: self.isolated,
            line: self.line,
            faults: Faults::default(),
            log: Log::new(),
        });
        let for_router = site.clone();
        let router =
            Router::new().fallback(move |request: Request<Body>| respond(for_router.clone(), request));
        let accepting = tokio::spawn(async move {
            // Dropped with this task, and then ends the connections too.
            let mut connections = JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                while connections.try_join_next().is_some() {}
                connections.spawn(serve(stream, acceptor.clone(), router.clone()));
            }
        });
        Ok(Running { address, tls: self.tls, site, accepting })
    }
}

/// A server that listens until it is dropped.
pub struct Running {
    address: SocketAddr,
    tls: bool,
    site: Arc<Site>,
    accepting: JoinHandle<()>,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Scheme, host and port, without a trailing slash.
    pub fn origin(&self) -> String {
        self.origin_at(self.address)
    }

    /// The same for a client that comes through a [`Relay`](crate::Relay) at `address`.
    pub fn origin_at(&self, address: SocketAddr) -> String {
        format!("{}://{address}", if self.tls { "https" } else { "http" })
    }

    /// The log of requests.
    pub fn log(&self) -> &Log {
        &self.site.log
    }

    /// Answers the next `times` requests for `path` with `fault`, after those injected for it before.
    pub fn inject(&self, path: &str, fault: Fault, times: u32) {
        self.site.faults.inject(path, fault, times);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(stream: TcpStream, acceptor: Option<TlsAcceptor>, router: Router) {
    // A client that goes away mid-connection is its own business; what it had asked for is in the log.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router);
    let builder = auto::Builder::new(TokioExecutor::new());
    match acceptor {
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            }
        }
        None => {
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        }
    }
}
