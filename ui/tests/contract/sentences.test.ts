import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Catalogue, pairs } from '$lib/i18n/sentences';

/** The table that `app/catalogue`, which translates for the command line, is held to as well. */
const read = (name: string) => pairs(readFileSync(`../app/catalogue/tests/${name}.po`, 'utf8'));

describe('a catalogue of sentences', () => {
  const [catalogue, table] = [new Catalogue(read('sentences')), read('translations')];

  it('is looked up in with the cases of the command line', () => {
    expect(table.length).toBeGreaterThan(15);
  });

  it.each(table)('translates %o as the command line does', (english, translation) => {
    expect(catalogue.translate(english)).toBe(translation);
  });
});
