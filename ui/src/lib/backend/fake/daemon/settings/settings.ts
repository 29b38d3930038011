import type { SettingEntry } from '$lib/api/generated/daemon';
import { invalid } from '../../core/failure';
import type { Facts } from '../paths';
import { Expected, masked } from './forms';
import { type Key, KEYS } from './keys';

/** The user's choices over what the computer suggests. */
export class Settings {
  readonly #set = new Map<string, string>();

  constructor(readonly facts: Facts) {}

  get(name: string): string {
    const key = known(name);
    return this.#set.get(name) ?? byDefault(key, this.facts);
  }

  /** Changes one value; `undefined`, an empty text or `default` takes it back. */
  set(name: string, value: string | undefined): void {
    const key = known(name);
    const text = value?.trim();
    if (text === undefined || text === 'default' || (text === '' && !key.mayBeEmpty)) {
      this.#set.delete(name);
      return;
    }
    try {
      this.#set.set(name, key.parse(text, this.facts));
    } catch (error) {
      if (!(error instanceof Expected)) throw error;
      throw invalid(`bad value \`${shown(key, text)}\` for ${name}: ${error.message}`);
    }
  }

  /** What a start reads, by name. */
  ofAStart(): ReadonlyMap<string, string> {
    const read = KEYS.filter(({ takes }) => takes === 'at_next_start');
    return new Map(read.map(({ name }) => [name, this.get(name)]));
  }

  /** Beside what the machine was started with, where there is one. */
  entry(name: string, inForce?: ReadonlyMap<string, string>): SettingEntry {
    return this.#entry(known(name), inForce);
  }

  /** All, in the order in which they are documented. */
  list(inForce?: ReadonlyMap<string, string>): SettingEntry[] {
    return KEYS.map((key) => this.#entry(key, inForce));
  }

  #entry(key: Key, inForce: ReadonlyMap<string, string> | undefined): SettingEntry {
    const then = inForce?.get(key.name);
    return {
      name: key.name,
      value: shown(key, this.get(key.name)),
      default: byDefault(key, this.facts),
      is_set: this.#set.has(key.name),
      description: key.description,
      takes_effect: key.takes,
      in_force: then === undefined || then === this.get(key.name) ? null : shown(key, then),
    };
  }
}

function byDefault({ byDefault: value }: Key, facts: Facts): string {
  return typeof value === 'string' ? value : value(facts);
}

function known(name: string): Key {
  const key = KEYS.find((key) => key.name === name);
  if (key === undefined) throw invalid(`there is no setting \`${name}\`: \`berth config list\` shows them all`);
  return key;
}

/** `text` for people: without the passwords of URLs. */
function shown(key: Key, text: string): string {
  return key.name.endsWith('_proxy') || text.includes('://') ? masked(text) : text;
}
