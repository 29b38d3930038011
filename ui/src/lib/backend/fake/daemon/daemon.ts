import type { DaemonStatus, DaemonVersion, LogSource, MachineStatus } from '$lib/api/generated/daemon';
import { type Answer, type Backend, type Request, Unreachable, type Upgrade } from '../../backend';
import { Failure, invalid } from '../core/failure';
import { Faults, type Fault } from '../core/faults';
import { Outlet } from '../core/outlet';
import { encode, line } from '../core/reply';
import { seconds } from '../core/time';
import type { FakeEngine } from '../engine';
import { contentsOf } from './contents';
import { forwards, guestStatus, held } from './guest';
import { Logs, SOURCES } from './logs';
import { Machine } from './machine';
import { FACTS, type Facts, paths, VERSION } from './paths';
import { isTls } from './settings/forms';
import { Settings } from './settings/settings';
import type { Ask } from './state';
import { Updates } from './updates';
import { away } from './words';

const LINES = 'application/x-ndjson';

/**
 * A daemon that is simulated in the page: its control socket's requests, statuses and words, and one machine that the simulated engine is in.
 * `tests/contract/daemon.test.ts` holds it to the real one.
 */
export class FakeDaemon implements Backend {
  readonly faults = new Faults();
  readonly logs = new Logs();
  readonly settings: Settings;
  readonly machine: Machine;
  readonly updates: Updates;
  readonly #engine: FakeEngine;
  readonly #began: number;
  #pid = 3900;
  #open = new AbortController();
  #lives = true;

