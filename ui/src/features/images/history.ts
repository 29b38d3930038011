/** An image's history as bars. */
import type { ImageHistoryItem } from '$lib/api/generated';

export interface LayerRow {
  /** Position in the history, the newest being 0. */
  at: number;
  /** What made it, without what every shell line begins with. */
  command: string;
  /** The word of a Dockerfile, where one can be told. */
  instruction: string | undefined;
  size: number;
  /** Of the whole image, from 0 to 1. */
  share: number;
  /** Seconds since the epoch. */
  created: number;
  comment: string;
}

const NOP = /^\/bin\/sh -c #\(nop\)\s+/;
const RUN = /^(?:RUN\s+)?\/bin\/sh -c\s+/;
const BUILDKIT = /\s+# buildkit$/;
const INSTRUCTION =
  /^(ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|RUN|SHELL|STOPSIGNAL|USER|VOLUME|WORKDIR)\s+/;

export function layerRows(history: readonly ImageHistoryItem[]): LayerRow[] {
  const total = history.reduce((sum, item) => sum + item.Size, 0);
  return history.map((item, at) => ({
    at,
    ...made(item.CreatedBy),
    size: item.Size,
    share: total === 0 ? 0 : item.Size / total,
    created: item.Created,
    comment: item.Comment,
  }));
}

/** `CreatedBy` in the two styles that there are: the classic builder's and BuildKit's. */
function made(by: string): Pick<LayerRow, 'command' | 'instruction'> {
  const text = by.replace(BUILDKIT, '').trim();
  if (!NOP.test(text) && RUN.test(text)) return { instruction: 'RUN', command: text.replace(RUN, '').trim() };
  const plain = text.replace(NOP, '');
  const instruction = INSTRUCTION.exec(plain)?.[1];
  return { instruction, command: instruction === undefined ? plain : plain.slice(instruction.length).trim() };
}
