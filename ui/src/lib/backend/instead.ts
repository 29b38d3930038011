/**
 * Whether the daemon answers in place of an engine that is not there, as it does on the engine's socket while the machine does not run. An
 * engine's own answer always has its version.
 */
export function isInstead(status: number, headers: Record<string, string>): boolean {
  return status === 503 && headers['api-version'] === undefined;
}

/** The words of whoever answers instead of the one that was asked: the `message` of its JSON, or all that it says. */
export async function words(body: ReadableStream<Uint8Array> | null): Promise<string> {
  const text = await new Response(body).text();
  try {
    return (JSON.parse(text) as { message: string }).message;
  } catch {
    return text;
  }
}
