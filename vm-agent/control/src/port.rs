//! The port numbers of the link. A port says what a stream is for and who opens it.

use std::fmt;

/// What a stream is for. The numbers are on the wire; never reuse one for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Port {
    /// Host opens; hello, then [`crate::message`]s both ways. One per session.
    Control,
    /// Host opens; bytes to and from the engine's socket.
    Engine,
    /// Host opens; a [`crate::Target`] as one JSON message, then bytes (or [`crate::datagram`]s).
    Forward,
    /// Guest opens; a [`crate::DialRequest`], answered by a [`crate::DialReply`], then bytes.
    Dial,
    /// Host opens; a [`crate::shell::Frame`] stream to a shell on a terminal in the guest.
    Shell,
    /// Guest opens; a [`crate::ShareRequest`], answered by a [`crate::ShareReply`], then messages of FUSE.
    Share,
}

impl Port {
    pub const ALL: [Port; 6] = [Port::Control, Port::Engine, Port::Forward, Port::Dial, Port::Shell, Port::Share];

    /// The number on the wire.
    pub const fn number(self) -> u32 {
        match self {
            Port::Control => 1024,
            Port::Engine => 1025,
            Port::Forward => 1026,
            Port::Dial => 1027,
            Port::Shell => 1028,
            Port::Share => 1029,
        }
    }

    /// The port with this number, if it is one of ours.
    pub fn from_number(number: u32) -> Option<Port> {
        Port::ALL.into_iter().find(|port| port.number() == number)
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Port::Control => "control",
            Port::Engine => "engine",
            Port::Forward => "forward",
            Port::Dial => "dial",
            Port::Shell => "shell",
            Port::Share => "share",
        };
        write!(f, "{name}")
    }
}

/// The vsock ports on which the guest's relay listens for the two lanes, in the order of [`crate::mux::Lane`].
pub const VSOCK_LANES: [u32; 2] = [1024, 1025];

/// The names of the two virtio-serial ports, in the order of [`crate::mux::Lane`].
pub const SERIAL_LANES: [&str; 2] = ["berth.control", "berth.bulk"];
