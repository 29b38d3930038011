//! The service Control: builds from request to image, what they tell meanwhile, and what the engine says of itself.

use crate::exporters::{Export, Exported};
use crate::frontend::Outcome;
use crate::history::record::{End, Record};
use crate::jobs::Active;
use crate::{Kit, Offer, Room, Which, cache, caps, entitlements, frontend, inputs};
use bollard_buildkit_proto::moby::buildkit::v1 as api;
use bollard_buildkit_proto::moby::buildkit::v1::control_server;
use futures_util::stream::{self, Stream, StreamExt as _};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::metadata::AsciiMetadataValue;
use tonic::{Request, Response, Status, Streaming};

/// Bytes of a session within gRPC that are under way.
const PIECE: usize = 64 << 10;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[derive(Debug, Clone)]
pub(crate) struct Control {
    kit: Kit,
}

impl Control {
    pub(crate) fn new(kit: Kit) -> Control {
        Control { kit }
    }
}

fn not_yet(what: impl std::fmt::Display) -> Status {
    Status::unimplemented(format!("{what}: this builder does not have it yet"))
}

/// What of a request is not there.
fn check(request: &api::SolveRequest) -> Result<(), Status> {
    if request.definition.as_ref().is_some_and(|definition| !definition.def.is_empty()) {
        return Err(not_yet("building a graph (LLB) instead of a Dockerfile"));
    }
    let has_rules = request.source_policy.as_ref().is_some_and(|policy| !policy.rules.is_empty());
    if has_rules || !request.source_policy_session.is_empty() {
        return Err(not_yet("a source policy"));
    }
    if let Some(cache) = &request.cache
        && !cache.export_ref_deprecated.is_empty()
    {
        return Err(not_yet("a cache to be written by a client of that age"));
    }
    Ok(())
}

/// What is meant by filters and an age.
fn which(filters: &[String], age: i64) -> Result<Which, Status> {
    let which = Which::parse(filters).map_err(|error| Status::invalid_argument(error.to_string()))?;
    Ok(which.unused_for(Duration::from_nanos(u64::try_from(age).unwrap_or_default())))
}

/// An answer that says what time it is here, by which clients tell for how long a build runs.
fn dated<T>(answer: T) -> Response<T> {
    let mut response = Response::new(answer);
    let now = jiff::Timestamp::now().to_string();
    let now = AsciiMetadataValue::try_from(now).expect("a time is ASCII");
    response.metadata_mut().insert("buildkit-current-timestamp", now);
    response
}

