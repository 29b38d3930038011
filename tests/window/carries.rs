//! The window over a native engine: what the program carries between pages and engine.

use anyhow::ensure;
use serde_json::json;
use tests::berth::Berth;
use tests::engine::{Engine, Kind};

use crate::with_window;

type Result = anyhow::Result<()>;

pub(crate) fn lists_logs_files_and_terminal() -> Result {
    let engine = Engine::start(Kind::Native)?;
    // The engine's socket lies where the daemon's would.
    let berth = Berth::new(Some(engine.docker.host()))?;
    with_window(&[("BERTH_HOME", berth.home().display().to_string())], &["berth://images"], |desk, view| {
        view.see("busybox")?;
        engine.docker.ok(&[
            "run",
            "-d",
            "--init",
            "--name",
            "talks",
            "busybox",
            "sh",
            "-c",
            "echo said at once; sleep 1000",
        ])?;
        let told = view.wait_for(CARRY, vec![json!(LENGTH)])?;
        ensure!(told == json!({ "put": 200, "same": true, "refused": 404 }), "{told}");
        view.go("#/containers")?;
        view.click("talks")?;
        view.see("said at once")?;
        // What a page hands to the user lies in the folder for it, whole.
        view.click("Download the whole log")?;
        let downloads = desk.home().join("home/Downloads");
        let saved = view.until("the file", || {
            let Ok(files) = std::fs::read_dir(&downloads) else { return Ok(None) };
            let texts = files.filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok());
            Ok(texts.filter(|text| !text.is_empty()).last())
        })?;
        ensure!(saved.contains("said at once"), "{saved:?}");
        view.use_terminal()?;
        engine.docker.ok(&["rm", "-f", "talks"])?;
        view.see("This container is not there any more")
    })
}

/// More than one piece each way, and not a multiple of one.
const LENGTH: usize = 5 * 1024 * 1024 + 4321;

/// Through the very commands that the pages use: a tar with one file goes up in pieces, and comes back in pieces, the same.
const CARRY: &str = r"
const { invoke } = window.__TAURI_INTERNALS__;
const machine = await invoke('shown_machine');
const length = arguments[0];
const file = new Uint8Array(length).map((_, at) => (at * 31 + (at >> 8)) & 255);
const header = new Uint8Array(512);
const put = (at, text) => header.set(new TextEncoder().encode(text), at);
put(0, 'file'); put(100, '0000644\0'); put(108, '0000000\0'); put(116, '0000000\0');
put(124, length.toString(8).padStart(11, '0') + '\0'); put(136, '00000000000\0'); put(148, '        '); put(156, '0');
put(257, 'ustar\0' + '00');
put(148, header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0') + '\0 ');
const tar = new Uint8Array(512 + Math.ceil(length / 512) * 512 + 1024);
tar.set(header); tar.set(file, 512);
const send = async (path) => {
  const head = { machine, to: 'engine', method: 'PUT', path, headers: { 'content-type': 'application/x-tar' } };
  const stream = await invoke('upload', { head });
  const answer = invoke('answer', { stream });
  try {
    for (let at = 0; at < tar.length; at += 1 << 20)
      await invoke('write', tar.slice(at, at + (1 << 20)), { headers: { 'x-berth-stream': String(stream) } });
    await invoke('close_write', { stream });
  } catch { /* Why is in the answer. */ }
  return (await answer).status;
};
const status = await send('/containers/talks/archive?path=/tmp');
const refused = await send('/containers/nobody/archive?path=/tmp');
const head = { machine, to: 'engine', method: 'GET', path: '/containers/talks/archive?path=/tmp/file', headers: {} };
const answer = await invoke('request', new Uint8Array(), { headers: { 'x-berth-request': JSON.stringify(head) } });
const pieces = [];
for (;;) {
  const piece = new Uint8Array(await invoke('read', { stream: answer.stream }));
  if (piece.length === 0) break;
  pieces.push(piece);
}
const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
let at = 0;
for (const piece of pieces) { all.set(piece, at); at += piece.length; }
const back = all.subarray(512, 512 + length);
return { put: status, same: back.length === length && back.every((byte, at) => byte === file[at]), refused };
";
