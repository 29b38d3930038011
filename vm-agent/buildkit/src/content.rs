//! The service Content, in containerd's words: clients read what a record of a build names, which here is how the build failed.

use crate::Kit;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use hyper::body::Incoming;
use hyper::{Request as HttpRequest, Response as HttpResponse};
use prost::Message;
use std::future::Future;
use std::pin::Pin;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, ServerStreamingService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// Bytes in one message.
const PIECE: usize = 1 << 20;

/// What clients ask by. Of all that containerd has they need two questions here.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    kit: Kit,
}

impl NamedService for Content {
    const NAME: &'static str = "containerd.services.content.v1.Content";
}

#[derive(Clone, PartialEq, Message)]
struct InfoRequest {
    #[prost(string, tag = "1")]
    digest: String,
}

#[derive(Clone, PartialEq, Message)]
struct InfoResponse {
    #[prost(message, optional, tag = "1")]
    info: Option<Info>,
}

#[derive(Clone, PartialEq, Message)]
struct Info {
    #[prost(string, tag = "1")]
    digest: String,
    #[prost(int64, tag = "2")]
    size: i64,
}

#[derive(Clone, PartialEq, Message)]
struct ReadRequest {
    #[prost(string, tag = "1")]
    digest: String,
    #[prost(int64, tag = "2")]
    offset: i64,
    /// All of the rest, if it is 0.
    #[prost(int64, tag = "3")]
    size: i64,
}

#[derive(Clone, PartialEq, Message)]
struct ReadResponse {
    #[prost(int64, tag = "1")]
    offset: i64,
    #[prost(bytes = "vec", tag = "2")]
    data: Vec<u8>,
}

impl Content {
    pub(crate) fn new(kit: Kit) -> Content {
        Content { kit }
    }

    pub(crate) async fn call(&self, request: HttpRequest<Incoming>) -> HttpResponse<Body> {
        let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        match method.as_str() {
            "Info" => Grpc::new(ProstCodec::default()).unary(Asked(self.clone()), request).await,
            "Read" => Grpc::new(ProstCodec::default()).server_streaming(Asked(self.clone()), request).await,
            other => Status::unimplemented(format!("unknown method {other} for service {}", Content::NAME)).into_http(),
        }
    }

    async fn content(&self, digest: &str) -> Result<Vec<u8>, Status> {
        let found = self.kit.0.history.failure(digest).await;
        found.ok_or_else(|| Status::not_found(format!("content {digest}: not found")))
    }
}

/// A method of it.
#[derive(Debug, Clone)]
struct Asked(Content);

type Later<T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send>>;

fn number(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

impl UnaryService<InfoRequest> for Asked {
    type Response = InfoResponse;
    type Future = Later<InfoResponse>;

    fn call(&mut self, request: Request<InfoRequest>) -> Self::Future {
        let content = self.0.clone();
        Box::pin(async move {
            let digest = request.into_inner().digest;
            let size = number(content.content(&digest).await?.len());
            Ok(Response::new(InfoResponse { info: Some(Info { digest, size }) }))
        })
    }
}

impl ServerStreamingService<ReadRequest> for Asked {
    type Response = ReadResponse;
    type ResponseStream = BoxStream<'static, Result<ReadResponse, Status>>;
    type Future = Later<Self::ResponseStream>;

    fn call(&mut self, request: Request<ReadRequest>) -> Self::Future {
        let content = self.0.clone();
        Box::pin(async move {
            let request = request.into_inner();
            let all = content.content(&request.digest).await?;
            Ok(Response::new(stream::iter(pieces(all, request.offset, request.size)?.into_iter().map(Ok)).boxed()))
        })
    }
}

/// The part that is asked for.
fn pieces(all: Vec<u8>, offset: i64, size: i64) -> Result<Vec<ReadResponse>, Status> {
    let outside = || Status::out_of_range(format!("read past object length {} bytes", all.len()));
    let start = usize::try_from(offset).ok().filter(|start| *start <= all.len()).ok_or_else(outside)?;
    let rest = &all[start..];
    let length = match usize::try_from(size).map_err(|_| outside())? {
        0 => rest.len(),
        size if size > rest.len() => return Err(outside()),
        size => size,
    };
    let piece = |(number, data): (usize, &[u8])| ReadResponse {
        offset: self::number(start + number * PIECE),
        data: data.to_vec(),
    };
    Ok(rest[..length].chunks(PIECE).enumerate().map(piece).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read() {
        let all: Vec<u8> = (0..PIECE + 10).map(|at| u8::try_from(at % 251).expect("small")).collect();
        let read = |offset: usize, size: usize| {
            let told = pieces(all.clone(), number(offset), number(size)).ok()?;
            let mut at = offset;
            for piece in &told {
                assert_eq!(piece.offset, number(at));
                at += piece.data.len();
            }
            Some(told.into_iter().flat_map(|piece| piece.data).collect::<Vec<_>>())
        };
        assert_eq!(read(0, 0).as_ref(), Some(&all));
        assert_eq!(read(PIECE - 1, 3).as_deref(), Some(&all[PIECE - 1..PIECE + 2]));
        assert_eq!(read(all.len(), 0), Some(Vec::new()));
        assert_eq!(read(all.len(), 1), None);
        assert_eq!(read(all.len() + 1, 0), None);
        assert!(pieces(all, -1, 0).is_err());
    }
}