impl Control {
    /// A build, which is remembered unless its client only asks something about a Dockerfile.
    pub(crate) async fn build(&self, request: api::SolveRequest) -> Result<Exported, Status> {
        let (session, allowed) = (request.session.clone(), request.entitlements.clone());
        let whole = request.cache.as_ref().is_some_and(|cache| cache::Wanted::is_of_all(&cache.exports));
        let mut active = self.kit.0.jobs.begin(&request.r#ref, &session, allowed, whole)?;
        let recording = (!request.internal).then(|| {
            let sessions = self.kit.0.sessions.clone();
            let folder = move || sessions.folder(&session);
            self.kit.0.history.begin(Record::begin(&request), &active.job.progress, folder)
        });
        let exported = self.carry_out(request, &mut active).await;
        self.kit.collect_later();
        if let Some(recording) = recording {
            active.job.progress.close();
            let end = match &exported {
                Ok(exported) => End::Built(exported.clone()),
                Err(status) => End::Failed(status.clone()),
            };
            recording.finish(end).await;
        }
        exported
    }

    async fn carry_out(&self, mut request: api::SolveRequest, active: &mut Active) -> Result<Exported, Status> {
        // Whoever asks for its progress is not left waiting, even if it is refused.
        check(&request)?;
        entitlements::check(&request.entitlements, self.kit.0.services.settings.insecure)?;
        if request.exporters.is_empty() && !request.exporter_deprecated.is_empty() {
            let attrs = std::mem::take(&mut request.exporter_attrs_deprecated);
            request.exporters.push(api::Exporter { r#type: std::mem::take(&mut request.exporter_deprecated), attrs });
        }
        let exporters = std::mem::take(&mut request.exporters).into_iter().enumerate();
        let exports =
            exporters.map(|(number, exporter)| Export::new(number, exporter)).collect::<Result<Vec<_>, _>>()?;
        let job = Arc::clone(&active.job);
        let cache = request.cache.take().unwrap_or_default();
        cache::with_imports(&mut request.frontend_attrs, &cache.imports, &cache.import_refs_deprecated);
        let caches = cache::Wanted::new(cache.exports)?;
        let solved = if request.frontend.is_empty() {
            // The client drives the build itself, and answers the result.
            let ended = |_| Status::cancelled("the build ended without a result");
            (&mut active.returned).await.map_err(ended)??
        } else {
            let attributes = inputs::resolve(&request.frontend_attrs, &request.frontend_inputs)?;
            match frontend::solve(&self.kit, &job, &request.frontend, &attributes).await? {
                Outcome::Image(solved) => Some(solved),
                // It is for who drives a build itself.
                Outcome::Answer(_) => None,
            }
        };
        let (caches, solved) = caches.prepare(&self.kit, &job, solved).await?;
        let mut exported = HashMap::new();
        // Without an output the result is in the cache only.
        if let Some(solved) = solved {
            for export in exports {
                exported.extend(export.carry_out(&self.kit, &job, &solved).await?);
            }
            exported.extend(caches.carry_out(&self.kit, &job, &solved).await?);
        }
        Ok(exported)
    }
}

#[tonic::async_trait]
impl control_server::Control for Control {
    async fn disk_usage(
        &self,
        request: Request<api::DiskUsageRequest>,
    ) -> Result<Response<api::DiskUsageResponse>, Status> {
        let request = request.into_inner();
        let which = which(&request.filter, request.age_limit)?;
        // The steps are images, which `docker system df` tells of.
        let all = self.kit.stock().await.map_err(|error| Status::unknown(error.to_string()))?;
        let record = all.into_iter().filter(|item| which.means(item)).map(api::UsageRecord::from).collect();
        Ok(Response::new(api::DiskUsageResponse { record }))
    }

    type PruneStream = Answers<api::UsageRecord>;

    async fn prune(&self, request: Request<api::PruneRequest>) -> Result<Response<Self::PruneStream>, Status> {
        let request = request.into_inner();
        let bytes = |bytes: i64| u64::try_from(bytes).unwrap_or_default();
        // The steps are images, which have a prune of their own; and nothing here is only pruned by `--all`.
        let which = which(&request.filter, request.keep_duration)?;
        let which = which.within(Room {
            reserved: bytes(request.reserved_space),
            max_used: bytes(request.max_used_space),
            min_free: bytes(request.min_free_space),
        });
        let gone = self.kit.prune(&which).await.map_err(|error| Status::unknown(error.to_string()))?;
        Ok(Response::new(Box::pin(stream::iter(gone.into_iter().map(|item| Ok(api::UsageRecord::from(item)))))))
    }

    async fn solve(&self, request: Request<api::SolveRequest>) -> Result<Response<api::SolveResponse>, Status> {
        let exporter_response = self.build(request.into_inner()).await?;
        Ok(Response::new(api::SolveResponse { exporter_response }))
    }

    type StatusStream = Answers<api::StatusResponse>;

    async fn status(&self, request: Request<api::StatusRequest>) -> Result<Response<Self::StatusStream>, Status> {
        let reference = request.into_inner().r#ref;
        if let Some(told) = self.kit.0.history.replay(&reference) {
            return Ok(dated(Box::pin(told.map(Ok))));
        }
        let job = self.kit.0.jobs.known(&reference).await?;
        Ok(dated(Box::pin(Arc::clone(&job.progress).follow().map(Ok))))
    }

    type SessionStream = Answers<api::BytesMessage>;

    async fn session(
        &self,
        request: Request<Streaming<api::BytesMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let all = |name: &str| -> Vec<String> {
            let values = request.metadata().get_all(name).iter();
            values.filter_map(|value| value.to_str().ok()).map(str::to_owned).collect()
        };
        let one = |name: &str| all(name).into_iter().next().unwrap_or_default();
        let offer = Offer {
            id: one("x-docker-expose-session-uuid"),
            shared_key: one("x-docker-expose-session-sharedkey"),
            methods: all("x-docker-expose-session-grpc-method"),
        };
        if self.kit.has_session(&offer.id) {
            return Err(Status::already_exists(format!("session {} already exists", offer.id)));
        }
        let mut incoming = request.into_inner();
        let (ours, theirs) = tokio::io::duplex(PIECE);
        let (reader, mut writer) = tokio::io::split(theirs);
        tokio::spawn(self.kit.clone().keep_session(offer, ours));
        // Both directions end with the call, and the session with them.
        tokio::spawn(async move {
            while let Ok(Some(message)) = incoming.message().await {
                if writer.write_all(&message.data).await.is_err() {
                    return;
                }
            }
            // An error is the session's end.
            let _ = writer.shutdown().await;
        });
        let outgoing = stream::unfold(reader, |mut reader| async move {
            let mut data = vec![0; PIECE];
            let length = reader.read(&mut data).await.ok().filter(|length| *length > 0)?;
            data.truncate(length);
            Some((Ok(api::BytesMessage { data }), reader))
        });
        Ok(Response::new(Box::pin(outgoing)))
    }

    async fn list_workers(
        &self,
        _: Request<api::ListWorkersRequest>,
    ) -> Result<Response<api::ListWorkersResponse>, Status> {
        let worker = self.kit.worker().await.map_err(|error| Status::unknown(error.to_string()))?;
        let record = vec![worker];
        Ok(Response::new(api::ListWorkersResponse { record }))
    }

    async fn info(&self, _: Request<api::InfoRequest>) -> Result<Response<api::InfoResponse>, Status> {
        let version = caps::version(&self.kit.0.services.engine);
        Ok(Response::new(api::InfoResponse { buildkit_version: Some(version) }))
    }

    type ListenBuildHistoryStream = Answers<api::BuildHistoryEvent>;

    async fn listen_build_history(
        &self,
        request: Request<api::BuildHistoryRequest>,
    ) -> Result<Response<Self::ListenBuildHistoryStream>, Status> {
        let told = self.kit.0.history.listen(request.into_inner())?;
        Ok(dated(Box::pin(told.map(|event| event.map(api::BuildHistoryEvent::from)))))
    }

    async fn update_build_history(
        &self,
        request: Request<api::UpdateBuildHistoryRequest>,
    ) -> Result<Response<api::UpdateBuildHistoryResponse>, Status> {
        let api::UpdateBuildHistoryRequest { r#ref: reference, pinned, delete, finalize } = request.into_inner();
        let history = &self.kit.0.history;
        if delete {
            history.delete(&reference).await?;
        } else if !finalize {
            history.pin(&reference, pinned).await?;
        }
        // A record is whole when its build has ended: there is nothing to wait for.
        Ok(Response::new(api::UpdateBuildHistoryResponse {}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(request: &api::SolveRequest) -> String {
        check(request).err().map(|status| status.message().to_owned()).unwrap_or_default()
    }

    #[test]
    fn what_is_not_carried_out_is_refused() {
        assert_eq!(refused(&api::SolveRequest::default()), "");
        let policy = api::SolveRequest { source_policy_session: "s".to_owned(), ..api::SolveRequest::default() };
        assert!(refused(&policy).starts_with("a source policy"));
    }
}
