import type { Failure } from './failure';

/** Numbers and truth values as Go's `strconv` reads them. What is none is refused in its words. */
type Refuse = (words: string) => Failure;

export const atoi = (text: string, refuse: Refuse) => integer('Atoi', text, refuse);
export const parseInt64 = (text: string, refuse: Refuse) => integer('ParseInt', text, refuse);

function integer(reader: string, text: string, refuse: Refuse): number {
  const failed = (cause: string) => refuse(`strconv.${reader}: parsing ${JSON.stringify(text)}: ${cause}`);
  if (!/^[-+]?\d+$/.test(text)) throw failed('invalid syntax');
  const number = BigInt(text);
  if (BigInt.asIntN(64, number) !== number) throw failed('value out of range');
  return Number(number);
}

export function parseBool(text: string, refuse: Refuse): boolean {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return false;
  throw refuse(`strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
}
