//! The service LLBBridge: a client that drives its build itself asks for the parts, and answers the result. Every call names its build.

use crate::frontend::Outcome;
use crate::jobs::Job;
use crate::{Kit, cache, caps, failure, frontend, inputs};
use bollard_buildkit_proto::moby::buildkit::v1::CacheOptionsEntry;
use bollard_buildkit_proto::moby::buildkit::v1::frontend as api;
use bollard_buildkit_proto::moby::buildkit::v1::frontend::llb_bridge_server::LlbBridge;
use bollard_buildkit_proto::moby::buildkit::v1::frontend::result;
use futures_util::stream::Stream;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming};

/// Where a call says which build it belongs to.
const BUILD: &str = "buildkit-controlapi-buildid";

#[derive(Debug, Clone)]
pub(crate) struct Gateway {
    kit: Kit,
}

impl Gateway {
    pub(crate) fn new(kit: Kit) -> Gateway {
        Gateway { kit }
    }

    /// The build that a call belongs to, which may be about to begin.
    async fn job<T>(&self, request: &Request<T>) -> Result<Arc<Job>, Status> {
        let id = request.metadata().get(BUILD).and_then(|id| id.to_str().ok());
        let id = id.ok_or_else(|| Status::invalid_argument("no buildid found in context"))?;
        self.kit.0.jobs.active(id).await
    }
}

fn not_yet<T>(what: &str) -> Result<Response<T>, Status> {
    Err(Status::unimplemented(format!("{what}: this builder does not have it yet")))
}

/// The one result that a build has: its image, or nothing.
fn reference(result: api::Result) -> Result<Option<String>, Status> {
    if result.attestations.values().any(|attestations| !attestations.attestation.is_empty()) {
        return Err(Status::unimplemented("attestations: this builder does not have them yet"));
    }
    let one = |id: String| Some(id).filter(|id| !id.is_empty());
    let several = || Status::unimplemented("images for several platforms at once: this builder does not have it yet");
    match result.result {
        None => Ok(None),
        Some(result::Result::RefDeprecated(id)) => Ok(one(id)),
        Some(result::Result::Ref(reference)) => Ok(one(reference.id)),
        Some(result::Result::RefsDeprecated(refs)) if refs.refs.len() > 1 => Err(several()),
        Some(result::Result::RefsDeprecated(refs)) => Ok(refs.refs.into_values().find_map(one)),
        Some(result::Result::Refs(refs)) if refs.refs.len() > 1 => Err(several()),
        Some(result::Result::Refs(refs)) => Ok(refs.refs.into_values().find_map(|reference| one(reference.id))),
    }
}

#[tonic::async_trait]
impl LlbBridge for Gateway {
    async fn ping(&self, request: Request<api::PingRequest>) -> Result<Response<api::PongResponse>, Status> {
        self.job(&request).await?;
        Ok(Response::new(api::PongResponse {
            frontend_api_caps: caps::of_gateway(),
            llb_caps: caps::of_graphs(),
            workers: vec![caps::worker(&self.kit.0.services).await],
        }))
    }