  constructor(engine: FakeEngine, facts: Facts = FACTS) {
    this.#engine = engine;
    this.settings = new Settings(facts);
    this.updates = new Updates(this.settings, () => engine.world.clock.now());
    const { clock } = engine.world;
    const contents = contentsOf(engine, () => away(this.machine.status));
    this.machine = new Machine(clock, this.settings, this.logs, contents);
    this.#began = clock.now();
    contents.shut();
    this.#log(`INFO host::daemon: the daemon listens at ${paths.controlSocket} pid=${this.#pid}`);
    this.machine.report.watch(({ phase }) => this.#log(`INFO host::machine: the machine is ${phase}`));
  }

  /** Has requests fail from now on. */
  fail(fault: Fault): () => void {
    return this.faults.add(fault);
  }

  /** Ends as when somebody ends its process: the machine goes on. */
  end(): void {
    this.#lives = false;
    this.#open.abort(new Unreachable('the daemon ended'));
    this.#engine.link.close(() => 'connect: no such file or directory');
    this.#engine.link.cut();
  }

  /** Another one begins, and finds the machine as it is. */
  begin(): void {
    if (this.#lives) return;
    this.#lives = true;
    this.#pid += 400;
    this.#open = new AbortController();
    if (this.machine.status.phase === 'running' && this.machine.status.trouble === null) this.#engine.link.open();
    else this.#engine.link.close(() => away(this.machine.status));
  }

  async request(request: Request): Promise<Answer> {
    const { signal } = request;
    signal?.throwIfAborted();
    await Promise.resolve();
    signal?.throwIfAborted();
    if (!this.#lives && !this.#starts(request)) throw new Unreachable('connect: no such file or directory');
    this.begin();
    const fault = this.faults.of(request);
    const answer = (fault && this.faults.instead(fault)) ?? (await this.#answer(request));
    signal?.throwIfAborted();
    return fault ? this.faults.cut(fault, answer) : answer;
  }

  /** As behind the window (`app/src/requests/exchange.rs`): what is asked of the machine starts a daemon, a look only where it says so. */
  #starts({ method, path }: Request): boolean {
    if (method !== 'GET') return true;
    return path === '/settings?start=true' || (path === '/watch?start=true' && this.machine.is);
  }

  /** Nothing that pages want of it is a connection: a shell in the guest needs frames of its own. */
  async upgrade(request: Request): Promise<Upgrade> {
    return { answer: await this.request(request) };
  }

  async #answer(request: Request): Promise<Answer> {
    const [path = '', query = ''] = request.path.split('?', 2) as [string, string?];
    try {
      switch (`${request.method} ${path}`) {
        case 'GET /version':
          return json(this.#version());
        case 'GET /status':
          return json(this.#status());
        case 'GET /watch':
          return this.#watch(request.signal);
        case 'POST /up':
          return this.#change({ is: 'up' }, request.signal);
        case 'POST /down':
          return this.#change({ is: 'down' }, request.signal);
        case 'POST /restart':
          return this.#change({ is: 'restart' }, request.signal);
        case 'POST /reset': {
          const { keep_volumes: keepVolumes = false } = await body<{ keep_volumes?: boolean }>(request);
          return this.#change({ is: 'reset', keepVolumes }, request.signal);
        }
        case 'GET /settings':
          return json(this.settings.list(this.machine.inForce));
        case 'PUT /settings':
          return this.#set(await body<{ name: string; value?: string | null }>(request, 'name'));
        case 'GET /updates':
          return json(this.updates.report());
        case 'POST /updates':
          return json(this.updates.look());
        case 'GET /logs':
          return this.#sendLog(new URLSearchParams(query), request.signal);
        case 'POST /shell':
          throw unreadable('/shell needs `Upgrade: berth-shell`');
        case 'POST /quit':
          // It ends after its answer.
          queueMicrotask(() => this.end());
          return json(null);
        default:
          throw new Failure(404, `the daemon has no ${path}: is berth of another version?`);
      }
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return json({ message: error.message }, error.status);
    }
  }

  #version(): DaemonVersion {
    const fingerprint: [number, number, number] = [18_874_368, 1_768_478_400_000_000_000, 1_312_771];
    return { version: VERSION, pid: this.#pid, program: { path: paths.program, fingerprint }, open_files: 0 };
  }

  #status(): DaemonStatus {
    const { world } = this.#engine;
    const machine = this.#noted(this.machine.status);
    const linked = machine.guest_version !== null && machine.trouble === null;
    const guest = linked ? guestStatus(world, machine, this.settings) : null;
    return {
      daemon: this.#version(),
      daemon_started_at: seconds(this.#began),
      engine_socket: paths.engineSocket,
      listening: this.#listening(),
      web: linked ? this.#web() : null,
      machine,
      guest,
      held: held(machine, guest),
      forwards: machine.guest_version === null ? [] : forwards(world),
      proxies: linked ? { source: 'none', http: null, https: null, no_proxy: null, desktop_is_unread: false } : null,
      updates: this.updates.report(),
    };
  }

  #listening(): string[] {
    const listen = this.settings.get('listen');
    return listen === '' ? [] : listen.split(',');
  }

  /** Where containers are found by name: somebody else has port 80. */
  #web(): string | null {
    const port = this.settings.get('web_port');
    if (port === 'off') return null;
    return `http://NAME.berth.localhost${port === '80' ? '' : `:${port === 'auto' ? '8880' : port}`}`;
  }

  /** With what the daemon itself has to say. */
  #noted(machine: MachineStatus): MachineStatus {
    const notes = this.#listening().some(isTls) ? [NO_CERTIFICATES] : [];
    return notes.length === 0 ? machine : { ...machine, notes: [...machine.notes, ...notes] };
  }

  #watch(signal?: AbortSignal): Answer {
    const outlet = new Outlet(this.#ends(signal));
    const tell = (status: MachineStatus) => outlet.push(line(this.#noted(status)));
    tell(this.machine.status);
    outlet.whenGone(this.machine.report.watch(tell));
    return streamed(outlet.stream, LINES);
  }

  /** Makes the request, then tells of what it led to until the machine settles. */
  #change(ask: Ask, signal?: AbortSignal): Answer {
    const first = this.machine.ask(ask);
    const outlet = new Outlet(this.#ends(signal));
    const tell = (status: MachineStatus) => {
      const there = ['starting', 'running', 'failed'].includes(status.phase);
      outlet.push(line(there ? this.#noted(status) : status));
      if (['stopped', 'running', 'failed'].includes(status.phase)) outlet.end();
    };
    tell(first);
    if (outlet.open) outlet.whenGone(this.machine.report.watch(tell));
    return streamed(outlet.stream, LINES);
  }

  #set({ name, value }: { name: string; value?: string | null }): Answer {
    const before = this.settings.get(name);
    this.settings.set(name, value ?? undefined);
    const now = this.settings.get(name);
    this.#log(`INFO host::settings: ${name} is changed`);
    // What it listens at then takes nobody in: the value is kept all the same.
    if (name === 'listen' && now !== before && this.#listening().some(isTls)) throw new Failure(500, NO_CERTIFICATES);
    return json(this.settings.entry(name, this.machine.inForce));
  }

  #sendLog(query: URLSearchParams, signal?: AbortSignal): Answer {
    const wanted = query.get('source') ?? 'console';
    if (!(SOURCES as readonly string[]).includes(wanted)) throw unreadable(`there is no log \`${wanted}\``);
    const follow = query.get('follow') === 'true';
    const stream = this.logs.read(wanted as LogSource, follow, follow ? this.#ends(signal) : signal);
    return streamed(stream, 'text/plain; charset=utf-8');
  }

  /** What ends with the daemon. */
  #ends(signal: AbortSignal | undefined): AbortSignal {
    return AbortSignal.any(signal ? [signal, this.#open.signal] : [this.#open.signal]);
  }

  #log(words: string): void {
    const now = new Date(this.#engine.world.clock.now()).toISOString().slice(0, 19);
    this.logs.write('daemon', `${now}Z  ${words}`);
  }
}

const NO_CERTIFICATES = `there are no certificates in ${paths.tls}: make them with \`berth tls create\``;

function unreadable(reason: string): Failure {
  return invalid(
    `the daemon's answer cannot be understood: ${reason}; is it of another version? run \`berth down\` and try again`,
  );
}

/** The body as JSON, with the member that it must have. */
async function body<T>(request: Request, needs?: string): Promise<T> {
  const text = await new Response(request.body as BodyInit | undefined).text();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw unreadable(text === '' ? 'EOF while parsing a value at line 1 column 0' : (error as Error).message);
  }
  if (needs !== undefined && typeof (value as Record<string, unknown> | null)?.[needs] !== 'string')
    throw unreadable(`missing field \`${needs}\` at line 1 column ${text.length}`);
  return value as T;
}

function json(value: unknown, status = 200): Answer {
  const bytes = encode(JSON.stringify(value));
  return {
    status,
    headers: { 'content-type': 'application/json', 'content-length': String(bytes.length) },
    body: new Response(bytes as BufferSource).body!,
  };
}

function streamed(body: ReadableStream<Uint8Array>, type: string): Answer {
  return { status: 200, headers: { 'content-type': type }, body };
}
