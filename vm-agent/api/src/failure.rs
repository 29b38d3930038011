//! From every error of every service to an HTTP status and the text a client reads. Nowhere else is a status chosen.

use engine_api::DecodeError;
use engine_api::filters::FilterError;
use hyper::StatusCode;

/// A request that failed.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    /// The code that a command ended with, if that is what failed: told within a stream only.
    pub(crate) code: i32,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), code: 0 }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// Something that Docker has and this engine has not; the text says what to do instead.
    pub(crate) fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, message)
    }

    pub(crate) fn page_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "page not found")
    }

    /// The same failure with something said before its text.
    #[must_use]
    pub(crate) fn prefixed(mut self, prefix: &str) -> Self {
        if !self.message.starts_with(prefix) {
            self.message = format!("{prefix}{}", self.message);
        }
        self
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<FilterError> for Failure {
    fn from(error: FilterError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<containers::Error> for Failure {
    fn from(error: containers::Error) -> Self {
        use containers::{Error, Kind};
        let status = match &error {
            Error::Image(cause) => image_status(cause),
            Error::Volume(cause) => volume_status(cause),
            Error::Network(cause) | Error::Networking(cause) => network_status(cause),
            other => match other.kind() {
                Kind::NotFound => StatusCode::NOT_FOUND,
                Kind::Conflict => StatusCode::CONFLICT,
                Kind::Invalid => StatusCode::BAD_REQUEST,
                Kind::NotModified => StatusCode::NOT_MODIFIED,
                Kind::Forbidden => StatusCode::FORBIDDEN,
                Kind::NotImplemented => StatusCode::NOT_IMPLEMENTED,
                Kind::System => StatusCode::INTERNAL_SERVER_ERROR,
            },
        };
        Self::new(status, error.to_string())
    }
}

impl From<images::Error> for Failure {
    fn from(error: images::Error) -> Self {
        Self::new(image_status(&error), error.to_string())
    }
}

impl From<build::Error> for Failure {
    fn from(error: build::Error) -> Self {
        use build::{Error, Kind};
        let message = error.to_string();
        let code = error.code().unwrap_or_default();
        let failure = match error {
            Error::Images(cause) => cause.into(),
            Error::Remote { cause, .. } => Self { message, ..(*cause).into() },
            Error::Containers(cause) => (*cause).into(),
            other => Self::new(
                match other.kind() {
                    Kind::Invalid => StatusCode::BAD_REQUEST,
                    Kind::NotImplemented => StatusCode::NOT_IMPLEMENTED,
                    Kind::System => StatusCode::INTERNAL_SERVER_ERROR,
                },
                message,
            ),
        };
        Self { code, ..failure }
    }
}

impl From<buildkit::NotForgotten> for Failure {
    fn from(error: buildkit::NotForgotten) -> Self {
        use buildkit::NotForgotten;
        let status = match &error {
            NotForgotten::Unknown(_) => StatusCode::NOT_FOUND,
            NotForgotten::Running(_) => StatusCode::CONFLICT,
            NotForgotten::Disk(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl From<volumes::Error> for Failure {
    fn from(error: volumes::Error) -> Self {
        Self::new(volume_status(&error), error.to_string())
    }
}

impl From<network::Error> for Failure {
    fn from(error: network::Error) -> Self {
        Self::new(network_status(&error), error.to_string())
    }
}

fn image_status(error: &images::Error) -> StatusCode {
    use images::Kind;
    match error.kind() {
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::Unauthorized => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable | Kind::NoSpace | Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn volume_status(error: &volumes::Error) -> StatusCode {
    use volumes::Error;
    match error {
        Error::NotFound(_) | Error::UnknownDriver { .. } => StatusCode::NOT_FOUND,
        Error::NameTooShort(_)
        | Error::NameInvalid(_)
        | Error::InvalidOption { .. }
        | Error::MissingOption { .. }
        | Error::CifsPort { .. }
        | Error::NoQuota { .. } => StatusCode::BAD_REQUEST,
        Error::InUse { .. } | Error::PruneRunning => StatusCode::CONFLICT,
        Error::Mount { .. } | Error::Fill(_) | Error::Io { .. } | Error::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn network_status(error: &network::Error) -> StatusCode {
    use network::Kind;
    match error.kind() {
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::System => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
