//! `demo-site`: serves folders, from as far away as one likes.

use std::{io, net::Ipv4Addr, path::PathBuf};

use clap::Parser;
use demo_site::{Caching, Line, LineSetting, Mount, Relay, Server};
use tokio::net::TcpListener;

/// Serve folders with byte ranges, CORS and precompressed files, from as far away as you like.
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  demo-site --mount /=demo-site/page --mount /pyodide=DIR --rtt 200 --down 20"
)]
struct Arguments {
    /// A folder and the path it appears at; may be given several times.
    #[arg(long = "mount", value_name = "PATH=FOLDER", required = true, value_parser = mount)]
    mounts: Vec<Mount>,
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// Round trip in milliseconds.
    #[arg(long, default_value_t = 0)]
    rtt: u64,
    /// Downstream rate in Mbit/s; 0: no limit.
    #[arg(long, default_value_t = 0)]
    down: u64,
    /// TLS with a self-signed certificate, and so HTTP/2 in browsers.
    #[arg(long)]
    tls: bool,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let line = LineSetting::from(Line::new(arguments.rtt, arguments.down));
    let mut server = Server::new(arguments.mounts).caching(Caching::NoCache).line(line.clone());
    if arguments.tls {
        server = server.tls();
    }
    let server = server.start().await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).await?;
    let relay = Relay::listen(listener, server.address(), line)?;
    println!("{}/", server.origin_at(relay.address()));
    tokio::signal::ctrl_c().await
}

fn mount(argument: &str) -> Result<Mount, &'static str> {
    let (at, folder) =
        argument.split_once('=').ok_or("write PATH=FOLDER, for example /pyodide=dist/pyodide")?;
    if !at.starts_with('/') {
        return Err("the path must start with /");
    }
    let folder = PathBuf::from(folder);
    if !folder.is_dir() {
        return Err("there is no such folder");
    }
    Ok(Mount::new(at, folder))
}
