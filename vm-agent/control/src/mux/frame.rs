//! The header of a frame: kind (1 byte), zero (1), payload length (2, big-endian), stream (4, big-endian).

/// Bytes of a header.
pub const HEADER: usize = 8;
/// The longest frame with its header: small enough that a control frame never waits long, and below the
/// size at which vhost-device-vsock stops reading what a 6.12 guest sends.
pub const FRAME_MAX: usize = 16 << 10;
/// The longest payload.
pub const PAYLOAD_MAX: usize = FRAME_MAX - HEADER;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Opens a stream; payload: port (4 bytes).
    Open,
    /// Bytes of a stream, never more than the receiver granted.
    Data,
    /// The sender has no more data: half-close.
    Fin,
    /// The stream is over, both ways; payload: [`Reason`] (1 byte).
    Reset,
    /// The sender of this frame can take so many bytes more; payload: 4 bytes.
    Window,
}

/// Why a stream was reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Its user let go of it.
    Dropped,
    /// Nobody serves its port, or its target turned the connection down.
    Refused,
    /// Too many streams are open or wait to be accepted.
    Busy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("link frame of unknown kind {0}")]
    Kind(u8),
    #[error("link frame of kind {kind:?} with {length} bytes of payload")]
    Length { kind: Kind, length: usize },
    #[error("link stream {0} cannot be opened by the other side now")]
    Open(u32),
    #[error("link frame for stream {0}, which was never opened")]
    Unopened(u32),
    #[error("other side sent more on link stream {0} than it was granted")]
    Window(u32),
    #[error("link data on stream {0} after its end")]
    AfterEnd(u32),
    #[error("too many unsent answers on the link")]
    Flood,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub kind: Kind,
    pub length: u16,
    pub stream: u32,
}

impl Header {
    pub fn encode(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0] = self.kind.number();
        bytes[2..4].copy_from_slice(&self.length.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.stream.to_be_bytes());
        bytes
    }

    /// Reads a header and checks that its length fits its kind.
    pub fn decode(bytes: [u8; HEADER]) -> Result<Self, FrameError> {
        let kind = Kind::from_number(bytes[0])?;
        let length = u16::from_be_bytes([bytes[2], bytes[3]]);
        let stream = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        let fits = match kind {
            Kind::Open | Kind::Window => length == 4,
            Kind::Data => (1..=PAYLOAD_MAX).contains(&usize::from(length)),
            Kind::Fin => length == 0,
            Kind::Reset => length == 1,
        };
        if !fits {
            return Err(FrameError::Length { kind, length: length.into() });
        }
        Ok(Header { kind, length, stream })
    }
}

impl Kind {
    const fn number(self) -> u8 {
        match self {
            Kind::Open => 1,
            Kind::Data => 2,
            Kind::Fin => 3,
            Kind::Reset => 4,
            Kind::Window => 5,
        }
    }

    fn from_number(number: u8) -> Result<Self, FrameError> {
        match number {
            1 => Ok(Kind::Open),
            2 => Ok(Kind::Data),
            3 => Ok(Kind::Fin),
            4 => Ok(Kind::Reset),
            5 => Ok(Kind::Window),
            other => Err(FrameError::Kind(other)),
        }
    }
}

impl Reason {
    pub const fn number(self) -> u8 {
        match self {
            Reason::Dropped => 0,
            Reason::Refused => 1,
            Reason::Busy => 2,
        }
    }

    /// Unknown reasons of newer versions count as `Dropped`.
    pub const fn from_number(number: u8) -> Self {
        match number {
            1 => Reason::Refused,
            2 => Reason::Busy,
            _ => Reason::Dropped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_round_trip() {
        for (kind, length) in
            [(Kind::Open, 4), (Kind::Data, 16376), (Kind::Fin, 0), (Kind::Reset, 1), (Kind::Window, 4)]
        {
            let header = Header { kind, length, stream: 0x0102_0304 };
            assert_eq!(Header::decode(header.encode()), Ok(header));
        }
    }

    #[test]
    fn lengths_that_do_not_fit_the_kind_are_refused() {
        for (kind, length) in [(Kind::Open, 3), (Kind::Data, 0), (Kind::Data, 16377), (Kind::Fin, 1)] {
            let header = Header { kind, length, stream: 1 };
            assert!(Header::decode(header.encode()).is_err(), "{header:?}");
        }
        assert_eq!(Header::decode([0xb5; 8]), Err(FrameError::Kind(0xb5)));
    }
}
