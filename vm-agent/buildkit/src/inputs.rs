//! What one build came to as what another begins with or takes files from: a client hands it on as a graph, of one source. Pure.

use bollard_buildkit_proto::pb::{Definition, Input, Op, OpMetadata, SourceOp, op};
use images::ImageId;
use layers::Digest;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tonic::Status;

/// What an image is called in graphs; behind it, here, are the digits of its ID.
const IMAGE: &str = "docker-image://";

/// The graph that stands for an image: clients hand it on as it is.
pub(crate) fn graph(image: &ImageId) -> Definition {
    let source = SourceOp { identifier: format!("{IMAGE}{}", image.hex()), ..SourceOp::default() };
    let source = Op { op: Some(op::Op::Source(source)), ..Op::default() }.encode_to_vec();
    let digest = Digest::of(&source).to_string();
    // The last one only says which one is the result.
    let result = Op { inputs: vec![Input { digest: digest.clone(), index: 0 }], ..Op::default() }.encode_to_vec();
    let metadata = [digest, Digest::of(&result).to_string()].map(|digest| (digest, OpMetadata::default()));
    Definition { def: vec![source, result], metadata: BTreeMap::from(metadata), source: None }
}

/// The image that a graph stands for, in the words of `--build-context`.
fn image(graph: &Definition) -> Option<String> {
    let ops: Vec<Op> = graph.def.iter().map(|bytes| Op::decode(&bytes[..]).ok()).collect::<Option<_>>()?;
    let mut sources = ops.into_iter().filter_map(|op| op.op);
    match (sources.next(), sources.next()) {
        (Some(op::Op::Source(source)), None) => {
            let is_own = source.identifier.strip_prefix(IMAGE).is_some_and(|id| Digest::from_hex(id).is_some());
            is_own.then_some(source.identifier)
        }
        _ => None,
    }
}

/// A frontend's attributes with the images in the place of what other builds came to (`context:NAME=input:KEY`). What these say of
/// their configurations is in the images.
pub(crate) fn resolve(
    attributes: &HashMap<String, String>,
    inputs: &HashMap<String, Definition>,
) -> Result<HashMap<String, String>, Status> {
    let mut resolved = HashMap::new();
    let mut taken = BTreeSet::new();
    for (name, value) in attributes.iter().filter(|(name, _)| !name.starts_with("input-metadata:")) {
        let value = match value.strip_prefix("input:") {
            Some(key) if name.starts_with("context:") => {
                let unknown = || Status::invalid_argument(format!("invalid input {key} for {name}"));
                let graph = inputs.get(key).ok_or_else(unknown)?;
                taken.insert(key);
                let foreign =
                    || Status::unimplemented("a graph (LLB) as a build context: this builder does not have it yet");
                image(graph).ok_or_else(foreign)?
            }
            _ => value.clone(),
        };
        resolved.insert(name.clone(), value);
    }
    // "context" and "dockerfile" are what other clients of BuildKit's give, without a name for them.
    if let Some(key) = inputs.keys().find(|key| !taken.contains(key.as_str())) {
        return Err(Status::unimplemented(format!("a graph (LLB) as {key}: this builder does not have it yet")));
    }
    Ok(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_build_came_to_is_an_image_for_the_next() {
        let id = Digest::of(b"image");
        let made = graph(&id);
        assert!(made.def.iter().all(|op| made.metadata.contains_key(&Digest::of(op).to_string())));
        let result = Op::decode(&made.def[1][..]).expect("an operation");
        assert_eq!(result.inputs[0].digest, Digest::of(&made.def[0]).to_string());
        let attributes = [
            ("context:base", "input:0-base"),
            ("input-metadata:0-base", "{}"),
            ("context:other", "docker-image://busybox"),
            ("build-arg:A", "input:0-base"),
        ];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let resolve = |inputs: HashMap<String, Definition>| super::resolve(&attributes, &inputs);
        let resolved = resolve(HashMap::from([("0-base".to_owned(), made.clone())])).expect("known");
        assert_eq!(resolved["context:base"], format!("docker-image://{}", id.hex()));
        assert_eq!(
            (resolved["context:other"].as_str(), resolved["build-arg:A"].as_str()),
            ("docker-image://busybox", "input:0-base")
        );
        assert_eq!(resolved.len(), 3);
        assert!(
            resolve(HashMap::new()).is_err_and(|status| status.message() == "invalid input 0-base for context:base")
        );
        let more = HashMap::from([("0-base".to_owned(), made.clone()), ("context".to_owned(), made.clone())]);
        assert!(resolve(more).is_err_and(|status| status.message().starts_with("a graph (LLB) as context")));
        let twice = Definition { def: [made.def.clone(), made.def.clone()].concat(), ..made.clone() };
        let named = SourceOp { identifier: "docker-image://busybox".to_owned(), ..SourceOp::default() };
        let named = Op { op: Some(op::Op::Source(named)), ..Op::default() }.encode_to_vec();
        for other in [twice, Definition { def: vec![named], ..made.clone() }, Definition::default()] {
            assert!(resolve(HashMap::from([("0-base".to_owned(), other)])).is_err());
        }
    }
}
