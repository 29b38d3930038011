//! Images made by hand, a real registry on loopback, and servers that misbehave.

#![allow(dead_code, unreachable_pub, reason = "every test file uses a part of it")]

pub mod registry;
pub mod server;
pub mod socks;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use images::{Digest, Images, Patience, Progress, RegistryConfig, Sink};
use layers::Layers;
use store::Store;

/// An engine's images in a directory of their own.
pub struct Bench {
    pub dir: tempfile::TempDir,
    pub config: RegistryConfig,
    pub store: Store,
    pub layers: Layers,
    pub images: Images,
}

/// Asks again at once, and takes nothing for a stall that a busy computer does.
pub fn patient() -> RegistryConfig {
    let patience = Patience {
        attempts: 3,
        pause: Duration::from_millis(10),
        longest_pause: Duration::from_secs(2),
        connect: Duration::from_secs(5),
        stall: Duration::from_secs(60),
        answer: Duration::from_secs(60),
    };
    RegistryConfig { patience, ..RegistryConfig::default() }
}

/// For servers that stall for good.
pub fn impatient() -> RegistryConfig {
    let mut config = patient();
    config.patience.stall = Duration::from_secs(2);
    config.patience.answer = Duration::from_secs(2);
    config
}

impl Bench {
    pub fn new() -> Bench {
        Bench::with(patient())
    }

    pub fn with(config: RegistryConfig) -> Bench {
        Bench::open(tempfile::tempdir().unwrap(), config)
    }

    pub fn open(dir: tempfile::TempDir, config: RegistryConfig) -> Bench {
        let (store, layers, images) = open(dir.path(), config.clone());
        Bench { dir, config, store, layers, images }
    }

    /// The same directory as the next process would see it.
    pub fn reopen(self) -> Bench {
        let Bench { dir, config, store, layers, images } = self;
        drop((store, layers, images));
        Bench::open(dir, config)
    }

    /// Names in a directory beneath the root, sorted.
    pub fn names(&self, directory: &str) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.dir.path().join(directory))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// The layers on disk, without the directories that are not layers.
    pub fn layer_names(&self) -> Vec<String> {
        self.names("layers").into_iter().filter(|name| name.len() == 64).collect()
    }

    pub async fn load(&self, archive: Vec<u8>) -> images::Result<Vec<Digest>> {
        self.images.load(std::io::Cursor::new(archive), None, &Sink::silent()).await
    }

    /// Content of a file in an image, read through its mounted layers.
    pub fn read(&self, image: &str, path: &str) -> String {
        use std::os::fd::AsRawFd;
        let id = self.images.resolve(image).unwrap();
        let chain = self.images.image(&id).unwrap().chain.clone();
        let fd = self.layers.mount(&self.layers.overlay(&chain, None).unwrap()).unwrap();
        std::fs::read_to_string(format!("/proc/self/fd/{}/{path}", fd.as_raw_fd())).unwrap()
    }
}

pub fn open(root: &std::path::Path, config: RegistryConfig) -> (Store, Layers, Images) {
    let store = Store::open(&root.join("store.redb")).unwrap();
    let layers = Layers::open(&root.join("layers"), &store).unwrap();
    let images = Images::open(root, &store, &layers, config).unwrap();
    images.set_holders(Vec::new);
    (store, layers, images)
}

/// An address where connections are refused for as long as the socket is kept: it is bound, so that nobody else is given the port.
pub fn port_without_a_server() -> (tokio::net::TcpSocket, std::net::SocketAddr) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// A sink that keeps what it is told.
pub fn recorder() -> (Sink, Arc<Mutex<Vec<Progress>>>) {
    let all = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&all);
    (Sink::new(move |progress| sink.lock().unwrap().push(progress)), all)
}

/// The statuses said, each with its object, in order and without repetitions.
pub fn statuses(all: &Mutex<Vec<Progress>>) -> Vec<String> {
    let mut lines = Vec::new();
    for progress in all.lock().unwrap().iter() {
        let line = match progress {
            Progress::Status { id: Some(id), status, .. } => format!("{id}: {status}"),
            Progress::Status { id: None, status, .. } => status.clone(),
            Progress::Pushed { tag, .. } => format!("aux {tag}"),
            Progress::Stream(text) => text.trim_end().to_owned(),
            Progress::Built(id) => format!("built {id}"),
            Progress::Aux { id, value } => format!("{id} {value}"),
        };
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// A tar with these files.
pub fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_700_000_000);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub fn bzip2(content: &[u8]) -> Vec<u8> {
    let mut encoder = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub fn xz(content: &[u8]) -> Vec<u8> {
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Bytes that do not compress, the same for the same seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&(state >> 16).to_le_bytes()[..4]);
    }
    bytes.truncate(length);
    bytes
}

/// An image's configuration as dockerd writes it.
pub fn config(layers: &[Vec<u8>], label: &str) -> Vec<u8> {
    let ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let history: Vec<_> = ids
        .iter()
        .map(|_| serde_json::json!({"created": "2024-05-01T10:20:30Z", "created_by": "COPY x / # buildkit"}))
        .chain([
            serde_json::json!({"created": "2024-05-01T10:20:31Z", "created_by": "CMD [\"sh\"]", "empty_layer": true}),
        ])
        .collect();
    serde_json::to_vec(&serde_json::json!({
        "architecture": "amd64", "os": "linux", "created": "2024-05-01T10:20:31Z",
        "config": {"Env": ["PATH=/bin"], "Cmd": ["sh"], "Labels": {"label": label}, "Volumes": null},
        "history": history, "rootfs": {"type": "layers", "diff_ids": ids},
    }))
    .unwrap()
}

/// A docker-archive as old clients wrote it, with plain layers.
pub fn docker_archive(name: &str, layers: &[Vec<u8>]) -> Vec<u8> {
    docker_archive_of(name, layers, <[u8]>::to_vec)
}

/// The same with each layer's file packed.
pub fn docker_archive_of(name: &str, layers: &[Vec<u8>], pack: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let config = config(layers, name);
    let config_name = format!("{}.json", Digest::of(&config).hex());
    let mut files: Vec<(String, Vec<u8>)> = vec![(config_name.clone(), config)];
    let mut names = Vec::new();
    for (at, layer) in layers.iter().enumerate() {
        names.push(format!("layer{at}/layer.tar"));
        files.push((format!("layer{at}/layer.tar"), pack(layer)));
    }
    let tags: Vec<&str> = if name.is_empty() { Vec::new() } else { vec![name] };
    let manifest = serde_json::json!([{"Config": config_name, "RepoTags": tags, "Layers": names}]);
    files.push(("manifest.json".to_owned(), serde_json::to_vec(&manifest).unwrap()));
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
    tar(&files)
}

/// Three layers: two small ones and one of `size` bytes of noise.
pub fn layers(size: usize) -> Vec<Vec<u8>> {
    vec![
        tar(&[("etc/base", b"base"), ("etc/gone", b"x")]),
        tar(&[("big", &noise(7, size)), ("etc/.wh.gone", b"")]),
        tar(&[("etc/top", b"top")]),
    ]
}
