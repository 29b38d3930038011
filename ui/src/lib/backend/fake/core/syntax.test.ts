import { expect, test } from 'vitest';
import { parse } from './syntax';

function words(text: string): string {
  try {
    return JSON.stringify(parse(text));
  } catch (error) {
    return (error as Error).message;
  }
}

// What dockerd says of texts in bodies and parameters is in `tests/contract/refusals.test.ts`.
test.each([
  [' {"a": [1, {}, []]} ', '{"a":[1,{},[]]}'],
  ['', 'unexpected end of JSON input'],
  ['{"a":[{},[],', 'unexpected end of JSON input'],
  ['"\\u00e', 'unexpected end of JSON input'],
  ['[{"a":1}}', "invalid character '}' after array element"],
  ['{"a":[]]', "invalid character ']' after object key:value pair"],
  ['{} x', "invalid character 'x' after top-level value"],
  ['1.x', "invalid character 'x' after decimal point in numeric literal"],
  ['-1.5e+', 'unexpected end of JSON input'],
  ['1e-x', "invalid character 'x' in exponent of numeric literal"],
  ['"\n"', "invalid character '\\n' in string literal"],
  ['"\\x"', "invalid character 'x' in string escape code"],
  ['"\\u00g0"', "invalid character 'g' in \\u hexadecimal character escape"],
  ["'a'", "invalid character '\\'' looking for beginning of value"],
  ['\u0001', "invalid character '\\x01' looking for beginning of value"],
  // The first of its two bytes.
  ['é', "invalid character 'Ã' looking for beginning of value"],
])('%j', (text, expected) => {
  expect(words(text)).toBe(expected);
});

test('a text may be as deep as it likes', () => {
  expect(words('['.repeat(100_000))).toBe('unexpected end of JSON input');
});
