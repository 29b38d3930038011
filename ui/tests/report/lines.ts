/**
 * What both runners say, in the words of Rust's own test runner: `cargo verify` adds up what all runners say.
 */
export type Outcome = { name: string; outcome: 'ok' | 'FAILED' | 'ignored'; why?: string };

/** One test's line, as soon as it has ended. */
export function line({ name, outcome, why }: Outcome): string {
  const reason = outcome === 'ignored' && why ? `, ${flat(why)}` : '';
  return `test ${flat(name)} ... ${outcome}${reason}`;
}

/** What failed tests said, and the sum. */
export function summary(outcomes: Outcome[], seconds: number): string {
  const failed = outcomes.filter(({ outcome }) => outcome === 'FAILED');
  const ignored = outcomes.filter(({ outcome }) => outcome === 'ignored');
  const passed = outcomes.length - failed.length - ignored.length;
  const told = failed.flatMap(({ name, why }) => [`---- ${flat(name)} stdout ----`, plain(why ?? ''), '']);
  const names = failed.map(({ name }) => `    ${flat(name)}`);
  return [
    '',
    ...(failed.length === 0 ? [] : ['failures:', '', ...told, 'failures:', ...names, '']),
    `test result: ${failed.length === 0 ? 'ok' : 'FAILED'}. ${passed} passed; ${failed.length} failed; ${ignored.length} ignored; ` +
      `0 measured; 0 filtered out; finished in ${seconds.toFixed(2)}s`,
    '',
  ].join('\n');
}

const flat = (text: string) => text.replace(/\s+/g, ' ').trim();

// Runners colour what they say.
const plain = (text: string) => text.replace(/\u001b\[[0-9;]*[A-Za-z]/g, '');
