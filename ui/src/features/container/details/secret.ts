const NAMES =
  /pass(word|wd|phrase)?|secret|token|api_?key|private|credential|auth|cookie|salt|dsn|access_?key|\bkey$|_key$|_pwd$|^pwd_/i;
/** Who a connection is made as, in an address: `postgres://user:word@host`. */
const IN_ADDRESS = /:\/\/[^\s/@:]*:[^\s/@]+@/;

/** Whether a variable is shown only when it is asked for. A guess by name and form, on the careful side. */
export function isSecret(name: string, value: string): boolean {
  if (value === '') return false;
  return (NAMES.test(name) && !/^(\/|true$|false$|\d{1,5}$)/.test(value)) || IN_ADDRESS.test(value);
}
