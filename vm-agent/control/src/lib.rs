//! What host and guest say to each other: ports, boot file, hello, control messages, and the
//! multiplexer that carries every stream over two byte lanes. `docs/link.md` tells the whole story.
//!
//! Shared by `host` and `relay`; builds on every host and owns no file, socket or process.
#![forbid(unsafe_code)]

pub mod address;
pub mod boot;
pub mod copy;
#[cfg(test)]
mod copy_tests;
pub mod datagram;
mod error;
pub mod forward;
pub mod hello;
pub mod message;
pub mod mux;
pub mod notice;
pub mod outside;
pub mod port;
pub mod proxy;
pub mod secret;
pub mod share;
pub mod shell;
pub mod wire;

pub use boot::{BootInfo, BuilderSettings, EngineSettings, LinkKind, LongWork, NetworkKind, Registries};
pub use error::{Error, Result};
pub use forward::{DialError, DialKind, DialReply, DialRequest, Forward, ForwardFailure, Protocol, Target};
pub use hello::{Hello, HelloReply, Refusal, Versions, Welcome};
pub use message::{GuestMessage, HostMessage};
pub use port::Port;
pub use proxy::{Proxies, ProxySettings};
pub use secret::Secret;
pub use share::{ShareRefusal, ShareReply, ShareRequest, Shared};
