//! One request, as handlers see it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use engine_api::ContainerCreateRequest;
use http_body_util::{BodyExt as _, BodyStream, Limited};
use hyper::HeaderMap;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING, UPGRADE};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio::sync::mpsc;
use tokio_util::io::StreamReader;

use crate::client::Client;
use crate::failure::Failure;
use crate::query::Query;
use crate::version::ApiVersion;

/// The largest JSON body that is read, bytes.
const JSON_LIMIT: usize = 8 << 20;

/// So much of an upload that nobody wants is read all the same, bytes: as Go's server, and so dockerd, does.
const UNWANTED: u64 = 256 << 10;

/// A body on its way in. What is left of it when it is dropped is taken in the background, up to a limit: a client that cannot
/// get rid of its last bytes takes the connection for broken and never sees why it was refused.
struct Upload(Option<Box<dyn AsyncRead + Send + Unpin>>);

impl AsyncRead for Upload {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Some(body) => Pin::new(body).poll_read(cx, buffer),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(body) = self.0.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                // It may have ended, or its client may be gone.
                let _ = tokio::io::copy(&mut body.take(UNWANTED), &mut tokio::io::sink()).await;
            });
        }
    }
}

/// A request whose route was found.
#[derive(Debug)]
pub(crate) struct Call<S> {
    pub(crate) services: S,
    pub(crate) version: ApiVersion,
    /// What stood at `{name}` of the route's pattern, decoded; empty without one.
    pub(crate) name: String,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Incoming,
    /// Handlers of requests that change something go on without it, unless they ask.
    pub(crate) client: Client,
}

impl<S> Call<S> {
    /// Whether the client's API version is `major.minor` or newer.
    pub(crate) fn since(&self, major: u32, minor: u32) -> bool {
        self.version >= ApiVersion::new(major, minor)
    }

    /// Whether the client can take an upgrade of the connection.
    pub(crate) fn wants_upgrade(&self) -> bool {
        self.headers.contains_key(UPGRADE)
    }

    /// The media type of output that is multiplexed unless there is a terminal.
    pub(crate) fn stream_type(&self, tty: bool) -> &'static str {
        if !tty && self.since(1, 42) { crate::hijack::MULTIPLEXED_STREAM } else { crate::hijack::RAW_STREAM }
    }

    /// The JSON body; a missing one is the default.
    pub(crate) async fn json<T: DeserializeOwned + Default>(&mut self) -> Result<T, Failure> {
        let bytes = self.json_bytes().await?;
        if bytes.is_empty() && !self.headers.contains_key(TRANSFER_ENCODING) {
            return Ok(T::default());
        }
        Ok(engine_api::decode(&bytes)?)
    }

    /// The body of container create, whose parts are checked one by one.
    pub(crate) async fn create_request(&mut self) -> Result<ContainerCreateRequest, Failure> {
        let bytes = self.json_bytes().await?;
        Ok(ContainerCreateRequest::decode(&bytes)?)
    }

    pub(crate) async fn json_bytes(&mut self) -> Result<Bytes, Failure> {
        self.check_json_type()?;
        match Limited::new(&mut self.body, JSON_LIMIT).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                Err(Failure::bad_request(format!("the request body is larger than {JSON_LIMIT} bytes")))
            }
            Err(error) => Err(Failure::bad_request(format!("cannot read the request body: {error}"))),
        }
    }

    /// dockerd wants `application/json` wherever there is a body.
    fn check_json_type(&self) -> Result<(), Failure> {
        let given = self.headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
        let has_body = self.headers.contains_key(TRANSFER_ENCODING)
            || self.headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
        match given {
            None | Some("") if !has_body => Ok(()),
            None | Some("") => {
                Err(Failure::bad_request("malformed Content-Type header (): mime: no media type".to_owned()))
            }
            Some(given) => {
                let media_type = given.split(';').next().unwrap_or_default().trim();
                if media_type.eq_ignore_ascii_case("application/json") || !has_body {
                    Ok(())
                } else {
                    Err(Failure::bad_request(format!(
                        "unsupported Content-Type header ({given}): must be 'application/json'"
                    )))
                }
            }
        }
    }

    /// The body as it comes, for archives.
    pub(crate) fn reader(self) -> (S, impl AsyncRead + Send + Unpin + 'static)
    where
        S: Send,
    {
        let frames = BodyStream::new(self.body);
        let pieces = futures_util::StreamExt::filter_map(frames, |frame| {
            std::future::ready(match frame {
                Ok(frame) => frame.into_data().ok().map(Ok),
                Err(error) => Some(Err(io::Error::new(io::ErrorKind::UnexpectedEof, error))),
            })
        });
        (self.services, Upload(Some(Box::new(StreamReader::new(pieces)))))
    }

    /// The body as a channel of pieces, filled as fast as it is emptied.
    pub(crate) fn pieces(self) -> mpsc::Receiver<io::Result<Bytes>> {
        let (sender, receiver) = mpsc::channel(8);
        let mut body = self.body;
        tokio::spawn(async move {
            while let Some(frame) = body.frame().await {
                let piece = match frame {
                    Ok(frame) => match frame.into_data() {
                        Ok(bytes) => Ok(bytes),
                        Err(_trailers) => continue,
                    },
                    Err(error) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, error)),
                };
                if sender.send(piece).await.is_err() {
                    return;
                }
            }
        });
        receiver
    }
}
