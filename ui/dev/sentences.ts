/** `virtual:sentences/zh-CN`: the command line's catalogue of what daemon and engine say, as a module of its own for the pages. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';
import { pairs } from '../src/lib/i18n/sentences';

const NAME = 'virtual:sentences/zh-CN';
const FILE = fileURLToPath(new URL('../../app/cli/locales/sentences.zh-CN.po', import.meta.url));

export function sentences(): Plugin {
  return {
    name: 'berth-sentences',
    resolveId: (id) => (id === NAME ? `\0${NAME}` : undefined),
    load(id) {
      if (id !== `\0${NAME}`) return undefined;
      this.addWatchFile(FILE);
      return `export default ${JSON.stringify(pairs(readFileSync(FILE, 'utf8')))}`;
    },
  };
}
