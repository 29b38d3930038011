//! Pull and push against Debian's `docker-registry` on loopback: without login, with a password, with tokens.
//!
//! Needs root, for layers, and the package `docker-registry`.

mod support;

use std::sync::Arc;

use images::{Auth, Codec, Draft, Error, Images, Recompress, Reference, Removed, Sink, Source, Wrapping};
use support::registry::{Access, PASSWORD, Registry, USER};
use support::server::{Server, Tokens};
use support::{Bench, docker_archive, layers, noise, recorder, statuses, tar};

fn reference(text: &str) -> Reference {
    Reference::parse(text).unwrap()
}

fn login(password: &str) -> Auth {
    Auth::Basic { username: USER.to_owned(), password: password.to_owned() }
}

/// An image that was loaded, tagged for the registry, pushed, and removed here.
async fn publish(bench: &Bench, name: &str, auth: &Auth) -> images::Digest {
    let id = bench.load(docker_archive("local:1", &layers(300_000))).await.unwrap()[0];
    bench.images.tag("local:1", &reference(name)).await.unwrap();
    bench.images.push(&reference(name), auth, &Sink::silent()).await.unwrap();
    bench.images.remove(&id.to_string(), true).await.unwrap();
    assert!(bench.images.list().unwrap().is_empty());
    id
}

