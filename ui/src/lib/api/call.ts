import type { Answer, Backend, Request } from '$lib/backend/backend';

/** The engine refused: the status and the words that it gave. */
export class Refused extends Error {
  override readonly name = 'Refused';
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export type Query = Record<string, string | number | boolean | string[] | undefined>;

/** `path` with `query` behind it; what is undefined is left out, lists give a name several times. */
export function address(path: string, query: Query = {}): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) pairs.append(name, String(one));
  }
  const text = pairs.toString();
  return text === '' ? path : `${path}?${text}`;
}

/** The `filters` parameter: names to the values that they may have. */
export function filters(of: Record<string, string[]>): string | undefined {
  const given = Object.entries(of).filter(([, values]) => values.length > 0);
  return given.length === 0 ? undefined : JSON.stringify(Object.fromEntries(given));
}

/** Sends `request`; an answer of 400 or more becomes `Refused`. */
export async function call(backend: Backend, request: Request): Promise<Answer> {
  const answer = await backend.request(request);
  if (answer.status >= 400) throw await refusal(answer);
  return answer;
}

/** Sends and reads an answer of JSON. */
export async function json<T>(backend: Backend, request: Request): Promise<T> {
  return JSON.parse(await text(await call(backend, request))) as T;
}

/** Sends and reads the answer to its end, for what says nothing but its status. */
export async function done(backend: Backend, request: Request): Promise<number> {
  const answer = await call(backend, request);
  await text(answer);
  return answer.status;
}

/** A request whose body is JSON. */
export function withJson(method: Request['method'], path: string, body: unknown, more: Partial<Request> = {}): Request {
  return {
    method,
    path,
    body: JSON.stringify(body),
    ...more,
    headers: { 'content-type': 'application/json', ...more.headers },
  };
}

/** The whole body as text. */
export async function text(answer: Answer): Promise<string> {
  return new Response(answer.body).text();
}

/** The words of a refusal: the engine's `message`, or whatever the body holds. */
export async function refusal(answer: Answer): Promise<Refused> {
  const body = await text(answer);
  try {
    const said = (JSON.parse(body) as { message?: unknown }).message;
    if (typeof said === 'string') return new Refused(answer.status, said);
  } catch {
    // Not JSON: something between the pages and the engine answered; its own words are the best there are.
  }
  return new Refused(answer.status, body.trim() || `status ${answer.status}`);
}
