/** One step of a path: an ID or a name, whatever is in it. */
export function step(text: string): string {
  return encodeURIComponent(text);
}

/** A reference of an image within a path: its slashes are steps, as the routes expect them. */
export function reference(text: string): string {
  return text.split('/').map(encodeURIComponent).join('/').replaceAll('%3A', ':').replaceAll('%40', '@');
}