async fn pull(images: &Images, name: &str, auth: &Auth) -> images::Result<images::Digest> {
    images.pull(&reference(name), None, auth, &Sink::silent()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_survives_the_way_through_a_registry() {
    let registry = Registry::start(&Access::Open);
    let bench = Bench::new();
    let name = format!("{}/some/app:v1", registry.address);
    let id = publish(&bench, &name, &Auth::Anonymous).await;
    assert!(bench.names("content/blobs/sha256").is_empty());
    assert!(bench.layer_names().is_empty());

    let (sink, said) = recorder();
    let pulled = bench.images.pull(&reference(&name), None, &Auth::Anonymous, &sink).await.unwrap();
    assert_eq!(pulled, id);
    assert_eq!(bench.read(&name, "etc/base"), "base");
    assert_eq!(bench.read(&name, "etc/top"), "top");
    let inspect = bench.images.inspect(&name, None).unwrap();
    assert_eq!(inspect.repo_tags, [name.as_str()]);
    assert_eq!(inspect.repo_digests.len(), 1);
    let said = statuses(&said);
    let digest = inspect.repo_digests[0].rsplit_once('@').unwrap().1;
    assert_eq!(said[0], "v1: Pulling from some/app");
    assert_eq!(
        said[said.len() - 2..],
        [format!("Digest: {digest}"), format!("Status: Downloaded newer image for {name}")]
    );
    for status in ["Pulling fs layer", "Verifying Checksum", "Download complete", "Pull complete"] {
        let count = said.iter().filter(|line| line.ends_with(&format!(": {status}"))).count();
        assert_eq!(count, 3, "{status} in {said:#?}");
    }
    let (sink, said) = recorder();
    bench.images.pull(&reference(&name), None, &Auth::Anonymous, &sink).await.unwrap();
    let said = statuses(&said);
    assert_eq!(said.last().unwrap(), &format!("Status: Image is up to date for {name}"));
    // As with dockerd, which looks at no layer of an image that is here.
    assert_eq!((said.len(), said[0].as_str()), (3, "v1: Pulling from some/app"), "{said:#?}");

    // By digest, after everything local went.
    bench.images.remove(&name, false).await.unwrap();
    assert!(bench.images.list().unwrap().is_empty());
    let by_digest = format!("{}/some/app@{digest}", registry.address);
    assert_eq!(pull(&bench.images, &by_digest, &Auth::Anonymous).await.unwrap(), id);
    let inspect = bench.images.inspect(&by_digest, None).unwrap();
    assert_eq!((inspect.repo_tags.len(), inspect.repo_digests), (0, vec![by_digest.clone()]));

    // A restart keeps it all.
    let bench = bench.reopen();
    assert_eq!(bench.images.resolve(&by_digest).unwrap(), id);
    assert_eq!(bench.read(&by_digest, "etc/base"), "base");
    let tags = bench.images.remote_tags(&reference(&by_digest), &Auth::Anonymous).await.unwrap();
    assert_eq!(tags, ["v1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_push_skips_or_mounts_what_is_there() {
    let registry = Registry::start(&Access::Open);
    let bench = Bench::new();
    bench.load(docker_archive("local:1", &layers(10_000))).await.unwrap();
    let (first, second) = (format!("{}/one:a", registry.address), format!("{}/two:b", registry.address));
    for (name, word) in [(&first, "Pushed"), (&first, "Layer already exists"), (&second, "Mounted from one")] {
        bench.images.tag("local:1", &reference(name)).await.unwrap();
        let (sink, said) = recorder();
        bench.images.push(&reference(name), &Auth::Anonymous, &sink).await.unwrap();
        let said = statuses(&said);
        assert_eq!(said[0], format!("The push refers to repository [{}]", name.rsplit_once(':').unwrap().0));
        assert_eq!(said.iter().filter(|line| line.ends_with(word)).count(), 3, "{word} in {said:#?}");
        let tag = name.rsplit_once(':').unwrap().1;
        assert!(said[said.len() - 2].starts_with(&format!("{tag}: digest: sha256:")), "{said:#?}");
        assert_eq!(said.last().unwrap(), &format!("aux {tag}"));
    }
    assert_eq!(bench.images.inspect("local:1", None).unwrap().repo_digests.len(), 2);
    let error = bench.images.push(&reference("local:2"), &Auth::Anonymous, &Sink::silent()).await.unwrap_err();
    assert_eq!(error.to_string(), "tag does not exist: local:2");
    let error = bench.images.push(&reference("never"), &Auth::Anonymous, &Sink::silent()).await.unwrap_err();
    assert_eq!(error.to_string(), "An image does not exist locally with the tag: never");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_goes_under_a_name_that_another_one_has_meanwhile() {
    let registry = Registry::start(&Access::Open);
    let bench = Bench::new();
    let name = format!("{}/some/app:v1", registry.address);
    let meant = bench.load(docker_archive("local:1", &layers(10_000))).await.unwrap()[0];
    let other = bench.load(docker_archive("local:2", &layers(20_000))).await.unwrap()[0];
    assert_ne!(meant, other);
    bench.images.tag("local:2", &reference(&name)).await.unwrap();
    let wrapped = bench.images.wrap(&meant, &Wrapping::default()).await.unwrap();
    bench.images.push_wrapped(&wrapped, &reference(&name), &Auth::Anonymous, &Sink::silent()).await.unwrap();
    assert_eq!(pull(&bench.images, &name, &Auth::Anonymous).await.unwrap(), meant);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_registry_wants_the_password() {
    let registry = Registry::start(&Access::Password);
    let bench = Bench::new();
    let name = format!("{}/private:latest", registry.address);
    let id = publish(&bench, &name, &login(PASSWORD)).await;
    let error = pull(&bench.images, &name, &Auth::Anonymous).await.unwrap_err();
    // Not "unauthorized", to which the docker CLI answers with a prompt.
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert!(error.to_string().ends_with(": no basic auth credentials (use 'docker login')"), "{error}");
    let error = pull(&bench.images, &name, &login("wrong")).await.unwrap_err();
    let advice = format!(" ({} wants other credentials: use 'docker login')", registry.address);
    assert_eq!(error.to_string(), format!("unauthorized: authentication required{advice}"));
    assert_eq!(pull(&bench.images, &name, &login(PASSWORD)).await.unwrap(), id);
    assert_eq!(bench.images.login(&registry.address, &login(PASSWORD)).await.unwrap(), None);
    let error = bench.images.login(&registry.address, &login("wrong")).await.unwrap_err();
    // As with dockerd, for which only a token server's refusal is one.
    assert!(matches!(&error, Error::Unavailable(text) if text.contains("401 Unauthorized")), "{error}");
    let words = format!("Get \"http://{}/v2/\": no basic auth credentials", registry.address);
    for incomplete in [Auth::Anonymous, login("")] {
        let error = bench.images.login(&registry.address, &incomplete).await.unwrap_err();
        assert!(matches!(&error, Error::Unavailable(text) if *text == words), "{error}");
    }
    let missing = format!("{}/missing", registry.address);
    let error = pull(&bench.images, &missing, &login(PASSWORD)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("manifest for {missing}:latest not found: manifest unknown: manifest unknown")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_registry_is_answered_with_tokens() {
    let tokens = Arc::new(Tokens::new());
    let signer = Arc::clone(&tokens);
    let server = Server::start(move |request| signer.answer(request, USER, PASSWORD)).await;
    let access = Access::Token {
        realm: format!("http://{}/token", server.address),
        certificate: tokens.certificate_pem.clone(),
    };
    let registry = Registry::start(&access);
    let bench = Bench::new();
    let open = format!("{}/open/app:1", registry.address);
    let closed = format!("{}/closed/app:1", registry.address);
    let id = publish(&bench, &open, &login(PASSWORD)).await;
    publish(&bench, &closed, &login(PASSWORD)).await;
    assert_eq!(pull(&bench.images, &open, &Auth::Anonymous).await.unwrap(), id);
    let error = pull(&bench.images, &closed, &Auth::Anonymous).await.unwrap_err().to_string();
    assert!(error.contains("unauthorized: ") || error.contains("denied"), "{error}");
    let error = pull(&bench.images, &closed, &login("wrong")).await.unwrap_err().to_string();
    assert!(error.starts_with("unauthorized: incorrect username or password ("), "{error}");
    assert_eq!(pull(&bench.images, &closed, &login(PASSWORD)).await.unwrap(), id);
    bench.images.tag(&open, &reference(&closed)).await.unwrap();
    let error = bench.images.push(&reference(&closed), &Auth::Anonymous, &Sink::silent()).await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized(_)), "{error:?}");
    bench.images.login(&registry.address, &login(PASSWORD)).await.unwrap();
    let error = bench.images.login(&registry.address, &login("wrong")).await.unwrap_err().to_string();
    assert!(error.contains("unauthorized: incorrect username or password"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_pulls_of_one_image_share_the_work() {
    let registry = Registry::start(&Access::Open);
    let bench = Bench::new();
    let name = format!("{}/shared:latest", registry.address);
    let id = publish(&bench, &name, &Auth::Anonymous).await;
    let pulls = (0..8).map(|_| pull(&bench.images, &name, &Auth::Anonymous));
    for pulled in futures_util::future::join_all(pulls).await {
        assert_eq!(pulled.unwrap(), id);
    }
    assert_eq!(bench.names("layers/ingest").len(), 0);
    assert_eq!(bench.names("content/ingest").len(), 0);
    let removed = bench.images.remove(&name, false).await.unwrap();
    assert_eq!(removed[0], Removed::Untagged(name.clone(), id));
    assert_eq!(removed.iter().filter(|line| matches!(line, Removed::Deleted(_) | Removed::Layer(_))).count(), 4);
}

/// A registry may have it compressed otherwise: what is here is enough, and stays as it is.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_here_is_not_fetched() {
    let registry = Registry::start(&Access::Open);
    let bench = Bench::new();
    let name = format!("{}/made:1", registry.address);
    let source = Source::stream(std::io::Cursor::new(tar(&[("file", &noise(5, 300_000))])));
    let draft = Draft { reference: Some(reference(&name)), ..Draft::default() };
    let id = bench.images.import(source, None, draft).await.unwrap();
    let before = bench.names("content/blobs/sha256");
    let layers = Some(Recompress { codec: Codec::Zstd, level: None, but: 0 });
    let wrapped = bench.images.wrap(&id, &Wrapping { layers, ..Wrapping::default() }).await.unwrap();
    bench.images.push_wrapped(&wrapped, &reference(&name), &Auth::Anonymous, &Sink::silent()).await.unwrap();
    drop(wrapped);
    bench.images.collect().await.unwrap();
    assert_eq!(bench.names("content/blobs/sha256"), before);
    let (sink, said) = recorder();
    assert_eq!(bench.images.pull(&reference(&name), None, &Auth::Anonymous, &sink).await.unwrap(), id);
    let said = statuses(&said);
    assert!(said.contains(&format!("Status: Image is up to date for {name}")), "{said:?}");
    assert!(!said.iter().any(|said| said.contains("Pulling fs layer") || said.contains("Download")), "{said:?}");
    bench.images.collect().await.unwrap();
    assert_eq!(bench.names("content/blobs/sha256"), before);
}
