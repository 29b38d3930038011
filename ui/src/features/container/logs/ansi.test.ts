import { describe, expect, it } from 'vitest';
import { AnsiReader, PLAIN, restyled, type Span } from './ansi';

const read = (...lines: string[]) => {
  const reader = new AnsiReader();
  return lines.map((line) => reader.line(line)).at(-1)!;
};
const span = (start: number, end: number, style: Span['style']) => ({ start, end, style });

describe('AnsiReader', () => {
  it('leaves plain text alone', () => expect(read('a <b>bold</b> & "x"')).toEqual({ text: 'a <b>bold</b> & "x"' }));

  it('parts text from colours', () =>
    expect(read('\x1b[31mred\x1b[0m and \x1b[1;4mbold\x1b[22m under\x1b[m.')).toEqual({
      text: 'red and bold under.',
      spans: [span(0, 3, { fg: 1 }), span(8, 12, { bold: true, underline: true }), span(12, 18, { underline: true })],
    }));

  it('carries a style over lines until it is reset', () => {
    expect(read('\x1b[33mwarn', 'still')).toEqual({ text: 'still', spans: [span(0, 5, { fg: 3 })] });
    expect(read('\x1b[33mwarn\x1b[0m', 'not')).toEqual({ text: 'not' });
  });

  it.each([
    ['38;5;9', { fg: 9 }],
    ['38;5;196', { fg: '#ff0000' }],
    ['48;5;244', { bg: '#808080' }],
    ['38;2;1;2;3', { fg: '#010203' }],
    ['38:2::1:2:3', { fg: '#010203' }],
    ['38:5:21', { fg: '#0000ff' }],
    ['38;5;300', {}],
    ['38;2;999;0;0', { fg: '#ff0000' }],
    ['1;38;5;2;3', { bold: true, fg: 2, italic: true }],
    ['97;101', { fg: 15, bg: 9 }],
    ['4:0', {}],
    ['58;77', {}],
  ])('reads %s', (parameters, style) => expect(restyled(PLAIN, parameters)).toEqual(style));

  it.each([
    ['a title', '\x1b]0;evil\x07text', 'text'],
    ['a link', '\x1b]8;;javascript:alert(1)\x1b\\link\x1b]8;;\x1b\\', 'link'],
    ['cursor movements', '\x1b[2J\x1b[1;1Hhome\x1b[?25l', 'home'],
    ['a device control string', '\x1bPq#0;2\x1b\\x', 'x'],
    ['a string that never ends', 'x\x1b]0;title', 'x'],
    ['an escape at the end', 'x\x1b', 'x'],
    ['a character set', '\x1b(Bx', 'x'],
    ['other controls', 'a\x00b\x07c\x7fd', 'abcd'],
    ['tabs stay', 'a\tb', 'a\tb'],
  ])('drops %s', (_, raw, text) => expect(read(raw)).toEqual({ text }));

  it.each([
    ['a DOS line end', 'text\r', 'text'],
    ['progress', ' 10%\r 50%\r100%', '100%'],
    ['a shorter text over a longer one', 'loading\rdone', 'doneing'],
    ['the same, erased before', 'loading\r\x1b[Kdone', 'done'],
    ['the whole line erased', 'loading\x1b[2K\rdone', 'done'],
    ['a backspace', 'abX\bc', 'abc'],
  ])('writes over the line: %s', (_, raw, text) => expect(read(raw).text).toBe(text));

  it.each([
    ['backspaces over as many colours', (of: number) => '\x1b[31mx\x1b[0my'.repeat(of) + '\b'.repeat(of), 2],
    ['carriage returns over as many colours', (of: number) => '\x1b[31mx\x1b[0my'.repeat(of) + '\rz'.repeat(of), 2],
    ['backspaces over a long text', (of: number) => 'x'.repeat(of) + 'y\b'.repeat(of), 1],
  ])('takes 100,000 %s in no time', (_, line, width) => {
    const of = 100_000;
    const begun = performance.now();
    expect(read(line(of)).text.length).toBeGreaterThanOrEqual(width * of);
    // Quadratic it took minutes.
    expect(performance.now() - begun).toBeLessThan(20_000);
  });

  it('cuts no character of two code units', () => expect(read('a😀\bb').text).toBe('ab'));

  it('keeps the styles of what is written over', () =>
    expect(read('\x1b[31mloading\x1b[0m\rdo')).toEqual({ text: 'doading', spans: [span(2, 7, { fg: 1 })] }));
});
