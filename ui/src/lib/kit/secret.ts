const NAMES =
  /pass(word|wd|phrase)?|secret|token|api_?key|private|credential|auth|cookie|salt|dsn|access_?key|\bkey$|_key$|_pwd$|^pwd_/i;
/** Who a connection is made as, in an address: `postgres://user:word@host`. */
const IN_ADDRESS = /:\/\/[^\s/@:]*:[^\s/@]+@/;

/** Whether a variable is shown only when it is asked for. A guess by name and form, on the careful side. */
export function isSecret(name: string, value: string): boolean {
  if (value === '') return false;
  return (NAMES.test(name) && !/^(\/|true$|false$|\d{1,5}$)/.test(value)) || IN_ADDRESS.test(value);
}

/** What stands for a value that is not shown. */
export const DOTS = '••••••••';

/** A variable as containers and images have them, `NAME=value`. */
export function split(variable: string): [name: string, value: string] {
  const equals = variable.indexOf('=');
  return equals < 0 ? [variable, ''] : [variable.slice(0, equals), variable.slice(equals + 1)];
}

/** Variables with dots for what is secret. */
export function masked(variables: readonly string[]): string[] {
  return variables.map((variable) => {
    const [name, value] = split(variable);
    return isSecret(name, value) ? `${name}=${DOTS}` : variable;
  });
}

/** Variables as they are meant when somebody has changed some of the masked ones: dots stand for the value that was there. */
export function unmasked(changed: readonly string[], before: readonly string[]): string[] {
  const values = new Map(before.map(split));
  return changed.map((variable) => {
    const [name, value] = split(variable);
    return value === DOTS && values.has(name) ? `${name}=${values.get(name)}` : variable;
  });
}
