//! The streams of a running process: pipes or a terminal on one side, log files and attached clients on the other.
//!
//! ```text
//!   pipe ---> copier ---> log file            (tee, write, then consume: a killed engine loses no byte)
//!                   \---> hub ---> client     (bounded; a full client holds its container back, as in dockerd)
//!   pipe <--------------- hub <--- client
//! ```

mod copier;
mod detach;
mod hangup;
mod hub;
mod pipe;
mod rest;
mod sink;
mod stdin;

pub(crate) use copier::{Copiers, copy_pipe, copy_terminal};
pub(crate) use detach::{DetachKeys, parse as parse_detach_keys};
pub(crate) use hub::{Hub, Stdin};
pub(crate) use pipe::{Endpoint, pipe, watch};
pub(crate) use sink::LogSink;
pub use stdin::StdinWriter;
