/** A line of shell as lists of words: quotes, variables, `;`, `&&`, `||`, `|`, `>`, `>>`, `2>&1`, comments. */
export interface Command {
  words: string[];
  /** What must have become of the one before it. */
  after: 'always' | 'success' | 'failure';
  /** Its output is the next one's input. */
  piped: boolean;
  to?: { path: string; append: boolean };
  /** `>&2` */
  toErrors?: boolean;
}

export class SyntaxProblem extends Error {}

type Token = { text: string; operator: boolean };

export function parse(line: string, value: (name: string) => string): Command[] {
  const commands: Command[] = [];
  let current: Command = { words: [], after: 'always', piped: false };
  const finish = (next: Command['after'], piped = false, last = false) => {
    if (current.words.length === 0) {
      if (!last && (commands.length === 0 || next !== 'always'))
        throw new SyntaxProblem('syntax error: unexpected operator');
      if (last || next === 'always') return void (current = { ...current, after: next });
    }
    current.piped = piped;
    commands.push(current);
    current = { words: [], after: next, piped: false };
  };
  const found = tokens(line, value);
  for (let at = 0; at < found.length; at++) {
    const { text, operator } = found[at]!;
    if (!operator) current.words.push(text);
    else if (text === '&&') finish('success');
    else if (text === '||') finish('failure');
    else if (text === '|') finish('always', true);
    else if (text === '>' || text === '>>') {
      const target = found[++at];
      if (target === undefined || target.operator) throw new SyntaxProblem('syntax error: unexpected newline');
      current.to = { path: target.text, append: text === '>>' };
    } else if (text === '>&2') current.toErrors = true;
    else if (text !== '2>&1') finish('always');
  }
  finish('always', false, true);
  return commands;
}

function tokens(line: string, value: (name: string) => string): Token[] {
  const found: Token[] = [];
  let word: string | undefined;
  const end = () => {
    if (word !== undefined) found.push({ text: word, operator: false });
    word = undefined;
  };
  let at = 0;
  const variable = (): string => {
    const match = /^\$(?:\{(\w+)\}|(\w+|[?$#@*!]))/.exec(line.slice(at));
    if (match === null) {
      at += 1;
      return '$';
    }
    at += match[0].length;
    return value((match[1] ?? match[2])!);
  };
  while (at < line.length) {
    const char = line[at]!;
    const operator = /^(2>&1|1?>&2|&&|\|\||>>|[;|>\n])/.exec(line.slice(at))?.[0];
    if (operator !== undefined && !(/^\d/.test(operator) && word !== undefined)) {
      end();
      found.push({ text: operator.replace(/^1/, ''), operator: true });
      at += operator.length;
    } else if (/\s/.test(char)) {
      end();
      at += 1;
    } else if (char === '#' && word === undefined) break;
    else if (char === "'") {
      const close = line.indexOf("'", at + 1);
      if (close < 0) throw new SyntaxProblem('syntax error: unterminated quoted string');
      word = (word ?? '') + line.slice(at + 1, close);
      at = close + 1;
    } else if (char === '"') {
      word ??= '';
      at += 1;
      while (line[at] !== '"') {
        if (at >= line.length) throw new SyntaxProblem('syntax error: unterminated quoted string');
        if (line[at] === '\\' && /["\\$`]/.test(line[at + 1] ?? '')) at += 1;
        else if (line[at] === '$') {
          word += variable();
          continue;
        }
        word += line[at]!;
        at += 1;
      }
      at += 1;
    } else if (char === '\\') {
      word = (word ?? '') + (line[at + 1] ?? '');
      at += 2;
    } else if (char === '$') word = (word ?? '') + variable();
    else {
      word = (word ?? '') + char;
      at += 1;
    }
  }
  end();
  return found;
}
