//! What registries tell without a pull: searches, and what is under a reference.

use engine_api::image::{Descriptor, Platform};
use engine_api::registry::{DistributionInspect, SearchResult};
use images::{DescribedPlatform, Digest, Reference};

use super::Call;
use super::transfer::credentials;
use crate::failure::Failure;
use crate::reply::{self, Answer};
use crate::strconv;

pub(super) async fn search(call: Call) -> Answer {
    let limit = match call.query.filled("limit") {
        None => 0,
        Some(text) => {
            let limit = strconv::atoi(text)
                .map_err(|error| Failure::bad_request(format!("invalid limit specified: {error}")))?;
            // dockerd finds no words for this one and answers nothing.
            if limit < 0 {
                return reply::ok();
            }
            limit
        }
    };
    let filters = call.query.filters()?;
    filters.only(&["is-automated", "is-official", "stars"])?;
    let none: [SearchResult; 0] = [];
    if filters.flag("is-automated")?.unwrap_or(false) {
        return reply::json(&none);
    }
    let official = filters.flag("is-official")?;
    let mut stars = None;
    for text in filters.values("stars") {
        let wanted = strconv::atoi(text)
            .map_err(|error| Failure::bad_request(format!("invalid filter 'stars={text}': {error}")))?;
        stars = stars.max(Some(wanted.max(0)));
    }
    let term = call.query.get("term").unwrap_or_default();
    let found = call.services.images.search(term, limit, &credentials(&call.headers)).await?;
    let fits = |result: &images::SearchResult| {
        official.is_none_or(|official| official == result.official) && stars.is_none_or(|stars| result.stars >= stars)
    };
    let results: Vec<_> = found.into_iter().filter(fits).map(wire).collect();
    reply::json(&results)
}

fn wire(result: images::SearchResult) -> SearchResult {
    SearchResult {
        star_count: result.stars,
        is_official: result.official,
        name: result.name,
        is_automated: false,
        description: result.description,
    }
}

pub(super) async fn distribution(call: Call) -> Answer {
    let name = &call.name;
    if Digest::from_hex(name).is_some() || name.parse::<Digest>().is_ok() {
        return Err(Failure::internal("no manifest found for full image ID"));
    }
    let reference = Reference::parse(name)?;
    let described = call.services.images.describe(&reference, &credentials(&call.headers)).await?;
    reply::json(&DistributionInspect {
        descriptor: Descriptor {
            media_type: described.media_type,
            digest: described.digest.to_string(),
            size: i64::try_from(described.size).unwrap_or(i64::MAX),
            ..Descriptor::default()
        },
        platforms: described.platforms.map(|platforms| platforms.into_iter().map(platform).collect()),
    })
}

fn platform(said: DescribedPlatform) -> Platform {
    let DescribedPlatform { architecture, os, os_version, os_features, variant } = said;
    let os_features = os_features.filter(|features| !features.is_empty());
    Platform { architecture, os, os_version, os_features, variant }
}
