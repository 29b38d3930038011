/** Hands a file to the person as a download of their browser or window. */
export function save(name: string, parts: BlobPart[], type = 'application/octet-stream'): void {
  offer(new Blob(parts, { type }), name);
}

export function offer(blob: Blob, name: string): void {
  const address = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = address;
  link.download = fileName(name);
  link.click();
  // The download begins before the address may go; browsers need a turn for it.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** A name that is one on every system: names come from containers. */
export function fileName(name: string): string {
  const plain = name.replace(/[\x00-\x1f\x7f<>:"/\\|?*\u202a-\u202e\u2066-\u2069]/g, '_').replace(/^[. ]+|[. ]+$/g, '');
  return plain === '' ? 'file' : plain.slice(0, 200);
}
