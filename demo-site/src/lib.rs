//! A small web server for trying wheelfs, and a slow line to put in front of it.
//!
//! [`Server`] serves folders the way a static host does: single byte ranges, CORS, files that were compressed beforehand,
//! HTTP/2 over TLS. It keeps a [`Log`] of what was asked for, and answers wrongly on request ([`Fault`]), as real hosts
//! do. [`Relay`] stands between a client and the server and holds *bytes*, not handlers: half the round trip each way,
//! one more round trip per connection, one downstream rate that all connections share.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! use demo_site::{Line, Mount, Relay, Server};
//!
//! let server = Server::new(vec![Mount::new("/", env!("CARGO_MANIFEST_DIR"))]).start().await?;
//! let relay = Relay::start(server.address(), Line::new(200, 20)).await?;
//! println!("{} directly, http://{}/ from 200 ms away", server.origin(), relay.address());
//! # Ok(())
//! # }
//! ```

mod fault;
mod line;
mod log;
mod mount;
mod range;
mod relay;
mod respond;
mod server;
mod tls;

pub use fault::Fault;
pub use line::LineSetting;
pub use log::{Entry, Log};
pub use mount::Mount;
pub use relay::{Line, Relay};
pub use server::{Caching, Running, Server};
