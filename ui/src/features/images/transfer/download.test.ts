import { afterEach, describe, expect, it, vi } from 'vitest';
import { Refused } from '$lib/api/call';
import { Download, archiveName } from './download.svelte';

const stream = (...chunks: string[]) =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
      controller.close();
    },
  });

afterEach(() => vi.unstubAllGlobals());

describe('a download', () => {
  it('is handed to the browser under its name', async () => {
    let kept: Blob | undefined;
    let name = '';
    vi.spyOn(URL, 'createObjectURL').mockImplementation((blob) => {
      kept = blob as Blob;
      return 'blob:x';
    });
    vi.spyOn(HTMLAnchorElement.prototype, 'click').mockImplementation(function (this: HTMLAnchorElement) {
      name = this.download;
    });
    const download = new Download();
    await download.run('a.tar', async () => stream('ab', 'c'));
    expect([download.state, download.bytes, name]).toEqual(['done', 3, 'a.tar']);
    expect(await kept!.text()).toBe('abc');
  });

  it('goes straight to a file where the browser can', async () => {
    const written: string[] = [];
    const file = new WritableStream<Uint8Array>({
      write: (chunk) => void written.push(new TextDecoder().decode(chunk)),
    });
    vi.stubGlobal('showSaveFilePicker', async () => ({ createWritable: async () => file }));
    const download = new Download();
    await download.run('a.tar', async () => stream('ab', 'c'));
    expect([download.state, written.join('')]).toEqual(['done', 'abc']);
  });

  it('says why it failed, and nothing of a file that was not chosen', async () => {
    const download = new Download();
    await download.run('a.tar', async () => {
      throw new Refused(404, 'No such image: x');
    });
    expect([download.state, download.failure]).toEqual(['failed', 'No such image: x']);
    vi.stubGlobal('showSaveFilePicker', async () => {
      throw new DOMException('no', 'AbortError');
    });
    const asked = vi.fn();
    await download.run('a.tar', asked);
    expect([download.state, download.failure]).toEqual(['stopped', undefined]);
    expect(asked).not.toHaveBeenCalled();
  });

  it('ends the request when it is stopped', async () => {
    let cancelled = false;
    const endless = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new Uint8Array(1)),
      cancel: () => void (cancelled = true),
    });
    const download = new Download();
    const end = download.run('a.tar', async () => endless);
    await vi.waitUntil(() => download.bytes > 0);
    download.stop();
    await end;
    expect([download.state, cancelled]).toEqual(['stopped', true]);
  });

  it('has a name that every file system takes', () => {
    expect(archiveName(['localhost:5000/a/b:1'], 'tar')).toBe('localhost_5000_a_b_1.tar');
    expect(archiveName(['a:1', 'b'], 'tar')).toBe('a_1-and-1-more.tar');
    expect(archiveName(['../..'], 'tar')).toBe('images.tar');
  });
});
