import type { Upload } from './content';

/** The files that were dropped, with those in folders that were. */
export async function dropped(data: DataTransfer): Promise<Upload[]> {
  // To be asked for at once: after the event the list is empty.
  const entries = Array.from(data.items, (item) => item.webkitGetAsEntry?.() ?? null);
  const files = Array.from(data.files);
  if (entries.every((entry) => entry === null)) return files.map((file) => ({ path: file.name, file }));
  const found: Upload[] = [];
  for (const entry of entries) if (entry !== null) await gather(entry, '', found);
  return found;
}

async function gather(entry: FileSystemEntry, above: string, into: Upload[]): Promise<void> {
  const path = `${above}${entry.name}`;
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    into.push({ path, file });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // A hundred at a time in Chromium; none at the end.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return;
    for (const one of some) await gather(one, `${path}/`, into);
  }
}
