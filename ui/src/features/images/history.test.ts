import { describe, expect, it } from 'vitest';
import { layerRows } from './history';

const item = (CreatedBy: string, Size = 0) => ({
  CreatedBy,
  Size,
  Comment: '',
  Created: 1,
  Id: '<missing>',
  Tags: null,
});

describe('the history of an image', () => {
  it('tells instructions apart in both styles', () => {
    const rows = layerRows([
      item('/bin/sh -c #(nop)  CMD ["nginx"]'),
      item('CMD ["nginx"]'),
      item('/bin/sh -c apt-get update'),
      item('RUN /bin/sh -c apt-get update # buildkit'),
      item('COPY . /app # buildkit'),
      item('/bin/sh -c #(nop) ADD file:aa in / '),
      item('Imported from -'),
      item(''),
    ]);
    expect(rows.map((row) => [row.instruction, row.command])).toEqual([
      ['CMD', '["nginx"]'],
      ['CMD', '["nginx"]'],
      ['RUN', 'apt-get update'],
      ['RUN', 'apt-get update'],
      ['COPY', '. /app'],
      ['ADD', 'file:aa in /'],
      [undefined, 'Imported from -'],
      [undefined, ''],
    ]);
  });

  it('says how much of the image each layer is', () => {
    expect(layerRows([item('a', 25), item('b', 75)]).map((row) => row.share)).toEqual([0.25, 0.75]);
    expect(layerRows([item('a')])[0]!.share).toBe(0);
  });
});
