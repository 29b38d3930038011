import { conflict, Failure, invalid, notFound } from '../core/failure';
import type { World } from '../world';
import type { Container } from './container';

const LEFT = [
  'admiring',
  'bold',
  'calm',
  'dreamy',
  'eager',
  'fervent',
  'gallant',
  'happy',
  'jolly',
  'keen',
  'lucid',
  'merry',
  'nifty',
  'quiet',
  'serene',
  'tender',
  'vibrant',
  'wise',
];
const RIGHT = [
  'babbage',
  'curie',
  'darwin',
  'euler',
  'fermi',
  'galileo',
  'hopper',
  'kepler',
  'lovelace',
  'maxwell',
  'noether',
  'pascal',
  'ritchie',
  'shannon',
  'turing',
  'volta',
];

/** All containers, by ID. */
export class Containers {
  readonly #all = new Map<string, Container>();

  constructor(readonly world: World) {}

  all(): Container[] {
    return [...this.#all.values()];
  }

  add(container: Container): void {
    this.#all.set(container.id, container);
  }

  delete(id: string): void {
    this.#all.delete(id);
  }

  /** By ID, by name, by the beginning of an ID. */
  find(name: string): Container {
    const exact = this.#all.get(name) ?? this.named(name.replace(/^\//, ''));
    if (exact) return exact;
    const found = name === '' ? [] : this.all().filter((container) => container.id.startsWith(name));
    if (found.length > 1) throw invalid(`multiple IDs found with provided prefix: ${name}`);
    if (found[0] === undefined) throw notFound(`No such container: ${name}`);
    return found[0];
  }

  has(name: string): boolean {
    try {
      this.find(name);
      return true;
    } catch (error) {
      if (error instanceof Failure) return false;
      throw error;
    }
  }

  named(name: string): Container | undefined {
    return this.all().find((container) => container.name === name);
  }

  /** Refuses a name that is no name or that another has. */
  reserve(name: string): void {
    if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) {
      throw invalid(`Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
    }
    const other = this.named(name);
    if (other) {
      throw conflict(
        `Conflict. The container name "/${name}" is already in use by container "${other.id}". You have to remove (or rename) that container to be able to reuse that name.`,
      );
    }
  }

  /** A name that is free. */
  invent(): string {
    for (;;) {
      const name = `${this.world.random.pick(LEFT)}_${this.world.random.pick(RIGHT)}`;
      if (this.named(name) === undefined) return name;
      const numbered = `${name}${this.world.random.between(0, 999)}`;
      if (this.named(numbered) === undefined) return numbered;
    }
  }
}