    async fn solve(&self, request: Request<api::SolveRequest>) -> Result<Response<api::SolveResponse>, Status> {
        let job = self.job(&request).await?;
        let mut request = request.into_inner();
        if request.source_policies.iter().any(|policy| !policy.rules.is_empty()) {
            return not_yet("a source policy");
        }
        if request.frontend.is_empty() {
            if request.definition.is_some_and(|definition| !definition.def.is_empty()) {
                return not_yet("building a graph (LLB) instead of a Dockerfile");
            }
            return Ok(Response::new(api::SolveResponse {
                r#ref: String::new(),
                result: Some(api::Result::default()),
            }));
        }
        let imports = std::mem::take(&mut request.cache_imports).into_iter();
        let imports: Vec<_> =
            imports.map(|import| CacheOptionsEntry { r#type: import.r#type, attrs: import.attrs }).collect();
        cache::with_imports(&mut request.frontend_opt, &imports, &[]);
        let attributes = inputs::resolve(&request.frontend_opt, &request.frontend_inputs)?;
        let solved = match frontend::solve(&self.kit, &job, &request.frontend, &attributes).await? {
            Outcome::Image(solved) => solved,
            Outcome::Answer(metadata) => {
                let result = api::Result { metadata, ..api::Result::default() };
                return Ok(Response::new(api::SolveResponse { r#ref: String::new(), result: Some(result) }));
            }
        };
        let config = self.kit.0.services.images.image(&solved.image).map(|image| image.raw.to_string());
        let config = config.map_err(|error| Status::unknown(error.to_string()))?;
        // By it a client makes this what another build begins with.
        let def = Some(inputs::graph(&solved.image));
        let id = job.keep(solved);
        let result = api::Result {
            metadata: HashMap::from([("containerimage.config".to_owned(), config.into_bytes())]),
            result: Some(result::Result::Ref(api::Ref { id, def })),
            ..api::Result::default()
        };
        Ok(Response::new(api::SolveResponse { r#ref: String::new(), result: Some(result) }))
    }

    async fn r#return(&self, request: Request<api::ReturnRequest>) -> Result<Response<api::ReturnResponse>, Status> {
        let job = self.job(&request).await?;
        let request = request.into_inner();
        if let Some(error) = request.error {
            job.finish(Err(failure::returned(error)));
            return Ok(Response::new(api::ReturnResponse {}));
        }
        let image = reference(request.result.unwrap_or_default())
            .and_then(|reference| reference.map(|reference| job.result(&reference)).transpose());
        job.finish(image.clone());
        image.map(|_| Response::new(api::ReturnResponse {}))
    }

    async fn evaluate(
        &self,
        request: Request<api::EvaluateRequest>,
    ) -> Result<Response<api::EvaluateResponse>, Status> {
        let job = self.job(&request).await?;
        let reference = request.into_inner().r#ref;
        if !reference.is_empty() {
            // What was solved is there.
            job.result(&reference)?;
        }
        Ok(Response::new(api::EvaluateResponse {}))
    }

    async fn inputs(&self, request: Request<api::InputsRequest>) -> Result<Response<api::InputsResponse>, Status> {
        self.job(&request).await?;
        Ok(Response::new(api::InputsResponse::default()))
    }

    async fn warn(&self, request: Request<api::WarnRequest>) -> Result<Response<api::WarnResponse>, Status> {
        use bollard_buildkit_proto::moby::buildkit::v1::VertexWarning;
        let job = self.job(&request).await?;
        let api::WarnRequest { digest, level, short, detail, url, info, ranges } = request.into_inner();
        job.progress.warn(VertexWarning { vertex: digest, level, short, detail, url, info, ranges });
        Ok(Response::new(api::WarnResponse {}))
    }

    async fn resolve_image_config(
        &self,
        _: Request<api::ResolveImageConfigRequest>,
    ) -> Result<Response<api::ResolveImageConfigResponse>, Status> {
        not_yet("resolving an image's configuration")
    }

    async fn resolve_source_meta(
        &self,
        _: Request<api::ResolveSourceMetaRequest>,
    ) -> Result<Response<api::ResolveSourceMetaResponse>, Status> {
        not_yet("resolving a source")
    }

    async fn read_file(&self, _: Request<api::ReadFileRequest>) -> Result<Response<api::ReadFileResponse>, Status> {
        not_yet("reading a result's files")
    }

    async fn read_dir(&self, _: Request<api::ReadDirRequest>) -> Result<Response<api::ReadDirResponse>, Status> {
        not_yet("reading a result's files")
    }

    async fn stat_file(&self, _: Request<api::StatFileRequest>) -> Result<Response<api::StatFileResponse>, Status> {
        not_yet("reading a result's files")
    }

    async fn new_container(
        &self,
        _: Request<api::NewContainerRequest>,
    ) -> Result<Response<api::NewContainerResponse>, Status> {
        not_yet("containers of a client's own in a build")
    }

    async fn release_container(
        &self,
        _: Request<api::ReleaseContainerRequest>,
    ) -> Result<Response<api::ReleaseContainerResponse>, Status> {
        not_yet("containers of a client's own in a build")
    }

    type ExecProcessStream = Pin<Box<dyn Stream<Item = Result<api::ExecMessage, Status>> + Send>>;

    async fn exec_process(
        &self,
        _: Request<Streaming<api::ExecMessage>>,
    ) -> Result<Response<Self::ExecProcessStream>, Status> {
        not_yet("containers of a client's own in a build")
    }

    async fn read_file_container(
        &self,
        _: Request<api::ReadFileRequest>,
    ) -> Result<Response<api::ReadFileResponse>, Status> {
        not_yet("containers of a client's own in a build")
    }

    async fn read_dir_container(
        &self,
        _: Request<api::ReadDirRequest>,
    ) -> Result<Response<api::ReadDirResponse>, Status> {
        not_yet("containers of a client's own in a build")
    }

    async fn stat_file_container(
        &self,
        _: Request<api::StatFileRequest>,
    ) -> Result<Response<api::StatFileResponse>, Status> {
        not_yet("containers of a client's own in a build")
    }
}
